//! Intended mutations, written as requests in every way that HubSpot takes, are what is parsed.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::Request;
use crate::mutation::{ChangeSet, Mutation, Operation, RecordKey, Undo};

/// A type, the names it goes by, and an association type that starts at it with where that leads.
const OBJECTS: [(&str, [&str; 4], u64, &str); 4] = [
    (
        "contacts",
        ["contacts", "contact", "0-1", "CONTACTS"],
        279,
        "companies",
    ),
    ("deals", ["deals", "deal", "0-3", "Deal"], 3, "contacts"),
    ("notes", ["notes", "note", "0-46", "NOTE"], 202, "contacts"),
    (
        "line_items",
        ["line_items", "line_item", "0-8", "LINE_ITEMS"],
        20,
        "deals",
    ),
];

const ROOTS: [&str; 4] = [
    "crm/v3/objects",
    "crm/objects/v3",
    "crm/objects/2026-03",
    "crm/objects/2026-09-beta",
];

/// One record as somebody intends to write it.
#[derive(Clone, Debug)]
struct Intent {
    id: u64,
    external: Option<(String, String)>,
    fields: BTreeMap<String, Value>,
    links: BTreeSet<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Call {
    Create,
    Update,
    Archive,
    BatchCreate,
    BatchUpdate,
    BatchUpsert,
    BatchArchive,
    Merge,
    Purge,
}

/// Keys hold no `%`: in a path it may look encoded twice, which the canonical path refuses.
fn intents() -> impl Strategy<Value = Vec<Intent>> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[^;\\s\\p{Cc}].{0,12}".prop_map(Value::from),
        Just(Value::from("")),
    ];
    let external = prop::option::of(("[a-z][a-z0-9_]{2,8}", "[a-zA-Z0-9@. +&=\u{e9}]{1,12}"));
    let intent = (
        1..u64::MAX,
        external,
        prop::collection::btree_map("[a-z][a-z0-9_]{0,8}", value, 0..5),
        prop::collection::btree_set(1..u64::MAX, 0..3),
    );
    let intent = intent.prop_map(|(id, external, fields, links)| {
        let external = external.map(|(key, value)| (format!("k{key}"), format!("v{value}v")));
        Intent {
            id,
            external,
            fields,
            links,
        }
    });
    prop::collection::vec(intent, 1..6).prop_map(|intents| {
        let (mut ids, mut keys) = (BTreeSet::new(), BTreeSet::new());
        let distinct = |intent: &Intent| {
            let key = intent
                .external
                .clone()
                .map(|(key, value)| (key, value.to_lowercase()));
            ids.insert(intent.id) && key.is_none_or(|key| keys.insert(key))
        };
        intents.into_iter().filter(distinct).collect()
    })
}

fn calls() -> impl Strategy<Value = Call> {
    prop::sample::select(vec![
        Call::Create,
        Call::Update,
        Call::Archive,
        Call::BatchCreate,
        Call::BatchUpdate,
        Call::BatchUpsert,
        Call::BatchArchive,
        Call::Merge,
        Call::Purge,
    ])
}

impl Intent {
    fn key(&self) -> RecordKey {
        match &self.external {
            Some((key, value)) => RecordKey::External {
                key: key.clone(),
                value: value.clone(),
            },
            None => RecordKey::id(self.id.to_string()),
        }
    }

    fn upsert_key(&self) -> (String, String) {
        self.external
            .clone()
            .unwrap_or_else(|| ("kext".into(), format!("e{}", self.id)))
    }

    fn links_json(&self, type_id: u64) -> Value {
        let link = |id: &u64| {
            let kind =
                json!({"associationTypeId": type_id, "associationCategory": "HUBSPOT_DEFINED"});
            json!({"to": {"id": id.to_string()}, "types": [kind]})
        };
        self.links.iter().map(link).collect()
    }

    fn properties(&self) -> Value {
        Value::Object(self.fields.clone().into_iter().collect())
    }
}

/// The request of one call over the intents, and what it changes.
struct Written {
    method: &'static str,
    /// After the type.
    rest: String,
    body: Option<Value>,
    mutations: Vec<Mutation>,
}

fn mutation(object: &str, operation: Operation, record: Option<RecordKey>) -> Mutation {
    Mutation {
        object: object.to_owned(),
        operation,
        record,
        fields: Map::new(),
        row: None,
        undo: Undo::Full,
        others: Vec::new(),
    }
}

fn with_fields(mut mutation: Mutation, intent: &Intent, row: Option<String>) -> Mutation {
    mutation.fields = intent.fields.clone().into_iter().collect();
    mutation.row = row;
    mutation
}

