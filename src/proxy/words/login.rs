//! What a caller is told when a login, or an answer that leads away from the proxy, is not passed on.

use crate::error::{Refusal, RefusalKind};

/// Nobody is known by what a login names.
#[must_use]
pub fn unknown_client() -> Refusal {
    Refusal::new(
        RefusalKind::UnknownCaller,
        "Not written: no service account logs in so. Add the login's client id or user name to \
         `clients:` of one.",
    )
}

/// What names who logs in names two.
#[must_use]
pub fn two_accounts() -> Refusal {
    Refusal::new(
        RefusalKind::UnknownCaller,
        "Not written: this login names two service accounts. Use a client id, user name and token of \
         one and the same.",
    )
}

/// The token that was issued is somebody else's.
#[must_use]
pub fn shared_token() -> Refusal {
    Refusal::new(
        RefusalKind::UnknownCaller,
        "Not written: the CRM gave out a token that is another service account's. Give each one a CRM \
         user of its own.",
    )
}

/// A token that is asked about is not the caller's own.
#[must_use]
pub fn not_theirs() -> Refusal {
    Refusal::new(
        RefusalKind::UnknownCaller,
        "Not written: only a service account's own token can be asked about.",
    )
}

/// The CRM's answer would lead its reader away, or cannot be looked into.
#[must_use]
pub fn leads_away(what: &str) -> Refusal {
    Refusal::new(
        RefusalKind::Upstream,
        format!("Not written: the CRM's answer is not passed on: {what}."),
    )
}
