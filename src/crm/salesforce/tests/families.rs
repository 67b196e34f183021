//! Intended writes, written in every family and encoding that is taken apart, and read back: none is
//! missed, none is invented.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use super::generated::{
    Intended, Spelling, intended, members, row, spelled_id, spelled_object, spelling, text,
};
use super::*;
use crate::mutation::RecordKey;

const DATA: &str = "/services/data/v61.0";

/// In CI; with `WRITEGATE_LONG` a hundred times as many.
const SETS: u32 = 10_000;

/// How a set is written.
#[derive(Clone, Copy, Debug)]
enum Written {
    Composite,
    Batch,
    Graph,
    Tree,
    UiBatch,
    UiRecord,
    GraphQl,
}

const ALL: [Written; 7] = [
    Written::Composite,
    Written::Batch,
    Written::Graph,
    Written::Tree,
    Written::UiBatch,
    Written::UiRecord,
    Written::GraphQl,
];

impl Written {
    /// Whether the family can say this.
    fn takes(self, one: &Intended) -> bool {
        let by_id = !matches!(one.key, Some(RecordKey::External { .. }));
        let plain = match &one.key {
            Some(RecordKey::External { value, .. }) => {
                value.bytes().all(|byte| byte.is_ascii_alphanumeric())
            }
            _ => true,
        };
        // what begins like a reference is one, where there are some
        let refers = |value: &Value| value.as_str().is_some_and(|text| text.contains("@{"));
        if one.fields.values().any(refers) {
            return false;
        }
        match self {
            Self::Composite | Self::Batch | Self::Graph => plain,
            Self::Tree => one.operation == Operation::Create,
            Self::UiBatch | Self::UiRecord | Self::GraphQl => by_id,
        }
    }
}

/// A sub-request of a row; its url begins with the version or the whole path.
fn sub(one: &Intended, spelling: &Spelling) -> (String, String, Option<String>) {
    let spelling = Spelling {
        doubled_slash: false,
        ..spelling.clone()
    };
    let (method, target, body) = row(one, &spelling);
    (method.into(), target, (!body.is_empty()).then_some(body))
}

fn composite(set: &[Intended], spelling: &Spelling) -> String {
    let parts: Vec<String> = set
        .iter()
        .enumerate()
        .map(|(at, one)| {
            let (method, url, body) = sub(one, spelling);
            let body = body.map_or_else(String::new, |body| format!(",\"body\":{body}"));
            format!(
                "{{\"referenceId\":\"r{at}\",\"method\":{},\"url\":{}{body}}}",
                text(&method, spelling),
                text(&url, spelling)
            )
        })
        .collect();
    format!("\"compositeRequest\":[{}]", parts.join(" ,"))
}

fn batch(set: &[Intended], spelling: &Spelling) -> String {
    let parts: Vec<String> = set
        .iter()
        .map(|one| {
            let (method, url, body) = sub(one, spelling);
            let url = if spelling.upper_id_name {
                url
            } else {
                url.trim_start_matches("/services/data/").to_owned()
            };
            let body = body.map_or_else(String::new, |body| format!(",\"richInput\":{body}"));
            format!(
                "{{\"method\":\"{method}\",\"url\":{}{body}}}",
                text(&url, spelling)
            )
        })
        .collect();
    format!(
        "{{\"haltOnError\":true,\"batchRequests\":[{}]}}",
        parts.join(",")
    )
}

fn graph(set: &[Intended], spelling: &Spelling) -> String {
    let size = if spelling.reversed { 1 } else { 3 };
    let graphs: Vec<String> = set
        .chunks(size)
        .enumerate()
        .map(|(at, part)| format!("{{\"graphId\":\"g{at}\",{}}}", composite(part, spelling)))
        .collect();
    format!("{{\"graphs\":[{}]}}", graphs.join(","))
}

