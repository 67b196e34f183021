//! Jobs as they are asked for, and rows made from change sets.

use http::HeaderValue;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, json};

use super::csv::{Fault, Reader, Record};
use super::*;
use crate::crm::catalog::{Catalog, OwnType};
use crate::crm::path::CanonicalPath;
use crate::mutation::{CrmKind, Mutation, Operation, RecordKey};

pub(super) fn spec(value: &Value) -> Result<Spec, body::Refused> {
    Spec::asked(value.as_object().unwrap())
}

/// The rows of a file, as a job reads them.
pub(super) fn rows(spec: &Spec, csv: &[u8]) -> Result<Vec<Mutation>, Fault> {
    let mut columns: Option<Columns> = None;
    let mut rows = Vec::new();
    let mut each = |record: Record<'_>| {
        match &columns {
            None => columns = Some(Columns::of(spec, record)?),
            Some(columns) => rows.push(columns.mutation(rows.len() as u64, record)?),
        }
        Ok(())
    };
    let mut reader = Reader::new(spec.dialect());
    reader.push(csv, &mut each)?;
    reader.finish(&mut each)?;
    Ok(rows)
}

fn kind(method: &Method, path: &str, query: Option<&str>, kind: &str) -> Option<Class> {
    let path = CanonicalPath::parse(path).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_str(kind).unwrap());
    classify(&Head {
        method,
        path: &path,
        query,
        headers: &headers,
        sender: crate::crm::catalog::Sender::default(),
    })
}

#[test]
fn the_documented_steps_are_told_apart() {
    let job = "7500000000000zzAAA";
    let base = "/services/data/v60.0/jobs/ingest";
    let step = |method, path: &str| match kind(&method, path, None, "text/csv") {
        Some(Class::Write(AnyShape::Salesforce(Shape::Bulk(step)))) => Some(step),
        _ => None,
    };
    let id = || job.to_owned();
    assert_eq!(step(Method::POST, base), Some(Step::Make));
    for spelled in [job, job.get(..15).unwrap()] {
        let path = format!("{base}/{spelled}");
        assert_eq!(step(Method::PATCH, &path), Some(Step::Turn { job: id() }));
        assert_eq!(step(Method::DELETE, &path), Some(Step::Drop { job: id() }));
        let feeds = step(Method::PUT, &format!("{path}/batches"));
        assert_eq!(feeds, Some(Step::Feed { job: id() }));
        assert_eq!(step(Method::PUT, &path), None);
        assert_eq!(step(Method::POST, &path), None);
    }
    for path in [
        "/services/data/v60.0/jobs/Ingest",
        "/services/data/x/jobs/ingest",
    ] {
        assert_eq!(step(Method::POST, path), None, "{path}");
    }
    assert_eq!(kind(&Method::GET, base, None, "text/csv"), None);
    let queried = kind(&Method::POST, base, Some("x=1"), "application/json");
    assert!(matches!(
        queried,
        Some(Class::Write(AnyShape::TwoReadings(_)))
    ));
    let feeds = format!("{base}/{job}/batches");
    for wrong in [
        "text/plain",
        "application/xml",
        "text/csv; charset=utf-16",
        "zip/csv",
    ] {
        let class = kind(&Method::PUT, &feeds, None, wrong);
        assert!(matches!(class, Some(Class::Opaque(_))), "{wrong}");
    }
}

#[test]
fn a_job_says_what_it_does() {
    let told = spec(&json!({
        "object": "account", "operation": "upsert", "externalIdFieldName": "Ext__c",
        "columnDelimiter": "CARET", "lineEnding": "CRLF", "contentType": "CSV",
    }));
    let told = told.unwrap();
    assert_eq!((told.object.as_str(), told.work), ("Account", Work::Upsert));
    assert_eq!(
        told.dialect(),
        csv::Dialect {
            delimiter: b'^',
            crlf: true
        }
    );
    for wrong in [
        json!({ "object": "Account", "operation": "Insert" }),
        json!({ "object": "Account", "operation": "insert", "externalIdFieldName": "X__c" }),
        json!({ "object": "Account", "operation": "insert", "lineEnding": "CR" }),
        json!({ "object": "Account", "operation": "insert", "columnDelimiter": 5 }),
        json!({ "object": "Unknown", "operation": "insert" }),
        json!({ "object": "Account", "operation": "insert", "id": "750" }),
    ] {
        assert!(spec(&wrong).is_err(), "{wrong}");
    }
}

