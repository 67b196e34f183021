//! The answer to a write that is known to be done: HubSpot answers with the record, so it is read.
//! Batches have their own times and marks in the answer, which nobody knows any more.

use bytes::Bytes;
use http::{Method, StatusCode};

use super::{Call, Shape};
use crate::crm::{Head, ReadCall, Replay, path};
use crate::mutation::{Mutation, Outcome};

pub(in crate::crm) fn replay(
    shape: &Shape,
    head: &Head<'_>,
    mutations: &[Mutation],
    outcomes: &[Outcome],
) -> Option<Replay> {
    let mutation = mutations.first()?;
    let made = || outcomes.first()?.new_id.as_deref();
    match &shape.call {
        Call::Archive(_) => Some(Replay::Answer(StatusCode::NO_CONTENT, Bytes::new())),
        Call::Update(_) => Some(Replay::Read(record(head, None, mutation), StatusCode::OK)),
        Call::Create => Some(Replay::Read(
            record(head, Some(made()?), mutation),
            StatusCode::CREATED,
        )),
        Call::Batch(_)
        | Call::Merge
        | Call::GdprDelete
        | Call::Link(_)
        | Call::List(_)
        | Call::Legacy(_)
        | Call::Engagement(_)
        | Call::Send(_)
        | Call::Whole(_) => None,
    }
}

/// `GET …/{type}/{id}` with the properties that were written.
fn record(head: &Head<'_>, id: Option<&str>, mutation: &Mutation) -> ReadCall {
    let mut target = head.path.as_str().to_owned();
    if let Some(id) = id {
        target.push('/');
        path::encode(id, &mut target);
    }
    let names: Vec<&str> = mutation.fields.keys().map(String::as_str).collect();
    target.push_str("?properties=");
    target.push_str(&names.join(","));
    if let Some(query) = head.query.filter(|query| !query.is_empty()) {
        target.push('&');
        target.push_str(query);
    }
    ReadCall {
        method: Method::GET,
        target,
        body: None,
        covers: Vec::new(),
    }
}
