//! P10: reads and allowed writes come back as the CRM gave them.

mod connections;
mod same;
mod streaming;

use serde_json::json;
use writegate::mutation::CrmKind;
use writegate::sandbox::seed;

use super::support::house::House;

#[tokio::test]
async fn a_read_comes_back_as_the_crm_gave_it() {
    let house = House::builder().build().await;
    let target = format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME);
    let reply = house.agent().get(&target).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["Name"], "Acme Corporation");
    assert!(reply.header("sforce-limit-info").is_some());
    assert!(reply.header("x-writegate-entry").is_none());
    house.finish().await;
}

#[tokio::test]
async fn an_allowed_write_reaches_the_crm_and_the_ledger() {
    let house = House::builder().build().await;
    let target = format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME);
    let reply = house
        .agent()
        .patch(&target, &json!({ "Industry": "Software" }))
        .await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    let record = house
        .sandbox
        .record(CrmKind::Salesforce, "Account", seed::ACME)
        .unwrap();
    assert_eq!(record["Industry"], "Software");
    let entries = house.entries().await;
    assert_eq!(entries.len(), 1);
    assert_eq!(
        reply.header("x-writegate-entry").unwrap(),
        entries[0].id.as_str()
    );
    house.finish().await;
}

#[tokio::test]
async fn a_hubspot_write_reaches_the_crm_and_the_ledger() {
    let house = House::builder().build().await;
    let target = format!("/crm/v3/objects/companies/{}", seed::HS_ACME);
    let body = json!({ "properties": { "industry": "COMPUTER_SOFTWARE" } });
    let reply = house.hubspot_agent().patch(&target, &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["properties"]["industry"], "COMPUTER_SOFTWARE");
    house.finish().await;
}
