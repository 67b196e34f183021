//! Jobs and batches as clients write them, and rows made from change sets.

use std::collections::BTreeMap;

use http::{HeaderValue, Method};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use super::*;
use crate::crm::Class;
use crate::crm::path::CanonicalPath;
use crate::crm::salesforce::bulk::{self, Step, Work, tests};
use crate::mutation::RecordKey;

const JOB: &str = "7500000000000zzAAA";
const KINDS: [&str; 3] = ["text/csv", "application/xml", "application/json"];

/// A request to this API, looked at.
fn with<T>(method: &Method, path: &str, kind: &str, look: impl FnOnce(&Head<'_>) -> T) -> T {
    let path = CanonicalPath::parse(path).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_str(kind).unwrap());
    look(&Head {
        method,
        path: &path,
        query: None,
        headers: &headers,
        sender: crate::crm::catalog::Sender::default(),
    })
}

fn job(members: &[(&str, &str)], form: &str) -> (String, String) {
    if form == "application/json" {
        let members = members
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)));
        return (
            form.to_owned(),
            Value::Object(members.collect()).to_string(),
        );
    }
    let members = members
        .iter()
        .map(|(name, value)| format!("<{name}>{value}</{name}>"));
    let members: String = members.collect();
    let body = format!("<jobInfo xmlns=\"{NAMESPACE}\">{members}</jobInfo>");
    ("application/xml; charset=UTF-8".into(), body)
}

fn made(members: &[(&str, &str)], form: &str) -> Result<Spec, String> {
    let (kind, body) = job(members, form);
    let path = "/services/async/60.0/job";
    let made = with(&Method::POST, path, &kind, |head| {
        bulk::make(head, body.as_bytes())
    });
    made.map_err(|fault| fault.0).and_then(|made| made)
}

#[test]
fn the_documented_steps_are_told_apart() {
    let step = |method, path: &str, kind: &str| {
        with(
            &method,
            &format!("/services/async/60.0/job{path}"),
            kind,
            bulk::classify,
        )
    };
    let known = |class| match class {
        Some(Class::Write(crate::crm::Shape::Salesforce(crate::crm::salesforce::Shape::Bulk(
            step,
        )))) => Some(step),
        _ => None,
    };
    let id = || JOB.to_owned();
    let xml = "application/xml";
    assert_eq!(known(step(Method::POST, "", xml)), Some(Step::Make));
    let turn = step(Method::POST, &format!("/{JOB}"), xml);
    assert_eq!(known(turn), Some(Step::Turn { job: id() }));
    for kind in KINDS {
        let batch = step(Method::POST, &format!("/{JOB}/batch"), kind);
        assert_eq!(known(batch), Some(Step::Batch { job: id() }), "{kind}");
    }
    for (method, below) in [
        (Method::GET, "/batch"),
        (Method::PUT, "/batch"),
        (Method::POST, "/spec"),
        (Method::POST, "/BATCH"),
        (Method::POST, "/batch/751000000000001"),
    ] {
        assert_eq!(
            step(method, &format!("/{JOB}{below}"), xml),
            None,
            "{below}"
        );
    }
    for kind in ["zip/csv", "text/csv; charset=utf-16", "text/plain", ""] {
        let class = step(Method::POST, &format!("/{JOB}/batch"), kind);
        assert!(matches!(class, Some(Class::Opaque(_))), "{kind}");
    }
}

