//! What makes two requests the same: who asks what of which route, not how the JSON is laid out.

use std::borrow::Cow;

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::Value;

use crate::mutation::{ChangeSet, Mutation};

/// What a digest is made of.
#[derive(Clone, Copy, Debug)]
pub struct Sameness<'a> {
    /// The route.
    pub route: &'a str,
    /// The service account.
    pub service_account: &'a str,
    /// The method on the request line.
    pub method: &'a str,
    /// The canonical path.
    pub path: &'a str,
    /// The raw query.
    pub query: Option<&'a str>,
    /// Headers that act, as name and value.
    pub acting: &'a [(String, String)],
    /// What would change.
    pub changes: &'a ChangeSet,
    /// The inspected bytes: as they are where the request could not be taken apart, else as the JSON
    /// that they are.
    pub bytes: &'a [u8],
}

/// SHA-256 over a request's meaning, hex: key order and white space do not count.
#[must_use]
pub fn of(same: &Sameness<'_>) -> String {
    let mut context = Context::new(&SHA256);
    let mut part = |bytes: &[u8]| {
        context.update(&(bytes.len() as u64).to_be_bytes());
        context.update(bytes);
    };
    for text in [same.route, same.service_account, same.method, same.path] {
        part(text.as_bytes());
    }
    part(same.query.unwrap_or("\u{0}").as_bytes());
    let mut acting: Vec<_> = same.acting.iter().collect();
    acting.sort();
    for (name, value) in acting {
        part(name.as_bytes());
        part(value.as_bytes());
    }
    match same.changes {
        ChangeSet::Opaque { .. } => part(same.bytes),
        ChangeSet::Mutations(mutations) => {
            for mutation in mutations {
                part(sorted(mutation).to_string().as_bytes());
            }
            // What no mutation tells counts too, such as `allOrNone`.
            part(&body(same.bytes));
        }
    }
    let digest = context.finish();
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A body with the members of every object in order, where it is JSON. Names that stand there twice
/// were refused before.
#[expect(clippy::disallowed_methods, reason = "the strict parser has read it")]
fn body(bytes: &[u8]) -> Cow<'_, [u8]> {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(mut value) => {
            value.sort_all_objects();
            Cow::Owned(value.to_string().into_bytes())
        }
        Err(_no_json) => Cow::Borrowed(bytes),
    }
}

/// A mutation with the members of every object in order.
fn sorted(mutation: &Mutation) -> Value {
    let mut value = serde_json::json!(mutation);
    value.sort_all_objects();
    value
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::mutation::{Operation, RecordKey, Undo};

    fn digest(fields: &Value, path: &str) -> String {
        with_body(fields, path, "")
    }

    fn with_body(fields: &Value, path: &str, body: &str) -> String {
        let fields: Map<String, Value> = fields.as_object().unwrap().clone();
        let changes = ChangeSet::Mutations(vec![Mutation {
            object: "Account".into(),
            operation: Operation::Update,
            record: Some(RecordKey::id("001")),
            fields,
            row: None,
            undo: Undo::Full,
            others: Vec::new(),
        }]);
        of(&Sameness {
            route: "salesforce",
            service_account: "a",
            method: "PATCH",
            path,
            query: None,
            acting: &[],
            changes: &changes,
            bytes: body.as_bytes(),
        })
    }

    #[test]
    fn what_no_mutation_tells_counts_and_white_space_does_not() {
        let of = |body: &str| with_body(&json!({ "A": 1 }), "/p", body);
        let one = of(r#"{"allOrNone":false,"records":[{"A":1,"B":2}]}"#);
        assert_eq!(
            one,
            of("{ \"records\": [{\"B\":2,\"A\":1}],\n\"allOrNone\":false }")
        );
        assert_ne!(one, of(r#"{"allOrNone":true,"records":[{"A":1,"B":2}]}"#));
        assert_ne!(of("a,b\n"), of("a,b"));
    }

    #[test]
    fn key_order_does_not_count_and_values_do() {
        let one = digest(&json!({ "A": 1, "B": { "x": 1, "y": 2 } }), "/p");
        assert_eq!(
            one,
            digest(&json!({ "B": { "y": 2, "x": 1 }, "A": 1 }), "/p")
        );
        assert_ne!(
            one,
            digest(&json!({ "A": 2, "B": { "x": 1, "y": 2 } }), "/p")
        );
        assert_ne!(
            one,
            digest(&json!({ "A": 1, "B": { "x": 1, "y": 2 } }), "/q")
        );
        assert_eq!(one.len(), 64);
    }
}
