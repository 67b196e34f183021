//! Repeats: of what is being sent, of what was done, of what was not.

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use writegate::mutation::CrmKind;
use writegate::sandbox::seed;

use super::*;
use crate::support::client::Client;
use crate::support::house::TOKEN;

const CONTACTS: &str = "/crm/v3/objects/contacts";

#[tokio::test]
async fn identical_requests_in_flight_are_one_dispatch_with_one_answer() {
    for after in [false, true] {
        let scene = Scene::new().await;
        let (gate, wait) = gated(after);
        scene.fail(&Method::POST, ACCOUNTS, wait);
        let first = scene.create();
        gate.arrived(1).await;
        let others = [scene.create(), scene.create(), scene.create()];
        scene.repeats_wait(3).await;
        gate.open();
        let first = first.await.unwrap();
        assert_eq!(first.status, 201);
        for other in others {
            let other = other.await.unwrap();
            assert_eq!((other.status, &other.body), (first.status, &first.body));
            assert_eq!(entry(&other), entry(&first));
            assert_eq!(other.header("x-writegate-replayed"), Some("true"));
        }
        assert_eq!(scene.writes(), 1);
        scene.house.finish().await;
    }
}

#[tokio::test]
async fn two_that_come_at_once_and_are_refused_are_each_refused() {
    let rules = "crm: salesforce\ndefault: deny\n";
    let scene = Scene::of(House::builder().rules(rules)).await;
    let agent = scene.house.agent();
    let acme = account(seed::ACME);
    let body = industry("Software");
    let (one, two) = tokio::join!(agent.patch(&acme, &body), agent.patch(&acme, &body));
    assert_eq!((one.status.as_u16(), two.status.as_u16()), (403, 403));
    assert_ne!(entry(&one), entry(&two));
    assert_eq!(scene.house.count(EntryState::Refused).await, 2);
    scene.house.finish().await;
}

