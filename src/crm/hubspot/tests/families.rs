//! Random changes, written in every family and encoding that HubSpot takes, are what is parsed: nothing
//! is missed and nothing invented.

mod links;
mod records;

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::Request;
use crate::mutation::{ChangeSet, Mutation, Operation, RecordKey, Undo};

/// A small generator of its own (`SplitMix64`), so that a failing seed can be run again.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn id(&mut self) -> String {
        (1 + self.next() % 99_999_999_999).to_string()
    }

    /// Different ids.
    fn ids(&mut self, most: usize) -> Vec<String> {
        let mut ids: Vec<String> = (0..=self.below(most)).map(|_| self.id()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn email(&mut self) -> String {
        format!(
            "p{}@{}.example",
            self.below(1_000_000),
            self.one(&["acme", "x-y"])
        )
    }

    fn fields(&mut self) -> Map<String, Value> {
        let names = ["jobtitle", "city", "amount", "a_1", "z9"];
        let mut fields = Map::new();
        for name in names.into_iter().take(self.below(names.len() + 1)) {
            let value = match self.below(5) {
                0 => Value::Null,
                1 => json!(self.next() % 1_000),
                2 => json!(self.below(2) == 0),
                3 => json!(""),
                _ => json!(self.one(&["CFO", "\u{e9}t\u{e9}", "a\"b\\c", "x;y", "\u{1f600}"])),
            };
            fields.insert(name.to_owned(), value);
        }
        fields
    }

    /// An id as text or as number.
    fn spelled(&mut self, id: &str) -> Value {
        match self.below(2) {
            0 => json!(id),
            _ => json!(id.parse::<u64>().unwrap()),
        }
    }
}

fn pairs(fields: &Map<String, Value>, name: &str) -> Value {
    let pair = |(key, value): (&String, &Value)| json!({name: key, "value": value});
    fields.iter().map(pair).collect()
}

fn mutation(object: &str, operation: Operation, record: Option<RecordKey>) -> Mutation {
    Mutation {
        object: object.to_owned(),
        operation,
        record,
        fields: Map::new(),
        row: None,
        undo: if [Operation::Delete, Operation::Dissociate].contains(&operation) {
            Undo::Partial
        } else if operation == Operation::Send {
            Undo::None
        } else {
            Undo::Full
        },
        others: Vec::new(),
    }
}

/// What is meant, and how it is written.
struct Meant {
    method: &'static str,
    target: String,
    body: Option<Value>,
    mutations: Vec<Mutation>,
}

const VERSIONS: [&str; 7] = ["v1", "v2", "v3", "v4", "2025-09", "2026-03", "2027-03-beta"];

/// The version anywhere behind the first word.
fn placed(dice: &mut Dice, path: &str) -> String {
    let mut words: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let fixed = words
        .iter()
        .take_while(|word| !word.starts_with('='))
        .count();
    words.insert(1 + dice.below(fixed.max(2) - 1), dice.one(&VERSIONS));
    let slash = dice.one(&["", "/"]);
    format!("/{}{slash}", words.join("/").replace('=', ""))
}

fn spelling(dice: &mut Dice, object: &str) -> &'static str {
    match object {
        "contacts" => dice.one(&["contacts", "contact", "0-1", "CONTACTS"]),
        "companies" => dice.one(&["companies", "company", "0-2", "Company"]),
        _ => dice.one(&["deals", "deal", "0-3", "DEAL"]),
    }
}

/// A document with its members in another order, and escapes where none are needed.
fn printed(dice: &mut Dice, value: &Value, out: &mut String) {
    match value {
        Value::Array(elements) => {
            out.push('[');
            for (place, element) in elements.iter().enumerate() {
                out.push_str(if place > 0 { " , " } else { "" });
                printed(dice, element, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            if dice.below(2) == 0 {
                members.reverse();
            }
            out.push('{');
            for (place, (name, value)) in members.into_iter().enumerate() {
                out.push_str(if place > 0 { "," } else { "\n" });
                printed(dice, &json!(name), out);
                out.push(':');
                printed(dice, value, out);
            }
            out.push('}');
        }
        Value::String(text) if dice.below(4) == 0 => {
            out.push('"');
            for unit in text.encode_utf16() {
                write!(out, "\\u{unit:04x}").unwrap();
            }
            out.push('"');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            write!(out, "{value}").unwrap();
        }
    }
}

#[test]
fn what_was_meant_in_any_family_is_what_is_parsed() {
    let families = [
        links::one_link,
        links::links,
        links::legacy_links,
        links::members,
        records::contact,
        records::contact_rows,
        records::record,
        records::record_rows,
        records::engagement,
        records::mail,
        records::form,
    ];
    let rounds = match std::env::var_os("WRITEGATE_LONG") {
        Some(_) => 1_000_000,
        None => 10_000,
    };
    let mut mutations = 0;
    for seed in 0..rounds {
        let mut dice = Dice(seed);
        let meant = dice.one(&families)(&mut dice);
        let mut body = String::new();
        if let Some(document) = &meant.body {
            printed(&mut dice, document, &mut body);
        }
        mutations += meant.mutations.len();
        let request = Request::new(meant.method, &meant.target, body.clone());
        let parsed = request.parse();
        let told = || format!("seed {seed}: {} {} {body}", meant.method, meant.target);
        assert_eq!(
            parsed,
            Ok(ChangeSet::Mutations(meant.mutations.clone())),
            "{}",
            told()
        );
    }
    println!("{rounds} requests, {mutations} mutations: missed or invented 0");
}