#[test]
fn a_job_says_what_it_does_in_both_forms() {
    for form in ["application/json", "application/xml"] {
        let told = made(
            &[
                ("operation", "upsert"),
                ("object", "account"),
                ("externalIdFieldName", "Ext__c"),
                ("concurrencyMode", "Serial"),
                ("contentType", "JSON"),
            ],
            form,
        );
        let told = told.unwrap();
        assert_eq!((told.object.as_str(), told.work), ("Account", Work::Upsert));
        assert_eq!((told.form, told.batches), (Form::Json, true));
        let xml = made(&[("operation", "query"), ("object", "Account")], form).unwrap();
        assert_eq!((xml.form, xml.work), (Form::Xml, Work::Query));
        for wrong in [
            &[("operation", "insert")][..],
            &[("operation", "composite"), ("object", "Account")],
            &[
                ("operation", "insert"),
                ("object", "Account"),
                ("contentType", "ZIP_CSV"),
            ],
            &[
                ("operation", "insert"),
                ("object", "Account"),
                ("concurrencyMode", "x"),
            ],
            &[
                ("operation", "insert"),
                ("object", "Account"),
                ("other", "x"),
            ],
            &[("operation", "upsert"), ("object", "Account")],
        ] {
            assert!(made(wrong, form).is_err(), "{wrong:?}");
        }
    }
}

#[test]
fn answers_are_read_in_both_forms() {
    let xml = format!(
        "<?xml version=\"1.0\"?><batchInfo xmlns=\"{NAMESPACE}\"><id>751000000000001</id>\
         <jobId>{JOB}</jobId><state>Completed</state><numberRecordsProcessed>3</numberRecordsProcessed>\
         <numberRecordsFailed>1</numberRecordsFailed></batchInfo>"
    );
    let json = r#"{"id":"751000000000001AAA","state":"Completed","numberRecordsProcessed":3,"numberRecordsFailed":1}"#;
    let told = batch(xml.as_bytes()).unwrap();
    assert_eq!(batch(json.as_bytes()).unwrap(), told);
    assert_eq!((told.processed, told.failed), (Some(3), Some(1)));
    assert!(batch(b"<html/>").is_err());
    assert!(batch(b"{}").is_err());
}

/// A batch of these rows in a form.
fn written(form: &str, rows: &[Vec<(String, Option<String>)>], names: &[&str]) -> String {
    let escaped = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    };
    match form {
        "text/csv" => {
            let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
            let line = |cells: Vec<String>| cells.join(",") + "\n";
            let mut csv = line(names.iter().map(|name| quoted(name)).collect());
            for row in rows {
                let cell = |name: &&str| match row.iter().find(|(known, _)| known == name) {
                    None => quoted(""),
                    Some((_, None)) => quoted("#N/A"),
                    Some((_, Some(text))) => quoted(text),
                };
                csv += &line(names.iter().map(cell).collect());
            }
            csv
        }
        "application/xml" => {
            let field =
                |(name, value): &(String, Option<String>)| match (name.split_once('.'), value) {
                    (Some((relation, by)), Some(text)) => format!(
                        "<{relation}><sObject><{by}>{}</{by}></sObject></{relation}>",
                        escaped(text)
                    ),
                    (_, None) => format!("<{name} xsi:nil=\"true\"/>"),
                    (None, Some(text)) => format!("<{name}>{}</{name}>", escaped(text)),
                };
            let rows = rows.iter().map(|row| {
                let fields: String = row.iter().map(field).collect();
                format!(" <sObject>{fields}</sObject>\n")
            });
            let rows: String = rows.collect();
            format!(
                "<sObjects xmlns=\"{NAMESPACE}\" xmlns:xsi=\"{}\">{rows}</sObjects>",
                xml::INSTANCE
            )
        }
        _ => {
            let field = |(name, value): &(String, Option<String>)| match name.split_once('.') {
                Some((relation, by)) => (relation.to_owned(), json!({ by: value })),
                None => (name.clone(), json!(value)),
            };
            let rows = rows
                .iter()
                .map(|row| Value::Object(row.iter().map(field).collect()));
            Value::Array(rows.collect()).to_string()
        }
    }
}

/// A change set as a batch is to say it: its rows, and what they come to.
struct Batch {
    columns: Vec<String>,
    rows: Vec<Vec<(String, Option<String>)>>,
    meant: Vec<(Option<RecordKey>, BTreeMap<String, Value>)>,
}

