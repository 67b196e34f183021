//! What a request would change: classify, then parse, as the data path does.

use super::Request;
use crate::crm::catalog::{Catalog, Sender};
use crate::crm::{Class, Crm, Head};
use crate::mutation::{ChangeSet, CrmKind};

/// What a request asks for.
#[derive(Debug)]
pub enum Asked {
    /// Changes nothing.
    Read,
    /// A login.
    Auth,
    /// Changes this, or cannot be told.
    Changes(ChangeSet),
}

/// Tells it from the request alone.
///
/// # Errors
/// Why the request has more than one reading.
pub fn asked(crm: CrmKind, request: &Request, catalog: &Catalog) -> Result<Asked, String> {
    let head = Head {
        method: &request.method,
        path: &request.path,
        query: request.query.as_deref(),
        headers: &request.headers,
        sender: Sender::default(),
    };
    let crm = Crm(crm);
    Ok(match crm.classify(&head) {
        Class::Read => Asked::Read,
        Class::Auth => Asked::Auth,
        Class::Opaque(opaque) => Asked::Changes(ChangeSet::Opaque(opaque)),
        Class::Write(shape) if crm.logs_in(&shape, &request.body).unwrap_or(false) => Asked::Auth,
        Class::Write(shape) => {
            let changes = crm.parse(&shape, &head, &request.body, catalog);
            let changes = changes.map_err(|malformed| malformed.to_string())?;
            if changes.is_read() {
                Asked::Read
            } else {
                Asked::Changes(changes)
            }
        }
    })
}
