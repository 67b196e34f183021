//! Requests one by one.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Request;
use crate::crm::catalog::Catalog;
use crate::crm::{Class, Crm, Shape};
use crate::mutation::{ChangeSet, CrmKind, Mutation, Opaque, Operation, RecordKey, Undo};

fn post(target: &str, body: &Value) -> Request {
    Request::new("POST", target, body.to_string())
}

fn mutations(request: &Request) -> Vec<Mutation> {
    match request.parse() {
        Ok(ChangeSet::Mutations(mutations)) => mutations,
        other => panic!("{other:?}"),
    }
}

fn refused(request: &Request) -> String {
    request.parse().unwrap_err().0
}

fn opaque(class: Class) -> String {
    let Class::Opaque(opaque) = class else {
        panic!("{class:?}")
    };
    opaque.reason
}

fn two_readings(class: &Class) -> bool {
    matches!(class, Class::Write(Shape::TwoReadings(_)))
}

#[test]
fn what_makes_it_another_request_is_never_a_read() {
    let get = || Request::new("GET", "/crm/v3/objects/contacts", "");
    assert_eq!(get().class(), Class::Read);
    for header in [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X_Method-Override",
        "X-Original-URL",
        "X_Rewrite_URL",
        "private_app",
        "private-app",
        "private-app-legacy",
    ] {
        assert!(
            two_readings(&get().header(header, "DELETE").class()),
            "{header}"
        );
    }
    for query in [
        "hapikey=x",
        "a=1&access_token=x",
        "a=1;hapikey=x",
        "%68apikey=x",
        "HAPIKEY=x",
        "_method=DELETE",
        "_HttpMethod=DELETE",
    ] {
        for (method, path) in [("GET", "/crm/v3/objects/contacts"), ("POST", "/crm/v3/x")] {
            let request = Request::new(method, &format!("{path}?{query}"), "");
            assert!(two_readings(&request.class()), "{query}");
            assert!(request.parse().is_err(), "{query}");
        }
    }
    let filtered = "/crm/v3/objects/contacts?limit=10&properties=email,phone&archived=true";
    assert_eq!(Request::new("GET", filtered, "").class(), Class::Read);
}

#[test]
fn rows_may_open_only_what_fits_no_shape() {
    let openable = |method: &str, path: &str| {
        let class = Request::new(method, path, "").class();
        let Class::Opaque(opaque) = class else {
            panic!("{method} {path}: {class:?}")
        };
        opaque.openable
    };
    for (method, path) in [
        ("POST", "/cms/v3/blogs/posts"),
        ("PUT", "/crm/v3/objects/contacts/1"),
        ("GET", "/crm/v3/unheard-of"),
    ] {
        assert!(openable(method, path), "{method} {path}");
    }
    for (method, path) in [
        ("PATCH", "/crm/v4/objects/contacts/1"),
        ("PATCH", "/CRM/v3/Objects/contacts/1"),
        ("PATCH", "/crm/objects/contacts/1"),
        ("POST", "/crm/v3/objects/v3/contacts/batch/update"),
        ("POST", "/crm/v3/objects/contacts/Merge"),
        ("POST", "/contacts/contact"),
        ("POST", "/Contacts/v1/Contact"),
        ("POST", "/CRM/v3/exports/export/async"),
        ("DELETE", "/oauth/refresh-tokens/x"),
    ] {
        assert!(!openable(method, path), "{method} {path}");
    }
}

#[test]
fn logins_and_questions_about_tokens_are_only_the_documented_ones() {
    for version in ["v1", "v3", "2026-03"] {
        assert_eq!(
            Request::new("POST", &format!("/oauth/{version}/token"), "x").class(),
            Class::Auth
        );
    }
    for (method, path) in [
        ("GET", "/oauth/v1/access-tokens/abc"),
        ("GET", "/oauth/v1/refresh-tokens/abc"),
        ("POST", "/oauth/v3/token/introspect"),
        ("POST", "/oauth/v2/private-apps/get/access-token-info"),
    ] {
        assert_eq!(
            Request::new(method, path, "x").class(),
            Class::Auth,
            "{path}"
        );
    }
    for (method, path) in [
        ("DELETE", "/oauth/v1/refresh-tokens/abc"),
        ("POST", "/oauth/v3/token/revoke"),
        ("POST", "/oauth/v1/access-tokens/abc"),
        ("PUT", "/oauth/v1/token"),
    ] {
        let made = mutations(&Request::new(method, path, ""));
        assert_eq!(made[0].operation, Operation::Credential, "{path}");
        assert!(made[0].fields.is_empty());
    }
}

