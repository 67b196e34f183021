//! The Salesforce face: core platform REST on records, queries and descriptions.

mod batches;
pub(super) mod bulk;
mod collections;
mod columns;
mod composite;
mod conditions;
mod describe;
mod error;
mod filter;
mod forms;
mod graphql;
mod ids;
pub(super) mod oauth;
mod org;
mod place;
mod query;
mod related;
mod rows;
mod schema;
pub(super) mod soap;
mod soql;
mod tree;
mod ui;
mod values;

use http::Method;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::answer::Answer;
use super::oauth::Bearer;
use super::request::{Call, Request};
use error::Error;

pub(super) use org::Org;

/// Whether a path belongs to this face.
pub(super) fn speaks(request: &Request) -> bool {
    matches!(
        request.segments.first().map(String::as_str),
        Some("services" | "id")
    )
}

/// One request at work on the org.
#[derive(Debug)]
struct Session<'a> {
    org: &'a mut Org,
    call: Call<'a>,
    /// The version segment of the path: `v60.0`.
    version: &'a str,
}

/// Answers a request.
pub(super) fn answer(org: &mut Org, request: &Request, bearer: &Bearer, now: Timestamp) -> Answer {
    let names: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    if matches!(names.as_slice(), ["services", "data"]) && reads(request) {
        return describe::versions();
    }
    if matches!(names.as_slice(), ["services", "Soap", ..]) && request.method == Method::POST {
        return soap::answer(org, request, bearer, now);
    }
    if let ["services", "oauth2" | "Soap", ..] = names.as_slice()
        && !matches!(names.as_slice(), [_, "oauth2", "userinfo"])
    {
        let message = "this sandbox has no such login; use one of its tokens as session id";
        return Error::new(404, "NOT_FOUND", message).answer();
    }
    let Bearer::Known(token) = bearer else {
        if matches!(names.as_slice(), ["services", "async", ..]) {
            return batches::failed(request, &batches::no_session());
        }
        return Error::new(401, "INVALID_SESSION_ID", "Session expired or invalid")
            .answer()
            .with("www-authenticate", "Token");
    };
    org.calls += 1;
    let used = format!("api-usage={}/{}", org.calls, describe::DAILY_CALLS);
    let answer = match names.as_slice() {
        ["id", ..] | ["services", "oauth2", "userinfo"] => describe::identity(&base_url(request)),
        ["services", "data", version, ..] if describe::is_version(version) => {
            let call = Call {
                request,
                token,
                now,
            };
            Session { org, call, version }.routed()
        }
        ["services", "async", version, "job", rest @ ..] => {
            let call = Call {
                request,
                token,
                now,
            };
            Session { org, call, version }.batches(rest)
        }
        _ => Error::not_found().answer(),
    };
    answer.with("sforce-limit-info", used)
}

fn reads(request: &Request) -> bool {
    request.method == Method::GET || request.method == Method::HEAD
}

/// The sandbox as this client reaches it.
fn base_url(request: &Request) -> String {
    format!("http://{}", request.header("host").unwrap_or("127.0.0.1"))
}

