//! The part of SOQL that SDKs and snapshot reads need, parsed: one object, its own and its parents'
//! fields, a filter, an order, a window.

mod words;

use jiff::Timestamp;
use jiff::civil::Date;

use super::error::Error;
use words::{Word, Words};

/// A parsed query.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Select {
    pub(super) columns: Vec<Column>,
    pub(super) object: String,
    pub(super) filter: Option<Condition>,
    pub(super) order: Vec<Order>,
    pub(super) limit: Option<usize>,
    pub(super) offset: usize,
}

/// What a query asks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Column {
    /// A field, or a parent's (`Account.Name`).
    Named(String),
    /// `FIELDS(ALL)`, `FIELDS(STANDARD)`, `FIELDS(CUSTOM)`.
    Fields(Group),
    /// `COUNT()`.
    Count,
    /// `COUNT(Id)`.
    CountOf(String),
}

/// A group of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    All,
    Standard,
    Custom,
}

/// A filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Compare(String, Comparison, Literal),
    In {
        field: String,
        not: bool,
        values: Vec<Literal>,
    },
}

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
}

/// A literal value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Date(Date),
    DateTime(Timestamp),
}

/// One key of the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) field: String,
    pub(super) descending: bool,
    pub(super) nulls_last: bool,
}

/// Parses a query.
pub(super) fn parse(text: &str) -> Result<Select, Error> {
    let mut words = Words::of(text)?;
    words.keyword("SELECT")?;
    let columns = columns(&mut words)?;
    words.keyword("FROM")?;
    let object = words.name()?;
    let filter = if words.accept("WHERE") {
        Some(condition(&mut words)?)
    } else {
        None
    };
    let order = if words.accept("ORDER") {
        words.keyword("BY")?;
        order(&mut words)?
    } else {
        Vec::new()
    };
    let limit = if words.accept("LIMIT") {
        Some(words.count()?)
    } else {
        None
    };
    let offset = if words.accept("OFFSET") {
        words.count()?
    } else {
        0
    };
    words.end()?;
    Ok(Select {
        columns,
        object,
        filter,
        order,
        limit,
        offset,
    })
}

fn columns(words: &mut Words) -> Result<Vec<Column>, Error> {
    let mut columns = vec![column(words)?];
    while words.symbol(",") {
        columns.push(column(words)?);
    }
    Ok(columns)
}

fn column(words: &mut Words) -> Result<Column, Error> {
    let name = words.name()?;
    if !words.symbol("(") {
        return Ok(Column::Named(name));
    }
    let column = if name.eq_ignore_ascii_case("COUNT") {
        if words.symbol(")") {
            return Ok(Column::Count);
        }
        Column::CountOf(words.name()?)
    } else if name.eq_ignore_ascii_case("FIELDS") {
        let group = words.name()?;
        Column::Fields(match group.to_ascii_uppercase().as_str() {
            "ALL" => Group::All,
            "STANDARD" => Group::Standard,
            "CUSTOM" => Group::Custom,
            _ => return Err(words.unexpected()),
        })
    } else {
        return Err(words.unexpected());
    };
    words.expect(")")?;
    Ok(column)
}

/// Terms joined by AND or by OR; both in one row need parentheses, as in SOQL.
fn condition(words: &mut Words) -> Result<Condition, Error> {
    let first = term(words)?;
    let joins = ["AND", "OR"];
    let Some(join) = joins.into_iter().find(|join| words.accept(join)) else {
        return Ok(first);
    };
    let mut terms = vec![first, term(words)?];
    while words.accept(join) {
        terms.push(term(words)?);
    }
    Ok(if join == "AND" {
        Condition::All(terms)
    } else {
        Condition::Any(terms)
    })
}

fn term(words: &mut Words) -> Result<Condition, Error> {
    words.deeper()?;
    let term = if words.accept("NOT") {
        Condition::Not(Box::new(term(words)?))
    } else if words.symbol("(") {
        let inner = condition(words)?;
        words.expect(")")?;
        inner
    } else {
        comparison(words)?
    };
    words.back();
    Ok(term)
}

