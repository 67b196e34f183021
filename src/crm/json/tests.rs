//! What is refused and what is read, by hand, by corpus and by chance.

use std::collections::HashSet;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::parse;

fn refused(body: &str) -> String {
    parse(body.as_bytes()).unwrap_err().0
}

#[test]
fn says_what_and_where() {
    for (body, what) in [
        ("", "it is empty"),
        ("\u{feff}{}", "byte order mark"),
        ("{} x", "trailing characters at line 1 column 4"),
        (
            "{\"a\":1,\n\"a\":2}",
            "named \"a\" (names compare without case) at line 2",
        ),
        (
            "{\"a\":1,\"\\u0041\":2}",
            "two members of one object are named \"A\"",
        ),
        ("{\"a\\u0000\":1}", "control character"),
        ("{\"a\":\n 1e400}", "the number at line 2 column 2"),
        ("[0.1000000000000000055]", "the number at line 1 column 2"),
        ("[18446744073709551617]", "the number at line 1 column 2"),
        ("{\"a\":\"\\ud800\"}", "line 1 column"),
    ] {
        let text = refused(body);
        assert!(text.contains(what), "{body:?} → {text}");
    }
    assert!(parse(b"[\"\xff\"]").unwrap_err().0.contains("byte 2"));
}

#[test]
fn look_alike_names_are_one_name() {
    for (a, b) in [
        ("Discount", "D\u{131}scount"),
        ("Key", "\u{212a}ey"),
        ("is", "i\u{17f}"),
    ] {
        refused(&json!({a: 1, b: 2}).to_string());
    }
    // in two objects they do not meet
    let apart = json!([{"a": 1}, {"A": {"a": 1}}]);
    assert_eq!(parse(apart.to_string().as_bytes()), Ok(apart));
}

#[test]
fn private_names_of_the_parser_are_plain_names() {
    for name in [
        "$serde_json::private::Number",
        "$serde_json::private::RawValue",
    ] {
        let value = json!({ name: "7" });
        assert_eq!(parse(value.to_string().as_bytes()), Ok(value));
    }
}

#[test]
fn numbers_keep_their_value() {
    let body =
        "[9007199254740993, 18446744073709551615, -9223372036854775808, 1.50, 1E2, 0e999999]";
    let expected = json!([9007199254740993_u64, u64::MAX, i64::MIN, 1.5, 100.0, 0.0]);
    assert_eq!(parse(body.as_bytes()), Ok(expected));
    // half way between two shortest texts: the even one, as printers write it
    assert!(parse(b"2193946435759208.2").is_ok());
    let zero = parse(b"-0").unwrap();
    assert!(zero.as_f64().unwrap().is_sign_negative());
    // a digit string inside a string is no number
    assert!(parse(b"{\"a\\\"1e400\": \"\\\\\", \"b\": \"9e999\"}").is_ok());
}

#[test]
fn depth_and_members_are_bounded() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(parse(deep(64).as_bytes()).is_ok());
    assert!(refused(&deep(65)).contains("64 levels"));
    assert!(refused(&"[".repeat(100_000)).contains("64 levels"));
    let wide = |members: usize| {
        let members: Vec<String> = (0..members).map(|n| format!("\"m{n}\":0")).collect();
        format!("{{{}}}", members.join(","))
    };
    assert!(parse(wide(20_000).as_bytes()).is_ok());
    assert!(refused(&wide(20_001)).contains("20000 members"));
    assert!(super::parse_answer(wide(20_001).as_bytes()).is_ok());
}

#[test]
fn names_that_collide_under_weak_hashes_take_no_longer() {
    let names = (0..1_u32 << 16).map(|bits| {
        let name: String = (0..16)
            .map(|bit| if bits >> bit & 1 == 0 { "Aa" } else { "BB" })
            .collect();
        format!("\"{name}\":0")
    });
    let body = format!("{{{}}}", names.collect::<Vec<_>>().join(","));
    refused(&body);
}

/// The rows of a corpus; none, with a printed line, when the corpora are absent.
fn rows(file: &str) -> Vec<Value> {
    let folder = std::env::var_os("WRITEGATE_CORPORA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora"),
        PathBuf::from,
    );
    let path = folder.join("json").join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: {} is absent", path.display());
        return Vec::new();
    };
    text.lines()
        .map(|line| parse(line.as_bytes()).unwrap())
        .collect()
}

/// A row's document: its bytes, or what its recipe makes.
fn bytes(row: &Value) -> Option<Vec<u8>> {
    if let Some(text) = row["b64"].as_str() {
        return Some(STANDARD.decode(text).unwrap());
    }
    let recipe = row.get("generate").unwrap_or(row);
    let [part, times] = recipe["repeat"].as_array()?.as_slice() else {
        return None;
    };
    let middle = part
        .as_str()?
        .repeat(usize::try_from(times.as_u64()?).unwrap());
    let text = |key: &str| recipe[key].as_str().unwrap_or_default();
    Some(format!("{}{middle}{}", text("prefix"), text("suffix")).into())
}

/// Documents that RFC 8259 allows and that have two readings, or none that every reader shares.
const OVERRULED: [(&str, &str); 3] = [
    ("y_object_duplicated_key", "two members with one name"),
    (
        "y_object_duplicated_key_and_value",
        "two members with one name",
    ),
    (
        "y_object_escaped_null_in_key",
        "a control character in a name",
    ),
];

