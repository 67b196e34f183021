//! Every way to say a request otherwise: its body leaf by leaf and as a text, its target segment by
//! segment, its method, headers and sender.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::Method;
use serde_json::{Map, Value, json};
use writegate::mutation::CrmKind;

/// A request as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) who: Who,
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

/// Who sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Itself,
    OtherAgent,
    KeyAgent,
    Nobody,
    OtherRoute,
}

/// Whether it may be taken for the request that was approved. `Either`: names and paths in another
/// spelling, where both are right as long as nothing else is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Same,
    Other,
    Either,
}

/// One way.
pub(super) struct Variation {
    pub(super) name: String,
    pub(super) meaning: Meaning,
    pub(super) sent: Sent,
}

/// What is varied.
pub(super) struct Original<'a> {
    pub(super) sent: Sent,
    pub(super) crm: CrmKind,
    /// Of a request that is not taken apart every byte counts.
    pub(super) opaque: bool,
    /// Another record of the same kind.
    pub(super) spare: &'a str,
}

use Meaning::{Either, Other, Same};

/// All of them.
pub(super) fn variations(original: &Original<'_>) -> Vec<Variation> {
    let mut all = Vec::new();
    if let Some(body) = body_of(original) {
        for (name, meaning, text) in bodies(original, &body) {
            let bytes = Bytes::from(text);
            if bytes != original.sent.body {
                push(&mut all, name, meaning, original, |sent| sent.body = bytes);
            }
        }
    }
    encodings(original, &mut all);
    for (name, meaning, target) in targets(original) {
        if target != original.sent.target {
            push(&mut all, name, meaning, original, |sent| {
                sent.target = target
            });
        }
    }
    methods(original, &mut all);
    for (name, value, meaning) in headers(original) {
        let header = (name.to_owned(), value.to_owned());
        push(
            &mut all,
            format!("{name}: {value}"),
            meaning,
            original,
            |sent| {
                sent.headers.push(header);
            },
        );
    }
    for who in [Who::OtherAgent, Who::KeyAgent, Who::Nobody, Who::OtherRoute] {
        push(&mut all, format!("{who:?}"), Other, original, |sent| {
            sent.who = who
        });
    }
    all
}

fn push(
    all: &mut Vec<Variation>,
    name: String,
    meaning: Meaning,
    original: &Original<'_>,
    change: impl FnOnce(&mut Sent),
) {
    let mut sent = original.sent.clone();
    change(&mut sent);
    all.push(Variation {
        name,
        meaning,
        sent,
    });
}

#[expect(clippy::disallowed_methods, reason = "our own request")]
fn body_of(original: &Original<'_>) -> Option<Value> {
    serde_json::from_slice(&original.sent.body).ok()
}

type Body = (String, Meaning, String);

/// Other bodies.
fn bodies(original: &Original<'_>, body: &Value) -> Vec<Body> {
    let mut all = Vec::new();
    for place in places(body) {
        let value = body.pointer(&place).unwrap();
        match value {
            Value::Object(members) => objects(original, body, &place, members, &mut all),
            Value::Array(rows) => arrays(original, body, &place, rows, &mut all),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                leaves(body, &place, value, &mut all);
            }
        }
    }
    texts(&body.to_string(), body, &mut all);
    if original.opaque {
        for (_, meaning, _) in &mut all {
            *meaning = Other;
        }
    }
    all
}

/// The pointers of everything in a value, itself first.
fn places(value: &Value) -> Vec<String> {
    let mut all = vec![String::new()];
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(members) => members
            .iter()
            .map(|(key, one)| (key.clone(), one))
            .collect(),
        Value::Array(rows) => rows
            .iter()
            .enumerate()
            .map(|(at, one)| (at.to_string(), one))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for (key, one) in inner {
        all.extend(places(one).into_iter().map(|rest| format!("/{key}{rest}")));
    }
    all
}

/// The body with another value in one place.
fn put(body: &Value, place: &str, value: Value) -> Value {
    let mut other = body.clone();
    *other.pointer_mut(place).unwrap() = value;
    other
}

/// Stands where a text is to stand that no serialiser writes.
const MARK: &str = "@@mark";

/// The body with this text in one place.
fn put_text(body: &Value, place: &str, text: &str) -> String {
    let marked = put(body, place, json!(MARK)).to_string();
    marked.replace(&format!("\"{MARK}\""), text)
}

