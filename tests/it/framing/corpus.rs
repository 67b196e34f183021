//! The shared HTTP/1 corpora, read row by row.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// A case: bytes to send, in one or several writes, and the row it came from.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) id: String,
    pub(super) pieces: Vec<Vec<u8>>,
    pub(super) row: Value,
}

impl Case {
    /// A text member of the row.
    pub(super) fn text(&self, member: &str) -> &str {
        self.row[member].as_str().unwrap_or_default()
    }
}

/// The rows of a file, or a line that says that it is not there.
#[expect(clippy::disallowed_methods, reason = "test data of our own")]
pub(super) fn rows(file: &str) -> Vec<Value> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    let folder = std::env::var_os("WRITEGATE_CORPORA").map_or_else(beside, PathBuf::from);
    let path = folder.join("http1").join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: no corpus at {}", path.display());
        return Vec::new();
    };
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The cases of a file whose rows hold bytes.
pub(super) fn cases(file: &str) -> Vec<Case> {
    let bytes = |text: &Value| STANDARD.decode(text.as_str().unwrap()).unwrap();
    let case = |row: Value| Case {
        id: row["id"].as_str().unwrap().to_owned(),
        pieces: match row["steps_b64"].as_array() {
            Some(steps) => steps.iter().map(bytes).collect(),
            None => vec![bytes(&row["b64"])],
        },
        row,
    };
    rows(file).into_iter().map(case).collect()
}

/// The cases of the rule set's file: a request given by its parts.
pub(super) fn crs_cases() -> Vec<Case> {
    let case = |row: Value| Case {
        id: row["id"].as_str().unwrap().to_owned(),
        pieces: vec![crs_bytes(&row)],
        row,
    };
    rows("crs-4-protocol.jsonl").into_iter().map(case).collect()
}

fn crs_bytes(row: &Value) -> Vec<u8> {
    if let Some(raw) = row["encoded_request"].as_str() {
        let text: String = raw.split_whitespace().collect();
        return STANDARD.decode(text).unwrap();
    }
    let part = |member: &str, usual: &str| row[member].as_str().unwrap_or(usual).to_owned();
    let data = part("data", "");
    let mut text = format!(
        "{} {} {}\r\n",
        part("method", "GET"),
        part("uri", "/"),
        part("version", "HTTP/1.1")
    );
    let mut has_length = false;
    for (name, value) in row["headers"].as_object().into_iter().flatten() {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        has_length |=
            ["content-length", "transfer-encoding"].contains(&name.to_lowercase().as_str());
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !has_length && !data.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", data.len()));
    }
    text.push_str("\r\n");
    text.push_str(&data);
    text.into_bytes()
}
