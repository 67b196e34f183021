//! Whole requests: head and body to what they change.

mod corpora;
mod families;
mod forms;
mod generated;
mod nested;
mod refused;
mod requests;
mod soap;
mod surface;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::*;
use crate::crm::path::CanonicalPath;
use crate::crm::{Class, Crm, Shape as AnyShape};
use crate::mutation::{CrmKind, Mutation, Opaque};

/// What becomes of a request before any rule is asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Judged {
    Read,
    Auth,
    Opaque(Opaque),
    Malformed(String),
    Mutations(Vec<Mutation>),
}

impl Judged {
    pub(super) fn is_refused(&self) -> bool {
        matches!(self, Self::Opaque(_) | Self::Malformed(_))
    }
}

/// Headers from lines; later ones of the same name are added.
pub(super) fn header_map(lines: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(
            HeaderName::try_from(*name).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    map
}

/// Runs a request through path, `classify` and `parse`.
pub(super) fn judge_with(method: &str, target: &str, headers: &HeaderMap, body: &[u8]) -> Judged {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let path = match CanonicalPath::parse(path) {
        Ok(path) => path.without_login_host(),
        Err(Malformed(what)) => return Judged::Malformed(what),
    };
    let head = Head {
        method: &method,
        path: &path,
        query,
        headers,
        sender: crate::crm::catalog::Sender::default(),
    };
    let shape = match Crm(CrmKind::Salesforce).classify(&head) {
        Class::Read => return Judged::Read,
        Class::Auth => return Judged::Auth,
        Class::Opaque(opaque) => return Judged::Opaque(opaque),
        Class::Write(shape) => shape,
    };
    assert!(!matches!(shape, AnyShape::HubSpot(_)));
    if Crm(CrmKind::Salesforce).logs_in(&shape, body) == Ok(true) {
        return Judged::Auth;
    }
    let catalog = Catalog::builtin(CrmKind::Salesforce);
    match Crm(CrmKind::Salesforce).parse(&shape, &head, body, &catalog) {
        Ok(changes) if changes.is_read() => Judged::Read,
        Ok(ChangeSet::Mutations(mutations)) => Judged::Mutations(mutations),
        Ok(ChangeSet::Opaque(opaque)) => Judged::Opaque(opaque),
        Err(Malformed(what)) => Judged::Malformed(what),
    }
}

/// The same with a JSON body.
pub(super) fn judge(method: &str, target: &str, body: &str) -> Judged {
    let headers = header_map(&[("content-type", "application/json")]);
    judge_with(method, target, &headers, body.as_bytes())
}

/// The mutations of a request that must have some.
pub(super) fn mutations(method: &str, target: &str, body: &str) -> Vec<Mutation> {
    let judged = judge(method, target, body);
    let Judged::Mutations(mutations) = judged else {
        panic!("{method} {target}: {judged:?}");
    };
    mutations
}

fn stamped(stamp: &str) -> Snapshot {
    Snapshot::of(vec![Prior::Found {
        id: "001000000000001AAA".into(),
        fields: serde_json::Map::new(),
        stamp: Some(stamp.into()),
    }])
}

fn row(operation: Operation) -> Shape {
    Shape::Row(Row {
        object: "Account".into(),
        operation,
        key: Some(RecordKey::id("001000000000001AAA")),
    })
}

#[test]
fn an_update_of_one_row_is_conditional() {
    for (stamp, date) in [
        (
            "2026-11-20T10:11:12.000+0000",
            "Fri, 20 Nov 2026 10:11:12 GMT",
        ),
        (
            "2026-11-20T10:11:12.001+0000",
            "Fri, 20 Nov 2026 10:11:13 GMT",
        ),
        ("2026-12-31T23:59:59.999Z", "Fri, 01 Jan 2027 00:00:00 GMT"),
    ] {
        let (name, value) = precondition(&row(Operation::Update), &stamped(stamp)).unwrap();
        assert_eq!(
            (name.as_str(), value.to_str().unwrap()),
            ("if-unmodified-since", date)
        );
    }
}

#[test]
fn nothing_else_is_conditional() {
    let snapshot = stamped("2026-11-20T10:11:12.000+0000");
    assert_eq!(precondition(&row(Operation::Delete), &snapshot), None);
    assert_eq!(
        precondition(&Shape::Collection(Collection::Update), &snapshot),
        None
    );
    assert_eq!(
        precondition(&row(Operation::Update), &stamped("yesterday")),
        None
    );
    assert_eq!(
        precondition(&row(Operation::Update), &Snapshot::default()),
        None
    );
}
