//! The HubSpot face.

use serde_json::{Value, json};
use writegate::mutation::CrmKind::HubSpot;
use writegate::sandbox::{EffectKind, seed};

use super::client::Client;
use super::started;

const CONTACTS: &str = "/crm/v3/objects/contacts";

#[tokio::test]
async fn only_its_tokens_are_let_in() {
    let (running, _, _) = started().await;
    let refused = Client::new(running.addr, "other").get(CONTACTS).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (401, "INVALID_AUTHENTICATION")
    );
    let body = refused.json();
    assert_eq!(
        (
            &body["status"],
            body["correlationId"].as_str().unwrap().len()
        ),
        (&json!("error"), 36)
    );
}

#[tokio::test]
async fn a_record_lives_from_create_to_the_archive() {
    let (running, client, clock) = started().await;
    let body = json!({
        "properties": {"email": "New@X.example", "ai_score": 5, "hs_email_optout": true},
        "associations": [{
            "to": {"id": seed::HS_ACME},
            "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}],
        }],
    });
    let created = client.json("POST", CONTACTS, body).await;
    assert_eq!(created.status, 201);
    assert!(created.header("x-hubspot-ratelimit-max").is_some());
    let created = created.json();
    let id = created["id"].as_str().unwrap();
    let text = &created["properties"];
    assert_eq!(
        (&text["ai_score"], &text["hs_email_optout"]),
        (&json!("5"), &json!("true"))
    );

    clock.advance_ms(1500);
    let by_email = format!("{CONTACTS}/new@x.example?idProperty=email");
    let patch = json!({"properties": {"jobtitle": "CFO", "ai_score": ""}});
    let patched = client.json("PATCH", &by_email, patch).await;
    assert_eq!((patched.status, &patched.json()["id"]), (200, &json!(id)));
    let target = format!(
        "/crm/objects/2026-03/0-1/{id}?properties=jobtitle,ai_score,nope&associations=company"
    );
    let read = client.get(&target).await.json();
    assert_eq!(read["updatedAt"], "2026-01-12T10:00:01.500Z");
    let shown = &read["properties"];
    assert_eq!(
        (&shown["jobtitle"], &shown["ai_score"]),
        (&json!("CFO"), &Value::Null)
    );
    assert_eq!(shown["lastmodifieddate"], "2026-01-12T10:00:01.500Z");
    assert!(shown.get("nope").is_none());
    assert_eq!(
        read["associations"]["companies"]["results"][0]["id"],
        seed::HS_ACME
    );

    let target = format!("{CONTACTS}/{id}");
    assert_eq!(client.send("DELETE", &target, "", b"").await.status, 204);
    assert_eq!(client.send("DELETE", &target, "", b"").await.status, 204);
    assert_eq!(client.get(&target).await.code(), "OBJECT_NOT_FOUND");
    let archived = client.get(&format!("{target}?archived=true")).await.json();
    assert_eq!(archived["archived"], true);
    assert!(running.record(HubSpot, "contact", id).is_none());
    let kinds: Vec<EffectKind> = running
        .writes()
        .iter()
        .flat_map(|w| &w.effects)
        .map(|e| e.kind)
        .collect();
    use EffectKind::{Created, Deleted, Linked, Updated};
    assert_eq!(kinds, [Created, Linked, Linked, Updated, Deleted]);
}

#[tokio::test]
async fn writes_that_do_not_fit_say_why_and_change_nothing() {
    let (running, client, _) = started().await;
    for line in REFUSED.trim().lines() {
        let line = line
            .replace("WILE", seed::HS_WILE)
            .replace("RENEWAL", seed::HS_ACME_RENEWAL);
        let [method, path, body, status, category] =
            line.split('|').map(str::trim).collect::<Vec<_>>()[..]
        else {
            panic!("{line}");
        };
        let target = format!("/crm/v3/{path}");
        let headers = "Content-Type: application/json\r\n";
        let reply = client.send(method, &target, headers, body.as_bytes()).await;
        let came = (reply.status.to_string(), reply.code());
        assert_eq!(came, (status.to_owned(), category.to_owned()), "{line}");
    }
    assert!(running.writes().iter().all(|seen| seen.effects.is_empty()));
    let bad = json!({"properties": {"nope": "x", "ai_score": "y"}});
    let errors = client.json("POST", CONTACTS, bad).await.json()["errors"].clone();
    assert_eq!(errors[0]["code"], "PROPERTY_DOESNT_EXIST");
    assert_eq!(errors[1]["context"]["propertyName"], json!(["ai_score"]));
}

