//! `/composite` and its kin: several requests in one, with references between them.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::super::request::{Call, Request};
use super::Session;
use super::error::Error;

const MOST: usize = 25;
const MOST_GRAPHS: usize = 75;
const MOST_NODES: usize = 500;

/// The answers of the sub-requests that ran, by their reference ids.
type Ran = Vec<(String, Answer)>;

impl Session<'_> {
    /// `POST /composite`.
    pub(super) fn composite(&mut self) -> Result<Answer, Error> {
        let body = self.body_object()?;
        let parts = list(&body, "compositeRequest", MOST)?;
        let all_or_none = body.get("allOrNone").and_then(Value::as_bool) == Some(true);
        let (entries, _) = self.together(parts, all_or_none)?;
        Ok(Answer::json(200, json!({"compositeResponse": entries})))
    }

    /// `POST /composite/graph`: each graph is done as a whole or not at all.
    pub(super) fn graphs(&mut self) -> Result<Answer, Error> {
        let body = self.body_object()?;
        let mut answers = Vec::new();
        for graph in list(&body, "graphs", MOST_GRAPHS)? {
            let inner = graph.as_object().cloned().unwrap_or_default();
            let parts = list(&inner, "compositeRequest", MOST_NODES)?;
            let (entries, done) = self.together(parts, true)?;
            answers.push(json!({
                "graphId": graph.get("graphId"),
                "graphResponse": { "compositeResponse": entries },
                "isSuccessful": done,
            }));
        }
        Ok(Answer::json(200, json!({ "graphs": answers })))
    }

    /// `POST /composite/batch`: one after the other, nothing is taken back.
    pub(super) fn batch(&mut self) -> Result<Answer, Error> {
        let body = self.body_object()?;
        let halts = body.get("haltOnError").and_then(Value::as_bool) == Some(true);
        let (mut results, mut failed) = (Vec::new(), false);
        for part in list(&body, "batchRequests", MOST)? {
            let answer = if failed && halts {
                let code = "BATCH_PROCESSING_HALTED";
                Error::new(412, code, "an earlier subrequest failed").answer()
            } else {
                let url = part.get("url").and_then(Value::as_str).unwrap_or_default();
                let url = match url.strip_prefix("/services/data/") {
                    Some(rest) => rest,
                    None => url,
                };
                self.run(
                    part,
                    &format!("/services/data/{url}"),
                    part.get("richInput"),
                )?
            };
            failed |= answer.status >= 400;
            results.push(json!({ "statusCode": answer.status, "result": answer.body }));
        }
        let body = json!({ "hasErrors": failed, "results": results });
        Ok(Answer::json(200, body))
    }

    /// Runs sub-requests that may refer to each other; their entries, and whether all are done.
    fn together(
        &mut self,
        parts: &[Value],
        all_or_none: bool,
    ) -> Result<(Vec<Value>, bool), Error> {
        let before = all_or_none.then(|| self.org.clone());
        let mut ran = Ran::new();
        for part in parts {
            let answer = self.part(part, &ran)?;
            ran.push(answer);
        }
        let failed = ran.iter().any(|(_, answer)| answer.status >= 400);
        let rolled_back = match before.filter(|_| failed) {
            Some(before) => {
                *self.org = before;
                true
            }
            None => false,
        };
        let entries = ran
            .into_iter()
            .map(|(reference, answer)| entry(&reference, answer, rolled_back))
            .collect();
        Ok((entries, !failed))
    }

    /// Runs one sub-request of a composite; its reference id and its answer.
    fn part(&mut self, part: &Value, ran: &Ran) -> Result<(String, Answer), Error> {
        let text = |name: &str| part.get(name).and_then(Value::as_str);
        let (Some(url), Some(reference)) = (text("url"), text("referenceId")) else {
            let message = "a subrequest needs method, url and referenceId";
            return Err(Error::parser(message));
        };
        let body = part.get("body").map(|body| resolved(body, ran));
        let url = resolved(&json!(url), ran);
        let url = url.as_str().unwrap_or_default();
        let answer = self.run(part, url, body.as_ref())?;
        Ok((reference.to_owned(), answer))
    }

    /// Runs one sub-request.
    fn run(&mut self, part: &Value, url: &str, body: Option<&Value>) -> Result<Answer, Error> {
        let method = part.get("method").and_then(Value::as_str).unwrap_or("");
        let method: Method = method
            .parse()
            .map_err(|error| Error::new(400, "INVALID_INPUT", format!("{method}: {error}")))?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let headers = headers(part.get("httpHeaders"));
        let request = Request::new(method, url, headers, Bytes::from(body));
        let nested = request.segments.get(3).map(String::as_str) == Some("composite")
            && request.segments.get(4).map(String::as_str) != Some("sobjects");
        let foreign = !url.starts_with("/services/data/");
        if nested || foreign {
            let message = format!("{url} cannot stand in a composite request");
            return Ok(Error::new(400, "INVALID_INPUT", message).answer());
        }
        let mut session = Session {
            org: self.org,
            call: Call {
                request: &request,
                token: self.call.token,
                now: self.call.now,
            },
            version: self.version,
        };
        Ok(session.routed())
    }
}