fn comparison(words: &mut Words) -> Result<Condition, Error> {
    let field = words.name()?;
    let not = words.accept("NOT");
    if words.accept("IN") {
        words.expect("(")?;
        let mut values = vec![literal(words)?];
        while words.symbol(",") {
            values.push(literal(words)?);
        }
        words.expect(")")?;
        return Ok(Condition::In { field, not, values });
    }
    if not {
        return Err(words.unexpected());
    }
    if words.accept("LIKE") {
        return Ok(Condition::Compare(field, Comparison::Like, literal(words)?));
    }
    const OPERATORS: [(&str, Comparison); 7] = [
        ("=", Comparison::Equal),
        ("!=", Comparison::NotEqual),
        ("<>", Comparison::NotEqual),
        ("<=", Comparison::LessOrEqual),
        (">=", Comparison::GreaterOrEqual),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
    ];
    let found = OPERATORS
        .into_iter()
        .find(|(symbol, _)| words.symbol(symbol));
    let (_, comparison) = found.ok_or_else(|| words.unexpected())?;
    Ok(Condition::Compare(field, comparison, literal(words)?))
}

fn literal(words: &mut Words) -> Result<Literal, Error> {
    let literal = match words.peek() {
        Some(Word::Text(text)) => Some(Literal::Text(text.clone())),
        Some(Word::Plain(word)) => plain(word),
        Some(Word::Symbol(_)) | None => None,
    };
    let literal = literal.ok_or_else(|| words.unexpected())?;
    words.skip();
    Ok(literal)
}

fn plain(word: &str) -> Option<Literal> {
    match word.to_ascii_lowercase().as_str() {
        "null" => return Some(Literal::Null),
        "true" => return Some(Literal::Bool(true)),
        "false" => return Some(Literal::Bool(false)),
        _ => {}
    }
    if let Ok(number) = word.parse::<f64>() {
        return number.is_finite().then_some(Literal::Number(number));
    }
    if let Ok(at) = word.parse::<Timestamp>() {
        return Some(Literal::DateTime(at));
    }
    word.parse::<Date>().ok().map(Literal::Date)
}

fn order(words: &mut Words) -> Result<Vec<Order>, Error> {
    let mut order = Vec::new();
    loop {
        let field = words.name()?;
        let descending = words.accept("DESC");
        if !descending {
            words.accept("ASC");
        }
        let mut nulls_last = false;
        if words.accept("NULLS") {
            nulls_last = words.accept("LAST");
            if !nulls_last {
                words.keyword("FIRST")?;
            }
        }
        order.push(Order {
            field,
            descending,
            nulls_last,
        });
        if !words.symbol(",") {
            return Ok(order);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_whole() {
        let query = parse(
            "select Id, Account.Name from Contact where (LastName like 'O\\'%' or Email = null) \
             and AI_Score__c >= -1.5 order by LastName desc nulls last limit 5 offset 2",
        )
        .unwrap();
        assert_eq!(query.object, "Contact");
        assert_eq!(query.columns.len(), 2);
        assert_eq!((query.limit, query.offset), (Some(5), 2));
        let Some(Condition::All(terms)) = query.filter else {
            panic!("not a conjunction");
        };
        let like = Condition::Compare(
            "LastName".into(),
            Comparison::Like,
            Literal::Text("O'%".into()),
        );
        let Condition::Any(any) = &terms[0] else {
            panic!("not a disjunction");
        };
        assert_eq!(any[0], like);
        assert!(query.order[0].descending && query.order[0].nulls_last);
    }

    #[test]
    fn what_it_does_not_know_is_an_error() {
        for text in [
            "",
            "SELECT",
            "SELECT Id FROM Account WHERE",
            "SELECT Id FROM Account WHERE Name = 'x",
            "SELECT Id FROM Account WHERE Name = x",
            "SELECT Id FROM Account WHERE a = 1 AND b = 2 OR c = 3",
            "SELECT Id FROM Account LIMIT -1",
            "SELECT Id FROM Account FOR VIEW",
            "SELECT Id, (SELECT Id FROM Contacts) FROM Account",
            "SELECT Id FROM Account; DROP",
        ] {
            assert_eq!(parse(text).unwrap_err().code, "MALFORMED_QUERY", "{text}");
        }
        let deep = format!("SELECT Id FROM Account WHERE {}a = 1", "(".repeat(100_000));
        assert_eq!(parse(&deep).unwrap_err().code, "MALFORMED_QUERY");
    }
}