const REFUSED: &str = r#"
PATCH | objects/contacts/WILE | {"properties": {"nope": "x"}} | 400 | VALIDATION_ERROR
PATCH | objects/contacts/WILE | {"properties": {"email": "x"}} | 400 | VALIDATION_ERROR
PATCH | objects/contacts/WILE | {"properties": {"hs_object_id": "1"}} | 400 | VALIDATION_ERROR
PATCH | objects/contacts/WILE | {"properties": {"jobtitle": {"a": 1}}} | 400 | VALIDATION_ERROR
PATCH | objects/contacts/WILE | {"properties": {"email": "hank@globex.example"}} | 409 | CONFLICT
PATCH | objects/contacts/WILE | [] | 400 | VALIDATION_ERROR
PATCH | objects/contacts/WILE | { | 400 | VALIDATION_ERROR
PATCH | objects/deals/RENEWAL | {"properties": {"amount": "much"}} | 400 | VALIDATION_ERROR
PATCH | objects/deals/RENEWAL | {"properties": {"dealstage": "nope"}} | 400 | VALIDATION_ERROR
PATCH | objects/deals/RENEWAL | {"properties": {"closedate": "soon"}} | 400 | VALIDATION_ERROR
PATCH | objects/contacts/1 | {"properties": {}} | 404 | OBJECT_NOT_FOUND
PATCH | objects/contacts/x?idProperty=phone | {"properties": {}} | 400 | VALIDATION_ERROR
POST | objects/contacts | {"properties": {"email": "Wile@acme.example"}} | 409 | CONFLICT
POST | objects/nope | {"properties": {}} | 400 | VALIDATION_ERROR
POST | nope | {} | 404 | OBJECT_NOT_FOUND
PUT | objects/contacts/WILE | {} | 405 | METHOD_NOT_ALLOWED
"#;

#[tokio::test]
async fn batches_report_what_is_missing_and_take_back_what_is_wrong() {
    let (running, client, _) = started().await;
    let batch = |verb: &str| format!("{CONTACTS}/batch/{verb}");
    let inputs = |inputs: Value| json!({"inputs": inputs, "properties": ["jobtitle"]});

    let read = inputs(json!([{"id": seed::HS_WILE}, {"id": "1"}]));
    let read = client.json("POST", &batch("read"), read).await;
    assert_eq!(
        (read.status, read.json()["numErrors"].as_u64()),
        (207, Some(1))
    );
    let mut by_email = inputs(json!([{"id": "wile@acme.example"}]));
    by_email["idProperty"] = json!("email");
    let by_email = client.json("POST", &batch("read"), by_email).await;
    assert_eq!(
        (by_email.status, &by_email.json()["results"][0]["id"]),
        (200, &json!(seed::HS_WILE))
    );

    let wrong = json!([
        {"id": seed::HS_WILE, "properties": {"jobtitle": "a"}},
        {"id": seed::HS_HANK, "properties": {"nope": "a"}},
    ]);
    let refused = client
        .json("POST", &batch("update"), inputs(wrong.clone()))
        .await;
    assert_eq!(refused.status, 400);
    assert!(running.writes()[0].effects.is_empty());
    let mut traced = wrong;
    traced[0]["objectWriteTraceId"] = json!("t0");
    traced[1]["objectWriteTraceId"] = json!("t1");
    let partly = client.json("POST", &batch("update"), inputs(traced)).await;
    assert_eq!(
        (partly.status, partly.json()["numErrors"].as_u64()),
        (207, Some(1))
    );
    assert_eq!(
        partly.json()["errors"][0]["context"]["objectWriteTraceId"],
        json!(["t1"])
    );
    assert_eq!(running.writes()[1].effects.len(), 1);
}

#[tokio::test]
async fn batches_upsert_create_and_archive() {
    let (running, client, _) = started().await;
    let batch = |verb: &str| format!("{CONTACTS}/batch/{verb}");
    let inputs = |inputs: Value| json!({"inputs": inputs});
    let twice =
        json!([{"id": seed::HS_WILE, "properties": {}}, {"id": seed::HS_WILE, "properties": {}}]);
    assert_eq!(
        client
            .json("POST", &batch("update"), inputs(twice))
            .await
            .status,
        400
    );
    let upsert = json!([
        {"id": "wile@acme.example", "idProperty": "email", "properties": {"jobtitle": "b"}},
        {"id": "new@acme.example", "idProperty": "email", "properties": {"jobtitle": "c"}},
    ]);
    let upserted = client.json("POST", &batch("upsert"), inputs(upsert)).await;
    let rows = upserted.json()["results"].clone();
    assert_eq!(
        (&rows[0]["new"], &rows[1]["new"]),
        (&json!(false), &json!(true))
    );
    let new = running
        .record(HubSpot, "contacts", rows[1]["id"].as_str().unwrap())
        .unwrap();
    assert_eq!(new["email"], "new@acme.example");

    let create = json!([{"properties": {"email": "c1@x.example"}}, {"properties": {"email": "c2@x.example"}}]);
    assert_eq!(
        client
            .json("POST", &batch("create"), inputs(create))
            .await
            .status,
        201
    );
    let many = json!(vec![json!({"id": "1"}); 101]);
    assert_eq!(
        client
            .json("POST", &batch("archive"), inputs(many))
            .await
            .status,
        400
    );
    let archive = inputs(json!([{"id": seed::HS_WILE}, {"id": "1"}]));
    assert_eq!(
        client.json("POST", &batch("archive"), archive).await.status,
        204
    );
    assert!(running.record(HubSpot, "contacts", seed::HS_WILE).is_none());
}

#[tokio::test]
async fn lists_and_searches_page() {
    let (running, client, _) = started().await;
    let mut ids = Vec::new();
    let mut target = format!("{CONTACTS}?limit=2&properties=email");
    loop {
        let page = client.get(&target).await.json();
        let rows = page["results"].as_array().unwrap();
        ids.extend(
            rows.iter()
                .map(|row| row["id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["paging"]["next"]["link"].as_str() else {
            break;
        };
        // the link is absolute, by the Host that the client used
        target = next.strip_prefix(&running.base_url()).unwrap().to_owned();
    }
    assert_eq!(ids, running.ids(HubSpot, "contacts"));

    let search = |filters: Value| {
        let client = client.clone();
        async move {
            let body = json!({
                "filterGroups": [{"filters": filters}], "properties": ["name"],
                "sorts": [{"propertyName": "name", "direction": "DESCENDING"}],
            });
            let reply = client
                .json("POST", "/crm/v3/objects/companies/search", body)
                .await;
            let rows = reply.json()["results"].clone();
            let rows = rows.as_array().unwrap_or(&Vec::new()).clone();
            rows.iter()
                .map(|row| row["properties"]["name"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        }
    };
    let filter = |name: &str, operator: &str, value: &str| json!({"propertyName": name, "operator": operator, "value": value});
    let large = search(json!([filter("numberofemployees", "GT", "5000")])).await;
    assert_eq!(large, ["Umbrella Health", "Stark Manufacturing"]);
    let both = json!([
        filter("industry", "HAS_PROPERTY", ""),
        filter("name", "CONTAINS_TOKEN", "init*")
    ]);
    assert_eq!(search(both).await, ["Initech Software"]);
    assert_eq!(
        search(json!([filter("name", "EQ", "acme corporation")])).await,
        ["Acme Corporation"]
    );
    let among =
        json!([{"propertyName": "ext_id", "operator": "IN", "values": ["a-1001", "A-1006"]}]);
    assert_eq!(search(among).await, ["Wayne Logistics", "Acme Corporation"]);
    let body = json!({"filterGroups": [{"filters": [filter("nope", "EQ", "x")]}]});
    assert_eq!(
        client
            .json("POST", "/crm/v3/objects/companies/search", body)
            .await
            .status,
        400
    );
    let paged = json!({"limit": 4, "query": "e"});
    let paged = client
        .json("POST", "/crm/v3/objects/companies/search", paged)
        .await
        .json();
    assert_eq!(
        (&paged["total"], &paged["paging"]["next"]["after"]),
        (&json!(6), &json!("4"))
    );
    assert!(running.writes().is_empty(), "a search is no write");
}

#[tokio::test]
async fn merged_records_answer_to_their_old_ids_and_purged_ones_are_gone() {
    let (running, client, _) = started().await;
    let merge =
        |first: &str, second: &str| json!({"primaryObjectId": first, "objectIdToMerge": second});
    let target = format!("{CONTACTS}/merge");
    let merged = client
        .json("POST", &target, merge(seed::HS_WILE, seed::HS_HANK))
        .await;
    assert_eq!(merged.status, 200);
    let id = merged.json()["id"].as_str().unwrap().to_owned();
    for old in [seed::HS_WILE, seed::HS_HANK] {
        assert_ne!(old, id);
        assert_eq!(
            client.get(&format!("{CONTACTS}/{old}")).await.json()["id"],
            json!(id)
        );
    }
    let third = client
        .json("POST", &target, merge(seed::HS_PETER, seed::HS_HANK))
        .await
        .json();
    let wile = client
        .get(&format!("{CONTACTS}/{}", seed::HS_WILE))
        .await
        .json();
    assert_eq!(wile["id"], third["id"], "an id follows through two merges");
    let kinds: Vec<EffectKind> = running.writes()[0].effects.iter().map(|e| e.kind).collect();
    use EffectKind::{Created, MergedAway};
    assert_eq!(kinds, [Created, MergedAway, MergedAway]);

    let purge = json!({"objectId": "alice@umbrella.example", "idProperty": "email"});
    let target = format!("{CONTACTS}/gdpr-delete");
    assert_eq!(client.json("POST", &target, purge).await.status, 204);
    let gone = format!("{CONTACTS}/{}?archived=true", seed::HS_ALICE);
    assert_eq!(client.get(&gone).await.status, 404);
}

#[tokio::test]
async fn the_portal_describes_itself() {
    let (_running, client, _) = started().await;
    let listed = client.get("/crm/v3/properties/contact").await.json();
    let listed = listed["results"].as_array().unwrap().clone();
    let facts = |name: &str| {
        let property = listed.iter().find(|p| p["name"] == name).unwrap();
        let read_only = &property["modificationMetadata"]["readOnlyValue"];
        (
            property["hubspotDefined"].clone(),
            read_only.clone(),
            property["hasUniqueValue"].clone(),
        )
    };
    assert_eq!(facts("email"), (json!(true), json!(false), json!(true)));
    assert_eq!(
        facts("ai_summary"),
        (json!(false), json!(false), json!(false))
    );
    assert_eq!(
        facts("hs_object_id"),
        (json!(true), json!(true), json!(false))
    );
    let dated = client
        .get("/crm/properties/2026-03/0-3/amount")
        .await
        .json();
    assert_eq!(dated["type"], "number");
    for target in [
        "/crm/v3/owners/",
        "/crm/v3/schemas",
        "/account-info/v3/details",
    ] {
        assert_eq!(client.get(target).await.status, 200, "{target}");
    }
    let custom = client.get("/crm/v3/schemas").await.json()["results"][0].clone();
    let name = custom["fullyQualifiedName"].as_str().unwrap();
    for alias in [name, custom["objectTypeId"].as_str().unwrap()] {
        assert_eq!(
            client.get(&format!("/crm/v3/objects/{alias}")).await.status,
            200,
            "{alias}"
        );
    }
}
