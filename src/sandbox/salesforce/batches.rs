//! Bulk API 1.0: jobs, and batches that run when they are posted.

mod rows;

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::super::request::{Call, Request};
use super::error::Error;
use super::{Session, ids};
use rows::{escaped, is_json};

/// What all elements are in.
const NAMESPACE: &str = "http://www.force.com/2009/06/asyncapi/dataload";

const XML: &str = "application/xml";
const JSON: &str = "application/json;charset=UTF-8";

/// All jobs of an org, by id.
#[derive(Clone, Debug, Default)]
pub(in crate::sandbox) struct Jobs(BTreeMap<String, Job>);

#[derive(Clone, Debug)]
struct Job {
    info: Map<String, Value>,
    batches: BTreeMap<String, Batch>,
}

#[derive(Clone, Debug)]
struct Batch {
    info: Map<String, Value>,
    request: String,
    results: Vec<Result<(String, bool), Error>>,
    found: Vec<Value>,
}

fn text<'a>(info: &'a Map<String, Value>, name: &str) -> &'a str {
    info.get(name).and_then(Value::as_str).unwrap_or("")
}

/// What a request without a known session gets.
pub(super) fn no_session() -> Error {
    Error::new(400, "InvalidSessionId", "Invalid session id")
}

/// An error in the form of the request.
pub(super) fn failed(request: &Request, error: &Error) -> Answer {
    let told = json!({ "exceptionCode": error.code, "exceptionMessage": error.message });
    shown(request, error.status, "error", &told)
}

fn shown(request: &Request, status: u16, root: &str, told: &Value) -> Answer {
    if is_json(request) {
        return Answer::json(status, told.clone());
    }
    let mut text =
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><{root} xmlns=\"{NAMESPACE}\">");
    for (name, value) in told.as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), escaped);
        text.push_str(&format!("<{name}>{value}</{name}>"));
    }
    text.push_str(&format!("</{root}>"));
    Answer::text(status, XML, text)
}

