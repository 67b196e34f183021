//! Engagements of version 1: the same records as notes, tasks, calls, meetings and emails, so they are
//! judged as these. Which one it is stands in the body only.

use http::Method;
use serde_json::{Map, Value};

use super::body::record::{Part, id, id_text};
use super::body::{Stop, changed, document, malformed, no_query};
use super::legacy::linked;
use crate::crm::Head;
use crate::mutation::{Mutation, Operation, RecordKey, Undo};

/// Members of a part, and the properties that hold the same.
type Names = &'static [(&'static str, &'static str)];

/// For each engagement type its object, and its `metadata` with the properties that hold the same.
const TYPES: [(&str, &str, Names); 5] = [
    ("NOTE", "notes", &[("body", "hs_note_body")]),
    (
        "TASK",
        "tasks",
        &[
            ("body", "hs_task_body"),
            ("subject", "hs_task_subject"),
            ("status", "hs_task_status"),
            ("priority", "hs_task_priority"),
            ("taskType", "hs_task_type"),
        ],
    ),
    (
        "CALL",
        "calls",
        &[
            ("body", "hs_call_body"),
            ("title", "hs_call_title"),
            ("status", "hs_call_status"),
            ("toNumber", "hs_call_to_number"),
            ("fromNumber", "hs_call_from_number"),
            ("durationMilliseconds", "hs_call_duration"),
            ("recordingUrl", "hs_call_recording_url"),
            ("disposition", "hs_call_disposition"),
        ],
    ),
    (
        "MEETING",
        "meetings",
        &[
            ("body", "hs_meeting_body"),
            ("title", "hs_meeting_title"),
            ("startTime", "hs_meeting_start_time"),
            ("endTime", "hs_meeting_end_time"),
            ("internalMeetingNotes", "hs_internal_meeting_notes"),
        ],
    ),
    (
        "EMAIL",
        "emails",
        &[
            ("subject", "hs_email_subject"),
            ("html", "hs_email_html"),
            ("text", "hs_email_text"),
        ],
    ),
];

/// What `associations` names.
const ENDS: [(&str, &str); 4] = [
    ("contactIds", "contacts"),
    ("companyIds", "companies"),
    ("dealIds", "deals"),
    ("ticketIds", "tickets"),
];

/// The engagement's id, or none for a new one.
pub(super) fn route(method: &Method, words: &[&str]) -> Option<Option<String>> {
    match (method, words) {
        (&Method::POST, ["engagements", "engagements"]) => Some(None),
        (&Method::PATCH | &Method::PUT, ["engagements", "engagements", id]) => {
            Some(Some((*id).to_owned()))
        }
        _ => None,
    }
}

pub(super) fn parse(id: Option<&str>, head: &Head<'_>, body: &[u8]) -> Result<Vec<Mutation>, Stop> {
    no_query(head)?;
    let document = document(head, body)?;
    let root = Part::root(&document)?;
    root.only(&["engagement", "associations", "attachments", "metadata"])?;
    let engagement = Part::of(root.required("engagement")?, "engagement".to_owned(), true)?;
    let kind = engagement.text("type")?.unwrap_or_default();
    let Some((_, object, metadata)) = TYPES.iter().find(|(name, ..)| *name == kind) else {
        return opaque("`engagement.type` does not tell what it is");
    };
    let mut fields = Map::new();
    let own = [
        ("timestamp", "hs_timestamp"),
        ("ownerId", "hubspot_owner_id"),
    ];
    members(&engagement, &["type", "active"], &own, &mut fields)?;
    if let Some(part) = root.get("metadata") {
        let part = Part::of(part, "metadata".to_owned(), true)?;
        members(&part, &[], metadata, &mut fields)?;
    }
    if root.get("attachments").is_some() {
        let ids = attached(root.array("attachments")?)?;
        if !ids.is_empty() {
            fields.insert("hs_attachment_ids".to_owned(), Value::from(ids));
        }
    }
    let links = match root.get("associations") {
        Some(links) => {
            let links = Part::of(links, "associations".to_owned(), true)?;
            linked(object, &links, &ENDS)?
        }
        None => Vec::new(),
    };
    let mutation = match id {
        Some(in_path) => {
            if !links.is_empty() {
                return opaque("its links take the place of others; use /crm/v4/associations");
            }
            let key = RecordKey::id(id_text(in_path, "the id in the path")?);
            changed(object, Operation::Update, key, fields, None)
        }
        None => Mutation {
            object: (*object).to_owned(),
            operation: Operation::Create,
            record: None,
            fields,
            row: None,
            undo: Undo::Full,
            others: Vec::new(),
        },
    };
    Ok([vec![mutation], links].concat())
}

fn opaque<T>(reason: &str) -> Result<T, Stop> {
    Err(Stop::Opaque(format!(
        "{reason}; use /crm/v3/objects/notes, tasks, calls, meetings or emails"
    )))
}

/// The properties that members stand for. A member that stands for none is not guessed at.
fn members(
    part: &Part<'_>,
    known: &[&str],
    names: &[(&str, &str)],
    fields: &mut Map<String, Value>,
) -> Result<(), Stop> {
    for (name, value) in part.members() {
        if known.contains(&name.as_str()) {
            continue;
        }
        let Some((_, property)) = names.iter().find(|(own, _)| own == name) else {
            return opaque(&format!("{} holds more than is taken apart", part.at));
        };
        if value.is_array() || value.is_object() {
            return malformed(format!("{} is not a single value", part.place(name)));
        }
        fields.insert((*property).to_owned(), value.clone());
    }
    Ok(())
}

/// The ids of files, as the property has them.
fn attached(list: &[Value]) -> Result<String, Stop> {
    let mut ids = Vec::new();
    for (place, one) in list.iter().enumerate() {
        let part = Part::of(one, format!("attachments[{place}]"), true)?;
        part.only(&["id"])?;
        ids.push(id(part.required("id")?, &part.place("id"))?);
    }
    Ok(ids.join(";"))
}
