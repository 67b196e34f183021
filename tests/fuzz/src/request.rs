//! Whole requests: classified and taken apart the same each time and in each spelling of their JSON; what
//! changes something by its method is never a read; and whatever the CRM answers is read without a panic.

use http::{Method, StatusCode, header};
use jiff::Timestamp;
use writegate::crm::catalog::Catalog;
use writegate::crm::{Class, Crm, Head, PriorPlan, Shape, json};
use writegate::mutation::{ChangeSet, CrmKind, Mutation, Snapshot};
use writegate::request::Request;

/// Words without which no read goes by POST.
const READS_BY_POST: [&str; 24] = [
    "read",
    "search",
    "all",
    "idmapping",
    "batch-read",
    "companies",
    "sobjects",
    "related-list",
    "related-list-records",
    "list-records",
    "lookups",
    "duplicates",
    "getAppointmentSlots",
    "getAppointmentCandidates",
    "oas3",
    "business-rules",
    "transaction-history",
    "product-search",
    "get-products",
    "calculate-price",
    "eligible-promotions",
    "predict",
    "query",
    "expressionset",
];

pub(crate) fn target(kind: CrmKind, data: &[u8]) {
    let Ok(request) = Request::from_raw(data, kind) else {
        return;
    };
    let crm = Crm(kind);
    let head = Head {
        method: &request.method,
        path: &request.path,
        query: request.query.as_deref(),
        headers: &request.headers,
        sender: writegate::crm::catalog::Sender::default(),
    };
    let class = crm.classify(&head);
    assert_eq!(crm.classify(&head), class);
    match class {
        Class::Read => read(crm, &head),
        Class::Auth => assert_eq!(head.method, Method::POST),
        Class::Write(shape) => write(crm, &shape, &head, &request.body),
        Class::Opaque(opaque) => assert!(!opaque.reason.is_empty()),
    }
    let _dialect = crm.dialect(head.path.as_str(), head.headers);
    let _quota = crm.quota(head.headers);
}

/// The same under a method that changes something is not a read.
fn read(crm: Crm, head: &Head<'_>) {
    match *head.method {
        Method::GET | Method::HEAD => {}
        Method::POST => {
            let known = |word: &String| READS_BY_POST.contains(&word.as_str());
            assert!(
                head.path.segments().iter().any(known),
                "{}",
                head.path.as_str()
            );
        }
        _ => panic!("{} is a read", head.method),
    }
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let other = Head {
            method: &method,
            ..*head
        };
        assert_ne!(
            crm.classify(&other),
            Class::Read,
            "{method} {}",
            head.path.as_str()
        );
    }
}

/// What has to hold for the body of a write.
pub(super) fn write(crm: Crm, shape: &Shape, head: &Head<'_>, body: &[u8]) {
    let catalog = Catalog::builtin(crm.0);
    let parsed = crm.parse(shape, head, body, &catalog);
    assert_eq!(crm.parse(shape, head, body, &catalog), parsed);
    let acting = crm.acting_in(shape, body);
    if is_json(head)
        && let Ok(document) = json::parse(body)
    {
        let plain = document.to_string();
        let other = crm.parse(shape, head, plain.as_bytes(), &catalog);
        assert_eq!(other.as_ref().ok(), parsed.as_ref().ok());
        assert_eq!(crm.acting_in(shape, plain.as_bytes()), acting);
    }
    let Ok(ChangeSet::Mutations(mutations)) = parsed else {
        return;
    };
    if mutations.is_empty() {
        assert_eq!(head.method, Method::POST, "a read after all goes by POST");
    }
    assert!(mutations.iter().all(|mutation| !mutation.object.is_empty()));
    answered(crm, shape, head, &mutations, body);
}

fn is_json(head: &Head<'_>) -> bool {
    let kind = head.headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

/// The body stands in for what the CRM may answer, to the write and to the reads before it.
fn answered(crm: Crm, shape: &Shape, head: &Head<'_>, mutations: &[Mutation], answer: &[u8]) {
    let now = Timestamp::UNIX_EPOCH;
    let catalog = Catalog::builtin(crm.0);
    let snapshot = Snapshot::default();
    for status in [
        StatusCode::OK,
        StatusCode::MULTI_STATUS,
        StatusCode::BAD_REQUEST,
    ] {
        let outcomes = crm.outcome(shape, mutations, &snapshot, status, answer);
        assert_eq!(outcomes.len(), mutations.len());
        drop(crm.replay(shape, head, mutations, &snapshot, &outcomes));
        match crm.prior(head, mutations, &Vec::new(), &catalog, now) {
            PriorPlan::Reads(reads) => {
                for read in reads {
                    assert!(read.covers.iter().all(|place| *place < mutations.len()));
                    drop(crm.found(&read, mutations, status, answer));
                }
            }
            PriorPlan::Catalog(read) => {
                drop(crm.learn(&read, head, (status, answer), &catalog, now));
            }
        }
    }
    if let Some(first) = mutations.first() {
        drop(crm.made(head, first, now));
    }
}
