//! What HubSpot's answers mean, and the refusals we answer with.

mod others;

use http::StatusCode;
use serde_json::{Value, json};

use crate::crm::hubspot::tests::Request;
use crate::crm::{Crm, json};
use crate::error::{Refusal, RefusalKind};
use crate::mutation::{CrmKind, Outcome, OutcomeState, Prior, Snapshot};

const HUBSPOT: Crm = Crm(CrmKind::HubSpot);

fn outcomes(request: &Request, status: u16, answer: &str) -> Vec<Outcome> {
    outcomes_of(request, &Snapshot::default(), status, answer)
}

fn outcomes_of(request: &Request, snapshot: &Snapshot, status: u16, answer: &str) -> Vec<Outcome> {
    let changes = request.parse().unwrap();
    let status = StatusCode::from_u16(status).unwrap();
    let outcomes = HUBSPOT.outcome(
        &request.shape(),
        changes.mutations(),
        snapshot,
        status,
        answer.as_bytes(),
    );
    assert_eq!(outcomes.len(), changes.mutations().len());
    outcomes
}

fn done(new_id: Option<&str>) -> Outcome {
    Outcome {
        new_id: new_id.map(str::to_owned),
        ..Outcome::of(OutcomeState::Done)
    }
}

fn failed(code: Option<&str>) -> Outcome {
    Outcome {
        code: code.map(str::to_owned),
        ..Outcome::of(OutcomeState::Failed)
    }
}

fn accepted() -> Outcome {
    Outcome::of(OutcomeState::Accepted)
}

fn unknown() -> Outcome {
    Outcome::of(OutcomeState::Unknown)
}

fn create() -> Request {
    let link = json!({"to": {"id": "9"}, "types": [
        {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279},
    ]});
    let body = json!({"properties": {"email": "a@b.c"}, "associations": [link]});
    Request::new("POST", "/crm/v3/objects/contacts", body.to_string())
}

fn update() -> Request {
    Request::new(
        "PATCH",
        "/crm/v3/objects/contacts/1",
        r#"{"properties":{"a":"b"}}"#,
    )
}

fn batch(call: &str, inputs: &Value) -> Request {
    let body = json!({ "inputs": inputs }).to_string();
    Request::new(
        "POST",
        &format!("/crm/v3/objects/contacts/batch/{call}"),
        body,
    )
}

