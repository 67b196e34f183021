//! What the CRM holds now, read as snapshots are.

use http::{HeaderMap, Method, StatusCode};

use super::batch::{Batch, Kind};
use super::plan::Present;
use crate::app::{RouteState, Worker};
use crate::crm::path::CanonicalPath;
use crate::crm::{Head, Shape, Wanted};
use crate::mutation::{ChangeSet, Mutation, Operation, Prior, RecordKey, Snapshot, Undo};
use crate::proxy::actor::Credential;
use crate::snapshot::{self, Failure, Taking};

/// A route as a revert reaches it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way<'a> {
    pub(super) worker: &'a Worker,
    pub(super) place: usize,
    pub(super) state: &'a RouteState,
    /// What records are looked at and written back with.
    pub(super) credential: &'a Credential,
    /// The headers of our reads with it.
    pub(super) access: &'a HeaderMap,
    /// The path of a write of the same API version.
    pub(super) like: &'a CanonicalPath,
}

/// The present values of a batch's records: what was written to them, who changed them last and when
/// they were made; for records that may be deleted everything, since that is the snapshot of their deletion.
///
/// # Errors
/// Why they cannot be read, for people.
pub(super) async fn look(way: &Way<'_>, batch: &Batch) -> Result<Snapshot, String> {
    let operation = match batch.kind {
        Kind::Remove => Operation::Delete,
        Kind::Undelete => Operation::Restore,
        // an upsert whose record is not there is no error
        Kind::Restore => Operation::Upsert,
    };
    let mutations: Vec<Mutation> = batch
        .records
        .iter()
        .map(|record| Mutation {
            object: record.object.clone(),
            operation,
            record: Some(RecordKey::id(record.id.clone())),
            fields: serde_json::Map::new(),
            row: None,
            undo: Undo::Full,
            others: Vec::new(),
        })
        .collect();
    let wanted: Wanted = batch
        .records
        .iter()
        .map(|record| {
            let mut fields = record.fields();
            let editor = way.state.crm.editor_field(&record.object);
            fields.extend(editor.map(str::to_owned));
            if record.is_made() {
                let birth = way.state.crm.birth_fields().iter();
                fields.extend(birth.map(|name| (*name).to_owned()));
            }
            fields
        })
        .collect();
    match take(way, &mutations, &wanted).await {
        Err(Failure::PassOn(answer))
            if answer.status == StatusCode::NOT_FOUND && mutations.len() == 1 =>
        {
            Ok(Snapshot::of(vec![Prior::Absent]))
        }
        other => other.map_err(told),
    }
}

/// Reads the priors of mutations.
pub(super) async fn take(
    way: &Way<'_>,
    mutations: &[Mutation],
    wanted: &Wanted,
) -> Result<Snapshot, Failure> {
    let upstream = way.worker.upstreams.get(way.place);
    let upstream = upstream.ok_or_else(|| Failure::Failed("the route has no upstream".into()))?;
    let none = HeaderMap::new();
    let head = Head {
        method: &Method::PATCH,
        path: way.like,
        query: None,
        headers: &none,
    };
    let taking = Taking {
        crm: way.state.crm,
        catalog: &way.state.catalog,
        upstream,
        head: &head,
        headers: way.access,
        mutations,
        now: way.worker.app.clock.now(),
    };
    snapshot::take(&taking, wanted).await
}

/// Takes a request of ours apart; what it names and nobody knows yet is looked up.
pub(super) async fn understand(
    way: &Way<'_>,
    (head, shape): (&Head<'_>, &Shape),
    body: &[u8],
) -> Result<ChangeSet, String> {
    let upstream = way.worker.upstreams.get(way.place);
    let taking = Taking {
        crm: way.state.crm,
        catalog: &way.state.catalog,
        upstream: upstream.ok_or("the route has no upstream")?,
        head,
        headers: way.access,
        mutations: &[],
        now: way.worker.app.clock.now(),
    };
    let parsed = snapshot::understand(&taking, shape, body).await;
    parsed.map_err(told)?.map_err(|malformed| malformed.0)
}

/// Why a read failed, for people.
pub(super) fn told(failure: Failure) -> String {
    match failure {
        Failure::PassOn(answer) => {
            let hint = match answer.status.as_u16() {
                401 => ": the credential is not valid any more",
                429 => ": it asks to wait",
                _ => "",
            };
            format!(
                "the CRM answered {} to the look at it{hint}",
                answer.status.as_u16()
            )
        }
        Failure::Unreadable(field) => format!("{field} cannot be read with this credential"),
        Failure::NoCredential(error) => error.to_string(),
        Failure::Failed(detail) => {
            tracing::warn!(%detail, "a revert cannot read present values");
            "its present values cannot be read from the CRM".into()
        }
    }
}

/// What a snapshot says of the record with this id.
pub(super) fn present<'a>(snapshot: &'a Snapshot, place: usize, asked: &str) -> Present<'a> {
    match snapshot.prior(place) {
        Prior::Found { id, .. } if id != asked => Present::Merged,
        Prior::Found { fields, stamp, .. } => Present::Found {
            fields,
            hidden: snapshot.hidden(place),
            stamp: stamp.as_deref(),
        },
        Prior::Absent => Present::Gone,
        Prior::Unknown => Present::Unknown,
    }
}
