//! Links between records: what was linked is unlinked, what was cut is linked again by the types that it
//! had; a link that others changed since stays.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use writegate::clock::EntryId;
use writegate::control::{Admission, Ask};
use writegate::mutation::CrmKind;
use writegate::sandbox::seed::{HS_ACME, HS_HANK, HS_PEPPER, HS_WILE};

use super::{Desk, entry, lines, sums};
use crate::support::client::Client;
use crate::support::house::TOKEN;

/// The numbers of the types by which a contact is linked to Acme.
async fn types(desk: &Desk, contact: &str) -> Vec<u64> {
    let past = Client::new(desk.house.sandbox.addr, TOKEN);
    let asked = json!({ "inputs": [{ "id": contact }] });
    let target = "/crm/v4/associations/contacts/companies/batch/read";
    let answer = past.post(target, &asked).await.json();
    let ends = answer["results"][0]["to"].as_array().cloned();
    let acme: u64 = HS_ACME.parse().unwrap();
    let mut types: Vec<u64> = ends
        .unwrap_or_default()
        .iter()
        .filter(|end| end["toObjectId"] == acme)
        .flat_map(|end| end["associationTypes"].as_array().unwrap().clone())
        .map(|kind| kind["typeId"].as_u64().unwrap())
        .collect();
    types.sort_unstable();
    types
}

fn set(number: u64) -> Value {
    json!([{ "associationCategory": "HUBSPOT_DEFINED", "associationTypeId": number }])
}

fn pair(contact: &str) -> String {
    format!("/crm/v4/objects/contacts/{contact}/associations/companies/{HS_ACME}")
}

