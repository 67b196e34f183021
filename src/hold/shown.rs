//! The digest of what an approver is shown: an approval names it, so that it counts for exactly that.

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::json;

use crate::clock::EntryId;
use crate::mutation::{Requirement, Snapshot};

/// What is shown.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The hold's id.
    pub id: &'a str,
    /// Its entry: no two holds have one digest.
    pub entry: &'a EntryId,
    /// The digest of the request.
    pub content: &'a str,
    /// The inspected bytes.
    pub bytes: &'a [u8],
    /// The prior values.
    pub snapshot: &'a Snapshot,
    /// What people are asked.
    pub requirements: &'a [Requirement],
}

impl Shown<'_> {
    /// SHA-256, hex.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut context = Context::new(&SHA256);
        let snapshot = json!(self.snapshot).to_string();
        let requirements = json!(self.requirements).to_string();
        for part in [
            self.id.as_bytes(),
            self.entry.as_str().as_bytes(),
            self.content.as_bytes(),
            self.bytes,
            snapshot.as_bytes(),
            requirements.as_bytes(),
        ] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let digest = context.finish();
        let bytes = digest.as_ref().iter();
        bytes.map(|byte| format!("{byte:02x}")).collect()
    }
}
