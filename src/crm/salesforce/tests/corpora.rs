//! The shared corpora, when they are at hand: paths and bodies that servers read in two ways.

use std::path::PathBuf;

use base64::Engine as _;
use serde_json::Value;

use super::*;

fn shared() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("WRITEGATE_SHARED").map_or_else(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

pub(super) fn lines(path: &str, env: Option<&str>) -> Option<Vec<String>> {
    let corpora = env.and_then(std::env::var_os).map(PathBuf::from);
    let file = match (corpora, path.strip_prefix("corpora/")) {
        (Some(folder), Some(rest)) => folder.join(rest),
        _ => shared()?.join(path),
    };
    let text = std::fs::read_to_string(file).ok()?;
    Some(text.lines().map(str::to_owned).collect())
}

/// Rows of the path corpus that we judge otherwise, and why.
const OVERRULED: &[(&str, &str)] = &[(
    "path/sf-lead-2slash",
    "the sf CLI sends it; read as one slash, and sent as one",
)];

/// The other form of the same write, where the corpus names none.
const TWINS: &[(&str, &str)] = &[
    (
        "path/sf-extid-id",
        "/services/data/v66.0/sobjects/Account/001000000000001AAA",
    ),
    (
        "path/sf-extid-slash",
        "/services/data/v66.0/sobjects/Account/My_Ext__c/%34%2f%32",
    ),
    (
        "path/sf-route-collections",
        "/services/data/v66.0/composite/sobjects/",
    ),
    (
        "path/sf-route-tree",
        "/services/data/v66.0/composite/tree/account",
    ),
    (
        "path/sf-route-graph",
        "//services/data/v66.0/composite/graph",
    ),
];

/// Whether it is an operation that is denied unless a rule names it.
fn is_named(judged: &Judged) -> bool {
    let Judged::Mutations(all) = judged else {
        return false;
    };
    let named = [Operation::Send, Operation::Invoke, Operation::Schema];
    all.iter().all(|one| named.contains(&one.operation))
}

/// Bodies that fit the path, where a row does not.
const BODIES: &[(&str, &str)] = &[
    (
        "path/sf-route-collections",
        r#"{"records":[{"attributes":{"type":"Account"},"id":"001000000000001AAA","Name":"x"}]}"#,
    ),
    (
        "path/sf-route-tree",
        r#"{"records":[{"attributes":{"type":"Account","referenceId":"a"},"Name":"x"}]}"#,
    ),
    (
        "path/sf-route-graph",
        r#"{"graphs":[{"graphId":"g","compositeRequest":[{"method":"POST","referenceId":"a",
            "url":"/services/data/v66.0/sobjects/Account","body":{"Name":"x"}}]}]}"#,
    ),
];

#[test]
fn the_path_corpus_is_judged_as_expected() {
    let Some(corpus) = lines(
        "corpora/paths/writegate-paths.jsonl",
        Some("WRITEGATE_CORPORA"),
    ) else {
        println!("skipped: corpora/paths/writegate-paths.jsonl is not at hand (WRITEGATE_CORPORA)");
        return;
    };
    let mut cases = 0;
    for line in corpus {
        let case = own(&line);
        let text = |name: &str| case[name].as_str();
        let id = text("id").unwrap();
        if !id.starts_with("path/sf-") {
            continue;
        }
        cases += 1;
        let method = text("method").unwrap();
        let body = BODIES.iter().find(|(of, _)| *of == id);
        let body = body.map_or(r#"{"Name":"x"}"#, |(_, body)| *body);
        let judged = judge(method, text("target").unwrap(), body);
        let twin = text("canonical").or_else(|| {
            TWINS
                .iter()
                .find(|(of, _)| *of == id)
                .map(|(_, twin)| *twin)
        });
        if let Some((_, why)) = OVERRULED.iter().find(|(of, _)| *of == id) {
            println!("{id} overruled: {why}");
            let expected_refusal = text("expect") == Some("reject");
            assert_eq!(judged.is_refused(), !expected_refusal, "{id}: {judged:?}");
            continue;
        }
        match text("expect").unwrap() {
            "reject" | "same-decision-or-reject" => {
                assert!(judged.is_refused() || is_named(&judged), "{id}: {judged:?}");
            }
            "accept" => assert!(!judged.is_refused(), "{id}: {judged:?}"),
            "same-decision" => {
                assert_eq!(judged, judge(method, twin.unwrap(), body), "{id}");
                assert!(matches!(judged, Judged::Mutations(_)), "{id}: {judged:?}");
            }
            other => panic!("{id}: nobody knows {other}"),
        }
    }
    println!("{cases} paths judged");
    assert!(cases > 30);
}

#[test]
fn the_body_corpus_is_judged_as_expected() {
    let Some(corpus) = lines(
        "corpora/json/writegate-bodies.jsonl",
        Some("WRITEGATE_CORPORA"),
    ) else {
        println!("skipped: corpora/json/writegate-bodies.jsonl is not at hand (WRITEGATE_CORPORA)");
        return;
    };
    let (mut cases, mut left_out) = (0, 0);
    for line in corpus {
        let case = own(&line);
        let id = case["id"].as_str().unwrap();
        let (method, target) = match case["route"].as_str().unwrap() {
            "sf-update" => (
                "PATCH",
                "/services/data/v66.0/sobjects/Account/001000000000001AAA",
            ),
            "sf-collections" => ("PATCH", "/services/data/v66.0/composite/sobjects"),
            "sf-composite" => ("POST", "/services/data/v66.0/composite"),
            "sf-blob-insert" => ("POST", "/services/data/v66.0/sobjects/Document"),
            _ => continue,
        };
        // encodings are undone before parsing, and time is not a matter of bytes
        let Some(body) = body_of(&case).filter(|_| case["content_encoding"].is_null()) else {
            left_out += 1;
            continue;
        };
        cases += 1;
        let kind = case["content_type"].as_str().unwrap();
        let mut headers = HeaderMap::new();
        let kind: Vec<u8> = kind
            .chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap())
            .collect();
        headers.append("content-type", HeaderValue::from_bytes(&kind).unwrap());
        let judged = judge_with(method, target, &headers, &body);
        let accepted = matches!(judged, Judged::Mutations(_));
        match case["expect"].as_str().unwrap() {
            "reject" | "hold-or-reject" => assert!(judged.is_refused(), "{id}: {judged:?}"),
            "accept" | "preserve" | "same-decision" | "whole-request-decision" => {
                // a number that a double would change is refused, not rounded
                let refused = id == "body/bigint";
                assert!(accepted || refused, "{id}: {judged:?}");
            }
            _ => {}
        }
    }
    println!("{cases} bodies judged, {left_out} left to the proxy");
    assert!(cases > 35);
}

fn body_of(case: &Value) -> Option<Vec<u8>> {
    if let Some(text) = case["b64"].as_str() {
        return Some(
            base64::engine::general_purpose::STANDARD
                .decode(text)
                .unwrap(),
        );
    }
    let recipe = case.get("generate")?;
    let repeat = recipe["repeat"].as_array()?;
    let times = usize::try_from(repeat[1].as_u64()?).ok()?;
    let middle = repeat[0].as_str()?.repeat(times);
    Some(
        format!(
            "{}{middle}{}",
            recipe["prefix"].as_str()?,
            recipe["suffix"].as_str()?
        )
        .into_bytes(),
    )
}

/// A line of our own test data.
fn own(line: &str) -> Value {
    #[expect(clippy::disallowed_methods, reason = "our own test data, not traffic")]
    serde_json::from_str(line).unwrap()
}
