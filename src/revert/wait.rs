//! What rules with the origin of reverts hold: it waits for other people than the one who asked, and is
//! released as an agent's write is.

use super::batch::Batch;
use super::judge::{Ready, fail};
use super::look::Way;
use super::report::{Action, Finding};
use super::round::{Reverting, Turn};
use super::send::reverted;
use crate::hold::TakesBack;
use crate::proxy::reverts::{self, Held};

impl Reverting {
    /// Leaves a request to people; a dry run says whom it would wait for.
    pub(super) async fn wait(&self, way: &Way<'_>, batch: &Batch, ready: Ready) -> Vec<Finding> {
        if self.dry_run {
            let told = format!("would wait for {}", reverts::asks(&ready.verdict));
            return waits(ready.turns, &told, None);
        }
        let held = Held {
            place: way.place,
            actor: self.actor.clone(),
            takes_back: TakesBack {
                by: self.operator.clone(),
                wrote: batch.service_account.clone(),
                entries: reverted(&ready.turns),
            },
            call: ready.request.call,
            changes: ready.request.changes,
            verdict: ready.verdict,
            snapshot: ready.snapshot,
        };
        match reverts::park(&self.worker, held).await {
            Ok(waiting) => waits(ready.turns, &waiting.told, Some(&waiting.hold)),
            Err(why) => fail(ready.turns, Action::Skipped, &why),
        }
    }
}

fn waits(turns: Vec<Turn>, told: &str, hold: Option<&str>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for mut turn in turns {
        for finding in &mut turn.plan.findings {
            finding.wait(told, hold);
        }
        findings.append(&mut turn.plan.findings);
    }
    findings
}
