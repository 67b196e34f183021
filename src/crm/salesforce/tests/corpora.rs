//! The shared facts and corpora, when they are at hand: the list of Salesforce's endpoints, paths and
//! bodies that servers read in two ways.

use std::path::PathBuf;

use base64::Engine as _;
use serde_json::Value;

use super::*;

/// Endpoints that the list calls reads and that we do not stream, by how their row begins.
const STRICTER: &[(&str, &str)] = &[
    (
        "GET /services/data/v{version}/consent/",
        "the same path writes through its query string",
    ),
    (
        "GET /services/data/v{version}/connect/{path}",
        "hundreds of resources, unproven",
    ),
    (
        "GET /services/data/v{version}/chatter/{path}",
        "hundreds of resources, unproven",
    ),
    (
        "GET /services/data/v{version}/wave/{path}",
        "unproven beyond the listed ones",
    ),
    ("GET /services/data/v{version}/ssot/{path}", "unproven"),
    (
        "GET /services/data/v{version}/localizedvalue/{path}",
        "sub-paths unknown",
    ),
    (
        "GET /services/data/v{version}/analytics/notifications/{path}",
        "sub-paths unknown",
    ),
    ("GET /services/apexrest/", "runs the org's code"),
    ("GET /cometd/", "carries messages both ways in its query"),
    ("GET {dcTenantHost}", "another host"),
];

fn shared() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("WRITEGATE_SHARED").map_or_else(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

fn lines(path: &str, env: Option<&str>) -> Option<Vec<String>> {
    let corpora = env.and_then(std::env::var_os).map(PathBuf::from);
    let file = match (corpora, path.strip_prefix("corpora/")) {
        (Some(folder), Some(rest)) => folder.join(rest),
        _ => shared()?.join(path),
    };
    let text = std::fs::read_to_string(file).ok()?;
    Some(text.lines().map(str::to_owned).collect())
}

/// A concrete target for a row of the list: what stands in braces is filled in.
fn filled(template: &str) -> String {
    let template = template.split(" (").next().unwrap();
    let template = template.split('#').next().unwrap();
    let path = template
        .trim_start_matches("{dcTenantHost}")
        .trim_start_matches("https://api.salesforce.com")
        .trim_start_matches("https://webto.salesforce.com")
        .trim_start_matches("api.pubsub.salesforce.com:7443");
    let mut target = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap();
        target.push_str(before);
        target.push_str(match name {
            "version" => "66.0",
            "sobject" | "sobjects" => "Account",
            "id" => "001000000000001AAA",
            "orgId" => "00D000000000001AAA",
            "userId" => "005000000000001AAA",
            "extField" => "Ext__c",
            "event" => "My_Event",
            "blobField" => "VersionData",
            "relationship" | "rel1" | "rel2" => "Owner",
            "path" => "some/thing",
            "communityId|internal" => "internal",
            "chatter-or-connect-path" => "chatter/groups",
            "other" | "anything-else" => "unheard-of",
            _ => "X1",
        });
        rest = after;
    }
    target.push_str(rest);
    if target.starts_with('/') {
        target
    } else {
        format!("/{target}")
    }
}

/// Fields with the types that the row's own words imply.
fn row_of(line: &str) -> Option<(String, String, String)> {
    let mut columns = line.split('\t').map(str::to_owned);
    Some((columns.next()?, columns.next()?, columns.next()?))
}

#[test]
fn the_endpoint_list_agrees_with_classify() {
    let Some(list) = lines("crm/salesforce-surface.tsv", None) else {
        println!("skipped: crm/salesforce-surface.tsv is not at hand (WRITEGATE_SHARED)");
        return;
    };
    let headers = header_map(&[("content-type", "application/json")]);
    let (mut reads, mut stricter, mut others) = (0, 0, 0);
    let mut wrong = Vec::new();
    for line in list.iter().skip(1) {
        let (method, template, effect) = row_of(line).expect("three columns");
        let methods: Vec<&str> = match method.as_str() {
            "*" => vec!["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            one => vec![one],
        };
        let target = filled(&template);
        let row = format!("{method} {template}");
        for method in methods {
            let judged = judge_with(method, &target, &headers, b"{}");
            let is_read = judged == Judged::Read;
            if effect == "read" {
                let allowed = STRICTER.iter().any(|(begins, _)| row.starts_with(begins));
                match (is_read, allowed) {
                    (true, false) => reads += 1,
                    (false, true) => stricter += 1,
                    _ => wrong.push(format!("{effect} {method} {target}: {judged:?}")),
                }
            } else {
                let read_by_post =
                    effect == "read-by-post" && template.ends_with("/composite/sobjects/{sobject}");
                let login = template == "/services/oauth2/token";
                if is_read != read_by_post || (judged == Judged::Auth) != login {
                    wrong.push(format!("{effect} {method} {target}: {judged:?}"));
                }
                others += 1;
            }
        }
    }
    println!("{reads} reads agree, {stricter} are stricter here, {others} others are no reads");
    assert!(
        wrong.is_empty(),
        "{} rows disagree:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(reads > 200 && others > 400);
}

/// Rows of the path corpus that we judge otherwise, and why.
const OVERRULED: &[(&str, &str)] = &[
    (
        "path/sf-lead-2slash",
        "the sf CLI sends it; read as one slash, and sent as one",
    ),
    ("path/sf-route-tree", "not taken apart yet: opaque"),
    ("path/sf-route-graph", "not taken apart yet: opaque"),
];

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
        let body = if id == "path/sf-route-collections" {
            r#"{"records":[{"attributes":{"type":"Account"},"id":"001000000000001AAA","Name":"x"}]}"#
        } else {
            r#"{"Name":"x"}"#
        };
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
            "reject" => assert!(judged.is_refused(), "{id}: {judged:?}"),
            "accept" => assert!(!judged.is_refused(), "{id}: {judged:?}"),
            "same-decision" => {
                assert_eq!(judged, judge(method, twin.unwrap(), body), "{id}");
                assert!(matches!(judged, Judged::Mutations(_)), "{id}: {judged:?}");
            }
            "same-decision-or-reject" => assert!(judged.is_refused(), "{id}: {judged:?}"),
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
        // composites are opaque until they are taken apart
        let composite = target.ends_with("/composite");
        match case["expect"].as_str().unwrap() {
            "reject" | "hold-or-reject" => assert!(judged.is_refused(), "{id}: {judged:?}"),
            "accept" | "preserve" | "same-decision" | "whole-request-decision" => {
                // a number that a double would change is refused, not rounded
                let refused = composite || id == "body/bigint";
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
