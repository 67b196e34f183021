//! What a yes is for: one call, as it was shown, under the rules that are in force, within its time. All
//! else is refused, and the hold stands as it stood.

use std::sync::Arc;

use http::StatusCode;
use serde_json::json;
use writegate::hold::State;
use writegate::policy::RuleSet;

use super::{Bench, DEAL_DESK, RULES, SALES_OPS, builder, clock, hold_of, without_credentials};
use crate::support::program::verb;

/// The four things that an approval is bound to, each changed by itself.
#[tokio::test]
async fn a_yes_is_for_one_call_as_shown_under_todays_rules_in_its_time() {
    // another call: the digest of one hold says nothing of another one
    let bench = Bench::of(without_credentials(builder(RULES))).await;
    let deals = bench.deals();
    let one = hold_of(&bench.stage(&deals[2], "Prospecting").await);
    let other = hold_of(&bench.stage(&deals[3], "Qualification").await);
    let yes = json!({ "digest": bench.digest(&other).await });
    let refused = bench.decide(SALES_OPS, &one, "approve", &yes).await;
    assert_eq!(refused.json()["error"]["code"], "digest_differs");
    assert_eq!(
        (bench.state(&one).await.as_str(), bench.writes().len()),
        ("parked", 0)
    );

    // something else than was shown: the record moved since
    let shown = json!({ "digest": bench.digest(&one).await });
    bench.approve(SALES_OPS, &one).await;
    bench.moves(&deals[2], "StageName", json!("x"));
    assert_eq!(hold_of(&bench.stage(&deals[2], "Prospecting").await), one);
    let refused = bench.decide(SALES_OPS, &one, "approve", &shown).await;
    assert_eq!(refused.json()["error"]["code"], "digest_differs");
    assert_eq!(
        (bench.state(&one).await.as_str(), bench.writes().len()),
        ("parked", 0)
    );
    bench.finish().await;

    // other rules: what was enough is not any more, and then nothing is
    let bench = Bench::of(without_credentials(builder(RULES))).await;
    let id = hold_of(&bench.stage(&deals[2], "Prospecting").await);
    let shown = json!({ "digest": bench.digest(&id).await });
    let load = |text: &str| {
        let files = [("new.yaml".to_owned(), text.to_owned())];
        let rules = RuleSet::compile(&files).unwrap();
        bench.house.app.rules.store(Arc::new(rules));
    };
    load("
crm: salesforce
default: allow
rules: [{ name: both, applies: { field: StageName }, then: hold, approvers: [Sales Ops, Deal Desk] }]
");
    bench.decide(SALES_OPS, &id, "approve", &shown).await;
    assert_eq!(hold_of(&bench.stage(&deals[2], "Prospecting").await), id);
    let refused = bench.decide(DEAL_DESK, &id, "approve", &shown).await;
    assert_eq!(refused.json()["error"]["code"], "digest_differs");
    assert_eq!(
        (bench.state(&id).await.as_str(), bench.writes().len()),
        ("parked", 0)
    );
    load("crm: salesforce\ndefault: deny\n");
    bench.approve(DEAL_DESK, &id).await;
    let denied = bench.stage(&deals[2], "Prospecting").await;
    assert_eq!(denied.code(), "WRITEGATE_DENIED");
    assert_eq!(
        (bench.state(&id).await.as_str(), bench.writes().len()),
        ("denied", 0)
    );
    bench.finish().await;

    // too late: to say it, and for what was said to be carried out
    let time = clock();
    let bench = Bench::of(without_credentials(builder(RULES).clock(time.clone()))).await;
    let late = hold_of(&bench.stage(&deals[2], "Prospecting").await);
    let unsent = hold_of(&bench.stage(&deals[3], "Qualification").await);
    bench.approve(SALES_OPS, &unsent).await;
    let shown = json!({ "digest": bench.digest(&late).await });
    time.advance_ms(7 * 24 * 3_600_000);
    let refused = bench.decide(SALES_OPS, &late, "approve", &shown).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    let over = bench.stage(&deals[3], "Qualification").await;
    assert_eq!(
        over.message(),
        "Not written: it was approved, but could not be sent within 7 days. Sending it again opens a \
         new hold."
    );
    assert!(bench.writes().is_empty());
    bench.finish().await;
}

/// After its time the same request is asked anew, with what the record holds then; the old yes, and the
/// digest that was shown then, are for nothing.
#[tokio::test]
async fn sent_again_after_its_time_it_opens_a_new_hold_with_todays_values() {
    let time = clock();
    let bench = Bench::of(without_credentials(builder(RULES).clock(time.clone()))).await;
    let deals = bench.deals();
    let old = hold_of(&bench.stage(&deals[2], "Closed Won").await);
    let yes = json!({ "digest": bench.digest(&old).await });
    assert_eq!(
        bench.show(&old).await["changes"][0]["fields"]["StageName"],
        json!({ "then": "Qualification", "proposed": "Closed Won", "now": "Qualification" })
    );
    time.advance_ms(8 * 24 * 3_600_000);
    bench.moves(&deals[2], "StageName", json!("Perception Analysis"));
    let told = bench.stage(&deals[2], "Closed Won").await;
    assert_eq!(told.code(), "WRITEGATE_EXPIRED");
    assert!(
        told.message()
            .ends_with("Sending it again opens a new hold.")
    );
    let new = hold_of(&bench.stage(&deals[2], "Closed Won").await);
    assert_ne!(new, old);
    let shown = bench.show(&new).await;
    assert_eq!(
        shown["changes"][0]["fields"]["StageName"],
        json!({
            "then": "Perception Analysis", "proposed": "Closed Won", "now": "Perception Analysis",
        })
    );
    assert_eq!(shown["until"], "2026-12-05T14:00:00Z");
    assert_eq!(shown["approved_by"], json!([]));
    for id in [&old, &new] {
        let refused = bench.decide(SALES_OPS, id, "approve", &yes).await;
        assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text());
    }
    // Whoever looks at the old one is told how it goes on; of the new one, how to decide it.
    for (id, line) in [
        (
            &old,
            "over: when the agent sends it again, it is told so once and then opens a new hold",
        ),
        (&new, "yes: writegate holds approve"),
    ] {
        let (admin, id) = (format!("http://{}", bench.admin), id.clone());
        let shown = tokio::task::spawn_blocking(move || {
            let env = [("WRITEGATE_ADMIN", &*admin), ("WRITEGATE_TOKEN", SALES_OPS)];
            verb(&["holds", "show", &id], &env)
        });
        let shown = shown.await.unwrap();
        assert!(shown.out.contains(line), "{}{}", shown.out, shown.err);
    }
    bench.approve(SALES_OPS, &new).await;
    let answer = bench.stage(&deals[2], "Closed Won").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(bench.writes().len(), 1);
    assert_eq!(bench.state(&old).await, "expired");
    bench.finish().await;
}

