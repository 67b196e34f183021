//! Which operator calls, and whether their roles suffice.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use super::failure;
use crate::config::{Config, Fingerprint, Operator, Role};

/// The operator behind a bearer token, if their roles include `needed`.
///
/// # Errors
/// 401 without a known token, 403 without the role; each says what to do.
pub(super) fn authorised<'a>(
    config: &'a Config,
    headers: &HeaderMap,
    needed: Role,
) -> Result<&'a Operator, Response> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let Some(token) = token else {
        return Err(failure(
            StatusCode::UNAUTHORIZED,
            "unauthorised",
            "send an operator's token as `Authorization: Bearer …` (WRITEGATE_TOKEN)",
        ));
    };
    // Only fingerprints are compared, so the time it takes tells nothing of the token.
    let fingerprint = Fingerprint::of(token.as_bytes());
    let Some(operator) = config
        .operators
        .iter()
        .find(|known| known.token == fingerprint)
    else {
        return Err(failure(
            StatusCode::UNAUTHORIZED,
            "unauthorised",
            &format!("no operator has this token ({fingerprint}); add it under `operators:`"),
        ));
    };
    if operator.roles.iter().any(|role| *role >= needed) {
        return Ok(operator);
    }
    let needed = match needed {
        Role::Viewer => "viewer",
        Role::Approver => "approver",
        Role::Admin => "admin",
    };
    Err(failure(
        StatusCode::FORBIDDEN,
        "forbidden",
        &format!("{} needs the role {needed} for this", operator.name),
    ))
}
