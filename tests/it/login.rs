//! A login is passed on for whom a service account is named, and what it brings is that account's, here,
//! at every replica and after a restart. Everything else never reaches the CRM.

mod refused;
mod remembered;
mod soap;
mod tokens;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Method;
use serde_json::{Value, json};
use writegate::clock::{Clock, SystemClock};
use writegate::config::Config;
use writegate::mutation::CrmKind;
use writegate::sandbox::{OAuthApp, seed};

use super::support::client::{Client, Reply};
use super::support::house::{Builder, House};

/// What rewritten addresses show.
pub(super) const PUBLIC: &str = "https://crm.proxy.test:8443";
/// The app of `enrichment-agent`, and what it proves itself by.
pub(super) const APP: &str = "3MVG9-of-enrichment";
pub(super) const SECRET: &str = "canary-secret-of-the-app";
pub(super) const USER: &str = "enrichment@acme.test";
pub(super) const PASSWORD: &str = "canary+password of&enrichment";
const CODE: &str = "canary-code";
const REFRESH: &str = "canary-refresh-token";
/// The app of `sdr-agent`.
const OTHER_APP: &str = "3MVG9-of-sdr";

const TOKEN_PATH: &str = "/services/oauth2/token";
const JWT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

fn app() -> OAuthApp {
    OAuthApp {
        user: USER.into(),
        refresh_token: Some(REFRESH.into()),
        password: Some(PASSWORD.into()),
        code: Some(CODE.into()),
        ..OAuthApp::new(APP, SECRET)
    }
}

/// `enrichment-agent` logs in by its app or user, `sdr-agent` by its app.
fn named(config: &mut Config) {
    config.service_accounts[0].clients = vec![APP.into(), USER.to_uppercase()];
    config.service_accounts[1].clients = vec![OTHER_APP.into()];
    config.service_accounts[2].clients = vec!["3MVG9-of-scoring".into()];
    for route in &mut config.routes {
        route.public_url = PUBLIC.parse().unwrap();
    }
}

/// A house that both can log in to.
pub(super) fn builder() -> Builder {
    House::builder().configure(named).sandbox(|options| {
        let other = OAuthApp::new(OTHER_APP, SECRET);
        options.apps.extend([app(), other]);
    })
}

pub(super) fn form(pairs: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(pairs);
    form.finish()
}

/// Sends a form as clients do that log in.
pub(super) async fn post(client: &Client, target: &str, form: &str) -> Reply {
    let client = client.with("content-type", "application/x-www-form-urlencoded");
    client
        .raw(Method::POST, target, Some(form.to_owned().into()))
        .await
}

fn by_password() -> String {
    form(&[
        ("grant_type", "password"),
        ("client_id", APP),
        ("client_secret", SECRET),
        ("username", USER),
        ("password", PASSWORD),
    ])
}

fn by_secret(app: &str) -> String {
    form(&[
        ("grant_type", "client_credentials"),
        ("client_id", app),
        ("client_secret", SECRET),
    ])
}

fn by_refresh(token: &str) -> String {
    form(&[
        ("grant_type", "refresh_token"),
        ("client_id", APP),
        ("client_secret", SECRET),
        ("refresh_token", token),
    ])
}

fn by_code() -> String {
    form(&[
        ("grant_type", "authorization_code"),
        ("client_id", APP),
        ("client_secret", SECRET),
        ("code", CODE),
        ("redirect_uri", "https://agent.test/callback"),
    ])
}

fn assertion(key: &RsaKeyPair, issuer: &str, subject: &str) -> String {
    let until = SystemClock.now().as_second() + 120;
    let claims = json!({
        "iss": issuer, "sub": subject, "aud": "https://login.salesforce.com", "exp": until,
    });
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(json!({ "alg": "RS256" })), part(claims));
    let mut signature = vec![0; key.public_modulus_len()];
    let random = SystemRandom::new();
    key.sign(
        &RSA_PKCS1_SHA256,
        &random,
        signed.as_bytes(),
        &mut signature,
    )
    .unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn token_of(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

/// The token reads and writes as its account; the entry says so.
async fn works(house: &House, crm: CrmKind, token: &str) {
    let (to, target, body) = match crm {
        CrmKind::Salesforce => (
            house.salesforce,
            format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME),
            json!({ "Industry": "Retail" }),
        ),
        CrmKind::HubSpot => (
            house.hubspot,
            format!("/crm/v3/objects/companies/{}", seed::HS_ACME),
            json!({ "properties": { "city": "Ulm" } }),
        ),
    };
    let client = Client::new(to, token);
    let read = client.get(&target).await;
    assert_eq!(read.status, 200, "{}", read.text());
    let written = client.patch(&target, &body).await;
    assert!(written.status.is_success(), "{}", written.text());
    let entries = house.entries().await;
    let account = entries[0].service_account.as_deref();
    assert_eq!(account, Some("enrichment-agent"));
}