/// Nothing that cleans up takes what waits for a person: neither the clockwork nor a start, to the last
/// moment of a rule's own time.
#[tokio::test]
async fn nothing_ends_what_waits_for_a_person_before_its_time() {
    let rules = "
crm: salesforce
default: allow
objects: { Opportunity: { fields: { StageName: { agents: hold, owner: Sales Ops } } } }
rules:
  - { name: soon, applies: { object: Case }, then: hold, expires: 5m }
  - { name: later, applies: { object: Contact }, then: hold, expires: 90d }
";
    let mut lives = super::restarts::Lives::new(rules);
    let house = lives.begin(|builder| builder).await;
    let crm = writegate::mutation::CrmKind::Salesforce;
    let record = |object: &str| house.sandbox.ids(crm, object).remove(0);
    let write = async |object: &str, body: &serde_json::Value| {
        let target = format!("/services/data/v61.0/sobjects/{object}/{}", record(object));
        hold_of(&house.agent().patch(&target, body).await)
    };
    let minutes = [
        (write("Case", &json!({ "Priority": "Low" })).await, 5),
        (
            write("Opportunity", &json!({ "StageName": "x" })).await,
            7 * 24 * 60,
        ),
        (
            write("Contact", &json!({ "Title": "x" })).await,
            90 * 24 * 60,
        ),
    ];
    let mut house = Some(house);
    let mut passed = 0;
    for (place, (_, end)) in minutes.iter().enumerate() {
        for (minute, over) in [(end - 1, 0), (*end, 1)] {
            lives.clock.advance_ms((minute - passed) * 60_000);
            passed = minute;
            let old = house.take().unwrap();
            writegate::proxy::releases::tick(&old.app).await;
            writegate::doubt::settle_due(&old.worker(), old.app.clock.now()).await;
            old.close().await;
            let new = lives.begin(|builder| builder).await;
            writegate::proxy::releases::tick(&new.app).await;
            for (other, (id, _)) in minutes.iter().enumerate() {
                let hold = new.app.holds.find(&*new.ledger, id).await.unwrap().unwrap();
                let wanted = if other < place + over {
                    State::Expired
                } else {
                    State::Parked
                };
                assert_eq!(
                    hold.state(&new.app.config),
                    wanted,
                    "{id} after {minute} minutes"
                );
            }
            house = Some(new);
        }
    }
    house.unwrap().finish().await;
}

/// Where nobody may decide, nobody is asked: the agent is not told that somebody will.
#[tokio::test]
async fn without_anybody_who_may_decide_it_is_refused() {
    type Change = fn(&mut writegate::config::Config);
    let cases: [(&str, Change, Option<&str>); 5] = [
        ("no operators", |config| config.operators.clear(), None),
        (
            "viewers alone",
            |config| {
                for operator in &mut config.operators {
                    operator.roles = vec![writegate::config::Role::Viewer];
                }
            },
            None,
        ),
        (
            "the owner alone",
            |config| config.operators.retain(|operator| operator.name == "kim"),
            None,
        ),
        (
            "who it acts for alone",
            |config| config.operators.retain(|operator| operator.name == "ann"),
            Some("ann"),
        ),
        (
            "no owner's team",
            |config| config.operators.retain(|operator| operator.name == "deb"),
            Some("nobody of us"),
        ),
    ];
    for (name, change, acts_for) in cases {
        let bench = Bench::of(builder(RULES).configure(change)).await;
        let deals = bench.deals();
        let mut agent = bench.house.agent();
        if let Some(person) = acts_for {
            agent = agent.with("x-writegate-on-behalf-of", person);
        }
        let body = json!({ "StageName": "Prospecting" });
        let reply = agent.patch(&super::opportunity(&deals[2]), &body).await;
        if name == "no owner's team" {
            // Somebody is there; that they are not of the team is for `check` to warn of.
            hold_of(&reply);
            continue;
        }
        let entry = reply.header("x-writegate-entry").unwrap();
        assert_eq!(reply.code(), "WRITEGATE_DENIED", "{name}");
        assert_eq!(
            reply.message(),
            format!(
                "Not written: a person has to decide this, and there is no approver who may. \
                 Repeating this will not help. [entry {entry}]"
            )
        );
        assert!(bench.writes().is_empty() && bench.house.app.holds.all().is_empty());
        bench.finish().await;
    }
}
