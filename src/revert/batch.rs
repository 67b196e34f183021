//! Records that share one request: same route, credential, API version and object, and all written back
//! or all deleted. Also which credential that is.

use std::collections::VecDeque;

use super::RevertError;
use super::deed::Record;
use crate::app::{App, RouteState};
use crate::credential::Handle;
use crate::crm::path::CanonicalPath;
use crate::proxy::actor::Credential;

/// What one request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Restore,
    Remove,
    Undelete,
}

/// Records for one request.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    /// The route's place.
    pub(super) place: usize,
    /// Whose broker credential serves, where the route has none of its own.
    pub(super) service_account: String,
    api: String,
    pub(super) like: CanonicalPath,
    pub(super) object: String,
    pub(super) kind: Kind,
    /// It was looked at before and turned out to be of the other kind.
    pub(super) again: bool,
    pub(super) records: Vec<Record>,
}

impl Batch {
    /// The same place and kind for other records.
    pub(super) fn with(&self, records: Vec<Record>) -> Self {
        Self {
            records,
            ..self.clone()
        }
    }

    /// These records as the other kind, to be looked at once more.
    pub(super) fn turned(&self, records: Vec<Record>) -> Self {
        let kind = match self.kind {
            Kind::Restore => Kind::Remove,
            Kind::Remove => Kind::Restore,
            // out of the bin leads no other way
            Kind::Undelete => Kind::Undelete,
        };
        Self {
            kind,
            again: true,
            ..self.with(records)
        }
    }

    /// What records are looked at and written back with.
    ///
    /// # Errors
    /// [`RevertError::NoCredential`].
    pub(super) fn credential(&self, app: &App) -> Result<Credential, RevertError> {
        let state = app.routes.get(self.place);
        let handle = state.and_then(|state| credential(app, state, &self.service_account));
        let Some(handle) = handle else {
            let route = state.map_or("", |state| state.route.name.as_str());
            return Err(RevertError::NoCredential(format!(
                "route {route} has no credential to look at records and write them back: give the \
                 route a `release_credential`, or the service account {} `credentials` for it",
                self.service_account
            )));
        };
        Ok(Credential::Broker(handle))
    }

    /// The locks on these records, as writes take them: of a link on both ends.
    pub(super) fn locks(&self, state: &RouteState) -> Vec<String> {
        let (route, object) = (&state.route.name, self.object.to_ascii_lowercase());
        let records = self.records.iter();
        let mut locks: Vec<String> = records
            .flat_map(|record| state.crm.records_of(&object, &record.id))
            .map(|(object, id)| format!("{route}/{object}/{id}"))
            .collect();
        locks.sort_unstable();
        locks.dedup();
        locks
    }
}

/// The route's own credential, else the broker's.
fn credential(app: &App, state: &RouteState, account: &str) -> Option<Handle> {
    let broker = || {
        let mut accounts = app.config.service_accounts.iter();
        let account = accounts.find(|known| known.name == account)?;
        let mut credentials = account.credentials.iter();
        credentials
            .find(|(route, _)| *route == state.route.name)
            .map(|(_, source)| source)
    };
    let source = state.route.release_credential.as_ref().or_else(broker)?;
    app.keyring.handle(&state.route.name, source)
}

/// Puts records into batches, in the order in which they come; what is deleted comes last, and parents
/// after what hangs on them.
pub(super) fn batches(app: &App, records: &[Record]) -> Result<VecDeque<Batch>, RevertError> {
    let mut open: Vec<Batch> = Vec::new();
    for record in records {
        let mut batch = alone(app, record.clone())?;
        let crm = app.routes.get(batch.place).map(|state| state.crm);
        let most = crm.map_or(1, |crm| crm.inverse_most(&batch.like, &batch.object));
        let fits = |other: &&mut Batch| {
            other.place == batch.place
                && other.service_account == batch.service_account
                && other.kind == batch.kind
                && other.api == batch.api
                && other.object.eq_ignore_ascii_case(&batch.object)
                && other.records.len() < most
        };
        match open.iter_mut().rev().find(fits) {
            Some(other) => other.records.append(&mut batch.records),
            None => open.push(batch),
        }
    }
    for batch in &open {
        batch.credential(app)?;
    }
    open.sort_by_key(|batch| match (batch.kind, app.routes.get(batch.place)) {
        (Kind::Remove, Some(state)) => 1 + state.crm.removal_rank(&batch.object),
        (Kind::Remove | Kind::Restore | Kind::Undelete, _) => 0,
    });
    Ok(open.into())
}

fn alone(app: &App, record: Record) -> Result<Batch, RevertError> {
    let mut routes = app.routes.iter();
    let place = routes.position(|state| state.route.name == record.route);
    let place = place.unwrap_or(usize::MAX);
    let like = CanonicalPath::parse(&record.like).map_err(|malformed| {
        RevertError::Entry(format!("the path of an entry cannot be read: {malformed}"))
    })?;
    let api = app.routes.get(place).map(|state| state.crm.api(&like));
    Ok(Batch {
        place,
        service_account: record.service_account.clone(),
        api: api.unwrap_or_default(),
        like,
        object: record.object.clone(),
        kind: if record.is_deleted() {
            Kind::Undelete
        } else if record.is_made() {
            Kind::Remove
        } else {
            Kind::Restore
        },
        again: false,
        records: vec![record],
    })
}
