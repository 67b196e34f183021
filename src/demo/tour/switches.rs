//! Scenes about the kill switch, thrown and resumed by an operator over the admin API.

use http::Method;
use serde_json::{Value, json};

use super::writes::update;
use crate::demo::cast::{Agent, ENRICHMENT};
use crate::demo::scene::{Ask, Scene, Trouble};
use crate::mutation::CrmKind;
use crate::sandbox::seed;

const REASON: &str = "writes nonsense into Umbrella";

pub(super) async fn kill_and_resume(scene: &mut Scene<'_, '_>) -> Result<(), Trouble> {
    let body = json!({ "scope": "all", "reason": REASON });
    let answer = operate(scene, Method::PUT, ENRICHMENT, Some(&body)).await?;
    scene.check("recorded in the ledger", true, flag(&answer, "recorded"));
    let by = stopped(scene, ENRICHMENT).await?;
    scene.check("stopped by", "dana", by.as_deref().unwrap_or("nobody"));
    scene.paper.gap()?;

    let fields = json!({ "Industry": "Healthcare" });
    let ask = update(CrmKind::Salesforce, "Account", seed::UMBRELLA, fields);
    let seen = scene.ask(&ask).await?;
    scene.expect_refused(&seen, "WRITEGATE_STOPPED");
    scene.check("reads at the CRM", 0, seen.reads);
    let read = Ask {
        method: Method::GET,
        body: None,
        ..ask.clone()
    };
    let seen = scene.quietly(&read).await?;
    scene.check("status of a read", 403, seen.reply.status);
    scene.check("reads at the CRM", 0, seen.reads);
    scene.paper.gap()?;

    resume(scene, ENRICHMENT).await?;
    scene.paper.gap()?;
    let seen = scene.ask(&ask).await?;
    scene.expect_done(&seen, 204);
    let field = (CrmKind::Salesforce, "Account", seed::UMBRELLA, "Industry");
    scene.expect_record(field, json!("Healthcare"));
    Ok(())
}

/// The operator lets a service account go on.
pub(super) async fn resume(scene: &mut Scene<'_, '_>, agent: Agent) -> Result<(), Trouble> {
    operate(scene, Method::DELETE, agent, None).await?;
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
    let reply = operator.send(Method::GET, &switch(agent), None).await?;
    let by = reply.body.get("switch").and_then(|switch| switch.get("by"));
    Ok(by.and_then(Value::as_str).map(str::to_owned))
}

/// Throws or resumes, and tells it.
async fn operate(
    scene: &mut Scene<'_, '_>,
    method: Method,
    agent: Agent,
    body: Option<&Value>,
) -> Result<Value, Trouble> {
    let verb = match (&method, body) {
        (&Method::PUT, _) => format!("writegate kill {} --reason \"{REASON}\"", agent.name),
        _ => format!("writegate resume {}", agent.name),
    };
    let target = switch(agent);
    scene.say("operator", &verb)?;
    scene.say("", &format!("which is {method} {target}"))?;
    let reply = scene.house.operator().send(method, &target, body).await?;
    scene.check("operator's status", 200, reply.status);
    let entry = reply.body.get("entry").and_then(Value::as_str);
    let entry = entry.unwrap_or("missing");
    scene.say("operator saw", &format!("{}, entry {entry}", reply.status))?;
    Ok(reply.body)
}

fn switch(agent: Agent) -> String {
    format!("/api/v1/switches/{}", agent.name)
}

fn flag(answer: &Value, name: &str) -> bool {
    answer.get(name).and_then(Value::as_bool).unwrap_or(false)
}