#[test]
fn an_object_of_the_orgs_own_has_rows_once_it_is_placed() {
    let asked = spec(&json!({ "object": "ns__x__C", "operation": "update" })).unwrap();
    let csv = b"Id,Name\na0B000000000001,x\n";
    assert!(rows(&asked, csv).is_err());
    let catalog = Catalog::builtin(CrmKind::Salesforce);
    let why = asked.clone().placed(&catalog).unwrap_err();
    assert!(why.contains("ns__x__C"), "{why}");
    let own = OwnType {
        name: "ns__X__c".into(),
        prefix: "a0B".into(),
    };
    catalog.learn_own_types(vec![own], 1, Timestamp::UNIX_EPOCH);
    let placed = asked.placed(&catalog).unwrap();
    // as the job's record has it
    let kept: Spec = serde_json::from_value(json!(placed)).unwrap();
    let row = rows(&kept, csv).unwrap().remove(0);
    assert_eq!(row.object, "ns__X__c");
    assert_eq!(row.record, Some(RecordKey::id("a0B000000000001EAA")));
    assert!(rows(&kept, b"Id,Name\na0C000000000001,x\n").is_err());
}

#[test]
fn cells_become_values_and_lookups_their_fields() {
    let updates = spec(&json!({ "object": "Contact", "operation": "update" })).unwrap();
    let csv = "Id,Title,Phone,Account.Ext__c,Mentor__r.Ext__c,User:Owner.Code__c\n\
               003000000000001,#N/A,,a-1,#N/A,u-1\n";
    let rows = rows(&updates, csv.as_bytes()).unwrap();
    assert_eq!(rows[0].record, Some(RecordKey::id("003000000000001AAA")));
    assert_eq!(
        Value::Object(rows[0].fields.clone()),
        json!({
            "Title": null,
            "AccountId": { "@{}": "the record whose Ext__c is a-1" },
            "Mentor__c": null,
            "OwnerId": { "@{}": "the record whose Code__c is u-1" },
        })
    );
}

#[test]
fn headers_that_do_not_fit_the_job_are_refused() {
    let refused = |spec_of: Value, header: &str| {
        let spec = spec(&spec_of).unwrap();
        assert!(
            rows(&spec, format!("{header}\n").as_bytes()).is_err(),
            "{spec_of} {header}"
        );
    };
    let job = |operation: &str| json!({ "object": "Account", "operation": operation });
    refused(job("insert"), "Id,Name");
    refused(job("update"), "Name");
    refused(job("update"), "Id,Name,NAME");
    refused(job("update"), "Id,OwnerId,Owner.Code__c");
    refused(job("update"), "Id,A.B.C");
    refused(job("update"), "Id,Name ");
    refused(job("update"), "Id,");
    refused(job("delete"), "Id,Name");
    refused(job("hardDelete"), "id,ID");
    let upsert = json!({
        "object": "Account", "operation": "upsert", "externalIdFieldName": "Ext__c",
    });
    refused(upsert.clone(), "Name");
    refused(upsert, "Id,Ext__c");
    refused(
        json!({ "object": "Attachment", "operation": "insert" }),
        "Name,Body",
    );
}

#[test]
fn a_record_is_named_once() {
    let updates = spec(&json!({ "object": "Account", "operation": "update" })).unwrap();
    let csv = "Id,Name\n001000000000001AAA,a\n001000000000002AAA,b\n001000000000001,c\n";
    let mut once = Once::default();
    let new: Vec<bool> = rows(&updates, csv.as_bytes())
        .unwrap()
        .iter()
        .map(|mutation| once.is_new(mutation))
        .collect();
    assert_eq!(new, [true, true, false]);
}