#[test]
fn json_test_suite() {
    let overruled: HashSet<&str> = OVERRULED.iter().map(|(id, _)| *id).collect();
    let (mut accepted, mut rejected) = (0, 0);
    for row in rows("jsontestsuite.jsonl") {
        let id = row["id"].as_str().unwrap();
        let result = parse(&bytes(&row).unwrap());
        match row["expect"].as_str().unwrap() {
            "accept" => {
                assert_eq!(result.is_err(), overruled.contains(id), "{id}: {result:?}");
                accepted += 1;
            }
            "reject" => {
                assert!(result.is_err(), "{id}: {result:?}");
                rejected += 1;
            }
            _ => {}
        }
    }
    println!("JSONTestSuite: {accepted} valid and {rejected} invalid documents");
}

/// What readers take for different values is refused, or read without loss.
#[test]
fn json_test_suite_transforms() {
    let read: HashSet<&str> = [
        "number_-9223372036854775808",
        "number_1.0",
        "number_1000000000000000",
        "number_10000000000000000999",
        "number_1e6",
        "number_9223372036854775807",
        "number_9223372036854775808",
        // composed and decomposed letters: the connectors take ASCII names only
        "object_key_nfc_nfd",
        "object_key_nfd_nfc",
        // a NUL in a value is a value
        "string_with_escaped_NULL",
    ]
    .into();
    for row in rows("jsontestsuite-transform.jsonl") {
        let id = row["id"].as_str().unwrap();
        let result = parse(&bytes(&row).unwrap());
        assert_eq!(result.is_ok(), read.contains(id), "{id}: {result:?}");
    }
}

/// The rows whose fault is in the JSON itself; the others are for the connectors and the body reader.
#[test]
fn writegate_bodies() {
    let json_faults: HashSet<&str> = [
        "body/dup-nul",
        "body/dup-turkish",
        "body/dup-kelvin",
        "body/dup-surrogate",
        "body/trail",
        "body/comment",
        "body/single",
        "body/utf16le",
        "body/utf32",
        "body/surrogate-utf8",
        "body/gz-lie-identity",
        "body/comp-dupkey",
        "body/comp-dupkey2",
        "body/hs-dup",
        "body/depth-65",
        "body/depth-100k",
        "body/depth-obj-1m",
    ]
    .into();
    let mut seen = 0;
    for row in rows("writegate-bodies.jsonl") {
        let id = row["id"].as_str().unwrap();
        let plain = row["content_encoding"].is_null() && !id.starts_with("body/mp-");
        let Some(body) = bytes(&row).filter(|_| plain) else {
            continue;
        };
        let result = parse(&body);
        assert_eq!(
            result.is_err(),
            json_faults.contains(id),
            "{id}: {result:?}"
        );
        seen += 1;
    }
    println!("writegate-bodies: {seen} JSON bodies");
}

/// Any document without names that meet under case folding.
fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec(("[^\\p{C}]{0,6}", inner), 0..8).prop_map(|members| {
                let mut folded = HashSet::new();
                let distinct = members
                    .into_iter()
                    .filter(|(name, _)| folded.insert(super::fold(name)));
                Value::Object(distinct.collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn printed_and_parsed_is_the_same(document in documents()) {
        prop_assert_eq!(parse(document.to_string().as_bytes()), Ok(document.clone()));
        prop_assert_eq!(parse(format!("\n{document:#}\r ").as_bytes()), Ok(document));
    }

    #[test]
    fn names_that_differ_in_case_are_refused(
        name in "[a-z_]{0,8}[a-z]",
        flip in any::<u16>(),
        others in prop::collection::hash_set("[0-9]{1,4}", 0..5),
        depth in 0_usize..5,
    ) {
        let other: String = name.char_indices().map(|(at, c)| {
            if flip >> (at % 16) & 1 == 1 { c.to_ascii_uppercase() } else { c }
        }).collect();
        let between: String = others.iter().map(|other| format!("\"{other}\":[],")).collect();
        let escaped: String = other.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
        let object = format!("{{\"{name}\":1,{between}\"{escaped}\":2}}");
        let body = format!("{}{object}{}", "[".repeat(depth), "]".repeat(depth));
        prop_assert!(parse(body.as_bytes()).is_err());
    }

    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..64)) {
        let _parsed = parse(&body);
    }

    #[test]
    fn a_decimal_is_read_exactly_or_refused(
        whole in 0_u64..1_000_000_000_000, fraction in "[0-9]{0,12}", exponent in -340_i32..340,
    ) {
        let literal = if fraction.is_empty() {
            format!("{whole}e{exponent}")
        } else {
            format!("{whole}.{fraction}e{exponent}")
        };
        let significant = format!("{whole}{fraction}").trim_start_matches('0').trim_end_matches('0').len();
        let result = parse(literal.as_bytes());
        // 15 digits always survive a double (IEEE 754) away from its limits
        if significant <= 15 && (-290..290).contains(&exponent) {
            let expected: f64 = literal.parse().unwrap();
            prop_assert_eq!(result.unwrap().as_f64(), Some(expected));
        } else if let Ok(value) = result {
            prop_assert!(value.as_f64().unwrap().is_finite());
        }
    }
}
