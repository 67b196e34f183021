//! Reading the values of an answer.

use redis::Value;

/// A text.
pub(super) fn text(value: &Value) -> Option<&str> {
    if let Value::BulkString(bytes) = value {
        return std::str::from_utf8(bytes).ok();
    }
    let Value::SimpleString(text) = value else {
        return None;
    };
    Some(text)
}

/// A whole number, also one that is written as a text.
pub(super) fn integer(value: &Value) -> Option<i64> {
    if let Value::Int(number) = value {
        return Some(*number);
    }
    text(value)?.parse().ok()
}

/// A whole number that is not negative.
pub(super) fn natural(value: Option<&Value>) -> Option<u64> {
    u64::try_from(integer(value?)?).ok()
}

/// A list.
pub(super) fn list(value: Option<&Value>) -> Option<&[Value]> {
    let Value::Array(values) = value? else {
        return None;
    };
    Some(values)
}
