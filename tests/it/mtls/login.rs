//! A certificate beside a login, beside what a login brought and beside a session in a message: who has
//! `certs` comes with its own, and nobody comes with another's.

use serde_json::json;
use writegate::mutation::CrmKind;
use writegate::sandbox::OAuthApp;

use super::secure::{Agents, Identity, Listener, Secure};
use super::{ENRICHMENT, SCORING, house, row};
use crate::login::{APP, SECRET, form};
use crate::soap::{OPEN, PARTNER, message};
use crate::support::client::Reply;
use crate::support::house::{House, TOKEN};

const TOKEN_PATH: &str = "/services/oauth2/token";
/// The app of `sdr-agent`, which has no `certs`.
const OTHER_APP: &str = "3MVG9-of-sdr";
/// A name that is nobody's.
const STRANGE: &str = "other.agents.acme";

/// Both apps log in here; a certificate has to be shown.
async fn both(folder: &std::path::Path, listener: &Listener, agents: &Agents) -> House {
    house(folder, listener, agents)
        .rules(OPEN)
        .configure(|config| {
            config.service_accounts[0].clients = vec![APP.into()];
            config.service_accounts[1].clients = vec![OTHER_APP.into()];
        })
        .sandbox(|options| {
            options.apps.push(OAuthApp::new(APP, SECRET));
            options.apps.push(OAuthApp::new(OTHER_APP, SECRET));
        })
        .build()
        .await
}

async fn log_in(to: &mut Secure, app: &str) -> Reply {
    let by_secret = form(&[
        ("grant_type", "client_credentials"),
        ("client_id", app),
        ("client_secret", SECRET),
    ]);
    let kind = "application/x-www-form-urlencoded";
    to.post(TOKEN_PATH, kind, by_secret).await
}

#[tokio::test]
async fn a_login_and_its_token_come_with_their_own_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, agents) = (Listener::new(), Agents::new("Agents CA"));
    let house = both(folder.path(), &listener, &agents).await;
    let shown = |names: &[&str]| agents.names(names, &[]);
    let (own, other, strange) = (shown(&[ENRICHMENT]), shown(&[SCORING]), shown(&[STRANGE]));
    let at =
        async |identity: &Identity| Secure::to(house.salesforce, &listener, Some(identity)).await;
    let others = [
        (&other, "is of scoring-agent"),
        (&strange, "is none of enrichment-agent"),
    ];
    for (identity, says) in others {
        let reply = log_in(&mut at(identity).await, APP).await;
        assert_eq!(reply.status, 403, "{}", reply.text());
        assert!(reply.text().contains(says), "{}", reply.text());
    }
    assert_eq!(house.sandbox.requests(), 0);
    // who is bound to none comes with any
    let reply = log_in(&mut at(&strange).await, OTHER_APP).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let mut agent = at(&own).await;
    let reply = log_in(&mut agent, APP).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let token = reply.json()["access_token"].as_str().unwrap().to_owned();
    let (target, bearer) = (row(CrmKind::Salesforce), format!("Bearer {token}"));
    let body = json!({ "Phone": "1" });
    let reply = agent.patch(&target, Some(&bearer), &body).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    let before = house.sandbox.requests();
    for (identity, says) in others {
        let reply = at(identity)
            .await
            .patch(&target, Some(&bearer), &body)
            .await;
        assert_eq!(reply.code(), "WRITEGATE_UNKNOWN_CALLER");
        assert!(reply.message().contains(says), "{}", reply.text());
    }
    assert_eq!(house.sandbox.requests(), before);
    house.finish().await;
}

/// A session in a message is a token as any other: of the configuration or of a login.
#[tokio::test]
async fn a_session_in_a_message_comes_with_no_other_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, agents) = (Listener::new(), Agents::new("Agents CA"));
    let house = both(folder.path(), &listener, &agents).await;
    let own = agents.names(&[ENRICHMENT], &[]);
    let mut agent = Secure::to(house.salesforce, &listener, Some(&own)).await;
    let learned = log_in(&mut agent, APP).await.json();
    let learned = learned["access_token"].as_str().unwrap();
    let strange = agents.names(&[STRANGE], &[]);
    let mut agent = Secure::to(house.salesforce, &listener, Some(&strange)).await;
    let before = house.sandbox.requests();
    let write = "<create><sObjects><type>Account</type><Name>x</Name></sObjects></create>";
    for session in [TOKEN, learned] {
        for operation in [write, "<getUserInfo/>"] {
            let body = message(session, "", operation);
            let reply = agent.post(PARTNER, "text/xml; charset=UTF-8", body).await;
            assert_eq!(reply.code(), "WRITEGATE_UNKNOWN_CALLER", "{}", reply.text());
            let says = "is none of enrichment-agent";
            assert!(reply.message().contains(says), "{}", reply.text());
        }
    }
    assert_eq!(house.sandbox.requests(), before);
    house.finish().await;
}
