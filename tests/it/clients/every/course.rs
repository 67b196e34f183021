//! A session of one client: it reads, pages, queries, creates, updates, deletes; it is denied, held and
//! approved, limited, stopped. Nothing but the proxy is asked, and nothing that is refused is sent.

use std::cell::RefCell;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use writegate::clock::{Clock, ManualClock};
use writegate::config::{Fingerprint, Operator, Role};
use writegate::sandbox::{OAuthApp, Running, Sandbox, Token, seed};

use super::super::session::{Session, hold_of};
use super::super::{afternoon, as_installed, kill, pass};
use super::page::{Page, Refusal};
use super::{Client, installed};
use crate::holds::{Bench, SALES_OPS, builder};
use crate::support::canaries::{self, PASSWORD, PRIVATE_APP, REV_OPS, SECRET, SESSION};
use crate::support::real_address::{Door, RealAddress};
use crate::support::wire::Canary;
use crate::support::{client, house, skipped};

/// Who logs in, where somebody does: a user of `sdr-agent`, and an app.
const USER: &str = "sdr@acme.test";
const APP: &str = "3MVG9-of-sdr";

/// A client in the middle of its session.
struct Course<'a> {
    client: &'static Client,
    session: Session<'a>,
    bench: &'a Bench,
    clock: Arc<ManualClock>,
    page: RefCell<Page>,
}

pub(super) async fn taken_by(client: &'static Client) {
    if installed().is_none() {
        return skipped(client.name, "the client (WRITEGATE_CLIENTS)");
    }
    let clock = afternoon();
    let (crm, address) = crm(&clock).await;
    let door = Door::open().await;
    let base = format!("https://{}", door.address);
    let bench = Bench::of(
        as_installed(builder(""), &clock)
            .crm(&crm)
            .upstream(&address.url())
            .configure(with_people)
            .configure(shown_as(&base)),
    )
    .await;
    door.lead_to(client.of(bench.house.salesforce, bench.house.hubspot));
    let others = Canary::start().await;
    let home = tempfile::tempdir().unwrap();
    let asked = format!("http://{}", others.address);
    let mut command = client.command(home.path(), &bench.house.ca(), &asked);
    command
        .env("BASE", &base)
        .env("TOKEN", client.of(SESSION, PRIVATE_APP))
        .envs([("USER", USER), ("PASSWORD", PASSWORD)])
        .envs([("APP", APP), ("SECRET", SECRET)]);
    let course = Course {
        client,
        session: Session::of(&mut command, &base, &bench.house),
        bench: &bench,
        clock,
        page: RefCell::default(),
    };
    course.run().await;
    let page = course.page.into_inner();
    drop(course.session);
    assert_eq!(others.came(), 0, "somebody else was asked");
    assert_eq!(address.strangers(), 0, "it went past the proxy");
    assert!(address.ours() > 0, "and the proxy was not taken for itself");
    page.is_what_is_told(client, &base);
    bench.finish().await;
}

/// A CRM that takes what the client has, behind its real address.
async fn crm(clock: &Arc<ManualClock>) -> (Arc<Running>, RealAddress) {
    let clock: Arc<dyn Clock> = clock.clone();
    let mut options = house::options(&clock);
    options.query_page = 5;
    options.tokens.push(Token::new(SESSION));
    options.tokens.push(Token::new(PRIVATE_APP));
    options.tokens.push(Token::new(PASSWORD));
    options.apps.push(OAuthApp::new(APP, SECRET));
    let listen = "127.0.0.1:0".parse().unwrap();
    let crm = Arc::new(Sandbox::start(listen, options).await.unwrap());
    let address = RealAddress::of(crm.addr).await;
    (crm, address)
}

fn with_people(config: &mut writegate::config::Config) {
    let print = |secret: &str| Fingerprint::of(secret.as_bytes());
    let account = &mut config.service_accounts[1];
    account.tokens.extend([print(SESSION), print(PRIVATE_APP)]);
    account.clients = vec![USER.into(), APP.into()];
    config.operators.push(Operator {
        name: "ray".into(),
        roles: vec![Role::Approver],
        teams: vec!["RevOps".into()],
        token: print(REV_OPS),
    });
}

/// The address that clients know the proxy by.
fn shown_as(base: &str) -> impl FnOnce(&mut writegate::config::Config) + 'static {
    let url: http::Uri = base.parse().unwrap();
    move |config| {
        for route in &mut config.routes {
            route.public_url = url.clone();
        }
    }
}

