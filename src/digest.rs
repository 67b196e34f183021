//! What makes two requests the same: who asks what of which route, not how the JSON is laid out.

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
    /// The inspected bytes; they count only where the request could not be taken apart.
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
        }
    }
    let digest = context.finish();
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
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
            bytes: b"",
        })
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