impl Session<'_> {
    /// `/services/async/{version}/job…`.
    pub(super) fn batches(&mut self, path: &[&str]) -> Answer {
        let request = self.call.request;
        match self.route_batches(request.method.as_str(), path) {
            Ok(answer) => answer,
            Err(error) => failed(request, &error),
        }
    }

    fn route_batches(&mut self, method: &str, path: &[&str]) -> Result<Answer, Error> {
        let request = self.call.request;
        let told = |info: &Map<String, Value>| Value::Object(info.clone());
        match (method, path) {
            ("POST", []) => self.open_batches(),
            ("POST", [job]) => {
                let state = rows::members(request)?;
                let job = self.job_of_batches(job)?;
                let state = text(&state, "state");
                if text(&job.info, "state") != "Open" || !["Closed", "Aborted"].contains(&state) {
                    return Err(Error::new(400, "InvalidJobState", "the job is over"));
                }
                job.info.insert("state".into(), json!(state));
                Ok(shown(request, 200, "jobInfo", &told(&job.info)))
            }
            ("GET", [job]) => {
                let job = self.job_of_batches(job)?;
                Ok(shown(request, 200, "jobInfo", &told(&job.info)))
            }
            ("POST", [job, "batch"]) => self.run_batch(job),
            ("GET", [job, "batch", batch]) => {
                let batch = self.batch_of(job, batch)?;
                Ok(shown(request, 200, "batchInfo", &told(&batch.info)))
            }
            ("GET", [job, "batch", batch, "request"]) => {
                let batch = self.batch_of(job, batch)?;
                let kind = if is_json(request) { JSON } else { XML };
                Ok(Answer::text(200, kind, batch.request.clone()))
            }
            ("GET", [job, "batch", batch, "result"]) => self.results(job, batch),
            ("GET", [job, "batch", batch, "result", _]) => {
                let batch = self.batch_of(job, batch)?;
                Ok(Answer::json(200, json!(batch.found)))
            }
            _ => Err(Error::new(400, "InvalidUrl", "no such resource")),
        }
    }

    fn job_of_batches(&mut self, id: &str) -> Result<&mut Job, Error> {
        let gone = || Error::new(400, "InvalidJob", "no such job");
        let id = ids::canonical(id).ok_or_else(gone)?;
        self.org.batches.0.get_mut(&id).ok_or_else(gone)
    }

    fn batch_of(&mut self, job: &str, batch: &str) -> Result<&mut Batch, Error> {
        let gone = || Error::new(400, "InvalidBatch", "no such batch");
        let batch = ids::canonical(batch).ok_or_else(gone)?;
        let job = self.job_of_batches(job)?;
        job.batches.get_mut(&batch).ok_or_else(gone)
    }

    fn open_batches(&mut self) -> Result<Answer, Error> {
        let request = self.call.request;
        let asked = rows::members(request)?;
        let invalid = |message: &str| Error::new(400, "InvalidJob", message);
        let object = Self::object(text(&asked, "object")).map_err(|_| invalid("no such object"))?;
        let known = [
            "insert",
            "update",
            "upsert",
            "delete",
            "hardDelete",
            "query",
            "queryAll",
        ];
        let operation = text(&asked, "operation");
        if !known.contains(&operation) {
            return Err(invalid("no such operation"));
        }
        let id = ids::numbered("750", self.org.number());
        let mut info = Map::new();
        for (name, value) in [
            ("id", id.as_str()),
            ("operation", operation),
            ("object", object.name),
            ("state", "Open"),
            ("concurrencyMode", "Parallel"),
            (
                "contentType",
                match text(&asked, "contentType") {
                    "" => "XML",
                    given => given,
                },
            ),
        ] {
            info.insert(name.to_owned(), json!(value));
        }
        for name in ["externalIdFieldName", "assignmentRuleId"] {
            let given = asked.get(name).filter(|given| given.is_string());
            info.extend(given.map(|given| (name.to_owned(), given.clone())));
        }
        let answer = shown(request, 201, "jobInfo", &Value::Object(info.clone()));
        let batches = BTreeMap::new();
        self.org.batches.0.insert(id, Job { info, batches });
        Ok(answer)
    }

    /// Runs a batch at once: rows that fail leave the others alone.
    fn run_batch(&mut self, job: &str) -> Result<Answer, Error> {
        let request = self.call.request;
        let job = self.job_of_batches(job)?.info.clone();
        if text(&job, "state") != "Open" {
            return Err(Error::new(400, "InvalidJobState", "the job is over"));
        }
        let body = request
            .body()
            .map_err(|why| Error::new(400, "InvalidBatch", why))?;
        let body = String::from_utf8_lossy(&body).into_owned();
        let operation = text(&job, "operation");
        let (mut results, mut found) = (Vec::new(), Vec::new());
        if operation.starts_with("query") {
            found = self.select(&body, operation == "queryAll")?;
        } else {
            let object = Self::object(text(&job, "object"))?;
            let key = text(&job, "externalIdFieldName");
            for row in rows::rows(text(&job, "contentType"), &body)? {
                let (id, value) = (row.named("Id"), row.named(key));
                let fields = row.fields();
                results.push(self.write_row(
                    object,
                    (operation, key),
                    (id.as_deref(), value.as_deref()),
                    fields,
                ));
            }
        }
        let id = ids::numbered("751", self.org.number());
        let failed = results.iter().filter(|result| result.is_err()).count();
        let info = json!({
            "id": id,
            "jobId": text(&job, "id"),
            "state": "Queued",
            "numberRecordsProcessed": 0,
            "numberRecordsFailed": 0,
        });
        let answer = shown(request, 201, "batchInfo", &info);
        let mut info = info.as_object().cloned().unwrap_or_default();
        info.insert("state".into(), json!("Completed"));
        info.insert(
            "numberRecordsProcessed".into(),
            json!(results.len() + found.len()),
        );
        info.insert("numberRecordsFailed".into(), json!(failed));
        let batch = Batch {
            info,
            request: body,
            results,
            found,
        };
        let job = text(&job, "id").to_owned();
        self.job_of_batches(&job)?.batches.insert(id, batch);
        Ok(answer)
    }

    /// The records that a query selects.
    fn select(&mut self, soql: &str, with_deleted: bool) -> Result<Vec<Value>, Error> {
        let mut request = self.call.request.clone();
        request.query = vec![("q".into(), soql.to_owned())];
        let call = Call {
            request: &request,
            ..self.call
        };
        let mut asking = Session {
            org: self.org,
            call,
            version: self.version,
        };
        let answer = asking.query(with_deleted)?;
        let records = answer.body.and_then(|body| body.get("records").cloned());
        Ok(records
            .and_then(|records| records.as_array().cloned())
            .unwrap_or_default())
    }

    /// The outcome of each row, in their order; of a query, the names of its results.
    fn results(&mut self, job: &str, batch: &str) -> Result<Answer, Error> {
        let kind = text(&self.job_of_batches(job)?.info, "contentType").to_owned();
        let queries = text(&self.job_of_batches(job)?.info, "operation").starts_with("query");
        let batch = self.batch_of(job, batch)?;
        if queries {
            return Ok(match kind.as_str() {
                "JSON" => Answer::json(200, json!(["752000000000001"])),
                _ => Answer::text(
                    200,
                    XML,
                    format!(
                        "<result-list xmlns=\"{NAMESPACE}\"><result>752000000000001</result></result-list>"
                    ),
                ),
            });
        }
        Ok(match kind.as_str() {
            "JSON" => Answer::json(200, batch.results.iter().map(in_json).collect()),
            "CSV" => {
                let mut csv = String::from("\"Id\",\"Success\",\"Created\",\"Error\"\n");
                for result in &batch.results {
                    let told = match result {
                        Ok((id, made)) => format!("\"{id}\",\"true\",\"{made}\",\"\"\n"),
                        Err(error) => {
                            let why = format!("{}:{}:--", error.code, error.message);
                            format!("\"\",\"false\",\"false\",\"{}\"\n", why.replace('"', "'"))
                        }
                    };
                    csv.push_str(&told);
                }
                Answer::csv(csv)
            }
            _ => Answer::text(200, XML, in_xml(&batch.results)),
        })
    }
}

fn in_json(result: &Result<(String, bool), Error>) -> Value {
    match result {
        Ok((id, made)) => json!({ "success": true, "created": made, "id": id, "errors": [] }),
        Err(error) => json!({ "success": false, "created": false, "id": null, "errors": [
            { "statusCode": error.code, "message": error.message, "fields": error.fields }
        ] }),
    }
}

fn in_xml(results: &[Result<(String, bool), Error>]) -> String {
    let mut xml = format!("<results xmlns=\"{NAMESPACE}\">");
    for result in results {
        let written = match result {
            Ok((id, made)) => write!(
                xml,
                "<result><id>{id}</id><success>true</success><created>{made}</created></result>"
            ),
            Err(error) => write!(
                xml,
                "<result><errors><message>{}</message><statusCode>{}</statusCode></errors>\
                 <success>false</success><created>false</created></result>",
                escaped(&error.message),
                error.code
            ),
        };
        if written.is_err() {
            break;
        }
    }
    xml.push_str("</results>");
    xml
}