fn made(report: &Value) -> Vec<String> {
    let made = report["summary"]["made"].as_array().unwrap().iter();
    made.map(|id| id.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_link_gets_the_types_back_that_it_had() {
    let mut input = json!({ "from": { "id": HS_HANK }, "to": { "id": HS_ACME } });
    input["types"] = set(279);
    let batch = "/crm/v4/associations/contacts/companies/batch/create";
    let default =
        format!("/crm/v4/objects/contacts/{HS_HANK}/associations/default/companies/{HS_ACME}");
    let dated = format!("/crm/objects/2026-03/contact/{HS_WILE}/associations/company/{HS_ACME}");
    let legacy = json!({ "fromObjectId": HS_WILE, "toObjectId": HS_ACME,
        "category": "HUBSPOT_DEFINED", "definitionId": 1 });
    for (method, target, body, contact, after) in [
        (
            Method::POST,
            batch.to_owned(),
            Some(json!({ "inputs": [input] })),
            HS_HANK,
            vec![279],
        ),
        (Method::PUT, default, None, HS_HANK, vec![279]),
        (Method::PUT, pair(HS_WILE), Some(set(1)), HS_WILE, vec![1]),
        (Method::PUT, dated, Some(set(1)), HS_WILE, vec![1]),
        (Method::DELETE, pair(HS_WILE), None, HS_WILE, vec![]),
        (
            Method::PUT,
            "/crm-associations/v1/associations".to_owned(),
            Some(legacy),
            HS_WILE,
            vec![1, 279],
        ),
    ] {
        let desk = Desk::open().await;
        let before = types(&desk, contact).await;
        let agent = desk.house.hubspot_agent();
        let reply = agent.send(method, &target, body.as_ref()).await;
        let written = entry(&reply);
        assert_eq!(types(&desk, contact).await, after, "{target}");
        let report = desk.undo(&[written]).await;
        assert_eq!(sums(&report), (1, 0, 0), "{target}: {report}");
        assert_eq!(types(&desk, contact).await, before, "{target}");
        // and that is an entry which can be taken back
        let report = desk.undo(&made(&report)).await;
        assert_eq!(sums(&report), (1, 0, 0), "{target}: {report}");
        assert_eq!(types(&desk, contact).await, after, "{target}");
        desk.house.finish().await;
    }
}

#[tokio::test]
async fn a_type_that_is_told_by_its_name_alone_is_not_taken_back() {
    let desk = Desk::open().await;
    let agent = desk.house.hubspot_agent();
    let named = format!("{}/contact_to_company", pair(HS_WILE).replace("v4", "v3"));
    let reply = agent.delete(&named).await;
    let report = desk.undo(&[entry(&reply)]).await;
    // one line for each end
    assert_eq!(sums(&report), (0, 0, 2), "{report}");
    let why = &lines(&report)[0].why;
    assert_eq!(*why, json!("the type of the link is told by its name only"));
    desk.house.finish().await;
}

#[tokio::test]
async fn a_link_that_others_changed_since_stays() {
    let desk = Desk::open().await;
    let agent = desk.house.hubspot_agent();
    let reply = agent.send(Method::PUT, &pair(HS_WILE), Some(&set(1))).await;
    let first = entry(&reply);
    // somebody else, who goes another way, gives it one type more
    let other = desk.house.other_agent();
    let other = Client {
        to: agent.to,
        ..other
    };
    let legacy = json!({ "fromObjectId": HS_WILE, "toObjectId": HS_ACME,
        "category": "HUBSPOT_DEFINED", "definitionId": 279 });
    let reply = other
        .send(
            Method::PUT,
            "/crm-associations/v1/associations",
            Some(&legacy),
        )
        .await;
    entry(&reply);
    let report = desk.undo(&[first]).await;
    assert_eq!(sums(&report), (0, 1, 0), "{report}");
    assert_eq!(lines(&report)[0].why, json!("changed since"));
    assert_eq!(types(&desk, HS_WILE).await, [1, 279]);
    desk.house.finish().await;
}

/// Who is on a list.
fn members(desk: &Desk, list: &str) -> Value {
    desk.field(CrmKind::HubSpot, "lists", list, "members")
}

#[tokio::test]
async fn who_came_on_a_list_leaves_it_and_who_left_comes_back() {
    let desk = Desk::open().await;
    let agent = desk.house.hubspot_agent();
    let new = json!({ "name": "A", "objectTypeId": "0-1", "processingType": "MANUAL" });
    let list = agent.post("/crm/v3/lists", &new).await.json()["list"]["listId"].clone();
    let list = list.as_str().unwrap();
    let put = async |verb: &str, body: Value| {
        let target = format!("/crm/v3/lists/{list}/memberships/{verb}");
        entry(&agent.send(Method::PUT, &target, Some(&body)).await)
    };
    put("add", json!([HS_WILE, HS_PEPPER])).await;
    // one of them was on it before, so only the other one leaves it again
    let both = json!({ "recordIdsToAdd": [HS_WILE, HS_HANK], "recordIdsToRemove": [HS_PEPPER] });
    let written = put("add-and-remove", both).await;
    assert_eq!(members(&desk, list), json!([HS_WILE, HS_HANK]));
    let report = desk.undo(std::slice::from_ref(&written)).await;
    let already = lines(&report)
        .iter()
        .filter(|line| line.action == "already")
        .count();
    assert_eq!((sums(&report), already), ((2, 0, 0), 1), "{report}");
    assert_eq!(members(&desk, list), json!([HS_WILE, HS_PEPPER]));
    // once more there is nothing left to do
    let report = desk.undo(&[written]).await;
    assert_eq!(sums(&report), (0, 0, 0), "{report}");
    desk.house.finish().await;
}

/// A link is taken back like a write to both of its ends: while somebody writes either, it waits.
#[tokio::test]
async fn a_link_is_taken_back_under_the_locks_of_both_ends() {
    let desk = Desk::open().await;
    let agent = desk.house.hubspot_agent();
    let linked = entry(
        &agent
            .send(Method::PUT, &pair(HS_HANK), Some(&set(279)))
            .await,
    );
    desk.house.idle().await;
    let route = {
        let mut routes = desk.house.app.routes.iter();
        let hubspot = routes.find(|route| route.route.crm == CrmKind::HubSpot);
        hubspot.unwrap().route.name.clone()
    };
    for end in [
        format!("contacts/{HS_HANK}"),
        format!("companies/{HS_ACME}"),
    ] {
        let reservation = EntryId::from_text(&format!("somebody at {end}"));
        let ask = Ask {
            reservation: reservation.clone(),
            service_account: "somebody".into(),
            locks: vec![format!("{route}/{end}")],
            charges: Vec::new(),
            patience: Duration::ZERO,
            now: desk.house.app.clock.now(),
        };
        let admitted = desk.house.app.control.admit(ask).await.unwrap();
        assert!(
            matches!(admitted, Admission::Granted { .. }),
            "{admitted:?}"
        );
        let report = desk.undo(std::slice::from_ref(&linked)).await;
        assert_eq!(sums(&report), (0, 1, 0), "{report}");
        assert!(report.to_string().contains("under way"), "{report}");
        desk.house.app.control.refund(&reservation).await.unwrap();
    }
    let report = desk.undo(&[linked]).await;
    assert_eq!(sums(&report), (1, 0, 0), "{report}");
    desk.house.finish().await;
}
