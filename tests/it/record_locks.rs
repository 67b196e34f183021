//! Writes to one record come one after the other, by whatever key they name it; what somebody else
//! changes in between is noticed where the CRM can tell.

use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use writegate::journal::read::{self, EntryState};
use writegate::ledger::RowKind;
use writegate::mutation::CrmKind;
use writegate::sandbox::{Fault, Gate, seed};

use super::support::client::{Client, Reply};
use super::support::doctored::Doctored;
use super::support::house::House;

const FILL: &str = "
crm: salesforce
objects:
  Account: { fields: { Industry: { agents: fill-else-deny } } }
";
const FILL_HUBSPOT: &str = "
crm: hubspot
objects:
  companies: { fields: { industry: { agents: fill-else-deny } } }
";

fn account(key: &str) -> String {
    format!("/services/data/v60.0/sobjects/Account/{key}")
}

fn start(client: &Client, target: &str, body: Value) -> JoinHandle<Reply> {
    let (client, target) = (client.clone(), target.to_owned());
    tokio::spawn(async move { client.patch(&target, &body).await })
}

/// The first write waits at the CRM while the second asks; what the second was told.
async fn one_after_the_other(
    house: &House,
    control: &Doctored,
    client: &Client,
    (first, second): (&str, &str),
    bodies: (Value, Value),
) -> Reply {
    let gate = Gate::new();
    let held = Fault::WaitBeforeEffect(gate.clone());
    house
        .sandbox
        .script(|head| head.method == Method::PATCH, 1, held);
    let first = start(client, first, bodies.0);
    gate.arrived(1).await;
    let second = start(client, second, bodies.1);
    control.waiting(1).await;
    gate.open();
    let first = first.await.unwrap();
    assert!(first.status.is_success(), "{}", first.text());
    second.await.unwrap()
}

#[tokio::test]
async fn the_second_write_to_a_record_sees_what_the_first_wrote() {
    let control = Doctored::new();
    let house = House::builder()
        .rules(FILL)
        .control(control.clone())
        .build()
        .await;
    let target = account(seed::ACME);
    let bodies = (
        json!({ "Industry": "Energy" }),
        json!({ "Industry": "Retail" }),
    );
    let agent = house.agent();
    let told = one_after_the_other(&house, &control, &agent, (&target, &target), bodies).await;
    assert_eq!(told.code(), "WRITEGATE_DENIED");
    assert!(
        told.message()
            .contains("Account.Industry already has a value"),
        "{}",
        told.message()
    );
    let record = house
        .sandbox
        .record(CrmKind::Salesforce, "Account", seed::ACME);
    assert_eq!(record.unwrap()["Industry"], "Energy");
    house.finish().await;
}

#[tokio::test]
async fn without_rules_that_look_the_snapshots_follow_each_other_too() {
    let control = Doctored::new();
    let house = House::builder().control(control.clone()).build().await;
    let target = account(seed::ACME);
    let bodies = (
        json!({ "Industry": "Energy" }),
        json!({ "Industry": "Retail" }),
    );
    let agent = house.agent();
    let told = one_after_the_other(&house, &control, &agent, (&target, &target), bodies).await;
    assert_eq!(told.status, 204);
    let newest = house.entries().await.remove(0);
    let detail = read::detail(&*house.ledger, &newest.id)
        .await
        .unwrap()
        .unwrap();
    let industry = &detail.changes[0].fields["Industry"];
    assert_eq!(
        (&industry.before, &industry.after),
        (&Some(json!("Energy")), &Some(json!("Retail")))
    );
    house.finish().await;
}

#[tokio::test]
async fn a_record_is_one_record_by_whatever_key_it_is_named() {
    let by_id = account(seed::ACME);
    let by_key = account("Ext_Id__c/A-1001");
    for (first, second) in [(&by_id, &by_key), (&by_key, &by_id)] {
        let control = Doctored::new();
        let house = House::builder()
            .rules(FILL)
            .control(control.clone())
            .build()
            .await;
        let bodies = (
            json!({ "Industry": "Energy" }),
            json!({ "Industry": "Retail" }),
        );
        let agent = house.agent();
        let told = one_after_the_other(&house, &control, &agent, (first, second), bodies).await;
        assert_eq!(told.code(), "WRITEGATE_DENIED", "{}", told.text());
        house.finish().await;
    }
}

