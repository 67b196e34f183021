//! Strict JSON: what has two readings is refused. The only place that parses traffic.

pub mod edit;
mod number;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::Malformed;

/// Arrays and objects inside each other.
const MAX_DEPTH: usize = 64;

/// Members of all objects of a request together.
const MAX_MEMBERS: usize = 20_000;

/// The same of a CRM's answer: 2,000 records with all their fields.
const MAX_ANSWER_MEMBERS: usize = 1_000_000;

/// As many characters of a member's name as an error shows.
const SHOWN_NAME: usize = 64;

/// Parses a body that has exactly one reading (RFC 8259, and stricter where parsers differ).
///
/// Refused: an empty body, a byte order mark, anything but UTF-8, data after the document, lone
/// surrogates, member names with control characters, two names in one object that differ at most in
/// case, more than 64 levels, more than 20,000 members, numbers that a double would change.
///
/// # Errors
/// [`Malformed`] says what and where (line and column). It may show a member's name, never a value.
pub fn parse(body: &[u8]) -> Result<Value, Malformed> {
    parse_bounded(body, MAX_MEMBERS)
}

/// Parses a CRM's answer by the same rules; it may have 1,000,000 members.
///
/// # Errors
/// As [`parse`].
pub fn parse_answer(body: &[u8]) -> Result<Value, Malformed> {
    parse_bounded(body, MAX_ANSWER_MEMBERS)
}

/// Parses the rows of a bulk job by the same rules; their body is bounded by its bytes.
///
/// # Errors
/// As [`parse`].
pub fn parse_rows(body: &[u8]) -> Result<Value, Malformed> {
    parse_bounded(body, MAX_ANSWER_MEMBERS)
}

/// Whether two texts are the same JSON number (RFC 8259, section 6), compared exactly: `5`, `5.00`,
/// `0.5e1`. What is no number is the same as nothing.
#[must_use]
pub fn same_number(a: &str, b: &str) -> bool {
    number::same(a, b)
}

fn parse_bounded(body: &[u8], max_members: usize) -> Result<Value, Malformed> {
    let text = text(body)?;
    let mut reading = Reading {
        depth: 0,
        members: 0,
        max_members,
        numbers: number::scan(text)?.into_iter(),
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = reading
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| malformed(&error))
}

/// The body as text: not empty, no byte order mark, UTF-8.
fn text(body: &[u8]) -> Result<&str, Malformed> {
    if body.is_empty() {
        return Err(malformed(&"it is empty"));
    }
    let marks: [&[u8]; 3] = [b"\xEF\xBB\xBF", b"\xFE\xFF", b"\xFF\xFE"];
    if marks.iter().any(|mark| body.starts_with(mark)) {
        return Err(malformed(
            &"it begins with a byte order mark; send plain UTF-8",
        ));
    }
    std::str::from_utf8(body).map_err(|error| {
        malformed(&format_args!(
            "it is not UTF-8 from byte {} on",
            error.valid_up_to()
        ))
    })
}

fn malformed(what: &dyn fmt::Display) -> Malformed {
    Malformed(format!("the JSON body is refused: {what}"))
}

/// Builds the document, with what has been seen of it so far.
struct Reading {
    depth: usize,
    members: usize,
    max_members: usize,
    /// The document's numbers in their order; the parser's own reading of decimals may be off in the
    /// last digit.
    numbers: std::vec::IntoIter<Number>,
}

impl Reading {
    fn enter<E: Error>(&mut self) -> Result<(), E> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(E::custom(format_args!(
                "it is nested deeper than {MAX_DEPTH} levels"
            )));
        }
        Ok(())
    }

    fn count_member<E: Error>(&mut self) -> Result<(), E> {
        self.members += 1;
        if self.members > self.max_members {
            return Err(E::custom(format_args!(
                "it has more than {} members; send it in parts",
                self.max_members
            )));
        }
        Ok(())
    }

    fn number<E: Error>(&mut self) -> Result<Value, E> {
        self.numbers
            .next()
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number cannot be read"))
    }
}

impl<'de> DeserializeSeed<'de> for &mut Reading {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Reading {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, _value: i64) -> Result<Value, E> {
        self.number()
    }

    fn visit_u64<E: Error>(self, _value: u64) -> Result<Value, E> {
        self.number()
    }

    fn visit_f64<E: Error>(self, _value: f64) -> Result<Value, E> {
        self.number()
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        self.enter()?;
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(&mut *self)? {
            array.push(element);
        }
        self.depth -= 1;
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        self.enter()?;
        let mut object = Map::new();
        let mut folded = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            self.count_member()?;
            check_name(&name)?;
            if !folded.insert(fold(&name)) {
                return Err(A::Error::custom(format_args!(
                    "two members of one object are named {} (names compare without case)",
                    shown(&name)
                )));
            }
            let value = members.next_value_seed(&mut *self)?;
            object.insert(name, value);
        }
        self.depth -= 1;
        Ok(Value::Object(object))
    }
}

fn check_name<E: Error>(name: &str) -> Result<(), E> {
    if name.chars().any(char::is_control) {
        return Err(E::custom(format_args!(
            "the member name {} has a control character",
            shown(name)
        )));
    }
    Ok(())
}

/// A name as no more lenient reader would tell it from another: upper case first, so that the dotless
/// i, the long s and the Kelvin sign meet the letters they are mistaken for.
fn fold(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    name.chars()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect()
}

/// A name in an error: escaped, and not longer than a person reads.
fn shown(name: &str) -> String {
    format!("{:?}", name.chars().take(SHOWN_NAME).collect::<String>())
}
