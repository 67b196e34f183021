//! Writes that wait for a person: what is known of each, who may decide, what ends one. Everything is
//! folded from the ledger's rows, so that a restart knows what was known before it.

mod book;
pub mod contents;
pub mod decide;
pub mod drift;
mod follow;
mod id;
pub mod people;
pub mod rows;
mod shown;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::EntryId;
use crate::config::{Config, Fingerprint, Source};
use crate::mutation::{Acting, Actor, Charge, Origin, Requirement, Verdict};

pub use book::{Begun, Book, Releasing, Slot, Turn};
pub use contents::{Answer, Contents, Exact};
pub use shown::Shown;

/// The CRM's answer is repeated for this long after it was first delivered.
const ANSWERED_FOR: SignedDuration = SignedDuration::from_mins(10);
/// An approved hold whose release did not come to be is tried again after this.
pub const TRY_AGAIN: SignedDuration = SignedDuration::from_secs(30);
/// What ended so long ago is told by its entry alone.
const REMEMBERED_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The note of a release that a kill switch stopped right before the first byte.
pub const STOPPED: &str = "the service account was stopped";

/// The note of a release that met a CRM that could not be reached.
pub const UNREACHED: &str = "the CRM could not be reached";
/// How the note of a release begins whose answer could not be kept for the agent.
pub const UNREAD: &str = "what the CRM answered could not be kept";
/// The note of a release that the CRM did not take for its credential.
pub const REFUSED: &str = "the CRM refused the credential of the release";
/// The note of a release that met the record in motion: our own condition failed.
pub const MOVED: &str = "the record was changed by someone else at the same moment";

/// Where a hold stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits for people.
    Parked,
    /// Everybody that has to agree does; not sent yet.
    Approved,
    /// Being judged again, and sent.
    Releasing,
    /// The CRM has answered.
    Released,
    /// A person said no.
    Rejected,
    /// Nobody decided in time.
    Expired,
    /// The rules said no when it was released.
    Denied,
    /// Released, but nothing was written.
    NotSent,
    /// Sent, or maybe sent, with no answer known.
    InDoubt,
    /// Was in doubt, and is not any more: the entry tells.
    Settled,
}

impl State {
    /// The word in answers.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Parked => "parked",
            Self::Approved => "approved",
            Self::Releasing => "releasing",
            Self::Released => "released",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Denied => "denied",
            Self::NotSent => "not_sent",
            Self::InDoubt => "in_doubt",
            Self::Settled => "settled",
        }
    }

    /// Whether something can still become of it.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Parked | Self::Approved | Self::Releasing)
    }
}

/// What people are asked, as the newest look at the record and the rules has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// All of these have to be met.
    pub requirements: Vec<Requirement>,
    /// What an approval has to name: it covers the request, the prior values and the requirements.
    pub shown: String,
    /// Why it waits, for people and models.
    pub why: String,
}

/// One approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Approval {
    /// The operator's name.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What they said.
    pub reason: Option<String>,
    /// The token that they said it with: a new name makes no second person of them.
    #[serde(skip_serializing)]
    pub token: Fingerprint,
}

/// How a hold ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// A person said no.
    Rejected {
        /// Who.
        by: String,
        /// The teams of theirs that were asked.
        teams: Vec<String>,
        /// Why; the agent reads it.
        reason: String,
    },
    /// Nobody decided in time, or what was decided could not be carried out in time.
    Expired {
        /// Whether it was approved.
        approved: bool,
    },
    /// The rules said no when it was released.
    Denied {
        /// What the agent is told.
        message: String,
    },
    /// The CRM has answered.
    Released {
        /// Its status.
        status: u16,
    },
    /// Opened, and nothing was written.
    NotSent {
        /// Why: `the CRM could not be reached`.
        note: String,
    },
    /// Sent, or maybe sent, with no answer known.
    InDoubt,
    /// Was in doubt, and is not any more.
    Settled,
}

/// Why the hold waits again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drifted {
    /// When that was seen.
    pub at: Timestamp,
    /// What moved: `Opportunity.Amount`; empty where only the rules changed.
    pub fields: Vec<String>,
}

/// What the hold of a revert would take back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakesBack {
    /// The operator who asked for it.
    pub by: String,
    /// The service account whose writes these were: its broker credential may serve.
    pub wrote: String,
    /// The entries.
    pub entries: Vec<EntryId>,
}

