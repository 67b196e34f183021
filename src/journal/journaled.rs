//! The proof that a write is on record, without which nothing is sent.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::clock::EntryId;
use crate::gate::Permit;

/// A write whose entry and snapshot are durable. Only [`super::Journal::open`] makes one.
#[derive(Debug)]
pub struct Journaled {
    permit: Permit,
    pub(super) service_account: String,
    pub(super) route: String,
    again: AtomicBool,
}

impl Journaled {
    pub(super) fn of(permit: Permit, service_account: &str, route: &str) -> Self {
        Self {
            permit,
            service_account: service_account.to_owned(),
            route: route.to_owned(),
            again: AtomicBool::new(false),
        }
    }

    /// The entry.
    #[must_use]
    pub fn entry(&self) -> &EntryId {
        self.permit.entry()
    }

    /// The permit it rests on.
    #[must_use]
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// It is sent once more: the CRM answered that it did not carry it out, for want of a credential. The
    /// closing row says so.
    pub fn sent_again(&self) {
        self.again.store(true, Ordering::Relaxed);
    }

    pub(super) fn was_sent_again(&self) -> bool {
        self.again.load(Ordering::Relaxed)
    }
}
