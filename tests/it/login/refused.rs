//! Logins that never reach the CRM, and answers of it that never reach the agent.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::json;
use writegate::control::{Switch, SwitchChange, SwitchScope};
use writegate::ledger::RowKind;
use writegate::mutation::CrmKind;
use writegate::sandbox::Fault;

use super::{
    APP, JWT, OTHER_APP, PASSWORD, REFRESH, SECRET, TOKEN_PATH, USER, builder, by_password,
    by_secret, form, post,
};
use crate::support::client::{Client, Reply};
use crate::support::house::{House, KEY, OTHER_TOKEN, TOKEN};

fn told(reply: &Reply) -> (u16, String) {
    let json = reply.json();
    let text = json["error_description"].as_str().unwrap_or_default();
    assert!(text.starts_with("Not written: "), "{text}");
    let code = json["error"].as_str().unwrap().to_owned();
    (reply.status.as_u16(), code)
}

#[tokio::test]
async fn who_is_not_named_never_reaches_the_crm() {
    let house = builder().build().await;
    let nobody = Client::new(house.salesforce, "");
    let basic = |app: &str| format!("Basic {}", STANDARD.encode(format!("{app}:{SECRET}")));
    let (unknown, malformed) = (
        (403, "WRITEGATE_UNKNOWN_CALLER"),
        (400, "WRITEGATE_MALFORMED"),
    );
    let password = by_password();
    let two = form(&[
        ("grant_type", "password"),
        ("client_id", OTHER_APP),
        ("username", USER),
        ("password", PASSWORD),
    ]);
    let plain = |form: String| (nobody.clone(), TOKEN_PATH.to_owned(), form);
    let cases = [
        (plain(by_secret("3MVG9-of-nobody")), unknown),
        (
            plain(form(&[("grant_type", "client_credentials")])),
            unknown,
        ),
        (plain(two), unknown),
        (plain(by_secret("3MVG9-of-scoring")), unknown),
        (
            plain(form(&[
                ("grant_type", JWT),
                ("assertion", "e30.eyJpc3MiOiJ4In0.x"),
            ])),
            unknown,
        ),
        (plain(format!("{password}&client_id={APP}")), malformed),
        (plain(format!("{password}&Username={USER}")), malformed),
        (plain(password.replace('&', ";")), malformed),
        (plain(format!("{password}&x=%zz")), malformed),
        (
            plain(form(&[("grant_type", JWT), ("assertion", "no.jwt")])),
            malformed,
        ),
        (
            (
                nobody.clone(),
                format!("{TOKEN_PATH}?{password}"),
                String::new(),
            ),
            malformed,
        ),
        (
            (
                nobody.with("authorization", &basic(OTHER_APP)),
                TOKEN_PATH.into(),
                password.clone(),
            ),
            malformed,
        ),
        (
            (
                Client::new(house.salesforce, TOKEN),
                TOKEN_PATH.into(),
                password.clone(),
            ),
            malformed,
        ),
        (
            (
                Client::new(house.salesforce, KEY),
                TOKEN_PATH.into(),
                password.clone(),
            ),
            unknown,
        ),
    ];
    for ((client, target, body), (status, code)) in cases {
        let reply = post(&client, &target, &body).await;
        assert_eq!(told(&reply), (status, code.to_owned()), "{body}");
    }
    assert_eq!(house.sandbox.requests(), 0);
    house.finish().await;
}

#[tokio::test]
async fn what_is_no_form_or_of_another_crm_never_reaches_it() {
    let house = builder().build().await;
    let nobody = Client::new(house.salesforce, "");
    let password = by_password();
    let large = format!("{password}&x={}", "x".repeat(70_000));
    let reply = post(&nobody, TOKEN_PATH, &large).await;
    assert_eq!(told(&reply), (413, "WRITEGATE_TOO_LARGE".into()));
    let json = json!({ "grant_type": "password", "username": USER }).to_string();
    let reply = nobody
        .raw(Method::POST, TOKEN_PATH, Some(json.into()))
        .await;
    assert_eq!(told(&reply), (400, "WRITEGATE_MALFORMED".into()));
    let hubspot = Client::new(house.hubspot, "");
    let grant = |grant: &str| form(&[("grant_type", grant), ("client_id", APP)]);
    for unknown in [
        "urn:ietf:params:oauth:grant-type:saml2-bearer",
        "device",
        "hybrid_refresh",
        "Password",
    ] {
        let reply = post(&nobody, TOKEN_PATH, &grant(unknown)).await;
        assert_eq!(told(&reply), (403, "WRITEGATE_OPAQUE".into()), "{unknown}");
    }
    for body in [by_secret("nobody"), grant("password")] {
        let reply = post(&hubspot, "/oauth/v1/token", &body).await;
        assert_eq!(reply.status, 403, "{}", reply.text());
        assert!(reply.message().starts_with("Not written: "));
    }
    assert_eq!(house.sandbox.requests(), 0);
    house.finish().await;
}

