//! Bulk API 2.0 ingest: jobs that are made, fed and completed. A completed job runs at once.

pub(super) mod rows;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::error::Error;
use super::schema::Object;
use super::{Session, ids};
use rows::Row;

/// The first characters of a job's id.
const PREFIX: &str = "750";

/// All jobs of an org, by id.
#[derive(Clone, Debug, Default)]
pub(in crate::sandbox) struct Jobs(BTreeMap<String, Job>);

/// One job.
#[derive(Clone, Debug)]
struct Job {
    info: Map<String, Value>,
    data: Option<Bytes>,
    header: String,
    done: Vec<String>,
    failed: Vec<String>,
}

impl Job {
    fn text(&self, name: &str) -> &str {
        self.info.get(name).and_then(Value::as_str).unwrap_or("")
    }

    fn is(&self, state: &str) -> bool {
        self.text("state") == state
    }

    fn set(&mut self, name: &str, value: Value) {
        self.info.insert(name.to_owned(), value);
    }

    fn delimiter(&self) -> u8 {
        match self.text("columnDelimiter") {
            "SEMICOLON" => b';',
            "TAB" => b'\t',
            "PIPE" => b'|',
            "CARET" => b'^',
            "BACKQUOTE" => b'`',
            _ => b',',
        }
    }

    /// A list of results, as the CSV that it is.
    fn csv(&self, first: &str, rows: &[String]) -> String {
        let mut csv = format!("{first}{}\n", self.header);
        for row in rows {
            csv.push_str(row);
            csv.push('\n');
        }
        csv
    }
}

