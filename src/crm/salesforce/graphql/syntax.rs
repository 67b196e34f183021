//! The grammar of an executable GraphQL document (GraphQL specification, October 2021, section 2).
//! Strict: two members of one name, two operations of one name, anything left over is refused.

use super::lex::{Token, tokens};

/// Levels below each other.
const DEEPEST: usize = 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Query,
    Mutation,
    Subscription,
}

#[derive(Debug)]
pub(super) struct Document {
    pub(super) operations: Vec<Operation>,
    pub(super) fragments: Vec<Fragment>,
}

#[derive(Debug)]
pub(super) struct Operation {
    pub(super) kind: Kind,
    pub(super) name: Option<String>,
    /// Name and default.
    pub(super) variables: Vec<(String, Option<Literal>)>,
    pub(super) directives: Vec<Directive>,
    pub(super) selections: Vec<Selection>,
}

#[derive(Debug)]
pub(super) struct Fragment {
    pub(super) name: String,
    pub(super) directives: Vec<Directive>,
    pub(super) selections: Vec<Selection>,
}

#[derive(Debug)]
pub(super) struct Directive {
    pub(super) name: String,
    pub(super) arguments: Vec<(String, Literal)>,
}

#[derive(Debug)]
pub(super) enum Selection {
    Field {
        /// The alias, else the name.
        key: String,
        name: String,
        arguments: Vec<(String, Literal)>,
        directives: Vec<Directive>,
        selections: Vec<Selection>,
    },
    Spread {
        name: String,
        directives: Vec<Directive>,
    },
    Inline {
        directives: Vec<Directive>,
        selections: Vec<Selection>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Variable(String),
    Number(String),
    Text(String),
    /// `true`, `false`, `null` or the name of an enum's value.
    Word(String),
    List(Vec<Literal>),
    Object(Vec<(String, Literal)>),
}

impl Literal {
    fn holds_variable(&self) -> bool {
        match self {
            Self::Variable(_) => true,
            Self::Number(_) | Self::Text(_) | Self::Word(_) => false,
            Self::List(list) => list.iter().any(Self::holds_variable),
            Self::Object(members) => members.iter().any(|(_, value)| value.holds_variable()),
        }
    }
}

/// Reads a document.
pub(super) fn parse(text: &str) -> Result<Document, String> {
    let mut reader = Reader {
        tokens: tokens(text)?,
        at: 0,
        depth: 0,
    };
    let mut document = Document {
        operations: Vec::new(),
        fragments: Vec::new(),
    };
    while reader.peek().is_some() {
        reader.definition(&mut document)?;
    }
    if document.operations.is_empty() {
        return Err("the document has no operation".into());
    }
    Ok(document)
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Reader {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn is(&self, mark: &str) -> bool {
        matches!(self.peek(), Some(Token::Mark(found)) if *found == mark)
    }

    /// Takes the mark where it stands next.
    fn takes(&mut self, mark: &str) -> bool {
        let there = self.is(mark);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, mark: &str) -> Result<(), String> {
        if self.takes(mark) {
            Ok(())
        } else {
            Err(format!("a `{mark}` is missing"))
        }
    }

    fn name(&mut self) -> Result<String, String> {
        match self.peek() {
            Some(Token::Name(name)) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            _ => Err("a name is missing".into()),
        }
    }

    fn deeper(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("it is nested deeper than {DEEPEST} levels"));
        }
        Ok(())
    }

    fn definition(&mut self, document: &mut Document) -> Result<(), String> {
        if self.is("{") {
            let selections = self.selections()?;
            document.operations.push(Operation {
                kind: Kind::Query,
                name: None,
                variables: Vec::new(),
                directives: Vec::new(),
                selections,
            });
            return Ok(());
        }
        let kind = match self.name()?.as_str() {
            "query" => Kind::Query,
            "mutation" => Kind::Mutation,
            "subscription" => Kind::Subscription,
            "fragment" => return self.fragment(document),
            _ => return Err("a definition is neither an operation nor a fragment".into()),
        };
        let name = match self.peek() {
            Some(Token::Name(_)) => Some(self.name()?),
            _ => None,
        };
        let twice = document.operations.iter().any(|other| other.name == name);
        if twice {
            return Err("two operations have one name".into());
        }
        let variables = self.variables()?;
        let directives = self.directives()?;
        let selections = self.selections()?;
        document.operations.push(Operation {
            kind,
            name,
            variables,
            directives,
            selections,
        });
        Ok(())
    }

    fn fragment(&mut self, document: &mut Document) -> Result<(), String> {
        let name = self.name()?;
        if name == "on" || self.name()? != "on" {
            return Err("a fragment has no `on`".into());
        }
        self.name()?;
        let directives = self.directives()?;
        let selections = self.selections()?;
        if document.fragments.iter().any(|other| other.name == name) {
            return Err("two fragments have one name".into());
        }
        document.fragments.push(Fragment {
            name,
            directives,
            selections,
        });
        Ok(())
    }

