//! When two field values are the same, and what a condition may say of one.

use serde_json::Value;

use super::answer::Answer;
use super::decimal::Decimal;
use crate::mutation::is_blank;

/// What is taken for a truth value beside `true` and `false`, in any case.
const TRUTHS: [&str; 8] = ["0", "1", "yes", "no", "y", "n", "on", "off"];

/// Whether writing `new` over `prior` changes nothing: both blank, the same number (also inside
/// text), the same truth value (HubSpot returns `"true"` for `true`), else equal as JSON.
#[must_use]
pub fn same(prior: Option<&Value>, new: Option<&Value>) -> bool {
    let (Some(prior), Some(new)) = (prior, new) else {
        return is_blank(prior) && is_blank(new);
    };
    if is_blank(Some(prior)) || is_blank(Some(new)) {
        return is_blank(Some(prior)) && is_blank(Some(new));
    }
    prior == new || same_truth(prior, new) || same_number(prior, new)
}

fn same_number(a: &Value, b: &Value) -> bool {
    match (Decimal::of(a), Decimal::of(b)) {
        (Some(a), Some(b)) => a == b,
        (None, _) | (_, None) => false,
    }
}

fn same_truth(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Bool(truth), Value::String(text)) | (Value::String(text), Value::Bool(truth)) => {
            text == if *truth { "true" } else { "false" }
        }
        _ => false,
    }
}

/// Whether a value equals what a rule names. Text that differs only in case or in outer white space
/// cannot be told: CRMs take `closed won` for `Closed Won`, and a rule must not be evaded so.
pub(super) fn equals(value: &Value, wanted: &Value) -> Answer {
    if same(Some(value), Some(wanted)) {
        return Answer::Yes;
    }
    if may_be_truth(value, wanted) {
        return Answer::CannotTell;
    }
    match (text_of(value), text_of(wanted)) {
        (Some(a), Some(b)) if folded(&a) == folded(&b) => Answer::CannotTell,
        _ => Answer::No,
    }
}

/// Whether one is a truth value and the other one a word or number that a CRM takes for one: `0` in XML,
/// SOAP and CSV, and further words in CSV (Bulk API 2.0).
fn may_be_truth(a: &Value, b: &Value) -> bool {
    let other = match (a, b) {
        (Value::Bool(_), Value::Bool(_)) => return false,
        (Value::Bool(_), other) | (other, Value::Bool(_)) => other,
        _ => return false,
    };
    let text = text_of(other).map(|text| folded(&text));
    text.is_some_and(|text| TRUTHS.contains(&text.as_str()))
}

/// Whether text contains a part, or a list an item.
pub(super) fn contains(value: &Value, wanted: &Value) -> Answer {
    if let Value::Array(items) = value {
        return items
            .iter()
            .map(|item| equals(item, wanted))
            .max()
            .unwrap_or(Answer::No);
    }
    if is_blank(Some(value)) {
        return Answer::No;
    }
    match (text_of(value), text_of(wanted)) {
        (Some(whole), Some(part)) if whole.contains(&part) => Answer::Yes,
        (Some(whole), Some(part)) if folded(&whole).contains(&folded(&part)) => Answer::CannotTell,
        (Some(_), Some(_)) => Answer::No,
        (None, _) | (_, None) => Answer::CannotTell,
    }
}

/// The text of a scalar; `None` for null, lists and maps.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_same_value_in_another_form_changes_nothing() {
        for (prior, new) in [
            (json!("5.00"), json!(5)),
            (json!("100"), json!("1e2")),
            (json!(null), json!("")),
            (json!("true"), json!(true)),
            (json!(["a"]), json!(["a"])),
        ] {
            assert!(same(Some(&prior), Some(&new)), "{prior} {new}");
            assert!(same(Some(&new), Some(&prior)), "{prior} {new}");
        }
        assert!(same(None, Some(&json!(null))));
    }

    #[test]
    fn other_values_differ() {
        for (prior, new) in [
            (json!("0049123"), json!("49123")),
            (json!("Retail"), json!("retail")),
            (json!(0), json!(null)),
            (json!(false), json!("")),
            (json!("1.5"), json!(2)),
            (json!(1), json!(true)),
            (json!(["a"]), json!(["a", "b"])),
        ] {
            assert!(!same(Some(&prior), Some(&new)), "{prior} {new}");
            assert!(!same(Some(&new), Some(&prior)), "{prior} {new}");
        }
    }

    #[test]
    fn what_a_crm_may_take_for_a_truth_value_cannot_be_told() {
        for truth in [json!(false), json!(true)] {
            for other in [
                json!("0"),
                json!(1),
                json!(" No"),
                json!("YES"),
                json!("y"),
                json!("Off"),
            ] {
                assert_eq!(equals(&other, &truth), Answer::CannotTell, "{other}");
                assert_eq!(equals(&truth, &other), Answer::CannotTell, "{other}");
            }
        }
        assert_eq!(equals(&json!("true"), &json!(true)), Answer::Yes);
        assert_eq!(equals(&json!("true"), &json!(false)), Answer::No);
        assert_eq!(equals(&json!("2"), &json!(true)), Answer::No);
        assert_eq!(equals(&json!("0"), &json!("no")), Answer::No);
    }

    #[test]
    fn text_that_differs_only_in_case_cannot_be_told() {
        let won = json!("Closed Won");
        assert_eq!(equals(&json!("Closed Won"), &won), Answer::Yes);
        assert_eq!(equals(&json!(" closed won"), &won), Answer::CannotTell);
        assert_eq!(equals(&json!("Closed Lost"), &won), Answer::No);
        assert_eq!(equals(&json!(null), &won), Answer::No);
        assert_eq!(
            contains(&json!("is CLOSED WON now"), &won),
            Answer::CannotTell
        );
        assert_eq!(contains(&json!(["x", "Closed Won"]), &won), Answer::Yes);
        assert_eq!(contains(&json!({}), &won), Answer::CannotTell);
    }
}
