//! Tests of `reply`.

use serde_json::Map;

use super::*;
use crate::crm::salesforce::{Collection, Row};
use crate::error::RefusalKind;
use crate::mutation::Undo;

fn mutation(operation: Operation, id: Option<&str>) -> Mutation {
    Mutation {
        object: "Account".into(),
        operation,
        record: id.map(RecordKey::id),
        fields: Map::new(),
        row: None,
        undo: Undo::Full,
        others: vec![],
    }
}

fn one(operation: Operation, status: u16, body: &str) -> Outcome {
    let shape = Shape::Row(Row {
        object: "Account".into(),
        operation,
        key: None,
    });
    let id = (operation != Operation::Create).then_some("001000000000001AAA");
    let status = StatusCode::from_u16(status).unwrap();
    let all = outcome(&shape, &[mutation(operation, id)], status, body.as_bytes());
    assert_eq!(all.len(), 1);
    all.into_iter().next().unwrap()
}

fn done(id: Option<&str>) -> Outcome {
    Outcome {
        new_id: id.map(str::to_owned),
        ..Outcome::of(OutcomeState::Done)
    }
}

const UNKNOWN: Outcome = Outcome {
    state: OutcomeState::Unknown,
    new_id: None,
    code: None,
};

#[test]
fn single_rows() {
    let created = r#"{"id":"001000000000009","success":true,"errors":[]}"#;
    assert_eq!(
        one(Operation::Create, 201, created),
        done(Some("001000000000009AAA"))
    );
    assert_eq!(one(Operation::Create, 201, "<html>"), UNKNOWN);
    assert_eq!(one(Operation::Create, 204, ""), UNKNOWN);
    assert_eq!(one(Operation::Update, 204, ""), done(None));
    assert_eq!(one(Operation::Delete, 204, ""), done(None));
    assert_eq!(one(Operation::Upsert, 204, ""), done(None));
    let upserted = r#"{"id":"001000000000001AAA","success":true,"errors":[],"created":false}"#;
    assert_eq!(one(Operation::Upsert, 200, upserted), done(None));
    assert_eq!(
        one(Operation::Upsert, 201, upserted),
        done(Some("001000000000001AAA"))
    );
    let other = r#"{"id":"001000000000002AAA","success":true,"errors":[]}"#;
    assert_eq!(one(Operation::Update, 200, other), UNKNOWN);
}

#[test]
fn a_4xx_says_that_nothing_was_written_and_a_5xx_says_nothing() {
    let error = r#"[{"message":"x","errorCode":"ENTITY_IS_DELETED"}]"#;
    assert_eq!(
        one(Operation::Update, 404, error),
        failed(Some("ENTITY_IS_DELETED".into()))
    );
    assert_eq!(one(Operation::Update, 412, ""), failed(None));
    assert_eq!(one(Operation::Upsert, 300, "[\"/a\",\"/b\"]"), failed(None));
    let value = r#"[{"message":"x","errorCode":"jane@example.com"}]"#;
    assert_eq!(one(Operation::Update, 400, value), failed(None));
    for status in [408, 500, 502, 503, 504, 302, 202] {
        assert_eq!(one(Operation::Update, status, error), UNKNOWN, "{status}");
    }
}

#[test]
fn collections_answer_row_by_row() {
    let mutations = [
        mutation(Operation::Upsert, None),
        mutation(Operation::Update, Some("001000000000002AAA")),
        mutation(Operation::Update, Some("001000000000003AAA")),
        mutation(Operation::Update, Some("001000000000004AAA")),
    ];
    let shape = Shape::Collection(Collection::Update);
    let body = r#"[{"id":"001000000000001AAA","success":true,"errors":[],"created":true},
        {"success":false,"errors":[{"statusCode":"ALL_OR_NONE_OPERATION_ROLLED_BACK","message":"m","fields":[]}]},
        {"id":"001000000000009AAA","success":true,"errors":[]},
        {"id":"001000000000004AAA"}]"#;
    assert_eq!(
        outcome(&shape, &mutations, StatusCode::OK, body.as_bytes()),
        [
            done(Some("001000000000001AAA")),
            failed(Some("ALL_OR_NONE_OPERATION_ROLLED_BACK".into())),
            UNKNOWN,
            UNKNOWN,
        ]
    );
    for body in ["[]", "{}", "", "[{\"success\":true}]"] {
        let all = outcome(&shape, &mutations, StatusCode::OK, body.as_bytes());
        assert_eq!(all, vec![UNKNOWN; 4], "{body}");
    }
    let error = br#"[{"message":"x","errorCode":"INVALID_SESSION_ID"}]"#;
    let all = outcome(&shape, &mutations, StatusCode::UNAUTHORIZED, error);
    assert_eq!(all, vec![failed(Some("INVALID_SESSION_ID".into())); 4]);
}

#[test]
fn a_refusal_is_a_list_of_one_error() {
    let mut refusal = Refusal::new(RefusalKind::Denied, "Not written: \"x\".");
    refusal.fields = vec!["Industry".into()];
    let answer = refuse(&refusal);
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.content_type, "application/json;charset=UTF-8");
    assert_eq!(
        std::str::from_utf8(&answer.body).unwrap(),
        r#"[{"message":"Not written: \"x\".","errorCode":"WRITEGATE_DENIED","fields":["Industry"]}]"#
    );
    let held = refuse(&Refusal::new(RefusalKind::Held, "Not written yet."));
    assert_eq!(held.status.as_u16(), 423);
    assert_eq!(
        std::str::from_utf8(&held.body).unwrap(),
        r#"[{"message":"Not written yet.","errorCode":"WRITEGATE_HELD"}]"#
    );
}