#[tokio::test]
async fn every_grant_of_salesforce_brings_a_token_of_its_account() {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = key.public_key().as_ref().to_vec();
    let house = builder()
        .sandbox(move |options| options.apps[0].public_key = Some(public))
        .build()
        .await;
    let nobody = Client::new(house.salesforce, "");
    let basic = format!("Basic {}", STANDARD.encode(format!("{APP}:{SECRET}")));
    let jwt = form(&[
        ("grant_type", JWT),
        ("assertion", &assertion(&key, APP, USER)),
    ]);
    let logins = [
        (nobody.clone(), by_password()),
        (nobody.clone(), by_secret(APP)),
        (
            nobody.with("authorization", &basic),
            form(&[("grant_type", "client_credentials")]),
        ),
        (nobody.clone(), jwt),
        (nobody.clone(), by_code()),
        (nobody.clone(), by_refresh(REFRESH)),
    ];
    for (client, body) in logins {
        // as simple-salesforce reaches it, too
        for target in [
            TOKEN_PATH.to_owned(),
            format!("/x.salesforce.com{TOKEN_PATH}"),
        ] {
            if body == by_code() && target != TOKEN_PATH {
                continue;
            }
            let reply = post(&client, &target, &body).await;
            let token = token_of(&reply);
            assert_eq!(reply.json()["instance_url"], PUBLIC);
            let id = format!("{PUBLIC}/id/00D000000000001EAA/005000000000001AAA");
            assert_eq!(reply.json()["id"], id);
            let seen = house.sandbox.seen();
            let seen = seen.last().unwrap();
            assert_eq!(seen.target, TOKEN_PATH);
            assert_eq!(seen.body, body.as_bytes(), "exactly as it came");
            works(&house, CrmKind::Salesforce, &token).await;
        }
    }
    house.finish().await;
}

#[tokio::test]
async fn every_token_endpoint_of_hubspot_brings_a_token_of_its_account() {
    let house = builder().build().await;
    let nobody = Client::new(house.hubspot, "");
    for (target, body) in [
        ("/oauth/v1/token", by_secret(APP)),
        ("/oauth/v3/token", by_code()),
        ("/oauth/2026-03/token", by_refresh(REFRESH)),
        ("/oauth/v1/token", by_refresh(REFRESH)),
    ] {
        let reply = post(&nobody, target, &body).await;
        let token = token_of(&reply);
        works(&house, CrmKind::HubSpot, &token).await;
        // of this route alone: the other CRM never issued it
        let there = Client::new(house.salesforce, &token);
        let reply = there.get("/services/data/v60.0/sobjects").await;
        assert_eq!(reply.code(), "WRITEGATE_UNKNOWN_CALLER");
    }
    house.finish().await;
}

/// Where they go is told by the route alone: to its login host, and what is not a login to its upstream.
#[tokio::test]
async fn a_login_goes_to_the_login_host_and_nowhere_else() {
    let org = House::builder().build().await;
    let org_url = org.sandbox.base_url();
    let instance = org_url.clone();
    let login_host = builder()
        .sandbox(move |options| options.instance_url = Some(instance))
        .build()
        .await;
    let login = login_host.sandbox.base_url();
    let house = House::builder()
        .upstream(&org_url)
        .configure(named)
        .configure(move |config| config.routes[0].login = login.parse().unwrap())
        .build()
        .await;
    let nobody = Client::new(house.salesforce, "");
    let reply = post(&nobody, TOKEN_PATH, &by_secret(APP)).await;
    let token = token_of(&reply);
    assert_eq!(reply.json()["instance_url"], PUBLIC);
    let (at_login, at_org) = (login_host.sandbox.requests(), org.sandbox.requests());
    assert_eq!((at_login, at_org), (1, 0));
    let agent = Client::new(house.salesforce, &token);
    agent.get("/services/data/v60.0/sobjects").await;
    let (at_login, at_org) = (login_host.sandbox.requests(), org.sandbox.requests());
    assert_eq!((at_login, at_org), (1, 1));
}

/// jsforce asks its identity URL with the token in the query beside the header.
#[tokio::test]
async fn a_token_that_stands_beside_the_same_header_is_left_out() {
    let house = builder().build().await;
    let nobody = Client::new(house.salesforce, "");
    let token = token_of(&post(&nobody, TOKEN_PATH, &by_password()).await);
    let agent = Client::new(house.salesforce, &token);
    let id = "/id/00D000000000001EAA/005000000000001AAA";
    let query = form(&[("format", "json"), ("oauth_token", &token)]);
    let reply = agent.get(&format!("{id}?{query}")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let rest = reply.json()["urls"]["rest"].as_str().unwrap().to_owned();
    assert!(rest.starts_with(PUBLIC), "{rest}");
    let seen = house.sandbox.seen();
    assert_eq!(seen.last().unwrap().target, format!("{id}?format=json"));
    let requests = house.sandbox.requests();
    for target in [
        format!("{id}?oauth_token=another"),
        format!("{id}?oauth_token={token}&oauth_token={token}"),
        format!("/services/data/v60.0/sobjects?{query}"),
    ] {
        let reply = agent.get(&target).await;
        assert_eq!(reply.code(), "WRITEGATE_MALFORMED", "{target}");
    }
    let alone = nobody.get(&format!("{id}?{query}")).await;
    assert_eq!(alone.code(), "WRITEGATE_MALFORMED");
    assert_eq!(house.sandbox.requests(), requests);
    house.finish().await;
}
