//! A parked write as it was when it came: the stored bytes are taken apart once more, and have to
//! come to what was approved.

use std::sync::Arc;

use bytes::Bytes;

use crate::app::Worker;
use crate::clock::EntryId;
use crate::crm::path::CanonicalPath;
use crate::crm::{Class, Shape};
use crate::hold::{Contents, Hold, Shown};
use crate::mutation::{ChangeSet, Opaque};
use crate::proxy::actor::Credential;
use crate::proxy::write::{Write, job};

/// A parked write, and what it comes to today.
#[derive(Debug)]
pub(super) struct Again {
    pub(super) write: Write,
    /// `None` where it could not be taken apart.
    pub(super) shape: Option<Shape>,
    pub(super) bytes: Bytes,
    pub(super) changes: ChangeSet,
    pub(super) contents: Contents,
}

impl Again {
    /// Puts it together from what was parked.
    ///
    /// # Errors
    /// Why it is not what was approved any more; for people.
    pub(super) async fn of(
        worker: &Arc<Worker>,
        hold: &Hold,
        contents: Contents,
        credential: Credential,
    ) -> Result<Self, String> {
        let damaged = || "what the ledger keeps of it cannot be read".to_owned();
        still_there(worker, hold)?;
        let mut write = write(worker, hold, &contents, credential).ok_or_else(damaged)?;
        let bytes = contents.bytes().ok_or_else(damaged)?;
        let (shape, changes) = match &hold.opaque {
            Some(reason) => {
                // An `endpoints` row let it be held.
                (None, ChangeSet::Opaque(Opaque::unknown(reason.clone())))
            }
            None => {
                let (shape, mut changes) = taken_apart(&write, &bytes).await?;
                if job::commits(&shape, "", &[]).is_some() {
                    // told by the job's record, which is looked up before it is judged
                    changes = ChangeSet::Mutations(contents.mutations.clone());
                }
                write.acts_in(Some(&shape), &bytes);
                (Some(shape), changes)
            }
        };
        if let Some(writer) = worker.app.journal.ledger().writer() {
            // Of two replicas that try at once, none lets go of the other's locks.
            write.reservation = EntryId::from_text(&format!("{} released by {writer}", hold.entry));
        }
        write.digest = write.digest_of(&changes, &bytes);
        let same = write
            .same(shape.is_none(), &bytes, &changes)
            .map_err(|refusal| refusal.message)?;
        if same.content != hold.content {
            return Err("this version of Writegate reads the request otherwise".into());
        }
        let told = contents.mutations == changes.mutations();
        if !told || shown(hold, &contents, &bytes) != hold.terms.shown {
            return Err("what the ledger keeps of it is not what was shown".into());
        }
        Ok(Self {
            write,
            shape,
            bytes,
            changes,
            contents,
        })
    }
}

/// The route still leads where it led.
fn still_there(worker: &Worker, hold: &Hold) -> Result<(), String> {
    let (name, mut routes) = (&hold.route, worker.app.config.routes.iter());
    match routes.find(|route| route.name == *name) {
        None => Err(format!("there is no route {name} any more")),
        Some(route) if route.upstream.to_string() != hold.upstream => {
            Err(format!("route {name} leads to another CRM than it did"))
        }
        Some(_) => Ok(()),
    }
}

/// The digest of what was kept: it is what approvals name.
fn shown(hold: &Hold, contents: &Contents, bytes: &[u8]) -> String {
    let shown = Shown {
        id: &hold.id,
        entry: &hold.entry,
        content: &hold.content,
        bytes,
        snapshot: contents.shown(),
        requirements: &hold.terms.requirements,
    };
    shown.digest()
}

async fn taken_apart(write: &Write, bytes: &[u8]) -> Result<(Shape, ChangeSet), String> {
    let state = write.state().map_err(|refusal| refusal.message)?;
    let Class::Write(shape) = state.crm.classify(&write.head()) else {
        return Err("this version of Writegate does not read the request as a write".into());
    };
    match write.parsed(&shape, bytes).await {
        Ok(changes) if changes.is_read() => {
            Err("this version of Writegate does not read the request as a write".into())
        }
        Ok(changes) => Ok((shape, changes)),
        Err(unread) => Err(unread.refusal.message),
    }
}

/// The write, under the hold's entry and with a credential for it.
fn write(
    worker: &Arc<Worker>,
    hold: &Hold,
    contents: &Contents,
    credential: Credential,
) -> Option<Write> {
    let app = &worker.app;
    let place = app
        .routes
        .iter()
        .position(|state| state.route.name == hold.route)?;
    let path = CanonicalPath::parse(&contents.path).ok()?;
    Write::kept(
        worker,
        place,
        (&hold.entry, &hold.actor, hold.origin()),
        (&hold.method, path, contents.query.as_deref()),
        (contents.headers()?, credential),
    )
}
