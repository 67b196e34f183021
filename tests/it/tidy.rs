//! The house: who may know whom, how large a file may be, words that do not belong.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// For each module, the modules of this crate that it may name. `clock`, `mutation` and `error` may be
/// named by all; modules that are not listed (the door) may name anything.
const MAY_KNOW: [(&str, &[&str]); 19] = [
    ("mutation", &[]),
    ("error", &[]),
    ("clock", &[]),
    ("policy", &[]),
    ("crm", &[]),
    ("control", &[]),
    ("ledger", &[]),
    ("gate", &["policy", "control"]),
    ("journal", &["gate", "ledger", "control"]),
    ("credential", &["config", "crm"]),
    ("upstream", &["credential", "journal"]),
    ("snapshot", &["credential", "crm", "upstream"]),
    ("sandbox", &[]),
    ("digest", &[]),
    ("quota", &["crm"]),
    ("hold", &["config", "control", "ledger", "policy"]),
    (
        "doubt",
        &[
            "app", "config", "crm", "journal", "ledger", "policy", "snapshot", "upstream",
        ],
    ),
    (
        "revert",
        &[
            "app",
            "config",
            "credential",
            "crm",
            "gate",
            "hold",
            "journal",
            "ledger",
            "policy",
            "proxy",
            "snapshot",
            "upstream",
        ],
    ),
    (
        "proxy",
        &[
            "app",
            "config",
            "control",
            "credential",
            "crm",
            "digest",
            "doubt",
            "gate",
            "hold",
            "journal",
            "learned",
            "ledger",
            "limits",
            "metrics",
            "policy",
            "quota",
            "snapshot",
            "upstream",
        ],
    ),
];
const EVERYBODY: [&str; 3] = ["clock", "mutation", "error"];
/// A file with its tests inside; more needs a split.
const LINES_MOST: usize = 500;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The top module a file belongs to: `src/crm/json.rs` → `crm`.
fn module(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let first = inside
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_string_lossy()
        .into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The modules of this crate that a text names: `crate::x` and, in grouped imports, `crate::{x, y}`.
fn named(text: &str) -> BTreeSet<String> {
    let name = |rest: &str| -> String {
        rest.chars()
            .take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
            .collect()
    };
    text.match_indices("crate::")
        .map(|(at, found)| name(&text[at + found.len()..]))
        .filter(|name| !name.is_empty())
        .collect()
}

/// Without comments: a doc link is not a dependency.
fn code(text: &str) -> String {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn modules_know_only_whom_they_may() {
    let mut faults = Vec::new();
    for path in sources(&root().join("src")) {
        let module = module(&path);
        let Some((_, may)) = MAY_KNOW.iter().find(|(name, _)| *name == module) else {
            continue;
        };
        let text = code(&fs::read_to_string(&path).unwrap());
        assert!(
            !text.contains("crate::{"),
            "{}: one `use` for each module",
            path.display()
        );
        for other in named(&text) {
            let fine = other == module
                || EVERYBODY.contains(&other.as_str())
                || may.contains(&other.as_str());
            if !fine {
                faults.push(format!("{} names crate::{other}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn jsonpath_lives_in_policy_alone() {
    for path in sources(&root().join("src")) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            module(&path) == "policy" || !text.contains("jsonpath_rust"),
            "{} names jsonpath_rust",
            path.display()
        );
    }
}

#[test]
fn files_are_small_and_say_what_they_do() {
    for path in sources(&root().join("src")) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("//!"),
            "{} does not say what it does",
            path.display()
        );
        let lines = text.lines().count();
        assert!(lines <= LINES_MOST, "{} has {lines} lines", path.display());
        assert!(!path.ends_with("mod.rs"), "{}", path.display());
    }
}

#[test]
fn the_inner_handler_reads_on_one_screen() {
    let text = fs::read_to_string(root().join("src/proxy.rs")).unwrap();
    let start = text.find("async fn run(").unwrap();
    let length = text[start..]
        .lines()
        .take_while(|line| *line != "}")
        .count()
        + 1;
    assert!(length <= 60, "proxy::run has {length} lines");
}

#[test]
fn nothing_is_left_for_later_in_the_code() {
    let words = ["todo!", "unimplemented!", "FIXME", "XXX", "TODO", "HACK"];
    for path in sources(&root().join("src")) {
        let text = fs::read_to_string(&path).unwrap();
        for word in words {
            assert!(!text.contains(word), "{} holds {word}", path.display());
        }
    }
}
