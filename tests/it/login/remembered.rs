//! What a login brought is known after a restart, at every replica at once, and as long as the CRM takes it.

use std::sync::Arc;

use writegate::clock::{Clock, ManualClock};
use writegate::config::{Config, Fingerprint};
use writegate::learned::Use;
use writegate::mutation::CrmKind;
use writegate::sandbox::Fault;

use super::{
    APP, REFRESH, TOKEN_PATH, app, builder, by_password, by_refresh, by_secret, named, post,
    token_of, works,
};
use crate::support::client::Client;
use crate::support::fleet::Fleet;
use crate::support::house::{House, TOKEN};
use crate::support::wire::soon;

const SOBJECTS: &str = "/services/data/v60.0/sobjects";
const COMPANIES: &str = "/crm/v3/objects/companies";

#[tokio::test]
async fn a_restart_keeps_tokens() {
    let house = builder().build().await;
    let nobody = Client::new(house.salesforce, "");
    let token = token_of(&post(&nobody, TOKEN_PATH, &by_password()).await);
    let crm = Arc::clone(&house.sandbox);
    let folder = house.close().await;
    let house = builder().crm(&crm).folder(&folder).build().await;
    let reply = Client::new(house.salesforce, &token).get(SOBJECTS).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    works(&house, CrmKind::Salesforce, &token).await;
    let folder = house.close().await;
    // whom nobody names any more is nobody's
    let house = House::builder().crm(&crm).folder(&folder).build().await;
    let reply = Client::new(house.salesforce, &token).get(SOBJECTS).await;
    assert_eq!(reply.code(), "WRITEGATE_UNKNOWN_CALLER");
}

