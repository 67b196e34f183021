//! Questions about a token are answered to its owner; and no secret of a login stands anywhere.

use http::Method;
use serde_json::json;
use writegate::sandbox::{Options, Sandbox};

use super::{
    APP, PASSWORD, REFRESH, SECRET, TOKEN_PATH, app, builder, by_code, by_password, by_refresh,
    by_secret, form, post, token_of,
};
use crate::support::client::Client;
use crate::support::house::{BROKER, KEY, OTHER_TOKEN, TOKEN};
use crate::support::program::Program;

const INFO: &str = "/oauth/v2/private-apps/get/access-token-info";

#[tokio::test]
async fn only_ones_own_token_can_be_asked_about() {
    let house = builder().build().await;
    let nobody = Client::new(house.hubspot, "");
    let agent = house.hubspot_agent();
    let learned = token_of(&post(&nobody, "/oauth/v3/token", &by_refresh(REFRESH)).await);
    let path = |token: &str| format!("/oauth/v1/access-tokens/{}", token.replace('!', "%21"));
    let own = agent.get(&path(TOKEN)).await;
    assert_eq!(
        (own.status.as_u16(), &own.json()["userId"]),
        (200, &json!(71))
    );
    assert_eq!(nobody.get(&path(TOKEN)).await.status, 200);
    assert_eq!(nobody.get(&path(&learned)).await.status, 200);
    assert_eq!(agent.get(&path(&learned)).await.status, 200);
    let refresh = format!("/oauth/v1/refresh-tokens/{REFRESH}");
    assert_eq!(agent.get(&refresh).await.status, 200);
    let key = |token: &str| json!({ "tokenKey": token });
    assert_eq!(agent.post(INFO, &key(TOKEN)).await.status, 200);
    let asking = |app: &str, token: &str| {
        form(&[
            ("client_id", app),
            ("client_secret", SECRET),
            ("token", token),
        ])
    };
    let introspect = "/oauth/2026-03/token/introspect";
    let reply = post(&nobody, introspect, &asking(APP, &learned)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let before = house.sandbox.requests();
    for reply in [
        agent.get(&path(OTHER_TOKEN)).await,
        agent.get(&path("of-nobody")).await,
        nobody.get(&path("of-nobody")).await,
        Client::new(house.hubspot, "of-nobody")
            .get(&path(TOKEN))
            .await,
        agent.get(&path(REFRESH)).await,
        agent
            .get(&format!("/oauth/v1/refresh-tokens/{TOKEN}").replace('!', "%21"))
            .await,
        agent.post(INFO, &key(OTHER_TOKEN)).await,
        post(&nobody, introspect, &asking(super::OTHER_APP, &learned)).await,
    ] {
        assert_eq!(reply.code(), "WRITEGATE_UNKNOWN_CALLER", "{}", reply.text());
    }
    for caller in [&agent, &Client::new(house.hubspot, KEY)] {
        let reply = caller.get(&path(KEY)).await;
        assert_eq!(reply.code(), "WRITEGATE_MALFORMED", "{}", reply.text());
    }
    for body in [
        json!({ "tokenKey": TOKEN, "x": 1 }),
        json!([]),
        json!({ "tokenKey": 1 }),
    ] {
        assert_eq!(agent.post(INFO, &body).await.code(), "WRITEGATE_MALFORMED");
    }
    assert_eq!(house.sandbox.requests(), before);
    // of a key of ours the CRM knows nothing: what stands for it is asked about
    let reply = Client::new(house.hubspot, KEY).post(INFO, &key(KEY)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let seen = house.sandbox.seen();
    let seen = seen.last().unwrap();
    assert_eq!(seen.body, key(BROKER).to_string().as_bytes());
    assert!(!format!("{seen:?}").contains(KEY));
    house.finish().await;
}

#[tokio::test]
async fn no_secret_of_a_login_stands_anywhere() {
    let mut options = Options::with_token("00D!canary-that-is-fixed");
    let mut app = app();
    app.rotates = true;
    options.apps.push(app);
    let sandbox = Sandbox::start("127.0.0.1:0".parse().unwrap(), options)
        .await
        .unwrap();
    let mut program = Program::before(&sandbox.base_url())
        .clients(&[APP])
        .env("WRITEGATE_LOG", "trace")
        .start();
    let (salesforce, hubspot) = (
        Client::new(program.salesforce, ""),
        Client::new(program.hubspot, ""),
    );
    let mut answers = vec![
        post(&salesforce, TOKEN_PATH, &by_password()).await,
        post(&salesforce, TOKEN_PATH, &by_secret(APP)).await,
        post(&hubspot, "/oauth/v3/token", &by_refresh(REFRESH)).await,
        post(&hubspot, "/oauth/v3/token", &by_code()).await,
    ];
    assert!(answers.iter().all(|reply| reply.status == 200));
    let tokens = sandbox.issued();
    let (last, told) = (tokens.last().unwrap(), "/oauth/v1/access-tokens/");
    let agent = Client::new(program.hubspot, last);
    let own = agent
        .get(&format!("{told}{}", last.replace('!', "%21")))
        .await;
    assert_eq!(own.status, 200, "{}", own.text());
    answers.clear();
    let assertion = form(&[
        ("grant_type", super::JWT),
        (
            "assertion",
            "e30.eyJpc3MiOiIzTVZHOS1vZi1lbnJpY2htZW50In0.canary-signature",
        ),
    ]);
    for body in [
        by_secret("nobody"),
        by_password() + "&password=canary",
        by_refresh("canary-unknown-refresh"),
        assertion,
    ] {
        for (client, target) in [(&salesforce, TOKEN_PATH), (&hubspot, "/oauth/v1/token")] {
            answers.push(post(client, target, &body).await);
        }
    }
    let body = Some(by_password().into());
    answers.push(salesforce.raw(Method::POST, TOKEN_PATH, body).await);
    let metrics = Client::new(program.admin, "").get("/metrics").await;
    let file = std::fs::read(&program.ledger).unwrap();
    let mut wal = program.ledger.clone().into_os_string();
    wal.push("-wal");
    let wal = std::fs::read(wal).unwrap_or_default();
    assert_eq!(program.stop(), Some(0));
    let mut places = program.log();
    assert!(places.iter().any(|line| line.contains("logged in")));
    places.extend([metrics.text()]);
    places.extend(
        [file, wal]
            .iter()
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
    );
    places.extend(
        answers
            .iter()
            .map(|reply| format!("{:?} {}", reply.headers, reply.text())),
    );
    let rotated = sandbox.refresh_token(APP).unwrap();
    let mut secrets = tokens;
    secrets.extend([
        rotated,
        PASSWORD.to_owned(),
        form_urlencoded::byte_serialize(PASSWORD.as_bytes()).collect(),
    ]);
    secrets.extend([SECRET, REFRESH, "canary"].map(str::to_owned));
    stand_nowhere(&secrets, &places);
}

fn stand_nowhere(secrets: &[String], places: &[String]) {
    for place in places {
        for secret in secrets {
            assert!(!place.contains(secret.as_str()), "{secret} in {place}");
        }
    }
}