impl Course<'_> {
    async fn run(&self) {
        let version = self.session.step("version").await.told;
        self.page.borrow_mut().version = version["returned"].as_str().unwrap().to_owned();
        self.reads().await;
        self.writes().await;
        self.denied().await;
        self.held().await;
        self.deleted().await;
        self.limited().await;
        self.stopped().await;
    }

    async fn reads(&self) {
        let account = self.client.of(seed::ACME, seed::HS_ACME);
        let acme = "Acme Corporation";
        self.reads_so(&format!("read {account}"), &json!(acme))
            .await;
        let first = self.client.of("Cyberdyne Systems", "Globex Industries");
        let last = self.client.of("Globex Industries", "Wayne Logistics");
        self.reads_so("query", &json!([acme, first, last])).await;
        for (step, expected) in self.client.more {
            let seen = self.session.step(step).await;
            assert_eq!(seen.told, json!({ "returned": expected }), "{step}");
            assert!(seen.writes == 0 && seen.reads > 0, "{step}");
        }
        if self.has("pages") {
            let seen = self.session.step("pages").await;
            let names = seen.told["returned"].as_array().unwrap();
            assert_eq!(names.len(), self.client.of(12, 6), "{names:?}");
            assert!(seen.reads >= 2, "{} pages", seen.reads);
            self.passes("pages");
        }
    }

    async fn writes(&self) {
        let deal = self.client.of(seed::ACME_RENEWAL, seed::HS_ACME_RENEWAL);
        let other = self
            .client
            .of(seed::GLOBEX_EXPANSION, seed::HS_GLOBEX_EXPANSION);
        self.done("create Hello").await;
        let task = self.newest();
        let field = self.client.of("Subject", "hs_note_body");
        assert_eq!(self.record(self.activity(), &task)[field], "Hello");
        self.done(&format!("update {deal} Proposal")).await;
        assert_eq!(self.next_step(deal), "Proposal");
        if self.has("batch") {
            let told = self.done(&format!("batch {deal} {other} Both")).await;
            assert_eq!(told, json!([true, true]));
            assert_eq!(self.next_step(deal), "Both");
            assert_eq!(self.next_step(other), "Both");
        }
    }

    async fn denied(&self) {
        let amount = self.client.of("Opportunity.Amount", "deals.amount");
        let words = format!("{amount} is not for sdr-agent (owner: VP Sales)");
        let step = format!("denied {}", self.pilot());
        self.refused("denied", &step, &["Not written", &words])
            .await;
    }

    /// It waits, it still waits, somebody says yes, it is done: the client made the same call thrice.
    async fn held(&self) {
        let stage = self.client.of("Qualification", "appointmentscheduled");
        let step = format!("held {} {stage}", self.pilot());
        let words = [
            "Not written yet",
            "waits for Sales Ops until 2026-11-27 14:02 UTC",
        ];
        let hold = self.refused("held", &step, &words).await;
        let again = self.refused("still held", &step, &words).await;
        assert_eq!(hold, again, "a second hold for the same call");
        self.bench.release(SALES_OPS, &hold).await;
        self.collected(&step).await;
        let field = self.client.of("StageName", "dealstage");
        assert_eq!(self.record(self.deals(), self.pilot())[field], stage);
        self.passes("approved");
    }

    /// Deletes are held, too.
    async fn deleted(&self) {
        if !self.has("delete") {
            return;
        }
        let task = self.newest();
        let step = format!("delete {task}");
        let words = ["Not written yet", "waits for RevOps until"];
        let hold = self.refused("delete held", &step, &words).await;
        self.bench.release(REV_OPS, &hold).await;
        self.collected(&step).await;
        let crm = &self.bench.house.sandbox;
        assert_eq!(crm.record(self.client.crm, self.activity(), &task), None);
        self.passes("delete");
    }

    /// Another program of the same service account has used the burst up.
    async fn limited(&self) {
        pass(&self.clock, 10);
        let house = &self.bench.house;
        let to = self.client.of(house.salesforce, house.hubspot);
        let token = self.client.of(SESSION, PRIVATE_APP);
        let other = client::Client::new(to, token).trusting(&house.ca());
        for number in 0..20 {
            let text = format!("Call {number}");
            let note = json!({ "hs_timestamp": "2026-11-20T09:00:00Z", "hs_note_body": text });
            let (target, body) = self.client.of(
                (
                    "/services/data/v60.0/sobjects/Task",
                    json!({ "Subject": text }),
                ),
                ("/crm/v3/objects/notes", json!({ "properties": note })),
            );
            let made = other.post(target, &body).await;
            assert_eq!(made.status, 201, "{number}: {}", made.text());
        }
        let words = ["Not written", "allows 10 per second. Try again in 1 s."];
        self.refused("limited", "create Late", &words).await;
        pass(&self.clock, 10);
        self.done("create Later").await;
    }

    async fn stopped(&self) {
        let at = pass(&self.clock, 60);
        kill(&self.bench.house, "sdr-agent", at).await;
        let words = [
            "Not written",
            "sdr-agent was stopped at 14:03 UTC (dana). Only a person can",
        ];
        let step = format!("update {} Stopped", self.pilot());
        self.refused("stopped", &step, &words).await;
        let account = self.client.of(seed::ACME, seed::HS_ACME);
        let seen = self.session.step(&format!("read {account}")).await;
        let text = seen.told["text"].as_str().unwrap();
        assert!(text.contains(words[1]), "{text}");
        assert_eq!((seen.writes, seen.reads), (0, 0), "a stopped read");
    }

    fn has(&self, step: &str) -> bool {
        !self.client.lacks.contains(&step)
    }

    async fn reads_so(&self, step: &str, expected: &Value) {
        let seen = self.session.step(step).await;
        assert_eq!(seen.told, json!({ "returned": expected }), "{step}");
        assert_eq!((seen.writes, seen.entries.len()), (0, 0), "{step}");
        assert!(seen.reads > 0, "{step}");
        self.passes(step);
    }

    /// A write that goes through, sent once: what the client returned.
    async fn done(&self, step: &str) -> Value {
        let before = self.bench.asked().await;
        let seen = self.session.step(step).await;
        let returned = seen.told["returned"].clone();
        assert!(
            !returned.is_null() && returned != false,
            "{step}: {}",
            seen.told
        );
        assert_eq!((seen.writes, seen.entries.len()), (1, 1), "{step}");
        assert_eq!(self.bench.asked().await - before, 1, "{step}");
        self.passes(step);
        returned
    }

    /// A call whose write was done meanwhile: it gets the CRM's answer, and the CRM sees no write.
    async fn collected(&self, step: &str) {
        let seen = self.session.step(step).await;
        assert_eq!(seen.told, json!({ "returned": true }), "{step}");
        assert_eq!(seen.writes, 0, "{step} was sent again");
    }

    /// A write that is refused: the CRM sees none. The hold that it names.
    async fn refused(&self, case: &'static str, step: &str, words: &[&str]) -> String {
        let before = self.bench.asked().await;
        let seen = self.session.step(step).await;
        // A stopped account is refused at its login already, where it logs in for each call.
        let resent = (self.bench.asked().await - before).saturating_sub(1);
        assert_eq!(seen.writes, 0, "{case}: it reached the CRM");
        let refusal = Refusal::of(case, &seen.told, seen.reads, resent);
        canaries::none_in("what its user sees", refusal.shown.as_bytes());
        for part in words {
            assert!(refusal.shown.contains(part), "{case}: {}", refusal.shown);
        }
        self.page.borrow_mut().refusals.push(refusal);
        hold_of(&seen.told)
    }

    /// Notes that a step of this name does what it should.
    fn passes(&self, step: &str) {
        let name = step.split(' ').next().unwrap().to_owned();
        let passed = &mut self.page.borrow_mut().passed;
        if !passed.contains(&name) {
            passed.push(name);
        }
    }

    /// A small deal, that one person decides.
    fn pilot(&self) -> &'static str {
        self.client.of(seed::INITECH_PILOT, seed::HS_INITECH_PILOT)
    }

    fn deals(&self) -> &'static str {
        self.client.of("Opportunity", "deals")
    }

    /// What the client creates: a task, or a note.
    fn activity(&self) -> &'static str {
        self.client.of("Task", "notes")
    }

    /// The activity that was created last.
    fn newest(&self) -> String {
        let crm = &self.bench.house.sandbox;
        crm.ids(self.client.crm, self.activity()).pop().unwrap()
    }

    fn record(&self, object: &str, id: &str) -> Map<String, Value> {
        let crm = &self.bench.house.sandbox;
        crm.record(self.client.crm, object, id).unwrap()
    }

    /// What the client writes about a deal.
    fn next_step(&self, deal: &str) -> Value {
        let field = self.client.of("NextStep", "description");
        self.record(self.deals(), deal)[field].clone()
    }
}
