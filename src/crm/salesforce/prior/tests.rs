//! Tests of `prior`.

use http::{HeaderMap, Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{found, plan};
use crate::crm::catalog::Catalog;
use crate::crm::path::CanonicalPath;
use crate::crm::{Head, PriorFailure, PriorPlan, ReadCall, Wanted};
use crate::mutation::{CrmKind, Mutation, Operation, Prior, RecordKey, Undo};

fn mutation(
    object: &str,
    operation: Operation,
    record: Option<RecordKey>,
    fields: &[&str],
) -> Mutation {
    Mutation {
        object: object.into(),
        operation,
        record,
        fields: fields
            .iter()
            .map(|name| ((*name).to_owned(), Value::from("new")))
            .collect(),
        row: None,
        undo: Undo::Full,
        others: vec![],
    }
}

fn update(object: &str, id: &str, fields: &[&str]) -> Mutation {
    mutation(object, Operation::Update, Some(RecordKey::id(id)), fields)
}

fn upsert(object: &str, value: &str, fields: &[&str]) -> Mutation {
    let key = RecordKey::External {
        key: "Ext__c".into(),
        value: value.into(),
    };
    mutation(object, Operation::Upsert, Some(key), fields)
}

fn delete(object: &str, id: &str) -> Mutation {
    mutation(object, Operation::Delete, Some(RecordKey::id(id)), &[])
}

fn calls_at(version: &str, mutations: &[Mutation], wanted: &Wanted) -> Vec<ReadCall> {
    let path =
        CanonicalPath::parse(&format!("/services/data/{version}/composite/sobjects")).unwrap();
    let head = Head {
        method: &Method::PATCH,
        path: &path,
        query: None,
        headers: &HeaderMap::new(),
        sender: crate::crm::catalog::Sender::default(),
    };
    match plan(
        &head,
        mutations,
        wanted,
        &Catalog::builtin(CrmKind::Salesforce),
    ) {
        PriorPlan::Reads(calls) => calls,
        PriorPlan::Catalog(_) => panic!("Salesforce plans no catalog reads"),
    }
}

fn calls(mutations: &[Mutation]) -> Vec<ReadCall> {
    calls_at("v66.0", mutations, &Wanted::new())
}

fn body(call: &ReadCall) -> Value {
    crate::crm::json::parse(call.body.as_ref().unwrap()).unwrap()
}

fn urls(call: &ReadCall) -> Vec<String> {
    body(call)["compositeRequest"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["url"].as_str().unwrap().to_owned())
        .collect()
}

const A1: &str = "001000000000001AAA";
const A2: &str = "001000000000002AAA";

#[test]
fn creates_need_no_read() {
    assert_eq!(
        calls(&[mutation("Account", Operation::Create, None, &["Name"])]),
        []
    );
}

#[test]
fn one_record_is_read_as_a_row() {
    let wanted = vec![vec![
        "name".to_owned(),
        "Type".to_owned(),
        "Owner.Name".to_owned(),
    ]];
    let read = calls_at("v44.0", &[update("Account", A1, &["Name"])], &wanted);
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].method, Method::GET);
    assert_eq!(
        read[0].target,
        format!("/services/data/v44.0/sobjects/Account/{A1}?fields=Id,LastModifiedDate,Name,Type")
    );
    let by_key = calls(&[upsert("Lead", "4/2 é", &["City"])]);
    assert_eq!(
        by_key[0].target,
        "/services/data/v66.0/sobjects/Lead/Ext__c/4%2F2%20%C3%A9?fields=Id,LastModifiedDate,Ext__c,City"
    );
    let deleted = calls(&[delete("Account", A1)]);
    assert_eq!(
        deleted[0].target,
        format!("/services/data/v66.0/sobjects/Account/{A1}")
    );
    let unstamped = calls(&[update("GroupMember", "011000000000001AAA", &["GroupId"])]);
    assert!(unstamped[0].target.ends_with("?fields=Id,GroupId"));
}

#[test]
fn several_of_one_object_are_one_read() {
    let read = calls(&[
        update("Account", A1, &["Name"]),
        mutation("Account", Operation::Create, None, &["Name"]),
        update("Account", A2, &["NAME", "Type"]),
    ]);
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].method, Method::POST);
    assert_eq!(
        read[0].target,
        "/services/data/v66.0/composite/sobjects/Account"
    );
    assert_eq!(
        body(&read[0]),
        json!({"ids": [A1, A2], "fields": ["Id", "LastModifiedDate", "Name", "Type"]})
    );
    assert_eq!(read[0].covers, [0, 2]);
}

