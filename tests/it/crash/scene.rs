//! A CRM, the real program before it, and what agents and people were told: their own record of every
//! answer, which is held against the ledger and the CRM after a crash.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{Method, StatusCode};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::timeout;
use writegate::mutation::CrmKind;
use writegate::sandbox::{Options, Running, Sandbox, Token, seed};

use super::judge;
use super::line::Line;
use crate::support::client::{Client, Reply};
use crate::support::house::{APPROVER, BROKER, OPERATOR, TOKEN};
use crate::support::program::{Program, Starting};

/// Patience for what another process does; it passes only when something is wrong.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Two approvers: who they are, and their tokens.
pub(super) const ANN: (&str, &str) = ("ann", APPROVER);
pub(super) const DANA: (&str, &str) = ("dana", OPERATOR);

/// What waits, for whom.
const SALESFORCE: &str = "
crm: salesforce
default: allow
objects:
  '*': { create: { agents: allow }, delete: { agents: hold } }
  Account: { fields: { Rating: { agents: hold } } }
  Opportunity: { fields: { StageName: { agents: hold } } }
  Lead: { create: { agents: hold } }
rules:
  - name: large
    applies: { object: Opportunity, field: StageName }
    when: { before.Amount: { at_least: 300000 } }
    then: hold
    approvers: 2
  - { name: frozen, applies: { object: Opportunity }, when: { before.NextStep: frozen }, then: deny }
  - { name: hasty, applies: { object: Contact }, then: hold, wait: 1s, expires: 1s }
";
const HUBSPOT: &str = "
crm: hubspot
default: allow
objects:
  '*': { create: { agents: allow }, delete: { agents: allow } }
  deals: { fields: { dealstage: { agents: hold } } }
";

/// What a release is sent with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Release {
    /// The route's credential, at once.
    Credential,
    /// The agent's own, when it repeats.
    Repeat,
}

/// A CRM that outlives the programs before it, and their folder.
pub(super) struct World {
    pub(super) crm: Running,
    pub(super) line: Line,
    pub(super) folder: Arc<TempDir>,
    pub(super) release: Release,
    pub(super) notes: Mutex<Notes>,
    /// How often anybody was answered.
    pub(super) answers: watch::Sender<usize>,
    /// Whether the disk broke.
    pub(super) broken: AtomicBool,
    /// What is done, and has to hold, once all doubts are settled.
    pub(super) finish: OnceLock<Finish>,
}

type Finish = for<'a> fn(&'a Life) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A write that an agent makes, and makes again until it has its answer. No two of a scenario have the
/// same method and target.
#[derive(Clone, Debug)]
pub(super) struct Errand {
    pub(super) crm: CrmKind,
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) body: Option<Value>,
    /// It waits for nobody; made again it would be another write.
    pub(super) passes: bool,
}

/// What everybody was told.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// By the errand's name.
    pub(super) asked: BTreeMap<String, Asked>,
    /// Decisions that were answered with 200.
    pub(super) decided: Vec<Decided>,
    /// Settlements that were answered with 200: the entry, and whether it was applied.
    pub(super) settled: Vec<(String, bool)>,
    /// Entries that reverts were said to have made.
    pub(super) reverted: Vec<String>,
    /// The values from before that reverts have to come to.
    pub(super) before: Vec<Value>,
    /// What must never be, one line each.
    pub(super) faults: Vec<String>,
}

/// What an agent was told of one errand.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) errand: Errand,
    /// The holds that it was told of, each with its entry.
    pub(super) holds: Vec<(String, String)>,
    /// The CRM's answer, when it came first.
    pub(super) answer: Option<Reply>,
    /// The last that it heard; `None` where the program was gone.
    pub(super) last: Option<Reply>,
}

/// A decision that a person was told to be taken.
#[derive(Clone, Debug)]
pub(super) struct Decided {
    pub(super) hold: String,
    pub(super) by: &'static str,
    pub(super) approve: bool,
}

impl Errand {
    pub(super) fn salesforce(method: Method, path: &str, body: Value) -> Self {
        Self {
            crm: CrmKind::Salesforce,
            method,
            target: format!("/services/data/v61.0/sobjects/{path}"),
            body: (!body.is_null()).then_some(body),
            passes: false,
        }
    }

    pub(super) fn hubspot(method: Method, path: &str, properties: &Value) -> Self {
        Self {
            crm: CrmKind::HubSpot,
            method,
            target: format!("/crm/v3/objects/{path}"),
            body: Some(json!({ "properties": properties })),
            passes: false,
        }
    }