fn creates(object: usize, intent: &Intent, row: Option<&str>) -> Vec<Mutation> {
    let (name, _, _, far) = OBJECTS[object];
    let create = mutation(name, Operation::Create, None);
    let mut all = vec![with_fields(create, intent, row.map(str::to_owned))];
    for (place, id) in intent.links.iter().enumerate() {
        let at = row.map_or(String::new(), |row| format!("{row}."));
        let row = Some(format!("{at}associations[{place}]"));
        let other = RecordKey::id(id.to_string());
        let near = mutation(name, Operation::Associate, None);
        all.push(Mutation {
            row: row.clone(),
            others: vec![other.clone()],
            ..near
        });
        all.push(Mutation {
            row,
            ..mutation(far, Operation::Associate, Some(other))
        });
    }
    all
}

fn write(call: Call, object: usize, intents: &[Intent]) -> Written {
    match call {
        Call::Create | Call::Update | Call::Archive => single(call, object, &intents[0]),
        Call::Merge => merge(object, &intents[0]),
        Call::Purge => purge(object, &intents[0]),
        Call::BatchCreate | Call::BatchUpdate | Call::BatchUpsert | Call::BatchArchive => {
            batch(call, object, intents)
        }
    }
}

fn create(object: usize, intent: &Intent) -> Value {
    let links = intent.links_json(OBJECTS[object].2);
    json!({"properties": intent.properties(), "associations": links})
}

fn single(call: Call, object: usize, intent: &Intent) -> Written {
    let name = OBJECTS[object].0;
    match (call, &intent.external) {
        (Call::Create, _) => Written {
            method: "POST",
            rest: String::new(),
            body: Some(create(object, intent)),
            mutations: creates(object, intent, None),
        },
        (Call::Update, external) => {
            let rest = match external {
                Some((key, value)) => {
                    format!("/{}?idProperty={}", percent(value), key.to_uppercase())
                }
                None => format!("/{}", intent.id),
            };
            let update = mutation(name, Operation::Update, Some(intent.key()));
            Written {
                method: "PATCH",
                rest,
                body: Some(json!({"properties": intent.properties()})),
                mutations: vec![with_fields(update, intent, None)],
            }
        }
        _ => Written {
            method: "DELETE",
            rest: format!("/{}", intent.id),
            body: None,
            mutations: vec![deletion(name, intent, None)],
        },
    }
}

fn deletion(name: &str, intent: &Intent, row: Option<String>) -> Mutation {
    let id = RecordKey::id(intent.id.to_string());
    Mutation {
        row,
        undo: Undo::Partial,
        ..mutation(name, Operation::Delete, Some(id))
    }
}

fn batch(call: Call, object: usize, intents: &[Intent]) -> Written {
    let name = OBJECTS[object].0;
    let mut inputs = Vec::new();
    let mut mutations = Vec::new();
    for (place, intent) in intents.iter().enumerate() {
        let row = format!("inputs[{place}]");
        let properties = intent.properties();
        match (call, &intent.external) {
            (Call::BatchCreate, _) => {
                inputs.push(create(object, intent));
                mutations.extend(creates(object, intent, Some(&row)));
            }
            (Call::BatchUpdate, external) => {
                inputs.push(match external {
                    Some((key, value)) => {
                        json!({"properties": properties, "idProperty": key, "id": value})
                    }
                    None => json!({"id": intent.id.to_string(), "properties": properties}),
                });
                let update = mutation(name, Operation::Update, Some(intent.key()));
                mutations.push(with_fields(update, intent, Some(row)));
            }
            (Call::BatchUpsert, _) => {
                let (key, value) = intent.upsert_key();
                inputs.push(json!({"id": value, "idProperty": key, "properties": properties}));
                let record = RecordKey::External { key, value };
                let upsert = mutation(name, Operation::Upsert, Some(record));
                mutations.push(with_fields(upsert, intent, Some(row)));
            }
            _ => {
                inputs.push(json!({"id": intent.id}));
                mutations.push(deletion(name, intent, Some(row)));
            }
        }
    }
    let rest = match call {
        Call::BatchCreate => "/batch/create",
        Call::BatchUpdate => "/batch/update",
        Call::BatchUpsert => "/batch/upsert",
        Call::BatchArchive
        | Call::Create
        | Call::Update
        | Call::Archive
        | Call::Merge
        | Call::Purge => "/batch/archive",
    };
    let body = Some(json!({ "inputs": inputs }));
    Written {
        method: "POST",
        rest: rest.to_owned(),
        body,
        mutations,
    }
}

