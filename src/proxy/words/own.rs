//! What a caller is told of the credentials that the proxy holds itself, and of identities that do not fit.

use crate::credential::Unavailable;
use crate::error::{Refusal, RefusalKind};
use crate::upstream::ReadError;

/// There is no credential of our own to send it with.
#[must_use]
pub fn no_credential(error: &Unavailable) -> Refusal {
    let mut refusal = Refusal::new(
        RefusalKind::Unavailable,
        format!(
            "Not written: Writegate cannot get its own credential for the CRM now. Nothing was written; \
             try again in {} s.",
            error.retry_after
        ),
    );
    refusal.retry_after = Some(error.retry_after);
    refusal.detail(error.to_string())
}

/// The CRM answers 401 to a credential of our own. That answer is not the agent's: it would log in again,
/// for a credential that it does not have.
#[must_use]
pub fn credential_refused() -> Refusal {
    Refusal::new(
        RefusalKind::Upstream,
        "Not written: the CRM does not take Writegate's own credential. Nothing was written; an operator \
         has to mend that, repeating this will not help.",
    )
    .detail("the CRM answered 401 to a credential of the configuration")
}

/// A read brought no answer.
#[must_use]
pub fn no_answer(error: &ReadError) -> Refusal {
    match error {
        ReadError::NoCredential(error) => no_credential(error),
        ReadError::Lost(_) | ReadError::Timeout => super::unreachable_upstream(&error.to_string()),
    }
}

/// Two identities name different service accounts.
#[must_use]
pub fn two_callers(first: &str, other: &str) -> Refusal {
    Refusal::new(
        RefusalKind::UnknownCaller,
        format!(
            "Not written: the connection's certificate is of {first}, the credential or another name in it \
             of {other}. Send what belongs to one service account."
        ),
    )
}

/// A service account that is bound to certificates came with another one.
#[must_use]
pub fn other_certificate(account: &str) -> Refusal {
    Refusal::new(
        RefusalKind::UnknownCaller,
        format!(
            "Not written: the connection's certificate is none of {account}. Add a name in it to its \
             `certs:`, or connect with the right one."
        ),
    )
}

/// A certificate names a service account, and there is nothing to send upstream for it.
#[must_use]
pub fn certificate_alone(account: &str, route: &str) -> Refusal {
    Refusal::new(
        RefusalKind::UnknownCaller,
        format!(
            "Not written: the certificate names {account}, but the request carries no CRM token and \
             {account} has no `credentials:` for route {route}. Send the token as `Authorization: Bearer \
             …`, or add a credential."
        ),
    )
}

/// A key is known, and there is nothing to send upstream for it.
#[must_use]
pub fn key_without_credential(account: &str, route: &str) -> Refusal {
    Refusal::new(
        RefusalKind::UnknownCaller,
        format!(
            "Not written: the key of {account} has no CRM credential for route {route}. Add one under \
             `credentials:`."
        ),
    )
}

/// A login with a Writegate key, or by an agent whose credential the proxy holds.
#[must_use]
pub fn no_login() -> Refusal {
    Refusal::new(
        RefusalKind::UnknownCaller,
        "Not written: a Writegate key needs no login, and none is passed on for it. Send the key as \
         `Authorization: Bearer …` with each request.",
    )
}

/// A key stands where it would reach the CRM.
#[must_use]
pub fn key_in_path() -> Refusal {
    Refusal::malformed(
        "a Writegate key stands in the path or the query, where it would reach the CRM; send it as \
         `Authorization: Bearer …` alone",
    )
}
