//! What the CRM holds now of the records that a doubtful write names: read by the same calls as
//! snapshots, and for creates by what was made since.

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use jiff::Timestamp;
use serde_json::Value;

use super::decide::{Present, holds, made_since};
use super::gone;
use crate::app::RouteState;
use crate::crm::catalog::Sender;
use crate::crm::path::CanonicalPath;
use crate::crm::{Head, Made, ReadCall, Wanted};
use crate::journal::sent::Sent;
use crate::mutation::{Mutation, Operation, OutcomeState, Prior, RecordKey};
use crate::snapshot::{self, Failure, Taking};
use crate::upstream::{Answer, Body, Upstream};

/// Who reads, and where.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    /// The route.
    pub state: &'a RouteState,
    /// The way to its CRM.
    pub upstream: &'a Upstream,
    /// The credential, as headers.
    pub headers: &'a HeaderMap,
    /// When.
    pub now: Timestamp,
}

/// What the CRM holds of each mutation's record now; what is known already is not read.
///
/// # Errors
/// Why it could not be read; for our log.
pub(super) async fn present(reader: &Reader<'_>, sent: &Sent) -> Result<Vec<Present>, String> {
    let path = CanonicalPath::parse(&sent.path).map_err(|error| error.to_string())?;
    let method = sent
        .method
        .parse::<Method>()
        .map_err(|error| error.to_string())?;
    let none = HeaderMap::new();
    let head = Head {
        method: &method,
        path: &path,
        query: sent.query.as_deref(),
        headers: &none,
        sender: Sender::default(),
    };
    let mut present = vec![Present::Unread; sent.mutations.len()];
    let mut reads: Vec<(usize, Mutation)> = Vec::new();
    for (place, mutation) in sent.mutations.iter().enumerate() {
        let known = sent.outcomes.get(place).map(|outcome| outcome.state);
        if known.is_some_and(|state| state != OutcomeState::Unknown) {
            continue;
        }
        if mutation.operation != Operation::Create {
            let stamp = reader.state.crm.made_stamp();
            let look = look(mutation, sent.snapshot.prior(place), stamp);
            reads.extend(look.map(|look| (place, look)));
            continue;
        }
        match reader.state.crm.made(&head, mutation, sent.at) {
            Some(Made::Key(key)) => {
                reads.push((place, keyed(mutation, key, reader.state.crm.made_stamp())));
            }
            Some(Made::Query(call)) => {
                if let Some(slot) = present.get_mut(place) {
                    *slot = queried(reader, mutation, &call, sent.at).await?;
                }
            }
            None => {}
        }
    }
    for (place, prior) in read(reader, &head, &reads).await? {
        let mutation = sent.mutations.get(place);
        let made = mutation.filter(|mutation| mutation.operation == Operation::Create);
        if let Some(slot) = present.get_mut(place) {
            *slot = match made {
                Some(mutation) => Present::Made(matching(&[prior], mutation, sent.at)),
                None => Present::Record(prior),
            };
        }
    }
    gone::confirm(reader, &head, sent, &mut present).await?;
    Ok(present)
}

/// The look at a record that was there or that a key names: an upsert's, since one that is gone is an
/// answer for it. By the id that was read before the write, where there is one.
fn look(mutation: &Mutation, prior: &Prior, made: &str) -> Option<Mutation> {
    let looks = matches!(
        mutation.operation,
        Operation::Update | Operation::Upsert | Operation::Delete | Operation::Purge
    );
    let record = mutation.record.clone().filter(|_| looks)?;
    Some(match prior {
        Prior::Found { id, .. } => named(mutation, RecordKey::id(id)),
        Prior::Absent => keyed(mutation, record, made),
        Prior::Unknown => return None,
    })
}

/// The same by a key, with the moment at which the record was made.
fn keyed(mutation: &Mutation, key: RecordKey, made: &str) -> Mutation {
    let mut look = named(mutation, key);
    look.fields.entry(made).or_insert(Value::Null);
    look
}

fn named(mutation: &Mutation, key: RecordKey) -> Mutation {
    Mutation {
        operation: Operation::Upsert,
        record: Some(key),
        others: Vec::new(),
        ..mutation.clone()
    }
}

async fn read(
    reader: &Reader<'_>,
    head: &Head<'_>,
    reads: &[(usize, Mutation)],
) -> Result<Vec<(usize, Prior)>, String> {
    if reads.is_empty() {
        return Ok(Vec::new());
    }
    let mutations: Vec<Mutation> = reads.iter().map(|(_, look)| look.clone()).collect();
    let taking = Taking {
        crm: reader.state.crm,
        catalog: &reader.state.catalog,
        upstream: reader.upstream,
        head,
        headers: reader.headers,
        mutations: &mutations,
        now: reader.now,
    };
    let snapshot =
        snapshot::take(&taking, &Wanted::new())
            .await
            .map_err(|failure| match failure {
                Failure::PassOn(answer) => format!("the CRM answered with {}", answer.status),
                Failure::Unreadable(field) => format!("{field} cannot be read"),
                Failure::NoCredential(error) => error.to_string(),
                Failure::Failed(why) => why,
            })?;
    let places = reads.iter().map(|(place, _)| *place);
    Ok(places.zip(snapshot.priors).collect())
}

/// All records made since the send, by one query, and which of them hold what was written.
async fn queried(
    reader: &Reader<'_>,
    mutation: &Mutation,
    call: &ReadCall,
    since: Timestamp,
) -> Result<Present, String> {
    let answer = ask(reader, call).await?;
    let crm = reader.state.crm;
    match crm.made_found(mutation, answer.status, &answer.body) {
        Ok(Some(found)) => Ok(Present::Made(matching(&found, mutation, since))),
        Ok(None) => Ok(Present::Unread),
        Err(_failure) => Err(format!("the CRM answered with {}", answer.status)),
    }
}

/// One read with the reader's credential.
pub(super) async fn ask(reader: &Reader<'_>, call: &ReadCall) -> Result<Answer, String> {
    let body = call.body.clone();
    let mut request = Request::new(body.clone().map_or(Body::Empty, Body::full));
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = Uri::try_from(call.target.as_str()).map_err(|error| error.to_string())?;
    request.headers_mut().clone_from(reader.headers);
    let json = HeaderValue::from_static("application/json");
    if body.is_some() {
        request.headers_mut().insert(CONTENT_TYPE, json.clone());
    }
    request.headers_mut().insert(ACCEPT, json);
    let answer = reader.upstream.read(request).await;
    answer.map_err(|error| error.to_string())
}

/// The ids of records that a create made, or could have made.
fn matching(found: &[Prior], mutation: &Mutation, sent: Timestamp) -> Vec<String> {
    let id = |prior: &Prior| match prior {
        Prior::Found { id, fields, .. }
            if made_since(fields, sent) && holds(fields, &mutation.fields) =>
        {
            Some(id.clone())
        }
        Prior::Found { .. } | Prior::Absent | Prior::Unknown => None,
    };
    found.iter().filter_map(id).collect()
}
