//! Prior values of what a write is about to change, read from the CRM with as few calls as it allows.
//! Knows what a read that fails means for the write behind it.

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use jiff::Timestamp;

use crate::credential::Unavailable;
use crate::crm::catalog::Catalog;
use crate::crm::{Crm, Head, Malformed, PriorFailure, PriorPlan, ReadCall, Shape, Wanted};
use crate::mutation::{ChangeSet, Mutation, Prior, Snapshot, same_name};
use crate::upstream::{Answer, Body, ReadError, Upstream};

/// How many catalog reads may come before the prior reads: one for each type of a mixed batch.
const CATALOG_READS_MOST: usize = 16;

/// Why there is no snapshot.
#[derive(Debug)]
pub enum Failure {
    /// The CRM's own answer is the caller's answer; nothing was written.
    PassOn(Box<Answer>),
    /// The credential cannot read this field.
    Unreadable(String),
    /// There is no credential of our own to read with.
    NoCredential(Unavailable),
    /// Anything else, for our log.
    Failed(String),
}

/// What a snapshot is taken of, and how.
#[derive(Clone, Copy, Debug)]
pub struct Taking<'a> {
    /// The CRM.
    pub crm: Crm,
    /// What was learned of the org.
    pub catalog: &'a Catalog,
    /// The way to it.
    pub upstream: &'a Upstream,
    /// The write's head: reads use its API version.
    pub head: &'a Head<'a>,
    /// The headers our reads carry: the credential.
    pub headers: &'a HeaderMap,
    /// What would change.
    pub mutations: &'a [Mutation],
    /// The request's time.
    pub now: Timestamp,
}

