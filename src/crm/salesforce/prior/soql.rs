//! The queries that read prior values, and their literals (SOQL and SOSL Reference, Quoted String
//! Escape Sequences).

use std::fmt::Write as _;

/// `SELECT FIELDS(ALL) …` reads at most this many records.
pub(super) const ALL_LIMIT: usize = 200;

/// All fields of the records with these ids.
pub(super) fn all_fields<'a>(object: &str, ids: impl Iterator<Item = &'a str>) -> String {
    let ids = listed(ids, quoted);
    format!("SELECT FIELDS(ALL) FROM {object} WHERE Id IN ({ids}) LIMIT {ALL_LIMIT}")
}

/// These fields of the records whose `key` is one of `values`.
pub(super) fn by_key<'a>(
    object: &str,
    fields: &[String],
    key: &str,
    values: impl Iterator<Item = &'a str>,
    literal: fn(&str) -> String,
) -> String {
    let fields = fields.join(",");
    let values = listed(values, literal);
    format!("SELECT {fields} FROM {object} WHERE {key} IN ({values})")
}

fn listed<'a>(values: impl Iterator<Item = &'a str>, literal: fn(&str) -> String) -> String {
    values.map(literal).collect::<Vec<_>>().join(",")
}

/// A string literal.
pub(super) fn quoted(value: &str) -> String {
    let mut literal = String::with_capacity(value.len() + 2);
    literal.push('\'');
    for c in value.chars() {
        match c {
            '\'' | '"' | '\\' => literal.extend(['\\', c]),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            '\u{8}' => literal.push_str("\\b"),
            '\u{C}' => literal.push_str("\\f"),
            other => literal.push(other),
        }
    }
    literal.push('\'');
    literal
}

/// A number literal; only for [`is_whole_number`].
pub(super) fn number(value: &str) -> String {
    value.to_owned()
}

/// Whether this may be the value of a number field: then the type of the field cannot be told, and
/// Salesforce takes only one of `'1'` and `1`.
pub(super) fn is_whole_number(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    (1..=18).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Text as a part of a query string: what RFC 3986 lets stand raw in a query and no reader takes for
/// a separator stays.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~,()*".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // writing to a string cannot fail
            write!(out, "%{byte:02X}").unwrap_or_default();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_query_names_records_and_fields() {
        assert_eq!(
            all_fields("Account", ["001A", "001B"].into_iter()),
            "SELECT FIELDS(ALL) FROM Account WHERE Id IN ('001A','001B') LIMIT 200"
        );
        let fields = ["Id".to_owned(), "Name".to_owned()];
        assert_eq!(
            by_key("Lead", &fields, "Ext__c", ["a'b"].into_iter(), quoted),
            r"SELECT Id,Name FROM Lead WHERE Ext__c IN ('a\'b')"
        );
    }

    #[test]
    fn the_query_string_keeps_its_shape() {
        assert_eq!(escaped("a b&c=d+e%'é"), "a%20b%26c%3Dd%2Be%25%27%C3%A9");
    }

    #[test]
    fn whole_numbers() {
        for text in ["0", "-12", "999999999999999999"] {
            assert!(is_whole_number(text), "{text}");
        }
        for text in ["", "-", "1.0", "1e3", "+1", "9999999999999999999", "٣"] {
            assert!(!is_whole_number(text), "{text}");
        }
    }

    /// Reads a literal as Salesforce does; `None` when it ends early or late.
    fn read(literal: &str) -> Option<String> {
        let mut rest = literal.strip_prefix('\'')?.chars();
        let mut value = String::new();
        loop {
            match rest.next()? {
                '\'' => return rest.next().is_none().then_some(value),
                '\\' => value.push(match rest.next()? {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'b' => '\u{8}',
                    'f' => '\u{C}',
                    c @ ('\'' | '"' | '\\') => c,
                    _ => return None,
                }),
                c => value.push(c),
            }
        }
    }

    proptest! {
        #[test]
        fn any_value_stays_inside_its_literal(value in any::<String>()) {
            prop_assert_eq!(read(&quoted(&value)), Some(value));
        }

        #[test]
        fn hostile_values_stay_inside_their_literal(value in r#"['"\\nrtbf) (,OR]{0,12}"#) {
            prop_assert_eq!(read(&quoted(&value)), Some(value));
        }
    }
}
