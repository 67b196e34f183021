//! Client certificates: a name in one says which service account is calling, and nothing on the request
//! may say otherwise. Certificates are put in place of others while the proxy serves.

mod login;
mod made;
mod reload;
mod secure;

use std::path::Path;

use serde_json::json;
use writegate::config::{Config, Tls};
use writegate::journal::read::EntryState;
use writegate::mutation::CrmKind;
use writegate::sandbox::seed;

use super::support::house::{BROKER, Builder, House, KEY, OTHER_TOKEN, TOKEN};
use secure::{Agents, Listener, Secure, trusting};

/// Under `certs:` of `scoring-agent`, which has broker credentials.
const SCORING: &str = "scoring.agents.acme";
const SCORING_URI: &str = "spiffe://acme/agents/scoring";
/// Under `certs:` of `enrichment-agent`, which has a token and nothing of the broker's.
const ENRICHMENT: &str = "enrichment.agents.acme";

/// A house that only lets in who shows a certificate of these agents' CA.
fn house(folder: &Path, listener: &Listener, agents: &Agents) -> Builder {
    let tls = Tls {
        cert: listener.write(folder).0,
        key: listener.write(folder).1,
        client_ca: Some(agents.write(folder)),
    };
    House::builder().configure(move |config: &mut Config| {
        for route in &mut config.routes {
            route.tls = Some(tls.clone());
        }
        config.service_accounts[0].certs = vec![ENRICHMENT.into()];
        config.service_accounts[0].credentials.clear();
        config.service_accounts[2].certs = vec![SCORING.into(), SCORING_URI.into()];
    })
}

fn row(crm: CrmKind) -> String {
    match crm {
        CrmKind::Salesforce => format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME),
        CrmKind::HubSpot => format!("/crm/v3/objects/companies/{}", seed::HS_ACME),
    }
}

#[tokio::test]
async fn a_name_in_a_certificate_is_who_is_calling() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, agents) = (Listener::new(), Agents::new("Agents CA"));
    let house = house(folder.path(), &listener, &agents).build().await;
    let target = row(CrmKind::Salesforce);
    let body = json!({ "Phone": "1" });
    let bearer = |secret: &str| Some(format!("Bearer {secret}"));
    let (dns, uri) = (
        agents.names(&[SCORING], &[]),
        agents.names(&[], &[SCORING_URI]),
    );
    let both = agents.names(&["other.agents.acme", SCORING], &[SCORING_URI]);
    for identity in [&dns, &uri, &both] {
        for credential in [None, bearer(KEY)] {
            let mut agent = Secure::to(house.salesforce, &listener, Some(identity)).await;
            let reply = agent.patch(&target, credential.as_deref(), &body).await;
            assert_eq!(reply.status, 204, "{}", reply.text());
            assert_eq!(agent.get(&target, credential.as_deref()).await.status, 200);
        }
    }
    for seen in house.sandbox.seen() {
        assert_eq!(seen.headers["authorization"], format!("Bearer {BROKER}"));
    }
    // pass-through: its own token, or one that nobody has yet
    let own = agents.names(&[ENRICHMENT], &[]);
    let mut agent = Secure::to(house.salesforce, &listener, Some(&own)).await;
    let reply = agent.patch(&target, bearer(TOKEN).as_deref(), &body).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    let fresh = "00Dxx!canary-of-a-fresh-token";
    let reply = agent.get(&target, bearer(fresh).as_deref()).await;
    assert_eq!(reply.status, 401, "the CRM's own answer: {}", reply.text());
    let entries = house.entries().await;
    let by = |name: &str| {
        entries
            .iter()
            .filter(|entry| entry.service_account.as_deref() == Some(name))
            .count()
    };
    assert_eq!((by("scoring-agent"), by("enrichment-agent")), (6, 1));
    house.finish().await;
}

