//! OAuth 2.0 token requests and answers, as both CRMs have them (RFC 6749, RFC 7523).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::Value;

use super::{Hidden, Login, Unfit, jwt};
use crate::crm::form::Form;
use crate::crm::json;

/// Parameters that say who logs in, or by what.
const KNOWN: [&str; 10] = [
    "grant_type",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "username",
    "assertion",
    "refresh_token",
    "token",
    "tokenKey",
];

/// Which grant a parameter belongs to.
const OF_GRANT: [(&str, &str); 3] = [
    ("username", "password"),
    ("refresh_token", "refresh_token"),
    ("assertion", JWT_BEARER),
];

/// The one kind of client assertion (RFC 7523, section 2.2).
const CLIENT_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Who a client is by `Authorization: Basic`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basic {
    /// The client id.
    pub client_id: Hidden,
}

/// Reads `Authorization`, of which only `Basic` belongs on a login.
pub(in crate::crm) fn basic(headers: &HeaderMap) -> Result<Option<Basic>, Unfit> {
    let unfit = |what: &str| Unfit::Malformed(format!("the header authorization {what}"));
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value,
        (Some(_), Some(_)) => return Err(unfit("is given twice")),
    };
    let text = value
        .to_str()
        .map_err(|_not_ascii| unfit("is not printable ASCII"))?;
    let (scheme, coded) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(unfit("is no part of a login: send `Basic`, or none"));
    }
    let plain = STANDARD
        .decode(coded.trim_start_matches(' '))
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let Some((client_id, _)) = plain.as_deref().and_then(|plain| plain.split_once(':')) else {
        return Err(unfit("is not `Basic` and base64 of client id and secret"));
    };
    Ok(Some(Basic {
        client_id: Hidden::new(client_id),
    }))
}

