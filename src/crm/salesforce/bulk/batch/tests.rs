//! Jobs and batches as clients write them, and rows made from change sets.

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
fn with<T>(method: Method, path: &str, kind: &str, look: impl FnOnce(&Head<'_>) -> T) -> T {
    let path = CanonicalPath::parse(path).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_str(kind).unwrap());
    look(&Head {
        method: &method,
        path: &path,
        query: None,
        headers: &headers,
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
    let made = with(Method::POST, path, &kind, |head| {
        bulk::make(head, body.as_bytes())
    });
    made.map_err(|fault| fault.0).and_then(|made| made)
}

#[test]
fn the_documented_steps_are_told_apart() {
    let step = |method, path: &str, kind: &str| {
        with(
            method,
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
            format!("<sObjects xmlns=\"{NAMESPACE}\" xmlns:xsi=\"{INSTANCE}\">{rows}</sObjects>")
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
        let form = KINDS[form];
        let mut names: Vec<String> = (0..fields).map(|at| format!("F{at}__c")).collect();
        let key = match operation {
            "insert" => None,
            "upsert" => Some("Ext__c"),
            _ => Some("Id"),
        };
        let bare = operation == "delete";
        if bare {
            names.clear();
        }
        let mut members = vec![("operation", operation), ("object", "Account")];
        members.push((
            "contentType",
            match form {
                "text/csv" => "CSV",
                "application/xml" => "XML",
                _ => "JSON",
            },
        ));
        if operation == "upsert" {
            members.push(("externalIdFieldName", "Ext__c"));
        }
        let spec = made(&members, "application/json").map_err(TestCaseError::fail)?;
        let (mut sent, mut intended) = (Vec::new(), Vec::new());
        for (number, values) in &meant {
            let id = id::canonical(&format!("0010000000{number:05}")).unwrap();
            let mut row: Vec<(String, Option<String>)> = Vec::new();
            let record = match key {
                None => None,
                Some("Id") => {
                    row.push(("Id".into(), Some(id.clone())));
                    Some(RecordKey::id(id))
                }
                Some(key) => {
                    let value = format!("k{number}");
                    row.push((key.into(), Some(value.clone())));
                    Some(RecordKey::External {
                        key: key.into(),
                        value,
                    })
                }
            };
            let mut set = Map::new();
            if leads && !bare && number % 3 == 0 {
                row.push(("Parent.Ext_Id__c".into(), Some("p-1".into())));
                let told = "the record whose Ext_Id__c is p-1";
                set.insert("ParentId".into(), crate::mutation::unknown_value(told));
            }
            for (name, value) in names.iter().zip(values) {
                let null = value.is_none() && number % 2 == 0;
                if value.is_some() || null {
                    row.push((name.clone(), value.clone()));
                    set.insert(name.clone(), json!(value));
                }
            }
            sent.push(row);
            intended.push((record, set));
        }
        let lead = (leads && !bare).then_some("Parent.Ext_Id__c");
        let columns: Vec<&str> = key
            .into_iter()
            .chain(lead)
            .chain(names.iter().map(String::as_str))
            .collect();
        prop_assume!(sent.iter().any(|row| !row.is_empty()));
        let body = written(form, &sent, &columns);
        let path = format!("/services/async/60.0/job/{JOB}/batch");
        let apart = with(Method::POST, &path, form, |head| {
            rows(&spec, head, body.as_bytes())
                .map(|apart| apart.map(|(spec, csv)| (spec, csv.into_owned())))
        });
        let apart = apart.map_err(|fault| TestCaseError::fail(fault.0))?;
        let (spec, csv) = apart.map_err(TestCaseError::fail)?;
        let read =
            tests::rows(&spec, &csv).map_err(|fault| TestCaseError::fail(fault.to_string()))?;
        let sorted = |fields: &Map<String, Value>| -> std::collections::BTreeMap<String, Value> {
            fields.clone().into_iter().collect()
        };
        let read: Vec<_> = read
            .iter()
            .map(|row| (row.record.clone(), sorted(&row.fields)))
            .collect();
        let intended: Vec<_> = intended
            .iter()
            .map(|(key, set)| (key.clone(), sorted(set)))
            .collect();
        prop_assert_eq!(read, intended, "{}", body);
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
    println!("{cases} batches: missed or invented mutations 0");
}