fn tree(set: &[Intended], spelling: &Spelling) -> String {
    let records: Vec<String> = set
        .iter()
        .enumerate()
        .map(|(at, one)| {
            let object = text(&spelled_object(one.object, spelling), spelling);
            let attributes = format!("{{\"type\":{object},\"referenceId\":\"r{at}\"}}");
            members(one, vec![("attributes".into(), attributes)], spelling)
        })
        .collect();
    format!("{{\"records\":[{}]}}", records.join(","))
}

/// `{"apiName", "fields"}`, the record's id among the fields where `with_id`.
fn ui(one: &Intended, with_id: bool, spelling: &Spelling) -> String {
    let object = text(&spelled_object(one.object, spelling), spelling);
    let mut further = Vec::new();
    if let (true, Some(RecordKey::Id { id })) = (with_id, &one.key) {
        further.push(("Id".to_owned(), text(spelled_id(id, spelling), spelling)));
    }
    let fields = members(one, further, spelling);
    format!("{{\"apiName\":{object},\"fields\":{fields}}}")
}

/// The word for a create, a delete, an update.
fn kind(operation: Operation, [create, delete, update]: [&'static str; 3]) -> &'static str {
    if operation == Operation::Create {
        create
    } else if operation == Operation::Delete {
        delete
    } else {
        update
    }
}

fn ui_batch(set: &[Intended], spelling: &Spelling) -> String {
    let operations: Vec<String> = set
        .iter()
        .map(|one| {
            let kind = kind(one.operation, ["Create", "delete", "UPDATE"]);
            format!(
                "{{\"type\":\"{kind}\",\"records\":[{}]}}",
                ui(one, true, spelling)
            )
        })
        .collect();
    format!("{{\"operations\":[{}]}}", operations.join(","))
}

/// A value as a GraphQL literal.
fn literal(value: &Value, spelling: &Spelling) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), |plain| text(plain, spelling))
}

/// A document: each mutation under an alias, in the open or in a fragment, its input in the open or in
/// a variable, beside one that is skipped.
fn graphql(set: &[Intended], spelling: &Spelling) -> String {
    let (mut fields, mut variables) = (Vec::new(), Vec::new());
    for (at, one) in set.iter().enumerate() {
        let kind = kind(one.operation, ["Create", "Delete", "Update"]);
        let id = match &one.key {
            Some(RecordKey::Id { id }) => Some(spelled_id(id, spelling)),
            _ => None,
        };
        let input = if spelling.upper_id_name && one.operation != Operation::Delete {
            variables.push((format!("v{at}"), Value::Object(one.fields.clone())));
            id.map_or_else(String::new, |id| format!("Id: \"{id}\", "))
                + &format!("{}: $v{at}", one.object)
        } else {
            let members: Vec<String> = one
                .fields
                .iter()
                .map(|(name, value)| format!("{name}: {}", literal(value, spelling)))
                .collect();
            let of_object = format!("{}: {{{}}}", one.object, members.join(" "));
            match (id, one.operation) {
                (Some(id), Operation::Delete) => format!("Id: \"{id}\""),
                (Some(id), _) => format!("{of_object} Id: \"{id}\""),
                (None, _) => of_object,
            }
        };
        fields.push(format!(
            "a{at}: {}{kind}(input: {{{input}}}) @include(if: $yes) {{ success: __typename }}",
            one.object
        ));
    }
    let skipped =
        "no: AccountDelete(input: {Id: \"001000000000009\"}) @skip(if: true) { Id }".to_owned();
    fields.push(skipped);
    let declared: String = variables
        .iter()
        .map(|(name, _)| format!(", ${name}: Input!"))
        .collect();
    let all = fields.join("\n# a comment, with } in it\n");
    let (body, fragment) = if spelling.with_attributes {
        (
            "...F".to_owned(),
            format!("fragment F on UIAPIMutations {{ {all} }}"),
        )
    } else if spelling.reversed {
        (format!("... on UIAPIMutations {{ {all} }}"), String::new())
    } else {
        (all, String::new())
    };
    let document = format!(
        "mutation M($yes: Boolean = true{declared}) {{ uiapi(input: {{allOrNone: false}}) \
         {{ {body} }} }} {fragment}"
    );
    let variables: Value = Value::Object(variables.into_iter().collect());
    format!(
        "{{\"query\":{},\"variables\":{variables},\"operationName\":\"M\"}}",
        text(&document, spelling)
    )
}

