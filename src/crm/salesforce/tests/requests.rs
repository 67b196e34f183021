//! Requests one by one, and what they change.

use serde_json::{Value, json};

use super::*;
use crate::mutation::{RecordKey, Undo};

const ROW: &str = "/services/data/v66.0/sobjects/Account/001000000000001AAA";
const ROWS: &str = "/services/data/v66.0/composite/sobjects";

fn only(method: &str, target: &str, body: &str) -> Mutation {
    let mut all = mutations(method, target, body);
    assert_eq!(all.len(), 1, "{method} {target}");
    all.remove(0)
}

#[test]
fn one_row_is_created_updated_upserted_deleted() {
    let create = only(
        "POST",
        "/services/data/v66.0/sobjects/account/",
        r#"{"Name":"x"}"#,
    );
    assert_eq!(
        create,
        Mutation {
            object: "Account".into(),
            operation: Operation::Create,
            record: None,
            fields: json!({"Name": "x"}).as_object().unwrap().clone(),
            row: None,
            undo: Undo::Full,
            others: vec![],
        }
    );
    let update = only("PATCH", ROW, r#"{"Industry":null,"name":"y"}"#);
    assert_eq!(update.operation, Operation::Update);
    assert_eq!(update.record, Some(RecordKey::id("001000000000001AAA")));
    assert_eq!(
        Value::Object(update.fields),
        json!({"Industry": null, "name": "y"})
    );

    let upsert = only(
        "PATCH",
        "/services/data/v66.0/sobjects/Lead/Ext__c/4%2F2",
        "{}",
    );
    assert_eq!(upsert.operation, Operation::Upsert);
    assert_eq!(upsert.undo, Undo::Full);
    assert_eq!(
        upsert.record,
        Some(RecordKey::External {
            key: "Ext__c".into(),
            value: "4/2".into()
        })
    );

    let delete = only("DELETE", ROW, "");
    assert_eq!(
        (delete.operation, delete.undo),
        (Operation::Delete, Undo::Partial)
    );
    assert!(delete.fields.is_empty());
    let by_key = only("DELETE", "/services/data/v66.0/sobjects/Lead/Ext__c/7", "");
    assert_eq!(by_key.operation, Operation::Delete);
}

#[test]
fn the_same_record_has_one_name() {
    let twin = mutations("PATCH", ROW, r#"{"Name":"x"}"#);
    for target in [
        "/services/data/v66.0/sobjects/Account/001000000000001",
        "//services/data/v66.0/sobjects/ACCOUNT/001000000000001/",
        "/services/data/v66.0/sobjects/%41ccount/%30%301000000000001AAA",
        "/services/data/v66.0/sobjects/Account/Id/001000000000001",
        "/services/data/v66.0/sobjects/Account/id/001000000000001AAA",
    ] {
        assert_eq!(
            mutations("PATCH", target, r#"{"Name":"x"}"#),
            twin,
            "{target}"
        );
    }
    let overridden = format!("{ROW}?_HttpMethod=PATCH");
    assert_eq!(mutations("POST", &overridden, r#"{"Name":"x"}"#), twin);
    let with_attributes = r#"{"attributes":{"type":"account",
        "url":"/services/data/v60.0/sobjects/Account/001000000000001"},"Name":"x"}"#;
    assert_eq!(mutations("PATCH", ROW, with_attributes), twin);
}

#[test]
fn update_only_makes_an_upsert_an_update() {
    let base = "/services/data/v66.0/sobjects/Lead/Ext__c/7";
    let update = only("PATCH", &format!("{base}?updateOnly=true"), "{}");
    assert_eq!(update.operation, Operation::Update);
    let upsert = only("PATCH", &format!("{base}?updateOnly=false"), "{}");
    assert_eq!(upsert.operation, Operation::Upsert);
    for query in [
        "updateOnly=TRUE",
        "updateOnly=true&updateOnly=true",
        "updateonly=true",
        "x=1",
    ] {
        assert!(judge("PATCH", &format!("{base}?{query}"), "{}").is_refused());
    }
    assert!(judge("PATCH", &format!("{ROW}?updateOnly=true"), "{}").is_refused());
}

#[test]
fn acting_headers_are_judged() {
    let with = |name: &str, value: &str, body: &str| {
        let headers = header_map(&[("content-type", "application/json"), (name, value)]);
        let lead = "/services/data/v66.0/sobjects/Lead/00Q000000000001";
        judge_with("PATCH", lead, &headers, body.as_bytes())
    };
    let Judged::Mutations(ruled) = with("sforce-auto-assign", "01Q000000000001", r#"{"City":"x"}"#)
    else {
        panic!("not taken apart");
    };
    assert_eq!(
        Value::Object(ruled[0].fields.clone()),
        json!({"City": "x", "OwnerId": "assignment rule 01Q000000000001EAA"})
    );
    let twice = with(
        "sforce-auto-assign",
        "01Q000000000001",
        r#"{"ownerid":"x"}"#,
    );
    assert!(matches!(twice, Judged::Malformed(_)));
    let override_header = with("x-http-method-override", "DELETE", "{}");
    assert!(matches!(override_header, Judged::Malformed(_)));
    assert!(matches!(
        with("sforce-unheard-of", "1", "{}"),
        Judged::Opaque(_)
    ));
    assert!(matches!(
        with("sforce-auto-assign", "FALSE", "{}"),
        Judged::Mutations(_)
    ));
    let headers = header_map(&[
        ("content-type", "application/json"),
        ("sforce-auto-assign", "01Q000000000001"),
    ]);
    assert!(matches!(
        judge_with("PATCH", ROW, &headers, b"{}"),
        Judged::Mutations(_)
    ));
    let task = "/services/data/v66.0/sobjects/Task/00T000000000001";
    assert!(matches!(
        judge_with("PATCH", task, &headers, b"{}"),
        Judged::Opaque(_)
    ));
}

#[test]
fn the_body_is_json_in_utf_8_and_says_so() {
    let with = |lines: &[(&str, &str)]| judge_with("PATCH", ROW, &header_map(lines), b"{}");
    for kind in [
        "application/json",
        "Application/JSON",
        "application/json;charset=UTF-8",
        "application/json ; charset=\"utf-8\"",
    ] {
        let judged = with(&[("content-type", kind)]);
        assert!(matches!(judged, Judged::Mutations(_)), "{kind}: {judged:?}");
    }
    for kind in [
        "",
        "text/plain",
        "text/csv",
        "application/json-patch+json",
        "application/jsonx",
        "application/json;charset=latin1",
        "application/json;charset=utf-8;charset=utf-16",
        "application/json;x=y",
        "application/json;",
        "application/octet-stream",
        "text/xml",
        "multipart/form-data; boundary=x",
    ] {
        assert!(with(&[("content-type", kind)]).is_refused(), "{kind}");
    }
    assert!(with(&[]).is_refused());
    let twice = [
        ("content-type", "application/json"),
        ("content-type", "application/json"),
    ];
    assert!(with(&twice).is_refused());
}

#[test]
fn collections_are_taken_apart_row_by_row() {
    let body = r#"{"allOrNone":true,"records":[
        {"attributes":{"type":"Account"},"id":"001000000000001","Name":"x"},
        {"attributes":{"type":"user"},"Id":"005000000000001AAA","IsActive":false}]}"#;
    let rows = mutations("PATCH", ROWS, body);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].record, Some(RecordKey::id("001000000000001AAA")));
    assert_eq!(rows[1].object, "User");
    assert_eq!(rows[1].row.as_deref(), Some("records[1]"));
    assert_eq!(
        rows,
        mutations("POST", &format!("{ROWS}?_HttpMethod=PATCH"), body)
    );

    let created = only(
        "POST",
        ROWS,
        r#"{"records":[{"attributes":{"type":"Lead"},"City":"x"}]}"#,
    );
    assert_eq!(
        (created.operation, created.record),
        (Operation::Create, None)
    );

    let upserted = mutations(
        "PATCH",
        &format!("{ROWS}/Lead/Ext__c"),
        r#"{"records":[{"attributes":{"type":"Lead"},"ext__C":"a","City":"x"},
                       {"attributes":{"type":"Lead"},"Ext__c":7}]}"#,
    );
    let keys: Vec<_> = upserted
        .iter()
        .map(|row| row.record.as_ref().unwrap().to_string())
        .collect();
    assert_eq!(keys, ["Ext__c=a", "Ext__c=7"]);
    assert_eq!(
        Value::Object(upserted[0].fields.clone()),
        json!({"City": "x"})
    );

    let by_id = mutations(
        "PATCH",
        &format!("{ROWS}/Lead/Id"),
        r#"{"records":[{"attributes":{"type":"Lead"},"id":"00Q000000000001"},
                       {"attributes":{"type":"Lead"},"City":"x"}]}"#,
    );
    assert_eq!(by_id[0].operation, Operation::Update);
    assert_eq!(by_id[1].operation, Operation::Create);

    let target = format!("{ROWS}?ids=001000000000001,00Q000000000001EAA&allOrNone=false");
    let deleted = mutations("DELETE", &target, "");
    assert_eq!(deleted[0].object, "Account");
    assert_eq!(deleted[1].object, "Lead");
    assert_eq!(deleted[1].row.as_deref(), Some("ids[1]"));
}

#[test]
fn reads_and_logins_are_told_by_the_head() {
    for (method, target) in [
        ("GET", "/services/data/v66.0/query?q=SELECT+Id+FROM+Account"),
        (
            "GET",
            "//services/data/v66.0/query/?q=SELECT+Id+FROM+Account",
        ),
        ("HEAD", ROW),
        ("GET", ROW),
        ("GET", "/services/data"),
        ("POST", "/services/data/v66.0/composite/sobjects/Account"),
        ("GET", "/services/oauth2/userinfo"),
        ("GET", "/id/00D000000000001AAA/005000000000001AAA"),
        ("GET", "/services/data/v66.0/sobjects/Anything__c/describe"),
    ] {
        assert_eq!(judge(method, target, ""), Judged::Read, "{method} {target}");
    }
    for target in [
        "/services/oauth2/token",
        "/host:1/x.salesforce.com/services/oauth2/token",
    ] {
        let expected = !target.starts_with("/host");
        assert_eq!(
            judge("POST", target, "") == Judged::Auth,
            expected,
            "{target}"
        );
    }
    assert_eq!(
        judge("POST", "/x.salesforce.com/services/oauth2/token", ""),
        Judged::Auth
    );
}