impl Session<'_> {
    /// `/jobs/ingest…`.
    pub(super) fn route_jobs(&mut self, method: &str, path: &[&str]) -> Result<Answer, Error> {
        match (method, path) {
            ("POST", []) => self.make_job(),
            ("GET", [id]) => Ok(Answer::json(200, Value::Object(self.job(id)?.info.clone()))),
            ("PUT", [id, "batches"]) => self.feed_job(id),
            ("PATCH", [id]) => self.turn_job(id),
            ("DELETE", [id]) => {
                let job = self.job(id)?;
                if job.is("Open") || job.is("InProgress") {
                    return Err(wrong_state("the job is not over"));
                }
                let id = job.text("id").to_owned();
                self.org.jobs.0.remove(&id);
                Ok(Answer::empty(204))
            }
            ("GET", [id, "successfulResults"]) => {
                let job = self.job(id)?;
                Ok(Answer::csv(
                    job.csv("\"sf__Id\",\"sf__Created\",", &job.done),
                ))
            }
            ("GET", [id, "failedResults"]) => {
                let job = self.job(id)?;
                Ok(Answer::csv(
                    job.csv("\"sf__Id\",\"sf__Error\",", &job.failed),
                ))
            }
            ("GET", [id, "unprocessedrecords"]) => {
                let job = self.job(id)?;
                Ok(Answer::csv(job.csv("", &[])))
            }
            _ => Err(Error::not_allowed(method, "GET,POST,PUT,PATCH,DELETE")),
        }
    }

    fn job(&mut self, id: &str) -> Result<&mut Job, Error> {
        let id = ids::canonical(id).ok_or_else(Error::not_found)?;
        self.org.jobs.0.get_mut(&id).ok_or_else(Error::not_found)
    }

    fn make_job(&mut self) -> Result<Answer, Error> {
        if let Some((job, content)) = rows::parts(self.call.request) {
            let id = self.open_job(&job)?;
            let job = self.job(&id)?;
            job.data = Some(content);
            job.set("state", json!("UploadComplete"));
            let shown = Answer::json(200, Value::Object(job.info.clone()));
            self.run_job(&id)?;
            return Ok(shown);
        }
        let body = self.body_object()?;
        let id = self.open_job(&body)?;
        Ok(Answer::json(
            200,
            Value::Object(self.job(&id)?.info.clone()),
        ))
    }

    fn open_job(&mut self, asked: &Map<String, Value>) -> Result<String, Error> {
        let text = |name: &str| asked.get(name).and_then(Value::as_str);
        let object = Self::object(text("object").unwrap_or(""))?;
        let operation = text("operation").unwrap_or("");
        let known = ["insert", "update", "upsert", "delete", "hardDelete"];
        if !known.contains(&operation) {
            return Err(Error::new(400, "INVALIDOPERATION", "no such operation"));
        }
        let id = ids::numbered(PREFIX, self.org.number());
        let mut info = json!({
            "id": id,
            "operation": operation,
            "object": object.name,
            "state": "Open",
            "contentType": "CSV",
            "concurrencyMode": "Parallel",
            "apiVersion": 60.0,
            "contentUrl": format!("services/data/{}/jobs/ingest/{id}/batches", self.version),
            "lineEnding": text("lineEnding").unwrap_or("LF"),
            "columnDelimiter": text("columnDelimiter").unwrap_or("COMMA"),
        });
        let told = ["externalIdFieldName", "assignmentRuleId"];
        if let Some(info) = info.as_object_mut() {
            for name in told {
                info.extend(
                    asked
                        .get(name)
                        .map(|value| (name.to_owned(), value.clone())),
                );
            }
            let job = Job {
                info: info.clone(),
                data: None,
                header: String::new(),
                done: Vec::new(),
                failed: Vec::new(),
            };
            self.org.jobs.0.insert(id.clone(), job);
        }
        Ok(id)
    }

    fn feed_job(&mut self, id: &str) -> Result<Answer, Error> {
        let raw = self.call.request.raw.clone();
        let job = self.job(id)?;
        if !job.is("Open") || job.data.is_some() {
            return Err(wrong_state("the job has its data"));
        }
        job.data = Some(raw);
        Ok(Answer::empty(201))
    }

    fn turn_job(&mut self, id: &str) -> Result<Answer, Error> {
        let body = self.body_object()?;
        let state = body.get("state").and_then(Value::as_str).unwrap_or("");
        let job = self.job(id)?;
        match state {
            "UploadComplete" if job.is("Open") => {
                job.set("state", json!("UploadComplete"));
                let shown = Answer::json(200, Value::Object(job.info.clone()));
                let id = job.text("id").to_owned();
                self.run_job(&id)?;
                Ok(shown)
            }
            "Aborted" if !job.is("JobComplete") => {
                job.set("state", json!("Aborted"));
                job.set("numberRecordsProcessed", json!(0));
                job.set("numberRecordsFailed", json!(0));
                Ok(Answer::json(200, Value::Object(job.info.clone())))
            }
            _ => Err(wrong_state("the job cannot take that state")),
        }
    }

    /// Writes all rows; one that fails leaves the others alone.
    fn run_job(&mut self, id: &str) -> Result<(), Error> {
        let job = self.job(id)?.clone();
        let object = Self::object(job.text("object"))?;
        let data = job.data.clone().unwrap_or_default();
        let text = String::from_utf8_lossy(&data).into_owned();
        let mut records = rows::records(&text, job.delimiter()).into_iter();
        let header = records.next().unwrap_or_default();
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for record in records {
            let row = Row {
                header: &header,
                cells: &record,
            };
            let shown = rows::shown(&record);
            match self.run_row(object, &job, &row) {
                Ok((id, created)) => done.push(format!("\"{id}\",\"{created}\",{shown}")),
                Err(error) => {
                    let id = row.get("Id").unwrap_or("");
                    let why = format!("{}:{}:--", error.code, error.message).replace('"', "'");
                    failed.push(format!("\"{id}\",\"{why}\",{shown}"));
                }
            }
        }
        let job = self.job(id)?;
        job.set("state", json!("JobComplete"));
        job.set("numberRecordsProcessed", json!(done.len() + failed.len()));
        job.set("numberRecordsFailed", json!(failed.len()));
        job.header = rows::shown(&header);
        (job.done, job.failed) = (done, failed);
        Ok(())
    }

    fn run_row(
        &mut self,
        object: &'static Object,
        job: &Job,
        row: &Row<'_>,
    ) -> Result<(String, bool), Error> {
        let key = job.text("externalIdFieldName");
        let named = (row.get("Id"), row.get(key));
        self.write_row(object, (job.text("operation"), key), named, row.fields())
    }

    /// Writes one row: the record's id, and whether it is new. The row names its record by id, or by the
    /// value of the job's key.
    pub(super) fn write_row(
        &mut self,
        object: &'static Object,
        (operation, key): (&str, &str),
        (id, value): (Option<&str>, Option<&str>),
        mut fields: Map<String, Value>,
    ) -> Result<(String, bool), Error> {
        let missing = || Error::new(400, "MISSING_ARGUMENT", "Id not specified").field("Id");
        match operation {
            "insert" => Ok((self.create(object, &fields)?, true)),
            "update" => {
                let id = self.locate(object, id.ok_or_else(missing)?)?;
                self.update(object, &id, &fields)?;
                Ok((id, false))
            }
            "upsert" => {
                let field = object
                    .field(key)
                    .ok_or_else(|| Error::no_column(key, object.name))?;
                let wanted = value.ok_or_else(missing)?.to_owned();
                fields.retain(|name, _| !name.eq_ignore_ascii_case(key));
                self.upsert(object, field, &wanted, &fields)
            }
            _ => {
                let id = self.locate(object, id.ok_or_else(missing)?)?;
                self.org.store.delete(object.name, &id, self.call.now);
                Ok((id, false))
            }
        }
    }
}

fn wrong_state(message: &str) -> Error {
    Error::new(400, "INVALIDJOBSTATE", message)
}

/// Whether this request to `/jobs` changes records.
pub(in crate::sandbox) fn is_write(method: &str, path: &[&str], body: &[u8]) -> bool {
    let completes = b"UploadComplete";
    match (method, path) {
        ("PATCH", ["ingest", _]) => body
            .windows(completes.len())
            .any(|part| part == completes.as_slice()),
        // a job of two parts starts at once
        ("POST", ["ingest"]) => body.starts_with(b"--"),
        ("POST" | "PUT" | "DELETE", ["ingest", ..]) => false,
        _ => true,
    }
}
