//! Who is calling, and what is refused.

use std::path::PathBuf;

use super::*;
use crate::config::{Admin, ControlStore, LedgerStore, ServiceAccount, UnknownCallers};

fn account(name: &str, token: &str, key: Option<&str>) -> ServiceAccount {
    ServiceAccount {
        name: name.into(),
        owner: None,
        tokens: vec![Fingerprint::of(token.as_bytes())],
        clients: Vec::new(),
        keys: key
            .map(|key| Fingerprint::of(key.as_bytes()))
            .into_iter()
            .collect(),
        credentials: vec![("salesforce".into(), Secret::new("00D!the-crm-token"))],
        certs: Vec::new(),
    }
}

fn config() -> Config {
    Config {
        file: PathBuf::from("writegate.yaml"),
        routes: Vec::new(),
        admin: Admin {
            listen: "127.0.0.1:0".parse().unwrap(),
        },
        control: ControlStore::Memory,
        ledger: LedgerStore::Sqlite(PathBuf::from("x.db")),
        replica: "one".into(),
        rules: PathBuf::from("rules"),
        max_rows: 10_000,
        unknown_callers: UnknownCallers::Deny,
        service_accounts: vec![
            account("enrichment-agent", "token-1", None),
            account("sdr-agent", "token-2", Some("wg_key-2")),
        ],
        operators: Vec::new(),
    }
}

fn identify(pairs: &[(&str, &str)], query: Option<&str>) -> Result<Caller, Refusal> {
    let headers: HeaderMap = pairs
        .iter()
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
        .collect();
    let config = config();
    Callers::new(&config).identify(&config, "salesforce", &headers, query)
}

fn name(pairs: &[(&str, &str)]) -> Option<String> {
    identify(pairs, None).unwrap().service_account
}

#[test]
fn a_token_names_its_service_account_in_every_spelling_that_clients_use() {
    assert_eq!(
        name(&[("authorization", "Bearer token-1")]).unwrap(),
        "enrichment-agent"
    );
    assert_eq!(
        name(&[("authorization", "OAuth token-1")]).unwrap(),
        "enrichment-agent"
    );
    assert_eq!(
        name(&[("authorization", "bearer token-2")]).unwrap(),
        "sdr-agent"
    );
    assert_eq!(name(&[("x-sfdc-session", "token-2")]).unwrap(), "sdr-agent");
    assert_eq!(name(&[("authorization", "Bearer other")]), None);
    assert_eq!(name(&[]), None);
}

#[test]
fn a_key_is_swapped_for_the_credential_of_its_route() {
    let caller = identify(&[("authorization", "Bearer wg_key-2")], None).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(SESSION, "wg_key-2".parse().unwrap());
    caller.credential.put(&mut headers).unwrap();
    assert_eq!(
        headers.get(AUTHORIZATION).unwrap(),
        "Bearer 00D!the-crm-token"
    );
    assert!(!headers.contains_key(SESSION));
    let config = config();
    let mut sent = HeaderMap::new();
    sent.insert(AUTHORIZATION, "Bearer wg_key-2".parse().unwrap());
    let other = Callers::new(&config).identify(&config, "hubspot", &sent, None);
    let message = other.unwrap_err().message;
    assert!(
        message.contains("no CRM credential for route hubspot"),
        "{message}"
    );
}

#[test]
fn a_key_that_nobody_has_does_not_travel_on() {
    let caller = identify(&[("authorization", "Bearer wg_unknown")], None).unwrap();
    assert!(matches!(caller.credential, Credential::None));
}

#[test]
fn two_credentials_or_one_in_an_odd_place_are_refused() {
    let token = ("authorization", "Bearer token-1");
    let odd: [&[(&str, &str)]; 6] = [
        &[token, ("x-sfdc-session", "token-1")],
        &[token, ("cookie", "BrowserId=1; SID=00D")],
        &[token, ("private-app", "x")],
        &[("authorization", "Basic dTpw")],
        &[("authorization", "Bearer a b")],
        &[("authorization", "Bearer ")],
    ];
    for headers in odd {
        assert!(identify(headers, None).is_err(), "{headers:?}");
    }
    for query in [
        "hapikey=1",
        "q=1&access_token=2",
        "%6fauth_token=3",
        "ACCESS_TOKEN=4",
    ] {
        assert!(identify(&[token], Some(query)).is_err(), "{query}");
    }
    assert!(identify(&[token, ("cookie", "BrowserId=1")], Some("q=SELECT+Id")).is_ok());
}

#[test]
fn refusals_never_repeat_the_secret() {
    let refusal = identify(&[("authorization", "Basic c2VjcmV0")], None).unwrap_err();
    assert!(!format!("{refusal:?}").contains("c2VjcmV0"));
    let caller = identify(&[("authorization", "Bearer wg_key-2")], None).unwrap();
    assert!(!format!("{caller:?}").contains("the-crm-token"));
    let caller = identify(&[("authorization", "Bearer token-1")], None).unwrap();
    assert!(!format!("{caller:?}").contains("token-1"));
}

#[test]
fn claims_are_read_once_each_and_bounded() {
    let headers = |pairs: &[(&str, String)]| -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect()
    };
    let one = claims(&headers(&[("x-writegate-intent", "tidy up".into())])).unwrap();
    assert_eq!(one.intent.as_deref(), Some("tidy up"));
    assert!(claims(&headers(&[("x-writegate-run", "x".repeat(1025))])).is_err());
    let mut twice = headers(&[("x-writegate-run", "1".into())]);
    twice.append("x-writegate-run", "2".parse().unwrap());
    assert!(claims(&twice).is_err());
}

#[test]
fn the_credential_of_a_pass_through_caller_goes_on_as_it_came() {
    let caller = identify(&[("authorization", "OAuth token-1")], None).unwrap();
    let mut headers = HeaderMap::new();
    caller.credential.put(&mut headers).unwrap();
    assert_eq!(headers.get(AUTHORIZATION).unwrap(), "OAuth token-1");
}
