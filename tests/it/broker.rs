//! Broker mode: an agent holds a Writegate key and nothing else. What goes upstream is got, renewed and
//! kept by the proxy; the CRM's 401 is never the agent's.

mod refused;
mod renewed;

use std::sync::Arc;

use http::header::AUTHORIZATION;
use jiff::SignedDuration;
use serde_json::{Value, json};
use writegate::clock::ManualClock;
use writegate::config::{Config, Secret, SigningKey, Source};
use writegate::ledger::{Ledger, Row, RowFilter, RowKind};
use writegate::mutation::CrmKind;
use writegate::sandbox::{OAuthApp, seed};

use super::support::client::{Client, Reply};
use super::support::house::{Builder, House, KEY};

const BOTH: [CrmKind; 2] = [CrmKind::Salesforce, CrmKind::HubSpot];
const APP: &str = "3MVG9-app";
const SECRET: &str = "canary-client-secret-of-the-app";
const REFRESH: &str = "canary-refresh-token-of-the-app";
const USER: &str = "integration@acme.example";

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new("2026-11-20T14:02:00Z".parse().unwrap()))
}

fn client_credentials() -> Source {
    Source::ClientCredentials {
        client_id: APP.into(),
        client_secret: Secret::new(SECRET),
        scope: None,
    }
}

fn refresh() -> Source {
    Source::Refresh {
        client_id: APP.into(),
        client_secret: Some(Secret::new(SECRET)),
        refresh_token: Secret::new(REFRESH),
        file: None,
    }
}

/// What goes upstream for `scoring-agent` on both routes.
fn with(salesforce: Source, hubspot: Source) -> impl FnOnce(&mut Config) {
    move |config| {
        config.service_accounts[2].credentials = vec![
            ("salesforce".into(), salesforce),
            ("hubspot".into(), hubspot),
        ];
    }
}

/// A house whose sandbox knows the app, and whose `scoring-agent` is sent with what it grants.
fn house(clock: &Arc<ManualClock>) -> Builder {
    House::builder()
        .clock(clock.clone())
        .configure(with(client_credentials(), refresh()))
        .sandbox(|options| {
            options.apps = vec![OAuthApp {
                user: USER.into(),
                refresh_token: Some(REFRESH.into()),
                ..OAuthApp::new(APP, SECRET)
            }];
        })
}

fn agent(house: &House, crm: CrmKind) -> Client {
    match crm {
        CrmKind::Salesforce => Client::new(house.salesforce, KEY),
        CrmKind::HubSpot => Client::new(house.hubspot, KEY),
    }
}

fn row(crm: CrmKind) -> String {
    match crm {
        CrmKind::Salesforce => format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME),
        CrmKind::HubSpot => format!("/crm/v3/objects/companies/{}", seed::HS_ACME),
    }
}

async fn read(house: &House, crm: CrmKind) -> Reply {
    agent(house, crm).get(&row(crm)).await
}

async fn update(house: &House, crm: CrmKind, city: &str) -> Reply {
    let body = match crm {
        CrmKind::Salesforce => json!({ "BillingCity": city }),
        CrmKind::HubSpot => json!({ "properties": { "city": city } }),
    };
    agent(house, crm).patch(&row(crm), &body).await
}

async fn create(house: &House, crm: CrmKind, name: &str) -> Reply {
    let (target, body) = match crm {
        CrmKind::Salesforce => (
            "/services/data/v60.0/sobjects/Account",
            json!({ "Name": name }),
        ),
        CrmKind::HubSpot => (
            "/crm/v3/objects/companies",
            json!({ "properties": { "name": name } }),
        ),
    };
    agent(house, crm).post(target, &body).await
}

/// How often the token endpoints were asked.
fn logins(house: &House) -> usize {
    let seen = house.sandbox.seen();
    let seen = seen.iter().filter(|seen| seen.target.ends_with("/token"));
    seen.count()
}