fn leaves(body: &Value, place: &str, value: &Value, all: &mut Vec<Body>) {
    let mut values = vec![
        Value::Null,
        json!([value]),
        json!({ "a": value }),
        json!({}),
    ];
    let mut written: Vec<(Meaning, String)> = Vec::new();
    match value {
        Value::String(text) => {
            let swapped: String = text.chars().map(swap_case).collect();
            values.extend(
                [
                    format!("{text}x"),
                    format!("{text} "),
                    format!(" {text}"),
                    swapped,
                ]
                .map(Value::from),
            );
            values.extend(
                [
                    format!("{text}\u{0}"),
                    format!("{text}\u{200b}"),
                    text.replace('e', "\u{435}"),
                ]
                .map(Value::from),
            );
            values.extend([json!(""), json!(7), json!(false)]);
            let first = text.chars().next().map_or(0, u32::from);
            let rest: String = text.chars().skip(1).collect();
            written.push((Same, format!("\"\\u{first:04x}{rest}\"")));
        }
        Value::Number(number) => {
            let whole = number.as_i64().unwrap();
            values.extend([
                json!(whole + 1),
                json!(-whole),
                json!(whole.to_string()),
                json!(true),
                json!(""),
            ]);
            written.extend(
                [".0", "e0", "0", "e1", ".000000000000000000001"]
                    .map(|end| (Other, format!("{whole}{end}"))),
            );
            written.push((Other, "1e999".to_owned()));
        }
        Value::Bool(yes) => {
            values.extend([json!(!yes), json!(yes.to_string()), json!(u8::from(*yes))])
        }
        Value::Null | Value::Array(_) | Value::Object(_) => values.extend([json!(""), json!(0)]),
    }
    let other = |value: Value| {
        (
            format!("{place} = {value}"),
            Other,
            put(body, place, value).to_string(),
        )
    };
    all.extend(values.into_iter().filter(|one| one != value).map(other));
    all.extend(written.into_iter().map(|(meaning, text)| {
        (
            format!("{place} = {text}"),
            meaning,
            put_text(body, place, &text),
        )
    }));
}

fn swap_case(letter: char) -> char {
    match letter.is_ascii_uppercase() {
        true => letter.to_ascii_lowercase(),
        false => letter.to_ascii_uppercase(),
    }
}

fn objects(
    original: &Original<'_>,
    body: &Value,
    place: &str,
    members: &Map<String, Value>,
    all: &mut Vec<Body>,
) {
    let owner = match original.crm {
        CrmKind::Salesforce => ("OwnerId", json!("005Wg0000000002IAA")),
        CrmKind::HubSpot => ("hubspot_owner_id", json!("77002")),
    };
    for (name, value) in [
        owner,
        ("x", json!(1)),
        ("__proto__", json!({ "x": 1 })),
        ("", json!("")),
    ] {
        let mut more = members.clone();
        more.insert(name.to_owned(), value);
        let text = put(body, place, Value::Object(more)).to_string();
        all.push((format!("{place} and {name:?}"), Other, text));
    }
    for (key, value) in members {
        let mut fewer = members.clone();
        fewer.shift_remove(key);
        let text = put(body, place, Value::Object(fewer.clone())).to_string();
        // What is false may be left out.
        let meaning = if *value == json!(false) {
            Either
        } else {
            Other
        };
        all.push((format!("{place} without {key}"), meaning, text));
        let renamed = |name: String| {
            let members = members.iter().map(|(known, value)| {
                let name = if known == key {
                    name.clone()
                } else {
                    known.clone()
                };
                (name, value.clone())
            });
            put(body, place, Value::Object(members.collect())).to_string()
        };
        let swapped: String = key.chars().map(swap_case).collect();
        all.push((
            format!("{place}/{key} in another case"),
            Either,
            renamed(swapped.clone()),
        ));
        all.push((
            format!("{place}/{key} under another name"),
            Other,
            renamed(format!("{key}x")),
        ));
        for name in [key.clone(), swapped] {
            for first in [true, false] {
                let twice = (MARK.to_owned(), changed(value));
                let others = members.clone().into_iter();
                let members: Map<String, Value> = match first {
                    true => std::iter::once(twice).chain(others).collect(),
                    false => others.chain(std::iter::once(twice)).collect(),
                };
                let text = put(body, place, Value::Object(members)).to_string();
                let way = if first { "before" } else { "behind" };
                all.push((
                    format!("{place}/{key}, {name} {way} it"),
                    Other,
                    text.replace(MARK, &name),
                ));
            }
        }
    }
}

/// Another value of the same kind.
fn changed(value: &Value) -> Value {
    match value {
        Value::String(text) => json!(format!("{text}x")),
        Value::Number(number) => json!(number.as_i64().unwrap_or(0) + 1),
        Value::Bool(yes) => json!(!yes),
        Value::Array(rows) => json!(rows.iter().map(changed).collect::<Vec<_>>()),
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| (key.clone(), changed(value)))
            .collect(),
        Value::Null => json!(1),
    }
}

