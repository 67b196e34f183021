//! Bytes to change sets: the head alone, whole writes of one and many records, strict JSON alone.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark reports to a terminal and may fail loudly"
)]

mod requests;
mod stopwatch;

use std::hint::black_box;

use requests::{Write, composite, hubspot, salesforce};
use serde_json::{Value, json};
use stopwatch::Stopwatch;
use writegate::crm::json;

fn main() {
    let Some(stopwatch) = Stopwatch::from_arguments() else {
        return;
    };
    let writes: [(&str, Write); 5] = [
        ("salesforce, 1 record", salesforce(1)),
        ("salesforce, 200 records", salesforce(200)),
        ("salesforce, 25 parts", composite(25)),
        ("hubspot, 1 record", hubspot(1)),
        ("hubspot, 100 records", hubspot(100)),
    ];
    for (name, write) in &writes {
        stopwatch.scenario(&format!("classify {name}"), 1, || {
            black_box(write.shape());
        });
    }
    for (name, write) in &writes {
        let bytes = write.body.len();
        stopwatch.scenario(&format!("parse {name} ({bytes} bytes)"), 1, || {
            black_box(write.changes());
        });
    }
    for size in [1_000, 100_000] {
        let body = document(size);
        stopwatch.scenario(&format!("strict JSON ({} bytes)", body.len()), 1, || {
            black_box(json::parse(&body).unwrap());
        });
        stopwatch.scenario(&format!("serde_json ({} bytes)", body.len()), 1, || {
            black_box(lenient(&body));
        });
    }
}

/// What the strict parser is compared with.
#[expect(clippy::disallowed_methods, reason = "the yardstick")]
fn lenient(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

/// A document of about so many bytes, with every kind of value.
fn document(size: usize) -> Vec<u8> {
    let row = json!({
        "id": "001Wg0000000001IAA",
        "name": "Acme \"Rockets\" \u{fc}ber",
        "employees": 4200,
        "revenue": 910_000_000.5,
        "customer": true,
        "parent": null,
        "tags": ["rockets", "skates"],
    });
    let rows = size / row.to_string().len();
    json!({ "rows": vec![row; rows] }).to_string().into_bytes()
}
