//! Requests that hold others, one by one: composites, trees, the UI API, GraphQL, named operations.

use serde_json::{Value, json};

use super::*;

const DATA: &str = "/services/data/v66.0";

fn post(path: &str, body: &Value) -> Judged {
    judge("POST", &format!("{DATA}/{path}"), &body.to_string())
}

fn made(path: &str, body: &Value) -> Vec<Mutation> {
    let judged = post(path, body);
    let Judged::Mutations(mutations) = judged else {
        panic!("{path} {body}: {judged:?}");
    };
    mutations
}

fn part(method: &str, url: &str, body: Value) -> Value {
    let mut part = json!({ "method": method, "url": format!("{DATA}/{url}"), "referenceId": "r" });
    if !body.is_null() {
        part["body"] = body;
    }
    part
}

fn composite(parts: &[Value]) -> Judged {
    let mut parts = parts.to_vec();
    for (at, part) in parts.iter_mut().enumerate() {
        if part["referenceId"] == "r" {
            part["referenceId"] = json!(format!("r{at}"));
        }
    }
    post("composite", &json!({ "compositeRequest": parts }))
}

#[test]
fn a_part_is_judged_like_a_request_of_its_own() {
    let url = "sobjects/Account/001000000000001";
    let Judged::Mutations(all) = composite(&[
        part("GET", "query?q=SELECT+Id+FROM+Account", Value::Null),
        part("PATCH", url, json!({ "Name": "x" })),
        part("DELETE", "sobjects/Lead/00Q000000000001", Value::Null),
        part(
            "PATCH",
            "composite/sobjects",
            json!({ "records": [{ "attributes": { "type": "Task" }, "id": "00T000000000001" }] }),
        ),
    ]) else {
        panic!("not taken apart");
    };
    let rows: Vec<_> = all.iter().map(|one| one.row.as_deref().unwrap()).collect();
    assert_eq!(
        rows,
        [
            "compositeRequest[1]:r1",
            "compositeRequest[2]:r2",
            "compositeRequest[3]:r3.records[0]"
        ]
    );
    let alone = mutations("PATCH", &format!("{DATA}/{url}"), r#"{"Name":"x"}"#);
    assert_eq!(
        Mutation {
            row: None,
            ..all[0].clone()
        },
        alone[0]
    );
}

#[test]
fn a_request_whose_parts_read_is_a_read() {
    let read = part("GET", "sobjects/Account/001000000000001", Value::Null);
    assert_eq!(composite(&[read]), Judged::Read);
    let batch = json!({ "batchRequests": [{ "method": "GET", "url": "v60.0/limits" }] });
    assert_eq!(post("composite/batch", &batch), Judged::Read);
    let query = json!({ "query": "query Q($a: ID = 1) { uiapi { query { Account { x } } } }" });
    assert_eq!(post("graphql", &query), Judged::Read);
}

#[test]
fn a_reference_is_a_value_that_nobody_knows() {
    let Judged::Mutations(all) = composite(&[
        part("POST", "sobjects/Account", json!({ "Name": "x" })),
        part(
            "POST",
            "sobjects/Contact",
            json!({ "LastName": "y", "AccountId": "@{r0.id}" }),
        ),
    ]) else {
        panic!("not taken apart");
    };
    let unknown = crate::mutation::unknown_value("@{r0.id}");
    assert_eq!(all[1].fields["AccountId"], unknown);
}

#[test]
fn what_a_reference_decides_is_refused() {
    let create = || part("POST", "sobjects/Account", json!({ "Name": "x" }));
    let id = "sobjects/Account/001000000000001";
    for second in [
        part("PATCH", "sobjects/Account/@{r0.id}", json!({ "Name": "x" })),
        part("PATCH", "sobjects/@{r0.type}/001000000000001", json!({})),
        part("PATCH", "sobjects/Account/Ext__c/%40%7Br0.id%7D", json!({})),
        part("PATCH", "sobjects/Account/Ext__c/x%40{r0.id}", json!({})),
        part("GET", "query?q=%40%7br0.id}", Value::Null),
        part("PATCH", id, json!({ "@{r0.name}": "x" })),
        part("PATCH", id, json!({ "Id": "@{r0.id}" })),
        part("PATCH", id, json!({ "attributes": { "type": "@{r0.x}" } })),
        part("PATCH", id, json!({ "Name": "@{nobody.id}" })),
        part("PATCH", id, json!({ "Name": "@{r1.id}" })),
        part("PATCH", id, json!({ "Name": "@{r0" })),
        part(
            "PATCH",
            "composite/sobjects",
            json!({ "records": [{ "attributes": { "type": "Task" }, "id": "@{r0.id}" }] }),
        ),
        part(
            "PATCH",
            "composite/sobjects",
            json!({ "records": "@{r0.x}" }),
        ),
    ] {
        let judged = composite(&[create(), second.clone()]);
        assert!(judged.is_refused(), "{second}: {judged:?}");
    }
    let read = part("GET", "sobjects/Secret__c/a00000000000001", Value::Null);
    let copy = part("PATCH", id, json!({ "Name": "@{r0.Token__c}" }));
    assert!(matches!(composite(&[read, copy]), Judged::Opaque(_)));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_stands_in_no_composite_is_refused() {
    let id = "sobjects/Account/001000000000001";
    let one = |mut part: Value, name: &str, value: Value| {
        part[name] = value;
        part
    };
    let patch = || part("PATCH", id, json!({ "Name": "x" }));
    for wrong in [
        part(
            "POST",
            "composite",
            json!({ "compositeRequest": [patch()] }),
        ),
        part("POST", "composite/batch", json!({})),
        part("POST", "composite/graph", json!({})),
        part("POST", "composite/tree/Account", json!({})),
        part("POST", "ui-api/records/batch", json!({})),
        part("POST", "graphql", json!({ "query": "{a}" })),
        part(
            "PATCH",
            "sobjects/Contact/003000000000001/Account",
            json!({}),
        ),
        part("GET", "unheard-of", Value::Null),
        one(
            patch(),
            "url",
            json!("https://evil.example/services/data/v66.0/limits"),
        ),
        one(
            patch(),
            "url",
            json!("//evil.example/services/data/v66.0/limits"),
        ),
        one(patch(), "url", json!("/services/apexrest/x")),
        one(patch(), "url", json!("/services/data/v66.0/../apexrest/x")),
        one(patch(), "url", json!(format!("{DATA}/{id}#x"))),
        one(
            patch(),
            "url",
            json!(format!("{DATA}/sobjects/Account/Ext__c/a+b")),
        ),
        one(patch(), "method", json!("patch")),
        one(patch(), "method", json!("OPTIONS")),
        one(patch(), "referenceId", json!("a.b")),
        one(patch(), "referenceId", Value::Null),
        one(patch(), "extra", json!(1)),
        one(
            patch(),
            "httpHeaders",
            json!({ "Authorization": "Bearer x" }),
        ),
        one(
            patch(),
            "httpHeaders",
            json!({ "Content-Type": "application/xml" }),
        ),
        one(
            patch(),
            "httpHeaders",
            json!({ "X-HTTP-Method-Override": "DELETE" }),
        ),
        one(
            patch(),
            "httpHeaders",
            json!({ "Sforce-Call-Options": "defaultNamespace=x" }),
        ),
        one(
            patch(),
            "httpHeaders",
            json!({ "Sforce-Auto-Assign": "maybe" }),
        ),
        one(
            patch(),
            "url",
            json!(format!("{DATA}/{id}?_HttpMethod=DELETE")),
        ),
    ] {
        let judged = composite(std::slice::from_ref(&wrong));
        assert!(judged.is_refused(), "{wrong}: {judged:?}");
    }
    assert!(
        composite(&[patch(), patch()]).is_refused(),
        "one record twice"
    );
    let named = one(patch(), "referenceId", json!("same"));
    let delete = json!({ "method": "DELETE", "referenceId": "Same",
        "url": format!("{DATA}/sobjects/Account/001000000000002") });
    assert!(composite(&[named, delete]).is_refused(), "one name twice");
    let many: Vec<Value> = (0..26)
        .map(|n| {
            part(
                "DELETE",
                &format!("sobjects/Account/001000000000{n:03}"),
                Value::Null,
            )
        })
        .collect();
    assert!(matches!(composite(&many[..25]), Judged::Mutations(all) if all.len() == 25));
    assert!(composite(&many).is_refused());
}

#[test]
fn headers_of_a_part_are_its_own() {
    let mut ruled = part(
        "POST",
        "sobjects/Lead",
        json!({ "LastName": "x", "Company": "y" }),
    );
    ruled["httpHeaders"] = json!({ "Sforce-Auto-Assign": "01Q000000000001" });
    let Judged::Mutations(all) = composite(&[ruled]) else {
        panic!("not taken apart");
    };
    assert_eq!(
        all[0].fields["OwnerId"],
        "assignment rule 01Q000000000001EAA"
    );
    let body = json!({ "compositeRequest": [part("POST", "sobjects/Lead", json!({}))] });
    let headers = header_map(&[
        ("content-type", "application/json"),
        ("sforce-auto-assign", "01Q000000000001"),
    ]);
    let target = format!("{DATA}/composite");
    let judged = judge_with("POST", &target, &headers, body.to_string().as_bytes());
    assert!(matches!(judged, Judged::Opaque(_)), "{judged:?}");
}

#[test]
fn what_stands_beside_the_records_is_told() {
    let told = |shape: Shape, body: Value| -> Vec<(String, String)> {
        let acting = acting_in(&shape, body.to_string().as_bytes());
        acting.into_iter().collect()
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut lead = part("POST", "sobjects/Lead", json!({}));
    lead["httpHeaders"] = json!({ "Sforce-Duplicate-Rule-Header": "allowSave=true" });
    assert_eq!(
        told(
            Shape::Nest(Nest::Composite),
            json!({ "allOrNone": true, "compositeRequest": [lead] })
        ),
        [
            pair("allOrNone", "true"),
            pair(
                "compositeRequest[0].sforce-duplicate-rule-header",
                "allowSave=true"
            ),
        ]
    );
    let record = json!({ "apiName": "Lead", "fields": {}, "allowSaveOnDuplicate": true });
    assert_eq!(
        told(
            Shape::Ui(Ui::Batch),
            json!({ "allOrNone": false, "operations": [{ "type": "Create", "records": [record] }] })
        ),
        [
            pair("allOrNone", "false"),
            pair("operations[0].records[0].allowSaveOnDuplicate", "true"),
        ]
    );
}

#[test]
fn children_of_a_tree_name_their_parent() {
    let all = made(
        "composite/tree/Account",
        &json!({ "records": [{
            "attributes": { "type": "Account", "referenceId": "a" }, "Name": "x",
            "Contacts": { "records": [{
                "attributes": { "type": "Contact", "referenceId": "c" }, "LastName": "y" }] } }] }),
    );
    let told: Vec<_> = all
        .iter()
        .map(|one| (one.object.as_str(), one.row.as_deref().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ("Account", "records[0]:a"),
            ("Contact", "records[0].Contacts.records[0]:c")
        ]
    );
    assert!(crate::mutation::is_unknown(&all[1].fields["AccountId"]));
    let with = |child: Value| {
        json!({ "records": [{ "attributes": { "type": "Account", "referenceId": "a" },
            "Contacts": { "records": [child] } }] })
    };
    for wrong in [
        with(json!({ "attributes": { "type": "Contact", "referenceId": "A" } })),
        with(json!({ "attributes": { "type": "Contact" } })),
        with(json!({ "attributes": { "type": "Contact", "referenceId": "c" }, "AccountId": "x" })),
        with(
            json!({ "attributes": { "type": "Contact", "referenceId": "c" },
            "Id": "003000000000001" }),
        ),
        json!({ "records": [{ "attributes": { "type": "Account", "referenceId": "a" },
            "Things__r": { "records": [{ "attributes": { "type": "Contact", "referenceId": "c" } }] } }] }),
        json!({ "records": [] }),
        json!({ "records": [{ "attributes": { "type": "Contact", "referenceId": "a" } }] }),
    ] {
        let judged = post("composite/tree/Account", &wrong);
        assert!(judged.is_refused(), "{wrong}: {judged:?}");
    }
}

#[test]
fn a_graphql_document_is_read_as_it_runs() {
    let run = |query: &str| post("graphql", &json!({ "query": query }));
    let create = "AccountCreate(input: {Account: {Name: \"x\"}}) { Record { Id } }";
    let Judged::Mutations(all) = run(&format!(
        "mutation {{ uiapi {{ a: {create} b: {create} }} }}"
    )) else {
        panic!("not taken apart");
    };
    assert_eq!(all[1].row.as_deref(), Some("uiapi.b"));
    for wrong in [
        format!("mutation {{ uiapi {{ a: {create} a: {create} }} }}"),
        format!("mutation {{ uiapi {{ {create} ...F }} }} fragment F on X {{ {create} }}"),
        format!("mutation {{ uiapi {{ ...F }} }} fragment F on X {{ ...F {create} }}"),
        format!("mutation A {{ uiapi {{ {create} }} }} query B {{ x }}"),
        format!("query B {{ x }} mutation A {{ uiapi {{ {create} }} }}"),
        format!("mutation {{ uiapi @other {{ {create} }} }}"),
        format!("mutation {{ uiapi(input: {{allOrNone: 1}}) {{ {create} }} }}"),
        format!("mutation {{ other {{ {create} }} }}"),
        format!("subscription {{ uiapi {{ {create} }} }}"),
        "mutation { uiapi { AccountCreate(input: {Account: {Name: 1, NAME: 2}}) { x } } }".into(),
        "mutation { uiapi { AccountCreate(input: {Account: {Name: $x}}) { x } } }".into(),
        "mutation { uiapi { AccountCreate(input: {Contact: {LastName: 1}}) { x } } }".into(),
        "mutation { uiapi { accountCreate(input: {account: {Name: 1}}) { x } } }".into(),
        "mutation { uiapi { AccountCreate(input: {Account: {}, Id: \"001000000000001\"}) { x } } }"
            .into(),
        "mutation { uiapi { AccountUpdate(input: {Account: {}}) { x } } }".into(),
        "mutation { uiapi { AccountDelete(input: {Id: \"003000000000001\"}) { x } } }".into(),
        "mutation { uiapi { AccountDelete(input: {Id: \"@{a}\"}) { x } } }".into(),
        "mutation { uiapi { AccountMerge(input: {}) { x } } }".into(),
        "mutation { uiapi { AccountCreate(input: {Account: {Name: \"\"\"x\"\"\"}}) { x } } }"
            .into(),
        "mutation($a: X = {b: $a}) { uiapi { AccountCreate(input: {Account: $a}) { x } } }".into(),
        "mutation { uiapi { x: __typename } }".into(),
        "mutation { }".into(),
        "{".into(),
        "".into(),
    ] {
        let judged = run(&wrong);
        assert!(judged.is_refused(), "{wrong}: {judged:?}");
    }
    let deep = format!("{}a{}", "{a".repeat(200), "}".repeat(200));
    assert!(run(&deep).is_refused());
    let persisted = json!({ "extensions": { "persistedQuery": { "sha256Hash": "x" } } });
    assert!(post("graphql", &persisted).is_refused());
    let list = judge("POST", &format!("{DATA}/graphql"), "[]");
    assert!(list.is_refused());
    assert!(judge("GET", &format!("{DATA}/graphql?query={{a}}"), "").is_refused());
}

#[test]
fn each_input_of_an_action_is_an_operation() {
    let all = made(
        "actions/standard/emailSimple",
        &json!({ "inputs": [{ "emailAddresses": "a@b.c" }, { "emailAddresses": "d@e.f" }] }),
    );
    assert_eq!(all.len(), 2);
    assert!(
        all.iter()
            .all(|one| one.operation == Operation::Send && one.object == "emailSimple")
    );
    assert_eq!(all[1].fields["emailAddresses"], "d@e.f");
    let said = judge(
        "POST",
        &format!("{DATA}/chatter/feed-elements?text=hello&subjectId=me"),
        "",
    );
    let Judged::Mutations(said) = said else {
        panic!("{said:?}");
    };
    assert_eq!(
        (said[0].operation, &*said[0].object),
        (Operation::Send, "chatter/feed-elements")
    );
    assert_eq!(said[0].fields["text"], "hello");
    let aliased = format!(
        "{DATA}/connect/communities/internal/chatter/feed-elements?text=hello&subjectId=me"
    );
    assert_eq!(judge("POST", &aliased, ""), Judged::Mutations(said));
}

#[test]
fn secrets_are_no_fields() {
    for (method, target, body) in [
        (
            "POST",
            "/services/data/v66.0/sobjects/User/005000000000001/password",
            r#"{"NewPassword":"s3cret"}"#,
        ),
        ("GET", "/services/oauth2/revoke?token=s3cret", ""),
        (
            "POST",
            "/services/data/v66.0/named-credentials/credential",
            r#"{"secret":"s3cret"}"#,
        ),
    ] {
        let Judged::Mutations(all) = judge(method, target, body) else {
            panic!("{target}");
        };
        assert_eq!(all[0].operation, Operation::Credential);
        assert!(all[0].fields.is_empty());
    }
}

#[test]
fn a_get_that_runs_code_or_exports_is_named() {
    for (target, operation, object) in [
        (
            "tooling/executeAnonymous?anonymousBody=x",
            Operation::Invoke,
            "executeAnonymous",
        ),
        (
            "jobs/query/750000000000001/results",
            Operation::Export,
            "jobs/query",
        ),
        (
            "sobjects/Attachment/00P000000000001/Body",
            Operation::Export,
            "Attachment",
        ),
        (
            "analytics/reports/00O000000000001",
            Operation::Export,
            "analytics/reports",
        ),
        (
            "connect/files/069000000000001/content",
            Operation::Export,
            "connect/files",
        ),
    ] {
        let Judged::Mutations(all) = judge("GET", &format!("{DATA}/{target}"), "") else {
            panic!("{target}");
        };
        assert_eq!((all[0].operation, &*all[0].object), (operation, object));
    }
    assert_eq!(
        judge("GET", &format!("{DATA}/sobjects/Account/Ext__c/Body"), ""),
        Judged::Read
    );
}