    pub(super) fn stage(opportunity: &str, stage: &str) -> Self {
        let path = format!("Opportunity/{opportunity}");
        Self::salesforce(Method::PATCH, &path, json!({ "StageName": stage }))
    }

    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

impl World {
    pub(super) async fn new(release: Release) -> Arc<Self> {
        let mut options = Options::with_token(TOKEN);
        options.tokens.push(Token::new(BROKER));
        let crm = Sandbox::start("127.0.0.1:0".parse().unwrap(), options);
        let crm = crm.await.unwrap();
        Arc::new(Self {
            line: Line::to(crm.addr).await,
            crm,
            folder: Arc::new(tempfile::tempdir().unwrap()),
            release,
            notes: Mutex::default(),
            answers: watch::Sender::default(),
            broken: AtomicBool::new(false),
            finish: OnceLock::new(),
        })
    }

    /// The next start of the program.
    pub(super) fn starting(&self) -> Starting {
        let rules = [("salesforce.yaml", SALESFORCE), ("hubspot.yaml", HUBSPOT)];
        let starting = Program::before(&self.line.url())
            .folder(&self.folder)
            .rules(&rules);
        match self.release {
            Release::Credential => starting.route(", release_credential: { env: BROKER }"),
            Release::Repeat => starting,
        }
    }

    pub(super) fn begin(self: &Arc<Self>) -> Life {
        Life::new(self, self.starting().start())
    }

    pub(super) fn fault(&self, what: impl Into<String>) {
        self.notes.lock().faults.push(what.into());
    }
}

/// Agents and people before a program that may be gone at any moment: `None` from then on.
#[derive(Clone)]
pub(super) struct Life {
    pub(super) world: Arc<World>,
    pub(super) program: Arc<Program>,
}

impl Life {
    pub(super) fn new(world: &Arc<World>, program: Program) -> Self {
        Self {
            world: Arc::clone(world),
            program: Arc::new(program),
        }
    }

    /// kill -9, and all that was sent has arrived.
    pub(super) async fn kill(self) {
        self.program.strike();
        self.ended().await;
    }

    /// The program is gone, or soon will be; all that it sent has arrived.
    pub(super) async fn ended(self) {
        let mut program = Arc::into_inner(self.program).unwrap();
        let gone = timeout(PATIENCE, program.gone()).await;
        program.kill();
        assert!(gone.is_ok(), "a call broke off, and the program lives");
        self.world.line.quiet().await;
    }

    /// kill -9 at a moment of a call, which nobody hears the end of.
    pub(super) async fn struck<T>(
        &self,
        call: impl Future<Output = Option<T>>,
        moment: impl Future<Output = ()>,
    ) {
        let strike = async {
            moment.await;
            self.program.strike();
        };
        let (answer, ()) = tokio::join!(call, strike);
        assert!(answer.is_none());
    }

    fn agent(&self, crm: CrmKind) -> Client {
        let route = match crm {
            CrmKind::Salesforce => self.program.salesforce,
            CrmKind::HubSpot => self.program.hubspot,
        };
        Client::new(route, TOKEN)
    }

    /// An agent makes a write, or makes it again; what it hears is noted, and held against the CRM.
    pub(super) async fn ask(&self, errand: &Errand) -> Option<Reply> {
        let world = &*self.world;
        let note = |change: &dyn Fn(&mut Asked)| {
            let mut notes = world.notes.lock();
            let asked = notes.asked.entry(errand.name()).or_insert_with(|| Asked {
                errand: errand.clone(),
                holds: Vec::new(),
                answer: None,
                last: None,
            });
            change(asked);
        };
        note(&|asked| asked.last = None);
        let body = errand.body.as_ref().map(|body| body.to_string().into());
        let call = self.agent(errand.crm);
        let call = call.try_raw(errand.method.clone(), &errand.target, body);
        let reply = timeout(PATIENCE, call).await.unwrap().ok()?;
        judge::honest(world, errand, &reply).await;
        note(&|asked| {
            asked.last = Some(reply.clone());
            if let Some(told) = told_hold(&reply)
                && !asked.holds.contains(&told)
            {
                asked.holds.push(told);
            }
            if reply.status.is_success() && asked.answer.is_none() {
                asked.answer = Some(reply.clone());
            }
        });
        world.answers.send_modify(|answers| *answers += 1);
        Some(reply)
    }

    /// The same until it is not being sent any more.
    pub(super) async fn collect(&self, errand: &Errand) -> Option<Reply> {
        let collected = async {
            loop {
                let reply = self.ask(errand).await?;
                if !being_sent(&reply) {
                    return Some(reply);
                }
            }
        };
        timeout(PATIENCE, collected).await.unwrap()
    }

