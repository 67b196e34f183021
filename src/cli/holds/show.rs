//! One hold for people: then, proposed and now, why it waits, who agreed, what the agent says.

use super::hold::{Change, Hold, Rows, read, record};
use crate::cli::admin_client::{AdminClient, segment};
use crate::cli::table::Table;
use crate::cli::visible::{minute, value, visible};
use crate::cli::{Context, Exit, Failure};

pub(super) fn show(
    client: &AdminClient,
    id: &str,
    (rows, json): (Option<&str>, bool),
    context: &mut Context<'_>,
) -> Result<Exit, Failure> {
    let page = rows.map(|rows| {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("rows", rows)
            .finish()
    });
    let query = page.map(|page| format!("?{page}")).unwrap_or_default();
    let answer = client.get(&format!("holds/{}{query}", segment(id)))?;
    if json {
        context.out.json(&answer)?;
        return Ok(Exit::Done);
    }
    let hold = read(answer)?;
    facts(&hold, context)?;
    for change in &hold.changes {
        show_change(change, context)?;
    }
    if let Some(rows) = &hold.rows {
        show_rows(rows, context)?;
    }
    if let Some(body) = &hold.body {
        context.out.line("")?;
        context.out.line(format_args!("body  {}", visible(body)))?;
    }
    context.out.line("")?;
    if hold.state == "parked" {
        let digest: String = hold.digest.chars().take(12).collect();
        context.out.line(format_args!(
            "yes: writegate holds approve {}@{digest} · no: writegate holds reject {} --reason …",
            visible(&hold.id),
            visible(&hold.id)
        ))?;
    }
    if ["expired", "denied", "not_sent"].contains(&hold.state.as_str()) {
        context.out.line(
            "over: when the agent sends it again, it is told so once and then opens a new hold, with what \
             the record holds then",
        )?;
    }
    Ok(Exit::Done)
}

fn facts(hold: &Hold, context: &mut Context<'_>) -> Result<(), Failure> {
    let mut facts = Table::new(&[]);
    let mut fact = |name: &str, text: &str| {
        facts.row(vec![name.to_owned(), visible(text)]);
    };
    fact("hold", &hold.id);
    fact("entry", &hold.entry);
    fact("state", &hold.state);
    if let Some(note) = &hold.note {
        fact("but", note);
    }
    fact("service account", &hold.service_account);
    if let Some(entries) = &hold.takes_back {
        fact("takes back", &entries.join(" "));
    }
    fact("route", &hold.route);
    let target = hold.path.as_deref().unwrap_or("?");
    let query = hold.query.as_ref().map(|query| format!("?{query}"));
    let query = query.unwrap_or_default();
    fact("request", &format!("{} {target}{query}", hold.method));
    for (name, value) in &hold.headers {
        fact(&format!("header {name}"), value);
    }
    let in_header = |name: &String| hold.headers.iter().any(|(header, _)| header == name);
    for (name, value) in hold.acting.iter().filter(|(name, _)| !in_header(name)) {
        fact(&format!("body says {name}"), value);
    }
    fact("since", &minute(&hold.at));
    fact("until", &minute(&hold.until));
    fact("because", &hold.why);
    for asked in &hold.requirements {
        let met = if asked.met { "agreed" } else { "asked" };
        fact(met, &asked.asks);
    }
    for approval in &hold.approvals {
        let reason = approval.reason.as_deref();
        let reason = reason
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        let when = minute(&approval.at);
        fact("yes", &format!("{} at {when}{reason}", approval.by));
    }
    for (name, said) in hold.ended.iter().flatten() {
        fact(&format!("ended, {}", visible(name)), &plain(said));
    }
    fact("release", &hold.release);
    if let Some(moved) = hold.moved.as_ref().filter(|moved| !moved.is_empty()) {
        fact("moved since", &moved.join(", "));
    }
    for (name, said) in &hold.agent_says {
        fact(&format!("agent says, {}", visible(name)), &plain(said));
    }
    fact("digest", &hold.digest);
    facts.print(context.out)?;
    Ok(())
}

/// A page of a bulk job: a line for each field that a row writes.
fn show_rows(rows: &Rows, context: &mut Context<'_>) -> Result<(), Failure> {
    context.out.line("")?;
    let mut table = Table::new(&["ROW", "RECORD", "FIELD", "THEN", "PROPOSED"]);
    for row in &rows.items {
        let record = record(&row.record).unwrap_or_else(|| row.operation.clone());
        let first = [row.row.to_string(), visible(&record)];
        if row.fields.is_empty() {
            let [place, record] = first;
            table.row(vec![place, record, "-".into(), "-".into(), "-".into()]);
            continue;
        }
        for (name, values) in &row.fields {
            let shown = |one: &Option<serde_json::Value>| one.as_ref().map(value);
            let [place, record] = first.clone();
            table.row(vec![
                place,
                record,
                visible(name),
                shown(&values.then).unwrap_or_else(|| "?".into()),
                shown(&values.proposed).unwrap_or_else(|| "-".into()),
            ]);
        }
    }
    table.print(context.out)?;
    let (shown, total) = (rows.items.len(), rows.total);
    context.out.line(format_args!(
        "{shown} of {total} rows · others: --rows A..B, counted from 0"
    ))?;
    Ok(())
}

fn plain(said: &serde_json::Value) -> String {
    said.as_str().map_or_else(|| value(said), str::to_owned)
}

fn show_change(change: &Change, context: &mut Context<'_>) -> Result<(), Failure> {
    context.out.line("")?;
    let mut title = format!("{} {}", change.operation, change.object);
    let record = record(&change.record);
    for part in [record, change.row.clone()].into_iter().flatten() {
        title = format!("{title} {part}");
    }
    let known = match change.exists {
        Some(true) | None => "",
        Some(false) => " · no such record now",
    };
    let undo = match change.undo.as_str() {
        "none" => " · cannot be undone",
        "partial" => " · can be undone in part",
        _ => "",
    };
    context
        .out
        .line(format_args!("{}{known}{undo}", visible(&title)))?;
    let mut fields = Table::new(&["  FIELD", "THEN", "PROPOSED", "NOW"]);
    for (name, values) in &change.fields {
        let shown = |one: &Option<serde_json::Value>| one.as_ref().map(value);
        fields.row(vec![
            format!("  {}", visible(name)),
            shown(&values.then).unwrap_or_else(|| "?".into()),
            shown(&values.proposed).unwrap_or_else(|| "-".into()),
            shown(&values.now).unwrap_or_else(|| "?".into()),
        ]);
    }
    if !change.fields.is_empty() {
        fields.print(context.out)?;
    }
    Ok(())
}
