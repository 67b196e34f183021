//! What the ledger knows of rules that were pushed: one row for each time others were put in force.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::bundle::{Bundle, Named};
use crate::clock::EntryId;
use crate::error::StoreError;
use crate::ledger::{Ledger, Row, RowFilter, RowKind};

/// What was put in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Files that somebody sent.
    Push {
        /// The files.
        files: Bundle,
        /// Their digest, which entries name.
        digest: String,
        /// How many cases they passed.
        cases: usize,
        /// What they name and the configuration of who pushed them has.
        named: Named,
        /// The push that was in force before; `None`: each replica's folder.
        onto: Option<u64>,
    },
    /// Rules that were in force before.
    Rollback {
        /// The push; `None`: each replica's folder.
        to: Option<u64>,
        /// Its digest; of a folder, the one here.
        digest: String,
    },
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The how-manieth it is, from 1; the highest is in force.
    pub number: u64,
    /// What was done.
    pub deed: Deed,
    /// Who did it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// The part of a row's `meta` that is the machine's; `what`, `by` and `reason` stand beside it.
#[derive(Debug, Serialize, Deserialize)]
struct Part {
    number: u64,
    #[serde(flatten)]
    deed: Deed,
}

impl Turn {
    /// The push whose files are in force after this; `None`: each replica's folder.
    #[must_use]
    pub fn push(&self) -> Option<u64> {
        match &self.deed {
            Deed::Push { .. } => Some(self.number),
            Deed::Rollback { to, .. } => *to,
        }
    }

    /// The digest of what is in force after this.
    #[must_use]
    pub fn digest(&self) -> &str {
        match &self.deed {
            Deed::Push { digest, .. } | Deed::Rollback { digest, .. } => digest,
        }
    }

    /// The entry of its row. Two replicas that put rules in force at once want the same one, and only one
    /// of them gets it.
    #[must_use]
    pub fn entry(&self) -> EntryId {
        entry(self.number)
    }

    /// What its row says.
    #[must_use]
    pub fn meta(&self, before: &str) -> Value {
        let short = |digest: &str| digest.chars().take(12).collect::<String>();
        let (before, after) = (short(before), short(self.digest()));
        let (by, reason) = (&self.by, &self.reason);
        let what = match &self.deed {
            Deed::Push { .. } => format!("rules pushed by {by}: {before} → {after}: {reason}"),
            Deed::Rollback { to: Some(_), .. } => {
                format!("rules rolled back by {by}: {before} → {after}: {reason}")
            }
            Deed::Rollback { to: None, .. } => {
                format!("rules rolled back to the folder by {by}: {before} → {after}: {reason}")
            }
        };
        let part = Part {
            number: self.number,
            deed: self.deed.clone(),
        };
        json!({ "what": what, "by": by, "reason": reason, "rules": part })
    }

    /// What a row says; `None` for rows of other kinds.
    ///
    /// # Errors
    /// A row of rules in a form that this version does not know.
    pub fn of(row: &Row) -> Result<Option<Self>, String> {
        if row.kind != RowKind::Rules {
            return Ok(None);
        }
        let part = row.meta.get("rules").cloned().unwrap_or_default();
        let Part { number, deed } = Part::deserialize(part)
            .map_err(|error| format!("{} has an unknown form: {error}", row.entry))?;
        let text = |name: &str| {
            let text = row.meta.get(name).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        Ok(Some(Self {
            number,
            deed,
            by: text("by"),
            reason: text("reason"),
            at: row.at,
        }))
    }
}

fn entry(number: u64) -> EntryId {
    EntryId::from_text(&format!("rules-{number}"))
}

/// The newest rows of rules, newest first.
///
/// # Errors
/// The store's.
pub async fn newest(ledger: &dyn Ledger, limit: usize) -> Result<Vec<Row>, StoreError> {
    let filter = RowFilter {
        kinds: vec![RowKind::Rules],
        newest_first: true,
        limit,
        ..RowFilter::default()
    };
    ledger.rows(filter).await
}

/// The row of one number.
///
/// # Errors
/// The store's.
pub async fn numbered(ledger: &dyn Ledger, number: u64) -> Result<Option<Row>, StoreError> {
    let filter = RowFilter {
        entry: Some(entry(number)),
        limit: 1,
        ..RowFilter::default()
    };
    Ok(ledger.rows(filter).await?.pop())
}