fn request(written: Written, set: &[Intended], spelling: &Spelling) -> (String, String, String) {
    let post = |path: &str, body: String| ("POST".to_owned(), format!("{DATA}{path}"), body);
    match written {
        Written::Composite => {
            let body = format!("{{\"allOrNone\":true,{}}}", composite(set, spelling));
            post("/composite", body)
        }
        Written::Batch => post("/composite/batch", batch(set, spelling)),
        Written::Graph => post("/composite/graph", graph(set, spelling)),
        Written::Tree => {
            let path = format!(
                "/composite/tree/{}",
                spelled_object(set[0].object, spelling)
            );
            post(&path, tree(set, spelling))
        }
        Written::UiBatch => post("/ui-api/records/batch", ui_batch(set, spelling)),
        Written::UiRecord => match (&set[0].key, set[0].operation) {
            (Some(RecordKey::Id { id }), operation) => {
                let id = spelled_id(id, spelling);
                let deletes = operation == Operation::Delete;
                (
                    if deletes { "DELETE" } else { "PATCH" }.to_owned(),
                    format!("{DATA}/ui-api/records/{id}"),
                    if deletes {
                        String::new()
                    } else {
                        ui(&set[0], false, spelling)
                    },
                )
            }
            _ => post("/ui-api/records", ui(&set[0], false, spelling)),
        },
        Written::GraphQl => post("/graphql", graphql(set, spelling)),
    }
}

/// The part of a set that a family can say, each record once.
fn fitting(written: Written, set: Vec<Intended>) -> Vec<Intended> {
    let mut keys = std::collections::HashSet::new();
    let mut left: Vec<Intended> = set
        .into_iter()
        .filter(|one| written.takes(one))
        .filter(|one| match &one.key {
            Some(key) => keys.insert(key.to_string().to_lowercase()),
            None => true,
        })
        .collect();
    match written {
        Written::Tree => {
            let first = left.first().map(|one| one.object);
            left.retain(|one| Some(one.object) == first);
        }
        Written::UiRecord => left.truncate(1),
        Written::Composite
        | Written::Batch
        | Written::Graph
        | Written::UiBatch
        | Written::GraphQl => {}
    }
    left
}

#[test]
fn what_is_meant_is_read_in_every_family() {
    let long = std::env::var_os("WRITEGATE_LONG").is_some();
    let cases = if long { SETS * 100 } else { SETS };
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::with_cases(cases)
    });
    let family = prop::sample::select(ALL.to_vec());
    let sets = proptest::collection::vec(intended(), 1..8);
    let count = std::cell::Cell::new(0_usize);
    runner
        .run(&(family, sets, spelling()), |(written, set, spelling)| {
            let meant = fitting(written, set);
            if meant.is_empty() {
                return Ok(());
            }
            let (method, target, body) = request(written, &meant, &spelling);
            let read = mutations(&method, &target, &body);
            prop_assert_eq!(read.len(), meant.len(), "{:?}", written);
            for (read, meant) in read.iter().zip(&meant) {
                let same = read.object == meant.object
                    && read.operation == meant.operation
                    && read.record == meant.key
                    && read.fields == meant.fields;
                prop_assert!(same, "{:?} {:?} {:?}", written, read, meant);
            }
            count.set(count.get() + read.len());
            Ok(())
        })
        .unwrap();
    println!(
        "{cases} change sets, {} mutations; missed or invented 0",
        count.get()
    );
}
