//! Two real clients that meet a hold: held and approved, rejected, expired, decided while the call is
//! open, drifted, in doubt, in a batch. The program does nothing but its usual calls; what it sees is
//! asserted word for word, with how often the SDK sent it and what the CRM saw.

pub(crate) mod words;

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use serde_json::{Value, json};
use writegate::clock::ManualClock;
use writegate::hold::{Hold, State};
use writegate::mutation::CrmKind;
use writegate::sandbox::{Fault, Head, seed};

use super::session::{Session, hold_of, python};
use super::{afternoon, as_installed};
use crate::holds::{Bench, DEAL_DESK, SALES_OPS, builder, without_credentials};
use crate::support::house::Builder;
use crate::support::skipped;
use words::{Sdk, Words};

/// What ann says when she says no.
pub(super) const NO: &str = "The contract isn't signed yet";

/// Scores are looked at while the call is kept open.
fn patient(sdk: Sdk) -> String {
    let crm = sdk.of("salesforce", "hubspot");
    let field = sdk.of("AI_Score__c", "ai_score");
    format!(
        "crm: {crm}
rules:
  - name: {crm}-scores
    applies: {{ service_account: sdr-agent, field: {field} }}
    then: hold
    wait: 20s
    reason: Scores are looked at.
"
    )
}

const WEEK: i64 = 7 * 24 * 3_600_000;

#[tokio::test]
async fn a_simple_salesforce_program_meets_a_hold() {
    told(Sdk::SimpleSalesforce).await;
}

#[tokio::test]
async fn a_hubspot_program_meets_a_hold() {
    told(Sdk::HubSpot).await;
}

async fn told(sdk: Sdk) {
    let Some(python) = python() else {
        return skipped(sdk.name(), "the SDK (WRITEGATE_PYTHON)");
    };
    let mut table = Table::default();
    for (stories, build) in [
        (Stories::WithCredential, as_is as fn(Builder) -> Builder),
        (Stories::WithoutCredential, without_credentials),
    ] {
        let clock = afternoon();
        let bench = Bench::of(build(installed(&clock))).await;
        let base = format!(
            "https://{}",
            sdk.of(bench.house.salesforce, bench.house.hubspot)
        );
        let script = sdk.of("salesforce_holds.py", "hubspot_holds.py");
        let story = Story {
            sdk,
            session: Session::start(&python, script, &base, &bench.house),
            bench: &bench,
            clock,
            table: RefCell::new(table),
            sent: Cell::new(0),
            last: RefCell::default(),
        };
        match stories {
            Stories::WithCredential => story.with_a_credential().await,
            Stories::WithoutCredential => story.carried().await,
        }
        table = story.table.into_inner();
        drop(story.session);
        bench.finish().await;
    }
    table.print(sdk);
    assert_eq!(table.resent, 0, "the SDK sent something again by itself");
}

#[derive(Clone, Copy)]
enum Stories {
    WithCredential,
    WithoutCredential,
}

fn as_is(builder: Builder) -> Builder {
    builder
}

/// The shipped rules, and a rule of each CRM that keeps calls open.
fn installed(clock: &Arc<ManualClock>) -> Builder {
    as_installed(builder(""), clock)
        .and_rules(&patient(Sdk::SimpleSalesforce))
        .and_rules(&patient(Sdk::HubSpot))
}

/// What a program saw, call by call.
#[derive(Default)]
struct Table {
    rows: Vec<String>,
    calls: usize,
    resent: u64,
}

impl Table {
    fn print(&self, sdk: Sdk) {
        println!("what your program sees, {}:", sdk.name());
        for row in &self.rows {
            println!("{row}");
        }
        let Self { calls, resent, .. } = self;
        println!("{}: {calls} calls, resent by the SDK {resent}", sdk.name());
    }
}

/// One program, one house.
struct Story<'a> {
    sdk: Sdk,
    session: Session<'a>,
    bench: &'a Bench,
    clock: Arc<ManualClock>,
    table: RefCell<Table>,
    /// The writes that the CRM has seen.
    sent: Cell<usize>,
    /// The hold that the program was told of last.
    last: RefCell<String>,
}

/// What a call is expected to come to.
enum Sees {
    Returns(Value),
    Raises(Words),
}

