//! The object of a job: one of the org's own is looked up with the caller's credential, like one that a
//! row names, before anything of the job is kept or passed on.

use std::time::Instant;

use super::words;
use crate::crm::salesforce::bulk::Spec;
use crate::proxy::Refused;
use crate::proxy::write::Write;
use crate::proxy::write::reads::Unread;
use crate::snapshot;

impl Write {
    /// What a job is to do, with its object as the org tells it.
    pub(super) async fn placed(&self, spec: Spec) -> Result<Spec, Box<Refused>> {
        if let Err(unread) = self.look_for(&spec.object).await {
            return Err(self.unread(*unread).await);
        }
        let placed = spec.placed(&self.state()?.catalog);
        self.or_refuse(placed.map_err(|why| words::unclear(&why)))
            .await
    }

    async fn look_for(&self, object: &str) -> Result<(), Box<Unread>> {
        self.state()?.catalog.expire(self.now);
        let (head, access) = (self.head(), self.access()?);
        let taking = self.taking(&head, &access, &[])?;
        let began = Instant::now();
        let looked = snapshot::look_for(&taking, object).await;
        self.watch.away(began.elapsed());
        Ok(looked?)
    }
}
