//! A 401 to a token of our own leads to one more token and one more sending: of reads, of prior reads, of
//! writes, of releases; with one entry, and once for all who meet it at the same time.

use http::Method;
use serde_json::json;
use writegate::journal::read::EntryState;
use writegate::mutation::CrmKind;
use writegate::sandbox::{Fault, Gate};

use super::{
    BOTH, agent, client_credentials, clock, create, house, keys_stayed, logins, read, row,
    statuses, twice, update,
};
use crate::support::client::Client;
use crate::support::house::{APPROVER, OPERATOR};

#[tokio::test]
async fn of_reads_with_and_without_a_body() {
    for crm in BOTH {
        let house = house(&clock()).build().await;
        assert_eq!(read(&house, crm).await.status, 200);
        house.sandbox.revoke();
        assert_eq!(read(&house, crm).await.status, 200);
        assert_eq!(logins(&house), 2);
        house.finish().await;
    }
    let house = house(&clock()).build().await;
    let agent = agent(&house, CrmKind::HubSpot);
    let search = "/crm/v3/objects/companies/search";
    assert_eq!(agent.post(search, &json!({})).await.status, 200);
    house.sandbox.revoke();
    assert_eq!(agent.post(search, &json!({})).await.status, 200);
    house.finish().await;
}

#[tokio::test]
async fn but_a_large_body_that_was_streamed_is_the_agents_to_send_again() {
    let clock = clock();
    let house = house(&clock).build().await;
    let agent = agent(&house, CrmKind::HubSpot);
    let search = "/crm/v3/objects/companies/search";
    assert_eq!(agent.post(search, &json!({})).await.status, 200);
    house.sandbox.revoke();
    let padding = " ".repeat(100_000);
    let body = format!("{{{padding}}}");
    let reply = agent
        .raw(Method::POST, search, Some(body.clone().into()))
        .await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert_eq!(reply.header("retry-after"), Some("1"));
    let reply = agent.raw(Method::POST, search, Some(body.into())).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    house.finish().await;
}

#[tokio::test]
async fn of_the_look_before_a_write() {
    for crm in BOTH {
        let house = house(&clock()).build().await;
        assert_eq!(read(&house, crm).await.status, 200);
        house.sandbox.revoke();
        let reply = update(&house, crm, "Ulm").await;
        assert!(reply.status.is_success(), "{}", reply.text());
        // the look found out, so the write went once
        assert_eq!(statuses(&house).len(), 1);
        assert_eq!(twice(&house).await, [false]);
        assert_eq!(logins(&house), 2);
        house.finish().await;
    }
}

#[tokio::test]
async fn of_a_write_under_the_same_entry_which_says_so() {
    for crm in BOTH {
        let house = house(&clock()).build().await;
        assert_eq!(read(&house, crm).await.status, 200);
        house.sandbox.revoke();
        let before = house.sandbox.ids(crm, object(crm)).len();
        let reply = create(&house, crm, "New Inc.").await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        assert_eq!(statuses(&house), [401, 201]);
        let effects: usize = house
            .sandbox
            .writes()
            .iter()
            .map(|seen| seen.effects.len())
            .sum();
        assert_eq!(effects, 1);
        assert_eq!(house.sandbox.ids(crm, object(crm)).len(), before + 1);
        let entries = house.entries().await;
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].state, EntryState::Done);
        assert_eq!(twice(&house).await, [true]);
        // and the same bytes went both times
        let writes = house.sandbox.writes();
        assert_eq!(writes[0].body, writes[1].body);
        assert_eq!(writes[0].target, writes[1].target);
        keys_stayed(&house);
        house.close().await;
    }
}

fn object(crm: CrmKind) -> &'static str {
    match crm {
        CrmKind::Salesforce => "Account",
        CrmKind::HubSpot => "companies",
    }
}

