//! Intended writes as XML and beside files, read back: none is missed, none is invented.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use super::generated::{Intended, intended, members, spelled_object, spelling};
use super::*;
use crate::mutation::{RecordKey, unknown_value};

const DATA: &str = "/services/data/v61.0";
const XSI: &str = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";

/// In CI; with `WRITEGATE_LONG` a hundred times as many.
const SETS: u32 = 2_500;

fn cases() -> u32 {
    match std::env::var_os("WRITEGATE_LONG") {
        Some(_) => SETS * 100,
        None => SETS,
    }
}

fn runner() -> TestRunner {
    TestRunner::new(Config {
        failure_persistence: None,
        ..Config::with_cases(cases())
    })
}

/// XML says texts and nulls: a number is its text.
fn as_text(mut one: Intended) -> Intended {
    for value in one.fields.values_mut() {
        if !value.is_null() && !value.is_string() {
            *value = Value::from(value.to_string());
        }
    }
    one
}

fn element(name: &str, value: &Value, cdata: bool) -> String {
    let Some(text) = value.as_str() else {
        return format!("<{name} xsi:nil=\"true\"/>");
    };
    if text.is_empty() {
        return format!("<{name}/>");
    }
    if cdata && !text.contains("]]>") {
        return format!("<{name}><![CDATA[{text}]]></{name}>");
    }
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    format!("<{name}>{}</{name}>", text.replace("]]>", "]]&gt;"))
}

fn elements(one: &Intended, cdata: bool) -> String {
    one.fields
        .iter()
        .map(|(name, value)| element(name, value, cdata) + "\n")
        .collect()
}

fn read(method: &str, target: &str, kind: &str, body: &[u8]) -> Judged {
    judge_with(method, target, &header_map(&[("content-type", kind)]), body)
}

#[test]
fn what_is_meant_is_read_in_xml() {
    let sets = proptest::collection::vec(intended(), 1..8);
    let count = std::cell::Cell::new(0_usize);
    runner()
        .run(&(sets, spelling()), |(set, spelling)| {
            let set: Vec<Intended> = set.into_iter().map(as_text).collect();
            let cdata = spelling.escaped;
            let first = set[0].clone();
            let object = spelled_object(first.object, &spelling);
            let (method, target, body, meant) = match &first.key {
                Some(RecordKey::Id { id }) if first.operation == Operation::Update => {
                    let inside = elements(&first, cdata);
                    let body = format!("<{object} {XSI}>{inside}</{object}>");
                    let target = format!("{DATA}/sobjects/{}/{id}", first.object);
                    ("PATCH", target, body, vec![first])
                }
                _ => {
                    let made: Vec<Intended> = set
                        .into_iter()
                        .filter(|one| one.operation == Operation::Create)
                        .filter(|one| one.object == first.object)
                        .collect();
                    let record = |(at, one): (usize, &Intended)| {
                        let inside = elements(one, cdata);
                        format!(
                            "<records type=\"{object}\" referenceId=\"r{at}\">{inside}</records>"
                        )
                    };
                    let inside: String = made.iter().enumerate().map(record).collect();
                    let body = format!("<SObjectTreeRequest {XSI}>{inside}</SObjectTreeRequest>");
                    (
                        "POST",
                        format!("{DATA}/composite/tree/{object}"),
                        body,
                        made,
                    )
                }
            };
            if meant.is_empty() {
                return Ok(());
            }
            let judged = read(method, &target, "application/xml", body.as_bytes());
            let Judged::Mutations(read) = judged else {
                panic!("{body}: {judged:?}");
            };
            prop_assert_eq!(read.len(), meant.len());
            for (read, meant) in read.iter().zip(&meant) {
                let same = read.object == meant.object
                    && read.operation == meant.operation
                    && read.record == meant.key
                    && read.fields == meant.fields;
                prop_assert!(same, "{:?} {:?}", read, meant);
            }
            count.set(count.get() + read.len());
            Ok(())
        })
        .unwrap();
    println!(
        "{} sets in XML, {} mutations; missed or invented 0",
        cases(),
        count.get()
    );
}

#[test]
fn what_is_meant_is_read_beside_a_file() {
    let file = proptest::collection::vec(any::<u8>(), 0..64);
    let sets = (intended(), spelling(), file);
    runner()
        .run(&sets, |(meant, spelling, file)| {
            if meant.fields.contains_key("Body") {
                return Ok(());
            }
            let json = members(&meant, Vec::new(), &spelling);
            let mut body = format!(
                "--b1\r\nContent-Disposition: form-data; name=\"entity_document\";\r\nContent-Type: \
                 application/json\r\n\r\n{json}\r\n--b1\r\nContent-Disposition: form-data; \
                 name=\"Body\"; filename=\"a.bin\"\r\nContent-Type: application/x\r\n\r\n"
            )
            .into_bytes();
            body.extend_from_slice(&file);
            body.extend_from_slice(b"\r\n--b1--\r\n");
            let target = format!("{DATA}/sobjects/Document");
            let kind = "multipart/form-data; boundary=b1";
            let Judged::Mutations(read) = read("POST", &target, kind, &body) else {
                panic!("{json}");
            };
            let shown = whole::described("application/x", &file);
            let mut fields = meant.fields;
            fields.insert("Body".into(), unknown_value(&format!("file a.bin: {shown}")));
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!(&read[0].fields, &fields);
            Ok(())
        })
        .unwrap();
    println!("{} records beside files; missed or invented 0", cases());
}
