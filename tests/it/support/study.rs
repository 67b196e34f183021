//! Tables and corpora that stand beside the project. The project stands without them: what is absent
//! is said, and the test runs over nothing.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

fn beside(variable: &str, folder: &str) -> PathBuf {
    let own = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder);
    std::env::var_os(variable).map_or_else(own, PathBuf::from)
}

fn text(path: &PathBuf) -> Option<String> {
    let text = std::fs::read_to_string(path).ok();
    if text.is_none() {
        println!("nothing to run: {} is absent", path.display());
    }
    text
}

/// The rows of a corpus: `paths/writegate-paths.jsonl`.
#[expect(clippy::disallowed_methods, reason = "test data of our own")]
pub(crate) fn corpus(file: &str) -> Vec<Value> {
    let path = beside("WRITEGATE_CORPORA", "../shared/corpora").join(file);
    let text = text(&path).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The rows of a table of operations, without its head: `hubspot-surface.tsv`.
pub(crate) fn surface(file: &str) -> Vec<Vec<String>> {
    let folder = match std::env::var_os("WRITEGATE_CORPORA") {
        Some(corpora) => PathBuf::from(corpora).join(".."),
        None => beside("WRITEGATE_SHARED", "../shared"),
    };
    let text = text(&folder.join("crm").join(file)).unwrap_or_default();
    text.lines()
        .skip(1)
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect()
}

/// A text member of a row; empty without one.
pub(crate) fn member<'a>(row: &'a Value, name: &str) -> &'a str {
    row[name].as_str().unwrap_or_default()
}

/// The bytes of a row, in one or several writes; none where they are made by a recipe.
pub(crate) fn pieces(row: &Value) -> Vec<Vec<u8>> {
    let bytes = |text: &Value| STANDARD.decode(text.as_str().unwrap()).unwrap();
    match (row["steps_b64"].as_array(), row.get("b64")) {
        (Some(steps), _) => steps.iter().map(bytes).collect(),
        (None, Some(whole)) => vec![bytes(whole)],
        (None, None) => Vec::new(),
    }
}
