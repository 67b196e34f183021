//! A write that no connection carries: what was kept of a request, or made by us, under an entry of its
//! own.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use http::{HeaderMap, Request};

use super::Write;
use super::line::Line;
use crate::app::Worker;
use crate::clock::EntryId;
use crate::crm::path::CanonicalPath;
use crate::metrics::Stopwatch;
use crate::mutation::{Actor, Origin};
use crate::proxy::actor::{Caller, Credential};
use crate::proxy::target;

impl Write {
    /// A write that no request carries now; `None` where its route is gone or its parts make no request.
    pub(super) fn kept(
        worker: &Arc<Worker>,
        place: usize,
        (entry, actor, origin): (&EntryId, &Actor, Origin),
        (method, path, query): (&str, CanonicalPath, Option<&str>),
        (headers, credential): (HeaderMap, Credential),
    ) -> Option<Self> {
        let app = &worker.app;
        let uri = target(&path, false, query).ok()?;
        let request = Request::builder().method(method).uri(uri).body(()).ok()?;
        let (mut parts, ()) = request.into_parts();
        parts.headers = headers;
        Some(Self {
            worker: Arc::clone(worker),
            place,
            now: app.clock.now(),
            entry: entry.clone(),
            reservation: entry.clone(),
            mark: app.doubts.elsewhere.mark(),
            actor: actor.clone(),
            origin,
            caller: Caller {
                service_account: Some(actor.service_account.clone()),
                fingerprint: None,
                credential,
            },
            acting: app.routes.get(place)?.crm.acting(&parts.headers),
            parts,
            path,
            rules: app.rules.load_full(),
            digest: String::new(),
            watch: Arc::new(Stopwatch::start()),
            line: Line::default(),
            job: None,
            asked: AtomicBool::new(false),
        })
    }
}
