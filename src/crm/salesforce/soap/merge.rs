//! Records that go into others: `merge` and `convertLead` (SOAP API Developer Guide).

use roxmltree::Node;
use serde_json::{Map, Value};

use super::envelope::{Envelope, known, plain};
use super::headers::{Said, truth};
use super::rows::{an_id, listed, unknown};
use super::{Api, object};
use crate::crm::salesforce::body::{self, Refused, malformed};
use crate::crm::salesforce::collections::Once;
use crate::crm::salesforce::org::Org;
use crate::crm::salesforce::types::{self, Type};
use crate::crm::xml;
use crate::mutation::{Mutation, Operation, RecordKey, Undo, unknown_value};

/// Objects that can be merged, and how many records go into one.
const MERGED: [&str; 4] = ["Lead", "Contact", "Account", "Case"];
const LOSERS_MOST: usize = 2;

/// A mutation that nothing takes back.
fn for_good(
    known: &Type<'_>,
    operation: Operation,
    id: String,
    row: &str,
    fields: Map<String, Value>,
) -> Mutation {
    let key = Some(RecordKey::Id { id });
    let mut mutation = body::mutation(known, operation, key, Some(row.to_owned()), fields);
    mutation.undo = Undo::None;
    mutation
}

/// `merge`: each request has a master with new values and one or two losers, which are deleted.
pub(super) fn merged(
    envelope: &Envelope<'_, '_>,
    said: &Said,
    org: &Org<'_>,
) -> Result<Vec<Mutation>, Refused> {
    let mut once = Once::default();
    let mut all = Vec::new();
    for (place, request) in listed(envelope, "request", &[])?.into_iter().enumerate() {
        let row = format!("request[{place}]");
        plain(request, &["type"])?;
        for mutation in one(envelope.api, request, &row, said, org)? {
            once.record(&mutation)?;
            all.push(mutation);
        }
    }
    Ok(all)
}

fn one(
    api: Api,
    request: Node<'_, '_>,
    row: &str,
    said: &Said,
    org: &Org<'_>,
) -> Result<Vec<Mutation>, Refused> {
    let (mut master, mut losers) = (None, Vec::new());
    for part in xml::elements(request)? {
        known(api, part)?;
        match part.tag_name().name() {
            "masterRecord" if master.is_none() => master = Some(object::read(api, part, row, org)?),
            "recordToMergeIds" => losers.push(an_id(part, row)?),
            // how a loser's values are kept: only of Individual and Account's person fields
            "additionalInformationMap" => {
                return Err(Refused::Opaque(format!(
                    "{row}: additionalInformationMap is not understood: leave it out"
                )));
            }
            _ => {
                return Err(malformed(format!(
                    "{row} has a part that is not understood"
                )));
            }
        }
    }
    let Some((known, mut record)) = master else {
        return Err(malformed(format!("{row} has no masterRecord")));
    };
    let Some(id) = record.id.clone() else {
        return Err(malformed(format!(
            "{row}: the id of the masterRecord is missing"
        )));
    };
    let known = &known;
    if !MERGED.contains(&known.name) {
        let what = format!("{row}: {} is not merged by Salesforce", known.name);
        return Err(Refused::Opaque(what));
    }
    if losers.is_empty() || losers.len() > LOSERS_MOST {
        return Err(malformed(format!(
            "{row} does not name one or {LOSERS_MOST} records to merge"
        )));
    }
    for loser in &losers {
        body::belongs(loser, known, row)?;
    }
    record.assign(&said.owner, known)?;
    let mut merge = for_good(known, Operation::Merge, id, row, record.fields);
    merge.others = losers.iter().map(RecordKey::id).collect();
    let deletes = losers
        .into_iter()
        .map(|loser| for_good(known, Operation::Delete, loser, row, Map::new()));
    Ok(std::iter::once(merge).chain(deletes).collect())
}

/// `convertLead`: the lead goes into an account, a contact and an opportunity, made or named.
pub(super) fn converted(envelope: &Envelope<'_, '_>) -> Result<Vec<Mutation>, Refused> {
    let mut once = Once::default();
    let mut all = Vec::new();
    for (place, node) in listed(envelope, "leadConverts", &[])?
        .into_iter()
        .enumerate()
    {
        let row = format!("leadConverts[{place}]");
        plain(node, &["type"])?;
        let conversion = Conversion::read(envelope.api, node, &row)?;
        for mutation in conversion.mutations(&row)? {
            once.record(&mutation)?;
            all.push(mutation);
        }
    }
    Ok(all)
}