/// Why reading stopped.
enum Stop {
    /// For good.
    Failed(Failure),
    /// These mutations have to be read again without a field.
    Hidden(Vec<usize>, String),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Reads the prior values of all mutations. A field that only a rule looks at and that cannot be read
/// is hidden: unknown, while the rest of the record is known. A record that an update or delete names
/// and no read returns is unknown ([`Prior::not_returned`]), so the write is refused; where the CRM
/// answers the read of a single row with 404, that is the caller's answer.
///
/// # Errors
/// [`Failure`].
pub async fn take(taking: &Taking<'_>, wanted: &Wanted) -> Result<Snapshot, Failure> {
    let mut wanted = wanted.clone();
    let mut hidden: Vec<Vec<String>> = Vec::new();
    loop {
        let (places, field) = match read(taking, &wanted).await {
            Ok(priors) => return Ok(Snapshot { priors, hidden }),
            Err(Stop::Failed(failure)) => return Err(failure),
            Err(Stop::Hidden(places, field)) => (places, field),
        };
        hidden.resize(taking.mutations.len(), Vec::new());
        let mut fewer = false;
        for place in places {
            fewer |= hide(place, &field, &mut wanted, &mut hidden);
        }
        // With each round fewer fields are asked for, so there is a last one.
        if !fewer {
            let what = format!("the prior read names {field}, which was not asked for");
            return Err(Failure::Failed(what));
        }
    }
}

/// Moves a field from what is wanted to what is hidden; in a mixed batch the answer does not say of
/// which type it is, so it counts for all records of the call.
fn hide(place: usize, field: &str, wanted: &mut Wanted, hidden: &mut [Vec<String>]) -> bool {
    let (Some(wanted), Some(hidden)) = (wanted.get_mut(place), hidden.get_mut(place)) else {
        return false;
    };
    let Some(at) = wanted.iter().position(|name| same_name(name, field)) else {
        return false;
    };
    hidden.push(wanted.remove(at));
    true
}

async fn read(taking: &Taking<'_>, wanted: &Wanted) -> Result<Vec<Prior>, Stop> {
    let calls = plan(taking, wanted).await?;
    let mut priors: Vec<Prior> = taking.mutations.iter().map(untouched).collect();
    for call in calls {
        let answer = ask(taking, &call).await?;
        let found = taking
            .crm
            .found(&call, taking.mutations, answer.status, &answer.body)
            .map_err(|failure| stop(failure, &call, answer))?;
        for (place, prior) in found {
            let slot = priors.get_mut(place).zip(taking.mutations.get(place));
            if let Some((slot, mutation)) = slot {
                *slot = match (&*slot, prior) {
                    (_, Prior::Absent) => Prior::not_returned(mutation.operation),
                    // one read brought the link, another one the record
                    (Prior::Found { fields, .. }, mut both @ Prior::Found { .. }) => {
                        let of_link = fields.clone();
                        if let Prior::Found { fields, .. } = &mut both {
                            fields.extend(of_link);
                        }
                        both
                    }
                    (_, prior) => prior,
                };
            }
        }
    }
    Ok(priors)
}

fn stop(failure: PriorFailure, call: &ReadCall, answer: Answer) -> Stop {
    match failure {
        PriorFailure::Hidden(field) => Stop::Hidden(call.covers.clone(), field),
        PriorFailure::PassOn | PriorFailure::Unreadable(_) | PriorFailure::Failed(_) => {
            Stop::Failed(failed(failure, answer))
        }
    }
}

/// What is known without reading: a create has no record before it.
fn untouched(mutation: &Mutation) -> Prior {
    if mutation.record.is_none() {
        Prior::Absent
    } else {
        Prior::Unknown
    }
}

/// The prior reads, after as many catalog reads as they need.
async fn plan(taking: &Taking<'_>, wanted: &Wanted) -> Result<Vec<ReadCall>, Failure> {
    for _ in 0..CATALOG_READS_MOST {
        match taking.crm.prior(
            taking.head,
            taking.mutations,
            wanted,
            taking.catalog,
            taking.now,
        ) {
            PriorPlan::Reads(calls) => return Ok(calls),
            PriorPlan::Catalog(call) => learn(taking, &call).await?,
        }
    }
    Err(Failure::Failed(
        "the catalog needs more reads than a batch has types".into(),
    ))
}

fn failed(failure: PriorFailure, answer: Answer) -> Failure {
    match failure {
        PriorFailure::PassOn => Failure::PassOn(Box::new(answer)),
        PriorFailure::Unreadable(field) | PriorFailure::Hidden(field) => Failure::Unreadable(field),
        PriorFailure::Failed(detail) => Failure::Failed(detail),
    }
}

/// Takes a write's body apart; what it names and the catalog lacks is looked up until it is known or known
/// not to be there. What the credential may not look up stays unknown.
///
/// # Errors
/// [`Failure`] of a look: nothing is guessed then.
pub async fn understand(
    taking: &Taking<'_>,
    shape: &Shape,
    body: &[u8],
) -> Result<Result<ChangeSet, Malformed>, Failure> {
    let (crm, catalog) = (taking.crm, taking.catalog);
    let mut parsed = crm.parse(shape, taking.head, body, catalog);
    for _ in 0..CATALOG_READS_MOST {
        if matches!(parsed, Ok(ChangeSet::Mutations(_))) {
            break;
        }
        let Some(call) = crm.missing(shape, taking.head, body, catalog, taking.now) else {
            break;
        };
        if !shown(taking, &call).await? {
            break;
        }
        parsed = crm.parse(shape, taking.head, body, catalog);
    }
    Ok(parsed)
}

/// Looks up the object that a bulk job names, unless the catalog has it.
///
/// # Errors
/// As for [`understand`].
pub async fn look_for(taking: &Taking<'_>, object: &str) -> Result<(), Failure> {
    let (crm, catalog) = (taking.crm, taking.catalog);
    if let Some(call) = crm.missing_object(object, taking.head, catalog, taking.now) {
        shown(taking, &call).await?;
    }
    Ok(())
}

/// Reads what the catalog lacks into it; false where the credential may not look.
async fn shown(taking: &Taking<'_>, call: &ReadCall) -> Result<bool, Failure> {
    match learn(taking, call).await {
        Ok(()) => Ok(true),
        Err(Failure::Unreadable(what)) => {
            tracing::warn!(%what, "the account's object types may not be read");
            Ok(false)
        }
        Err(failure) => Err(failure),
    }
}

/// Reads what the catalog lacks into it.
async fn learn(taking: &Taking<'_>, call: &ReadCall) -> Result<(), Failure> {
    let answer = ask(taking, call).await?;
    taking
        .crm
        .learn(
            call,
            taking.head,
            (answer.status, &answer.body),
            taking.catalog,
            taking.now,
        )
        .map_err(|failure| failed(failure, answer))
}

async fn ask(taking: &Taking<'_>, call: &ReadCall) -> Result<Answer, Failure> {
    let mut request = Request::new(call.body.clone().map_or(Body::Empty, Body::full));
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = Uri::try_from(call.target.as_str())
        .map_err(|error| Failure::Failed(format!("the read's target: {error}")))?;
    let headers = request.headers_mut();
    headers.clone_from(taking.headers);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if call.body.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let answer = taking
        .upstream
        .read(request)
        .await
        .map_err(|error| match error {
            ReadError::NoCredential(error) => Failure::NoCredential(error),
            ReadError::Lost(_) | ReadError::Timeout => {
                Failure::Failed(format!("the prior read: {error}"))
            }
        })?;
    // A redirect would lead away from the configured host (P14).
    if answer.status.is_redirection() && answer.status != StatusCode::MULTIPLE_CHOICES {
        return Err(Failure::Failed(format!(
            "the prior read was redirected ({})",
            answer.status
        )));
    }
    Ok(answer)
}