impl Story<'_> {
    /// One call of the program: what it gets, `reads` of our own and no write at the CRM, one request.
    /// Returns the hold that it is told of.
    async fn call(&self, case: &str, step: &str, expected: Sees, reads: usize) -> String {
        let before = self.bench.asked().await;
        let seen = self.session.step(step).await;
        let hold = match &expected {
            Sees::Returns(value) => {
                assert_eq!(seen.told, json!({ "returned": value }), "{case}");
                String::new()
            }
            Sees::Raises(words) => {
                let raised = words.raised(self.sdk, step, seen.reads);
                let named = hold_of(&seen.told);
                let entry = self.entry(&named);
                let text = raised.text.replace("{base}", self.session.base());
                let text = text.replace("{hold}", &named).replace("{entry}", &entry);
                raised.is_told_by(&seen.told, &text);
                named
            }
        };
        let attempts = self.bench.asked().await - before;
        assert_eq!((seen.writes, seen.reads), (0, reads), "{case}: {step}");
        assert_eq!(self.bench.writes().len(), self.sent.get(), "{case}: {step}");
        self.note(case, step, &seen.told, attempts);
        hold
    }

    /// The entry that a refusal names: of the hold that it speaks of, else of the last one.
    fn entry(&self, hold: &str) -> String {
        let mut last = self.last.borrow_mut();
        if !hold.is_empty() {
            hold.clone_into(&mut last);
        }
        self.bench.slot(&last).entry().to_string()
    }

    fn note(&self, case: &str, step: &str, told: &Value, attempts: u64) {
        let saw = match told["traceback"].as_str() {
            Some(traceback) => traceback.trim_end().replace('\n', "\n      "),
            None => told["returned"].to_string(),
        };
        assert!(attempts >= 1, "{case}: the proxy did not count it");
        let mut table = self.table.borrow_mut();
        table.rows.push(format!(
            "  {case}: {step} (requests {attempts}, writes at the CRM so far {})\n      {saw}",
            self.sent.get()
        ));
        table.calls += 1;
        table.resent += attempts.saturating_sub(1);
    }

    /// The CRM has carried out one more write.
    fn one_more(&self) {
        self.sent.set(self.sent.get() + 1);
        assert_eq!(self.bench.writes().len(), self.sent.get());
    }

    fn crm(&self) -> CrmKind {
        self.sdk.of(CrmKind::Salesforce, CrmKind::HubSpot)
    }

    async fn with_a_credential(&self) {
        self.approved().await;
        self.rejected().await;
        self.in_a_batch().await;
        self.approved_meanwhile().await;
        self.rejected_meanwhile().await;
        self.drifted().await;
        self.doubted().await;
        self.expired().await;
        self.unknown().await;
    }

    /// Two people say yes, one after the other; the program's own repeat gets the CRM's answer.
    async fn approved(&self) {
        let deal = self.sdk.of(seed::ACME_RENEWAL, seed::HS_ACME_RENEWAL);
        let stage = self.sdk.of("Qualification", "qualifiedtobuy");
        let step = format!("stage {deal} {stage}");
        let held = || Sees::Raises(Words::two_people(self.sdk));
        let hold = self.call("held", &step, held(), 1).await;
        assert_eq!(self.call("still held", &step, held(), 0).await, hold);
        let yes = self.bench.approve(SALES_OPS, &hold).await;
        assert_eq!(yes.json()["state"], "parked", "{}", yes.text());
        assert_eq!(self.call("one of two agreed", &step, held(), 0).await, hold);
        self.bench.release(DEAL_DESK, &hold).await;
        self.one_more();
        let answer = || Sees::Returns(self.sdk.of(json!(204), json!(stage)));
        self.call("approved, collected", &step, answer(), 0).await;
        self.call("asked once more", &step, answer(), 0).await;
    }

    async fn rejected(&self) {
        let deal = self
            .sdk
            .of(seed::GLOBEX_EXPANSION, seed::HS_GLOBEX_EXPANSION);
        let stage = self.sdk.of("Qualification", "qualifiedtobuy");
        let step = format!("stage {deal} {stage}");
        let held = Sees::Raises(Words::two_people(self.sdk));
        let hold = self.call("held", &step, held, 1).await;
        let no = self.bench.reject(SALES_OPS, &hold, NO).await;
        assert_eq!(no.status, 200, "{}", no.text());
        for case in ["rejected", "still rejected"] {
            let rejected = Sees::Raises(Words::rejected(self.sdk, "ann (Sales Ops)"));
            assert_eq!(self.call(case, &step, rejected, 0).await, hold);
        }
    }

    /// One row of two is held: so is the whole request.
    async fn in_a_batch(&self) {
        let one = self.sdk.of(seed::ACME_RENEWAL, seed::HS_ACME_RENEWAL);
        let two = self.sdk.of(seed::INITECH_PILOT, seed::HS_INITECH_PILOT);
        let stage = self.sdk.of("Prospecting", "presentationscheduled");
        let step = format!("batch {one} {two} {stage}");
        let held = || Sees::Raises(Words::second_row(self.sdk, "2026-11-27"));
        let hold = self.call("a batch, held", &step, held(), 1).await;
        assert_eq!(self.call("still held", &step, held(), 0).await, hold);
        self.bench.release(SALES_OPS, &hold).await;
        self.one_more();
        let done = self.sdk.of(json!([true, true]), json!("COMPLETE"));
        self.call("a batch, collected", &step, Sees::Returns(done), 0)
            .await;
    }

    /// `wait:` keeps the call open: the first call already has the CRM's answer.
    async fn approved_meanwhile(&self) {
        let account = self.sdk.of(seed::ACME, seed::HS_ACME);
        let step = format!("score {account} 7");
        let before = self.bench.asked().await;
        let (seen, ()) = tokio::join!(self.session.step(&step), async {
            let hold = self.next().await;
            self.bench.release(SALES_OPS, &hold).await;
        });
        self.one_more();
        let returned = self.sdk.of(json!(204), json!("7"));
        assert_eq!(seen.told, json!({ "returned": returned }));
        assert_eq!((seen.writes, seen.entries.len()), (1, 1));
        let attempts = self.bench.asked().await - before;
        self.note(
            "approved while the call is open",
            &step,
            &seen.told,
            attempts,
        );
    }

    async fn rejected_meanwhile(&self) {
        let account = self.sdk.of(seed::ACME, seed::HS_ACME);
        let step = format!("score {account} 8");
        let field = self.sdk.of("AI_Score__c", "ai_score");
        let rejected = Sees::Raises(Words {
            rule: format!("rule {}-scores", self.sdk.of("salesforce", "hubspot")),
            field: Some(field),
            path: format!("/services/data/v59.0/sobjects/Account/{account}"),
            ..Words::rejected(self.sdk, "ann")
        });
        let case = "rejected while the call is open";
        tokio::join!(self.call(case, &step, rejected, 1), async {
            let hold = self.next().await;
            let no = self.bench.reject(SALES_OPS, &hold, NO).await;
            assert_eq!(no.status, 200, "{}", no.text());
        });
    }

    /// The hold that comes next, once it is parked.
    async fn next(&self) -> String {
        let holds = &self.bench.house.app.holds;
        let known = holds.all();
        loop {
            let all = holds.all();
            let new = |hold: &&Arc<Hold>| known.iter().all(|known| known.id != hold.id);
            if let Some(hold) = all.iter().find(new) {
                return hold.id.clone();
            }
            tokio::task::yield_now().await;
        }
    }

    /// The record moves between the first look and the release: people are asked again, the program
    /// sees no more than that it waits.
    async fn drifted(&self) {
        let deal = self.sdk.of(seed::STARK_PLATFORM, seed::HS_INITECH_PILOT);
        let stage = self.sdk.of("Qualification", "appointmentscheduled");
        let (object, field, moved) = self.sdk.of(
            ("Opportunity", "StageName", "Needs Analysis"),
            ("deals", "dealstage", "decisionmakerboughtin"),
        );
        let step = format!("stage {deal} {stage}");
        let held = || Sees::Raises(Words::one_person(self.sdk, "2026-11-27"));
        let hold = self.call("held", &step, held(), 1).await;
        let sandbox = &self.bench.house.sandbox;
        assert!(sandbox.set_field(self.crm(), object, deal, field, json!(moved)));
        let shown = self.bench.digest(&hold).await;
        self.bench.approve(SALES_OPS, &hold).await;
        let slot = self.bench.slot(&hold);
        let same = |hold: &Hold| hold.terms.shown == shown;
        let holds = &self.bench.house.app.holds;
        assert!(holds.wait(&slot, crate::holds::PATIENCE, same).await);
        self.bench.house.idle().await;
        let again = self.call("drifted: asked again", &step, held(), 0).await;
        assert_eq!(again, hold);
        self.bench.release(SALES_OPS, &hold).await;
        self.one_more();
        let answer = self.sdk.of(json!(204), json!(stage));
        self.call("approved again, collected", &step, Sees::Returns(answer), 0)
            .await;
    }

    /// The CRM makes the record and does not answer.
    async fn doubted(&self) {
        let step = "lead Hopper";
        let held = Sees::Raises(Words::new_record(self.sdk, "2026-11-27"));
        let hold = self.call("held", step, held, 0).await;
        let post = |head: &Head<'_>| head.method == http::Method::POST;
        self.bench
            .house
            .sandbox
            .script(post, 1, Fault::CloseAfterEffect);
        self.bench.approve(SALES_OPS, &hold).await;
        self.bench.until(&hold, State::InDoubt).await;
        self.one_more();
        // Its own repeat reads it back; HubSpot's answer is the record, so that is read once more.
        let (made, reads) = self.sdk.of((json!(true), 1), (json!("Hopper"), 2));
        self.call("read back, collected", step, Sees::Returns(made), reads)
            .await;
    }

    /// Nobody can tell whether the CRM made the record.
    async fn unknown(&self) {
        let step = "lead Lamarr";
        let held = Sees::Raises(Words::new_record(self.sdk, "2026-12-04"));
        let hold = self.call("held", step, held, 0).await;
        let post = |head: &Head<'_>| head.method == http::Method::POST;
        self.bench
            .house
            .sandbox
            .script(post, 1, Fault::CloseBeforeEffect);
        self.bench.approve(SALES_OPS, &hold).await;
        self.bench.until(&hold, State::InDoubt).await;
        self.one_more();
        for (case, reads) in [("in doubt", 1), ("still in doubt", 0)] {
            let doubt = Sees::Raises(Words::in_doubt(self.sdk));
            assert_eq!(self.call(case, step, doubt, reads).await, hold);
        }
    }

    /// Nobody decides for a week.
    async fn expired(&self) {
        let deal = self.sdk.of(seed::INITECH_PILOT, seed::HS_INITECH_PILOT);
        let stage = self.sdk.of("Qualification", "qualifiedtobuy");
        let step = format!("stage {deal} {stage}");
        let held = Sees::Raises(Words::one_person(self.sdk, "2026-11-27"));
        let hold = self.call("held", &step, held, 1).await;
        self.clock.advance_ms(WEEK);
        let over = Sees::Raises(Words::expired(self.sdk));
        self.call("expired", &step, over, 0).await;
        let anew = Sees::Raises(Words::one_person(self.sdk, "2026-12-04"));
        assert_ne!(
            self.call("sent again: a new hold", &step, anew, 1).await,
            hold
        );
    }

    /// Without a credential for releases the program's own repeat carries it, and has the CRM's answer.
    async fn carried(&self) {
        let deal = self.sdk.of(seed::INITECH_PILOT, seed::HS_INITECH_PILOT);
        let stage = self.sdk.of("Prospecting", "presentationscheduled");
        let step = format!("stage {deal} {stage}");
        let held = Sees::Raises(Words::one_person(self.sdk, "2026-11-27"));
        let hold = self
            .call("no credential to release with: held", &step, held, 1)
            .await;
        let yes = self.bench.approve(SALES_OPS, &hold).await;
        assert_eq!(yes.json()["state"], "approved", "{}", yes.text());
        let before = self.bench.asked().await;
        let seen = self.session.step(&step).await;
        self.one_more();
        let answer = self.sdk.of(json!(204), json!(stage));
        assert_eq!(seen.told, json!({ "returned": answer }));
        assert_eq!((seen.writes, seen.reads, seen.entries.len()), (1, 1, 0));
        let attempts = self.bench.asked().await - before;
        let case = "approved: its own repeat carries it";
        self.note(case, &step, &seen.told, attempts);
        self.call("asked once more", &step, Sees::Returns(answer), 0)
            .await;
    }
}