/// What one `leadConverts` says.
#[derive(Debug, Default)]
struct Conversion {
    lead: Option<String>,
    account: Option<String>,
    contact: Option<String>,
    opportunity: Option<String>,
    status: Option<String>,
    owner: Option<String>,
    name: Option<String>,
    no_opportunity: bool,
    overwrites: bool,
    notifies: bool,
}

impl Conversion {
    fn read(api: Api, node: Node<'_, '_>, row: &str) -> Result<Self, Refused> {
        let mut told = Self::default();
        for part in super::envelope::children(api, node)? {
            plain(part, &["type", "nil"])?;
            let name = part.tag_name().name();
            let text = xml::value(part)?;
            if xml::is_nil(part)? || text.is_empty() {
                continue;
            }
            let id = || an_id(part, row).map(Some);
            match name {
                "leadId" => told.lead = id()?,
                "accountId" => told.account = id()?,
                "contactId" => told.contact = id()?,
                "opportunityId" => told.opportunity = id()?,
                "ownerId" => told.owner = id()?,
                "convertedStatus" => told.status = Some(text.to_owned()),
                "opportunityName" => told.name = Some(text.to_owned()),
                "doNotCreateOpportunity" => told.no_opportunity = truth(text, name)?,
                "overwriteLeadSource" => told.overwrites = truth(text, name)?,
                "sendNotificationEmail" => told.notifies = truth(text, name)?,
                _ => {
                    return Err(Refused::Opaque(format!(
                        "{row} has a part that is not understood: leave it out"
                    )));
                }
            }
        }
        Ok(told)
    }

    fn mutations(self, row: &str) -> Result<Vec<Mutation>, Refused> {
        let lead = self
            .lead
            .ok_or_else(|| malformed(format!("{row} has no leadId")))?;
        let status = self
            .status
            .ok_or_else(|| malformed(format!("{row} has no convertedStatus")))?;
        let mut fields = Map::new();
        fields.insert("Status".into(), status.into());
        let mut convert = for_good(
            of("Lead", &lead, row)?,
            Operation::Convert,
            lead,
            row,
            fields,
        );
        let mut all = Vec::new();
        let named = [
            ("Account", self.account),
            ("Contact", self.contact),
            ("Opportunity", self.opportunity),
        ];
        for (object, id) in named {
            let known = types::by_name(object).ok_or_else(|| unknown(row))?;
            let made = object != "Opportunity" || !self.no_opportunity;
            let mut fields = Map::new();
            let mutation = match id {
                Some(id) => {
                    convert.others.push(RecordKey::id(id.as_str()));
                    // blanks of what is there are filled from the lead; which ones nobody is told
                    if object == "Contact" && self.overwrites {
                        fields.insert("LeadSource".into(), unknown_value("the lead's"));
                    }
                    for_good(of(object, &id, row)?, Operation::Update, id, row, fields)
                }
                None if made => {
                    if let Some(owner) = &self.owner {
                        fields.insert("OwnerId".into(), owner.as_str().into());
                    }
                    if let ("Opportunity", Some(name)) = (object, &self.name) {
                        fields.insert("Name".into(), name.as_str().into());
                    }
                    let row = Some(row.to_owned());
                    let mut create = body::mutation(known, Operation::Create, None, row, fields);
                    create.undo = Undo::Partial;
                    create
                }
                None => continue,
            };
            all.push(mutation);
        }
        all.insert(0, convert);
        if self.notifies {
            all.push(told_by_mail(row));
        }
        Ok(all)
    }
}

/// The object that an id must be one of.
fn of(object: &str, id: &str, row: &str) -> Result<&'static Type<'static>, Refused> {
    let known = types::by_name(object).ok_or_else(|| unknown(row))?;
    body::belongs(id, known, row)?;
    Ok(known)
}

/// The new owner is told.
fn told_by_mail(row: &str) -> Mutation {
    Mutation {
        object: "convertLead".into(),
        operation: Operation::Send,
        record: None,
        fields: Map::new(),
        row: Some(row.to_owned()),
        undo: Undo::None,
        others: Vec::new(),
    }
}