#[test]
fn unknown_versions_types_and_methods_are_opaque() {
    for (method, path) in [
        ("PATCH", "/crm/v1/objects/contacts/1"),
        ("PATCH", "/crm/v4/objects/contacts/1"),
        ("PATCH", "/crm/objects/contacts/1"),
        ("PATCH", "/crm/objects/contacts/v3/1"),
        ("PATCH", "/v3/crm/objects/contacts/1"),
        ("PUT", "/crm/v3/objects/contacts/1"),
        ("OPTIONS", "/crm/v3/objects/contacts/1"),
        ("POST", "/crm/v3/objects/contacts/1"),
        ("POST", "/crm/v3/objects/contacts/batch/purge"),
        ("POST", "/crm/v3/objects/contacts/batch"),
        ("PATCH", "/crm/v3/objects/contacts/search"),
        ("DELETE", "/crm/v3/objects/contacts/merge"),
        ("DELETE", "/crm/v3/objects/contacts"),
        ("GET", "/crm/v3/objects/contacts/1/merge"),
    ] {
        opaque(Request::new(method, path, "").class());
    }
}

#[test]
fn a_type_that_nobody_knows_is_opaque_until_the_schemas_tell_it() {
    let catalog = Catalog::builtin(CrmKind::HubSpot);
    let now = Timestamp::UNIX_EPOCH;
    let crm = Crm(CrmKind::HubSpot);
    let body = json!({"properties": {"a": 1}}).to_string();
    let parse = |name: &str| {
        let target = format!("/crm/v3/objects/{name}/1");
        let request = Request::new("PATCH", &target, body.clone());
        let shape = request.shape();
        let changes = crm.parse(&shape, &request.head(), &request.body, &catalog);
        let missing = crm.missing(&shape, &request.head(), &request.body, &catalog, now);
        (missing, changes.unwrap())
    };
    for name in ["2-123", "p_thing", "p42_thing", "contacts%2F1"] {
        let (missing, changes) = parse(name);
        assert_eq!(missing.unwrap().target, "/crm/v3/schemas", "{name}");
        assert!(matches!(
            changes,
            ChangeSet::Opaque(Opaque { openable: true, .. })
        ));
    }
    let (missing, _) = parse("contact");
    assert_eq!(missing, None);
    let call = parse("2-123").0.unwrap();
    let schemas = json!({"results": [
        {"name": "thing", "objectTypeId": "2-123", "fullyQualifiedName": "p42_thing"},
    ]});
    let status = http::StatusCode::OK;
    let asking = Request::new("PATCH", "/crm/v3/objects/2-123/1", "");
    let schemas = schemas.to_string();
    let answer = (status, schemas.as_bytes());
    crm.learn(&call, &asking.head(), answer, &catalog, now)
        .unwrap();
    for name in ["2-123", "p_thing", "p42_thing", "P42_Thing", "thing"] {
        let (missing, changes) = parse(name);
        assert_eq!(missing, None);
        assert_eq!(changes.mutations()[0].object, "p_thing", "{name}");
    }
    // looked for and not there: no read for ten minutes, whatever is asked
    let (missing, changes) = parse("2-999");
    assert_eq!((missing, changes.mutations().len()), (None, 0));
}

#[test]
fn an_update_by_id_and_by_key() {
    let body = json!({"properties": {"JobTitle": "x", "amount": 1.5, "flag": false, "gone": null}});
    let by_id = Request::new("PATCH", "/crm/v3/objects/CONTACT/101/", body.to_string());
    let fields = json!({"jobtitle": "x", "amount": 1.5, "flag": false, "gone": null});
    let [update] = mutations(&by_id).try_into().unwrap();
    assert_eq!(
        (update.object.as_str(), update.operation),
        ("contacts", Operation::Update)
    );
    assert_eq!(update.record, Some(RecordKey::id("101")));
    assert_eq!(Value::Object(update.fields.clone()), fields);
    assert_eq!((update.row, update.undo), (None, Undo::Full));

    let target = "/crm/objects/2026-03/0-1/a%40b.c?idProperty=Email";
    let [by_mail] = mutations(&Request::new("PATCH", target, body.to_string()))
        .try_into()
        .unwrap();
    let key = RecordKey::External {
        key: "email".into(),
        value: "a@b.c".into(),
    };
    assert_eq!((by_mail.record, by_mail.fields), (Some(key), update.fields));

    let own_id = "/crm/v3/objects/contacts/101?idProperty=hs_object_id";
    let [by_own_id] = mutations(&Request::new("PATCH", own_id, body.to_string()))
        .try_into()
        .unwrap();
    assert_eq!(by_own_id.record, Some(RecordKey::id("101")));
}

