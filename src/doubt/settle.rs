//! Reading back: when and with which credential, and what follows from what was found.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;

pub use super::present::Reader;

use super::book::Claim;
use super::decide::{Finding, decide};
use super::present::present;
use super::theirs;
use crate::app::{App, Worker};
use crate::clock::EntryId;
use crate::config::Source;
use crate::journal::Reconciling;
use crate::journal::sent::{self, Sent};
use crate::mutation::{Operation, Outcome, OutcomeState};

/// How often the clockwork looks for what is due.
const EVERY: Duration = Duration::from_secs(1);
/// How many entries one request may have to wait for: each is a read or two.
const AT_ONCE: usize = 4;
/// Records made by writes that were closed this long before can still be told from ours.
const EARLIER: SignedDuration = SignedDuration::from_mins(10);

/// Settles what is due, for ever: each route by itself, since a CRM that hangs must not keep the others'
/// doubts.
pub async fn tick(worker: Worker) {
    let worker = Arc::new(worker);
    let mut routes = JoinSet::new();
    for place in 0..worker.app.routes.len() {
        let worker = Arc::clone(&worker);
        routes.spawn(async move {
            let mut clock = tokio::time::interval(EVERY);
            clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                clock.tick().await;
                settle_route(&worker, place, worker.app.clock.now()).await;
            }
        });
    }
    while let Some(Err(error)) = routes.join_next().await {
        tracing::error!(%error, "the doubts of a route are not read back any more");
    }
}

/// Reads back all that is due and for which the configuration has a credential: the service account's
/// of the broker, else the route's for releases. Returns what was settled.
pub async fn settle_due(worker: &Worker, now: Timestamp) -> Vec<EntryId> {
    let mut settled = Vec::new();
    for place in 0..worker.app.routes.len() {
        settled.extend(settle_route(worker, place, now).await);
    }
    settled
}

async fn settle_route(worker: &Worker, place: usize, now: Timestamp) -> Vec<EntryId> {
    let app = &worker.app;
    let way = app.routes.get(place).zip(worker.upstreams.get(place));
    let Some((state, upstream)) = way else {
        return Vec::new();
    };
    let mut settled = Vec::new();
    for entry in app.doubts.due(&state.route.name, now) {
        let Some(claim) = app.doubts.claim(&entry) else {
            continue;
        };
        let Some(headers) = configured(app, &claim.sent).await else {
            // The next request of its service account brings a credential.
            continue;
        };
        let reader = Reader {
            state,
            upstream,
            headers: &headers,
            now,
        };
        if read_back(app, &reader, claim, now).await {
            settled.push(entry);
        }
    }
    settled
}

/// Reads these back with the credential of a request, at most a few of them.
pub async fn settle_some(app: &App, reader: &Reader<'_>, due: &[EntryId], now: Timestamp) {
    for entry in due.iter().take(AT_ONCE) {
        if let Some(claim) = app.doubts.claim(entry) {
            read_back(app, reader, claim, now).await;
        }
    }
}

/// Reads one entry back; whether it is settled now.
pub async fn read_back(app: &App, reader: &Reader<'_>, claim: Claim, now: Timestamp) -> bool {
    let entry = claim.sent.entry.clone();
    let findings = match findings(app, reader, &claim, now).await {
        Ok(findings) => findings,
        Err(why) => {
            tracing::warn!(%entry, %why, "a write in doubt cannot be read back now");
            claim.failed(now);
            return false;
        }
    };
    if findings.contains(&Finding::TooEarly) {
        claim.later(now);
        return false;
    }
    let undecided = findings.iter().find_map(|finding| match finding {
        Finding::Undecided(why) => Some(*why),
        Finding::Applied(_) | Finding::NotApplied | Finding::TooEarly => None,
    });
    if let Some(why) = undecided {
        tracing::warn!(%entry, why, "a write in doubt waits for a person");
        claim.stuck(why);
        return false;
    }
    let outcomes = outcomes(&claim.sent, findings);
    settle(
        app,
        claim,
        outcomes,
        ("read back", "the CRM was asked"),
        now,
    )
    .await
}

/// Writes down what became of an entry, then lets its records go; whether it is settled now.
pub(crate) async fn settle(
    app: &App,
    claim: Claim,
    outcomes: Vec<Outcome>,
    (by, reason): (&str, &str),
    now: Timestamp,
) -> bool {
    let sent = Arc::clone(&claim.sent);
    let reconciling = Reconciling {
        entry: &sent.entry,
        service_account: &sent.service_account,
        route: &sent.route,
        outcomes: &outcomes,
        by,
        reason,
    };
    match app.journal.reconcile(&reconciling, now).await {
        Ok(()) => {
            tracing::info!(entry = %sent.entry, by, "a write in doubt is settled");
            claim.settled(outcomes, now);
            if let Some(slot) = app.holds.by_entry(&sent.entry) {
                slot.turn().await.settled();
            }
            true
        }
        // Another process was first.
        Err(error) if error.conflict.is_some() => {
            drop(claim);
            if let Err(error) = app.catch_up().await {
                tracing::debug!(%error, entry = %sent.entry, "what became of it is known later");
            }
            false
        }
        Err(error) => {
            tracing::error!(%error, entry = %sent.entry, "a settlement is not recorded");
            claim.failed(now);
            false
        }
    }
}

