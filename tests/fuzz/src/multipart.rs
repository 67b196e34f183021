//! Forms, wherever they are taken: their parts are the ones that stand between their boundaries, and no
//! others, each under a name of its own.

use std::collections::HashSet;

use http::{HeaderMap, HeaderValue, Method, header};
use writegate::crm::catalog::Catalog;
use writegate::crm::path::CanonicalPath;
use writegate::crm::salesforce::bulk;
use writegate::crm::{Class, Crm, Head};
use writegate::mutation::{ChangeSet, CrmKind};

const MARK: &str = "--b";

/// Where forms are taken apart by what their parts are called.
const TAKEN: [(CrmKind, &str); 4] = [
    (
        CrmKind::Salesforce,
        "/services/data/v60.0/sobjects/Document",
    ),
    (
        CrmKind::Salesforce,
        "/services/data/v60.0/composite/sobjects",
    ),
    (CrmKind::HubSpot, "/files/v3/files"),
    (CrmKind::HubSpot, "/crm/v3/imports"),
];

pub(crate) fn target(data: &[u8]) {
    with_head("/services/data/v60.0/jobs/ingest", |head| job(head, data));
    for (kind, path) in TAKEN {
        with_head(path, |head| beside(Crm(kind), head, data));
    }
}

fn with_head(path: &str, then: impl FnOnce(&Head<'_>)) {
    let path = CanonicalPath::parse(path).unwrap();
    let kind = HeaderValue::from_static("multipart/form-data; boundary=b");
    then(&Head {
        method: &Method::POST,
        path: &path,
        query: None,
        headers: &HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]),
        sender: writegate::crm::catalog::Sender::default(),
    });
}

/// A job that starts at once.
fn job(head: &Head<'_>, data: &[u8]) {
    let Ok(Ok((spec, content))) = bulk::start(head, data) else {
        return;
    };
    assert!(!spec.object.is_empty());
    let parts = parts(data);
    assert_eq!(parts.len(), 2, "a job and its rows");
    assert!(parts[1].ends_with(content));
}

/// Records or values, and files beside them.
fn beside(crm: Crm, head: &Head<'_>, data: &[u8]) {
    let Class::Write(shape) = crm.classify(head) else {
        panic!("{} is no write", head.path.as_str());
    };
    let read = crm.parse(&shape, head, data, &Catalog::builtin(crm.0));
    let Ok(ChangeSet::Mutations(mutations)) = read else {
        return;
    };
    if data.is_empty() {
        return;
    }
    let parts = parts(data);
    let mut names = HashSet::new();
    for part in &parts {
        let name = name(part).to_ascii_lowercase();
        let again = !names.insert(name.clone());
        assert!(!again || (crm.0 == CrmKind::HubSpot && name == "files"));
    }
    match crm.0 {
        CrmKind::HubSpot => assert_eq!(mutations[0].fields.len(), parts.len()),
        CrmKind::Salesforce => {
            let records = |name: &&String| *name == "collection" || name.starts_with("entity_");
            assert_eq!(names.iter().filter(records).count(), 1);
        }
    }
}

/// What stands between the boundaries: each on lines of its own, with nothing before, behind or inside.
fn parts(data: &[u8]) -> Vec<&[u8]> {
    let mut pieces = pieces(data);
    assert!(pieces.remove(0).is_empty());
    assert!(matches!(pieces.pop(), Some(b"--" | b"--\r\n")));
    let inside = |piece: &&[u8]| piece.starts_with(b"\r\n") && piece.ends_with(b"\r\n");
    assert!(pieces.iter().all(inside), "a boundary inside a part");
    pieces
        .iter()
        .map(|piece| &piece[2..piece.len() - 2])
        .collect()
}

/// By which name a server may know a part that reads heads line by line, however lines end.
fn name(part: &[u8]) -> String {
    let text = String::from_utf8_lossy(part);
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    let head = head.replace("filename=\"", "file=\"");
    let named: Vec<&str> = head.split("name=\"").skip(1).collect();
    assert_eq!(named.len(), 1, "{head:?}");
    assert!(!head.replace("\r\n", "").contains(['\r', '\n']), "{head:?}");
    named[0].split('"').next().unwrap().to_owned()
}

fn pieces(text: &[u8]) -> Vec<&[u8]> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    let mark = MARK.as_bytes();
    while let Some(at) = rest.windows(mark.len()).position(|part| part == mark) {
        pieces.push(&rest[..at]);
        rest = &rest[at + mark.len()..];
    }
    pieces.push(rest);
    pieces
}
