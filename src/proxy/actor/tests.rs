//! Who is calling, and what is refused.

use std::path::PathBuf;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::config::{
    Admin, ControlStore, LedgerStore, Mode, Route, Secret, ServiceAccount, UnknownCallers,
};
use crate::credential::LoginHost;
use crate::mutation::CrmKind;

/// Nobody is asked here.
#[derive(Debug)]
struct Nobody;

#[async_trait]
impl LoginHost for Nobody {
    async fn post(&self, _path: &str, _form: String) -> Result<(u16, Bytes), String> {
        Err("nobody is asked here".into())
    }
}

/// The name in the certificate of sdr-agent.
const CERT: &str = "sdr.agents.acme";

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
        credentials: vec![("salesforce".into(), Secret::new("00D!the-crm-token").into())],
        certs: if name == "sdr-agent" {
            vec![CERT.into()]
        } else {
            Vec::new()
        },
    }
}

fn route(name: &str) -> Route {
    Route {
        name: name.into(),
        crm: CrmKind::Salesforce,
        listen: "127.0.0.1:0".parse().unwrap(),
        public_url: "http://127.0.0.1".parse().unwrap(),
        upstream: "https://acme.my.salesforce.com".parse().unwrap(),
        login: "https://acme.my.salesforce.com".parse().unwrap(),
        tls: None,
        upstream_ca: None,
        release_credential: None,
        mode: Mode::Enforce,
    }
}

fn keyring(config: &Config) -> Keyring {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Keyring::new(config, |_| Arc::new(Nobody), &clock)
}

fn config() -> Config {
    Config {
        file: PathBuf::from("writegate.yaml"),
        routes: vec![route("salesforce"), route("hubspot")],
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
    identify_on("salesforce", pairs, query, &[])
}

fn identify_on(
    route: &str,
    pairs: &[(&str, &str)],
    query: Option<&str>,
    names: &[&str],
) -> Result<Caller, Refusal> {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let headers: HeaderMap = pairs
        .iter()
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
        .collect();
    let config = config();
    Callers::new(&config, &keyring(&config)).identify(Presented {
        elsewhere: false,
        route,
        headers: &headers,
        query,
        names: &names,
    })
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

/// What goes upstream, as `upstream` puts it there.
async fn sent(caller: &Caller, mut headers: HeaderMap) -> HeaderMap {
    caller.credential.put(&mut headers);
    let keyring = keyring(&config());
    if let Some((source, _)) = keyring.take(&mut headers) {
        source.token().await.unwrap().put(&mut headers);
    }
    headers
}

#[tokio::test]
async fn a_key_is_swapped_for_the_credential_of_its_route() {
    for key in [
        ("authorization", "Bearer wg_key-2"),
        ("authorization", "OAuth wg_key-2"),
        ("x-sfdc-session", "wg_key-2"),
    ] {
        let caller = identify(&[key], None).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, "Bearer wg_key-2".parse().unwrap());
        headers.insert(SESSION, "wg_key-2".parse().unwrap());
        headers.insert("x-writegate-credential", "1".parse().unwrap());
        let headers = sent(&caller, headers).await;
        assert_eq!(headers.len(), 1);
        assert_eq!(headers[AUTHORIZATION], "Bearer 00D!the-crm-token");
    }
    let key = ("authorization", "Bearer wg_key-2");
    let other = identify_on("hubspot", &[key], None, &[]);
    let message = other.unwrap_err().message;
    assert!(
        message.contains("no CRM credential for route hubspot"),
        "{message}"
    );
}

#[test]
fn a_key_that_nobody_has_does_not_travel_on() {
    for secret in ["wg_unknown", "00D000000000000!wg_unknown"] {
        let bearer = format!("Bearer {secret}");
        let caller = identify(&[("authorization", &bearer)], None).unwrap();
        assert!(matches!(caller.credential, Credential::None), "{secret}");
        let certified = [CERT];
        let pairs = [("authorization", bearer.as_str())];
        let caller = identify_on("salesforce", &pairs, None, &certified).unwrap();
        assert_eq!(caller.service_account, None, "{secret}");
    }
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
    caller.credential.put(&mut headers);
    assert_eq!(headers.get(AUTHORIZATION).unwrap(), "OAuth token-1");
}

#[test]
fn a_certificate_names_its_service_account_and_nothing_may_name_another() {
    let on = |pairs: &[(&str, &str)], names: &[&str]| identify_on("salesforce", pairs, None, names);
    let name = |caller: Result<Caller, Refusal>| caller.unwrap().service_account;
    let sdr = Some("sdr-agent".to_owned());
    // alone, with its key, with its token, with a token that nobody has yet
    let alone = on(&[], &[CERT]).unwrap();
    assert_eq!(alone.service_account, sdr);
    assert!(alone.credential.is_ours());
    for credential in ["Bearer wg_key-2", "Bearer token-2", "Bearer fresh"] {
        assert_eq!(name(on(&[("authorization", credential)], &[CERT])), sdr);
    }
    let own = on(&[("authorization", "Bearer fresh")], &[CERT]).unwrap();
    assert!(matches!(own.credential, Credential::Own(..)));
    // another's token
    let refusal = on(&[("authorization", "Bearer token-1")], &[CERT]).unwrap_err();
    assert!(refusal.message.contains("is of sdr-agent"), "{refusal:?}");
    // its token over a connection that shows another certificate: it is bound to its own
    for names in [
        &["someone.else"][..],
        &["SDR.agents.acme"],
        &["x.sdr.agents.acme"],
        &["*.agents.acme"],
    ] {
        let refusal = on(&[("authorization", "Bearer token-2")], names).unwrap_err();
        assert!(
            refusal.message.contains("is none of sdr-agent"),
            "{refusal:?}"
        );
        assert_eq!(on(&[], names).unwrap().service_account, None);
    }
    // whoever is bound to none shows what they like
    let free = on(&[("authorization", "Bearer token-1")], &["someone.else"]);
    assert_eq!(name(free).as_deref(), Some("enrichment-agent"));
}

#[test]
fn a_certificate_without_anything_to_send_says_what_is_missing() {
    let refusal = identify_on("hubspot", &[], None, &[CERT]).unwrap_err();
    assert!(
        refusal.message.contains("carries no CRM token")
            && refusal.message.contains("`credentials:` for route hubspot"),
        "{refusal:?}"
    );
}
