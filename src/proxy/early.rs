//! Refusals that come before a write was understood: bad paths, two credentials, logins. They leave an
//! entry where a write was meant.

use http::Method;
use http::request::Parts;

use super::{Call, Refused};
use crate::crm::path::CanonicalPath;
use crate::error::Refusal;
use crate::journal::{Refusing, Subject};
use crate::mutation::{Actor, Claims, Origin};

/// The name under which requests of nobody we know are recorded.
pub(super) const NOBODY: &str = "(unknown)";

/// Records the refusal, unless the request could only read; what cannot be recorded is answered as
/// unavailable.
pub(super) async fn refused(
    call: Call<'_>,
    parts: &Parts,
    service_account: Option<&str>,
    refusal: Refusal,
) -> Box<Refused> {
    let reads = parts.method == Method::GET || parts.method == Method::HEAD;
    let app = &call.worker.app;
    if reads || (service_account.is_none() && !app.strangers.may_record(call.now)) {
        return refusal.into();
    }
    let entry = app.entry_id(call.now);
    let actor = Actor {
        service_account: service_account.unwrap_or(NOBODY).to_owned(),
        claims: Claims::default(),
    };
    let path = told_path(parts.uri.path());
    let acting = call.state.crm.acting(&parts.headers);
    let subject = Subject {
        entry: &entry,
        nth: None,
        actor: &actor,
        origin: Origin::Agent,
        route: &call.state.route.name,
        mode: call.state.route.mode.word(),
        method: parts.method.as_str(),
        path: path.into(),
        query: None,
        acting: &acting,
        changes: None,
        verdict: None,
        rules: "",
        digest: None,
        now: app.clock.now(),
    };
    let refusing = Refusing {
        kind: refusal.kind,
        message: &refusal.message,
        charges: &[],
        observed: None,
    };
    let recorded = app.journal.refused(&subject, &refusing).await;
    match recorded {
        Ok(()) => Box::new(Refused {
            refusal,
            entry: Some(entry),
            instead: None,
        }),
        Err(error) => Refusal::unavailable(error.to_string()).into(),
    }
}

/// The path as it may be written down; of one without a canonical form the start.
fn told_path(raw: &str) -> String {
    match CanonicalPath::parse(raw) {
        Ok(path) => path.outline(),
        Err(_) => raw
            .split_inclusive('/')
            .take(2)
            .chain(["…"])
            .collect::<String>(),
    }
}