/// A token request by one of these grants.
pub(in crate::crm) fn login(
    headers: &HeaderMap,
    body: &[u8],
    grants: &[&'static str],
) -> Result<Login, Unfit> {
    let form = form(headers, body)?;
    let given = form.get("grant_type").unwrap_or_default();
    let Some(grant) = grants.iter().find(|grant| **grant == given) else {
        let known = grants.join(", ");
        return Err(Unfit::Kind(format!(
            "this grant is not passed on, only {known} are"
        )));
    };
    only_of(grant, &form)?;
    Ok(Login {
        grant,
        names: by_grant(headers, &form, grant)?,
        refresh_token: form.get("refresh_token").map(Hidden::new),
    })
}

/// The parameter by which each grant says who logs in. The CRM ignores those of the others, so they would
/// say to us alone whose login it is.
fn only_of(grant: &str, form: &Form) -> Result<(), Unfit> {
    let malformed = |what: String| Err(Unfit::Malformed(what));
    for (name, of) in OF_GRANT {
        match (form.get(name).is_some(), grant == of) {
            (false, true) => return malformed(format!("the form has no {name}")),
            (true, false) => return malformed(format!("{name} is no parameter of this grant")),
            (true, true) | (false, false) => {}
        }
    }
    let asserts = form.get("client_assertion").is_some();
    let of_type = form.get("client_assertion_type") == Some(CLIENT_ASSERTION);
    if asserts != form.get("client_assertion_type").is_some() || asserts != of_type {
        return malformed("client_assertion and its client_assertion_type belong together".into());
    }
    Ok(())
}

/// Who logs in: every name that the CRM looks at, and no other.
fn by_grant(headers: &HeaderMap, form: &Form, grant: &str) -> Result<Vec<Hidden>, Unfit> {
    let client = names(headers, form)?;
    let asserted = match form.get("client_assertion") {
        Some(_) if form.get("client_secret").is_some() || basic(headers)?.is_some() => {
            return Err(Unfit::Malformed(
                "the client is shown in two ways: by a secret and by client_assertion".into(),
            ));
        }
        Some(assertion) => jwt::names(assertion)?,
        None => Vec::new(),
    };
    if grant == JWT_BEARER {
        // the assertion is all that counts: a client id beside it has to be its issuer
        let all = jwt::names(form.get("assertion").unwrap_or_default())?;
        if client.iter().any(|client| !all.contains(client)) {
            return Err(Unfit::Malformed(
                "the client id is not one of the assertion".into(),
            ));
        }
        return Ok(all);
    }
    // RFC 7523, section 3: a client asserts itself
    let mut clients = client.into_iter().chain(asserted);
    let first = clients.next();
    if clients.any(|other| Some(&other) != first.as_ref()) {
        return Err(Unfit::Malformed(
            "client_assertion and client_id name two clients".into(),
        ));
    }
    let user = form.get("username").map(Hidden::new);
    Ok(first.into_iter().chain(user).collect())
}

/// A form that names a known parameter in its documented spelling, or not at all.
pub(in crate::crm) fn form(headers: &HeaderMap, body: &[u8]) -> Result<Form, Unfit> {
    let form = Form::parse(headers, body)?;
    form.spelled(&KNOWN)?;
    Ok(form)
}

/// The client ids of a form and of its `Authorization`.
pub(in crate::crm) fn names(headers: &HeaderMap, form: &Form) -> Result<Vec<Hidden>, Unfit> {
    let basic = basic(headers)?.map(|basic| basic.client_id);
    let plain = form.get("client_id").map(Hidden::new);
    match (basic, plain) {
        (Some(basic), Some(plain)) if basic != plain => Err(Unfit::Malformed(
            "the header authorization and the form name two clients".into(),
        )),
        (basic, plain) => Ok(basic.or(plain).into_iter().collect()),
    }
}

/// An answer to a token request: the answer itself, the access token with the seconds it is good for,
/// the refresh token.
pub(in crate::crm) struct Tokens {
    pub(in crate::crm) answer: Value,
    pub(in crate::crm) access: Option<(Hidden, Option<u64>)>,
    pub(in crate::crm) refresh: Option<Hidden>,
}

/// Reads one.
///
/// # Errors
/// What is wrong with it, for our log.
pub(in crate::crm) fn tokens(body: &[u8]) -> Result<Tokens, String> {
    let answer = json::parse_answer(body).map_err(|malformed| malformed.0)?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str).map(Hidden::new);
    let seconds = match answer.get("expires_in") {
        Some(Value::Number(number)) => number.as_u64(),
        // Salesforce writes some numbers as text
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    let access = text("access_token").map(|token| (token, seconds));
    let refresh = text("refresh_token");
    if access.is_none() {
        return Err("it is a success without an access token".into());
    }
    Ok(Tokens {
        answer,
        access,
        refresh,
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::CONTENT_TYPE;

    use super::*;

    const ALL: [&str; 4] = [
        "password",
        "client_credentials",
        "refresh_token",
        JWT_BEARER,
    ];

    fn headers(authorization: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        for value in authorization {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        headers
    }

    fn names_of(authorization: &[&str], body: &str) -> Result<Vec<String>, Unfit> {
        let login = login(&headers(authorization), body.as_bytes(), &ALL)?;
        Ok(login
            .names
            .iter()
            .map(|name| name.expose().to_owned())
            .collect())
    }

    #[test]
    fn every_name_on_a_login_is_found() {
        let basic = format!("Basic {}", STANDARD.encode("app:secret:x"));
        for (authorization, body, found) in [
            (
                vec![],
                "grant_type=password&client_id=app&username=u%40x&password=p",
                vec!["app", "u@x"],
            ),
            (
                vec![basic.as_str()],
                "grant_type=client_credentials",
                vec!["app"],
            ),
            (
                vec![basic.as_str()],
                "grant_type=client_credentials&client_id=app",
                vec!["app"],
            ),
            (
                vec![],
                "grant_type=refresh_token&client_id=app&refresh_token=r",
                vec!["app"],
            ),
            (
                vec![],
                "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=e30.eyJpc3MiOiJhcHAiLCJzdWIiOiJ1In0.x",
                vec!["app", "u"],
            ),
            (
                vec![],
                "grant_type=client_credentials&client_id=app&client_assertion=e30.eyJpc3MiOiJhcHAiLCJzdWIiOiJhcHAifQ.x\
                 &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer",
                vec!["app"],
            ),
        ] {
            assert_eq!(names_of(&authorization, body).unwrap(), found, "{body}");
        }
    }

    #[test]
    fn other_grants_and_two_readings_are_refused() {
        let other = format!("Basic {}", STANDARD.encode("other:secret"));
        for (authorization, body) in [
            (vec![], "client_id=app"),
            // what the CRM ignores must not say whose login it is
            (
                vec![],
                "grant_type=client_credentials&client_id=app&username=u",
            ),
            (
                vec![],
                "grant_type=refresh_token&client_id=app&refresh_token=r&username=u",
            ),
            (
                vec![],
                "grant_type=password&client_id=app&username=u&assertion=e30.eyJpc3MiOiJhIn0.x",
            ),
            (
                vec![],
                "grant_type=password&client_id=app&username=u&refresh_token=r",
            ),
            (
                vec![],
                "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&client_id=other&assertion=e30.eyJpc3MiOiJhcHAiLCJzdWIiOiJ1In0.x",
            ),
            (
                vec![],
                "grant_type=client_credentials&client_id=app&client_assertion=e30.eyJpc3MiOiJhcHAiLCJzdWIiOiJ1In0.x",
            ),
            (vec![], "grant_type=device&client_id=app"),
            (vec![], "grant_type=Password&client_id=app"),
            (vec![], "grant_type=password&client_id=app"),
            (vec![], "grant_type=password&username=a&Username=b"),
            (vec![], "grant_type=client_credentials&Client_ID=app"),
            (vec![], "grant_type=refresh_token&client_id=app"),
            (
                vec![],
                "grant_type=client_credentials&client_id=a&client_id=b",
            ),
            (
                vec![other.as_str()],
                "grant_type=client_credentials&client_id=app",
            ),
            (
                vec![other.as_str(), other.as_str()],
                "grant_type=client_credentials",
            ),
            (
                vec!["Bearer abc"],
                "grant_type=client_credentials&client_id=app",
            ),
            (
                vec!["Basic !"],
                "grant_type=client_credentials&client_id=app",
            ),
        ] {
            assert!(
                names_of(&authorization, body).is_err(),
                "{authorization:?} {body}"
            );
        }
    }

    #[test]
    fn an_answer_is_read_strictly() {
        let tokens =
            tokens(br#"{"access_token":"t","refresh_token":"r","expires_in":1800}"#).unwrap();
        assert_eq!(tokens.access, Some((Hidden::new("t"), Some(1800))));
        assert_eq!(tokens.refresh, Some(Hidden::new("r")));
        for body in [
            &b"{}"[..],
            b"<html>",
            br#"{"access_token":"a","access_token":"b"}"#,
            b"[]",
        ] {
            assert!(super::tokens(body).is_err());
        }
    }
}