/// The status of each write that the CRM saw, in order.
fn statuses(house: &House) -> Vec<u16> {
    let writes = house.sandbox.writes();
    writes.iter().filter_map(|seen| seen.status).collect()
}

/// Whether the closing rows say that it was sent twice, in order.
async fn twice(house: &House) -> Vec<bool> {
    let filter = RowFilter {
        kinds: vec![RowKind::Closed],
        ..RowFilter::default()
    };
    let rows = house.ledger.rows(filter).await.unwrap();
    let said = |row: &Row| row.meta.get("sent_again") == Some(&Value::Bool(true));
    rows.iter().map(said).collect()
}

/// Nothing that went to the CRM holds the key, and what the app's secret is went to its login alone.
fn keys_stayed(house: &House) {
    for seen in house.sandbox.seen() {
        let text = format!("{:?} {} {:?}", seen.headers, seen.target, seen.body);
        assert!(!text.contains(KEY), "{text}");
        let login = seen.target.ends_with("/token");
        assert_eq!(text.contains(SECRET) && !login, false, "{text}");
        assert!(!text.contains("x-writegate"), "{text}");
        assert_eq!(login, !seen.headers.contains_key(AUTHORIZATION), "{text}");
    }
}

#[tokio::test]
async fn each_grant_gives_a_token_that_goes_in_place_of_the_key() {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    use aws_lc_rs::signature::KeyPair;
    use base64::Engine;

    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let text = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    let public = pair.public_key().as_ref().to_vec();
    let jwt = |audience: Option<&str>| Source::Jwt {
        client_id: APP.into(),
        user: USER.into(),
        key: SigningKey::from_pem(pem.as_bytes()).unwrap(),
        audience: audience.map(str::to_owned),
    };
    let sources = [
        client_credentials(),
        refresh(),
        jwt(None),
        jwt(Some("https://login.salesforce.com")),
    ];
    for source in sources {
        let public = public.clone();
        let house = house(&clock())
            .sandbox(move |options| options.apps[0].public_key = Some(public))
            .configure(with(source, refresh()))
            .build()
            .await;
        assert_eq!(logins(&house), 0, "on first use");
        for crm in BOTH {
            assert_eq!(read(&house, crm).await.status, 200);
            let reply = update(&house, crm, "Ulm").await;
            assert!(reply.status.is_success(), "{}", reply.text());
            assert!(create(&house, crm, "New Inc.").await.status.is_success());
        }
        assert_eq!(logins(&house), 2, "once for each route");
        let issued = house.sandbox.issued();
        for seen in house.sandbox.seen() {
            if let Some(bearer) = seen.headers.get(AUTHORIZATION) {
                let token = bearer.to_str().unwrap().trim_start_matches("Bearer ");
                assert!(issued.contains(&token.to_owned()), "{token}");
            }
        }
        keys_stayed(&house);
        house.finish().await;
    }
}

#[tokio::test]
async fn a_wrong_assertion_is_not_granted_and_the_agent_is_told() {
    let house = house(&clock())
        .sandbox(|options| options.apps[0].secret = "another".into())
        .build()
        .await;
    for crm in BOTH {
        let answers = [
            read(&house, crm).await,
            update(&house, crm, "Ulm").await,
            create(&house, crm, "New Inc.").await,
        ];
        for reply in answers {
            assert_eq!(reply.status, 503, "{}", reply.text());
            assert_eq!(reply.code(), "WRITEGATE_UNAVAILABLE");
            let says = "Not written: Writegate cannot get its own credential for the CRM now. \
                        Nothing was written; try again in 1 s.";
            assert_eq!(reply.message().split(" [").next().unwrap(), says);
            assert_eq!(reply.header("retry-after"), Some("1"));
        }
    }
    // the clock stands still: each host was asked once
    assert_eq!(logins(&house), 2);
    assert!(house.sandbox.writes().is_empty());
    let operators = house.operators().await;
    let ready = Client::new(operators, "").get("/readyz").await.json();
    assert_eq!(
        ready["degraded"],
        json!([
            "route salesforce cannot get a credential of its own: the login host answered 400 (invalid_client)",
            "route hubspot cannot get a credential of its own: the login host answered 400 (invalid_client)",
        ])
    );
    keys_stayed(&house);
    house.finish().await;
}

