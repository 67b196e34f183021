//! Scenes about taking back what was written: one entry that a person has touched since, and all that a
//! runaway agent left behind.

use serde_json::{Value, json};

use super::limits::{ROUNDS, TASKS, tasks, tasks_in_the_crm};
use super::switches::resume;
use super::writes::update;
use crate::demo::cast::{DANA, ENRICHMENT, SDR};
use crate::demo::scene::{Scene, Trouble};
use crate::demo::verbs::Said;
use crate::journal::read::{self, Entry, EntryState, Which};
use crate::mutation::CrmKind;
use crate::sandbox::seed;

const SALESFORCE: CrmKind = CrmKind::Salesforce;

pub(super) async fn conflict(scene: &mut Scene<'_, '_>) -> Result<(), Trouble> {
    let field = |name| (SALESFORCE, "Lead", seed::LEAD_MARIE, name);
    let (industry, headcount) = (field("Industry"), field("NumberOfEmployees"));
    let fields = json!({ "Industry": "Chemicals", "NumberOfEmployees": 12 });
    let ask = update(ENRICHMENT, SALESFORCE, "Lead", seed::LEAD_MARIE, fields);
    let seen = scene.ask(&ask).await?;
    scene.expect_done(&seen, 204);
    let entry = seen.reply.entry.unwrap_or_default();
    scene.kim_sets(headcount, json!(40))?;
    scene.paper.gap()?;

    let before = scene.at_the_crm();
    let revert = ["revert", &entry];
    let dry = [&revert[..], &["--dry-run"]].concat();
    let dry = scene.runs(DANA, &dry, 1).await?;
    scene.quote(&dry.all())?;
    scene.check("writes at the CRM", 0, scene.since(before).writes);
    scene.expect_record(industry, json!("Chemicals"));
    let said = scene.runs(DANA, &revert, 1).await?;
    scene.quote(&said.from("1 restored"))?;
    let crm = scene.since(before);
    scene.tell_crm(crm)?;
    scene.check("writes at the CRM", 1, crm.writes);
    let kim = seed::OPERATIONS_USER;
    for said in [&dry, &said] {
        let sums = "1 restored · 1 skipped · 0 impossible, of 1 entries";
        scene.check("told in sum", true, said.text.contains(sums));
        let row = said.cells("Industry").join(" ");
        let expected = r#"Industry restored null "Chemicals" "Chemicals""#;
        scene.check("industry", expected, &row);
        let row = said.cells("NumberOfEmployees").join(" ");
        let expected = "NumberOfEmployees skipped null 12 40 changed since";
        scene.check("headcount", expected, &row);
        let record = format!("Lead/{} · last changed by {kim}", seed::LEAD_MARIE);
        scene.check("by whom", true, said.text.contains(&record));
    }
    scene.expect_record(industry, Value::Null);
    scene.expect_record(headcount, json!(40));
    Ok(())
}

pub(super) async fn aftermath(scene: &mut Scene<'_, '_>) -> Result<(), Trouble> {
    let left = ROUNDS * TASKS;
    let tasks_before = tasks_in_the_crm(scene) - left;
    let since = runaway(scene).await?;
    let revert = ["revert", "--as", SDR.name, "--since", &since];
    let before = scene.at_the_crm();
    let dry = [&revert[..], &["--dry-run"]].concat();
    let dry = scene.runs(DANA, &dry, 0).await?;
    scene.quote(&excerpt(&dry))?;
    scene.check("writes at the CRM", 0, scene.since(before).writes);
    let said = scene.runs(DANA, &revert, 0).await?;
    scene.quote(&said.from(&format!("{left} restored")))?;
    scene.tell_crm(scene.since(before))?;
    for said in [&dry, &said] {
        let sums = format!("{left} restored · 0 skipped · 0 impossible, of {ROUNDS} entries");
        scene.check("told in sum", true, said.text.contains(&sums));
    }
    scene.check("tasks in the CRM", tasks_before, tasks_in_the_crm(scene));
    scene.paper.gap()?;

    resume(scene, SDR).await?;
    let seen = scene.quietly(&tasks(0)).await?;
    scene.expect_done(&seen, 200);
    let status = seen.reply.status;
    let text = format!("{status}, {TASKS} tasks created: its limit is empty again");
    Ok(scene.say("agent saw", &text)?)
}

/// When the runaway began to write, as the ledger has it.
async fn runaway(scene: &Scene<'_, '_>) -> Result<String, Trouble> {
    let which = Which {
        service_account: Some(SDR.name.to_owned()),
        state: Some(EntryState::Done),
        ..Which::default()
    };
    let ledger = scene.house.app.journal.ledger();
    let found = read::entries(&**ledger, &which, ROUNDS).await;
    let (newest, _) = found.map_err(|error| format!("the ledger: {error}"))?;
    let first: Option<&Entry> = newest.last();
    let first = first.ok_or_else(|| "the ledger has no entry of the runaway".to_owned())?;
    Ok(first.at.to_string())
}

/// The first records of many, and the sum.
fn excerpt(said: &Said) -> Vec<&str> {
    let mut shown = 0;
    said.those(|line| {
        shown += 1;
        shown <= 4 || line.contains(" restored · ")
    })
}