#[test]
fn several_deletes_read_all_fields_in_one_query() {
    let read = calls_at(
        "v48.0",
        &[delete("Account", A1), delete("Account", A2)],
        &Wanted::new(),
    );
    assert_eq!(read.len(), 1);
    assert_eq!(
        read[0].target,
        format!(
            "/services/data/v51.0/query?q=SELECT%20FIELDS(ALL)%20FROM%20Account%20WHERE%20Id%20IN%20\
             (%27{A1}%27,%27{A2}%27)%20LIMIT%20200"
        )
    );
}

#[test]
fn records_by_external_id_are_one_query() {
    let read = calls(&[
        upsert("Lead", "a'b", &["City"]),
        upsert("Lead", "c", &["City"]),
    ]);
    assert_eq!(read.len(), 1);
    assert_eq!(
        read[0].target,
        "/services/data/v66.0/query?q=SELECT%20Id,LastModifiedDate,Ext__c,City%20FROM%20Lead%20\
         WHERE%20Ext__c%20IN%20(%27a%5C%27b%27,%27c%27)"
    );
}

#[test]
fn keys_that_may_be_numbers_are_asked_for_both_ways_in_one_call() {
    let read = calls(&[
        upsert("Lead", "1", &["City"]),
        upsert("Lead", "22", &["City"]),
    ]);
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].target, "/services/data/v66.0/composite");
    let urls = urls(&read[0]);
    assert_eq!(urls.len(), 2);
    assert!(urls[0].ends_with("IN%20(%271%27,%2722%27)"));
    assert!(urls[1].ends_with("IN%20(1,22)"));
}

#[test]
fn long_queries_are_split_and_cover_every_row() {
    let many: Vec<Mutation> = (0..200)
        .map(|n| upsert("Lead", &format!("{n:03}{}", "é".repeat(30)), &["City"]))
        .collect();
    let read = calls(&many);
    let mut covered: Vec<usize> = read.iter().flat_map(|call| call.covers.clone()).collect();
    covered.sort_unstable();
    assert_eq!(covered, (0..200).collect::<Vec<_>>());
    for call in &read {
        assert!(call.target.len() < 12_000);
        if call.target.ends_with("/composite") {
            assert!(urls(call).iter().all(|url| url.len() < 12_000));
            assert!(urls(call).len() <= 5);
        }
    }
    assert_eq!(read.len(), 1);
}

#[test]
fn different_objects_are_one_composite() {
    let read = calls(&[
        update("Account", A1, &["Name"]),
        update("Account", A2, &["Name"]),
        update("User", "005000000000001AAA", &["Title"]),
        delete("Lead", "00Q000000000001EAA"),
    ]);
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].target, "/services/data/v66.0/composite");
    assert_eq!(body(&read[0])["allOrNone"], json!(false));
    assert_eq!(
        urls(&read[0]),
        [
            format!("/services/data/v66.0/composite/sobjects/Account?ids={A1},{A2}&fields=Id,LastModifiedDate,Name"),
            "/services/data/v66.0/sobjects/User/005000000000001AAA?fields=Id,LastModifiedDate,Title".to_owned(),
            "/services/data/v66.0/sobjects/Lead/00Q000000000001EAA".to_owned(),
        ]
    );
    assert_eq!(read[0].covers, [0, 1, 2, 3]);
}

#[test]
fn a_composite_holds_five_queries_at_most() {
    let objects = [
        ("Account", "001"),
        ("Contact", "003"),
        ("Lead", "00Q"),
        ("Case", "500"),
        ("Task", "00T"),
        ("Event", "00U"),
        ("User", "005"),
    ];
    let all: Vec<Mutation> = objects
        .iter()
        .flat_map(|(object, prefix)| {
            (1..=2).map(move |n| update(object, &format!("{prefix}00000000000{n}"), &["Name"]))
        })
        .collect();
    let read = calls(&all);
    assert_eq!(
        read.iter().map(|call| urls(call).len()).collect::<Vec<_>>(),
        [5, 2]
    );
}

