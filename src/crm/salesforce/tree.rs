//! Records with their children through `/composite/tree/{type}` (REST API Developer Guide, sObject
//! Tree): all are made, or none.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::body::{self, Content, Refused, malformed};
use super::markup;
use super::org::Org;
use super::record;
use super::types::Type;
use crate::crm::{Head, Malformed};
use crate::mutation::{ChangeSet, Mutation, Operation, field, same_name, unknown_value};

/// Records of one request, and levels below each other.
const MOST: usize = 200;
const MOST_LEVELS: usize = 5;

/// What the children of a relationship are, and by which field they name their parent (Object
/// Reference). Others are not guessed.
const CHILDREN: &[(&str, &str, &str, &str)] = &[
    ("Account", "Contacts", "Contact", "AccountId"),
    ("Account", "Opportunities", "Opportunity", "AccountId"),
    ("Account", "Cases", "Case", "AccountId"),
    ("Account", "Contracts", "Contract", "AccountId"),
    ("Account", "Orders", "Order", "AccountId"),
    ("Account", "Assets", "Asset", "AccountId"),
    ("Account", "ChildAccounts", "Account", "ParentId"),
    (
        "Account",
        "AccountTeamMembers",
        "AccountTeamMember",
        "AccountId",
    ),
    ("Account", "Tasks", "Task", "WhatId"),
    ("Account", "Events", "Event", "WhatId"),
    ("Contact", "Cases", "Case", "ContactId"),
    ("Contact", "Tasks", "Task", "WhoId"),
    ("Contact", "Events", "Event", "WhoId"),
    ("Lead", "Tasks", "Task", "WhoId"),
    ("Lead", "Events", "Event", "WhoId"),
    (
        "Opportunity",
        "OpportunityLineItems",
        "OpportunityLineItem",
        "OpportunityId",
    ),
    (
        "Opportunity",
        "OpportunityContactRoles",
        "OpportunityContactRole",
        "OpportunityId",
    ),
    (
        "Opportunity",
        "OpportunityTeamMembers",
        "OpportunityTeamMember",
        "OpportunityId",
    ),
    ("Opportunity", "Quotes", "Quote", "OpportunityId"),
    ("Opportunity", "Tasks", "Task", "WhatId"),
    ("Opportunity", "Events", "Event", "WhatId"),
    ("Case", "CaseComments", "CaseComment", "ParentId"),
    ("Case", "Tasks", "Task", "WhatId"),
    ("Case", "Events", "Event", "WhatId"),
    ("Order", "OrderItems", "OrderItem", "OrderId"),
    ("Quote", "QuoteLineItems", "QuoteLineItem", "QuoteId"),
    (
        "Campaign",
        "CampaignMembers",
        "CampaignMember",
        "CampaignId",
    ),
    ("Campaign", "ChildCampaigns", "Campaign", "ParentId"),
];

/// Takes a tree apart; `object` is the roots' type.
///
/// # Errors
/// [`Malformed`] when it has more than one reading.
pub(super) fn parse(
    object: &str,
    head: &Head<'_>,
    content: &Content<'_>,
    org: &Org<'_>,
) -> Result<ChangeSet, Malformed> {
    body::change_set(read(object, head, content, org))
}

fn read(
    object: &str,
    head: &Head<'_>,
    content: &Content<'_>,
    org: &Org<'_>,
) -> Result<Vec<Mutation>, Refused> {
    body::parameters(head, &[])?;
    let known = org.named(object)?;
    let mut members = match markup::bytes(head.headers, content) {
        Some(bytes) => markup::tree(bytes)?,
        None => body::object(head, content)?,
    };
    let records = members.shift_remove("records");
    if let Some(name) = members.keys().next() {
        return Err(malformed(format!(
            "the body has the member {}; only records is understood",
            body::shown(name)
        )));
    }
    let mut tree = Tree {
        head,
        org,
        references: HashSet::new(),
        made: Vec::new(),
    };
    let Some(Value::Array(records)) = records else {
        return Err(malformed("the body has no records"));
    };
    tree.level(
        records,
        "records",
        &Root {
            known,
            parent: None,
        },
        1,
    )?;
    Ok(tree.made)
}

/// What the records of one list are, and by what they name their parent.
struct Root<'o> {
    known: Type<'o>,
    parent: Option<(String, String)>,
}

struct Tree<'h> {
    head: &'h Head<'h>,
    org: &'h Org<'h>,
    references: HashSet<String>,
    made: Vec<Mutation>,
}