#[tokio::test]
async fn a_repeat_that_comes_while_the_send_runs_gets_the_same_answer() {
    let scene = Scene::new().await;
    let (gate, wait) = gated(true);
    scene.fail(&Method::POST, ACCOUNTS, wait);
    let agent = scene.house.agent();
    let body = json!({ "Name": "Nakatomi" });
    let send = |agent: Client| {
        let body = body.clone();
        tokio::spawn(async move { agent.post(ACCOUNTS, &body).await })
    };
    let first = send(agent.clone());
    gate.arrived(1).await;
    // a header that does nothing makes no other request of it
    let second = send(agent.with("x-prettyprint", "1"));
    scene.repeats_wait(1).await;
    // and another request is not held up by them
    let other = agent.post(ACCOUNTS, &json!({ "Name": "Other" })).await;
    assert_eq!(other.status, 201);
    gate.open();
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!(
        (first.status, second.status),
        (http::StatusCode::CREATED, http::StatusCode::CREATED)
    );
    assert_eq!(first.body, second.body);
    assert_eq!(first.header("x-writegate-replayed"), None);
    assert_eq!(second.header("x-writegate-replayed"), Some("true"));
    assert_eq!(scene.writes(), 2);
    let named = |id: &String| {
        let record = scene
            .house
            .sandbox
            .record(CrmKind::Salesforce, "Account", id);
        record.unwrap()["Name"] == "Nakatomi"
    };
    let ids = scene.house.sandbox.ids(CrmKind::Salesforce, "Account");
    assert_eq!(ids.iter().filter(|id| named(id)).count(), 1);
    scene.house.finish().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_and_repeats_finds_its_write() {
    let scene = Scene::new().await;
    let (gate, wait) = gated(true);
    scene.fail(&Method::POST, ACCOUNTS, wait);
    let body = json!({ "Name": "Nakatomi" });
    let text = body.to_string();
    let mut stream = TcpStream::connect(scene.house.salesforce).await.unwrap();
    let request = format!(
        "POST {ACCOUNTS} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
        scene.house.salesforce,
        text.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    gate.arrived(1).await;
    drop(stream);
    let repeat = tokio::spawn({
        let agent = scene.house.agent();
        async move { agent.post(ACCOUNTS, &body).await }
    });
    scene.repeats_wait(1).await;
    gate.open();
    let repeat = repeat.await.unwrap();
    assert_eq!(repeat.status, 201);
    assert_eq!(repeat.header("x-writegate-replayed"), Some("true"));
    assert_eq!(scene.writes(), 1);
    scene.house.finish().await;
}

#[tokio::test]
async fn a_repeat_of_a_lost_send_is_told_the_same() {
    let scene = Scene::new().await;
    let (gate, wait) = gated(false);
    scene.fail(&Method::POST, ACCOUNTS, wait);
    scene.fail(&Method::POST, ACCOUNTS, Fault::CloseAfterEffect);
    let first = scene.create();
    gate.arrived(1).await;
    let second = scene.create();
    scene.repeats_wait(1).await;
    gate.open();
    let doubt = doubtful(&first.await.unwrap());
    assert_eq!(doubtful(&second.await.unwrap()), doubt);
    assert_eq!(scene.writes(), 1);
    scene.house.finish().await;
}

#[tokio::test]
async fn what_was_done_answers_its_repeats_for_a_day() {
    let scene = Scene::new().await;
    let agent = scene.house.agent();
    let acme = account(seed::ACME);
    let doubt = scene.doubt(Fault::CloseAfterEffect).await;
    scene.look().await;
    let reply = agent.patch(&acme, &industry("Software")).await;
    assert_eq!((reply.status.as_u16(), reply.body.len()), (204, 0));
    assert_eq!(reply.header("x-writegate-replayed"), Some("true"));
    assert_eq!(entry(&reply), doubt);
    assert_eq!(scene.writes(), 1);
    scene.clock.advance_ms(24 * 3_600_000);
    let reply = agent.patch(&acme, &industry("Software")).await;
    assert_eq!(reply.header("x-writegate-replayed"), None);
    assert_eq!(scene.writes(), 2);
    scene.house.finish().await;
}

#[tokio::test]
async fn after_another_write_to_the_record_the_same_request_is_no_repeat() {
    let scene = Scene::new().await;
    let (agent, other) = (scene.house.agent(), scene.house.other_agent());
    let acme = account(seed::ACME);
    for between in [&agent, &other] {
        scene.doubt(Fault::CloseAfterEffect).await;
        assert_eq!(scene.look().await.len(), 1);
        let by_key = "/services/data/v60.0/sobjects/Account/Ext_Id__c/A-1001";
        let reply = between.patch(by_key, &industry("Retail")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let reply = agent.patch(&acme, &industry("Software")).await;
        assert_eq!(reply.header("x-writegate-replayed"), None);
        assert_eq!(scene.field(seed::ACME, "Industry"), "Software");
        assert_eq!(agent.patch(&acme, &industry("Media")).await.status, 204);
    }
    scene.house.finish().await;
}

#[tokio::test]
async fn who_waits_is_sent_itself_where_the_first_one_was_not() {
    let scene = Scene::new().await;
    let (gate, wait) = gated(false);
    scene.fail(&Method::POST, ACCOUNTS, wait);
    let refused = Fault::Answer {
        status: 401,
        headers: Vec::new(),
        body: "[]".into(),
    };
    scene.fail(&Method::POST, ACCOUNTS, refused);
    let first = scene.create();
    gate.arrived(1).await;
    let second = scene.create();
    scene.repeats_wait(1).await;
    gate.open();
    assert_eq!(first.await.unwrap().status, 401);
    assert_eq!(second.await.unwrap().status, 201);
    assert_eq!(scene.writes(), 2);
    scene.house.finish().await;
}

#[tokio::test]
async fn what_was_not_done_is_a_new_write() {
    let scene = Scene::new().await;
    let agent = scene.house.agent();
    let acme = account(seed::ACME);
    let doubt = scene.doubt(Fault::CloseBeforeEffect).await;
    // the CRM may still be at work
    assert!(scene.look().await.is_empty());
    is_blocked_by(&agent.patch(&acme, &industry("Software")).await, &doubt);
    scene.wait_out();
    assert_eq!(scene.look().await.len(), 1);
    let reply = agent.patch(&acme, &industry("Software")).await;
    assert_eq!(reply.status, 204);
    assert_eq!(reply.header("x-writegate-replayed"), None);
    assert_ne!(entry(&reply), doubt);
    assert_eq!(scene.writes(), 2);
    scene.house.finish().await;
}

#[tokio::test]
async fn a_write_that_the_crm_does_late_is_not_taken_for_undone() {
    let scene = Scene::new().await;
    let doubt = scene.doubt(Fault::CloseBeforeEffect).await;
    assert!(scene.look().await.is_empty());
    // what the connection's end hid: it is done a moment later
    let sandbox = &scene.house.sandbox;
    sandbox.set_field(
        CrmKind::Salesforce,
        "Account",
        seed::ACME,
        "Industry",
        json!("Software"),
    );
    scene.clock.advance_ms(1_000);
    assert_eq!(scene.look().await.len(), 1);
    assert_eq!(scene.state(&doubt).await, EntryState::Done);
    scene.house.finish().await;
}

#[tokio::test]
async fn answers_of_repeats_have_the_crms_own_shape() {
    let scene = Scene::new().await;
    let (agent, hubspot) = (scene.house.agent(), scene.house.hubspot_agent());
    let keyed = "/services/data/v60.0/sobjects/Account/Ext_Id__c/Z-1";
    let existing = "/services/data/v60.0/sobjects/Account/Ext_Id__c/A-1002";
    let collections = "/services/data/v60.0/composite/sobjects";
    let two = json!({ "allOrNone": false, "records": [
        { "attributes": { "type": "Account" }, "id": seed::WAYNE, "Rating": "Hot" },
        { "attributes": { "type": "Account" }, "id": seed::HOOLI, "Rating": "Cold" },
    ]});
    let email = json!({ "properties": { "email": "new@acme.example", "firstname": "Neo" } });
    let title = json!({ "properties": { "jobtitle": "Founder" } });
    let wile = format!("{CONTACTS}/{}", seed::HS_WILE);
    let peter = format!("{CONTACTS}/{}", seed::HS_PETER);
    let tyrell = account(seed::TYRELL);
    let cases = [
        (
            &agent,
            Method::POST,
            ACCOUNTS,
            json!({ "Name": "Nakatomi" }),
            201,
        ),
        (
            &agent,
            Method::PATCH,
            keyed,
            json!({ "Name": "Keyed" }),
            201,
        ),
        (
            &agent,
            Method::PATCH,
            existing,
            json!({ "Rating": "Warm" }),
            200,
        ),
        (&agent, Method::PATCH, collections, two, 200),
        (&agent, Method::DELETE, &tyrell, Value::Null, 204),
        (&hubspot, Method::POST, CONTACTS, email, 201),
        (&hubspot, Method::PATCH, &wile, title, 200),
        (&hubspot, Method::DELETE, &peter, Value::Null, 204),
    ];
    for (agent, method, target, body, status) in cases {
        let body = Some(&body).filter(|body| !body.is_null());
        scene.fail(&method, target, Fault::CloseAfterEffect);
        let doubt = doubtful(&agent.send(method.clone(), target, body).await);
        assert_eq!(scene.look().await.len(), 1, "{method} {target}");
        let sent = scene.writes();
        let reply = agent.send(method.clone(), target, body).await;
        assert_eq!(
            reply.status.as_u16(),
            status,
            "{method} {target}: {}",
            reply.text()
        );
        assert_eq!(scene.writes(), sent, "{method} {target}");
        assert_eq!(entry(&reply), doubt);
        assert_eq!(reply.header("x-writegate-replayed"), Some("true"));
        told_as_done(&scene.house, &reply, status);
    }
    scene.house.finish().await;
}

/// Nothing in a replayed answer is made up: what it names is there, as it says.
fn told_as_done(house: &House, reply: &Reply, status: u16) {
    if status == 204 {
        assert!(reply.body.is_empty());
        return;
    }
    let body = reply.json();
    let rows = body.as_array().cloned().unwrap_or_else(|| vec![body]);
    for row in rows {
        let id = row["id"].as_str().unwrap();
        if let Some(properties) = row.get("properties").and_then(Value::as_object) {
            let record = house
                .sandbox
                .record(CrmKind::HubSpot, "contacts", id)
                .unwrap();
            let shown = record
                .get("properties")
                .and_then(Value::as_object)
                .unwrap_or(&record);
            for name in ["email", "firstname", "jobtitle"] {
                if let Some(value) = properties.get(name) {
                    assert_eq!(shown[name], *value, "{name}");
                }
            }
        } else {
            assert_eq!(row["success"], json!(true));
            assert_eq!(row["errors"], json!([]));
            let record = house.sandbox.record(CrmKind::Salesforce, "Account", id);
            assert!(record.is_some(), "{id}");
        }
    }
}

#[tokio::test]
async fn a_batch_that_was_partly_done_says_which_rows_are_missing() {
    let scene = Scene::new().await;
    let agent = scene.house.agent();
    let batch = json!({ "allOrNone": false, "records": [
        { "attributes": { "type": "Account" }, "id": seed::ACME, "Rating": "Hot" },
        { "attributes": { "type": "Account" }, "id": seed::GLOBEX, "Rating": "No such rating".repeat(40) },
        { "attributes": { "type": "Account" }, "id": seed::WAYNE, "Rating": "Cold" },
    ]});
    let collections = "/services/data/v60.0/composite/sobjects";
    scene.fail(&Method::PATCH, collections, Fault::CloseAfterEffect);
    let doubt = doubtful(&agent.patch(collections, &batch).await);
    let rating = |id| {
        let record = scene
            .house
            .sandbox
            .record(CrmKind::Salesforce, "Account", id);
        record.unwrap()["Rating"].clone()
    };
    assert_eq!(rating(seed::ACME), "Hot");
    assert_ne!(rating(seed::GLOBEX), "Hot");
    assert!(
        scene.look().await.is_empty(),
        "the CRM may still be at work on the second row"
    );
    scene.wait_out();
    assert_eq!(scene.look().await.len(), 1);
    assert_eq!(scene.state(&doubt).await, EntryState::Partly);
    let reply = agent.patch(collections, &batch).await;
    assert_eq!(doubtful(&reply), doubt);
    assert!(
        reply.message().contains("but for records[1]"),
        "{}",
        reply.message()
    );
    assert_eq!(scene.writes(), 1);
    // the missing row alone is a new write
    let alone = json!({ "allOrNone": false, "records": [
        { "attributes": { "type": "Account" }, "id": seed::GLOBEX, "Rating": "Hot" },
    ]});
    assert_eq!(agent.patch(collections, &alone).await.status, 200);
    assert_eq!(rating(seed::GLOBEX), "Hot");
    scene.house.finish().await;
}

#[tokio::test]
async fn a_hubspot_batch_that_was_done_is_told_in_words() {
    let scene = Scene::new().await;
    let hubspot = scene.house.hubspot_agent();
    let target = format!("{CONTACTS}/batch/update");
    let batch = json!({ "inputs": [
        { "id": seed::HS_WILE, "properties": { "jobtitle": "A" } },
        { "id": seed::HS_HANK, "properties": { "jobtitle": "B" } },
    ]});
    scene.fail(&Method::POST, &target, Fault::CloseAfterEffect);
    let doubt = doubtful(&hubspot.post(&target, &batch).await);
    assert_eq!(scene.look().await.len(), 1);
    assert_eq!(scene.state(&doubt).await, EntryState::Done);
    let reply = hubspot.post(&target, &batch).await;
    assert_eq!(doubtful(&reply), doubt);
    assert!(
        reply.message().contains("carried out"),
        "{}",
        reply.message()
    );
    assert_eq!(scene.writes(), 1);
    scene.house.finish().await;
}

#[tokio::test]
async fn a_stopped_account_gets_no_settled_answer() {
    let scene = Scene::new().await;
    let agent = scene.house.agent();
    let acme = account(seed::ACME);
    scene.doubt(Fault::CloseAfterEffect).await;
    scene.look().await;
    let switch = writegate::control::Switch {
        service_account: "enrichment-agent".into(),
        scope: writegate::control::SwitchScope::Writes,
        by: "dana".into(),
        reason: "test".into(),
        at: scene.clock.now(),
        limit: None,
    };
    let change = writegate::control::SwitchChange::Throw(switch);
    scene.house.app.control.set_switch(change).await.unwrap();
    let reply = agent.patch(&acme, &industry("Software")).await;
    assert_eq!(reply.code(), "WRITEGATE_STOPPED");
    scene.house.finish().await;
}

#[tokio::test]
async fn nothing_is_not_applied_before_the_crm_had_its_ten_minutes() {
    let scene = Scene::new().await;
    let acme = account(seed::ACME);
    scene.fail(&Method::PATCH, &acme, Fault::CloseBeforeEffect);
    let agent = scene.house.agent();
    let doubt = doubtful(&agent.patch(&acme, &industry("Software")).await);
    for _ in 0..9 {
        scene.clock.advance_ms(60_000);
        assert!(scene.look().await.is_empty());
        is_blocked_by(&agent.patch(&acme, &industry("Software")).await, &doubt);
    }
    // it lands at last
    let sandbox = &scene.house.sandbox;
    sandbox.set_field(
        CrmKind::Salesforce,
        "Account",
        seed::ACME,
        "Industry",
        json!("Software"),
    );
    scene.clock.advance_ms(61_000);
    assert_eq!(scene.look().await.len(), 1);
    assert_eq!(scene.state(&doubt).await, EntryState::Done);
    assert_eq!(scene.writes(), 1);
    scene.house.finish().await;
}
