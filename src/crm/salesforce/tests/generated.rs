//! Intended writes, written as requests in all the ways that clients may, and read back.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;
use crate::crm::salesforce::types;
use crate::mutation::{RecordKey, Undo};

/// One intended write: object, record, fields.
#[derive(Clone, Debug)]
pub(super) struct Intended {
    pub(super) object: &'static str,
    pub(super) operation: Operation,
    pub(super) key: Option<RecordKey>,
    pub(super) fields: Map<String, Value>,
}

/// How the intention is spelled.
#[derive(Clone, Debug)]
pub(super) struct Spelling {
    pub(super) short_ids: bool,
    pub(super) upper_object: bool,
    pub(super) reversed: bool,
    pub(super) escaped: bool,
    pub(super) upper_id_name: bool,
    pub(super) with_attributes: bool,
    pub(super) doubled_slash: bool,
    pub(super) overridden: bool,
}

pub(super) fn spelling() -> impl Strategy<Value = Spelling> {
    proptest::collection::vec(any::<bool>(), 8).prop_map(|bits| Spelling {
        short_ids: bits[0],
        upper_object: bits[1],
        reversed: bits[2],
        escaped: bits[3],
        upper_id_name: bits[4],
        with_attributes: bits[5],
        doubled_slash: bits[6],
        overridden: bits[7],
    })
}

fn object() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "Account",
        "Contact",
        "Lead",
        "Opportunity",
        "Case",
        "Task",
    ])
}

fn id_of(object: &str, tail: &str) -> String {
    let prefix = types::by_name(object).unwrap().prefix;
    id::canonical(&format!("{prefix}{tail}")).unwrap()
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        "[\"\\\\/\n\u{1F600}é]{0,5}".prop_map(Value::from),
    ]
}

fn fields() -> impl Strategy<Value = Map<String, Value>> {
    proptest::collection::vec(("[A-Z][a-z]{2,6}(__c)?", value()), 0..5).prop_map(|pairs| {
        let mut fields = Map::new();
        for (name, value) in pairs {
            let taken = fields
                .keys()
                .any(|known: &String| known.eq_ignore_ascii_case(&name));
            if !taken && !name.eq_ignore_ascii_case("Ext__c") {
                fields.insert(name, value);
            }
        }
        fields
    })
}

pub(super) fn intended() -> impl Strategy<Value = Intended> {
    let key = prop_oneof![
        "[0-9A-Za-z]{12}".prop_map(Ok),
        "[!-~]{1,8}".prop_map(Err),
        "[a-zé€]{1,4}".prop_map(Err),
    ];
    (object(), key, 0..4_u8, fields()).prop_map(|(object, key, what, fields)| {
        let external = |value: String| RecordKey::External {
            key: "Ext__c".into(),
            value,
        };
        let (operation, key, fields) = match (what, key) {
            (0, _) => (Operation::Create, None, fields),
            (1, Ok(tail)) => (
                Operation::Delete,
                Some(RecordKey::id(id_of(object, &tail))),
                Map::new(),
            ),
            (_, Ok(tail)) => (
                Operation::Update,
                Some(RecordKey::id(id_of(object, &tail))),
                fields,
            ),
            (_, Err(value)) => (Operation::Upsert, Some(external(value)), fields),
        };
        Intended {
            object,
            operation,
            key,
            fields,
        }
    })
}

pub(super) fn text(value: &str, spelling: &Spelling) -> String {
    if !spelling.escaped {
        return Value::from(value).to_string();
    }
    let units: String = value
        .encode_utf16()
        .map(|unit| format!("\\u{unit:04X}"))
        .collect();
    format!("\"{units}\"")
}

pub(super) fn spelled_object(object: &str, spelling: &Spelling) -> String {
    if spelling.upper_object {
        object.to_ascii_uppercase()
    } else {
        object.to_owned()
    }
}

pub(super) fn spelled_id<'a>(id: &'a str, spelling: &Spelling) -> &'a str {
    if spelling.short_ids {
        id.split_at(15).0
    } else {
        id
    }
}

/// A JSON object with the fields and the further members, in the chosen order.
pub(super) fn members(
    intended: &Intended,
    further: Vec<(String, String)>,
    spelling: &Spelling,
) -> String {
    let mut all: Vec<(String, String)> = intended
        .fields
        .iter()
        .map(|(name, value)| {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), |plain| text(plain, spelling));
            (name.clone(), value)
        })
        .chain(further)
        .collect();
    if spelling.reversed {
        all.reverse();
    }
    let members: Vec<String> = all
        .iter()
        .map(|(name, value)| format!("{} : {value}", text(name, spelling)))
        .collect();
    format!("{{\n{}}}", members.join(",\t"))
}

