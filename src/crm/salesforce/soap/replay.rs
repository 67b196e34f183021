//! The answer to a message that is known to be done, as Salesforce would have given it.

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;

use super::Api;
use crate::crm::Replay;
use crate::mutation::{Mutation, Operation};

/// One result for each row, where nothing else was done beside.
pub(in crate::crm::salesforce) fn replay(
    api: Api,
    mutations: &[Mutation],
    results: &[Value],
) -> Option<Replay> {
    let (name, namespace) = (call(mutations)?, api.namespace());
    let rows: Option<String> = mutations
        .iter()
        .zip(results)
        .map(|(mutation, result)| row(mutation, result))
        .collect();
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns=\"{namespace}\"><soapenv:Body><{name}Response>{}</{name}Response></soapenv:Body>\
         </soapenv:Envelope>",
        rows?
    );
    Some(Replay::Xml(StatusCode::OK, Bytes::from(body)))
}

/// The operation that all mutations come from, where it is one of rows or ids. A row of an upsert by
/// `Id` reads as a create or an update, so of these the operation is only known for all rows alike.
fn call(mutations: &[Mutation]) -> Option<&'static str> {
    let first = mutations.first()?;
    let listed = first.row.as_deref()?.split_once('[')?.0;
    let alike = |mutation: &Mutation| mutation.operation == first.operation;
    if !mutations.iter().all(alike) {
        return None;
    }
    match (listed, first.operation) {
        ("sObjects", Operation::Upsert) => Some("upsert"),
        ("ids", Operation::Delete) => Some("delete"),
        ("ids", Operation::Restore) => Some("undelete"),
        _ => None,
    }
}

fn row(mutation: &Mutation, result: &Value) -> Option<String> {
    let id = result.get("id")?.as_str()?;
    let created = match (mutation.operation, result.get("created")) {
        (Operation::Upsert, Some(Value::Bool(created))) => format!("<created>{created}</created>"),
        (Operation::Upsert, _) => return None,
        _ => String::new(),
    };
    Some(format!(
        "<result>{created}<id>{id}</id><success>true</success></result>"
    ))
}
