//! One record by all its names is judged as one record: an account's own types by every name that its
//! schemas give them, a record by an id from before a merge and by another key.

use http::Method;
use serde_json::{Value, json};
use writegate::mutation::CrmKind;
use writegate::sandbox::seed::{HS_HANK, HS_PETER};
use writegate::sandbox::{Fault, Head};

use super::support::client::Client;
use super::support::house::{House, TOKEN};

const RULES: &str = "
crm: hubspot
default: deny
objects:
  p_health_checks:
    create: { agents: allow }
    fields: { name: { agents: allow }, score: { agents: deny, owner: RevOps } }
  contacts:
    fields: { jobtitle: { agents: allow }, city: { agents: allow } }
rules:
  - name: customers
    applies: { object: contacts }
    when: { before.lifecyclestage: customer }
    then: deny
";

const NAMES: [&str; 6] = [
    "2-1442021",
    "p_health_checks",
    "P_Health_Checks",
    "p1442021_health_checks",
    "P1442021_HEALTH_CHECKS",
    "health_checks",
];

fn schemas(house: &House) -> usize {
    let seen = house.sandbox.seen();
    seen.iter()
        .filter(|seen| seen.target == "/crm/v3/schemas")
        .count()
}

#[tokio::test]
async fn an_accounts_own_type_is_one_type_by_every_name() {
    let house = House::builder().rules(RULES).build().await;
    let agent = house.agent_of(CrmKind::HubSpot);
    let new = json!({"properties": {"name": "first"}});
    let reply = agent.post("/crm/v3/objects/2-1442021", &new).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    for (root, name) in ["/crm/v3/objects", "/crm/objects/2026-03"]
        .into_iter()
        .flat_map(|root| NAMES.map(|name| (root, name)))
    {
        let target = format!("{root}/{name}/{id}");
        let score = json!({"properties": {"score": "1"}});
        let reply = agent.patch(&target, &score).await;
        assert_eq!(
            reply.code(),
            "WRITEGATE_DENIED",
            "{target}: {}",
            reply.text()
        );
        assert!(
            reply.message().contains("p_health_checks.score"),
            "{}",
            reply.text()
        );
        // of these the sandbox knows fewer than the proxy
        if name == name.to_lowercase() {
            let other = json!({"properties": {"name": format!("by {name} {root}")}});
            let reply = agent.patch(&target, &other).await;
            assert!(reply.status.is_success(), "{target}: {}", reply.text());
        }
    }
    assert_eq!(schemas(&house), 1);
    // a name that nobody has stands for nothing, however often it is tried
    for _ in 0..3 {
        let target = format!("/crm/v3/objects/2-9/{id}");
        let reply = agent
            .patch(&target, &json!({"properties": {"name": "x"}}))
            .await;
        assert_eq!(reply.code(), "WRITEGATE_OPAQUE", "{}", reply.text());
    }
    assert_eq!(schemas(&house), 1);
    house.finish().await;
}

#[tokio::test]
async fn a_type_whose_schema_cannot_be_read_is_not_guessed() {
    let house = House::builder().rules(RULES).build().await;
    let fault = Fault::Answer {
        status: 403,
        headers: vec![("content-type".into(), "application/json".into())],
        body: r#"{"category":"MISSING_SCOPES"}"#.into(),
    };
    let of_schemas = |head: &Head<'_>| head.path == "/crm/v3/schemas";
    house.sandbox.script(of_schemas, usize::MAX, fault);
    let agent = house.agent_of(CrmKind::HubSpot);
    for name in NAMES {
        let target = format!("/crm/v3/objects/{name}");
        let reply = agent
            .post(&target, &json!({"properties": {"name": "x"}}))
            .await;
        assert_eq!(reply.code(), "WRITEGATE_OPAQUE", "{}", reply.text());
    }
    assert!(house.sandbox.writes().is_empty());
    house.finish().await;
}

#[tokio::test]
async fn a_record_by_an_older_id_or_another_key_is_the_record_that_it_leads_to() {
    let house = House::builder().rules(RULES).build().await;
    let past = Client::new(house.sandbox.addr, TOKEN);
    // a customer takes up somebody who is none: both ids and both addresses lead to the customer
    let merge = json!({"primaryObjectId": HS_HANK, "objectIdToMerge": HS_PETER});
    let reply = past.post("/crm/v3/objects/contacts/merge", &merge).await;
    assert!(reply.status.is_success(), "{}", reply.text());
    let merged = reply.json()["id"].as_str().unwrap().to_owned();
    let agent = house.agent_of(CrmKind::HubSpot);
    let new: Value = json!({"properties": {"jobtitle": "CFO"}});
    let old = json!({"properties": [{"property": "jobtitle", "value": "CFO"}]});
    let row = |id: &str| json!({"inputs": [{"id": id, "properties": {"jobtitle": "CFO"}}]});
    for (method, target, body) in [
        (
            Method::PATCH,
            format!("/crm/v3/objects/contacts/{merged}"),
            new.clone(),
        ),
        (
            Method::PATCH,
            format!("/crm/v3/objects/contacts/{HS_HANK}"),
            new.clone(),
        ),
        (
            Method::PATCH,
            format!("/crm/v3/objects/0-1/{HS_PETER}"),
            new.clone(),
        ),
        (
            Method::PATCH,
            "/crm/objects/2026-03/contacts/hank@globex.example?idProperty=email".to_owned(),
            new,
        ),
        (
            Method::POST,
            "/crm/v3/objects/contacts/batch/update".to_owned(),
            row(HS_PETER),
        ),
        (
            Method::POST,
            format!("/contacts/v1/contact/vid/{HS_PETER}/profile"),
            old.clone(),
        ),
        (
            Method::POST,
            "/contacts/v1/contact/createOrUpdate/email/hank@globex.example".to_owned(),
            old,
        ),
    ] {
        let reply = agent.send(method, &target, Some(&body)).await;
        assert_eq!(
            reply.code(),
            "WRITEGATE_DENIED",
            "{target}: {}",
            reply.text()
        );
        assert_eq!(
            reply.json()["context"]["rule"][0],
            "rule customers",
            "{}",
            reply.text()
        );
    }
    assert_eq!(house.sandbox.writes().len(), 1);
    house.close().await;
}
