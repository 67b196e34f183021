//! The words of a GraphQL document (GraphQL specification, October 2021, section 2.1).

/// Words of one document.
const MOST: usize = 20_000;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// `{`, `...`.
    Mark(&'static str),
    Name(String),
    /// A number as it is written.
    Number(String),
    Text(String),
}

const MARKS: [&str; 14] = [
    "...", "!", "$", "&", "(", ")", ":", "=", "@", "[", "]", "{", "|", "}",
];

/// Splits a document into its words.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r', ',']);
        if let Some(comment) = rest.strip_prefix('#') {
            let end = comment.find(['\n', '\r']).unwrap_or(comment.len());
            rest = comment.get(end..).unwrap_or_default();
            continue;
        }
        let Some(first) = rest.chars().next() else {
            return Ok(tokens);
        };
        if tokens.len() >= MOST {
            return Err(format!("the document has more than {MOST} words"));
        }
        let (token, after) = if let Some(mark) = MARKS.iter().find(|mark| rest.starts_with(**mark))
        {
            (
                Token::Mark(mark),
                rest.get(mark.len()..).unwrap_or_default(),
            )
        } else if first == '"' {
            string(rest)?
        } else if first.is_ascii_alphabetic() || first == '_' {
            let (name, after) = taken(rest, |c| c.is_ascii_alphanumeric() || c == '_');
            (Token::Name(name.to_owned()), after)
        } else if first.is_ascii_digit() || first == '-' {
            number(rest)?
        } else {
            return Err("a character stands where none belongs".into());
        };
        tokens.push(token);
        rest = after;
    }
}

fn taken(text: &str, fits: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !fits(c)).unwrap_or(text.len());
    text.split_at(end)
}

/// A number; a name or a dot cannot follow it.
fn number(text: &str) -> Result<(Token, &str), String> {
    let (number, after) = taken(text, |c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    match crate::crm::json::parse(number.as_bytes()) {
        Ok(serde_json::Value::Number(_)) if !after.starts_with('_') => {
            Ok((Token::Number(number.to_owned()), after))
        }
        _ => Err("a number is not written like one, or cannot be held exactly".into()),
    }
}

/// `"…"`. Block strings are refused: their white space is the server's to cut.
fn string(text: &str) -> Result<(Token, &str), String> {
    if text.starts_with("\"\"\"") {
        return Err("block strings are not understood: use \"…\"".into());
    }
    let mut escaped = false;
    let end = text.char_indices().skip(1).find_map(|(at, c)| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at)
    });
    let end = end.ok_or("a string has no end")?;
    let (literal, after) = text.split_at(end + 1);
    if literal.chars().any(char::is_control) {
        return Err("a string holds a line break or a control character".into());
    }
    // its escapes are those of JSON; the longer \u{…} is refused with it
    match crate::crm::json::parse(literal.as_bytes()) {
        Ok(serde_json::Value::String(text)) => Ok((Token::Text(text), after)),
        _ => Err("a string has an escape that is not understood".into()),
    }
}
