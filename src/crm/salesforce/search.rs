//! A search by POST (REST API Developer Guide, Parameterized Search): a read, unless it writes usage
//! data.

use serde_json::{Map, Value};

use super::body::{self, Content, Refused};
use crate::crm::{Head, Malformed};
use crate::mutation::{ChangeSet, Mutation};

/// Members that write usage data where they are not `false`.
const WRITES: [&str; 2] = ["updateTracking", "updateViewStat"];

/// A search that only reads has no mutations.
///
/// # Errors
/// [`Malformed`] when it has more than one reading.
pub(super) fn parse(head: &Head<'_>, content: &Content<'_>) -> Result<ChangeSet, Malformed> {
    let members = body::parameters(head, &[]).and_then(|_none| body::object(head, content));
    body::change_set(members.and_then(|members| read(&members)))
}

fn read(members: &Map<String, Value>) -> Result<Vec<Mutation>, Refused> {
    let writes = members.iter().any(|(name, value)| {
        let named = WRITES.iter().any(|known| known.eq_ignore_ascii_case(name));
        named && *value != Value::Bool(false)
    });
    if writes {
        return Err(Refused::Opaque(
            "updateTracking and updateViewStat write usage data: leave them out".into(),
        ));
    }
    Ok(Vec::new())
}
