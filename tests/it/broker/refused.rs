//! A credential of our own that the CRM does not take, however often it is renewed: the agent is told in
//! words, and not with the 401, on which SDKs log in again.

use serde_json::json;
use writegate::config::Secret;
use writegate::journal::read::EntryState;
use writegate::mutation::CrmKind;
use writegate::sandbox::Fault;

use super::{BOTH, agent, clock, create, house, logins, read, row, statuses, update, with};
use crate::support::house::{House, TOKEN};

const SAYS: &str = "Not written: the CRM does not take Writegate's own credential. Nothing was written; \
                    an operator has to mend that, repeating this will not help.";

fn refuse_everything(house: &House) {
    let no = Fault::Answer {
        status: 401,
        headers: vec![("content-type".into(), "application/json".into())],
        body: r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#
            .into(),
    };
    let all = |head: &writegate::sandbox::Head<'_>| !head.path.ends_with("/token");
    house.sandbox.script(all, 1_000, no);
}

fn told(reply: &crate::support::client::Reply) {
    assert_eq!(reply.status, 502, "{}", reply.text());
    assert_eq!(reply.code(), "WRITEGATE_UPSTREAM");
    assert_eq!(reply.message().split(" [").next().unwrap(), SAYS);
    assert_eq!(reply.header("retry-after"), None);
    assert_eq!(reply.header("www-authenticate"), None);
}

#[tokio::test]
async fn each_request_is_sent_twice_at_most_and_the_login_host_is_left_alone() {
    let clock = clock();
    for crm in BOTH {
        let house = house(&clock).build().await;
        refuse_everything(&house);
        told(&read(&house, crm).await);
        assert_eq!(house.sandbox.requests(), 4, "two logins, two reads");
        for _ in 0..5 {
            told(&read(&house, crm).await);
        }
        told(&update(&house, crm, "Ulm").await);
        told(&create(&house, crm, "New Inc.").await);
        assert_eq!(logins(&house), 2, "not for each request");
        assert_eq!(statuses(&house), [401]);
        assert_eq!(house.count(EntryState::Failed).await, 1);
        // later another token is asked for, once
        clock.advance_ms(10_000);
        told(&create(&house, crm, "New Inc.").await);
        assert_eq!(logins(&house), 3);
        assert_eq!(statuses(&house), [401, 401, 401]);
        house.close().await;
    }
}

#[tokio::test]
async fn a_token_that_stands_somewhere_is_not_the_agents_to_renew() {
    let fixed = |token: &str| Secret::new(token).into();
    let house = house(&clock())
        .configure(with(fixed("over"), fixed("over")))
        .build()
        .await;
    for crm in BOTH {
        told(&read(&house, crm).await);
        told(&update(&house, crm, "Ulm").await);
        told(&create(&house, crm, "New Inc.").await);
        let search = "/crm/v3/objects/companies/search";
        if crm == CrmKind::HubSpot {
            told(&agent(&house, crm).post(search, &json!({})).await);
        }
    }
    assert_eq!(logins(&house), 0);
    house.finish().await;
}

/// Pass-through: the agent's own token is the agent's own business.
#[tokio::test]
async fn the_crms_401_to_an_agents_own_token_is_the_agents() {
    let house = house(&clock()).build().await;
    refuse_everything(&house);
    for crm in BOTH {
        let mut own = agent(&house, crm);
        own.token = TOKEN.into();
        assert_eq!(own.get(&row(crm)).await.status, 401);
    }
    house.finish().await;
}