    /// The hold that an errand waits in; `None` also where it could not be parked.
    pub(super) async fn park(&self, errand: &Errand) -> Option<String> {
        let reply = self.ask(errand).await?;
        told_hold(&reply).map(|(id, _)| id)
    }

    /// An agent reads a record.
    pub(super) async fn look(&self) -> Option<()> {
        let client = self.agent(CrmKind::Salesforce);
        let target = format!("/services/data/v61.0/sobjects/Account/{}", seed::ACME);
        client
            .try_raw(Method::GET, &target, None)
            .await
            .ok()
            .map(drop)
    }

    async fn operator(&self, token: &str, target: &str, body: Option<&Value>) -> Option<Reply> {
        let method = body.map_or(Method::GET, |_| Method::POST);
        let body = body.map(|body| body.to_string().into());
        let client = Client::new(self.program.admin, token);
        let call = client.try_raw(method, target, body);
        timeout(PATIENCE, call).await.unwrap().ok()
    }

    /// What the operator API says; `None` also where there is no such thing.
    pub(super) async fn read(&self, path: &str) -> Option<Value> {
        let target = format!("/api/v1/{path}");
        let reply = self.operator(OPERATOR, &target, None).await?;
        (reply.status == StatusCode::OK).then(|| reply.json())
    }

    /// A person looks at a hold, and says yes or no to what was shown.
    pub(super) async fn decide(
        &self,
        (by, token): (&'static str, &str),
        hold: &str,
        approve: bool,
    ) -> Option<Reply> {
        let shown = self.read(&format!("holds/{hold}")).await?;
        let (verb, body) = match approve {
            true => ("approve", json!({ "digest": shown["digest"] })),
            false => ("reject", json!({ "reason": "not this quarter" })),
        };
        let target = format!("/api/v1/holds/{hold}/{verb}");
        let reply = self.operator(token, &target, Some(&body)).await?;
        if reply.status == StatusCode::OK {
            self.world.notes.lock().decided.push(Decided {
                hold: hold.to_owned(),
                by,
                approve,
            });
            self.world.answers.send_modify(|answers| *answers += 1);
        }
        Some(reply)
    }

    /// A person says what became of an entry in doubt.
    pub(super) async fn settle(&self, entry: &str, applied: bool) -> Option<Reply> {
        let outcome = if applied { "applied" } else { "not_applied" };
        let body = json!({ "outcome": outcome, "reason": "looked" });
        let target = format!("/api/v1/entries/{entry}/settle");
        loop {
            let reply = self.operator(APPROVER, &target, Some(&body)).await?;
            if reply.status == StatusCode::OK {
                let settled = (entry.to_owned(), applied);
                self.world.notes.lock().settled.push(settled);
            }
            // being read back at this moment
            if reply.status != StatusCode::CONFLICT || reply.json()["error"]["code"] != "busy" {
                return Some(reply);
            }
        }
    }

    /// Somebody else changes an opportunity.
    pub(super) fn moves(&self, record: &str, field: &str, value: &str) {
        let crm = &self.world.crm;
        let object = "Opportunity";
        assert!(crm.set_field(CrmKind::Salesforce, object, record, field, json!(value)));
    }

    /// A revert that is carried out; `None` also where none could be.
    pub(super) async fn revert(&self, wish: &Value) -> Option<Value> {
        let reply = self.operator(APPROVER, "/api/v1/reverts", Some(wish));
        let reply = reply.await?;
        if reply.status != StatusCode::OK {
            return None;
        }
        let report = reply.json();
        judge::reported(&self.world, &report);
        let made = report["summary"]["made"].as_array().unwrap().iter();
        let made = made.map(|entry| entry.as_str().unwrap().to_owned());
        self.world.notes.lock().reverted.extend(made);
        Some(report)
    }
}

/// The id in `[hold …]` and the entry, where a reply says that a write waits.
pub(super) fn told_hold(reply: &Reply) -> Option<(String, String)> {
    if reply.status != StatusCode::LOCKED || reply.code() != "WRITEGATE_HELD" {
        return None;
    }
    let message = reply.message();
    let (_, id) = message.rsplit_once("[hold ")?;
    let entry = reply.header("x-writegate-entry")?;
    Some((id.trim_end_matches(']').to_owned(), entry.to_owned()))
}

pub(super) fn being_sent(reply: &Reply) -> bool {
    told_hold(reply).is_some() && reply.message().contains("approved, and being sent")
}