#[tokio::test]
async fn who_is_stopped_does_not_log_in() {
    let house = builder().build().await;
    let nobody = Client::new(house.salesforce, "");
    for (scope, status) in [(SwitchScope::Writes, 200), (SwitchScope::All, 403)] {
        let switch = Switch {
            service_account: "enrichment-agent".into(),
            scope,
            reason: "a test".into(),
            by: "dana".into(),
            at: house.app.clock.now(),
            limit: None,
        };
        let change = SwitchChange::Throw(switch);
        house.app.control.set_switch(change).await.unwrap();
        let before = house.sandbox.requests();
        let reply = post(&nobody, TOKEN_PATH, &by_password()).await;
        assert_eq!(reply.status, status, "{}", reply.text());
        let passed = u64::from(status == 200);
        assert_eq!(house.sandbox.requests() - before, passed);
    }
    let reply = post(&nobody, TOKEN_PATH, &by_password()).await;
    assert_eq!(told(&reply).1, "WRITEGATE_STOPPED");
    house.finish().await;
}

#[tokio::test]
async fn what_cannot_be_learned_is_not_asked_for() {
    let house = builder().build().await;
    house.ledger.break_down();
    let nobody = Client::new(house.salesforce, "");
    let reply = post(&nobody, TOKEN_PATH, &by_password()).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert_eq!(house.sandbox.requests(), 0);
}

/// The agent has a token only once its row is written; without the row nobody has it.
#[tokio::test]
async fn what_was_not_learned_is_not_given_out() {
    let house = builder().build().await;
    let learning = house.ledger.hold_next(RowKind::Learned);
    let to = house.salesforce;
    let nobody = Client::new(to, "");
    let mut login = tokio::spawn(async move { post(&nobody, TOKEN_PATH, &by_password()).await });
    tokio::select! {
        () = learning.arrived() => {}
        answer = &mut login => panic!("answered before it was learned: {answer:?}"),
    }
    let token = house.sandbox.issued().pop().unwrap();
    let agent = Client::new(to, &token);
    for answered in [false, true] {
        let reply = agent.get("/services/data/v60.0/sobjects").await;
        assert_eq!(reply.code(), "WRITEGATE_UNKNOWN_CALLER");
        if !answered {
            house.ledger.break_down();
            learning.open();
            let reply = (&mut login).await.unwrap();
            assert_eq!(reply.status, 503, "{}", reply.text());
            assert!(!reply.text().contains(&token), "{}", reply.text());
        }
    }
    house.ledger.repair();
    house.finish().await;
}

#[tokio::test]
async fn an_answer_of_another_instance_is_no_login() {
    let house = builder()
        .sandbox(|options| options.instance_url = Some("https://other.my.salesforce.com".into()))
        .build()
        .await;
    let nobody = Client::new(house.salesforce, "");
    let reply = post(&nobody, TOKEN_PATH, &by_password()).await;
    assert_eq!(told(&reply), (502, "WRITEGATE_UPSTREAM".into()));
    let token = house.sandbox.issued().pop().unwrap();
    assert!(!reply.text().contains(&token));
    let reply = Client::new(house.salesforce, &token)
        .get("/services/data/v60.0/sobjects")
        .await;
    assert_eq!(reply.code(), "WRITEGATE_UNKNOWN_CALLER");
    house.finish().await;
}

fn scripted(house: &House, status: u16, headers: &[(&str, &str)], body: &str) {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let answer = Fault::Answer {
        status,
        headers,
        body: body.to_owned().into(),
    };
    house.sandbox.script(|_| true, 1, answer);
}

