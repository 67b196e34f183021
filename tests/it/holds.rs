//! Holds: a write waits for a person, the agent gets the CRM's real answer afterwards.

mod batches;
mod bound;
mod decisions;
mod doubts;
mod life;
mod lost;
mod otherwise;
mod own_request;
mod races;
mod record;
mod refused;
mod restarts;
mod settled;
mod told;
mod verbs;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use writegate::clock::ManualClock;
use writegate::config::{Fingerprint, Operator, Role};
use writegate::hold::{Slot, State};
use writegate::mutation::CrmKind;
use writegate::sandbox::Seen;

use super::support::canaries;
use super::support::client::{Client, Reply};
use super::support::house::{APPROVER, Builder, House, OPERATOR};

/// The token of the operator deb, an approver of Deal Desk.
pub(crate) const DEAL_DESK: &str = "canary-token-of-deb";
/// The token of the operator kim, an approver of Sales Ops who owns the service accounts.
pub(crate) const OWNER: &str = "canary-token-of-kim";

/// Patience for what happens on another thread; it passes only when something is wrong.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Stages and deletes are Sales Ops's, large deals take two teams, creates go, the amount is nobody's.
pub(crate) const RULES: &str = "
crm: salesforce
default: allow
objects:
  '*':
    create: { agents: allow }
    delete: { agents: hold, owner: Sales Ops }
    fields: { OwnerId: { agents: deny } }
  Opportunity:
    fields: { StageName: { agents: hold, owner: Sales Ops } }
  Lead:
    create: { agents: hold }
rules:
  - name: enterprise-stage
    applies: { object: Opportunity, field: StageName }
    when: { before.Amount: { at_least: 100000 } }
    then: hold
    approvers: [Sales Ops, Deal Desk]
    expires: 72h
    reason: Stage changes on enterprise deals need two people.
  - name: patient
    applies: { object: Case }
    then: hold
    wait: 20s
    expires: 1h
    reason: Cases are looked at.
  - { name: hasty, applies: { object: Contact }, then: hold, wait: 1s }
endpoints:
  POST /services/apexrest/scoring: { agents: hold }
";

/// A house with holds, and its operators' side.
pub(crate) struct Bench {
    pub(crate) house: House,
    pub(crate) admin: SocketAddr,
}

/// A house with these rules, and people of two teams.
pub(crate) fn builder(rules: &str) -> Builder {
    House::builder().rules(rules).configure(|config| {
        for (name, team, token) in [("deb", "Deal Desk", DEAL_DESK), ("kim", "Sales Ops", OWNER)] {
            config.operators.push(Operator {
                name: name.into(),
                roles: vec![Role::Approver],
                teams: vec![team.into()],
                token: Fingerprint::of(token.as_bytes()),
            });
        }
    })
}

/// A clock that stands at 2026-11-20 14:00 UTC.
pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new("2026-11-20T14:00:00Z".parse().unwrap()))
}