#[tokio::test]
async fn the_same_where_the_crm_has_no_conditional_writes() {
    let by_id = format!("/crm/v3/objects/companies/{}", seed::HS_ACME);
    let by_key = "/crm/v3/objects/companies/A-1001?idProperty=ext_id".to_owned();
    for (first, second) in [(&by_id, &by_key), (&by_key, &by_id)] {
        let control = Doctored::new();
        let builder = House::builder()
            .rules(FILL_HUBSPOT)
            .control(control.clone());
        let house = builder.build().await;
        let write = |value: &str| json!({ "properties": { "industry": value } });
        let bodies = (write("FINANCIAL_SERVICES"), write("RETAIL"));
        let agent = house.hubspot_agent();
        let told = one_after_the_other(&house, &control, &agent, (first, second), bodies).await;
        assert_eq!(told.code(), "WRITEGATE_DENIED", "{}", told.text());
        let record = house
            .sandbox
            .record(CrmKind::HubSpot, "companies", seed::HS_ACME);
        assert_eq!(record.unwrap()["industry"], "FINANCIAL_SERVICES");
        house.finish().await;
    }
}

#[tokio::test]
async fn what_somebody_else_changed_meanwhile_is_not_overwritten() {
    let house = House::builder().rules(FILL).build().await;
    let wait = house.ledger.hold_next(RowKind::Opened);
    let write = start(
        &house.agent(),
        &account(seed::ACME),
        json!({ "Industry": "Energy" }),
    );
    wait.arrived().await;
    let changed = house.sandbox.set_field(
        CrmKind::Salesforce,
        "Account",
        seed::ACME,
        "Industry",
        json!("Banking"),
    );
    assert!(changed);
    wait.open();
    let told = write.await.unwrap();
    assert_eq!(
        (told.status.as_u16(), told.code().as_str()),
        (429, "WRITEGATE_LIMITED")
    );
    assert!(
        told.message()
            .starts_with("Not written: the record was changed by someone else")
    );
    assert_eq!(told.header("retry-after"), Some("1"));
    let record = house
        .sandbox
        .record(CrmKind::Salesforce, "Account", seed::ACME);
    assert_eq!(record.unwrap()["Industry"], "Banking");
    assert_eq!(house.count(EntryState::Failed).await, 1);
    // the record is free again, and the rule sees what is there now
    let again = house
        .agent()
        .patch(&account(seed::ACME), &json!({ "Industry": "Energy" }))
        .await;
    assert_eq!(again.code(), "WRITEGATE_DENIED");
    house.finish().await;
}

#[tokio::test]
async fn patience_ends_after_two_seconds() {
    let house = House::builder().build().await;
    let gate = Gate::new();
    let held = Fault::WaitBeforeEffect(gate.clone());
    house
        .sandbox
        .script(|head| head.method == Method::PATCH, 1, held);
    let first = start(
        &house.agent(),
        &account(seed::ACME),
        json!({ "Industry": "Energy" }),
    );
    gate.arrived(1).await;
    let second = json!({ "Industry": "Retail" });
    let told = house
        .other_agent()
        .patch(&account(seed::ACME), &second)
        .await;
    assert_eq!(
        (told.status.as_u16(), told.code().as_str()),
        (429, "WRITEGATE_LIMITED")
    );
    assert_eq!(told.header("retry-after"), Some("2"));
    // another record is nobody's business
    let other = house
        .other_agent()
        .patch(&account(seed::GLOBEX), &second)
        .await;
    assert_eq!(other.status, 204);
    gate.open();
    assert_eq!(first.await.unwrap().status, 204);
    house.finish().await;
}