#[tokio::test]
async fn every_replica_knows_a_token_at_once() {
    let name = "login::every_replica_knows_a_token_at_once";
    let Some(fleet) = Fleet::start(name).await else {
        return;
    };
    // the fleet's CRM has no apps: what it would issue is a token that it takes
    let issued = TOKEN;
    let strip = |config: &mut Config| {
        named(config);
        config.service_accounts[0].tokens.clear();
    };
    let one = fleet.house("one", House::builder().configure(strip)).await;
    let two = fleet.house("two", House::builder().configure(strip)).await;
    let there = Client::new(two.salesforce, issued);
    let body = format!("{{\"access_token\":\"{issued}\"}}");
    let answer = Fault::Answer {
        status: 200,
        headers: vec![("content-type".into(), "application/json".into())],
        body: body.into(),
    };
    fleet.crm.script(|head| head.path == TOKEN_PATH, 1, answer);
    let nobody = Client::new(one.salesforce, "");
    assert_eq!(
        token_of(&post(&nobody, TOKEN_PATH, &by_secret(APP)).await),
        issued
    );
    let reply = there.get(SOBJECTS).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

/// The CRM says itself that a token is over: in the words that make its client log in again.
#[tokio::test]
async fn a_token_that_is_over_is_the_crms_to_refuse() {
    let clock = Arc::new(ManualClock::new("2026-11-20T09:00:00Z".parse().unwrap()));
    let house = builder().clock(clock.clone()).build().await;
    let nobody = Client::new(house.hubspot, "");
    let token = token_of(&post(&nobody, "/oauth/v3/token", &by_refresh(REFRESH)).await);
    let agent = Client::new(house.hubspot, &token);
    assert_eq!(agent.get(COMPANIES).await.status, 200);
    clock.advance_ms(31 * 60 * 1000);
    let over = agent.get(COMPANIES).await;
    assert_eq!(
        (over.status.as_u16(), over.code().as_str()),
        (401, "EXPIRED_AUTHENTICATION")
    );
    clock.advance_ms(24 * 3600 * 1000);
    let forgotten = agent.get(COMPANIES).await;
    assert_eq!(forgotten.code(), "WRITEGATE_UNKNOWN_CALLER");
}

/// A session without an end is known as long as it is used.
#[tokio::test]
async fn a_session_that_is_used_stays_known() {
    const DAY: i64 = 24 * 3600 * 1000;
    let clock = Arc::new(ManualClock::new("2026-11-20T09:00:00Z".parse().unwrap()));
    let house = builder()
        .clock(clock.clone())
        .sandbox(|options| options.token_life = jiff::SignedDuration::from_hours(24 * 365))
        .build()
        .await;
    let nobody = Client::new(house.salesforce, "");
    let token = token_of(&post(&nobody, TOKEN_PATH, &by_password()).await);
    let agent = Client::new(house.salesforce, &token);
    let fingerprint = Fingerprint::of(token.as_bytes());
    for days in [16, 16, 16] {
        clock.advance_ms(days * DAY);
        assert_eq!(agent.get(SOBJECTS).await.status, 200);
        // that it is still used is learned beside the request
        let ageing = || {
            let known = &house.app.learned;
            let found = known.find("salesforce", Use::Access, fingerprint, clock.now());
            found.is_none_or(|token| token.ageing)
        };
        soon(async {
            while ageing() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    clock.advance_ms(31 * DAY);
    let reply = agent.get(SOBJECTS).await;
    assert_eq!(reply.code(), "WRITEGATE_UNKNOWN_CALLER");
}

/// Whose a refresh token is, is remembered: each use brings the next one, and nobody else redeems it.
#[tokio::test]
async fn a_refresh_token_names_whose_it_is() {
    let mut rotating = app();
    rotating.id = "3MVG9-that-rotates".into();
    rotating.rotates = true;
    let house = builder()
        .sandbox(move |options| options.apps.push(rotating))
        .configure(|config| {
            let mut accounts = config.service_accounts.iter_mut();
            let theirs = accounts.find(|account| account.name == "enrichment-agent");
            theirs.unwrap().clients.push("3MVG9-that-rotates".into());
        })
        .build()
        .await;
    let nobody = Client::new(house.salesforce, "");
    let by_app = |grant: &[(&str, &str)]| {
        let mut all = vec![
            ("client_id", "3MVG9-that-rotates"),
            ("client_secret", super::SECRET),
        ];
        all.extend_from_slice(grant);
        super::form(&all)
    };
    let refreshing =
        |token: &str| by_app(&[("grant_type", "refresh_token"), ("refresh_token", token)]);
    let code = by_app(&[("grant_type", "authorization_code"), ("code", super::CODE)]);
    let reply = post(&nobody, TOKEN_PATH, &code).await;
    works(&house, CrmKind::Salesforce, &token_of(&reply)).await;
    let mut refresh = reply.json()["refresh_token"].as_str().unwrap().to_owned();
    for _ in 0..3 {
        let reply = post(&nobody, TOKEN_PATH, &refreshing(&refresh)).await;
        works(&house, CrmKind::Salesforce, &token_of(&reply)).await;
        let next = reply.json()["refresh_token"].as_str().unwrap().to_owned();
        assert_ne!(next, refresh);
        refresh = next;
    }
    // with another's client it names two
    let two = super::form(&[
        ("grant_type", "refresh_token"),
        ("client_id", super::OTHER_APP),
        ("refresh_token", &refresh),
    ]);
    let before = house.sandbox.requests();
    let reply = post(&nobody, TOKEN_PATH, &two).await;
    assert_eq!(
        (reply.status.as_u16(), house.sandbox.requests()),
        (403, before)
    );
    house.finish().await;
}

/// Two users of one app have a refresh token each; the one learns nothing away from the other.
#[tokio::test]
async fn two_refresh_tokens_of_one_client_are_both_known() {
    let house = builder().build().await;
    let nobody = Client::new(house.salesforce, "");
    let brings = |house: &House, access: &str, refresh: &str| {
        let answer = Fault::Answer {
            status: 200,
            headers: vec![("content-type".into(), "application/json".into())],
            body: format!("{{\"access_token\":\"{access}\",\"refresh_token\":\"{refresh}\"}}")
                .into(),
        };
        house
            .sandbox
            .script(|head| head.path == TOKEN_PATH, 1, answer);
    };
    for user in ["one", "two"] {
        brings(
            &house,
            &format!("access-of-{user}"),
            &format!("refresh-of-{user}"),
        );
        let reply = post(&nobody, TOKEN_PATH, &by_secret(APP)).await;
        assert_eq!(token_of(&reply), format!("access-of-{user}"));
    }
    let crm = Arc::clone(&house.sandbox);
    let mut house = Some(house);
    // the same once they are read from the ledger
    for life in ["first", "second"] {
        let here = house.take().unwrap();
        let nobody = Client::new(here.salesforce, "");
        for user in ["one", "two", "one"] {
            let refresh = format!("refresh-of-{user}");
            // whose it is tells that another's app names somebody else
            let two = super::form(&[
                ("grant_type", "refresh_token"),
                ("client_id", super::OTHER_APP),
                ("refresh_token", &refresh),
            ]);
            let before = crm.requests();
            let reply = post(&nobody, TOKEN_PATH, &two).await;
            assert_eq!(
                (reply.status.as_u16(), crm.requests()),
                (403, before),
                "{user}"
            );
            let again = format!("access-of-{user}-{life}");
            brings(&here, &again, &format!("refresh-of-{user}"));
            let reply = post(&nobody, TOKEN_PATH, &by_refresh(&refresh)).await;
            assert_eq!(token_of(&reply), again);
            for token in [format!("access-of-{user}"), again] {
                let reply = Client::new(here.salesforce, &token).get(SOBJECTS).await;
                assert_eq!(reply.status, 401, "the CRM's own answer: {}", reply.text());
            }
        }
        let folder = here.close().await;
        house = Some(builder().crm(&crm).folder(&folder).build().await);
    }
}
