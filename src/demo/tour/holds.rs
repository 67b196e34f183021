//! Scenes about writes that wait for people: agreed to and collected, refused with a reason, overtaken by
//! somebody else's change.

use serde_json::json;

use super::writes::update;
use crate::demo::cast::{DANA, LEE, Operator, SDR};
use crate::demo::scene::{Ask, Scene, Trouble};
use crate::demo::verbs::Said;
use crate::hold::State;
use crate::journal::read::EntryState;
use crate::mutation::CrmKind;
use crate::sandbox::seed;

const SALESFORCE: CrmKind = CrmKind::Salesforce;
const HUBSPOT: CrmKind = CrmKind::HubSpot;

/// Where a table of decisions begins.
const RESULTS: &str = "HOLD   RESULT";

/// The sales agent moves a deal in Salesforce on.
pub(in crate::demo) fn stage(deal: &str, stage: &str) -> Ask {
    update(
        SDR,
        SALESFORCE,
        "Opportunity",
        deal,
        json!({ "StageName": stage }),
    )
}

pub(super) async fn approved(scene: &mut Scene<'_, '_>) -> Result<(), Trouble> {
    let ask = stage(seed::GLOBEX_EXPANSION, "Negotiation/Review");
    let field = (
        SALESFORCE,
        "Opportunity",
        seed::GLOBEX_EXPANSION,
        "StageName",
    );
    let seen = scene.ask(&ask).await?;
    let id = scene.expect_held(&seen)?;
    scene.expect_rules(
        &seen,
        &["field Opportunity.StageName", "rule enterprise-stage"],
    );
    scene.paper.gap()?;

    let said = show(scene, &id, &["because", "asked", "digest"], &[]).await?;
    let row = [
        "StageName",
        "Proposal/Price Quote",
        "Negotiation/Review",
        "Proposal/Price Quote",
    ];
    expect_row(scene, &said, row);
    let shown = named(&said)?;
    decide(scene, DANA, &["approve", &shown], 0).await?;
    scene.expect_record(field, json!("Proposal/Price Quote"));
    scene.paper.gap()?;

    scene.shell(LEE, &["WRITEGATE_ADMIN", "WRITEGATE_TOKEN"])?;
    let before = scene.at_the_crm();
    decide(scene, LEE, &["approve", &shown], 0).await?;
    let state = scene.released(&id).await?;
    scene.check("hold", State::Released.word(), state.word());
    let crm = scene.since(before);
    scene.tell_crm(crm)?;
    scene.check("writes at the CRM", 1, crm.writes);
    scene.expect_sent(&ask);
    scene.expect_record(field, json!("Negotiation/Review"));
    scene.paper.gap()?;

    let seen = scene.again(&ask).await?;
    let answered = scene.house.sandbox.writes().pop();
    let answered = answered.and_then(|write| write.status).unwrap_or_default();
    scene.check("the CRM's own status", answered, seen.reply.status);
    scene.check("marked as given before", true, seen.reply.replayed);
    scene.check("requests at the CRM", 0, seen.crm.writes + seen.crm.reads);
    scene.expect_entry(&seen, EntryState::Done);
    Ok(())
}

pub(super) async fn rejected(scene: &mut Scene<'_, '_>) -> Result<(), Trouble> {
    let fields = json!({ "dealstage": "presentationscheduled" });
    let ask = update(SDR, HUBSPOT, "deals", seed::HS_INITECH_PILOT, fields);
    let seen = scene.ask(&ask).await?;
    let id = scene.expect_held(&seen)?;
    scene.expect_rules(&seen, &["field deals.dealstage"]);
    scene.paper.gap()?;

    let shown = named(&show(scene, &id, &["asked"], &["dealstage"]).await?)?;
    let reason = "no demo is agreed yet";
    decide(scene, DANA, &["reject", &shown, "--reason", reason], 0).await?;
    scene.paper.gap()?;

    let seen = scene.again(&ask).await?;
    scene.expect_said_no(&seen, reason);
    let field = (HUBSPOT, "deals", seed::HS_INITECH_PILOT, "dealstage");
    scene.expect_record(field, json!("qualifiedtobuy"));
    Ok(())
}

