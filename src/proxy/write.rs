//! The governed path: one write from its body to the CRM's answer. Each step can refuse; what was
//! taken by then is given back.

mod again;
mod attach;
mod count;
mod export;
mod fleet;
mod job;
mod judge;
mod kept;
mod line;
mod observe;
mod park;
mod reads;
mod recorded;
mod refuse;
pub(super) mod release;
pub mod reverts;
mod through;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Response};
use hyper::body::Incoming;
use jiff::Timestamp;

use super::actor::Caller;
use super::early::NOBODY;
use super::words::{self, About};
use super::{Call, Refused, headers};
use crate::app::{RouteState, Worker};
use crate::clock::EntryId;
use crate::crm::path::CanonicalPath;
use crate::crm::{Head, Shape};
use crate::error::Refusal;
use crate::gate::{self, Decision, Judged};
use crate::journal::Subject;
use crate::metrics::Stopwatch;
use crate::mutation::{
    Acting, Actor, ChangeSet, Charge, Claims, Effect, Opaque, Origin, Verdict, Would,
};
use crate::policy::RuleSet;
use crate::upstream::Body;
use again::Again;
use job::Job;
pub(super) use job::{ask, settle};
use judge::Judgement;
use line::Line;
use park::Parking;
use reads::understood;
use through::Sending;

/// One write on its way.
#[derive(Debug)]
pub(super) struct Write {
    worker: Arc<Worker>,
    place: usize,
    now: Timestamp,
    entry: EntryId,
    /// Under which its locks and charges are held: the entry, but for releases, which two replicas may
    /// try at once.
    reservation: EntryId,
    /// What was known of other replicas' writes when it came.
    mark: u64,
    actor: Actor,
    origin: Origin,
    caller: Caller,
    parts: Parts,
    path: CanonicalPath,
    /// The headers that act on the write beside its body.
    acting: Acting,
    /// The rules in force when it came; a reload in between does not change them.
    rules: Arc<RuleSet>,
    /// What tells the same request again; empty until the body was taken apart.
    digest: String,
    /// How long it takes, and how much of that is somebody else's.
    watch: Arc<Stopwatch>,
    /// Whether the caller still waits.
    line: Line,
    /// The job that it commits, where it is a commit.
    job: Option<Arc<Job>>,
    /// Whether control state was asked for anything, so that there may be something to give back.
    asked: AtomicBool,
}

impl Write {
    /// A write of a caller; nothing is decided.
    pub(super) fn begin(
        call: Call<'_>,
        parts: Parts,
        path: CanonicalPath,
        caller: Caller,
        claims: Claims,
    ) -> Self {
        let service_account = caller
            .service_account
            .clone()
            .unwrap_or_else(|| NOBODY.to_owned());
        let entry = call.worker.app.entry_id(call.now);
        Self {
            worker: Arc::clone(call.worker),
            place: call.place,
            now: call.now,
            reservation: entry.clone(),
            mark: call.worker.app.doubts.elsewhere.mark(),
            entry,
            actor: Actor {
                service_account,
                claims,
            },
            origin: Origin::Agent,
            caller,
            acting: call.state.crm.acting(&parts.headers),
            parts,
            path,
            rules: call.worker.app.rules.load_full(),
            digest: String::new(),
            watch: Arc::new(Stopwatch::start()),
            line: Line::default(),
            job: None,
            asked: AtomicBool::new(false),
        }
    }

    /// A request that cannot be taken apart: `endpoints` rows decide, else it is denied. Its body is
    /// collected all the same, so that what an `endpoints` row lets through is what was looked at.
    pub(super) async fn opaque(
        self,
        opaque: Opaque,
        incoming: Incoming,
    ) -> Result<Response<Body>, Box<Refused>> {
        self.may_write().await?;
        let changes = ChangeSet::Opaque(opaque);
        if let Err(verdict) = self.judge_opaque(&changes) {
            return Err(self.denied(&changes, &verdict).await);
        }
        let bytes = match self.collect(incoming).await {
            Ok(bytes) => bytes,
            Err(refusal) => return Err(self.refuse(refusal, Some(&changes), None).await),
        };
        self.detached(None, bytes, changes).await
    }

    /// The same of a request whose body was collected before.
    pub(super) async fn opaque_opened(
        self,
        opaque: Opaque,
        bytes: Bytes,
    ) -> Result<Response<Body>, Box<Refused>> {
        self.may_write().await?;
        let changes = ChangeSet::Opaque(opaque);
        if let Err(verdict) = self.judge_opaque(&changes) {
            return Err(self.denied(&changes, &verdict).await);
        }
        self.detached(None, bytes, changes).await
    }

