//! SOAP: an agent's message changes what its entry says, its session decides who calls and is kept
//! nowhere, and it waits for people and is told no as any other write is.

mod callers;
mod entries;
mod holds;
mod refused;

use http::Method;
use writegate::sandbox::Seen;

use super::support::client::{Client, Reply};
use super::support::house::{House, TOKEN};

/// The partner and the enterprise endpoint.
pub(crate) const PARTNER: &str = "/services/Soap/u/60.0";
pub(crate) const ENTERPRISE: &str = "/services/Soap/c/60.0/00DWg0000000001";

/// Rules that let every kind of write through.
pub(crate) const OPEN: &str = "
crm: salesforce
default: allow
objects:
  '*':
    create: { agents: allow }
    delete: { agents: allow }
    purge: { agents: allow }
    restore: { agents: allow }
    merge: { agents: allow }
    convert: { agents: allow }
    send: { agents: allow }
    invoke: { agents: allow }
";

/// A message with this session, these further headers and this operation.
pub(crate) fn message(session: &str, headers: &str, operation: &str) -> String {
    envelope("urn:partner.soap.sforce.com", session, headers, operation)
}

/// The same of the enterprise API.
pub(crate) fn enterprise(session: &str, headers: &str, operation: &str) -> String {
    envelope(
        "urn:enterprise.soap.sforce.com",
        session,
        headers,
        operation,
    )
}

fn envelope(namespace: &str, session: &str, headers: &str, operation: &str) -> String {
    let session = if session.is_empty() {
        String::new()
    } else {
        format!("<SessionHeader><sessionId>{session}</sessionId></SessionHeader>")
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns=\"{namespace}\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\">\
         <soapenv:Header>{session}{headers}</soapenv:Header>\
         <soapenv:Body>{operation}</soapenv:Body></soapenv:Envelope>"
    )
}

/// Posts a message, with no credential but what stands in it.
pub(crate) async fn post(house: &House, path: &str, message: &str) -> Reply {
    post_by(&Client::new(house.salesforce, ""), path, message).await
}

/// The same by a client whose headers may carry one, too.
pub(crate) async fn post_by(client: &Client, path: &str, message: &str) -> Reply {
    let client = client
        .with("content-type", "text/xml; charset=UTF-8")
        .with("soapaction", "\"\"");
    let body = Some(message.to_owned().into());
    client.raw(Method::POST, path, body).await
}

/// Posts an operation of the agent whose session is known.
pub(crate) async fn call(house: &House, operation: &str) -> Reply {
    post(house, PARTNER, &message(TOKEN, "", operation)).await
}

/// The message of a fault without its code.
pub(crate) fn told(reply: &Reply) -> (String, String) {
    assert_eq!(reply.status, 500, "{}", reply.text());
    (reply.code(), reply.message())
}

/// The one write that the CRM saw.
pub(crate) fn only_write(house: &House) -> Seen {
    let mut writes = house.sandbox.writes();
    assert_eq!(writes.len(), 1);
    writes.remove(0)
}
