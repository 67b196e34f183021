//! Values known again, and calls as the parser reads them.

use serde_json::json;

use super::*;
use crate::crm::catalog::Catalog;
use crate::crm::{Class, Head};
use crate::mutation::{ChangeSet, RecordKey};

const SALESFORCE: Crm = Crm(CrmKind::Salesforce);
const HUBSPOT: Crm = Crm(CrmKind::HubSpot);

fn path(text: &str) -> CanonicalPath {
    CanonicalPath::parse(text).unwrap()
}

#[test]
fn a_value_is_known_again_in_the_form_that_the_crm_gives_it() {
    for (written, now) in [
        (json!(null), json!(null)),
        (json!(""), json!(null)),
        (json!(null), json!("")),
        (json!(5), json!(5.0)),
        (json!("5000"), json!(5000.0)),
        (json!(0.1), json!("0.10")),
        (json!(-0.0), json!(0)),
        (json!(" Acme "), json!("Acme")),
        (json!("a\nb"), json!("a\r\nb")),
        (json!("001000000000001"), json!("001000000000001AAA")),
        (
            json!("2026-11-20T10:11:12Z"),
            json!("2026-11-20T10:11:12.000+0000"),
        ),
        (
            json!("2026-11-20T12:11:12+02:00"),
            json!("2026-11-20T10:11:12.000+0000"),
        ),
    ] {
        assert!(
            SALESFORCE.holds("F", &written, Some(&now)),
            "{written} {now}"
        );
    }
    for (written, now) in [
        (json!(null), json!("")),
        (json!(true), json!("true")),
        (json!("TRUE"), json!("true")),
        (json!(12), json!("12")),
        (json!(1.50), json!("1.5")),
        (json!("2026-12-18"), json!("2026-12-18T00:00:00.000Z")),
        (json!("1797552000000"), json!("2026-12-18T00:00:00.000Z")),
        (
            json!(1_797_552_000_000_u64),
            json!("2026-12-18T00:00:00.000Z"),
        ),
    ] {
        assert!(HUBSPOT.holds("p", &written, Some(&now)), "{written} {now}");
    }
    assert!(HUBSPOT.holds(
        "email",
        &json!("Wile@Acme.example"),
        Some(&json!("wile@acme.example"))
    ));
    assert!(HUBSPOT.holds("p", &json!(""), None));
}

#[test]
fn what_may_be_an_edit_counts_as_one() {
    for (written, now) in [
        (json!("Retail"), json!("retail")),
        (json!("x"), json!(null)),
        (json!(null), json!("x")),
        (json!(null), json!(false)),
        (json!(null), json!(0)),
        (json!(0), json!(null)),
        (json!("007"), json!(7)),
        (json!("5"), json!("5.0")),
        (
            json!(9_007_199_254_740_993_u64),
            json!(9_007_199_254_740_992_u64),
        ),
        (json!(1), json!(true)),
        (json!("001000000000001AAA"), json!("001000000000002AAA")),
        (json!("a b"), json!("a  b")),
        (json!({"a": 1}), json!({"a": 2})),
    ] {
        for crm in [SALESFORCE, HUBSPOT] {
            assert!(!crm.holds("F", &written, Some(&now)), "{written} {now}");
        }
    }
    assert!(!HUBSPOT.holds("p", &json!("12"), Some(&json!("2026-12-18T00:00:00.000Z"))));
    assert!(!HUBSPOT.holds("name", &json!("Wile"), Some(&json!("wile"))));
}

fn restored(count: usize, id: impl Fn(usize) -> String) -> Inverse {
    let fields = |n: usize| {
        let value = if n.is_multiple_of(2) {
            json!(null)
        } else {
            json!("x")
        };
        Map::from_iter([("Industry".to_owned(), value)])
    };
    Inverse::Restore((0..count).map(|n| (id(n), fields(n))).collect())
}

/// A CRM, the path of a write, its object, and ids of that object.
type Case = (Crm, &'static str, &'static str, fn(usize) -> String);

