//! Salesforce's logins by OAuth, and where addresses stand in what it says of itself (OAuth 2.0 flows and
//! identity URLs in Salesforce Help; REST API Developer Guide, Resources by Version).

use bytes::Bytes;
use http::Method;
use serde_json::Value;

use crate::crm::Head;
use crate::crm::json::edit::{Editor, Place};
use crate::crm::links::Origins;
use crate::crm::login::{Asked, Issued, Unfit, oauth};

mod soap;

pub(in crate::crm) use soap::issued as issued_by_soap;

use super::{id, route};

/// The grants that are passed on. SAML, device, token exchange and hybrid ones name nobody whom we could
/// tell, or mint sessions of the user interface.
const GRANTS: [&str; 5] = [
    "password",
    "client_credentials",
    "refresh_token",
    "authorization_code",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
];

/// Addresses in the answer to a token request. `signature` is over `id` and not made anew: no client that
/// we know of checks it.
const ISSUED: &[Place] = &[
    &["instance_url"],
    &["id"],
    &["sfdc_community_url"],
    &["sfdc_site_url"],
    &["api_instance_url"],
];

/// Addresses in what `/id/ORG/USER` and `userinfo` say.
const IDENTITY: &[Place] = &[
    &["id"],
    &["sub"],
    &["profile"],
    &["picture"],
    &["urls", "*"],
    &["photos", "*"],
];

/// Addresses in the directory of a version.
const DIRECTORY: &[Place] = &[&["identity"]];

/// Addresses in the discovery document (`OpenID` Connect).
const DISCOVERY: &[Place] = &[
    &["issuer"],
    &["authorization_endpoint"],
    &["token_endpoint"],
    &["revocation_endpoint"],
    &["introspection_endpoint"],
    &["userinfo_endpoint"],
    &["jwks_uri"],
    &["registration_endpoint"],
    &["end_session_endpoint"],
    &["frontdoor_uri"],
    &["device_authorization_endpoint"],
];

/// Where addresses stand in the answer to a read; none in most.
pub(in crate::crm) fn links(head: &Head<'_>) -> &'static [Place] {
    let mut segments = head.path.segments().iter().map(String::as_str);
    match (
        segments.next(),
        segments.next(),
        segments.next(),
        segments.next(),
    ) {
        (Some("services"), Some("data"), Some(version), None)
            if route::version(version).is_some() =>
        {
            DIRECTORY
        }
        (Some("services"), Some("oauth2"), Some("userinfo"), None) => IDENTITY,
        (Some("id"), Some(org), Some(user), None)
            if id::is_like_one(org) && id::is_like_one(user) =>
        {
            IDENTITY
        }
        (Some(".well-known"), Some("openid-configuration"), None, None) => DISCOVERY,
        _ => &[],
    }
}

/// The query of an identity URL without `oauth_token`, which jsforce sends beside its header, and the
/// token; `None` where there is none.
pub(in crate::crm) fn second_token(head: &Head<'_>) -> Option<(String, String)> {
    let is_identity = std::ptr::eq(links(head), IDENTITY);
    if !is_identity || *head.method != Method::GET {
        return None;
    }
    let mut tokens = Vec::new();
    let mut rest = Vec::new();
    for pair in head.query?.split('&') {
        let mut decoded = form_urlencoded::parse(pair.as_bytes());
        match decoded.next() {
            Some((name, value)) if name == "oauth_token" => tokens.push(value.into_owned()),
            _ => rest.push(pair),
        }
    }
    match <[String; 1]>::try_from(tokens) {
        Ok([token]) => Some((rest.join("&"), token)),
        Err(_none_or_several) => None,
    }
}

/// What a request on the login path asks for.
pub(in crate::crm) fn asked(head: &Head<'_>, body: &[u8]) -> Result<Asked, Unfit> {
    if head.query.is_some_and(|query| !query.is_empty()) {
        return Err(Unfit::Malformed(
            "parameters of a login stand in its body, not in the query".into(),
        ));
    }
    oauth::login(head.headers, body, &GRANTS).map(Asked::Login)
}

/// What a login brought. An answer that names another instance is none of this route.
///
/// # Errors
/// What is wrong with it, for our log.
pub(in crate::crm) fn issued(origins: &Origins, body: &Bytes) -> Result<Issued, String> {
    let tokens = oauth::tokens(body)?;
    match tokens.answer.get("instance_url") {
        None | Some(Value::Null) => {}
        Some(Value::String(address)) if origins.is_upstream(address) => {}
        Some(_) => return Err("it names another instance than the route's upstream".into()),
    }
    Ok(Issued {
        body: Editor::whole(ISSUED, origins.change(), body).into(),
        access: tokens.access,
        refresh: tokens.refresh,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::CrmKind;

    fn origins() -> Origins {
        Origins::new(
            CrmKind::Salesforce,
            &"https://acme.my.salesforce.com".parse().unwrap(),
            &"https://proxy.test".parse().unwrap(),
        )
    }

    #[test]
    fn addresses_are_rewritten_by_position_and_nothing_else() {
        let body = Bytes::from_static(
            br#"{ "access_token":"00D!https://acme.my.salesforce.com","instance_url":"https://acme.my.salesforce.com",
 "id":"https:\/\/login.salesforce.com\/id\/00D\/005","scope":"https://acme.my.salesforce.com","issued_at":"1", "signature":"s="}"#,
        );
        let issued = issued(&origins(), &body).unwrap();
        let text = String::from_utf8(issued.body.to_vec()).unwrap();
        assert_eq!(
            text,
            r#"{ "access_token":"00D!https://acme.my.salesforce.com","instance_url":"https://proxy.test",
 "id":"https://proxy.test/id/00D/005","scope":"https://acme.my.salesforce.com","issued_at":"1", "signature":"s="}"#
        );
        let (token, seconds) = issued.access.unwrap();
        assert_eq!(
            (token.expose(), seconds),
            ("00D!https://acme.my.salesforce.com", None)
        );
    }

    #[test]
    fn another_instance_is_refused() {
        for instance in [
            "\"https://other.my.salesforce.com\"",
            "\"http://acme.my.salesforce.com\"",
            "\"https://acme.my.salesforce.com:444\"",
            "\"https://acme.my.salesforce.com@evil.test\"",
            "\"acme\"",
            "7",
        ] {
            let body = format!("{{\"access_token\":\"t\",\"instance_url\":{instance}}}");
            assert!(issued(&origins(), &body.into()).is_err(), "{instance}");
        }
    }
}