impl Session<'_> {
    /// The answer to the request, error or not.
    fn routed(&mut self) -> Answer {
        let answer = self.route().unwrap_or_else(|error| error.answer());
        forms::as_asked(self.call.request, answer)
    }

    fn route(&mut self) -> Result<Answer, Error> {
        let request = self.call.request;
        let names: Vec<&str> = request.segments.iter().map(String::as_str).collect();
        let path = names.get(3..).unwrap_or_default();
        let method = match request.method.as_str() {
            "HEAD" => "GET",
            method => method,
        };
        match path {
            ["composite" | "connect", ..] => self.route_composite(method, path),
            ["ui-api", ..] => self.route_ui(method, path),
            ["graphql"] if method == "POST" => self.graphql(),
            ["actions", _, _, ..] if method == "POST" => self.act(path),
            ["jobs", "ingest", rest @ ..] => self.route_jobs(method, rest),
            ["sobjects", _, _, ..] => self.route_row(method, path),
            _ => self.route_rest(method, path),
        }
    }

    fn route_rest(&mut self, method: &str, path: &[&str]) -> Result<Answer, Error> {
        match (method, path) {
            ("GET", []) => Ok(self.resources()),
            ("GET", ["limits"]) => Ok(self.limits()),
            ("GET", ["sobjects"]) => Ok(self.describe_global()),
            ("GET", ["sobjects", object]) => Ok(self.describe_basic(Self::object(object)?)),
            ("POST", ["sobjects", object]) => self.post_row(Self::object(object)?),
            ("GET", [verb @ ("query" | "queryAll")]) => self.query(*verb == "queryAll"),
            ("GET", [verb @ ("query" | "queryAll"), locator]) => {
                self.more(locator, *verb == "queryAll")
            }
            ("GET", ["search" | "parameterizedSearch"]) => self.search(),
            (_, ["sobjects", _]) => Err(Error::not_allowed(method, "HEAD,GET,POST")),
            (_, [] | ["limits" | "sobjects" | "query" | "queryAll" | "search", ..]) => {
                Err(Error::not_allowed(method, "HEAD,GET"))
            }
            _ => Err(Error::not_found()),
        }
    }

    fn route_row(&mut self, method: &str, path: &[&str]) -> Result<Answer, Error> {
        match (method, path) {
            ("GET", [_, object, "describe"]) => Ok(self.describe(Self::object(object)?)),
            ("POST", [_, object, id]) if id.eq_ignore_ascii_case("Id") => {
                self.post_row(Self::object(object)?)
            }
            ("GET", [_, object, id]) => self.get_row(Self::object(object)?, id),
            ("PATCH", [_, object, id]) => self.patch_row(Self::object(object)?, id),
            ("DELETE", [_, object, id]) => self.delete_row(Self::object(object)?, id),
            (_, [_, object, id, steps @ ..]) if Self::steps(object, id) && !steps.is_empty() => {
                self.related(method, Self::object(object)?, id, steps)
            }
            (_, [_, object, key, value]) => self.external_row(Self::object(object)?, key, value),
            (_, [_, _, _]) => Err(Error::not_allowed(method, "HEAD,GET,PATCH,DELETE")),
            _ => Err(Error::not_found()),
        }
    }

    fn route_composite(&mut self, method: &str, path: &[&str]) -> Result<Answer, Error> {
        match (method, path) {
            ("POST", ["composite"]) => self.composite(),
            ("POST", [_, "batch"]) => self.batch(),
            ("POST", ["composite", "graph"]) => self.graphs(),
            ("POST", ["composite", "tree", object]) => self.tree(Self::object(object)?),
            ("POST", [_, "sobjects"]) => self.create_many(),
            ("PATCH", [_, "sobjects"]) => self.update_many(),
            ("DELETE", [_, "sobjects"]) => self.delete_many(),
            ("GET", [_, "sobjects", object]) => self.read_many(Self::object(object)?, false),
            ("POST", [_, "sobjects", object]) => self.read_many(Self::object(object)?, true),
            ("PATCH", [_, "sobjects", object, key]) => self.upsert_many(Self::object(object)?, key),
            (_, [_] | [_, "sobjects", ..]) => {
                Err(Error::not_allowed(method, "GET,POST,PATCH,DELETE"))
            }
            _ => Err(Error::not_found()),
        }
    }

    /// The body, which must be one JSON object.
    fn body_object(&self) -> Result<Map<String, Value>, Error> {
        let request = self.call.request;
        if let Some(body) = forms::read(request) {
            return body.map_err(Error::parser);
        }
        if request.not_json() {
            let kind = request.header("content-type").unwrap_or_default();
            let message = format!("Content type '{kind}' not acceptable");
            return Err(Error::new(415, "UNSUPPORTED_MEDIA_TYPE", message));
        }
        let not_object = |found: &str| {
            let message =
                format!("Can not deserialize SObject out of {found} token at [line:1, column:1]");
            Error::parser(message)
        };
        match request.json().map_err(Error::parser)? {
            Value::Object(body) => Ok(body),
            Value::Array(_) => Err(not_object("START_ARRAY")),
            Value::String(_) => Err(not_object("VALUE_STRING")),
            Value::Null | Value::Bool(_) | Value::Number(_) => Err(not_object("scalar")),
        }
    }
}
