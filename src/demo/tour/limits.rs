//! Scenes about how much is written: a budget that is used up, and a trip wire.

use http::Method;
use serde_json::{Value, json};

use super::switches::stopped;
use crate::demo::cast::SDR;
use crate::demo::scene::{Ask, Scene, Trouble};
use crate::mutation::CrmKind;

/// `demo-creates` in demo.yaml.
const BUDGET: usize = 3;
/// Tasks in each request of the loop.
pub(super) const TASKS: usize = 20;
/// Requests of the loop that `runaway` in salesforce.yaml (50 records) lets through.
pub(super) const ROUNDS: usize = 2;

pub(super) async fn budget(scene: &mut Scene<'_, '_>) -> Result<(), Trouble> {
    for number in 1..=BUDGET {
        let seen = scene.quietly(&note(number)).await?;
        scene.expect_done(&seen, 201);
        let entry = seen.reply.entry.as_deref().unwrap_or("missing");
        let text = format!("note {number}: {}, entry {entry}", seen.reply.status);
        scene.say(if number == 1 { "agent saw" } else { "" }, &text)?;
    }
    scene.paper.gap()?;
    let seen = scene.ask(&note(BUDGET + 1)).await?;
    scene.expect_refused(&seen, "WRITEGATE_BUDGET");
    let message = seen.reply.message().unwrap_or_default();
    scene.check(
        "limit named",
        true,
        message.contains("limit demo-creates is used up (3 of 3"),
    );
    let notes = scene.house.sandbox.ids(CrmKind::HubSpot, "notes").len();
    scene.check("notes in the CRM", BUDGET, notes);
    Ok(())
}

fn note(number: usize) -> Ask {
    let text = format!("Call {number} with procurement");
    let properties = json!({ "hs_note_body": text, "hs_timestamp": "2026-11-20T09:00:00Z" });
    Ask {
        agent: SDR,
        crm: CrmKind::HubSpot,
        method: Method::POST,
        target: "/crm/v3/objects/notes".into(),
        body: Some(json!({ "properties": properties })),
    }
}

pub(super) async fn runaway(scene: &mut Scene<'_, '_>) -> Result<(), Trouble> {
    let before = tasks_in_the_crm(scene);
    let ask = tasks(1);
    scene.say("agent sends", &format!("{} {}", ask.method, ask.target))?;
    for round in 1..=ROUNDS {
        let seen = scene.quietly(&tasks(round)).await?;
        scene.expect_done(&seen, 200);
        let text = format!(
            "request {round}: {}, {TASKS} tasks created",
            seen.reply.status
        );
        scene.say(if round == 1 { "agent saw" } else { "" }, &text)?;
    }
    let seen = scene.quietly(&tasks(ROUNDS + 1)).await?;
    scene.tell_all(&seen, &format!("request {}: ", ROUNDS + 1))?;
    scene.expect_refused(&seen, "WRITEGATE_STOPPED");
    let created = tasks_in_the_crm(scene) - before;
    scene.check("tasks created", ROUNDS * TASKS, created);

    // It stays stopped, with both CRMs, reads too.
    let by = stopped(scene, SDR).await?;
    scene.check(
        "stopped by",
        "limit runaway",
        by.as_deref().unwrap_or("nobody"),
    );
    let read = Ask {
        method: Method::GET,
        body: None,
        ..note(0)
    };
    let seen = scene.quietly(&read).await?;
    scene.check("status of a read in HubSpot", 403, seen.reply.status);
    let crm = seen.crm;
    scene.check("requests at the CRM", 0, crm.writes + crm.reads);
    let code = seen.reply.code().unwrap_or("");
    let text = format!(
        "{} {code} (it only wanted to read, in HubSpot)",
        seen.reply.status
    );
    scene.say("agent saw", &text)?;
    Ok(())
}

pub(super) fn tasks_in_the_crm(scene: &Scene<'_, '_>) -> usize {
    scene.house.sandbox.ids(CrmKind::Salesforce, "Task").len()
}

/// One request of the loop.
pub(super) fn tasks(round: usize) -> Ask {
    let record = |number: usize| {
        let subject = format!("Follow up {round}.{number}");
        json!({ "attributes": { "type": "Task" }, "Subject": subject })
    };
    let records: Vec<Value> = (1..=TASKS).map(record).collect();
    Ask {
        agent: SDR,
        crm: CrmKind::Salesforce,
        method: Method::POST,
        target: "/services/data/v60.0/composite/sobjects".into(),
        body: Some(json!({ "allOrNone": false, "records": records })),
    }
}
