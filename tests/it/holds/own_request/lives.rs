//! Ways through a restart with another configuration: new names, roles, teams and owners make nobody
//! somebody else.

use writegate::config::{Config, Fingerprint, Operator, Role};
use writegate::hold::State;

use super::super::restarts::Lives;
use super::super::{DEAL_DESK, OWNER, without_credentials};
use super::*;

const NEW: &str = "canary-token-of-the-new-one";

/// One life before, another one after.
struct Row {
    name: &'static str,
    claims: &'static [(&'static str, &'static str)],
    large: bool,
    before: &'static [&'static str],
    change: fn(&mut Config),
    after: &'static [&'static str],
}

const PLAIN: Row = Row {
    name: "",
    claims: &[],
    large: false,
    before: &[],
    change: |_| {},
    after: &[],
};

fn operator<'a>(config: &'a mut Config, token: &str) -> &'a mut Operator {
    let print = Fingerprint::of(token.as_bytes());
    let mut operators = config.operators.iter_mut();
    operators.find(|one| one.token == print).unwrap()
}

fn named(config: &mut Config, token: &str, name: &str) {
    operator(config, token).name = name.into();
}

fn in_team(config: &mut Config, token: &str, team: &str) {
    operator(config, token).teams = vec![team.into()];
}

fn owned_by(config: &mut Config, owner: &str) {
    config.service_accounts[0].owner = Some(owner.into());
}

fn joins(config: &mut Config, name: &str, team: &str) {
    config.operators.push(Operator {
        name: name.into(),
        roles: vec![Role::Approver],
        teams: vec![team.into()],
        token: Fingerprint::of(NEW.as_bytes()),
    });
}

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    let acts_for_ann = &[("x-writegate-on-behalf-of", "ann")];
    vec![
        Row { name: "the owner under another name", change: |c| named(c, OWNER, "k.osei"), after: &[OWNER], ..PLAIN },
        Row { name: "the owner under another name, the account given away", change: |c| { named(c, OWNER, "k.osei"); owned_by(c, "lee"); }, after: &[OWNER], ..PLAIN },
        Row { name: "the account given away", change: |c| owned_by(c, "lee"), after: &[OWNER], ..PLAIN },
        Row { name: "the account without an owner", change: |c| c.service_accounts[0].owner = None, after: &[OWNER], ..PLAIN },
        Row { name: "the account under another name", change: |c| { c.service_accounts[0].name = "enrichment-2".into(); c.service_accounts[0].owner = None; }, after: &[OWNER], ..PLAIN },
        Row { name: "the owner with another token", change: |c| operator(c, OWNER).token = Fingerprint::of(NEW.as_bytes()), after: &[NEW], ..PLAIN },
        Row { name: "the owner as admin", change: |c| operator(c, OWNER).roles = vec![Role::Admin], after: &[OWNER], ..PLAIN },
        Row { name: "an approver becomes the owner", change: |c| owned_by(c, "ann"), after: &[SALES_OPS], ..PLAIN },
        Row { name: "who it acts for under another name", claims: acts_for_ann, change: |c| named(c, SALES_OPS, "a.lee"), after: &[SALES_OPS], ..PLAIN },
        Row { name: "one token under two names", large: true, before: &[SALES_OPS], change: |c| { named(c, SALES_OPS, "anna"); in_team(c, SALES_OPS, "Deal Desk"); joins(c, "ann", "Sales Ops"); }, after: &[SALES_OPS], ..PLAIN },
        Row { name: "one token under two names, the old one gone", large: true, before: &[SALES_OPS], change: |c| { named(c, SALES_OPS, "anna"); in_team(c, SALES_OPS, "Deal Desk"); }, after: &[SALES_OPS], ..PLAIN },
        Row { name: "a second entry that is the same person", large: true, before: &[SALES_OPS], change: |c| joins(c, "ann@acme.com", "Deal Desk"), after: &[NEW], ..PLAIN },
        Row { name: "the team changed after a yes", large: true, before: &[SALES_OPS], change: |c| in_team(c, SALES_OPS, "Deal Desk"), after: &[DEAL_DESK], ..PLAIN },
        Row { name: "the same yes for another team", large: true, before: &[SALES_OPS], change: |c| in_team(c, SALES_OPS, "Deal Desk"), after: &[SALES_OPS], ..PLAIN },
        Row { name: "the role lost after a yes", large: true, before: &[SALES_OPS], change: |c| operator(c, SALES_OPS).roles = vec![Role::Viewer], after: &[DEAL_DESK], ..PLAIN },
        Row { name: "gone after a yes", large: true, before: &[SALES_OPS], change: |c| c.operators.retain(|one| one.name != "ann"), after: &[DEAL_DESK], ..PLAIN },
        Row { name: "the owner since a yes", large: true, before: &[SALES_OPS], change: |c| owned_by(c, "Ann <ann@acme.com>"), after: &[DEAL_DESK], ..PLAIN },
        Row { name: "nothing", large: true, before: &[SALES_OPS], after: &[SALES_OPS], ..PLAIN },
    ]
}

#[tokio::test]
async fn nobody_becomes_somebody_else_by_a_restart() {
    let (mut tries, mut worked) = (0, Vec::new());
    for row in rows() {
        let mut lives = Lives::new(RULES);
        let house = lives.begin(without_credentials).await;
        let admin = house.operators().await;
        let bench = Bench { house, admin };
        let record = bench.deals()[if row.large { 1 } else { 2 }].clone();
        let mut agent = bench.house.agent();
        for (name, value) in row.claims {
            agent = agent.with(name, value);
        }
        let body = json!({ "StageName": "Closed Won" });
        let id = hold_of(&agent.patch(&opportunity(&record), &body).await);
        for token in row.before {
            bench.approve(token, &id).await;
        }
        assert_eq!(bench.state(&id).await, "parked", "{}", row.name);
        bench.house.close().await;

        let house = lives
            .begin(|builder| without_credentials(builder).configure(row.change))
            .await;
        let admin = house.operators().await;
        let bench = Bench { house, admin };
        let digest = bench.slot(&id).look().unwrap().terms.shown.clone();
        for token in row.after {
            let yes = json!({ "digest": digest });
            bench.decide(token, &id, "approve", &yes).await;
        }
        bench.stage(&record, "Closed Won").await;
        tries += 1;
        let hold = bench.slot(&id).look().unwrap();
        if hold.state(&bench.house.app.config) != State::Parked || !bench.writes().is_empty() {
            worked.push(row.name);
        }
        bench.finish().await;
    }
    println!(
        "ways through a restart: {tries} tried, {} worked",
        worked.len()
    );
    assert!(worked.is_empty(), "{worked:?}");
}