#[test]
fn keys_with_two_readings_are_refused() {
    let body = r#"{"properties":{}}"#;
    for target in [
        "contacts/007",
        "contacts/1e2",
        "contacts/a@b.c",
        "contacts/1?idProperty=",
        "contacts/1?idproperty=email",
        "contacts/1?idProperty=email&idProperty=phone",
        "contacts/1?idProperty=e%6Dail",
        "contacts/1?archived=true",
        "contacts/a%2Fb?idProperty=email",
        "contacts/%20a?idProperty=email",
    ] {
        refused(&Request::new(
            "PATCH",
            &format!("/crm/v3/objects/{target}"),
            body,
        ));
    }
    refused(&Request::new(
        "DELETE",
        "/crm/v3/objects/contacts/1?idProperty=email",
        "",
    ));
    refused(&Request::new("DELETE", "/crm/v3/objects/contacts/1", "{}"));
    refused(&post(
        "/crm/v3/objects/contacts?hello=1",
        &json!({"properties": {}}),
    ));
}

#[test]
fn bodies_that_are_not_described_are_refused() {
    let create = "/crm/v3/objects/contacts";
    for body in [
        json!({}),
        json!([]),
        json!({"properties": []}),
        json!({"Properties": {}}),
        json!({"properties": {}, "id": "1"}),
        json!({"properties": {}, "hs_extra": 1}),
        json!({"properties": {}, "objectWriteTraceId": 1}),
        json!({"properties": {"a b": 1}}),
        json!({"properties": {"näme": 1}}),
        json!({"properties": {"": 1}}),
        json!({"properties": {"a": [1]}}),
        json!({"properties": {"a": {"value": 1}}}),
        json!({"properties": {}, "associations": {}}),
        json!({"properties": {}, "associations": [{"to": {"id": "1"}}]}),
        json!({"properties": {}, "associations": [{"to": {"id": "1"}, "types": []}]}),
    ] {
        refused(&post(create, &body));
    }
    for kind in [
        "text/plain",
        "application/json; charset=utf-16",
        "application/jsonp",
        "",
    ] {
        let request = Request::new("POST", create, "").header("content-type", kind);
        refused(&Request {
            body: br#"{"properties":{}}"#.to_vec(),
            ..request
        });
    }
    let twice = post(create, &json!({"properties": {}})).header("content-type", "application/json");
    refused(&twice);
    let typed =
        Request::new("POST", create, "").header("content-type", "Application/JSON ;charset=UTF-8");
    let typed = Request {
        body: br#"{"properties":{},"associations":null}"#.to_vec(),
        ..typed
    };
    assert_eq!(mutations(&typed).len(), 1);
}

#[test]
fn a_value_that_adds_to_what_is_there_is_opaque() {
    let body = json!({"properties": {"roles": ";admin"}});
    let request = Request::new("PATCH", "/crm/v3/objects/contacts/1", body.to_string());
    assert!(
        matches!(request.parse(), Ok(ChangeSet::Opaque(opaque)) if !opaque.openable && opaque.reason.contains("roles"))
    );
}

#[test]
fn batches_name_their_rows() {
    let update = post(
        "/crm/v3/objects/deals/batch/update",
        &json!({"inputs": [
            {"id": 7, "properties": {"amount": "1"}, "objectWriteTraceId": "t"},
            {"id": "K-1", "idProperty": "Order_Key", "properties": {"amount": "2"}},
        ]}),
    );
    let [first, second] = mutations(&update).try_into().unwrap();
    assert_eq!(
        (first.record, first.row.as_deref()),
        (Some(RecordKey::id("7")), Some("inputs[0]"))
    );
    let key = RecordKey::External {
        key: "order_key".into(),
        value: "K-1".into(),
    };
    assert_eq!(
        (second.record, second.row.as_deref()),
        (Some(key), Some("inputs[1]"))
    );

    let archive = post(
        "/crm/objects/v3/deal/batch/archive",
        &json!({"inputs": [{"id": "1"}, {"id": "2"}]}),
    );
    for mutation in mutations(&archive) {
        assert_eq!(
            (mutation.operation, mutation.undo),
            (Operation::Delete, Undo::Partial)
        );
        assert!(mutation.fields.is_empty());
    }
}

#[test]
fn batches_with_two_readings_are_refused() {
    let batch = |call: &str, inputs: &Value| {
        refused(&post(
            &format!("/crm/v3/objects/contacts/batch/{call}"),
            &json!({ "inputs": inputs }),
        ))
    };
    let row = |id: &str| json!({"id": id, "properties": {}});
    let mail = |id: &str| json!({"id": id, "idProperty": "email", "properties": {}});
    batch("update", &json!([]));
    batch("update", &json!({}));
    batch("update", &json!([row("1"), row("1")]));
    batch("update", &json!([row("1"), row("01")]));
    batch("update", &json!([mail("a@b.c"), mail("A@B.C")]));
    batch("update", &json!([{"properties": {}}]));
    batch("upsert", &json!([row("1")]));
    batch(
        "upsert",
        &json!([{"id": "", "idProperty": "email", "properties": {}}]),
    );
    batch("archive", &json!([{"id": "1"}, {"id": "1"}]));
    batch("archive", &json!([{"id": "a@b.c", "idProperty": "email"}]));
    batch("create", &json!([{"properties": {}, "id": "1"}]));
    let many: Vec<Value> = (1..=101).map(|id| row(&id.to_string())).collect();
    assert!(batch("update", &json!(many)).contains("101"));
    refused(&post(
        "/crm/v3/objects/contacts/batch/update",
        &json!({"inputs": [row("1")], "more": 1}),
    ));
}

