//! Whether a record that is not there any more was deleted: a reader may merely not see it, and nobody
//! gets a success-shaped answer for a delete that did not happen (P11).

use std::collections::BTreeMap;

use super::decide::Present;
use super::present::{Reader, ask};
use crate::crm::Head;
use crate::journal::sent::Sent;
use crate::mutation::{Operation, Prior};

/// As many records as one request names in its target at most.
const AT_ONCE: usize = 100;

/// Takes back what says that a deleted record is gone, where the CRM does not say that it was deleted.
///
/// # Errors
/// Why the CRM could not be asked; for our log.
pub(super) async fn confirm(
    reader: &Reader<'_>,
    head: &Head<'_>,
    sent: &Sent,
    present: &mut [Present],
) -> Result<(), String> {
    let mut missing: BTreeMap<&str, Vec<(usize, &str)>> = BTreeMap::new();
    for (place, mutation) in sent.mutations.iter().enumerate() {
        if let (Operation::Delete, Prior::Found { id, .. }, Some(Present::Record(Prior::Absent))) = (
            mutation.operation,
            sent.snapshot.prior(place),
            present.get(place),
        ) {
            missing
                .entry(&mutation.object)
                .or_default()
                .push((place, id));
        }
    }
    let crm = reader.state.crm;
    for (object, records) in missing {
        for some in records.chunks(AT_ONCE) {
            let ids: Vec<&str> = some.iter().map(|(_, id)| *id).collect();
            let deleted = match crm.deleted(head, object, &ids) {
                Some(call) => {
                    let answer = ask(reader, &call).await?;
                    crm.deleted_found(answer.status, &answer.body)
                        .map_err(|_failure| format!("the CRM answered with {}", answer.status))?
                }
                None => Vec::new(),
            };
            for (place, id) in some {
                let told = deleted.iter().any(|deleted| deleted == id);
                if let (false, Some(slot)) = (told, present.get_mut(*place)) {
                    *slot = Present::Unread;
                }
            }
        }
    }
    Ok(())
}
