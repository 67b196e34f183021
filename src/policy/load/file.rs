//! One rule file.

use super::{Taken, limit, named, row, rule};
use crate::mutation::CrmKind;
use crate::policy::matrix::RuleFile;
use crate::policy::mistake::Mistakes;
use crate::policy::yaml::{Fields, Node};

/// Reads a file's tree. What it returns is complete only if no mistake was noted.
pub(super) fn read(
    name: &str,
    tree: &Node,
    taken: &mut Taken,
    mistakes: &mut Mistakes,
) -> Option<RuleFile> {
    let mut fields = Fields::of(tree, "the file", mistakes)?;
    let crm = fields
        .need("crm", mistakes)
        .and_then(|node| crm(node, mistakes));
    let mut file = RuleFile {
        name: named(name),
        // Not used where `crm` is a mistake: the whole set is refused then.
        crm: crm.unwrap_or(CrmKind::Salesforce),
        routes: fields
            .take("routes")
            .map(|node| texts(node, "routes", mistakes))
            .unwrap_or_default(),
        default: fields
            .take("default")
            .and_then(|node| row::row(node, "default", row::Words::Field, mistakes)),
        objects: Vec::new(),
        object_index: Default::default(),
        rules: Vec::new(),
        endpoints: Vec::new(),
        limits: Vec::new(),
        reserves: Vec::new(),
        observing: Vec::new(),
    };
    if let Some(node) = fields.take("objects") {
        row::objects(node, &mut file, mistakes);
    }
    if let Some(node) = fields.take("rules") {
        for node in node.list("rules", mistakes).unwrap_or_default() {
            let read = rule::read(node, mistakes);
            if let Some((at, rule)) = read {
                mistakes.keep(at, taken.rule(&rule.name, name, at));
                file.rules.push(rule);
            }
        }
    }
    if let Some(node) = fields.take("endpoints") {
        file.endpoints = row::endpoints(node, mistakes);
    }
    if let Some(node) = fields.take("limits") {
        for node in node.list("limits", mistakes).unwrap_or_default() {
            let read = limit::read(node, mistakes);
            if let Some(read) = read {
                mistakes.keep(read.at, taken.limit(read.name(), name, read.at));
                read.add_to(&mut file);
            }
        }
    }
    fields.finish(mistakes);
    Some(file)
}

fn crm(node: &Node, mistakes: &mut Mistakes) -> Option<CrmKind> {
    match node.text("crm", mistakes)? {
        "salesforce" => Some(CrmKind::Salesforce),
        "hubspot" => Some(CrmKind::HubSpot),
        other => {
            mistakes.add(
                node.at,
                format!("unknown CRM `{other}`: use salesforce or hubspot"),
            );
            None
        }
    }
}

/// One text or a list of them.
pub(super) fn texts(node: &Node, what: &str, mistakes: &mut Mistakes) -> Vec<String> {
    let items = node.items();
    if items.is_empty() {
        mistakes.add(
            node.at,
            format!("`{what}` is an empty list: name at least one, or leave it out"),
        );
    }
    items
        .iter()
        .filter_map(|item| item.text(what, mistakes).map(str::to_owned))
        .collect()
}