fn merge(object: usize, intent: &Intent) -> Written {
    let (survivor, loser) = (
        intent.id.to_string(),
        intent.id.wrapping_add(1).max(1).to_string(),
    );
    let name = OBJECTS[object].0;
    let merge = mutation(
        name,
        Operation::Merge,
        Some(RecordKey::id(survivor.clone())),
    );
    Written {
        method: "POST",
        rest: "/merge".into(),
        body: Some(json!({"objectIdToMerge": loser, "primaryObjectId": survivor})),
        mutations: vec![
            Mutation {
                undo: Undo::None,
                others: vec![RecordKey::id(loser.clone())],
                ..merge
            },
            Mutation {
                undo: Undo::None,
                ..mutation(name, Operation::Delete, Some(RecordKey::id(loser)))
            },
        ],
    }
}

fn purge(object: usize, intent: &Intent) -> Written {
    let body = match &intent.external {
        Some((key, value)) => json!({"idProperty": key, "objectId": value}),
        None => json!({"objectId": intent.id.to_string()}),
    };
    let purge = mutation(OBJECTS[object].0, Operation::Purge, Some(intent.key()));
    Written {
        method: "POST",
        rest: "/gdpr-delete".into(),
        body: Some(body),
        mutations: vec![Mutation {
            undo: Undo::None,
            ..purge
        }],
    }
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Prints a document in one of the many ways of JSON: members turned around, characters escaped, white
/// space, the case of property names.
struct Printer<'a>(std::iter::Cycle<std::slice::Iter<'a, u8>>);

impl Printer<'_> {
    fn bit(&mut self) -> bool {
        self.0.next().is_some_and(|byte| byte % 3 == 0)
    }

    fn print(&mut self, value: &Value, fold: bool, out: &mut String) {
        if self.bit() {
            out.push_str(" \n");
        }
        match value {
            Value::String(text) => self.string(text, out),
            Value::Array(elements) => {
                out.push('[');
                for (place, element) in elements.iter().enumerate() {
                    out.push_str(if place > 0 { "," } else { "" });
                    self.print(element, false, out);
                }
                out.push(']');
            }
            Value::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                if self.bit() {
                    members.reverse();
                }
                out.push('{');
                for (place, (name, value)) in members.into_iter().enumerate() {
                    out.push_str(if place > 0 { "," } else { "" });
                    let upper = fold && self.bit();
                    self.string(
                        &if upper {
                            name.to_uppercase()
                        } else {
                            name.clone()
                        },
                        out,
                    );
                    out.push(':');
                    self.print(value, name == "properties", out);
                }
                out.push('}');
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
        }
    }

    fn string(&mut self, text: &str, out: &mut String) {
        out.push('"');
        for character in text.chars() {
            let must = character.is_control() || ['"', '\\'].contains(&character);
            if must || self.bit() {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            } else {
                out.push(character);
            }
        }
        out.push('"');
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn what_was_intended_is_what_is_parsed(
        call in calls(),
        object in 0..OBJECTS.len(),
        spelling in 0..4_usize,
        root in prop::sample::select(ROOTS.to_vec()),
        slash in any::<bool>(),
        intents in intents(),
        noise in prop::collection::vec(any::<u8>(), 1..64),
    ) {
        let written = write(call, object, &intents);
        let mut body = String::new();
        if let Some(document) = &written.body {
            Printer(noise.iter().cycle()).print(document, false, &mut body);
        }
        let name = OBJECTS[object].1[spelling];
        let (path, query) = written.rest.split_once('?').unwrap_or((&written.rest, ""));
        let end = if slash { "/" } else { "" };
        let target = format!("/{root}/{name}{path}{end}?{query}");
        let parsed = Request::new(written.method, &target, body.clone()).parse();
        prop_assert_eq!(parsed, Ok(ChangeSet::Mutations(written.mutations)), "{} {}", target, body);
    }

    #[test]
    fn any_body_gives_an_answer(body in ".{0,80}", call in calls()) {
        let path = match call {
            Call::Create => "/crm/v3/objects/contacts",
            Call::Merge => "/crm/v3/objects/contacts/merge",
            Call::Purge => "/crm/v3/objects/contacts/gdpr-delete",
            Call::BatchCreate => "/crm/v3/objects/contacts/batch/create",
            Call::BatchUpsert => "/crm/v3/objects/contacts/batch/upsert",
            Call::BatchUpdate | Call::Update => "/crm/v3/objects/contacts/batch/update",
            Call::BatchArchive | Call::Archive => "/crm/v3/objects/contacts/batch/archive",
        };
        let request = Request { body: body.into(), ..Request::new("POST", path, "{}") };
        if let Ok(ChangeSet::Mutations(mutations)) = request.parse() {
            prop_assert!(!mutations.is_empty());
        }
    }
}