pub(super) async fn drifted(scene: &mut Scene<'_, '_>) -> Result<(), Trouble> {
    let ask = stage(seed::INITECH_PILOT, "Needs Analysis");
    let field = (SALESFORCE, "Opportunity", seed::INITECH_PILOT, "StageName");
    let seen = scene.ask(&ask).await?;
    let id = scene.expect_held(&seen)?;
    scene.paper.gap()?;

    let said = show(scene, &id, &[], &["StageName"]).await?;
    expect_row(
        scene,
        &said,
        [
            "StageName",
            "Qualification",
            "Needs Analysis",
            "Qualification",
        ],
    );
    let shown = named(&said)?;
    scene.paper.gap()?;
    scene.kim_sets(field, json!("Value Proposition"))?;
    let before = scene.at_the_crm();
    decide(scene, DANA, &["approve", &shown], 0).await?;
    let state = scene.released(&id).await?;
    scene.check("hold", State::Parked.word(), state.word());
    let crm = scene.since(before);
    scene.tell_crm(crm)?;
    scene.check("writes at the CRM", 0, crm.writes);
    scene.paper.gap()?;

    let said = show(scene, &id, &["asked", "moved since"], &["StageName"]).await?;
    expect_row(
        scene,
        &said,
        [
            "StageName",
            "Qualification",
            "Needs Analysis",
            "Value Proposition",
        ],
    );
    let moved = said.cells("moved since").join(" ");
    scene.check(
        "moved",
        "moved since Opportunity.StageName".to_owned(),
        moved,
    );
    let now = named(&said)?;
    scene.check("another digest", true, now != shown);
    decide(scene, DANA, &["approve", &shown], 1).await?;
    let reason = "Kim has moved it further";
    decide(scene, DANA, &["reject", &now, "--reason", reason], 0).await?;
    let seen = scene.quietly(&ask).await?;
    scene.expect_said_no(&seen, reason);
    scene.expect_record(field, json!("Value Proposition"));
    Ok(())
}

/// Dana looks at a hold. Of the facts and of the fields those are told that begin so; all fields where
/// none is named.
async fn show(
    scene: &mut Scene<'_, '_>,
    id: &str,
    facts: &[&str],
    fields: &[&str],
) -> Result<Said, Trouble> {
    let said = scene.runs(DANA, &["holds", "show", id], 0).await?;
    let begins = |line: &str, of: &[&str]| of.iter().any(|one| line.trim_start().starts_with(one));
    let mut values = false;
    let lines = said.those(|line| {
        let title = line.starts_with("update ");
        values = !line.starts_with("yes: ") && (values || title);
        match values {
            true => fields.is_empty() || title || begins(line, &["FIELD"]) || begins(line, fields),
            false => begins(line, facts),
        }
    });
    scene.quote(&lines)?;
    Ok(said)
}

/// What a decision names: the id with the digest that was shown.
fn named(said: &Said) -> Result<String, Trouble> {
    let named = said.word_after("holds approve ");
    let named = named.ok_or_else(|| "the hold cannot be approved".to_owned())?;
    Ok(named.to_owned())
}

/// A field, what it held then, what is proposed, what it holds now.
fn expect_row(scene: &mut Scene<'_, '_>, said: &Said, row: [&str; 4]) {
    let [field, then, proposed, now] = row;
    let expected = format!("{field} \"{then}\" \"{proposed}\" \"{now}\"");
    scene.check("then, proposed, now", expected, said.cells(field).join(" "));
}

/// An operator decides a hold, which `how` names as `ID@DIGEST`; of what the verb says the result is
/// told.
async fn decide(
    scene: &mut Scene<'_, '_>,
    who: Operator,
    how: &[&str],
    exit: u8,
) -> Result<(), Trouble> {
    let arguments = [&["holds"], how, &["--yes"]].concat();
    let said = scene.runs(who, &arguments, exit).await?;
    let mut results = said.from(RESULTS);
    let id = how.iter().find_map(|word| word.split_once('@'));
    results.retain(|line| id.is_some_and(|(id, _)| line.starts_with(id)));
    Ok(scene.quote(&results)?)
}
