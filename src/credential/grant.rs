//! What is asked of a login host: the form of each grant.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use form_urlencoded::Serializer;
use jiff::Timestamp;
use serde_json::json;

use crate::config::{SigningKey, Source};
use crate::mutation::CrmKind;

/// An assertion is good for this many seconds; Salesforce takes no more than three minutes.
const ASSERTION_FOR: i64 = 120;
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Where a CRM's tokens are got.
pub(super) fn path(crm: CrmKind) -> &'static str {
    match crm {
        CrmKind::Salesforce => "/services/oauth2/token",
        CrmKind::HubSpot => "/oauth/v3/token",
    }
}

/// The form; `refresh_token` is the one of today, `login` whom an assertion is for.
pub(super) fn form(
    source: &Source,
    refresh_token: &str,
    login: &str,
    now: Timestamp,
) -> Result<String, String> {
    let mut form = Serializer::new(String::new());
    match source {
        Source::Static(_) => return Err("a token that stands somewhere is not asked for".into()),
        Source::ClientCredentials {
            client_id,
            client_secret,
            scope,
        } => {
            form.append_pair("grant_type", "client_credentials")
                .append_pair("client_id", client_id)
                .append_pair("client_secret", client_secret.expose());
            if let Some(scope) = scope {
                form.append_pair("scope", scope);
            }
        }
        Source::Jwt {
            client_id,
            user,
            key,
            audience,
        } => {
            let audience = audience.as_deref().unwrap_or(login);
            let assertion = assertion(key, (client_id, user, audience), now);
            let assertion = assertion.ok_or("an assertion cannot be signed with its key")?;
            form.append_pair("grant_type", JWT_BEARER)
                .append_pair("assertion", &assertion);
        }
        Source::Refresh {
            client_id,
            client_secret,
            ..
        } => {
            form.append_pair("grant_type", "refresh_token")
                .append_pair("client_id", client_id);
            if let Some(secret) = client_secret {
                form.append_pair("client_secret", secret.expose());
            }
            form.append_pair("refresh_token", refresh_token);
        }
    }
    Ok(form.finish())
}

/// A JWT (RFC 7523 3), signed with RS256: the only algorithm that there is.
fn assertion(
    key: &SigningKey,
    (client_id, user, audience): (&str, &str, &str),
    now: Timestamp,
) -> Option<String> {
    let header = json!({ "alg": "RS256", "typ": "JWT" });
    let claims = json!({
        "iss": client_id,
        "sub": user,
        "aud": audience,
        "exp": now.as_second().saturating_add(ASSERTION_FOR),
    });
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let signature = key.sign(signed.as_bytes())?;
    Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