/// One hold.
#[derive(Clone, Debug)]
pub struct Hold {
    /// Its id: `7KQ2`.
    pub id: String,
    /// The entry it is.
    pub entry: EntryId,
    /// How many rows of it are known here: its next step is the row behind them.
    pub rows: u32,
    /// Who asked, and what it claimed.
    pub actor: Actor,
    /// The person who owned the service account then.
    pub owner: Option<String>,
    /// The tokens of those who stood behind it then, whatever they are called today.
    pub barred: Vec<Fingerprint>,
    /// The CRM that it was meant for.
    pub upstream: String,
    /// What it takes back, where it is a revert.
    pub takes_back: Option<TakesBack>,
    /// Through which route.
    pub route: String,
    /// The method on the request line.
    pub method: String,
    /// What a repeat has to come to: the digest, or what an `Idempotency-Key` makes of it.
    pub key: String,
    /// The digest of the request.
    pub content: String,
    /// When it began.
    pub at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// Seconds that a call is kept open for a decision.
    pub wait_seconds: i64,
    /// What would change, without values.
    pub summary: Value,
    /// What acts on it beside its fields: headers, and what its body says.
    pub acting: Acting,
    /// Why it could not be taken apart, where it could not.
    pub opaque: Option<String>,
    /// What the rules said.
    pub verdict: Option<Verdict>,
    /// The rule set that judged.
    pub rules: String,
    /// For each mutation the fields that rules look at beyond those that are written.
    pub looked: Vec<Vec<String>>,
    /// What it takes from the gauges while it is open.
    pub gauge: Vec<Charge>,
    /// What people are asked now.
    pub terms: Terms,
    /// Who agreed.
    pub approvals: Vec<Approval>,
    /// Why it waits again, where it does.
    pub drifted: Option<Drifted>,
    /// Whether it was opened for sending.
    pub opened: bool,
    /// How it ended.
    pub end: Option<End>,
    /// When that was.
    pub ended_at: Option<Timestamp>,
    /// When the agent first heard of the end.
    pub told: Option<Timestamp>,
    /// Being released by this process. What others release is known once they have opened it.
    pub releasing: bool,
    /// Why an approved hold is not sent yet.
    pub note: Option<String>,
    /// The entry in doubt that an approved hold waits for.
    pub behind: Option<EntryId>,
    /// No release before this.
    pub retry_at: Option<Timestamp>,
    /// The CRM's answer, for as long as its row is not durable.
    pub answer: Option<Arc<Answer>>,
}

impl Hold {
    /// Where it stands. Approvals count as the people are today.
    #[must_use]
    pub fn state(&self, config: &Config) -> State {
        match &self.end {
            Some(End::Rejected { .. }) => State::Rejected,
            Some(End::Expired { .. }) => State::Expired,
            Some(End::Denied { .. }) => State::Denied,
            Some(End::Released { .. }) => State::Released,
            Some(End::NotSent { .. }) => State::NotSent,
            Some(End::InDoubt) => State::InDoubt,
            Some(End::Settled) => State::Settled,
            None if self.releasing || self.opened => State::Releasing,
            None if people::met(config, self, &self.terms.requirements) => State::Approved,
            None => State::Parked,
        }
    }

    /// Whether it is to end by itself now. One that is being sent does not.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.end.is_none() && !self.releasing && !self.opened && now >= self.expires_at
    }

    /// Where the write comes from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        match self.takes_back {
            Some(_) => Origin::Revert,
            None => Origin::Agent,
        }
    }

    /// Whether a repeat is still answered by this hold; after that the request is a new one. Nobody
    /// collects the answer to a revert.
    #[must_use]
    pub fn attaches(&self, now: Timestamp) -> bool {
        if self.is_forgotten(now) {
            return false;
        }
        match &self.end {
            Some(end) if self.takes_back.is_some() => *end == End::InDoubt,
            None | Some(End::InDoubt) => true,
            Some(End::Released { .. }) => self
                .told
                .is_none_or(|told| now.duration_since(told) < ANSWERED_FOR),
            Some(End::Rejected { .. }) => now < self.expires_at,
            // What moved is asked again: its repeat is a new request.
            Some(End::NotSent { note }) if note == MOVED => false,
            Some(End::Expired { .. } | End::Denied { .. } | End::NotSent { .. }) => {
                self.told.is_none()
            }
            Some(End::Settled) => false,
        }
    }

    /// Whether it need not be known any more but by its entry.
    #[must_use]
    pub fn is_forgotten(&self, now: Timestamp) -> bool {
        let over = |at: Timestamp| now.duration_since(at) > REMEMBERED_FOR;
        let awaited = matches!(self.end, Some(End::Released { .. })) && self.takes_back.is_none();
        let undelivered = (awaited || self.end == Some(End::InDoubt)) && self.told.is_none();
        self.ended_at.is_some_and(over) && !undelivered
    }

    /// The reservation of what it takes from the gauges.
    #[must_use]
    pub fn gauge_reservation(&self) -> EntryId {
        gauge_reservation(&self.entry)
    }
}

/// The reservation under which a hold of this entry takes from the gauges; it is not the entry's own,
/// which ends when the write is parked.
#[must_use]
pub fn gauge_reservation(entry: &EntryId) -> EntryId {
    EntryId::from_text(&format!("{entry} waits"))
}

/// The credential for the release of a hold: the route's, else the broker's. Without one only the
/// agent's own next repeat can carry it.
#[must_use]
pub fn credential<'a>(config: &'a Config, hold: &Hold) -> Option<&'a Source> {
    let route = &hold.route;
    let service_account = match &hold.takes_back {
        Some(back) => &back.wrote,
        None => &hold.actor.service_account,
    };
    let of_route = config
        .routes
        .iter()
        .find(|known| known.name == *route)
        .and_then(|route| route.release_credential.as_ref());
    let of_account = || {
        let account = config
            .service_accounts
            .iter()
            .find(|account| account.name == *service_account)?;
        let mut credentials = account.credentials.iter();
        credentials
            .find(|(name, _)| name == route)
            .map(|(_, source)| source)
    };
    of_route.or_else(of_account)
}
