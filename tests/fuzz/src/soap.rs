//! SOAP messages: what one says of itself is the same without its session, which stands where it is said to
//! stand and acts on nothing; each API takes a message apart as the others' paths do not.

use http::{HeaderMap, HeaderValue, Method};
use writegate::crm::catalog::Catalog;
use writegate::crm::path::CanonicalPath;
use writegate::crm::salesforce::soap::{Introduction, introduce};
use writegate::crm::{Class, Crm, Head};
use writegate::mutation::{ChangeSet, CrmKind};

use super::request;

const PATHS: [&str; 6] = [
    "/services/Soap/u/60.0",
    "/services/Soap/c/60.0/00DWg0000000001",
    "/services/Soap/m/60.0",
    "/services/Soap/s/60.0",
    "/services/Soap/T/60.0",
    "/services/Soap/class/Orders",
];

pub(crate) fn target(data: &[u8]) {
    let told = introduce(data);
    assert_eq!(introduce(data), told);
    if let Ok(told) = &told {
        session(data, told);
    }
    let mut understood = 0;
    for path in PATHS {
        understood += usize::from(taken(path, data, told.as_ref().ok()));
    }
    assert!(understood <= 1, "{understood} APIs take it apart");
}

/// Puts another session, or none, in the place of the one that is there.
fn session(data: &[u8], told: &Introduction) {
    assert!(!told.operation.is_empty());
    let Some(session) = &told.session else {
        return;
    };
    assert_eq!(&data[session.place.clone()], session.secret.as_bytes());
    let shown = format!("{told:?}");
    let elsewhere = told.username.as_ref() == Some(&session.secret);
    assert!(session.secret.len() < 64 || elsewhere || !shown.contains(&session.secret));
    for secret in ["", "00DWg0000000001!AQ.x_"] {
        let other = with(data, told, secret);
        let again = introduce(&other).unwrap();
        assert_eq!(
            (&again.api, &again.operation, &again.username),
            (&told.api, &told.operation, &told.username)
        );
        let place = again.session.unwrap();
        assert_eq!(place.place.start, session.place.start);
        assert_eq!(place.secret, secret);
    }
}

fn with(data: &[u8], told: &Introduction, secret: &str) -> Vec<u8> {
    let Some(session) = &told.session else {
        return data.to_vec();
    };
    let (before, after) = (&data[..session.place.start], &data[session.place.end..]);
    [before, secret.as_bytes(), after].concat()
}

/// Whether the API of a path takes the message apart into what it changes.
fn taken(path: &str, data: &[u8], told: Option<&Introduction>) -> bool {
    let crm = Crm(CrmKind::Salesforce);
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("content-type", "text/xml; charset=UTF-8"),
        ("soapaction", "\"\""),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let path = CanonicalPath::parse(path).unwrap();
    let head = Head {
        method: &Method::POST,
        path: &path,
        query: None,
        headers: &headers,
        sender: writegate::crm::catalog::Sender::default(),
    };
    assert!(crm.signs_in_body(&path));
    let Class::Write(shape) = crm.classify(&head) else {
        return false;
    };
    let catalog = Catalog::builtin(crm.0);
    let parsed = crm.parse(&shape, &head, data, &catalog);
    let Some(told) = told else {
        // the proxy refuses it before
        return false;
    };
    let bare = with(data, told, "");
    assert_eq!(
        crm.parse(&shape, &head, &bare, &catalog).ok(),
        parsed.clone().ok()
    );
    assert_eq!(crm.acting_in(&shape, &bare), crm.acting_in(&shape, data));
    if crm.logs_in(&shape, data).unwrap() {
        assert!(
            !matches!(parsed, Ok(ChangeSet::Mutations(_))),
            "a login is a write"
        );
    }
    request::write(crm, &shape, &head, data);
    matches!(parsed, Ok(ChangeSet::Mutations(_)))
}