    /// A write whose body is taken apart.
    pub(super) async fn govern(
        self,
        shape: Shape,
        incoming: Incoming,
    ) -> Result<Response<Body>, Box<Refused>> {
        if let Some(step) = job::step(&shape).cloned() {
            // jobs are rare and their steps hold much: other writes need not
            return Box::pin(self.job(shape, step, incoming)).await;
        }
        // 2 kill switch, before the body is read
        self.may_write().await?;
        // 3 body
        let bytes = match self.collect(incoming).await {
            Ok(bytes) => bytes,
            Err(refusal) => return Err(self.refuse(refusal, None, None).await),
        };
        self.governed(shape, bytes).await
    }

    /// A write whose body was collected before: it says who calls.
    pub(super) async fn govern_opened(
        self,
        shape: Shape,
        bytes: Bytes,
    ) -> Result<Response<Body>, Box<Refused>> {
        self.may_write().await?;
        self.governed(shape, bytes).await
    }

    async fn governed(self, shape: Shape, bytes: Bytes) -> Result<Response<Body>, Box<Refused>> {
        // 4 change set
        let changes = match self.parsed(&shape, &bytes).await {
            Ok(changes) => changes,
            Err(unread) => return Err(self.unread(*unread).await),
        };
        if changes.is_read() {
            return self.read(bytes).await;
        }
        self.detached(Some(shape), bytes, changes).await
    }

    /// From here on the write runs on its own task: a client that hangs up leaves no lock and no
    /// charge behind, and cannot stop it between the CRM's commit and the ledger.
    async fn detached(
        mut self,
        shape: Option<Shape>,
        bytes: Bytes,
        changes: ChangeSet,
    ) -> Result<Response<Body>, Box<Refused>> {
        let app = Arc::clone(&self.worker.app);
        let entry = self.entry.clone();
        let underway = app.inflight.enter();
        let (worker, place, watch) = (Arc::clone(&self.worker), self.place, self.watch.clone());
        let caller = line::open(&mut self.line);
        let task = tokio::spawn(async move {
            let answer = self.judge_and_send(shape, bytes, changes).await;
            if let Some(tally) = worker.tallies.get(place) {
                tally.judged(&watch);
            }
            drop(underway);
            answer
        });
        match task.await.inspect(|_| caller.answered(&app)) {
            Ok(answer) => answer,
            // The task panicked: nobody knows how far it came. What may have been sent is in doubt.
            Err(error) => Err(Box::new(Refused {
                refusal: words::unknown_outcome(false, &entry, &error.to_string()),
                entry: Some(entry),
                instead: None,
            })),
        }
    }

    /// Steps 5 to 12: verdict, gate, snapshot, then through to the CRM.
    async fn judge_and_send(
        mut self,
        shape: Option<Shape>,
        bytes: Bytes,
        changes: ChangeSet,
    ) -> Result<Response<Body>, Box<Refused>> {
        self.acts_in(shape.as_ref(), &bytes);
        // a repeat of what waits, or waited, for a person
        if let Some(answer) = self.attach(shape.is_none(), &bytes, &changes).await {
            return answer;
        }
        // the same request may be under way, in doubt or settled
        self.digest = self.digest_of(&changes, &bytes);
        let seat = match self.arrive(shape.as_ref(), &changes).await? {
            Again::No(seat) => seat,
            Again::Answer(answer) => return Ok(answer),
        };
        // the CRM's own calls: prior reads take some too
        let short = match self.spared() {
            Ok(observed) => observed,
            Err(refusal) => return Err(self.refuse(refusal, Some(&changes), None).await),
        };
        // 5 verdict, with prior values where a rule looks at them
        let judgement = match shape {
            Some(_) if self.job.is_some() => self.judge_job(&changes).await?,
            Some(_) => self.judge(&changes).await?,
            None => match self.judge_opaque(&changes) {
                Ok(judgement) => judgement,
                Err(verdict) => return Err(self.denied(&changes, &verdict).await),
            },
        };
        // 6 the gate
        let charges = self.charges_of(&changes, &judgement)?;
        let (charges, observing) = self.thresholds(charges);
        let asked = (charges.clone(), &*observing);
        let permit = match self.decide(&changes, &judgement, asked).await {
            Decision::Permit(permit) => permit,
            Decision::Hold {
                over,
                noticed,
                epoch,
            } => {
                let mut verdict = judgement.verdict;
                self.notice(&mut verdict, &noticed);
                let parking = Parking {
                    opaque: shape.is_none(),
                    bytes,
                    changes,
                    verdict,
                    snapshot: judgement.snapshot,
                    charges,
                    over,
                    takes_back: None,
                    epoch: Some(epoch),
                };
                return self.park(parking).await;
            }
            Decision::Refuse(cause) => {
                return Err(self.caused(&cause, &changes, &judgement.verdict).await);
            }
        };
        // 7 the snapshot, if not taken yet
        let Judgement {
            mut verdict,
            rests_on_prior,
            snapshot,
            ..
        } = judgement;
        self.notice(&mut verdict, permit.noticed());
        for limit in short {
            verdict.observe_limit(&limit, Would::WouldLimit);
        }
        let snapshot = self.complete(snapshot, &changes, &verdict).await?;
        self.not_in_doubt(&changes, &snapshot, &verdict).await?;
        let same = self.meanwhile(shape.as_ref(), &changes, &snapshot, &verdict);
        if let Some(answer) = same.await? {
            return Ok(answer);
        }
        let sending = Sending {
            shape,
            bytes,
            changes,
            verdict,
            rests_on_prior,
            snapshot,
            charges,
            at: self.worker.app.clock.now(),
        };
        through::through(&self, permit, &sending, &seat).await
    }