fn escaped(segment: &str) -> String {
    segment.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// The intention as a request of its own.
pub(super) fn row(intended: &Intended, spelling: &Spelling) -> (&'static str, String, String) {
    let slash = if spelling.doubled_slash { "/" } else { "" };
    let object = spelled_object(intended.object, spelling);
    let mut target = format!("{slash}/services/data/v61.0/sobjects/{object}");
    match &intended.key {
        None => {}
        Some(RecordKey::Id { id }) => target += &format!("/{}", spelled_id(id, spelling)),
        Some(RecordKey::External { key, value }) => target += &format!("/{key}/{}", escaped(value)),
    }
    let method = if intended.operation == Operation::Create {
        "POST"
    } else if intended.operation == Operation::Delete {
        "DELETE"
    } else if spelling.overridden {
        target += "?_HttpMethod=PATCH";
        "POST"
    } else {
        "PATCH"
    };
    let mut further = Vec::new();
    if spelling.with_attributes {
        further.push((
            "attributes".into(),
            format!("{{\"type\":{}}}", text(&object, spelling)),
        ));
    }
    let body = if intended.operation == Operation::Delete {
        String::new()
    } else {
        members(intended, further, spelling)
    };
    (method, target, body)
}

/// Intentions of one kind as one collections request.
fn collection(all: &[Intended], spelling: &Spelling) -> (&'static str, String, String) {
    let base = "/services/data/v61.0/composite/sobjects".to_owned();
    let first = &all[0];
    if first.operation == Operation::Delete {
        let ids: Vec<&str> = all
            .iter()
            .filter_map(|one| match &one.key {
                Some(RecordKey::Id { id }) => Some(spelled_id(id, spelling)),
                _ => None,
            })
            .collect();
        return (
            "DELETE",
            format!("{base}?ids={}", ids.join(",")),
            String::new(),
        );
    }
    let rows: Vec<String> = all
        .iter()
        .map(|one| {
            let object = text(&spelled_object(one.object, spelling), spelling);
            let mut further = vec![("attributes".to_owned(), format!("{{\"type\":{object}}}"))];
            let id_name = if spelling.upper_id_name { "Id" } else { "id" };
            match &one.key {
                None => {}
                Some(RecordKey::Id { id }) => {
                    further.push((id_name.into(), text(spelled_id(id, spelling), spelling)));
                }
                Some(RecordKey::External { key, value }) => {
                    further.push((key.to_ascii_uppercase(), text(value, spelling)));
                }
            }
            members(one, further, spelling)
        })
        .collect();
    let body = format!("{{\"allOrNone\":false,\"records\":[{}]}}", rows.join(","));
    if first.operation == Operation::Create {
        ("POST", base, body)
    } else if first.operation == Operation::Upsert {
        ("PATCH", format!("{base}/{}/Ext__c", first.object), body)
    } else {
        ("PATCH", base, body)
    }
}

/// What the intention must be read as; fields in any order.
pub(super) fn agree(read: &Mutation, meant: &Intended, row: Option<&str>) {
    assert_eq!(read.object, meant.object);
    assert_eq!(read.operation, meant.operation);
    assert_eq!(read.record, meant.key);
    assert_eq!(read.row.as_deref(), row);
    assert_eq!(
        read.undo == Undo::Partial,
        meant.operation == Operation::Delete
    );
    assert_eq!(read.fields.len(), meant.fields.len());
    for (name, value) in &meant.fields {
        assert_eq!(read.fields.get(name), Some(value), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn one_row_is_read_as_it_was_meant(meant in intended(), spelling in spelling()) {
        let (method, target, body) = row(&meant, &spelling);
        let readable = match &meant.key {
            Some(RecordKey::External { value, .. }) => {
                CanonicalPath::parse(&format!("/{}", escaped(value))).is_ok()
                    && ![".json", ".xml"].iter().any(|end| value.to_lowercase().ends_with(end))
            }
            _ => true,
        };
        if readable {
            let read = mutations(method, &target, &body);
            prop_assert_eq!(read.len(), 1);
            agree(&read[0], &meant, None);
        } else {
            prop_assert!(judge(method, &target, &body).is_refused());
        }
    }

    #[test]
    fn a_collection_is_read_as_it_was_meant(
        all in proptest::collection::vec(intended(), 1..12),
        spelling in spelling(),
    ) {
        let first = all[0].clone();
        let same: Vec<Intended> = all
            .into_iter()
            .filter(|one| one.operation == first.operation)
            .filter(|one| first.operation != Operation::Upsert || one.object == first.object)
            .collect();
        let (method, target, body) = collection(&same, &spelling);
        let mut keys: Vec<String> = same
            .iter()
            .filter_map(|one| match &one.key {
                Some(RecordKey::Id { id }) => Some(id.clone()),
                Some(RecordKey::External { value, .. }) => Some(value.to_lowercase()),
                None => None,
            })
            .collect();
        let count = keys.len();
        keys.sort();
        keys.dedup();
        if keys.len() < count {
            prop_assert!(matches!(judge(method, &target, &body), Judged::Malformed(_)));
        } else {
            let read = mutations(method, &target, &body);
            prop_assert_eq!(read.len(), same.len());
            let place = if first.operation == Operation::Delete { "ids" } else { "records" };
            for (at, (one, meant)) in read.iter().zip(&same).enumerate() {
                agree(one, meant, Some(&format!("{place}[{at}]")));
            }
        }
    }

    #[test]
    fn no_bytes_make_a_read_or_a_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let headers = header_map(&[("content-type", "application/json")]);
        for (method, target) in [
            ("PATCH", "/services/data/v66.0/sobjects/Account/001000000000001AAA"),
            ("PATCH", "/services/data/v66.0/composite/sobjects"),
        ] {
            prop_assert!(judge_with(method, target, &headers, &body) != Judged::Read);
        }
    }
}