fn arrays(original: &Original<'_>, body: &Value, place: &str, rows: &[Value], all: &mut Vec<Body>) {
    let mut add = |name: String, rows: Vec<Value>| {
        let text = put(body, place, Value::Array(rows)).to_string();
        all.push((format!("{place} {name}"), Other, text));
    };
    add("without rows".into(), Vec::new());
    let mut turned = rows.to_vec();
    turned.reverse();
    add("the other way round".into(), turned);
    for (at, row) in rows.iter().enumerate() {
        let mut fewer = rows.to_vec();
        fewer.remove(at);
        add(format!("without row {at}"), fewer);
        let mut twice = rows.to_vec();
        twice.push(row.clone());
        add(format!("row {at} twice"), twice);
        let mut nulled = rows.to_vec();
        nulled[at] = Value::Null;
        add(format!("null for row {at}"), nulled);
        if row.get("id").is_some() {
            let mut more = rows.to_vec();
            more.push(row.clone());
            *more.last_mut().unwrap().get_mut("id").unwrap() = json!(original.spare);
            add(format!("row {at} for one more record"), more);
        }
    }
}

/// Other texts of the same value, and texts around it.
fn texts(text: &str, body: &Value, all: &mut Vec<Body>) {
    let mut add = |name: &str, meaning, text: String| all.push((name.to_owned(), meaning, text));
    add("white space", Same, text.replace(':', " :\n\t"));
    add("white space around", Same, format!(" \r\n{text}\n"));
    add("keys in another order", Same, turned(body).to_string());
    add("a byte order mark", Other, format!("\u{feff}{text}"));
    add("a comment", Other, format!("/* */{text}"));
    add(
        "a comma at the end",
        Other,
        format!("{},}}", &text[..text.len() - 1]),
    );
    add("more behind it", Other, format!("{text}{text}"));
    add("a NUL behind it", Other, format!("{text}\0"));
    add("a list around it", Other, format!("[{text}]"));
    add("as a text", Other, json!(text).to_string());
    add("a form", Other, "a=b&c=d".into());
    add("XML", Other, "<a/>".into());
    add("null", Other, "null".into());
    add("an empty object", Other, "{}".into());
    add("an empty list", Other, "[]".into());
    add("nothing", Other, String::new());
    add("half of it", Other, text[..text.len() / 2].to_owned());
}

/// The members of all objects in the opposite order; rows stay where they are.
fn turned(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .rev()
            .map(|(key, value)| (key.clone(), turned(value)))
            .collect(),
        Value::Array(rows) => rows.iter().map(turned).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The same and other bytes, said to be encoded.
fn encodings(original: &Original<'_>, all: &mut Vec<Variation>) {
    let body = original.sent.body.to_vec();
    if body.is_empty() {
        return;
    }
    let other = [&body[..body.len() - 1], b" }"].concat();
    let two = [gzip(&body), gzip(&body)].concat();
    let cut = gzip(&body)[..12].to_vec();
    let again = if original.opaque { Other } else { Same };
    let ways: [(&str, Meaning, Vec<u8>); 8] = [
        ("gzip", Same, gzip(&body)),
        ("gzip", again, gzip(&other)),
        ("gzip", Other, two),
        ("gzip", Other, cut),
        ("gzip", Other, body.clone()),
        ("gzip, gzip", Other, gzip(&gzip(&body))),
        ("br", Other, body.clone()),
        ("identity, gzip", Other, body),
    ];
    for (encoding, meaning, bytes) in ways {
        let name = format!("content-encoding: {encoding}, {} bytes", bytes.len());
        push(all, name, meaning, original, |sent| {
            sent.body = bytes.into();
            sent.headers
                .push(("content-encoding".into(), encoding.into()));
        });
    }
}

/// Other targets.
fn targets(original: &Original<'_>) -> Vec<Body> {
    let target = &original.sent.target;
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target.as_str(), None),
    };
    let with = |path: &str| match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut all: Vec<Body> = vec![
        (
            "a slash at the end".into(),
            Either,
            with(&format!("{path}/")),
        ),
        (
            "two slashes in front".into(),
            Either,
            with(&format!("/{path}")),
        ),
        (
            "a login host in front".into(),
            Either,
            with(&format!("/x.salesforce.com{path}")),
        ),
        (
            "another version".into(),
            Other,
            with(&path.replace("v61.0", "v60.0").replace("/v3/", "/v4/")),
        ),
        ("a fragment".into(), Other, with(&format!("{path}%23x"))),
    ];
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    for (at, segment) in segments.iter().enumerate() {
        let of = |text: String| {
            let mut other: Vec<String> = segments.iter().map(|one| (*one).to_owned()).collect();
            other[at] = text;
            with(&format!("/{}", other.join("/")))
        };
        let first = segment.bytes().next().unwrap();
        let swapped: String = segment.chars().map(swap_case).collect();
        let mut add = |name: &str, meaning, text: String| {
            all.push((format!("{segment} {name}"), meaning, of(text)))
        };
        add("in another case", Either, swapped);
        add(
            "with an escape",
            Either,
            format!("%{first:02X}{}", &segment[1..]),
        );
        add(
            "with an escape of an escape",
            Other,
            format!("%25{first:02X}{}", &segment[1..]),
        );
        add("and a letter", Other, format!("{segment}x"));
        add("twice", Other, format!("{segment}/{segment}"));
        add("and a parameter", Other, format!("{segment};x=1"));
        add("and an escaped slash", Other, format!("{segment}%2f"));
        add("and back", Other, format!("{segment}/../{segment}"));
        add("and a backslash", Other, format!("{segment}%5c"));
        if segment.len() == 18 {
            add("in 15 characters", Either, segment[..15].to_owned());
            add("for another record", Other, original.spare.to_owned());
        }
    }
    queries(path, query, &mut all);
    all
}

