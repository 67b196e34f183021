//! A repeat of a write that waits, or waited, for a person: it attaches to the hold in place of being
//! judged and charged again, and gets what there is to tell.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_TYPE, USER_AGENT,
};
use http::{HeaderName, HeaderValue, Response};
use tokio::time::Instant;

use super::{Write, release};
use crate::clock::EntryId;
use crate::crm::Shape;
use crate::digest::{self, Sameness};
use crate::error::{Refusal, RefusalKind};
use crate::hold::{Answer, End, Hold, REFUSED, Slot, State, Turn};
use crate::mutation::{ChangeSet, Opaque};
use crate::proxy::words::holds as words;
use crate::proxy::{ENTRY, Refused, VERDICT, answer_of, headers};
use crate::upstream::{self, Body};

/// Marks an answer that the CRM gave before.
const REPLAYED: HeaderName = HeaderName::from_static("x-writegate-replayed");
/// Stands in for the digest where the agent gives it.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Headers that pass on a write and do not act: they may differ between repeats.
const IDLE: [HeaderName; 9] = [
    ACCEPT,
    ACCEPT_ENCODING,
    ACCEPT_LANGUAGE,
    AUTHORIZATION,
    USER_AGENT,
    IDEMPOTENCY_KEY,
    HeaderName::from_static("x-prettyprint"),
    HeaderName::from_static("x-sfdc-session"),
    HeaderName::from_static("soapaction"),
];

type Answered = Result<Response<Body>, Box<Refused>>;

/// What makes a request the same as another one.
#[derive(Debug)]
pub(super) struct Same {
    /// What a repeat is found by.
    pub(super) key: String,
    /// The digest of the request.
    pub(super) content: String,
}

impl Write {
    /// What makes this request the same as another one.
    pub(super) fn same(
        &self,
        opaque: bool,
        bytes: &[u8],
        changes: &ChangeSet,
    ) -> Result<Same, Refusal> {
        let content = digest::of(&self.sameness(&self.acting(opaque)?, bytes, changes));
        let key = match self.idempotency_key()? {
            None => content.clone(),
            Some(given) => {
                let nothing = ChangeSet::Opaque(Opaque::unknown(""));
                digest::of(&Sameness {
                    method: IDEMPOTENCY_KEY.as_str(),
                    path: given,
                    query: None,
                    ..self.sameness(&[], b"", &nothing)
                })
            }
        };
        Ok(Same { key, content })
    }