#[test]
fn links_are_changes_at_both_ends() {
    let link = |id: Value, kinds: Value| json!({"to": {"id": id}, "types": kinds});
    let kind = |id: u64| json!({"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": id});
    let create = |links: Value| {
        let input = json!({"properties": {"hs_note_body": "x"}, "associations": links});
        post(
            "/crm/v3/objects/notes/batch/create",
            &json!({"inputs": [input]}),
        )
    };
    let linked = create(json!([link(json!(9001), json!([kind(202)]))]));
    let [note, near, far] = mutations(&linked).try_into().unwrap();
    assert_eq!(
        (note.operation, note.row.as_deref()),
        (Operation::Create, Some("inputs[0]"))
    );
    assert_eq!((near.object.as_str(), near.record), ("notes", None));
    assert_eq!(near.others, [RecordKey::id("9001")]);
    assert_eq!(
        (far.object.as_str(), far.record),
        ("contacts", Some(RecordKey::id("9001")))
    );
    assert_eq!(far.row.as_deref(), Some("inputs[0].associations[0]"));
    assert_eq!(
        (far.operation, far.undo),
        (Operation::Associate, Undo::Full)
    );

    // two labels of one link; two links to one record
    let labels = json!([{"to": {"id": "1"}, "types": [kind(279), kind(1)]}, link(json!("1"), json!([kind(4)]))]);
    let body = json!({"properties": {}, "associations": labels});
    assert_eq!(mutations(&post("/crm/v3/objects/contacts", &body)).len(), 5);

    // whose end is not known
    let own = json!({"associationCategory": "USER_DEFINED", "associationTypeId": 202});
    for kinds in [json!([kind(1)]), json!([kind(999_999)]), json!([own])] {
        let parsed = create(json!([link(json!("1"), kinds)])).parse();
        assert!(
            matches!(
                parsed,
                Ok(ChangeSet::Opaque(Opaque {
                    openable: false,
                    ..
                }))
            ),
            "{parsed:?}"
        );
    }
    for links in [
        json!([link(json!("1"), json!([kind(202), kind(190)]))]),
        json!([link(json!("01"), json!([kind(202)]))]),
        json!([{"to": {"id": "1", "idProperty": "email"}, "types": [kind(202)]}]),
        json!([link(json!("1"), json!([{"associationTypeId": 202}]))]),
    ] {
        refused(&create(links));
    }
}

#[test]
fn merges_and_purges_cannot_be_undone() {
    let merge = |first: &str, second: &str| {
        post(
            "/crm/v3/objects/companies/merge",
            &json!({"primaryObjectId": first, "objectIdToMerge": second}),
        )
    };
    let [merged, lost] = mutations(&merge("1", "2")).try_into().unwrap();
    assert_eq!(
        (lost.operation, lost.undo, lost.record),
        (Operation::Delete, Undo::None, Some(RecordKey::id("2")))
    );
    assert_eq!(
        (merged.operation, merged.undo),
        (Operation::Merge, Undo::None)
    );
    assert_eq!(
        (merged.record, merged.others),
        (Some(RecordKey::id("1")), vec![RecordKey::id("2")])
    );
    refused(&merge("1", "1"));

    let purge = "/crm/objects/2026-03/contacts/gdpr-delete";
    let [purged] = mutations(&post(
        purge,
        &json!({"objectId": "a@b.c", "idProperty": "email"}),
    ))
    .try_into()
    .unwrap();
    assert_eq!(
        (purged.operation, purged.undo),
        (Operation::Purge, Undo::None)
    );
    assert_eq!(purged.record.unwrap().to_string(), "email=a@b.c");
    refused(&post(purge, &json!({"objectId": "a@b.c"})));
}

#[test]
fn only_listed_headers_pass() {
    let crm = Crm(CrmKind::HubSpot);
    assert!(crm.passes_on_write("authorization"));
    for header in [
        "cookie",
        "x-forwarded-for",
        "content-encoding",
        "x-http-method-override",
        "hapikey",
    ] {
        assert!(!crm.passes_on_write(header), "{header}");
    }
}
