//! One entry for people: what was asked, judged and done, with the values before and after.

use super::entry::{Change, LedgerRow, read, record, request};
use crate::cli::admin_client::{AdminClient, segment};
use crate::cli::table::Table;
use crate::cli::visible::{value, visible};
use crate::cli::{Context, Exit, Failure};

/// Prints one entry of a running proxy's ledger.
pub(in crate::cli) fn show(
    client: &AdminClient,
    id: &str,
    json: bool,
    context: &mut Context<'_>,
) -> Result<Exit, Failure> {
    let answer = client.get(&format!("entries/{}", segment(id)))?;
    if json {
        context.out.json(&answer)?;
        return Ok(Exit::Done);
    }
    let entry = read(answer)?;
    let mut facts = Table::new(&[]);
    let mut fact = |name: &str, text: Option<&str>| {
        if let Some(text) = text {
            facts.row(vec![name.to_owned(), visible(text)]);
        }
    };
    fact("entry", Some(&entry.id));
    fact("at", Some(&entry.at));
    fact("service account", entry.service_account.as_deref());
    fact("route", entry.route.as_deref());
    fact("request", Some(&request(&entry)));
    fact("state", Some(&entry.state));
    fact("mode", entry.mode.as_deref());
    fact("verdict", entry.verdict.as_deref());
    for reason in &entry.reasons {
        let text = format!("{}: {}", reason.rule, reason.message);
        fact("because", Some(&text));
    }
    for would in &entry.observed.would {
        fact("would be", Some(would));
    }
    for reason in &entry.observed.reasons {
        let text = format!("{}: {}", reason.rule, reason.message);
        fact("observed", Some(&text));
    }
    for limit in &entry.observed.limits {
        fact("observed", Some(&format!("limit {limit}")));
    }
    fact("answered", entry.message.as_deref());
    facts.print(context.out)?;
    show_changes(&entry.changes, context)?;
    show_rows(&entry.rows, context)?;
    Ok(Exit::Done)
}

fn show_changes(changes: &[Change], context: &mut Context<'_>) -> Result<(), Failure> {
    for change in changes {
        context.out.line("")?;
        let mut title = format!("{} {}", change.operation, change.object);
        let parts = [
            record(&change.record),
            change.row.clone(),
            change.outcome.clone(),
        ];
        for part in parts.into_iter().flatten() {
            title = format!("{title} {part}");
        }
        context.out.line(visible(&title))?;
        let mut fields = Table::new(&[]);
        for (name, values) in &change.fields {
            let before = values.get("before").map_or_else(|| "?".into(), value);
            let after = values.get("after").map_or_else(|| "?".into(), value);
            fields.row(vec![
                format!("  {}", visible(name)),
                format!("{before} → {after}"),
            ]);
        }
        fields.print(context.out)?;
    }
    Ok(())
}

fn show_rows(rows: &[LedgerRow], context: &mut Context<'_>) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    context.out.line("")?;
    let mut table = Table::new(&["ROW", "KIND", "AT", "HASH"]);
    for row in rows {
        table.row(vec![
            row.seq.to_string(),
            visible(&row.kind),
            visible(&row.at),
            visible(&row.hash),
        ]);
    }
    table.print(context.out)?;
    Ok(())
}