    fn sameness<'a>(
        &'a self,
        acting: &'a [(String, String)],
        bytes: &'a [u8],
        changes: &'a ChangeSet,
    ) -> Sameness<'a> {
        Sameness {
            route: self.route(),
            service_account: &self.actor.service_account,
            method: self.parts.method.as_str(),
            path: self.path.as_str(),
            query: self.parts.uri.query(),
            acting,
            changes,
            bytes,
        }
    }

    /// What acts beside the change set: headers that pass on, and what the body says. What a body is
    /// said to be counts where it was not taken apart.
    pub(super) fn acting(&self, opaque: bool) -> Result<Vec<(String, String)>, Refusal> {
        let passed = headers::of_write(&self.parts.headers, self.state()?.crm);
        let acts = |name: &HeaderName| !IDLE.contains(name) && (opaque || *name != CONTENT_TYPE);
        let acting = passed.iter().filter(|(name, _)| acts(name));
        let headers = acting.map(|(name, value)| {
            let letters = value.as_bytes().iter().map(|byte| char::from(*byte));
            (name.as_str().to_owned(), letters.collect())
        });
        let said = self.acting.iter();
        let said = said.map(|(name, value)| (format!("acts {name}"), value.clone()));
        Ok(headers.chain(said).collect())
    }

    /// Adds what the body of a request that is taken apart says that acts.
    pub(super) fn acts_in(&mut self, shape: Option<&Shape>, bytes: &[u8]) {
        if let (Some(shape), Ok(state)) = (shape, self.state()) {
            let said = state.crm.acting_in(shape, bytes);
            self.acting.extend(said);
        }
    }

    fn idempotency_key(&self) -> Result<Option<&str>, Refusal> {
        let mut given = self.parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let (first, second) = (given.next(), given.next());
        match (first.map(HeaderValue::to_str), second) {
            (None, _) => Ok(None),
            (Some(Ok(key)), None) if !key.trim().is_empty() => Ok(Some(key)),
            _ => Err(Refusal::malformed(
                "the header idempotency-key is not one printable text",
            )),
        }
    }

    /// Answers a repeat. `None`: it is no repeat, to be judged as what it is.
    pub(super) async fn attach(
        &self,
        opaque: bool,
        bytes: &[u8],
        changes: &ChangeSet,
    ) -> Option<Answered> {
        let holds = &self.worker.app.holds;
        if holds.attaches_nothing() && !self.parts.headers.contains_key(IDEMPOTENCY_KEY) {
            return None;
        }
        let same = match self.same(opaque, bytes, changes) {
            Ok(same) => same,
            Err(refusal) => return Some(Err(self.refuse(refusal, Some(changes), None).await)),
        };
        let slot = holds.by_key(&same.key)?;
        self.attached(&slot, &same, changes).await
    }

    /// What there is to tell of a hold that the same request has, after as much waiting as its rules
    /// ask for.
    pub(super) async fn attached(
        &self,
        slot: &Arc<Slot>,
        same: &Same,
        changes: &ChangeSet,
    ) -> Option<Answered> {
        let hold = slot.turn().await.hold()?;
        if hold.content != same.content {
            let refusal = words::another_request(&hold, self.now);
            return Some(Err(self.refuse(refusal, Some(changes), None).await));
        }
        // What keeps it from going may be in doubt.
        self.read_back(changes).await;
        let until = Instant::now() + seconds(hold.wait_seconds);
        loop {
            let decided = self.linger(slot, until).await;
            let state = match self.carried(slot).await? {
                Ok(state) => state,
                Err(answer) => return Some(Err(passed_on(&hold, *answer))),
            };
            // Woken for a release that another task has taken up: its end is near.
            if !decided || state != State::Releasing {
                break;
            }
        }
        let turn = slot.turn().await;
        self.tell(turn, changes).await
    }

    /// Keeps the call open until something is decided or the rules' time for it is over; true when
    /// something was.
    async fn linger(&self, slot: &Slot, until: Instant) -> bool {
        let app = &self.worker.app;
        let left = until.saturating_duration_since(Instant::now());
        let waits =
            |hold: &Hold| matches!(hold.state(&app.config), State::Parked | State::Releasing);
        if left.is_zero() {
            return false;
        }
        let decided = async {
            tokio::select! {
                decided = app.holds.wait(slot, left, waits) => decided,
                () = self.line.hung_up() => false,
            }
        };
        self.watch.wait_for(pin!(decided)).await
    }

    /// Where a hold stands, after an approved one was released: with a credential for it or without,
    /// it goes now, and this is whose answer it is. Or what the CRM says to this request's credential.
    async fn carried(&self, slot: &Arc<Slot>) -> Option<Result<State, Box<upstream::Answer>>> {
        let state = self.state_of(slot).await?;
        if state != State::Approved {
            return Some(Ok(state));
        }
        let own = Some(&self.caller.credential);
        let releasing = Box::pin(release::release(&self.worker, slot, own));
        // The release is timed by itself.
        match self.watch.wait_for(pin!(releasing)).await {
            Some(refused) => Some(Err(refused)),
            None => self.state_of(slot).await.map(Ok),
        }
    }

    /// Where a hold stands, after it ended by itself if its time is over.
    async fn state_of(&self, slot: &Arc<Slot>) -> Option<State> {
        let app = &self.worker.app;
        let in_doubt = |hold: Arc<Hold>| hold.end == Some(End::InDoubt);
        if slot.look().is_some_and(in_doubt) {
            // Before the turn is taken: who settles it takes that too.
            self.read_back_all().await;
        }
        let turn = slot.turn().await;
        if let Err(error) = turn.expire(&app.desk()).await {
            tracing::error!(%error, hold = slot.id(), "an end is not recorded");
        }
        Some(turn.hold()?.state(&app.config))
    }

    /// The answer that a repeat gets. `None`: the request is free again. That it was told is recorded
    /// when the caller has it.
    async fn tell(&self, turn: Turn, changes: &ChangeSet) -> Option<Answered> {
        let app = &self.worker.app;
        let now = app.clock.now();
        let hold = turn.hold()?;
        if !hold.attaches(now) {
            app.holds.set_free(turn.slot());
            return None;
        }
        let refusal = match hold.state(&app.config) {
            State::Released => {
                let answer = self.answer(&hold).await;
                if answer.is_ok() {
                    self.line.tells(turn);
                }
                return Some(answer);
            }
            // Its time is over, and that could not be recorded.
            _ if hold.is_due(now) => Refusal::unavailable("the end of a hold is not recorded"),
            State::Parked => words::held(&hold),
            State::Approved | State::Releasing => words::approved(&hold),
            State::InDoubt | State::Settled => words::in_doubt(&hold),
            State::Rejected | State::Expired | State::Denied | State::NotSent => {
                let refusal = words::ended(&hold)?;
                self.count_again(&refusal, changes).await;
                self.line.tells(turn);
                refusal
            }
        };
        Some(Err(of_hold(refusal, &hold.entry)))
    }

    /// Whoever asks again and again for what was refused is stopped like any other who does: where a
    /// limit counts refusals, a repeat is one, on record under an entry of its own.
    async fn count_again(&self, refusal: &Refusal, changes: &ChangeSet) {
        if !self.refusal_charges(refusal.kind).is_empty() {
            drop(self.refuse(refusal.clone(), Some(changes), None).await);
        }
    }

    /// The CRM's answer, byte for byte.
    async fn answer(&self, hold: &Hold) -> Answered {
        let app = &self.worker.app;
        let kept = match &hold.answer {
            Some(answer) => Ok(Some(Answer::clone(answer))),
            None => Answer::load(&**app.journal.ledger(), &hold.entry).await,
        };
        let kept =
            kept.map_err(|error| of_hold(Refusal::unavailable(error.to_string()), &hold.entry))?;
        let Some((status, headers, body)) = kept.and_then(|answer| answer.restored()) else {
            return Err(of_hold(words::answer_erased(hold), &hold.entry));
        };
        let mut response = answer_of(upstream::Answer {
            status,
            headers,
            body,
        });
        let headers = response.headers_mut();
        if let Ok(entry) = HeaderValue::from_str(hold.entry.as_str()) {
            headers.insert(ENTRY, entry);
        }
        headers.insert(VERDICT, HeaderValue::from_static("hold"));
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
        Ok(response)
    }
}

/// The CRM does not take the credential of the repeat that carried a release: nothing was written, and
/// its own answer makes an SDK log in again.
fn passed_on(hold: &Hold, answer: upstream::Answer) -> Box<Refused> {
    Box::new(Refused {
        refusal: Refusal::new(RefusalKind::Upstream, REFUSED),
        entry: Some(hold.entry.clone()),
        instead: Some(Box::new(answer_of(answer))),
    })
}

fn seconds(wait: i64) -> Duration {
    Duration::from_secs(u64::try_from(wait).unwrap_or(0))
}

/// A refusal that is told under the hold's entry: it is in the ledger already.
pub(super) fn of_hold(refusal: Refusal, entry: &EntryId) -> Box<Refused> {
    Box::new(Refused {
        refusal,
        entry: Some(entry.clone()),
        instead: None,
    })
}
