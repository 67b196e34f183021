//! HubSpot's token endpoints (v1, v3, dated): refresh token and code; v1 also client credentials. Also
//! what is told of a token, which is a secret of its own and needs no other credential.

use jiff::Timestamp;
use serde_json::json;

use super::super::Token;
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
        "v1" => &["refresh_token", "authorization_code", "client_credentials"],
        _ => &["refresh_token", "authorization_code"],
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

/// Answers what a token is; `None` for anything else.
pub(in crate::sandbox) fn info(
    logins: &Logins,
    request: &Request,
    fixed: &[Token],
    now: Timestamp,
) -> Option<Answer> {
    let names: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    let token = match (request.method.as_str(), names.as_slice()) {
        ("GET", ["oauth", "v1", "access-tokens" | "refresh-tokens", token]) => (*token).to_owned(),
        ("POST", ["oauth", "v2", "private-apps", "get", "access-token-info"]) => {
            let body = request.json().ok()?;
            body.get("tokenKey")?.as_str()?.to_owned()
        }
        ("POST", ["oauth", version, "token", "introspect"]) if is_version(version) => {
            let fields = form(request);
            let (_, token) = fields.into_iter().find(|(name, _)| name == "token")?;
            token
        }
        _ => return None,
    };
    Some(match logins.is_good(&token, fixed, now) {
        true => Answer::json(
            200,
            json!({
                "active": true,
                "user": "kim@sandbox.example",
                "userId": 71,
                "hubId": 139_480_051,
                "hub_id": 139_480_051,
                "appId": 5,
                "scopes": ["crm.objects.companies.read"],
            }),
        ),
        false => Answer::json(
            404,
            json!({
                "status": "error",
                "category": "OBJECT_NOT_FOUND",
                "message": "access token not found",
            }),
        ),
    })
}
