//! Which rows a query's filter lets through, and in what order they come.

use std::cmp::Ordering;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value;

use super::error::Error;
use super::ids;
use super::schema::{Field, Kind};
use super::soql::{Comparison, Condition, Literal};

/// How the filter gets at a field: its definition, and its value in the row at hand.
pub(super) trait Row {
    fn field(&self, name: &str) -> Result<(&'static Field, Value), Error>;
}

/// Whether a row passes.
pub(super) fn passes(condition: &Condition, row: &dyn Row) -> Result<bool, Error> {
    match condition {
        Condition::All(terms) => {
            // every term is looked at, so that an unknown field is an error whatever the others say
            let passed: Result<Vec<bool>, Error> =
                terms.iter().map(|term| passes(term, row)).collect();
            Ok(passed?.into_iter().all(|passed| passed))
        }
        Condition::Any(terms) => {
            let passed: Result<Vec<bool>, Error> =
                terms.iter().map(|term| passes(term, row)).collect();
            Ok(passed?.into_iter().any(|passed| passed))
        }
        Condition::Not(term) => Ok(!passes(term, row)?),
        Condition::Compare(name, comparison, literal) => {
            let (field, value) = row.field(name)?;
            compare(field, &value, *comparison, literal)
        }
        Condition::In { field, not, values } => {
            let (field, value) = row.field(field)?;
            for literal in values {
                if compare(field, &value, Comparison::Equal, literal)? {
                    return Ok(!not);
                }
            }
            Ok(*not)
        }
    }
}

fn compare(
    field: &Field,
    value: &Value,
    comparison: Comparison,
    literal: &Literal,
) -> Result<bool, Error> {
    if field.kind == Kind::TextArea && field.length > 255 {
        let message = format!("field '{}' can not be filtered in a query call", field.name);
        return Err(Error::new(400, "INVALID_FIELD", message));
    }
    if let (Comparison::Like, Literal::Text(pattern)) = (comparison, literal) {
        let text = value.as_str().unwrap_or_default().to_lowercase();
        return Ok(!value.is_null() && like(&text, &pattern.to_lowercase()));
    }
    let order = order_to(field, value, literal)?;
    Ok(match (comparison, order) {
        (Comparison::Equal, order) => order == Some(Ordering::Equal),
        (Comparison::NotEqual, order) => order != Some(Ordering::Equal),
        (_, None) => false,
        (Comparison::Less, Some(order)) => order.is_lt(),
        (Comparison::LessOrEqual, Some(order)) => order.is_le(),
        (Comparison::Greater, Some(order)) => order.is_gt(),
        (Comparison::GreaterOrEqual, Some(order)) => order.is_ge(),
        (Comparison::Like, Some(_)) => return Err(wrong_type(field)),
    })
}

/// How a value stands to a literal; `None` where one of them is null and the other is not.
fn order_to(field: &Field, value: &Value, literal: &Literal) -> Result<Option<Ordering>, Error> {
    let text = || value.as_str().unwrap_or_default();
    let order = match literal {
        Literal::Null => return Ok(value.is_null().then_some(Ordering::Equal)),
        Literal::Bool(flag) if field.kind == Kind::Boolean => value.as_bool().map(|v| v.cmp(flag)),
        Literal::Number(number) if field.kind.is_number() => {
            value.as_f64().map(|v| v.total_cmp(number))
        }
        Literal::Date(date) if field.kind == Kind::Date => {
            text().parse::<Date>().ok().map(|v| v.cmp(date))
        }
        Literal::DateTime(at) if field.kind == Kind::DateTime => moment(text()).map(|v| v.cmp(at)),
        Literal::Text(wanted) if matches!(field.kind, Kind::Id | Kind::Reference) => {
            let wanted = ids::canonical(wanted).ok_or_else(|| {
                let message = format!("invalid ID field: {wanted}");
                Error::new(400, "INVALID_QUERY_FILTER_OPERATOR", message)
            })?;
            Some(text().cmp(&wanted))
        }
        Literal::Text(wanted) if is_text(field.kind) => {
            Some(text().to_lowercase().cmp(&wanted.to_lowercase()))
        }
        Literal::Bool(_)
        | Literal::Number(_)
        | Literal::Date(_)
        | Literal::DateTime(_)
        | Literal::Text(_) => return Err(wrong_type(field)),
    };
    Ok(order.filter(|_| !value.is_null()))
}

/// A stamp as the org shows it.
fn moment(text: &str) -> Option<Timestamp> {
    Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).ok()
}

fn is_text(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Text | Kind::TextArea | Kind::Picklist | Kind::Email | Kind::Phone | Kind::Url
    )
}

fn wrong_type(field: &Field) -> Error {
    let quotes = if is_text(field.kind) {
        " and should be enclosed in quotes"
    } else {
        " and should not be enclosed in quotes"
    };
    let message = format!(
        "value of filter criterion for field '{}' must be of type {}{quotes}",
        field.name,
        field.kind.word()
    );
    Error::new(400, "INVALID_FIELD", message)
}

/// `%` stands for any text, `_` for one character.
fn like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    // the places of the text at which the pattern read so far can end
    let mut ends = vec![0];
    for c in pattern.chars() {
        ends = match c {
            '%' => (ends.first().copied().unwrap_or(usize::MAX)..=text.len()).collect(),
            c => ends
                .into_iter()
                .filter(|&end| text.get(end).is_some_and(|&t| c == '_' || c == t))
                .map(|end| end + 1)
                .collect(),
        };
    }
    ends.contains(&text.len())
}

/// The order of two values of a field; nulls come first.
pub(super) fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.to_lowercase().cmp(&b.to_lowercase()),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (a, b) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            (Some(_) | None, Some(_) | None) => b.is_null().cmp(&a.is_null()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn like_knows_both_wildcards() {
        for (text, pattern, matches) in [
            ("acme corp", "acme%", true),
            ("acme corp", "%corp", true),
            ("acme corp", "%me%or%", true),
            ("acme", "a_me", true),
            ("acme", "acme_", false),
            ("", "%", true),
            ("acme", "", false),
            ("acme", "b%", false),
        ] {
            assert_eq!(like(text, pattern), matches, "{text} like {pattern}");
        }
    }
}
