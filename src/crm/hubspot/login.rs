//! HubSpot's logins by OAuth, questions about tokens, and where addresses stand in answers (HubSpot's OAuth
//! and paging documentation).

use bytes::Bytes;
use http::Method;
use serde_json::Value;

use super::Endpoint;
use crate::crm::json::edit::Place;
use crate::crm::login::{Asked, Hidden, Issued, Unfit, Whose, oauth};
use crate::crm::{Head, json};

/// The grants that are passed on.
const GRANTS: [&str; 3] = ["authorization_code", "refresh_token", "client_credentials"];

/// Links to the next page, to the task that works on a batch, and to more links of a record.
const LINKS: &[Place] = &[
    &["paging", "next", "link"],
    &["paging", "prev", "link"],
    &["links", "*"],
    &["associations", "*", "paging", "next", "link"],
    &["associations", "*", "paging", "prev", "link"],
    &["results", "*", "paging", "next", "link"],
    &["results", "*", "paging", "prev", "link"],
    &[
        "results",
        "*",
        "associations",
        "*",
        "paging",
        "next",
        "link",
    ],
    &[
        "results",
        "*",
        "associations",
        "*",
        "paging",
        "prev",
        "link",
    ],
];

/// Where addresses stand in an answer.
pub(in crate::crm) fn links() -> &'static [Place] {
    LINKS
}

/// What is asked of a path without its version below `/oauth`; `None`: it is no login and no question.
pub(super) fn is_auth(method: &Method, words: &[&str]) -> bool {
    matches!(
        (method, words),
        (
            &Method::POST,
            ["oauth", "token"]
                | ["oauth", "token", "introspect"]
                | ["oauth", "private-apps", "get", "access-token-info"]
        ) | (
            &Method::GET,
            ["oauth", "access-tokens" | "refresh-tokens", _]
        )
    )
}

/// What a request on the login path asks for.
pub(in crate::crm) fn asked(head: &Head<'_>, body: &[u8]) -> Result<Asked, Unfit> {
    if head.query.is_some_and(|query| !query.is_empty()) {
        return Err(Unfit::Malformed(
            "parameters of a login stand in its body, not in the query".into(),
        ));
    }
    match Endpoint::words_of(head.path).as_slice() {
        ["oauth", "token"] => oauth::login(head.headers, body, &GRANTS).map(Asked::Login),
        ["oauth", "token", "introspect"] => introspected(head, body),
        ["oauth", kind, token] => {
            empty(body)?;
            Ok(Asked::Whose(Whose {
                token: Hidden::new(*token),
                refresh: Some(*kind == "refresh-tokens"),
                names: Vec::new(),
                is_token_key: false,
            }))
        }
        _ => info(body),
    }
}

fn introspected(head: &Head<'_>, body: &[u8]) -> Result<Asked, Unfit> {
    let form = oauth::form(head.headers, body)?;
    let token = form
        .get("token")
        .ok_or_else(|| Unfit::Malformed("the form has no token".into()))?;
    Ok(Asked::Whose(Whose {
        token: Hidden::new(token),
        refresh: None,
        names: oauth::names(head.headers, &form)?,
        is_token_key: false,
    }))
}

/// `{"tokenKey": …}`.
fn info(body: &[u8]) -> Result<Asked, Unfit> {
    let body = json::parse(body)?;
    let token = match body.as_object().map(|all| (all.len(), all.get("tokenKey"))) {
        Some((1, Some(Value::String(token)))) => token,
        _ => {
            return Err(Unfit::Malformed(
                "the body is not `tokenKey` and a text".into(),
            ));
        }
    };
    Ok(Asked::Whose(Whose {
        token: Hidden::new(token),
        refresh: Some(false),
        names: Vec::new(),
        is_token_key: true,
    }))
}

fn empty(body: &[u8]) -> Result<(), Unfit> {
    match body.is_empty() {
        true => Ok(()),
        false => Err(Unfit::Malformed(
            "a body stands where none is documented".into(),
        )),
    }
}

/// What a login brought.
///
/// # Errors
/// What is wrong with it, for our log.
pub(in crate::crm) fn issued(body: &Bytes) -> Result<Issued, String> {
    let tokens = oauth::tokens(body)?;
    Ok(Issued {
        body: body.clone(),
        access: tokens.access,
        refresh: tokens.refresh,
    })
}