fn batch_of(operation: &str, fields: usize, meant: &tests::Meant, leads: bool) -> Batch {
    let bare = operation == "delete";
    let names = (0..if bare { 0 } else { fields }).map(|at| format!("F{at}__c"));
    let names: Vec<String> = names.collect();
    let key = match operation {
        "insert" => None,
        "upsert" => Some("Ext__c"),
        _ => Some("Id"),
    };
    let lead = (leads && !bare).then_some("Parent.Ext_Id__c");
    let columns = key.into_iter().chain(lead).map(str::to_owned);
    let mut batch = Batch {
        columns: columns.chain(names.clone()).collect(),
        rows: Vec::new(),
        meant: Vec::new(),
    };
    for (number, values) in meant {
        let id = id::canonical(&format!("0010000000{number:05}")).unwrap();
        let (text, record) = match key {
            None => (None, None),
            Some("Id") => (Some(id.clone()), Some(RecordKey::id(id))),
            Some(key) => {
                let (key, value) = (key.to_owned(), format!("k{number}"));
                (
                    Some(value.clone()),
                    Some(RecordKey::External { key, value }),
                )
            }
        };
        let named = key.filter(|_| text.is_some());
        let mut row: Vec<_> = named
            .map(|key| (key.to_owned(), text))
            .into_iter()
            .collect();
        let mut set = BTreeMap::new();
        if let Some(lead) = lead.filter(|_| number % 3 == 0) {
            row.push((lead.into(), Some("p-1".into())));
            let told = "the record whose Ext_Id__c is p-1";
            set.insert("ParentId".into(), crate::mutation::unknown_value(told));
        }
        for (name, value) in names.iter().zip(values) {
            // every other absent value is a null
            if value.is_some() || number % 2 == 0 {
                row.push((name.clone(), value.clone()));
                set.insert(name.clone(), json!(value));
            }
        }
        batch.rows.push(row);
        batch.meant.push((record, set));
    }
    batch
}

/// What a batch is read as.
fn read_back(operation: &str, form: &str, batch: &Batch) -> Result<Vec<Mutation>, String> {
    let kind = match form {
        "text/csv" => "CSV",
        "application/xml" => "XML",
        _ => "JSON",
    };
    let mut members = vec![
        ("operation", operation),
        ("object", "Account"),
        ("contentType", kind),
    ];
    if operation == "upsert" {
        members.push(("externalIdFieldName", "Ext__c"));
    }
    let spec = made(&members, "application/json")?;
    let columns: Vec<&str> = batch.columns.iter().map(String::as_str).collect();
    let body = written(form, &batch.rows, &columns);
    let path = format!("/services/async/60.0/job/{JOB}/batch");
    let apart = with(&Method::POST, &path, form, |head| {
        rows(&spec, head, body.as_bytes())
    });
    let (spec, csv) = apart.map_err(|fault| fault.0)??;
    tests::rows(&spec, &csv).map_err(|fault| fault.to_string())
}

#[test]
fn rows_say_what_was_meant_in_each_form() {
    let long = std::env::var_os("WRITEGATE_LONG").is_some();
    let cases = if long { 1_000_000 } else { 3_000 };
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let inputs = (tests::changes(), 0..4_usize, 0..3_usize, any::<bool>());
    let run = TestRunner::new(config).run(&inputs, |((fields, meant), operation, form, leads)| {
        let operation = ["insert", "update", "upsert", "delete"][operation];
        let batch = batch_of(operation, fields, &meant, leads);
        prop_assume!(batch.rows.iter().any(|row| !row.is_empty()));
        let read = read_back(operation, KINDS[form], &batch).map_err(TestCaseError::fail)?;
        let read = read
            .into_iter()
            .map(|row| (row.record, row.fields.into_iter().collect()));
        prop_assert_eq!(read.collect::<Vec<_>>(), batch.meant);
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
    println!("{cases} batches: missed or invented mutations 0");
}