#[test]
fn a_row_with_too_many_fields_is_read_by_post() {
    let names: Vec<String> = (0..700)
        .map(|n| format!("A_rather_long_name_{n}__c"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let read = calls(&[update("Account", A1, &names)]);
    assert_eq!((read.len(), &read[0].method), (1, &Method::POST));
}

fn record(id: &str, fields: &Value) -> Value {
    let mut record = Map::new();
    record.insert("attributes".into(), json!({"type": "Lead", "url": "/x"}));
    record.insert("Id".into(), json!(id));
    record.insert(
        "LastModifiedDate".into(),
        json!("2026-11-20T10:11:12.000+0000"),
    );
    record.extend(fields.as_object().unwrap().clone());
    Value::Object(record)
}

fn ask(
    mutations: &[Mutation],
    status: u16,
    body: &Value,
) -> Result<Vec<(usize, Prior)>, PriorFailure> {
    let read = calls(mutations);
    assert_eq!(read.len(), 1);
    let status = StatusCode::from_u16(status).unwrap();
    found(&read[0], mutations, status, body.to_string().as_bytes())
}

fn values(prior: &Prior) -> Option<Value> {
    match prior {
        Prior::Found { fields, .. } => Some(Value::Object(fields.clone())),
        Prior::Absent | Prior::Unknown => None,
    }
}

#[test]
fn a_row_is_found() {
    let one = [update("Account", A1, &["Name"])];
    let priors = ask(&one, 200, &record(A1, &json!({"Name": "old"}))).unwrap();
    assert_eq!(
        priors,
        [(
            0,
            Prior::Found {
                id: A1.into(),
                fields: json!({"Id": A1, "LastModifiedDate": "2026-11-20T10:11:12.000+0000", "Name": "old"})
                    .as_object()
                    .unwrap()
                    .clone(),
                stamp: Some("2026-11-20T10:11:12.000+0000".into()),
            }
        )]
    );
    let other = ask(&one, 200, &record(A2, &json!({})));
    assert!(matches!(other, Err(PriorFailure::Failed(_))));
    let keyed = ask(
        &[upsert("Lead", "7", &[])],
        200,
        &record("00Q000000000001", &json!({"Ext__c": 7.0})),
    );
    assert!(matches!(&keyed.unwrap()[0].1, Prior::Found { id, .. } if id == "00Q000000000001EAA"));
}

#[test]
fn errors_say_who_answers() {
    let one = [update("Account", A1, &["Secret__c"])];
    let error = |code: &str, message: &str| json!([{"errorCode": code, "message": message}]);
    let none = error("NOT_FOUND", "The requested resource does not exist");
    assert_eq!(ask(&one, 404, &none), Err(PriorFailure::PassOn));
    assert_eq!(
        ask(&[upsert("Lead", "x", &[])], 404, &none),
        Ok(vec![(0, Prior::Absent)])
    );
    for status in [300, 401, 429, 400] {
        assert_eq!(
            ask(&one, status, &error("X", "y")),
            Err(PriorFailure::PassOn),
            "{status}"
        );
    }
    let spent = error("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.");
    assert_eq!(ask(&one, 403, &spent), Err(PriorFailure::PassOn));
    for status in [403, 500, 503, 204] {
        assert!(
            matches!(ask(&one, status, &none), Err(PriorFailure::Failed(_))),
            "{status}"
        );
    }
    let column = |name: &str| {
        error(
            "INVALID_FIELD",
            &format!(
                "\nSELECT Id\nERROR at Row:1:Column:8\nNo such column '{name}' on entity 'Account'."
            ),
        )
    };
    assert_eq!(
        ask(&one, 400, &column("secret__c")),
        Err(PriorFailure::Unreadable("secret__c".into()))
    );
    assert_eq!(
        ask(&one, 400, &column("OnlyARule__c")),
        Err(PriorFailure::Hidden("OnlyARule__c".into()))
    );
    assert!(matches!(
        ask(&one, 400, &column("LastModifiedDate")),
        Err(PriorFailure::Failed(_))
    ));
    let read = calls(&one);
    let twice = br#"{"Id":"001000000000001AAA","id":"001000000000002AAA"}"#;
    assert!(matches!(
        found(&read[0], &one, StatusCode::OK, twice),
        Err(PriorFailure::Failed(_))
    ));
}

#[test]
fn lists_are_matched_by_id_and_nulls_are_absent() {
    let two = [
        update("Account", A1, &["Name"]),
        update("Account", A2, &["Name"]),
    ];
    let priors = ask(
        &two,
        200,
        &json!([null, record(A1, &json!({"Name": "one"}))]),
    )
    .unwrap();
    assert_eq!(values(&priors[0].1).unwrap()["Name"], "one");
    assert_eq!(priors[1], (1, Prior::Absent));
    assert!(matches!(
        ask(&two, 200, &json!([7])),
        Err(PriorFailure::Failed(_))
    ));
}

#[test]
fn pages_are_matched_by_key() {
    let four = [
        upsert("Lead", "a", &[]),
        upsert("Lead", "B", &[]),
        upsert("Lead", "c", &[]),
        upsert("Lead", "d", &[]),
    ];
    let row = |n: u8, key: &str| record(&format!("00Q00000000000{n}"), &json!({"Ext__c": key}));
    let page = json!({"totalSize": 4, "done": true, "records": [row(1, "b"), row(2, "a"), row(3, "d"), row(4, "D")]});
    let priors = ask(&four, 200, &page).unwrap();
    assert_eq!(values(&priors[0].1).unwrap()["Id"], "00Q000000000002");
    assert_eq!(values(&priors[1].1).unwrap()["Id"], "00Q000000000001");
    assert_eq!(priors[2].1, Prior::Absent);
    assert_eq!(values(&priors[3].1).unwrap()["Id"], "00Q000000000003");
    let ambiguous = json!({"done": true, "records": [row(1, "a"), row(2, "a")]});
    assert_eq!(ask(&four, 200, &ambiguous).unwrap()[0].1, Prior::Unknown);
    let first_page = json!({"done": false, "records": [row(1, "a")], "nextRecordsUrl": "/x"});
    assert!(matches!(
        ask(&four, 200, &first_page),
        Err(PriorFailure::Failed(_))
    ));
}

#[test]
fn the_parts_of_a_composite_are_put_together() {
    let mixed = [
        update("Account", A1, &["Name"]),
        update("Account", A2, &["Name"]),
        update("Lead", "00Q000000000001EAA", &["City"]),
        delete("Case", "500000000000001AAA"),
    ];
    let part = |reference: &str, status: u16, body: Value| json!({"referenceId": reference, "httpStatusCode": status, "httpHeaders": {}, "body": body});
    let answer = json!({"compositeResponse": [
        part("p0_0", 200, json!([record(A1, &json!({"Name": "one"})), null])),
        part("p1_0", 200, record("00Q000000000001EAA", &json!({"City": "x"}))),
        part("p2_0", 404, json!([{"errorCode": "NOT_FOUND", "message": "x"}])),
    ]});
    let priors = ask(&mixed, 200, &answer).unwrap();
    assert_eq!(values(&priors[0].1).unwrap()["Name"], "one");
    assert_eq!(priors[1].1, Prior::Absent);
    assert_eq!(values(&priors[2].1).unwrap()["City"], "x");
    assert_eq!(priors[3].1, Prior::Absent);

    let column = json!([{"errorCode": "INVALID_FIELD", "message": "No such column 'City' on sobject of type Lead"}]);
    let unreadable = json!({"compositeResponse": [part("p1_0", 400, column)]});
    assert_eq!(
        ask(&mixed, 200, &unreadable),
        Err(PriorFailure::Unreadable("City".into()))
    );
    // a part's error stands in an answer that says 200: it must not reach the caller
    let refused = json!({"compositeResponse": [part("p1_0", 400, json!([{"errorCode": "X"}]))]});
    assert!(matches!(
        ask(&mixed, 200, &refused),
        Err(PriorFailure::Failed(_))
    ));
    assert!(matches!(
        ask(&mixed, 200, &json!({})),
        Err(PriorFailure::Failed(_))
    ));
}

#[test]
fn one_of_two_spellings_of_a_number_is_enough() {
    let two = [upsert("Lead", "1", &[]), upsert("Lead", "2", &[])];
    let wrong = json!([{"errorCode": "INVALID_FIELD", "message": "Ext__c must be of type double"}]);
    let part = |reference: &str, status: u16, body: &Value| json!({"referenceId": reference, "httpStatusCode": status, "body": body});
    let page =
        json!({"done": true, "records": [record("00Q000000000001", &json!({"Ext__c": 2.0}))]});
    let answer =
        json!({"compositeResponse": [part("p0_0", 400, &wrong), part("p0_1", 200, &page)]});
    let priors = ask(&two, 200, &answer).unwrap();
    assert_eq!(priors[0].1, Prior::Absent);
    assert!(values(&priors[1].1).is_some());
    let neither =
        json!({"compositeResponse": [part("p0_0", 400, &wrong), part("p0_1", 400, &wrong)]});
    assert!(matches!(
        ask(&two, 200, &neither),
        Err(PriorFailure::Failed(_))
    ));
}
