//! stub
use http::StatusCode;

use super::Shape;
use crate::crm::RefusalAnswer;
use crate::error::Refusal;
use crate::mutation::{Mutation, Outcome};

pub(in crate::crm) fn outcome(
    shape: &Shape,
    _mutations: &[Mutation],
    _status: StatusCode,
    _body: &[u8],
) -> Vec<Outcome> {
    match *shape {}
}

pub(in crate::crm) fn refuse(_refusal: &Refusal) -> RefusalAnswer {
    RefusalAnswer {
        status: StatusCode::FORBIDDEN,
        content_type: "application/json",
        body: bytes::Bytes::new(),
    }
}