#[tokio::test]
async fn once_for_all_who_meet_it_together() {
    let house = house(&clock()).build().await;
    assert_eq!(read(&house, CrmKind::Salesforce).await.status, 200);
    house.sandbox.revoke();
    let all: Vec<_> = (0..40)
        .map(|_| {
            let agent = agent(&house, CrmKind::Salesforce);
            tokio::spawn(async move { agent.get(&row(CrmKind::Salesforce)).await.status })
        })
        .collect();
    for one in all {
        assert_eq!(one.await.unwrap(), 200);
    }
    assert_eq!(logins(&house), 2);
    house.finish().await;
}

/// Between the 401 and the second sending there is time for a kill.
#[tokio::test]
async fn but_not_for_a_service_account_that_was_stopped_meanwhile() {
    let house = house(&clock()).build().await;
    let crm = CrmKind::Salesforce;
    assert_eq!(read(&house, crm).await.status, 200);
    house.sandbox.revoke();
    let gate = Gate::new();
    let waits = Fault::WaitBeforeEffect(gate.clone());
    let login = |head: &writegate::sandbox::Head<'_>| head.path.ends_with("/token");
    house.sandbox.script(login, 1, waits);
    let operators = house.operators().await;
    let writer = agent(&house, crm);
    let mut write = tokio::spawn(async move {
        let target = "/services/data/v60.0/sobjects/Account";
        writer.post(target, &json!({ "Name": "New Inc." })).await
    });
    tokio::select! {
        () = gate.arrived(1) => {}
        answer = &mut write => panic!("it did not ask for a token: {answer:?}"),
    }
    let dana = Client::new(operators, OPERATOR);
    let wish = json!({ "scope": "writes", "reason": "test" });
    let killed = dana
        .send(Method::PUT, "/api/v1/switches/scoring-agent", Some(&wish))
        .await;
    assert_eq!(killed.status, 200, "{}", killed.text());
    gate.open();
    let reply = write.await.unwrap();
    assert_eq!(reply.code(), "WRITEGATE_STOPPED", "{}", reply.text());
    assert_eq!(statuses(&house), [401]);
    let sent = house.count(EntryState::NotSent).await;
    assert_eq!(sent, 1);
    house.close().await;
}

const HELD: &str = "
crm: salesforce
default: hold
objects:
  '*': { create: { agents: hold } }
";

#[tokio::test]
async fn of_a_release_which_is_still_one_entry() {
    let house = house(&clock())
        .rules(HELD)
        .configure(|config| {
            config.routes[0].release_credential = Some(client_credentials());
            config.service_accounts[2].credentials.clear();
            config.service_accounts[2].tokens =
                std::mem::take(&mut config.service_accounts[0].tokens);
        })
        .build()
        .await;
    let agent = house.agent();
    let target = "/services/data/v60.0/sobjects/Account";
    let body = json!({ "Name": "New Inc." });
    let held = agent.post(target, &body).await;
    assert_eq!(held.code(), "WRITEGATE_HELD", "{}", held.text());
    // the token is good for the look before it, and over when it is sent
    let gate = Gate::new();
    let probe = |head: &writegate::sandbox::Head<'_>| {
        head.path.starts_with("/services/data") && head.method == Method::GET
    };
    house
        .sandbox
        .script(probe, 1, Fault::WaitAfterEffect(gate.clone()));
    let operators = house.operators().await;
    let ann = Client::new(operators, APPROVER);
    let holds = ann.get("/api/v1/holds").await.json();
    let (id, digest) = (&holds["items"][0]["id"], &holds["items"][0]["digest"]);
    let approve = format!("/api/v1/holds/{}/approve", id.as_str().unwrap());
    let wish = json!({ "digest": digest, "reason": "ok" });
    let revoke = async {
        gate.arrived(1).await;
        house.sandbox.revoke();
        gate.open();
    };
    let (approved, ()) = tokio::join!(ann.post(&approve, &wish), revoke);
    assert_eq!(approved.status, 200, "{}", approved.text());
    house.idle().await;
    assert_eq!(statuses(&house), [401, 201]);
    assert_eq!(twice(&house).await, [true]);
    let collected = agent.post(target, &body).await;
    assert_eq!(collected.status, 201, "{}", collected.text());
    assert_eq!(house.entries().await.len(), 1);
    house.close().await;
}
