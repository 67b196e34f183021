//! A job that starts at once: its parts are the ones that stand between its boundaries, and no others.

use http::{HeaderMap, HeaderValue, Method, header};
use writegate::crm::Head;
use writegate::crm::path::CanonicalPath;
use writegate::crm::salesforce::bulk;

const BETWEEN: &[u8] = b"\r\n--b";

pub(crate) fn target(data: &[u8]) {
    let path = CanonicalPath::parse("/services/data/v60.0/jobs/ingest").unwrap();
    let kind = HeaderValue::from_static("multipart/form-data; boundary=b");
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]);
    let head = Head {
        method: &Method::POST,
        path: &path,
        query: None,
        headers: &headers,
        sender: writegate::crm::catalog::Sender::default(),
    };
    let Ok(Ok((spec, content))) = bulk::start(&head, data) else {
        return;
    };
    assert!(!spec.object.is_empty());
    let parts = pieces(data);
    assert_eq!(parts.len(), 3, "two parts and an end");
    assert!(parts[0].starts_with(b"--b\r\n"));
    assert!(parts[1].ends_with(content));
    assert_eq!(pieces(content).len(), 1, "rows reach over a boundary");
    assert!(matches!(parts[2], b"--" | b"--\r\n"));
}

fn pieces(text: &[u8]) -> Vec<&[u8]> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.windows(BETWEEN.len()).position(|part| part == BETWEEN) {
        pieces.push(&rest[..at]);
        rest = &rest[at + BETWEEN.len()..];
    }
    pieces.push(rest);
    pieces
}
