//! The words of a query, and a place among them.

use super::super::error::Error;

/// Deeper nesting of conditions is refused.
const DEEPEST: usize = 50;

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// A keyword, a name, a number, a date.
    Plain(String),
    /// A quoted literal, without its escapes.
    Text(String),
    /// `(`, `)`, `,` or an operator.
    Symbol(&'static str),
}

/// All words, and how many were read.
#[derive(Debug)]
pub(super) struct Words {
    words: Vec<Word>,
    at: usize,
    depth: usize,
}

const SYMBOLS: [&str; 10] = ["!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ","];

impl Words {
    pub(super) fn of(text: &str) -> Result<Self, Error> {
        let mut words = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let symbol = SYMBOLS
                .into_iter()
                .find_map(|symbol| rest.strip_prefix(symbol).map(|tail| (symbol, tail)));
            let (word, tail) = if let Some((symbol, tail)) = symbol {
                (Word::Symbol(symbol), tail)
            } else if let Some(tail) = rest.strip_prefix('\'') {
                quoted(tail)?
            } else {
                let end = rest
                    .find(|c: char| c.is_whitespace() || "(),=<>!'".contains(c))
                    .unwrap_or(rest.len());
                let (word, tail) = rest.split_at(end);
                if word.is_empty() {
                    return Err(Error::malformed_query(format!(
                        "unexpected token: '{rest}'"
                    )));
                }
                (Word::Plain(word.to_owned()), tail)
            };
            words.push(word);
            rest = tail.trim_start();
        }
        Ok(Self {
            words,
            at: 0,
            depth: 0,
        })
    }

    pub(super) fn peek(&self) -> Option<&Word> {
        self.words.get(self.at)
    }

    pub(super) fn skip(&mut self) {
        self.at += 1;
    }

    /// Reads this keyword if it stands here.
    pub(super) fn accept(&mut self, keyword: &str) -> bool {
        let here =
            matches!(self.peek(), Some(Word::Plain(word)) if word.eq_ignore_ascii_case(keyword));
        self.at += usize::from(here);
        here
    }

    /// Reads this symbol if it stands here.
    pub(super) fn symbol(&mut self, symbol: &str) -> bool {
        let here = matches!(self.peek(), Some(Word::Symbol(word)) if *word == symbol);
        self.at += usize::from(here);
        here
    }

    pub(super) fn keyword(&mut self, keyword: &str) -> Result<(), Error> {
        if self.accept(keyword) {
            return Ok(());
        }
        Err(self.unexpected())
    }

    pub(super) fn expect(&mut self, symbol: &str) -> Result<(), Error> {
        if self.symbol(symbol) {
            return Ok(());
        }
        Err(self.unexpected())
    }

    /// Reads the name of an object or a field.
    pub(super) fn name(&mut self) -> Result<String, Error> {
        let name = match self.peek() {
            Some(Word::Plain(word)) if is_name(word) => word.clone(),
            Some(Word::Plain(_) | Word::Text(_) | Word::Symbol(_)) | None => {
                return Err(self.unexpected());
            }
        };
        self.skip();
        Ok(name)
    }

    /// Reads a number of rows.
    pub(super) fn count(&mut self) -> Result<usize, Error> {
        let count = match self.peek() {
            Some(Word::Plain(word)) => word.parse().ok(),
            Some(Word::Text(_) | Word::Symbol(_)) | None => None,
        };
        let count = count.ok_or_else(|| self.unexpected())?;
        self.skip();
        Ok(count)
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Result<(), Error> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.unexpected()),
        }
    }

    /// Enters a nested condition.
    pub(super) fn deeper(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Error::malformed_query("the condition is nested too deeply"));
        }
        Ok(())
    }

    /// Leaves it.
    pub(super) fn back(&mut self) {
        self.depth -= 1;
    }

    pub(super) fn unexpected(&self) -> Error {
        Error::malformed_query(match self.peek() {
            None => "unexpected end of query".to_owned(),
            Some(Word::Plain(word)) => format!("unexpected token: '{word}'"),
            Some(Word::Text(text)) => format!("unexpected token: '{text}'"),
            Some(Word::Symbol(symbol)) => format!("unexpected token: '{symbol}'"),
        })
    }
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
}

/// Reads a quoted literal from behind its opening quote.
fn quoted(text: &str) -> Result<(Word, &str), Error> {
    let mut value = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\'' => return Ok((Word::Text(value), rest.as_str())),
            '\\' => value.push(match rest.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some(c @ ('\'' | '"' | '\\' | '%' | '_')) => c,
                Some(_) | None => {
                    return Err(Error::malformed_query("invalid escape in a literal"));
                }
            }),
            c => value.push(c),
        }
    }
    Err(Error::malformed_query("a literal is not closed"))
}