impl<'h> Tree<'h> {
    fn level(
        &mut self,
        records: Vec<Value>,
        list: &str,
        root: &Root<'_>,
        depth: usize,
    ) -> Result<(), Refused> {
        if records.is_empty() || depth > MOST_LEVELS {
            return Err(malformed(format!(
                "{list} is empty, or deeper than {MOST_LEVELS} levels"
            )));
        }
        for (at, record) in records.into_iter().enumerate() {
            let Value::Object(members) = record else {
                return Err(malformed(format!("{list}[{at}] is not an object")));
            };
            self.record(members, &format!("{list}[{at}]"), root, depth)?;
        }
        Ok(())
    }

    fn record(
        &mut self,
        mut members: Map<String, Value>,
        place: &str,
        root: &Root<'_>,
        depth: usize,
    ) -> Result<(), Refused> {
        let reference = self.reference(&mut members, place)?;
        let children = children(&mut members);
        let row = format!("{place}:{reference}");
        let mut record = record::read(members, &row)?;
        match &record.object {
            Some(_) => record.agree(&root.known, &row)?,
            None => return Err(malformed(format!("{row}: attributes.type is missing"))),
        }
        record.names_only(None, &row)?;
        if let Some((lookup, parent)) = &root.parent {
            if field(&record.fields, lookup).is_some() {
                return Err(malformed(format!(
                    "{row}: {lookup} is given, and its place in the tree gives it too"
                )));
            }
            record.fields.insert(lookup.clone(), unknown_value(parent));
        }
        record.assign(&body::acting(self.head)?, &root.known)?;
        let mutation = record.mutation(&root.known, Operation::Create, None, Some(row.clone()));
        self.made.push(mutation);
        if self.made.len() > MOST {
            return Err(malformed(format!("the tree has more than {MOST} records")));
        }
        for (relationship, list) in children {
            let (known, lookup) = self.child(&root.known, &relationship, &list, &row)?;
            let below = Root {
                known,
                parent: Some((lookup, format!("the new {} {reference}", root.known.name))),
            };
            self.level(
                list,
                &format!("{place}.{relationship}.records"),
                &below,
                depth + 1,
            )?;
        }
        Ok(())
    }

    /// Takes the name of a record in this request out of its attributes; each has one of its own.
    fn reference(
        &mut self,
        members: &mut Map<String, Value>,
        place: &str,
    ) -> Result<String, Refused> {
        let attributes = members.get_mut("attributes").and_then(Value::as_object_mut);
        let reference = attributes.and_then(|attributes| attributes.shift_remove("referenceId"));
        match reference {
            Some(Value::String(name))
                if !name.is_empty()
                    && name
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                    && self.references.insert(name.to_ascii_lowercase()) =>
            {
                Ok(name)
            }
            _ => Err(malformed(format!(
                "{place}: attributes.referenceId is missing, no plain name, or given twice"
            ))),
        }
    }

    fn child(
        &self,
        parent: &Type<'_>,
        relationship: &str,
        list: &[Value],
        row: &str,
    ) -> Result<(Type<'h>, String), Refused> {
        let named = list
            .first()
            .and_then(|first| first.get("attributes")?.get("type")?.as_str())
            .ok_or_else(|| {
                malformed(format!("{row}.{relationship}: attributes.type is missing"))
            })?;
        let built_in = CHILDREN
            .iter()
            .find(|(of, name, ..)| *of == parent.name && same_name(name, relationship));
        let (object, lookup) = if let Some((_, _, object, lookup)) = built_in {
            ((*object).to_owned(), (*lookup).to_owned())
        } else {
            let child = self.org.child(parent.name, relationship).ok_or_else(|| {
                Refused::Opaque(format!(
                    "{row}: which field {} sets is not known: make the children in a request of \
                     their own",
                    body::shown(relationship)
                ))
            })?;
            (child.object, child.field)
        };
        if !same_name(&object, named) {
            return Err(malformed(format!(
                "{row}.{relationship}: attributes.type is not {object}, which the relationship \
                 leads to"
            )));
        }
        Ok((self.org.named(named)?, lookup))
    }
}

/// Takes the lists of children out of a record: `{"Contacts": {"records": […]}}`.
fn children(members: &mut Map<String, Value>) -> Vec<(String, Vec<Value>)> {
    let names: Vec<String> = members
        .iter()
        .filter(|(_, value)| {
            value.as_object().is_some_and(|inner| {
                inner.len() == 1 && inner.get("records").is_some_and(Value::is_array)
            })
        })
        .map(|(name, _)| name.clone())
        .collect();
    let mut children = Vec::new();
    for name in names {
        if let Some(Value::Object(mut inner)) = members.shift_remove(&name)
            && let Some(Value::Array(list)) = inner.shift_remove("records")
        {
            children.push((name, list));
        }
    }
    children
}
