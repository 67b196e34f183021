//! Salesforce's token endpoint: client credentials, JWT bearer and refresh token.

use jiff::Timestamp;
use serde_json::json;

use super::super::answer::Answer;
use super::super::oauth::{Denied, JWT_BEARER, Logins, form};
use super::super::request::Request;

/// Answers `POST /services/oauth2/token`; `None` for anything else. `instance` is the org's own address,
/// where it is another one than the client's.
pub(in crate::sandbox) fn answer(
    logins: &Logins,
    request: &Request,
    instance: Option<&str>,
    now: Timestamp,
) -> Option<Answer> {
    let names: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    if request.method != http::Method::POST || names != ["services", "oauth2", "token"] {
        return None;
    }
    let here = super::base_url(request);
    let grants = ["client_credentials", "refresh_token", JWT_BEARER];
    Some(match logins.grant(&form(request), &grants, &here, now) {
        Ok(granted) => {
            let instance = instance.unwrap_or(&here);
            Answer::json(
                200,
                json!({
                    "access_token": granted.token,
                    "instance_url": instance,
                    "id": format!("{here}/id/00D000000000001EAA/005000000000001AAA"),
                    "token_type": "Bearer",
                    "issued_at": now.as_millisecond().to_string(),
                    "scope": "api",
                    "refresh_token": granted.refresh_token,
                }),
            )
        }
        Err(Denied(error, description)) => Answer::json(
            400,
            json!({"error": error, "error_description": description}),
        ),
    })
}