#[tokio::test]
async fn nothing_may_name_another() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, agents) = (Listener::new(), Agents::new("Agents CA"));
    let house = house(folder.path(), &listener, &agents).build().await;
    let target = row(CrmKind::Salesforce);
    let body = json!({ "Phone": "1" });
    let cases: [(&[&str], &str, &str); 9] = [
        (&[SCORING], TOKEN, "is of scoring-agent"),
        (&[SCORING], OTHER_TOKEN, "is of scoring-agent"),
        (&[ENRICHMENT], KEY, "is of enrichment-agent"),
        (&[ENRICHMENT, SCORING], TOKEN, "Send what belongs to one"),
        (&[ENRICHMENT, SCORING], "", "Send what belongs to one"),
        // its token with a certificate that is not its own
        (&["other.agents.acme"], TOKEN, "is none of enrichment-agent"),
        (&["other.agents.acme"], KEY, "is none of scoring-agent"),
        (
            &["ENRICHMENT.agents.acme"],
            TOKEN,
            "is none of enrichment-agent",
        ),
        (&["*.agents.acme"], TOKEN, "is none of enrichment-agent"),
    ];
    let none = |names: &[&str], uris: &[&str], secret, says| {
        (
            agents.names(names, uris),
            format!("{names:?} {uris:?}"),
            secret,
            says,
        )
    };
    let mut cases: Vec<_> = cases
        .into_iter()
        .map(|(names, secret, says)| none(names, &[], secret, says))
        .collect();
    // a name that begins or ends like the right one, or is written otherwise
    for name in [
        "enrichment.agents.acme.evil.test",
        "enrichment.agents",
        "x.enrichment.agents.acme",
        "x-enrichment.agents.acme",
        "agents.acme",
        "enrichment.agents.acme.",
    ] {
        cases.push(none(&[name], &[], TOKEN, "is none of enrichment-agent"));
    }
    for uri in [
        "spiffe://acme/agents/scoring/x",
        "spiffe://acme/agents/scoring/",
        "spiffe://acme/agents/",
        "SPIFFE://acme/agents/scoring",
        "spiffe://acme/agents/%73coring",
        "x-spiffe://acme/agents/scoring",
    ] {
        cases.push(none(&[], &[uri], KEY, "is none of scoring-agent"));
    }
    for (identity, names, secret, says) in cases {
        let mut agent = Secure::to(house.salesforce, &listener, Some(&identity)).await;
        let bearer = (!secret.is_empty()).then(|| format!("Bearer {secret}"));
        for reply in [
            agent.get(&target, bearer.as_deref()).await,
            agent.patch(&target, bearer.as_deref(), &body).await,
        ] {
            assert_eq!(reply.code(), "WRITEGATE_UNKNOWN_CALLER", "{names}");
            assert!(reply.message().contains(says), "{}", reply.text());
        }
    }
    // nobody's certificate is no identity: without a credential it is nobody
    let identity = agents.names(&["other.agents.acme"], &[]);
    let mut nobody = Secure::to(house.salesforce, &listener, Some(&identity)).await;
    let reply = nobody.get(&target, None).await;
    assert!(
        reply.message().contains("carries no credential"),
        "{}",
        reply.text()
    );
    // who is bound to none comes with any
    let reply = nobody
        .get(&target, Some(&format!("Bearer {OTHER_TOKEN}")))
        .await;
    assert_eq!(reply.status, 200);
    assert!(house.sandbox.writes().is_empty());
    assert_eq!(house.count(EntryState::Done).await, 0);
    house.finish().await;
}

#[tokio::test]
async fn a_certificate_alone_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, agents) = (Listener::new(), Agents::new("Agents CA"));
    let house = house(folder.path(), &listener, &agents).build().await;
    let identity = agents.names(&[ENRICHMENT], &[]);
    for (address, crm, route) in [
        (house.salesforce, CrmKind::Salesforce, "salesforce"),
        (house.hubspot, CrmKind::HubSpot, "hubspot"),
    ] {
        let mut agent = Secure::to(address, &listener, Some(&identity)).await;
        let reply = agent.get(&row(crm), None).await;
        assert_eq!(reply.status, 403);
        let says = format!(
            "Not written: the certificate names enrichment-agent, but the request carries no CRM \
             token and enrichment-agent has no `credentials:` for route {route}. Send the token as \
             `Authorization: Bearer …`, or add a credential."
        );
        assert_eq!(reply.message(), says);
    }
    assert_eq!(house.sandbox.requests(), 0);
    house.finish().await;
}

#[tokio::test]
async fn without_a_certificate_of_the_ca_there_is_no_connection() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, agents) = (Listener::new(), Agents::new("Agents CA"));
    let house = house(folder.path(), &listener, &agents).build().await;
    let others = Agents::new("Agents CA").names(&[SCORING], &[]);
    for identity in [None, Some(&others)] {
        let to = Secure::try_to(house.salesforce, &trusting(&listener, identity)).await;
        let answer = match to {
            Some(mut agent) => agent.try_get(&row(CrmKind::Salesforce), Some(KEY)).await,
            None => None,
        };
        assert!(answer.is_none());
    }
    assert_eq!(house.sandbox.requests(), 0);
    house.finish().await;
}