    /// The gate, for charges of which some only observe.
    async fn decide(
        &mut self,
        changes: &ChangeSet,
        judgement: &Judgement,
        (charges, observing): (Vec<Charge>, &[String]),
    ) -> Decision {
        let judged = Judged {
            entry: &self.entry,
            reservation: &self.reservation,
            service_account: &self.actor.service_account,
            verdict: &judgement.verdict,
            approved: false,
            charges,
            observing,
            locks: self.locks(changes, judgement.snapshot.as_ref()),
            now: self.now,
        };
        self.asks();
        let deciding = gate::decide(&*self.worker.app.control, judged);
        self.watch.wait_for(pin!(deciding)).await
    }

    fn state(&self) -> Result<&RouteState, Refusal> {
        self.worker
            .app
            .routes
            .get(self.place)
            .ok_or_else(super::no_upstream)
    }

    fn route(&self) -> &str {
        self.worker
            .app
            .routes
            .get(self.place)
            .map_or("", |state| state.route.name.as_str())
    }

    fn head(&self) -> Head<'_> {
        Head {
            method: &self.parts.method,
            path: &self.path,
            query: self.parts.uri.query(),
            headers: &self.parts.headers,
            sender: self.caller.sender(),
        }
    }

    /// The headers that go upstream with the write.
    fn upstream_headers(&self) -> Result<HeaderMap, Refusal> {
        let mut passed = headers::of_write(&self.parts.headers, self.state()?.crm);
        self.caller.credential.put(&mut passed);
        Ok(passed)
    }

    /// Headers and bytes as they go upstream: the bytes are the inspected ones, with the credential in
    /// its place where the CRM takes it from the body.
    fn signed(&self, mut headers: HeaderMap, bytes: Bytes) -> Result<(HeaderMap, Bytes), Refusal> {
        let place = self.state()?.crm.session_place(&self.path, &bytes);
        let place = place.map_err(Refusal::malformed)?;
        let bytes = self.caller.credential.sign(&mut headers, bytes, place)?;
        Ok((headers, bytes))
    }

    fn about<'a>(&'a self, changes: &'a ChangeSet, verdict: &'a Verdict) -> About<'a> {
        About {
            service_account: &self.actor.service_account,
            entry: &self.entry,
            method: self.parts.method.as_str(),
            path: &self.path,
            changes,
            verdict,
            live: &self.worker.app.limits,
            now: self.now,
        }
    }

    fn subject<'a>(
        &'a self,
        changes: Option<&'a ChangeSet>,
        verdict: Option<&'a Verdict>,
    ) -> Subject<'a> {
        Subject {
            entry: &self.entry,
            nth: None,
            actor: &self.actor,
            origin: self.origin,
            route: self.route(),
            mode: self.state().map_or("", |state| state.route.mode.word()),
            method: self.parts.method.as_str(),
            path: self.recorded_path(),
            query: self.recorded_query(changes),
            acting: &self.acting,
            changes,
            verdict,
            rules: self.rules.digest(),
            digest: (!self.digest.is_empty()).then_some(self.digest.as_str()),
            // The row's own time: a slow body or prior read must not put it behind the ledger's newest.
            now: self.worker.app.clock.now(),
        }
    }
}

/// Whether the rules let a verdict through to the gate.
fn passes(verdict: &Verdict) -> bool {
    verdict.effect != Effect::Deny
}
