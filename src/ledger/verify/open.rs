//! Which entries are opened and neither closed nor reconciled: follows from all rows of all chains, and
//! is compared with the list that the store keeps.

use std::collections::HashMap;

use crate::ledger::chain::Parts;

/// How often an entry was opened, less how often it ended: the rows of one entry can stand in several
/// chains, which are read one after the other.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Open(HashMap<Vec<u8>, i64>);

impl Open {
    pub(super) fn saw(&mut self, row: &Parts<'_>) {
        let change = match row.kind {
            b"opened" => 1,
            b"closed" | b"reconciled" => -1,
            _ => return,
        };
        let count = self.0.entry(row.entry.to_vec()).or_default();
        *count += change;
        if *count == 0 {
            self.0.remove(row.entry);
        }
    }

    /// An entry of the store's list: what is wrong with it.
    pub(in crate::ledger) fn listed(&mut self, entry: &str) -> Option<String> {
        let open = self.0.remove(entry.as_bytes());
        let closed = open.is_none_or(|count| count < 0);
        closed.then(|| format!("entry {entry} is listed as not closed, but it is"))
    }

    /// Entries that were not in the list: what is wrong with them.
    pub(in crate::ledger) fn unlisted(self) -> Vec<String> {
        let mut open: Vec<Vec<u8>> = self
            .0
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(entry, _)| entry)
            .collect();
        open.sort_unstable();
        open.iter()
            .map(|entry| {
                let entry = String::from_utf8_lossy(entry);
                format!("entry {entry} is not closed, but not listed as such")
            })
            .collect()
    }
}