/// No credential but the agents' own.
pub(crate) fn without_credentials(builder: Builder) -> Builder {
    builder.configure(|config| {
        for account in &mut config.service_accounts {
            account.credentials.clear();
        }
    })
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::of(builder(RULES)).await
    }

    pub(crate) async fn of(builder: Builder) -> Self {
        let house = builder.build().await;
        let admin = house.operators().await;
        Self { house, admin }
    }

    pub(crate) fn operator(&self, token: &str) -> Client {
        Client::new(self.admin, token)
    }

    /// The agent's stage change.
    pub(crate) async fn stage(&self, record: &str, stage: &str) -> Reply {
        let body = json!({ "StageName": stage });
        self.house.agent().patch(&opportunity(record), &body).await
    }

    /// What the operator API tells of a hold.
    pub(crate) async fn show(&self, id: &str) -> Value {
        let shown = self
            .operator(OPERATOR)
            .get(&format!("/api/v1/holds/{id}"))
            .await;
        assert_eq!(shown.status, StatusCode::OK, "{}", shown.text());
        shown.json()
    }

    pub(crate) async fn state(&self, id: &str) -> String {
        self.show(id).await["state"].as_str().unwrap().to_owned()
    }

    /// The digest that an approver is shown.
    pub(crate) async fn digest(&self, id: &str) -> String {
        self.show(id).await["digest"].as_str().unwrap().to_owned()
    }

    /// Looks, and says yes to what was shown.
    pub(crate) async fn approve(&self, token: &str, id: &str) -> Reply {
        let digest = self.digest(id).await;
        self.decide(token, id, "approve", &json!({ "digest": digest }))
            .await
    }

    pub(crate) async fn reject(&self, token: &str, id: &str, reason: &str) -> Reply {
        self.decide(token, id, "reject", &json!({ "reason": reason }))
            .await
    }

    pub(crate) async fn decide(&self, token: &str, id: &str, what: &str, body: &Value) -> Reply {
        let target = format!("/api/v1/holds/{id}/{what}");
        self.operator(token).post(&target, body).await
    }

    pub(crate) fn slot(&self, id: &str) -> Arc<Slot> {
        self.house.app.holds.by_id(id).unwrap()
    }

    /// Returns when a hold stands so.
    pub(crate) async fn until(&self, id: &str, state: State) {
        let (slot, app) = (self.slot(id), &self.house.app);
        let other = |hold: &writegate::hold::Hold| hold.state(&app.config) != state;
        app.holds.wait(&slot, PATIENCE, other).await;
        let now = slot.look().unwrap();
        assert_eq!(now.state(&app.config), state, "{:?}", now.note);
    }

    /// Approves, and returns when the CRM has answered.
    pub(crate) async fn release(&self, token: &str, id: &str) {
        let approved = self.approve(token, id).await;
        assert_eq!(approved.status, StatusCode::OK, "{}", approved.text());
        self.until(id, State::Released).await;
    }

    /// The path of the first record of an object.
    pub(crate) fn first(&self, object: &str) -> String {
        let id = self
            .house
            .sandbox
            .ids(CrmKind::Salesforce, object)
            .remove(0);
        format!("/services/data/v61.0/sobjects/{object}/{id}")
    }

    /// The writes that the CRM saw.
    pub(crate) fn writes(&self) -> Vec<Seen> {
        self.house.sandbox.writes()
    }

    /// Somebody else changes an opportunity.
    pub(crate) fn moves(&self, record: &str, field: &str, value: Value) {
        let sandbox = &self.house.sandbox;
        assert!(sandbox.set_field(CrmKind::Salesforce, "Opportunity", record, field, value));
    }

    pub(crate) fn opportunity(&self, record: &str, field: &str) -> Value {
        let sandbox = &self.house.sandbox;
        let found = sandbox.record(CrmKind::Salesforce, "Opportunity", record);
        found.unwrap()[field].clone()
    }

    /// The opportunities, in the order of the seed: 250,000, 480,000, 18,000, none, 96,000.
    pub(crate) fn deals(&self) -> Vec<String> {
        self.house.sandbox.ids(CrmKind::Salesforce, "Opportunity")
    }

    /// Writes that programs sent to the proxy, by its own count.
    pub(crate) async fn asked(&self) -> u64 {
        let page = Client::new(self.admin, "").get("/metrics").await;
        let text = page.text();
        canaries::none_in("the metrics", text.as_bytes());
        let of_writes = |line: &&str| {
            line.starts_with("writegate_requests_total{") && line.contains("class=\"write\"")
        };
        let counts = text.lines().filter(of_writes);
        let count = |line: &str| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
        counts.map(count).sum()
    }

    pub(crate) async fn finish(self) {
        self.house.finish().await;
    }
}

pub(crate) fn opportunity(record: &str) -> String {
    format!("/services/data/v61.0/sobjects/Opportunity/{record}")
}

/// A house where a stage change of a small deal waits: the deal, and the hold.
pub(crate) async fn held(builder: Builder, stage: &str) -> (Bench, String, String) {
    let bench = Bench::of(builder).await;
    let deal = bench.deals().remove(2);
    let id = hold_of(&bench.stage(&deal, stage).await);
    (bench, deal, id)
}

/// The id in `[hold …]`.
pub(crate) fn hold_of(reply: &Reply) -> String {
    assert_eq!(reply.status, StatusCode::LOCKED, "{}", reply.text());
    let message = reply.message();
    let (_, id) = message.rsplit_once("[hold ").unwrap();
    id.trim_end_matches(']').to_owned()
}

/// The token of an operator who decides for Sales Ops.
pub(crate) const SALES_OPS: &str = APPROVER;
