//! Rows of tokens that logins brought: fingerprints alone (`crate::learned` knows what they mean).

use jiff::Timestamp;
use serde_json::Value;

use super::Journal;
use crate::clock::EntryId;
use crate::error::StoreError;
use crate::ledger::{NewRow, Row, RowFilter, RowKind};

impl Journal {
    /// Writes down whose the tokens are that a login brought: durable when this returns.
    ///
    /// # Errors
    /// The store's, or a clock that is behind the ledger.
    pub async fn learned(
        &self,
        entry: &EntryId,
        (route, service_account): (&str, &str),
        meta: Value,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.clock_holds(now)?;
        let row = NewRow {
            entry: entry.clone(),
            kind: RowKind::Learned,
            at: now,
            service_account: Some(service_account.to_owned()),
            route: Some(route.to_owned()),
            meta,
            values: None,
            nth: None,
            epoch: None,
        };
        self.ledger.append(vec![row]).await
    }

    /// What was written so since then, oldest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn learned_since(&self, since: Timestamp) -> Result<Vec<Row>, StoreError> {
        let filter = RowFilter {
            kinds: vec![RowKind::Learned],
            since: Some(since),
            ..RowFilter::default()
        };
        self.ledger.rows(filter).await
    }
}