#[test]
fn single_calls() {
    let made = outcomes(&create(), 201, r#"{"id":"7","properties":{}}"#);
    assert_eq!(made, [done(Some("7")), done(None), done(None)]);
    assert_eq!(outcomes(&update(), 200, r#"{"id":"1"}"#), [done(None)]);
    let delete = Request::new("DELETE", "/crm/v3/objects/contacts/1", "");
    assert_eq!(outcomes(&delete, 204, ""), [done(None)]);
    let merge = Request::new(
        "POST",
        "/crm/v3/objects/contacts/merge",
        r#"{"primaryObjectId":"1","objectIdToMerge":"2"}"#,
    );
    assert_eq!(
        outcomes(&merge, 200, r#"{"id":"3"}"#),
        [done(Some("3")), done(None)]
    );
}

#[test]
fn an_update_is_done_when_the_record_it_names_answers() {
    let answer = r#"{"id":"9","properties":{"email":"A@b.c"}}"#;
    assert_eq!(outcomes(&update(), 200, answer), [unknown()], "another one");
    // an id from before a merge, known by the read before the write or by the answer
    let snapshot = Snapshot::of(vec![Prior::Found {
        id: "9".into(),
        fields: serde_json::Map::new(),
        stamp: None,
    }]);
    assert_eq!(outcomes_of(&update(), &snapshot, 200, answer), [done(None)]);
    let merged = r#"{"id":"9","properties":{"hs_merged_object_ids":"7;1"}}"#;
    assert_eq!(outcomes(&update(), 200, merged), [done(None)]);
    let by_mail = |mail: &str| {
        Request::new(
            "PATCH",
            &format!("/crm/v3/objects/contacts/{mail}?idProperty=email"),
            r#"{"properties":{"a":"b"}}"#,
        )
    };
    assert_eq!(outcomes(&by_mail("a@b.c"), 200, answer), [done(None)]);
    assert_eq!(outcomes(&by_mail("x@b.c"), 200, answer), [unknown()]);
    assert_eq!(
        outcomes_of(&by_mail("x@b.c"), &snapshot, 200, answer),
        [done(None)]
    );
}

#[test]
fn refused_calls_did_nothing() {
    let body = r#"{"status":"error","category":"VALIDATION_ERROR","message":"x"}"#;
    assert_eq!(
        outcomes(&update(), 400, body),
        [failed(Some("VALIDATION_ERROR"))]
    );
    assert_eq!(
        outcomes(&create(), 409, body),
        vec![failed(Some("VALIDATION_ERROR")); 3]
    );
    assert_eq!(outcomes(&update(), 477, "<html>"), [failed(None)]);
    // what is not written like a code could be a value
    for category in ["jane@example.com", "Jane", "", "A B"] {
        let body = json!({ "category": category }).to_string();
        assert_eq!(
            outcomes(&update(), 400, &body),
            [failed(None)],
            "{category}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_unknown() {
    for (status, answer) in [
        (500, "{}"),
        (502, ""),
        (408, "{}"),
        (202, r#"{"id":"1"}"#),
        (302, ""),
        (200, "<html>"),
        (200, "{}"),
        (200, "[]"),
        (200, r#"{"id":1}"#),
    ] {
        assert_eq!(
            outcomes(&update(), status, answer),
            [unknown()],
            "{status} {answer}"
        );
    }
    let delete = Request::new("DELETE", "/crm/v3/objects/contacts/1", "");
    assert_eq!(outcomes(&delete, 200, "{}"), [unknown()]);
    let archive = batch("archive", &json!([{"id": "1"}, {"id": "2"}]));
    assert_eq!(outcomes(&archive, 204, ""), [done(None), done(None)]);
}

#[test]
fn a_batch_of_creates_finds_its_ids_in_any_order() {
    let request = batch(
        "create",
        &json!([
            {"properties": {"email": "A@b.c", "firstname": "x"}},
            {"properties": {"firstname": "x"}},
            {"properties": {"firstname": "x"}},
        ]),
    );
    let result = |id: &str, email: Value| json!({"id": id, "properties": {"email": email, "firstname": "x"}});
    let answer = json!({"status": "COMPLETE", "results": [
        result("11", Value::Null), result("12", json!("a@b.c")), result("13", Value::Null),
    ]});
    let made = outcomes(&request, 201, &answer.to_string());
    assert_eq!(made, [done(Some("12")), done(Some("11")), done(Some("13"))]);
}

#[test]
fn a_batch_that_is_partly_done() {
    let request = batch(
        "update",
        &json!([
            {"id": "1", "properties": {}},
            {"id": "2", "properties": {}},
            {"id": "k", "idProperty": "ext", "properties": {}},
        ]),
    );
    let error = json!({"category": "OBJECT_NOT_FOUND", "context": {"ids": ["2"]}});
    let answer = |results: Value| {
        json!({"status": "COMPLETE", "results": results, "numErrors": 1, "errors": [error]})
            .to_string()
    };
    let by_key = json!({"id": "3", "properties": {"ext": "K"}});
    let all = outcomes(&request, 207, &answer(json!([by_key, {"id": "1"}])));
    assert_eq!(
        all,
        [done(None), failed(Some("OBJECT_NOT_FOUND")), done(None)]
    );
    // the result of the third cannot be told from another's
    let other = outcomes(&request, 207, &answer(json!([{"id": "3"}, {"id": "1"}])));
    assert_eq!(
        other,
        [done(None), failed(Some("OBJECT_NOT_FOUND")), unknown()]
    );
}

#[test]
fn a_batch_that_is_complete_needs_no_matching() {
    let request = batch(
        "update",
        &json!([{"id": "1", "properties": {}}, {"id": "2", "properties": {}}]),
    );
    // pre-merge ids answer under new ones
    let answer = json!({"status": "COMPLETE", "results": [{"id": "8"}, {"id": "9"}]});
    assert_eq!(
        outcomes(&request, 200, &answer.to_string()),
        [done(None), done(None)]
    );
    for status in ["PENDING", "CANCELED"] {
        let answer = json!({"status": status, "results": [{"id": "1"}, {"id": "2"}]});
        assert_eq!(
            outcomes(&request, 200, &answer.to_string()),
            [unknown(), unknown()]
        );
    }
    let short = json!({"status": "COMPLETE", "results": [{"id": "1"}]});
    assert_eq!(
        outcomes(&request, 200, &short.to_string()),
        [done(None), unknown()]
    );
}

#[test]
fn upserts_tell_what_they_made() {
    let row = |id: &str| json!({"id": id, "idProperty": "email", "properties": {}});
    let request = batch("upsert", &json!([row("a@b.c"), row("d@b.c")]));
    let result = |id: &str, email: &str, new: bool| json!({"id": id, "new": new, "properties": {"email": email}});
    let answer = json!({"status": "COMPLETE", "results": [
        result("2", "d@b.c", true), result("1", "a@b.c", false),
    ]});
    assert_eq!(
        outcomes(&request, 200, &answer.to_string()),
        [done(None), done(Some("2"))]
    );
}

#[test]
fn links_follow_their_create() {
    let link = json!({"to": {"id": "9"}, "types": [
        {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279},
    ]});
    let request = batch(
        "create",
        &json!([
            {"properties": {"email": "a@b.c"}, "associations": [link]},
            {"properties": {"email": "d@b.c"}},
        ]),
    );
    let answer = json!({
        "status": "COMPLETE",
        "results": [{"id": "2", "properties": {"email": "d@b.c"}}],
        "numErrors": 1,
        "errors": [{"category": "CONFLICT"}],
    });
    let expected = [
        failed(Some("CONFLICT")),
        failed(Some("CONFLICT")),
        failed(Some("CONFLICT")),
        done(Some("2")),
    ];
    assert_eq!(outcomes(&request, 207, &answer.to_string()), expected);
}

#[test]
fn refusals_have_the_shape_of_hubspots_errors() {
    let mut refusal = Refusal::new(RefusalKind::Denied, "Not written: x.");
    let plain = HUBSPOT.refuse(&refusal, None, "c-1");
    assert_eq!(
        (plain.status.as_u16(), plain.content_type),
        (403, "application/json")
    );
    let error = json!({
        "status": "error",
        "message": "Not written: x.",
        "correlationId": "c-1",
        "category": "WRITEGATE_DENIED",
    });
    assert_eq!(json::parse(&plain.body), Ok(error));

    refusal.rule = Some("field contacts.email".into());
    refusal.rows = vec!["inputs[3]".into()];
    let told = HUBSPOT.refuse(&refusal, Some("01JD"), "c-1");
    let context =
        json!({"rule": ["field contacts.email"], "rows": ["inputs[3]"], "entry": ["01JD"]});
    assert_eq!(json::parse(&told.body).unwrap()["context"], context);

    for (kind, status) in [
        (RefusalKind::Held, 423),
        (RefusalKind::Limited, 429),
        (RefusalKind::UnknownOutcomeTimeout, 504),
    ] {
        let answer = HUBSPOT.refuse(&Refusal::new(kind, "x"), None, "c");
        assert_eq!(answer.status.as_u16(), status);
    }
}