#[tokio::test]
async fn a_token_that_is_somebody_elses_is_not_given_out() {
    let house = builder().build().await;
    let nobody = Client::new(house.salesforce, "");
    let json = [("content-type", "application/json")];
    let brings = |token: &str| json!({ "access_token": token }).to_string();
    // the configuration names it for another
    scripted(&house, 200, &json, &brings(OTHER_TOKEN));
    let reply = post(&nobody, TOKEN_PATH, &by_password()).await;
    assert_eq!(told(&reply), (403, "WRITEGATE_UNKNOWN_CALLER".into()));
    assert!(!reply.text().contains(OTHER_TOKEN));
    // another logged in first
    for (app, status) in [(OTHER_APP, 200), (APP, 403), (OTHER_APP, 200)] {
        scripted(&house, 200, &json, &brings("00D!one-session-of-one-user"));
        let reply = post(&nobody, TOKEN_PATH, &by_secret(app)).await;
        assert_eq!(reply.status, status, "{app}: {}", reply.text());
    }
    house.finish().await;
}

#[tokio::test]
async fn what_is_no_answer_to_a_login_is_not_passed_on() {
    let house = builder().build().await;
    let nobody = Client::new(house.salesforce, "");
    let json = ("content-type", "application/json");
    for (status, headers, body) in [
        (302, vec![("location", "https://evil.test/")], "{}"),
        (
            200,
            vec![("content-type", "text/html")],
            "<html>canary-in-a-page",
        ),
        (200, vec![json], "{\"scope\":\"canary\"}"),
        (
            200,
            vec![json],
            "{\"access_token\":\"canary\",\"access_token\":\"x\"}",
        ),
        (200, vec![json, ("content-encoding", "br")], "canary"),
        (200, vec![json, ("content-encoding", "gzip")], "canary"),
    ] {
        scripted(&house, status, &headers, body);
        let reply = post(&nobody, TOKEN_PATH, &by_password()).await;
        assert_eq!(told(&reply), (502, "WRITEGATE_UPSTREAM".into()), "{body}");
        assert!(!reply.text().contains("canary"), "{}", reply.text());
        assert_eq!(reply.header("location"), None);
    }
    // the CRM's own no is its own to say
    let no = form(&[
        ("grant_type", "password"),
        ("client_id", APP),
        ("client_secret", SECRET),
        ("username", USER),
        ("password", "wrong"),
    ]);
    let reply = post(&nobody, TOKEN_PATH, &no).await;
    assert_eq!(
        (reply.status.as_u16(), reply.json()["error"].as_str()),
        (400, Some("invalid_grant"))
    );
    house.finish().await;
}

/// What mints, shows or takes back credentials otherwise is an operation that rules name.
#[tokio::test]
async fn what_else_is_about_credentials_is_no_login() {
    let house = builder()
        .rules("crm: salesforce\ndefault: deny\n")
        .build()
        .await;
    let agent = house.agent_of(CrmKind::Salesforce);
    for target in [
        "/services/oauth2/revoke",
        "/services/oauth2/introspect",
        "/services/oauth2/register",
        "/services/oauth2/singleaccess",
        "/services/oauth2/authorize",
        "/services/oauth2/token/x",
    ] {
        let reply = post(
            &agent,
            target,
            &form(&[("client_id", APP), ("refresh", REFRESH)]),
        )
        .await;
        assert_eq!(told(&reply), (403, "WRITEGATE_DENIED".into()), "{target}");
    }
    assert_eq!(house.sandbox.requests(), 0);
    house.finish().await;
}

/// The user-agent flow hands tokens to whoever opens a page; no rule opens it.
#[tokio::test]
async fn no_token_is_handed_to_a_page() {
    let rules =
        "crm: salesforce\ndefault: allow\nobjects: { '*': { credential: { agents: allow } } }\n";
    let house = builder().rules(rules).build().await;
    for kind in ["token", "code%20token", "Token"] {
        let target = format!("/services/oauth2/authorize?response_type={kind}&client_id=x");
        let reply = house.agent().get(&target).await;
        assert_eq!(told(&reply), (403, "WRITEGATE_OPAQUE".into()), "{kind}");
    }
    assert_eq!(house.sandbox.requests(), 0);
    house.finish().await;
}