/// What the parser reads out of a call: P2 holds for our own writes too.
fn read(crm: Crm, call: &WriteCall) -> ChangeSet {
    let head = Head {
        method: &call.method,
        path: &call.path,
        query: call.query.as_deref(),
        headers: &call.headers,
        sender: crate::crm::catalog::Sender::default(),
    };
    let Class::Write(shape) = crm.classify(&head) else {
        panic!("{head:?} is no write: {:?}", crm.classify(&head));
    };
    crm.parse(&shape, &head, &call.body, &Catalog::builtin(crm.0))
        .unwrap()
}

#[test]
fn the_parser_reads_out_of_a_call_what_was_put_into_it() {
    let salesforce = |n: usize| format!("00100000000{n:04}AAA");
    let hubspot = |n: usize| format!("{}", 5_000 + n);
    let cases: [Case; 4] = [
        (
            SALESFORCE,
            "/services/data/v60.0/sobjects/Account/x",
            "Account",
            salesforce,
        ),
        (
            SALESFORCE,
            "/services/data/v42.0/composite/sobjects",
            "Account",
            salesforce,
        ),
        (HUBSPOT, "/crm/v3/objects/companies/1", "companies", hubspot),
        (
            HUBSPOT,
            "/crm/objects/2026-03/companies/batch/update",
            "companies",
            hubspot,
        ),
    ];
    for (crm, like, object, id) in cases {
        let like = path(like);
        for count in [1, 2, crm.inverse_most(&like, object)] {
            let restore = restored(count, id);
            let remove = Inverse::Remove((0..count).map(id).collect());
            let undelete = Inverse::Undelete((0..count).map(id).collect());
            for (inverse, operation) in [
                (&restore, Operation::Update),
                (&remove, Operation::Delete),
                (&undelete, Operation::Restore),
            ] {
                if (operation, crm) == (Operation::Restore, HUBSPOT) {
                    assert!(crm.inverse(&like, object, inverse).is_err());
                    continue;
                }
                let call = crm.inverse(&like, object, inverse).unwrap();
                assert!(
                    call.path
                        .as_str()
                        .contains(crm.api(&like).trim_start_matches('v')),
                    "{}",
                    call.path.as_str()
                );
                let changes = read(crm, &call);
                assert_eq!(changes.mutations().len(), count);
                for (n, mutation) in changes.mutations().iter().enumerate() {
                    assert_eq!(mutation.operation, operation);
                    assert_eq!(mutation.record, Some(RecordKey::id(id(n))));
                    assert_eq!(mutation.object, object);
                    let blank = n.is_multiple_of(2) && operation == Operation::Update;
                    assert_eq!(
                        is_blank(
                            mutation
                                .fields
                                .get("Industry")
                                .or(mutation.fields.get("industry"))
                        ),
                        blank || operation != Operation::Update
                    );
                }
            }
        }
    }
}

#[test]
fn versions_and_objects_without_collections_get_one_record_each() {
    let old = path("/services/data/v41.0/sobjects/Account/x");
    let new = path("/services/data/v60.0/sobjects/Account/x");
    assert_eq!(SALESFORCE.inverse_most(&old, "Account"), 1);
    assert_eq!(SALESFORCE.inverse_most(&new, "CaseComment"), 1);
    assert_eq!(SALESFORCE.inverse_most(&new, "Account"), 200);
}

#[test]
fn what_the_crm_keeps_is_not_written_back() {
    assert!(
        SALESFORCE
            .cannot_write_back("createddate", &json!("x"))
            .is_some()
    );
    assert!(
        SALESFORCE
            .cannot_write_back("BillingAddress", &json!({"city": "x"}))
            .is_some()
    );
    assert!(
        SALESFORCE
            .cannot_write_back("Industry", &json!(null))
            .is_none()
    );
    assert!(
        HUBSPOT
            .cannot_write_back("hs_object_id", &json!("1"))
            .is_some()
    );
    assert!(
        HUBSPOT
            .cannot_write_back("interests", &json!("; a"))
            .is_some()
    );
    assert!(
        HUBSPOT
            .cannot_write_back("interests", &json!("a;b"))
            .is_none()
    );
    let rule = json!("assignment rule 01Q000000000001EAA");
    assert!(SALESFORCE.chosen_by_crm("ownerid", &rule).is_some());
    assert!(SALESFORCE.chosen_by_crm("Name", &rule).is_none());
}