/// For each row its key, and its values; `None` leaves a field as it is.
pub(super) type Meant = Vec<(u16, Vec<Option<String>>)>;

/// A change set: rows of the same fields, some left as they are.
pub(super) fn changes() -> impl Strategy<Value = (usize, Meant)> {
    (1..4_usize).prop_flat_map(|fields| {
        let value = prop::option::of("[a-zA-Z0-9 ,;\"\n|^`é]{1,10}");
        let row = (any::<u16>(), prop::collection::vec(value, fields));
        (Just(fields), prop::collection::vec(row, 1..6))
    })
}

#[test]
fn rows_say_what_was_meant() {
    let long = std::env::var_os("WRITEGATE_LONG").is_some();
    let cases = if long { 1_000_000 } else { 10_000 };
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let operations = ["insert", "update", "upsert", "delete", "hardDelete"];
    let inputs = (changes(), 0..operations.len(), any::<bool>());
    let run = TestRunner::new(config).run(&inputs, |((fields, meant), operation, crlf)| {
        let operation = operations[operation];
        let names: Vec<String> = (0..fields).map(|at| format!("F{at}__c")).collect();
        let key = match operation {
            "insert" => None,
            "upsert" => Some("Ext__c"),
            _ => Some("Id"),
        };
        let bare = matches!(operation, "delete" | "hardDelete");
        let mut asked = json!({ "object": "Account", "operation": operation,
            "lineEnding": if crlf { "CRLF" } else { "LF" } });
        if operation == "upsert" {
            asked["externalIdFieldName"] = json!("Ext__c");
        }
        let written = names.iter().map(String::as_str).filter(|_| !bare);
        let header: Vec<&str> = key.into_iter().chain(written).collect();
        let quoted = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
        let end = if crlf { "\r\n" } else { "\n" };
        let mut csv = header.join(",") + end;
        let mut intended = Vec::new();
        for (number, values) in &meant {
            let id = id::canonical(&format!("0010000000{number:05}")).unwrap();
            let record = match operation {
                "insert" => None,
                "upsert" => Some((
                    format!("k{number}"),
                    RecordKey::External {
                        key: "Ext__c".into(),
                        value: format!("k{number}"),
                    },
                )),
                _ => Some((id.clone(), RecordKey::id(id))),
            };
            let mut cells: Vec<String> = record.iter().map(|(text, _)| quoted(text)).collect();
            let mut set = Map::new();
            for (name, value) in names.iter().zip(values).filter(|_| !bare) {
                // every other absent value is a null
                let null = value.is_none() && number % 2 == 0;
                let cell = value.as_deref().unwrap_or(if null { "#N/A" } else { "" });
                cells.push(quoted(cell));
                match value {
                    Some(text) => drop(set.insert(name.clone(), json!(text))),
                    None if null => drop(set.insert(name.clone(), Value::Null)),
                    None => {}
                }
            }
            csv += &(cells.join(",") + end);
            intended.push((record.map(|(_, key)| key), set));
        }
        let spec = spec(&asked).map_err(|why| TestCaseError::fail(format!("{why:?}")))?;
        let read =
            rows(&spec, csv.as_bytes()).map_err(|fault| TestCaseError::fail(fault.to_string()))?;
        let expected = match operation {
            "insert" => Operation::Create,
            "update" => Operation::Update,
            "upsert" => Operation::Upsert,
            "delete" => Operation::Delete,
            _ => Operation::Purge,
        };
        prop_assert!(
            read.iter()
                .all(|row| row.operation == expected && row.object == "Account")
        );
        let read: Vec<_> = read
            .into_iter()
            .map(|row| (row.record, row.fields))
            .collect();
        prop_assert_eq!(read, intended);
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
    println!("{cases} jobs: missed or invented mutations 0");
}
