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

/// A mutation that stands at this place.
fn at(row: &str, operation: Operation, id: Option<&str>) -> Mutation {
    Mutation {
        row: Some(row.into()),
        ..mutation(operation, id)
    }
}

fn states(shape: &Shape, all: &[Mutation], status: u16, body: &str) -> Vec<Outcome> {
    let status = StatusCode::from_u16(status).unwrap();
    outcome(shape, all, status, body.as_bytes())
}

fn not_done(code: &str) -> Outcome {
    failed(Some(code.into()))
}

const ID: Option<&str> = Some("001000000000001AAA");
const NEW: &str = "001000000000009AAA";

#[test]
fn parts_are_found_by_their_names() {
    let all = [
        at("compositeRequest[0]:a", Operation::Update, ID),
        at("compositeRequest[1]:b", Operation::Create, None),
        at("compositeRequest[2]:c.records[0]", Operation::Update, ID),
        at("compositeRequest[2]:c.records[1]", Operation::Create, None),
        at("compositeRequest[3]:d", Operation::Delete, ID),
    ];
    let shape = Shape::Nest(crate::crm::salesforce::Nest::Composite);
    let body = r#"{"compositeResponse":[
        {"referenceId":"c","httpStatusCode":200,"body":[
            {"success":false,"errors":[{"statusCode":"REQUIRED"}]},
            {"success":true,"id":"001000000000009","errors":[]}]},
        {"referenceId":"b","httpStatusCode":201,"body":{"success":true,"id":"001000000000009"}},
        {"referenceId":"a","httpStatusCode":400,"body":[{"errorCode":"PROCESSING_HALTED"}]}]}"#;
    assert_eq!(
        states(&shape, &all, 200, body),
        [
            not_done("PROCESSING_HALTED"),
            done(Some(NEW)),
            not_done("REQUIRED"),
            done(Some(NEW)),
            UNKNOWN,
        ]
    );
    let none = r#"[{"errorCode":"INVALID_INPUT","message":"x"}]"#;
    let refused = states(&shape, &all, 400, none);
    assert_eq!(refused, vec![not_done("INVALID_INPUT"); 5]);
    assert_eq!(states(&shape, &all, 502, "{}"), vec![UNKNOWN; 5]);
    assert_eq!(states(&shape, &all, 200, "{}"), vec![UNKNOWN; 5]);
}

#[test]
fn batches_and_graphs_are_told_by_place() {
    let all = [
        at("batchRequests[0]", Operation::Update, ID),
        at("batchRequests[2]", Operation::Delete, ID),
    ];
    let batch = Shape::Nest(crate::crm::salesforce::Nest::Batch);
    let body = r#"{"hasErrors":true,"results":[{"statusCode":204,"result":null},
        {"statusCode":200,"result":{}},
        {"statusCode":412,"result":[{"errorCode":"BATCH_PROCESSING_HALTED"}]}]}"#;
    let told = states(&batch, &all, 200, body);
    assert_eq!(told, [done(None), not_done("BATCH_PROCESSING_HALTED")]);
    let all = [
        at("graphs[0].compositeRequest[0]:r", Operation::Create, None),
        at("graphs[1].compositeRequest[0]:r", Operation::Update, ID),
    ];
    let graph = Shape::Nest(crate::crm::salesforce::Nest::Graph);
    let body = r#"{"graphs":[
        {"graphId":"a","graphResponse":{"compositeResponse":[{"referenceId":"r",
            "httpStatusCode":201,"body":{"success":true,"id":"001000000000009"}}]}},
        {"graphId":"b","graphResponse":{"compositeResponse":[{"referenceId":"r",
            "httpStatusCode":404,"body":[{"errorCode":"NOT_FOUND"}]}]}}]}"#;
    let told = states(&graph, &all, 200, body);
    assert_eq!(told, [done(Some(NEW)), not_done("NOT_FOUND")]);
}

#[test]
fn trees_and_envelopes() {
    let tree = Shape::Tree("Account".into());
    let all = [at("records[0]:a", Operation::Create, None)];
    let made = r#"{"hasErrors":false,"results":[{"referenceId":"a","id":"001000000000009"}]}"#;
    assert_eq!(states(&tree, &all, 201, made), [done(Some(NEW))]);
    let other = made.replace("\"a\"", "\"b\"");
    assert_eq!(states(&tree, &all, 201, &other), [UNKNOWN]);
    let refused = r#"{"hasErrors":true,"results":[{"referenceId":"a",
        "errors":[{"statusCode":"INVALID_EMAIL"}]}]}"#;
    let told = states(&tree, &all, 400, refused);
    assert_eq!(told, [not_done("INVALID_EMAIL")]);
    let ui = Shape::Ui(Ui::Create);
    let all = [at("", Operation::Create, None)];
    let told = states(&ui, &all, 201, r#"{"id":"001000000000009","fields":{}}"#);
    assert_eq!(told, [done(Some(NEW))]);
    assert_eq!(states(&ui, &all, 201, "{}"), [UNKNOWN]);
}

#[test]
fn graphql_and_actions() {
    let all = [
        at("uiapi.a", Operation::Create, None),
        at("uiapi.b", Operation::Update, ID),
    ];
    let body = r#"{"data":{"uiapi":{"a":{"Record":{"Id":"001000000000009"}},"b":null}},
        "errors":[{"message":"x","extensions":{"ErrorType":"DML"}}]}"#;
    let told = states(&Shape::GraphQl, &all, 200, body);
    assert_eq!(told, [done(Some(NEW)), not_done("DML")]);
    let silent = states(&Shape::GraphQl, &all, 200, r#"{"data":{"uiapi":{}}}"#);
    assert_eq!(silent, [UNKNOWN, UNKNOWN]);
    let whole = Shape::Whole(crate::crm::salesforce::Whole {
        operation: Operation::Send,
        object: "emailSimple".into(),
    });
    let all = [
        at("inputs[0]", Operation::Send, None),
        at("inputs[1]", Operation::Send, None),
    ];
    let some = r#"[{"isSuccess":true,"errors":null},
        {"isSuccess":false,"errors":[{"statusCode":"NO_MAIL"}]}]"#;
    for status in [200, 400] {
        let told = states(&whole, &all, status, some);
        assert_eq!(told, [done(None), not_done("NO_MAIL")]);
    }
    assert_eq!(states(&whole, &all, 200, ""), [done(None), done(None)]);
    let refused = r#"[{"errorCode":"NOT_FOUND","message":"x"}]"#;
    assert_eq!(
        states(&whole, &all, 404, refused),
        vec![not_done("NOT_FOUND"); 2]
    );
    assert_eq!(states(&whole, &all, 503, ""), [UNKNOWN, UNKNOWN]);
}