#[tokio::test]
async fn a_token_for_another_instance_is_not_used() {
    let house = house(&clock())
        .sandbox(|options| options.instance_url = Some("https://evil.example".into()))
        .build()
        .await;
    let reply = read(&house, CrmKind::Salesforce).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    let issued = house.sandbox.issued();
    assert_eq!(issued.len(), 1);
    let seen = house.sandbox.seen();
    assert_eq!(seen.len(), 1, "the login alone");
    house.finish().await;
}

#[tokio::test]
async fn a_session_that_ends_by_the_clock_is_renewed_before_the_agent_sees_it() {
    let clock = clock();
    let house = house(&clock)
        .sandbox(|options| options.token_life = SignedDuration::from_mins(30))
        .build()
        .await;
    for crm in BOTH {
        assert_eq!(read(&house, crm).await.status, 200);
    }
    for minutes in [31_i64, 62, 93] {
        clock.advance_ms(31 * 60_000);
        for crm in BOTH {
            let reply = update(&house, crm, &format!("city {minutes}")).await;
            assert!(reply.status.is_success(), "{}", reply.text());
            assert_eq!(read(&house, crm).await.status, 200);
        }
    }
    // Salesforce does not say when a session ends, HubSpot does: a 401 each time, or none
    let seen = house.sandbox.seen();
    let refused = |prefix: &str| {
        let mut of = seen.iter().filter(|seen| seen.target.starts_with(prefix));
        of.any(|seen| seen.status == Some(401))
    };
    assert!(refused("/services/data"));
    assert!(!refused("/crm"));
    assert_eq!(logins(&house), 8);
    house.finish().await;
}

#[tokio::test]
async fn a_key_in_the_form_of_a_session_is_a_key_and_stays_here() {
    let form = format!("00D000000000000!{KEY}");
    let print = writegate::config::Fingerprint::of(form.as_bytes());
    let house = house(&clock())
        .configure(move |config| config.service_accounts[2].keys.push(print))
        .build()
        .await;
    let target = row(CrmKind::Salesforce);
    let nobody = Client::new(house.salesforce, "");
    for (name, value) in [
        ("authorization", format!("Bearer {form}")),
        ("authorization", format!("OAuth {form}")),
        ("x-sfdc-session", form.clone()),
        ("x-sfdc-session", KEY.to_owned()),
    ] {
        let reply = nobody.with(name, &value).get(&target).await;
        assert_eq!(reply.status, 200, "{name} {value}: {}", reply.text());
    }
    let asked = house.sandbox.requests();
    // where it would reach the CRM, it does not go
    let agent = agent(&house, CrmKind::HubSpot);
    for target in [
        format!("/oauth/v1/access-tokens/{KEY}"),
        format!("/oauth/v1/access-tokens/{form}"),
        format!("/crm/v3/objects/companies?x={KEY}"),
    ] {
        let reply = agent.get(&target).await;
        assert_eq!(reply.code(), "WRITEGATE_MALFORMED", "{target}");
    }
    for header in ["private-app", "private-app-legacy"] {
        let reply = nobody.with(header, KEY).get(&target).await;
        assert_eq!(reply.code(), "WRITEGATE_MALFORMED", "{header}");
    }
    let login = Client::new(house.salesforce, KEY);
    let reply = login.post("/services/oauth2/token", &json!({})).await;
    assert_eq!(reply.status, 403);
    assert!(reply.text().contains("needs no login"), "{}", reply.text());
    assert_eq!(house.sandbox.requests(), asked);
    keys_stayed(&house);
    house.finish().await;
}
