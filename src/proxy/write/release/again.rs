//! A parked write as it was when it came: the stored bytes are taken apart once more, and have to
//! come to what was approved.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use http::Request;

use crate::app::Worker;
use crate::crm::path::CanonicalPath;
use crate::crm::{Class, Shape};
use crate::hold::{Contents, Hold};
use crate::metrics::Stopwatch;
use crate::mutation::{ChangeSet, Opaque};
use crate::proxy::actor::{Caller, Credential};
use crate::proxy::target;
use crate::proxy::write::Write;

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
    pub(super) fn of(
        worker: &Arc<Worker>,
        hold: &Hold,
        contents: Contents,
        credential: Credential,
    ) -> Result<Self, String> {
        let damaged = || "what the ledger keeps of it cannot be read".to_owned();
        let mut write = write(worker, hold, &contents, credential).ok_or_else(damaged)?;
        let bytes = contents.bytes().ok_or_else(damaged)?;
        let (shape, changes) = match &hold.opaque {
            Some(reason) => {
                // An `endpoints` row let it be held.
                (None, ChangeSet::Opaque(Opaque::unknown(reason.clone())))
            }
            None => {
                let (shape, changes) = taken_apart(&write, &bytes)?;
                (Some(shape), changes)
            }
        };
        write.digest = write.digest_of(&changes, &bytes);
        let same = write
            .same(shape.is_none(), &bytes, &changes)
            .map_err(|refusal| refusal.message)?;
        if same.content != hold.content {
            return Err("this version of Writegate reads the request otherwise".into());
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

fn taken_apart(write: &Write, bytes: &[u8]) -> Result<(Shape, ChangeSet), String> {
    let state = write.state().map_err(|refusal| refusal.message)?;
    let Class::Write(shape) = state.crm.classify(&write.head()) else {
        return Err("this version of Writegate does not read the request as a write".into());
    };
    let parsed = state
        .crm
        .parse(&shape, &write.head(), bytes, &state.catalog);
    parsed
        .map(|changes| (shape, changes))
        .map_err(|malformed| malformed.to_string())
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
    let uri = target(&path, false, contents.query.as_deref()).ok()?;
    let request = Request::builder()
        .method(hold.method.as_str())
        .uri(uri)
        .body(())
        .ok()?;
    let (mut parts, ()) = request.into_parts();
    parts.headers = contents.headers()?;
    Some(Write {
        worker: Arc::clone(worker),
        place,
        now: app.clock.now(),
        entry: hold.entry.clone(),
        actor: hold.actor.clone(),
        caller: Caller {
            service_account: Some(hold.actor.service_account.clone()),
            fingerprint: None,
            credential,
        },
        acting: app.routes.get(place)?.crm.acting(&parts.headers),
        parts,
        path,
        rules: app.rules.load_full(),
        digest: String::new(),
        watch: Arc::new(Stopwatch::start()),
        asked: AtomicBool::new(false),
    })
}
