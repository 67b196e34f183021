//! Path and query as an entry keeps them: nothing that can be a secret.

use std::borrow::Cow;

use super::Write;
use super::reads::understood;
use crate::crm::path::query_names;
use crate::mutation::ChangeSet;

impl Write {
    /// The path as the entry keeps it: in full, but for a secret that can stand in one.
    pub(super) fn recorded_path(&self) -> Cow<'_, str> {
        if self.path.may_hold_secret() {
            Cow::Owned(self.path.outline())
        } else {
            Cow::Borrowed(self.path.as_str())
        }
    }

    /// The query as the entry keeps it: of a request that is not taken apart only names, since any
    /// value can be a secret.
    pub(super) fn recorded_query(&self, changes: Option<&ChangeSet>) -> Option<Cow<'_, str>> {
        let query = self.parts.uri.query()?;
        Some(if understood(changes) && !self.path.may_hold_secret() {
            Cow::Borrowed(query)
        } else {
            Cow::Owned(query_names(query))
        })
    }
}
