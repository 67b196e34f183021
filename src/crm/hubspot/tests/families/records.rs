//! Records before version 3, engagements and mails as somebody means and writes them.

use serde_json::{Map, Value, json};

use super::{Dice, Meant, mutation, pairs, placed};
use crate::mutation::{Mutation, Operation, RecordKey, Undo};

pub(super) fn contact(dice: &mut Dice) -> Meant {
    let (id, email, fields) = (dice.id(), dice.email(), dice.fields());
    let by_email = RecordKey::External {
        key: "email".into(),
        value: email.clone(),
    };
    let by_id = RecordKey::id(id.clone());
    let (path, operation, record) = match dice.below(4) {
        0 => ("/contacts/contact".to_owned(), Operation::Create, None),
        1 => {
            let path = format!("/contacts/contact/vid/={id}/profile");
            (path, Operation::Update, Some(by_id))
        }
        2 => {
            let path = format!("/contacts/contact/email/={email}/profile");
            (path, Operation::Update, Some(by_email))
        }
        _ => {
            let path = format!("/contacts/contact/createOrUpdate/email/={email}");
            (path, Operation::Upsert, Some(by_email))
        }
    };
    let body = json!({"properties": pairs(&fields, "property")});
    let mut meant = mutation("contacts", operation, record);
    meant.fields = fields;
    Meant {
        method: "POST",
        target: placed(dice, &path),
        body: Some(body),
        mutations: vec![meant],
    }
}

pub(super) fn contact_rows(dice: &mut Dice) -> Meant {
    let (mut rows, mut mutations) = (Vec::new(), Vec::new());
    for (place, id) in dice.ids(6).into_iter().enumerate() {
        let fields = dice.fields();
        let mut row = json!({"properties": pairs(&fields, "property")});
        let by_email = dice.below(2) == 0;
        let (operation, record) = if by_email {
            let value = format!("p{id}@acme.example");
            row["email"] = json!(value);
            let key = "email".to_owned();
            (Operation::Upsert, RecordKey::External { key, value })
        } else {
            row["vid"] = dice.spelled(&id);
            (Operation::Update, RecordKey::id(id))
        };
        rows.push(row);
        let mut meant = mutation("contacts", operation, Some(record));
        (meant.fields, meant.row) = (fields, Some(format!("records[{place}]")));
        mutations.push(meant);
    }
    Meant {
        method: "POST",
        target: placed(dice, "/contacts/contact/batch"),
        body: Some(json!(rows)),
        mutations,
    }
}

pub(super) fn record(dice: &mut Dice) -> Meant {
    let (id, fields) = (dice.id(), dice.fields());
    let (object, root, bare) = dice.one(&[
        ("companies", "/companies/companies", false),
        ("deals", "/deals/deal", false),
        ("products", "/crm-objects/objects/=product", true),
        ("tickets", "/crm-objects/objects/=0-5", true),
    ]);
    let list = pairs(&fields, "name");
    let body = if bare {
        list
    } else {
        json!({ "properties": list })
    };
    let key = Some(RecordKey::id(id.clone()));
    let (method, path, body, mut meant) = match dice.below(3) {
        0 => (
            "POST",
            root.to_owned(),
            Some(body),
            mutation(object, Operation::Create, None),
        ),
        1 => (
            "PUT",
            format!("{root}/={id}"),
            Some(body),
            mutation(object, Operation::Update, key),
        ),
        _ => (
            "DELETE",
            format!("{root}/={id}"),
            None,
            mutation(object, Operation::Delete, key),
        ),
    };
    if body.is_some() {
        meant.fields = fields;
    }
    Meant {
        method,
        target: placed(dice, &path),
        body,
        mutations: vec![meant],
    }
}

pub(super) fn record_rows(dice: &mut Dice) -> Meant {
    let (object, path, how) = dice.one(&[
        ("companies", "/companies/batch-async/update", 0),
        ("deals", "/deals/batch-async/update", 0),
        (
            "line_items",
            "/crm-objects/objects/=LINE_ITEM/batch-update",
            0,
        ),
        ("products", "/crm-objects/objects/=products/batch-create", 1),
        ("tickets", "/crm-objects/objects/=tickets/batch-delete", 2),
    ]);
    let (mut rows, mut mutations) = (Vec::new(), Vec::new());
    for (place, id) in dice.ids(6).into_iter().enumerate() {
        let (fields, key) = (dice.fields(), Some(RecordKey::id(id.clone())));
        let list = pairs(&fields, "name");
        let mut meant = match how {
            0 => mutation(object, Operation::Update, key),
            1 => mutation(object, Operation::Create, None),
            _ => mutation(object, Operation::Delete, key),
        };
        rows.push(match how {
            0 => json!({"objectId": dice.spelled(&id), "properties": list}),
            1 => list,
            _ => dice.spelled(&id),
        });
        let at = if how == 2 { "ids" } else { "records" };
        meant.row = Some(format!("{at}[{place}]"));
        if how < 2 {
            meant.fields = fields;
        }
        mutations.push(meant);
    }
    Meant {
        method: "POST",
        target: placed(dice, path),
        body: Some(if how == 2 {
            json!({ "ids": rows })
        } else {
            json!(rows)
        }),
        mutations,
    }
}

