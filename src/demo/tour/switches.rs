//! Scenes about the kill switch, thrown and resumed by an operator.

use http::Method;
use serde_json::{Value, json};

use super::writes::update;
use crate::demo::cast::{Agent, DANA, ENRICHMENT};
use crate::demo::scene::{Ask, Scene, Trouble};
use crate::mutation::CrmKind;
use crate::sandbox::seed;

const REASON: &str = "writes nonsense into Umbrella";

pub(super) async fn kill_and_resume(scene: &mut Scene<'_, '_>) -> Result<(), Trouble> {
    scene.shell(DANA, &["WRITEGATE_ADMIN", "WRITEGATE_TOKEN"])?;
    let kill = ["kill", ENRICHMENT.name, "--reason", REASON];
    let said = scene.runs(DANA, &kill, 0).await?;
    scene.quote(&said.all())?;
    let by = stopped(scene, ENRICHMENT).await?;
    scene.check("stopped by", "dana", by.as_deref().unwrap_or("nobody"));
    scene.paper.gap()?;

    let fields = json!({ "Industry": "Healthcare" });
    let salesforce = CrmKind::Salesforce;
    let ask = update(ENRICHMENT, salesforce, "Account", seed::UMBRELLA, fields);
    let seen = scene.ask(&ask).await?;
    scene.expect_refused(&seen, "WRITEGATE_STOPPED");
    scene.check("reads at the CRM", 0, seen.crm.reads);
    let read = Ask {
        method: Method::GET,
        body: None,
        ..ask.clone()
    };
    let seen = scene.quietly(&read).await?;
    scene.check("status of a read", 403, seen.reply.status);
    scene.check("reads at the CRM", 0, seen.crm.reads);
    scene.paper.gap()?;

    resume(scene, ENRICHMENT).await?;
    scene.paper.gap()?;
    let seen = scene.ask(&ask).await?;
    scene.expect_done(&seen, 204);
    let field = (salesforce, "Account", seed::UMBRELLA, "Industry");
    scene.expect_record(field, json!("Healthcare"));
    Ok(())
}

/// The operator lets a service account go on.
pub(super) async fn resume(scene: &mut Scene<'_, '_>, agent: Agent) -> Result<(), Trouble> {
    let said = scene.runs(DANA, &["resume", agent.name], 0).await?;
    scene.quote(&said.all())?;
    let by = stopped(scene, agent).await?;
    scene.check("stopped by", "nobody", by.as_deref().unwrap_or("nobody"));
    Ok(())
}

/// Who stopped a service account, if it is.
pub(super) async fn stopped(
    scene: &Scene<'_, '_>,
    agent: Agent,
) -> Result<Option<String>, Trouble> {
    let operator = scene.house.operator();
    let switch = format!("/api/v1/switches/{}", agent.name);
    let reply = operator.send(Method::GET, &switch, None).await?;
    let by = reply.body.get("switch").and_then(|switch| switch.get("by"));
    Ok(by.and_then(Value::as_str).map(str::to_owned))
}
