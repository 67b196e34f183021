//! Reading the values of an answer.

use redis::Value;

/// A text.
pub(super) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// A whole number, also one that is written as a text.
pub(super) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        other => text(other)?.parse().ok(),
    }
}

/// A whole number that is not negative.
pub(super) fn natural(value: Option<&Value>) -> Option<u64> {
    u64::try_from(integer(value?)?).ok()
}

/// A list.
pub(super) fn list(value: Option<&Value>) -> Option<&[Value]> {
    match value? {
        Value::Array(values) => Some(values),
        _ => None,
    }
}
