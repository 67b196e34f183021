//! Strict JSON: what is taken has one reading, which another parser has, too, and which survives being
//! written and read again.

use serde_json::Value;
use writegate::crm::json;

#[expect(clippy::disallowed_methods, reason = "the other reading")]
pub(crate) fn target(data: &[u8]) {
    let Ok(value) = json::parse(data) else {
        return;
    };
    let other: Value = serde_json::from_slice(data).unwrap();
    assert!(alike(&value, &other), "{value} {other}");
    let written = serde_json::to_vec(&value).unwrap();
    assert_eq!(json::parse(&written).as_ref(), Ok(&value));
    assert_eq!(json::parse_answer(data).as_ref(), Ok(&value));
}

/// Equal, but for the last digits of decimals, in which the other parser may be off.
fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let (Some(a), Some(b)) = (a.as_f64(), b.as_f64()) else {
                return false;
            };
            (a - b).abs() <= a.abs() * 1e-15 || (a == 0.0 && b.abs() < 1e-300)
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let same = |((name, a), (other, b)): ((&String, &Value), (&String, &Value))| {
                name == other && alike(a, b)
            };
            a.len() == b.len() && a.iter().zip(b).all(same)
        }
        (a, b) => a == b,
    }
}