fn queries(path: &str, query: Option<&str>, all: &mut Vec<Body>) {
    let mut add = |name: &str, meaning, query: String| {
        all.push((format!("query {name}"), meaning, format!("{path}?{query}")));
    };
    let Some(query) = query else {
        add("that is empty", Either, String::new());
        add("of any kind", Other, "x=1".into());
        add("with a method", Other, "_HttpMethod=DELETE".into());
        add("with a token", Other, "access_token=x".into());
        return;
    };
    add("and more", Other, format!("{query}&x=1"));
    add("twice", Other, format!("{query}&{query}"));
    add("with another value", Other, format!("{query}x"));
    add(
        "with a method",
        Other,
        format!("{query}&_HttpMethod=DELETE"),
    );
    add(
        "in another case",
        Either,
        query.chars().map(swap_case).collect(),
    );
    add("with an ampersand more", Either, format!("&{query}"));
    all.push(("no query".into(), Other, path.to_owned()));
}

fn methods(original: &Original<'_>, all: &mut Vec<Variation>) {
    for method in ["POST", "PUT", "PATCH", "DELETE", "patch", "Post", "MERGE"] {
        if method != original.sent.method.as_str() {
            let other: Method = method.parse().unwrap();
            push(all, method.to_owned(), Other, original, |sent| {
                sent.method = other
            });
        }
    }
}

/// Headers that act, that are idle, and that are nobody's business.
fn headers(original: &Original<'_>) -> Vec<(&'static str, &'static str, Meaning)> {
    // A header that does not pass on changes nothing; one of an unknown kind makes the CRM's own API
    // opaque.
    let unknown = if original.opaque { Same } else { Other };
    // Without a body there is nothing to be of a kind.
    let kind = if original.sent.body.is_empty() {
        Either
    } else {
        Other
    };
    let mut all = vec![
        ("accept", "application/json;q=0.5", Same),
        ("accept-language", "de", Same),
        ("user-agent", "other/1", Same),
        ("x-anything", "1", Same),
        ("x-forwarded-for", "10.0.0.1", Same),
        ("x-writegate-intent", "something else", Same),
        ("x-writegate-run", "2", Same),
        ("x-writegate-on-behalf-of", "somebody else", Same),
        ("connection", "close", Same),
        ("connection", "close, content-type", Other),
        ("cookie", "sid=x", Other),
        ("x-http-method-override", "DELETE", Other),
        ("x-http-method", "DELETE", Other),
        ("x-method-override", "DELETE", Other),
        ("content-type", "application/xml", kind),
        ("content-type", "application/json; charset=utf-16", kind),
        ("content-type", "application/json; charset=utf-8", Either),
        ("idempotency-key", "k", Other),
        ("idempotency-key", "", Other),
        ("authorization", "Bearer x", Other),
    ];
    match original.crm {
        CrmKind::Salesforce => all.extend([
            ("sforce-auto-assign", "TRUE", Other),
            ("sforce-auto-assign", "FALSE", Other),
            ("sforce-auto-assign", "01QWg0000000001MAA", Other),
            ("sforce-duplicate-rule-header", "allowSave=true", Other),
            ("sforce-mru", "updateMru=true", Other),
            ("sforce-call-options", "client=x", Other),
            (
                "sforce-call-options",
                "client=x, defaultNamespace=ns",
                Other,
            ),
            ("sforce-query-options", "batchSize=200", Other),
            ("sforce-something-new", "1", unknown),
            ("if-match", "\"1\"", Other),
            ("if-none-match", "*", Other),
            ("if-modified-since", "Fri, 20 Nov 2026 14:00:00 GMT", Other),
            (
                "if-unmodified-since",
                "Fri, 20 Nov 2026 14:00:00 GMT",
                Other,
            ),
            ("x-sfdc-session", "x", Other),
            ("x-prettyprint", "1", Same),
        ]),
        CrmKind::HubSpot => all.extend([
            ("private-app", "x", Other),
            ("private-app-legacy", "x", Other),
        ]),
    }
    all
}
