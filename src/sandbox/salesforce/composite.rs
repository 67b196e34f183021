//! `/composite`: reads and writes of records in one request, without references between them.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::super::request::{Call, Request};
use super::Session;
use super::error::Error;

const MOST: usize = 25;

impl Session<'_> {
    /// `POST /composite`.
    pub(super) fn composite(&mut self) -> Result<Answer, Error> {
        let body = self.body_object()?;
        let parts = body
            .get("compositeRequest")
            .and_then(Value::as_array)
            .ok_or_else(|| Error::parser("compositeRequest must be a list"))?;
        if !(1..=MOST).contains(&parts.len()) {
            let message = format!("A composite request has between 1 and {MOST} subrequests");
            return Err(Error::new(400, "INVALID_INPUT", message));
        }
        let all_or_none = body.get("allOrNone").and_then(Value::as_bool) == Some(true);
        let before = all_or_none.then(|| self.org.clone());
        let mut answers = Vec::new();
        for part in parts {
            answers.push(self.part(part)?);
        }
        let failed = answers.iter().any(|(_, answer)| answer.status >= 400);
        let rolled_back = match before.filter(|_| failed) {
            Some(before) => {
                *self.org = before;
                true
            }
            None => false,
        };
        let entries = answers
            .into_iter()
            .map(|(reference, answer)| entry(&reference, answer, rolled_back));
        Ok(Answer::json(
            200,
            json!({"compositeResponse": entries.collect::<Vec<_>>()}),
        ))
    }

    /// Runs one sub-request; its reference id and its answer.
    fn part(&mut self, part: &Value) -> Result<(String, Answer), Error> {
        let text = |name: &str| part.get(name).and_then(Value::as_str);
        let (Some(method), Some(url), Some(reference)) =
            (text("method"), text("url"), text("referenceId"))
        else {
            let message = "a subrequest needs method, url and referenceId";
            return Err(Error::parser(message));
        };
        if part.to_string().contains("@{") {
            let message = "this sandbox does not resolve references between subrequests";
            return Err(Error::new(400, "INVALID_INPUT", message));
        }
        let method: Method = method
            .parse()
            .map_err(|error| Error::new(400, "INVALID_INPUT", format!("{method}: {error}")))?;
        let body = part.get("body").map(Value::to_string).unwrap_or_default();
        let headers = headers(part.get("httpHeaders"));
        let request = Request::new(method, url, headers, Bytes::from(body));
        let nested = request.segments.get(3).map(String::as_str) == Some("composite")
            && request.segments.get(4).map(String::as_str) != Some("sobjects");
        let foreign = !url.starts_with("/services/data/");
        if nested || foreign {
            let message = format!("{url} cannot stand in a composite request");
            let error = Error::new(400, "INVALID_INPUT", message);
            return Ok((reference.to_owned(), error.answer()));
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
        Ok((reference.to_owned(), session.routed()))
    }
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