    fn variables(&mut self) -> Result<Vec<(String, Option<Literal>)>, String> {
        let mut variables: Vec<(String, Option<Literal>)> = Vec::new();
        if !self.takes("(") {
            return Ok(variables);
        }
        while !self.takes(")") {
            self.expect("$")?;
            let name = self.name()?;
            self.expect(":")?;
            self.kind()?;
            let default = if self.takes("=") {
                Some(self.literal()?)
            } else {
                None
            };
            if default.as_ref().is_some_and(Literal::holds_variable) {
                return Err("a variable's default holds a variable".into());
            }
            self.directives()?;
            if variables.iter().any(|(other, _)| *other == name) {
                return Err("two variables have one name".into());
            }
            variables.push((name, default));
        }
        Ok(variables)
    }

    /// The type of a variable: the server checks it.
    fn kind(&mut self) -> Result<(), String> {
        self.deeper()?;
        if self.takes("[") {
            self.kind()?;
            self.expect("]")?;
        } else {
            self.name()?;
        }
        self.takes("!");
        self.depth -= 1;
        Ok(())
    }

    fn directives(&mut self) -> Result<Vec<Directive>, String> {
        let mut directives = Vec::new();
        while self.takes("@") {
            let name = self.name()?;
            let arguments = self.arguments()?;
            directives.push(Directive { name, arguments });
        }
        Ok(directives)
    }

    fn arguments(&mut self) -> Result<Vec<(String, Literal)>, String> {
        if self.takes("(") {
            self.members(")")
        } else {
            Ok(Vec::new())
        }
    }

    /// `name: value …` up to the closing mark; names stand once, whatever their case.
    fn members(&mut self, close: &str) -> Result<Vec<(String, Literal)>, String> {
        let mut members: Vec<(String, Literal)> = Vec::new();
        while !self.takes(close) {
            let name = self.name()?;
            self.expect(":")?;
            let value = self.literal()?;
            let twice = |(other, _): &(String, Literal)| other.eq_ignore_ascii_case(&name);
            if members.iter().any(twice) {
                return Err("two members of one object, or two arguments, have one name".into());
            }
            members.push((name, value));
        }
        Ok(members)
    }

    fn literal(&mut self) -> Result<Literal, String> {
        self.deeper()?;
        let literal = if self.takes("$") {
            Literal::Variable(self.name()?)
        } else if self.takes("[") {
            let mut list = Vec::new();
            while !self.takes("]") {
                list.push(self.literal()?);
            }
            Literal::List(list)
        } else if self.takes("{") {
            Literal::Object(self.members("}")?)
        } else {
            let literal = match self.peek() {
                Some(Token::Name(word)) => Literal::Word(word.clone()),
                Some(Token::Number(number)) => Literal::Number(number.clone()),
                Some(Token::Text(text)) => Literal::Text(text.clone()),
                Some(Token::Mark(_)) | None => return Err("a value is missing".into()),
            };
            self.at += 1;
            literal
        };
        self.depth -= 1;
        Ok(literal)
    }

    fn selections(&mut self) -> Result<Vec<Selection>, String> {
        self.expect("{")?;
        self.deeper()?;
        let mut selections = Vec::new();
        while !self.takes("}") {
            selections.push(self.selection()?);
        }
        self.depth -= 1;
        if selections.is_empty() {
            return Err("a selection is empty".into());
        }
        Ok(selections)
    }

    fn selection(&mut self) -> Result<Selection, String> {
        if self.takes("...") {
            return self.spread();
        }
        let first = self.name()?;
        let (key, name) = if self.takes(":") {
            (first, self.name()?)
        } else {
            (first.clone(), first)
        };
        let arguments = self.arguments()?;
        let directives = self.directives()?;
        let selections = if self.is("{") {
            self.selections()?
        } else {
            Vec::new()
        };
        Ok(Selection::Field {
            key,
            name,
            arguments,
            directives,
            selections,
        })
    }

    fn spread(&mut self) -> Result<Selection, String> {
        let inline = match self.peek() {
            Some(Token::Name(name)) if name == "on" => {
                self.at += 1;
                self.name()?;
                true
            }
            Some(Token::Name(_)) => false,
            _ => true,
        };
        if inline {
            let directives = self.directives()?;
            let selections = self.selections()?;
            return Ok(Selection::Inline {
                directives,
                selections,
            });
        }
        let name = self.name()?;
        let directives = self.directives()?;
        Ok(Selection::Spread { name, directives })
    }
}
