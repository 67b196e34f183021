//! Rows of bulk jobs that parsers read in different ways.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::StatusCode;
use serde_json::{Value, json};

use crate::bulk::{committed, fed, made};
use crate::support::house::House;
use crate::support::study::{corpus, member};

/// Rows that are judged otherwise than the corpus proposes, and why.
const OVERRULED: [(&str, &str); 2] = [
    (
        "csv/only-header",
        "a job without rows changes nothing: there is nothing to commit",
    ),
    (
        "csv/formula3",
        "a CR outside quotes ends a line for some readers: the cell has to be quoted",
    ),
];

#[tokio::test]
async fn csv_with_two_readings_is_never_committed() {
    let house = House::builder().build().await;
    let agent = house.agent();
    let (mut cases, mut violations) = (0, Vec::new());
    for row in corpus("csv/writegate-csv.jsonl") {
        let (id, expect) = (member(&row, "id"), member(&row, "expect"));
        let mut spec = json!({ "object": "Account", "operation": "update" });
        if let Value::Object(options) = &row["options"] {
            for (name, value) in options {
                spec[name] = value.clone();
            }
        }
        let job = made(&agent, &spec).await;
        let bytes = BASE64_STANDARD.decode(member(&row, "b64")).unwrap();
        let taken = fed(&agent, &job, bytes).await;
        let refused = taken.status != StatusCode::CREATED;
        let fine = match expect {
            "reject" => refused,
            "accept" | "same-decision" | "accept-neutralise-on-export" => !refused,
            _ => true,
        };
        let overruled = OVERRULED.iter().any(|(known, _)| *known == id);
        if fine == overruled {
            violations.push(format!("{id}: expected {expect}, {}", taken.text()));
        }
        if refused && committed(&agent, &job).await.status == StatusCode::OK {
            violations.push(format!("{id}: committed"));
        }
        cases += 1;
    }
    println!("{cases} files, {} violations", violations.len());
    assert!(violations.is_empty(), "{violations:#?}");
    assert!(house.sandbox.writes().is_empty());
    house.finish().await;
}
