//! E7, P4 of the fuzz targets: what has to hold for every input holds for each committed seed, for what
//! fuzzing once found, and for the shared corpora. `tests/run --long` runs the same targets under
//! libFuzzer.

#[path = "../fuzz/src/targets.rs"]
mod targets;

use std::path::PathBuf;

use super::support::study::{corpus, pieces};
use targets::TARGETS;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus")
}

/// Runs a target and says over what, should it panic.
fn run(name: &str, input: &str, data: &[u8]) {
    struct Said<'a>(&'a str, &'a str);
    impl Drop for Said<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                println!("target {} over {}", self.0, self.1);
            }
        }
    }
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    let said = Said(name, input);
    target(data);
    drop(said);
}

#[test]
fn every_seed_passes_its_target() {
    let mut counts = Vec::new();
    for (name, _) in TARGETS {
        let entries = std::fs::read_dir(folder().join(name)).unwrap();
        let mut seeds = 0;
        for entry in entries {
            let path = entry.unwrap().path();
            run(
                name,
                &path.display().to_string(),
                &std::fs::read(&path).unwrap(),
            );
            seeds += 1;
        }
        assert!(seeds > 3, "{name} has {seeds} seeds");
        counts.push(format!("{name} {seeds}"));
    }
    println!("seeds: {}", counts.join(", "));
}

/// Each seed also cut short at every place: what a fuzzer tries first.
#[test]
fn every_beginning_of_a_seed_passes_its_target() {
    let mut inputs = 0;
    for (name, _) in TARGETS {
        for entry in std::fs::read_dir(folder().join(name)).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            for end in 0..bytes.len() {
                run(name, &format!("{} to {end}", path.display()), &bytes[..end]);
                inputs += 1;
            }
        }
    }
    println!("{inputs} beginnings");
}

#[test]
fn the_shared_corpora_pass_their_targets() {
    let files = [
        ("json", "json/jsontestsuite.jsonl"),
        ("json", "json/jsontestsuite-transform.jsonl"),
        ("json", "json/writegate-bodies.jsonl"),
        ("path", "paths/writegate-paths.jsonl"),
        ("csv", "csv/writegate-csv.jsonl"),
        ("http1", "http1/writegate-http1.jsonl"),
        ("http1", "http1/llhttp-9.jsonl"),
        ("http1", "http1/http11probe.jsonl"),
        ("http1", "http1/crs-4-protocol.jsonl"),
    ];
    let mut inputs = 0;
    for (name, file) in files {
        for row in corpus(file) {
            let bytes = pieces(&row).concat();
            // the CSV target's first byte chooses the dialect
            let bytes = if name == "csv" {
                [&[0], &bytes[..]].concat()
            } else {
                bytes
            };
            run(name, &format!("{file} {}", row["id"]), &bytes);
            inputs += 1;
        }
    }
    println!("{inputs} inputs");
}
