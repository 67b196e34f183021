//! `coverage`: which parts of a CRM's API are taken apart, judged as a whole, or refused.

use clap::{Args, ValueEnum};
use serde_json::json;

use super::table::Table;
use super::{Context, Exit, Failure};
use crate::crm::Crm;
use crate::crm::family::Family;
use crate::mutation::CrmKind;

/// List the families of a CRM's API and what is done with each
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Of which CRM [default: both]
    #[arg(value_enum)]
    crm: Option<Kind>,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
    /// Print a page of Markdown
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// The core platform's REST, UI, GraphQL, Tooling and Connect APIs
    Salesforce,
    /// The public API
    Hubspot,
}

pub(super) fn run(arguments: &Arguments, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let crms: &[CrmKind] = match arguments.crm {
        None => &[CrmKind::Salesforce, CrmKind::HubSpot],
        Some(Kind::Salesforce) => &[CrmKind::Salesforce],
        Some(Kind::Hubspot) => &[CrmKind::HubSpot],
    };
    if arguments.json {
        let families: Vec<_> = crms
            .iter()
            .flat_map(|crm| Crm(*crm).families().into_iter().map(|one| told(*crm, &one)))
            .collect();
        context.out.json(&families)?;
        return Ok(Exit::Done);
    }
    if arguments.markdown {
        for crm in crms {
            page(*crm, context)?;
        }
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&["crm", "family", "treatment", "operation", "what"]);
    for crm in crms {
        for family in Crm(*crm).families() {
            table.row(vec![
                crm.name().to_owned(),
                family.name.to_owned(),
                family.treatment.word().to_owned(),
                family.operation.map_or("", |one| one.word()).to_owned(),
                family.note.to_owned(),
            ]);
        }
    }
    table.print(context.out)?;
    Ok(Exit::Done)
}

fn page(crm: CrmKind, context: &mut Context<'_>) -> Result<(), Failure> {
    let out = &mut context.out;
    out.line(format_args!(
        "# What is done with each part of {crm}'s API\n"
    ))?;
    out.line("Printed by `writegate coverage --markdown`. Rules name the operation, beside `fields` of a row whose object")?;
    out.line("is the name told below; what is refused can be opened by an `endpoints` row, as far as that may speak.\n")?;
    out.line("| family | what is done | operation | where, and what to know |")?;
    out.line("|---|---|---|---|")?;
    for family in Crm(crm).families() {
        let operation = family.operation.map_or("", |one| one.word());
        let (name, done) = (family.name, family.treatment.word());
        out.line(format_args!(
            "| {name} | {done} | {operation} | {} |",
            family.note
        ))?;
    }
    Ok(())
}

fn told(crm: CrmKind, family: &Family) -> serde_json::Value {
    json!({
        "crm": crm.name(),
        "family": family.name,
        "treatment": family.treatment.word(),
        "operation": family.operation.map(|one| one.word()),
        "what": family.note,
    })
}