fn list<'v>(
    body: &'v Map<String, Value>,
    name: &str,
    most: usize,
) -> Result<&'v Vec<Value>, Error> {
    let list = body
        .get(name)
        .and_then(Value::as_array)
        .ok_or_else(|| Error::parser(format!("{name} must be a list")))?;
    if (1..=most).contains(&list.len()) {
        return Ok(list);
    }
    let message = format!("{name} has between 1 and {most} elements");
    Err(Error::new(400, "INVALID_INPUT", message))
}

/// A value with `@{reference.field}` filled in from earlier answers; what leads nowhere stays.
fn resolved(value: &Value, ran: &Ran) -> Value {
    match value {
        Value::String(text) => json!(filled(text, ran)),
        Value::Array(list) => list.iter().map(|value| resolved(value, ran)).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), resolved(value, ran)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn filled(text: &str, ran: &Ran) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("@{") {
        let Some((inside, behind)) = after.split_once('}') else {
            break;
        };
        out.push_str(before);
        match referred(inside, ran) {
            Some(found) => out.push_str(&found),
            None => out.push_str(&format!("@{{{inside}}}")),
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// `ref.field`, `ref.list[0].field`.
fn referred(inside: &str, ran: &Ran) -> Option<String> {
    let mut steps = inside
        .split(['.', '['])
        .map(|step| step.trim_end_matches(']'));
    let reference = steps.next()?;
    let (_, answer) = ran.iter().find(|(name, _)| name == reference)?;
    let mut value = answer.body.as_ref()?;
    for step in steps {
        value = match step.parse::<usize>() {
            Ok(place) => value.get(place)?,
            Err(_name) => value.get(step)?,
        };
    }
    Some(match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    })
}

fn entry(reference: &str, answer: Answer, rolled_back: bool) -> Value {
    let (answer, headers) = if rolled_back && answer.status < 400 {
        let message = "The transaction was rolled back since another operation in the same \
                       transaction failed.";
        let halted = Error::new(400, "PROCESSING_HALTED", message).answer();
        (halted, Map::new())
    } else {
        let location = answer.headers.iter().find(|(name, _)| *name == "location");
        let headers = location.map(|(_, value)| ("Location".to_owned(), json!(value)));
        let headers = headers.into_iter().collect();
        (answer, headers)
    };
    json!({
        "body": answer.body,
        "httpHeaders": headers,
        "httpStatusCode": answer.status,
        "referenceId": reference,
    })
}

fn headers(given: Option<&Value>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in given.and_then(Value::as_object).into_iter().flatten() {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_str(value.as_str().unwrap_or_default());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.insert(name, value);
        }
    }
    headers
}
