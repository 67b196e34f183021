//! Sends, exports, code and secrets are operations with names: denied unless a rule allows them by
//! name, counted one by one, and their secrets are kept nowhere.

use serde_json::json;
use writegate::ledger::{Ledger, RowFilter};
use writegate::sandbox::seed;

use super::support::house::House;

const DATA: &str = "/services/data/v60.0";

#[tokio::test]
async fn nothing_of_the_kind_passes_without_a_rule() {
    let rules = "
crm: salesforce
default: deny
objects: { '*': { update: { agents: allow } } }
";
    let house = House::builder().rules(rules).build().await;
    let agent = house.agent();
    let inputs = json!({ "inputs": [{ "emailAddresses": "a@b.c" }] });
    for (path, body) in [
        ("actions/standard/emailSimple", inputs.clone()),
        ("actions/custom/flow/Renew", inputs),
        (
            "process/approvals",
            json!({ "requests": [{ "actionType": "Submit" }] }),
        ),
        ("quickActions/LogACall", json!({ "record": {} })),
        ("sobjects/Deal_Closed__e", json!({ "Name": "x" })),
        ("chatter/feed-elements?text=x", json!({})),
        (
            "connect/communities/internal/chatter/feed-elements",
            json!({ "body": {} }),
        ),
        (
            "jobs/query",
            json!({ "operation": "query", "query": "SELECT Id FROM Account" }),
        ),
        (
            "async-queries",
            json!({ "query": "SELECT Id FROM Account", "targetObject": "X__c" }),
        ),
        ("tooling/sobjects/ApexClass", json!({ "Name": "x" })),
        ("tooling/executeAnonymous", json!({ "anonymousBody": "x" })),
    ] {
        let reply = agent.post(&format!("{DATA}/{path}"), &body).await;
        assert_eq!(reply.code(), "WRITEGATE_DENIED", "{path}: {}", reply.text());
    }
    let attachment = "sobjects/Attachment/00P000000000001AAA/Body";
    for path in [
        "tooling/executeAnonymous?anonymousBody=delete+x",
        "jobs/query/750000000000001AAA/results",
        "analytics/reports/00O000000000001AAA",
        attachment,
    ] {
        let reply = agent.get(&format!("{DATA}/{path}")).await;
        assert_eq!(reply.code(), "WRITEGATE_DENIED", "{path}: {}", reply.text());
    }
    let consent = format!("{DATA}/consent/action/email?ids=a@b.c&consentName=x&status=OptOut");
    let reply = agent.patch(&consent, &json!({})).await;
    assert_eq!(reply.code(), "WRITEGATE_DENIED", "{}", reply.text());
    assert_eq!(house.sandbox.requests(), 0);
    house.finish().await;
}

#[tokio::test]
async fn a_rule_allows_by_name_and_each_send_counts() {
    let rules = "
crm: salesforce
default: deny
objects:
  emailSimple: { send: { agents: allow } }
limits:
  - { name: mails, per: service_account, count: send, max: 3, window: 1h }
";
    let house = House::builder().rules(rules).build().await;
    let mail = |to: &[&str]| {
        let inputs: Vec<_> = to
            .iter()
            .map(|to| json!({ "emailAddresses": to }))
            .collect();
        json!({ "inputs": inputs })
    };
    let target = format!("{DATA}/actions/standard/emailSimple");
    let reply = house
        .agent()
        .post(&target, &mail(&["a@b.c", "d@e.f"]))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json().as_array().unwrap().len(), 2);
    let reply = house
        .agent()
        .post(&target, &mail(&["g@h.i", "j@k.l"]))
        .await;
    assert_eq!(reply.code(), "WRITEGATE_BUDGET", "{}", reply.text());
    let other = format!("{DATA}/actions/standard/chatterPost");
    let reply = house.agent().post(&other, &mail(&["x"])).await;
    assert_eq!(reply.code(), "WRITEGATE_DENIED", "{}", reply.text());
    assert_eq!(house.sandbox.writes().len(), 1);
    house.finish().await;
}

#[tokio::test]
async fn an_export_by_get_is_governed_and_passes_as_it_is() {
    let rules = "
crm: salesforce
default: deny
objects:
  listviews: { export: { agents: allow } }
";
    let house = House::builder().rules(rules).build().await;
    let target = format!("{DATA}/sobjects/Account/listviews/00B000000000001AAA/results");
    let reply = house.agent().get(&target).await;
    // The sandbox has no list views, and says so itself.
    assert_eq!(reply.status, 404, "{}", reply.text());
    assert_eq!(reply.header("x-writegate-verdict"), Some("allow"));
    assert_eq!(house.entries().await.len(), 1);
    let seen = house.sandbox.seen();
    assert_eq!((seen.len(), &*seen[0].target), (1, &*target));
    // not one of the sandbox's writes
    house.close().await;
}

#[tokio::test]
async fn secrets_of_a_refused_or_allowed_operation_are_kept_nowhere() {
    for word in ["deny", "allow"] {
        let rules = format!(
            "
crm: salesforce
default: deny
objects: {{ '*': {{ credential: {{ agents: {word} }} }} }}
"
        );
        let house = House::builder().rules(&rules).build().await;
        let agent = house.agent();
        let user = format!("{DATA}/sobjects/User/{}/password", seed::SALES_USER);
        let reply = agent
            .post(&user, &json!({ "NewPassword": "canary-1" }))
            .await;
        assert!(!reply.status.is_success(), "{}", reply.text());
        let revoke = "/services/oauth2/revoke?token=canary-2";
        let reply = agent.get(revoke).await;
        assert!(!reply.status.is_success(), "{}", reply.text());
        let rows = house.ledger.rows(RowFilter::default()).await.unwrap();
        assert!(rows.len() >= 2);
        for row in rows {
            let kept = format!("{} {:?}", row.meta, row.values);
            assert!(!kept.contains("canary"), "{word}: {kept}");
        }
        house.finish().await;
    }
}
