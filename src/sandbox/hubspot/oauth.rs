//! HubSpot's token endpoints (v1, v3, dated): refresh token; v1 also client credentials.

use jiff::Timestamp;
use serde_json::json;

use super::super::answer::Answer;
use super::super::oauth::{Denied, Logins, form};
use super::super::request::Request;
use super::is_version;

/// Answers `POST /oauth/VERSION/token`; `None` for anything else.
pub(in crate::sandbox) fn answer(
    logins: &Logins,
    request: &Request,
    now: Timestamp,
) -> Option<Answer> {
    let names: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    let ["oauth", version, "token"] = names.as_slice() else {
        return None;
    };
    if request.method != http::Method::POST || !is_version(version) {
        return None;
    }
    let grants: &[&str] = match *version {
        "v1" => &["refresh_token", "client_credentials"],
        _ => &["refresh_token"],
    };
    let granted = logins.grant(&form(request), grants, "", now);
    Some(match granted {
        Ok(granted) => Answer::json(
            200,
            json!({
                "token_type": "bearer",
                "access_token": granted.token,
                "refresh_token": granted.refresh_token,
                "expires_in": granted.seconds,
                "hub_id": 139_480_051,
            }),
        ),
        Err(Denied(error, description)) => Answer::json(
            400,
            json!({
                "error": error,
                "error_description": description,
                "status": "BAD_REFRESH_TOKEN",
                "message": description,
            }),
        ),
    })
}