async fn findings(
    app: &App,
    reader: &Reader<'_>,
    claim: &Claim,
    now: Timestamp,
) -> Result<Vec<Finding>, String> {
    let sent = &*claim.sent;
    let mut present = present(reader, sent).await?;
    if theirs::makes(sent) {
        // Asked after the CRM: whatever it held then is known to the ledger by now.
        let since = sent.at.checked_sub(EARLIER).unwrap_or(Timestamp::MIN);
        let ledger = &**app.journal.ledger();
        let others = sent::others(ledger, (&sent.entry, &sent.route), since).await;
        let others = others.map_err(|error| error.to_string())?;
        if theirs::part(sent, &others, &mut present, |entry| app.doubts.has(entry)) {
            return Ok(vec![Finding::TooEarly]);
        }
    }
    if sent.mutations.is_empty() {
        return Ok(vec![Finding::Undecided(
            "the request could not be taken apart",
        )]);
    }
    Ok(decide(
        &sent.mutations,
        &sent.snapshot.priors,
        &sent.outcomes,
        &present,
        (sent.at, now >= claim.quiet),
    ))
}

/// The outcomes when a person says what became of it.
pub(crate) fn settled_as(sent: &Sent, state: OutcomeState) -> Vec<Outcome> {
    let finding = match state {
        OutcomeState::Done | OutcomeState::Accepted => Finding::Applied(None),
        OutcomeState::Failed | OutcomeState::Unknown => Finding::NotApplied,
    };
    outcomes(sent, vec![finding; sent.mutations.len().max(1)])
}

/// Names the record that a create made, where a person found it: then its repeats get an answer.
///
/// # Errors
/// Why there is nothing to name.
pub(crate) fn name_made(
    sent: &Sent,
    outcomes: &mut [Outcome],
    id: &str,
) -> Result<(), &'static str> {
    let known = |place: usize| {
        let known = sent.outcomes.get(place);
        known.is_some_and(|known| known.state != OutcomeState::Unknown)
    };
    let made = sent.mutations.iter().zip(outcomes).enumerate();
    let mut made = made.filter(|(place, (mutation, outcome))| {
        let done = outcome.state == OutcomeState::Done && !known(*place);
        done && matches!(mutation.operation, Operation::Create | Operation::Upsert)
    });
    match (made.next(), made.next()) {
        (Some((_, (_, outcome))), None) => {
            outcome.new_id = Some(id.to_owned());
            Ok(())
        }
        _ => Err("`id` names the record that was made: the entry has none of these, or several"),
    }
}

/// The outcomes that the findings come to; what the CRM's answer told stays.
fn outcomes(sent: &Sent, findings: Vec<Finding>) -> Vec<Outcome> {
    let outcome = |(place, finding): (usize, Finding)| {
        let known = sent.outcomes.get(place);
        match (known, finding) {
            (Some(known), _) if known.state != OutcomeState::Unknown => known.clone(),
            (_, Finding::Applied(new_id)) => Outcome {
                new_id,
                ..Outcome::of(OutcomeState::Done)
            },
            _ => Outcome::of(OutcomeState::Failed),
        }
    };
    findings.into_iter().enumerate().map(outcome).collect()
}

/// The credential that the configuration has for a write's records. The one that the write went with
/// comes first: it sees what the write saw. A revert goes with the route's, else with that of the
/// service account whose write it takes back.
async fn configured(app: &App, sent: &Sent) -> Option<HeaderMap> {
    let mut routes = app.config.routes.iter();
    let route = routes.find(|route| route.name == sent.route)?;
    let release = route.release_credential.as_ref();
    let source = match sent.reverts.first() {
        None => brokered(app, &sent.service_account, &sent.route).or(release),
        Some(_) if release.is_some() => release,
        Some(reverted) => {
            let account = sent::asked_by(&**app.journal.ledger(), reverted).await;
            brokered(app, &account.ok().flatten()?, &sent.route)
        }
    }?;
    let mut headers = HeaderMap::new();
    app.keyring.handle(&sent.route, source)?.put(&mut headers);
    Some(headers)
}

/// The broker credential of a service account for a route.
fn brokered<'a>(app: &'a App, service_account: &str, route: &str) -> Option<&'a Source> {
    let mut accounts = app.config.service_accounts.iter();
    let account = accounts.find(|account| account.name == service_account)?;
    let mut credentials = account.credentials.iter();
    let found = credentials.find(|(known, _)| known == route);
    found.map(|(_, source)| source)
}