pub(super) fn engagement(dice: &mut Dice) -> Meant {
    let (kind, object, member, property) = dice.one(&[
        ("NOTE", "notes", "body", "hs_note_body"),
        ("TASK", "tasks", "subject", "hs_task_subject"),
        ("CALL", "calls", "durationMilliseconds", "hs_call_duration"),
        ("MEETING", "meetings", "title", "hs_meeting_title"),
    ]);
    let value = dice.one(&["x", "y\u{e9}"]);
    let mut fields = Map::from_iter([(property.to_owned(), json!(value))]);
    let mut engagement = json!({ "type": kind });
    if dice.below(2) == 0 {
        engagement["ownerId"] = json!(7);
        fields.insert("hubspot_owner_id".into(), json!(7));
    }
    let mut body = json!({"engagement": engagement, "metadata": {member: value}});
    let id = dice.id();
    let key = Some(RecordKey::id(id.clone()));
    let (method, path, mut mutations) = if dice.below(2) == 0 {
        let path = format!("/engagements/engagements/={id}");
        let method = dice.one(&["PATCH", "PUT"]);
        (method, path, vec![mutation(object, Operation::Update, key)])
    } else {
        let create = mutation(object, Operation::Create, None);
        ("POST", "/engagements/engagements".to_owned(), vec![create])
    };
    mutations[0].fields = fields;
    if method == "POST" {
        let ids = dice.ids(3);
        body["associations"] = json!({ "dealIds": ids });
        for (place, far) in ids.into_iter().enumerate() {
            let row = Some(format!("associations.dealIds[{place}]"));
            let far = RecordKey::id(far);
            mutations.push(Mutation {
                row: row.clone(),
                others: vec![far.clone()],
                ..mutation(object, Operation::Associate, None)
            });
            let end = mutation("deals", Operation::Associate, Some(far));
            mutations.push(Mutation { row, ..end });
        }
    }
    Meant {
        method,
        target: placed(dice, &path),
        body: Some(body),
        mutations,
    }
}

pub(super) fn mail(dice: &mut Dice) -> Meant {
    let (email, fields) = (dice.email(), dice.fields());
    let (path, listed) = dice.one(&[
        ("/marketing/transactional/single-email/send", false),
        ("/marketing/email/single-send", false),
        ("/marketing/email-campaigns/single-send", false),
        ("/email/public/singleEmail/send", true),
    ]);
    let mut send = mutation("single-send", Operation::Send, None);
    send.fields = Map::from_iter([
        ("to".to_owned(), json!(email)),
        ("emailId".into(), json!(5)),
    ]);
    let mut body = json!({"emailId": 5, "message": {"to": email}});
    let mut mutations = vec![send];
    if !fields.is_empty() {
        body["contactProperties"] = match listed {
            true => pairs(&fields, "name"),
            false => Value::Object(fields.clone()),
        };
        let key = RecordKey::External {
            key: "email".into(),
            value: email,
        };
        let mut contact = mutation("contacts", Operation::Upsert, Some(key));
        (contact.fields, contact.undo) = (fields, Undo::Partial);
        mutations.push(contact);
    }
    Meant {
        method: "POST",
        target: placed(dice, path),
        body: Some(body),
        mutations,
    }
}

/// A form's submission: the send, and the contact at the address among its fields.
pub(super) fn form(dice: &mut Dice) -> Meant {
    let (email, fields) = (dice.email(), dice.fields());
    let path = dice.one(&[
        "/submissions/integration/submit/=4711/=a1b2",
        "/submissions/integration/secure/submit/=4711/=a1b2",
    ]);
    let mut rows = vec![json!({"name": "email", "value": email})];
    for (name, value) in &fields {
        let mut row = json!({"name": name, "value": value});
        if dice.below(2) == 0 {
            row["objectTypeId"] = json!("0-1");
        }
        // the address stands anywhere among them
        rows.insert(dice.below(rows.len() + 1), row);
    }
    let mut written: Map<String, Value> = Map::new();
    for row in &rows {
        let name = row["name"].as_str().unwrap();
        if name != "email" {
            written.insert(name.to_owned(), row["value"].clone());
        }
    }
    let mut send = mutation("form-submissions", Operation::Send, None);
    let mut body = json!({ "fields": rows });
    if dice.below(2) == 0 {
        let context = json!({"pageUri": "https://acme.example", "hutk": "x"});
        body["context"] = context.clone();
        send.fields.insert("context".to_owned(), context);
    }
    let key = RecordKey::External {
        key: "email".into(),
        value: email,
    };
    let mut contact = mutation("contacts", Operation::Upsert, Some(key));
    (contact.fields, contact.undo) = (written, Undo::Partial);
    Meant {
        method: "POST",
        target: placed(dice, path),
        body: Some(body),
        mutations: vec![send, contact],
    }
}
