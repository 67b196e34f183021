//! The SOAP face of the org: rows, queries, merges, conversions, and logins whose password is one of the
//! sandbox's tokens.

pub(in crate::sandbox) mod message;
mod records;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::log::EffectKind;
use super::super::oauth::Bearer;
use super::super::request::{Call, Request};
use super::super::seed;
use super::error::Error;
use super::org::stamp;
use super::{Org, Session, base_url, schema};
use jiff::Timestamp;
use message::Element;

/// Operations that change nothing.
const READS: [&str; 8] = [
    "login",
    "query",
    "queryAll",
    "queryMore",
    "retrieve",
    "search",
    "getUserInfo",
    "getServerTimestamp",
];

/// Whether a message changes something, as far as its operation tells.
pub(in crate::sandbox) fn is_write(body: &[u8]) -> bool {
    message::read(body).is_none_or(|(_, operation)| {
        !READS.contains(&operation.name.as_str()) && !operation.name.starts_with("describe")
    })
}

/// The secret that a message brings: its session, or the password of a login.
pub(in crate::sandbox) fn secret(body: &[u8]) -> Option<String> {
    let (headers, operation) = message::read(body)?;
    let session = headers.part("SessionHeader");
    let secret = session.map_or_else(
        || operation.said("password"),
        |session| session.said("sessionId"),
    );
    Some(secret.to_owned()).filter(|secret| !secret.is_empty())
}

/// Answers `POST /services/Soap/…`.
pub(super) fn answer(org: &mut Org, request: &Request, bearer: &Bearer, now: Timestamp) -> Answer {
    let fault = |code: &str, message: &str| Answer::xml(500, message::fault(code, message));
    let Some((headers, operation)) = message::read(&request.raw) else {
        return fault("INVALID_OPERATION", "this is no SOAP message");
    };
    let Bearer::Known(token) = bearer else {
        return match operation.name.as_str() {
            "login" => fault(
                "INVALID_LOGIN",
                "Invalid username, password, security token",
            ),
            _ => fault(
                "INVALID_SESSION_ID",
                "Invalid Session ID found in SessionHeader",
            ),
        };
    };
    org.calls += 1;
    let version = request.segments.get(3).map_or("60.0", String::as_str);
    let call = Call {
        request,
        token,
        now,
    };
    let version = format!("v{version}");
    let mut session = Session {
        org,
        call,
        version: &version,
    };
    match session.soap(&headers, &operation) {
        Ok(inner) => {
            let name = &operation.name;
            let inner = format!("<{name}Response>{inner}</{name}Response>");
            Answer::xml(200, message::envelope(&inner))
        }
        Err(error) => fault(error.code, &error.message),
    }
}

impl Session<'_> {
    /// What stands in the response of an operation.
    fn soap(&mut self, headers: &Element, operation: &Element) -> Result<String, Error> {
        let all_or_none = headers
            .part("AllOrNoneHeader")
            .is_some_and(|header| header.said("allOrNone") == "true");
        let results = match operation.name.as_str() {
            "create" | "update" | "upsert" => self.soap_rows(all_or_none, operation)?,
            "delete" | "undelete" | "emptyRecycleBin" => self.soap_ids(all_or_none, operation)?,
            "merge" => self.soap_merges(operation)?,
            "convertLead" => self.soap_conversions(operation)?,
            "sendEmail" => {
                self.org.store.note("sendEmail", "", EffectKind::Sent);
                let messages = operation.parts.iter();
                messages.map(|_| json!({ "success": true })).collect()
            }
            "login" => self.soap_login(),
            "getUserInfo" => Self::soap_user(),
            "getServerTimestamp" => json!({ "timestamp": stamp(self.call.now) }),
            "query" | "queryAll" => return self.soap_query(operation),
            "retrieve" => return self.soap_retrieve(operation),
            "describeGlobal" => json!({ "sobjects": objects("") }),
            "describeSObjects" | "describeSObject" => {
                let wanted = operation.all("sObjectType");
                let of = |name: &Value| objects(name.as_str().unwrap_or_default());
                wanted.iter().flat_map(of).collect()
            }
            other => {
                let message = format!("No operation available for request {other}");
                return Err(Error::new(500, "INVALID_OPERATION", message));
            }
        };
        Ok(message::xml("result", &results))
    }

    /// A session for whoever knows a token; its address is the sandbox's own.
    fn soap_login(&self) -> Value {
        let here = base_url(self.call.request);
        let path = self.call.request.segments.join("/");
        let organization = seed::ORGANIZATION.get(..15).unwrap_or_default();
        json!({
            "metadataServerUrl": format!("{here}/{}/{organization}", path.replace("/u/", "/m/")),
            "passwordExpired": false,
            "sandbox": false,
            "serverUrl": format!("{here}/{path}/{organization}"),
            "sessionId": self.call.token.secret,
            "userId": seed::INTEGRATION_USER,
            "userInfo": Self::soap_user(),
        })
    }

    fn soap_user() -> Value {
        json!({
            "organizationId": seed::ORGANIZATION,
            "organizationName": "Sandbox",
            "userEmail": "integration@sandbox.example",
            "userFullName": "Integration User",
            "userId": seed::INTEGRATION_USER,
            "userName": "integration@sandbox.example",
        })
    }

    /// The answer to a REST request of the same session.
    fn by_rest(&mut self, method: Method, below: &str, body: &Value) -> Result<Value, Error> {
        let target = format!("/services/data/{}/{below}", self.version);
        let bytes = if body.is_null() {
            Bytes::new()
        } else {
            Bytes::from(body.to_string())
        };
        let request = Request::new(method, &target, HeaderMap::new(), bytes);
        let call = Call {
            request: &request,
            token: self.call.token,
            now: self.call.now,
        };
        let mut session = Session {
            org: &mut *self.org,
            call,
            version: self.version,
        };
        let answer = session.route()?;
        Ok(answer.body.unwrap_or_default())
    }

    fn soap_query(&mut self, operation: &Element) -> Result<String, Error> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("q", operation.said("queryString"));
        let below = format!("{}?{}", operation.name, query.finish());
        let page = self.by_rest(Method::GET, &below, &Value::Null)?;
        let records = page.get("records").and_then(Value::as_array);
        let records: String = records
            .into_iter()
            .flatten()
            .map(|row| message::object("records", row))
            .collect();
        let size = page.get("totalSize").unwrap_or(&Value::Null);
        Ok(format!(
            "<result xsi:type=\"QueryResult\"><done>true</done><queryLocator xsi:nil=\"true\"/>{records}\
             <size>{size}</size></result>"
        ))
    }

    fn soap_retrieve(&mut self, operation: &Element) -> Result<String, Error> {
        let fields: Vec<&str> = operation
            .said("fieldList")
            .split(',')
            .map(str::trim)
            .collect();
        let below = format!("composite/sobjects/{}", operation.said("sObjectType"));
        let body = json!({ "ids": operation.all("ids"), "fields": fields });
        let rows = self.by_rest(Method::POST, &below, &body)?;
        let rows = rows.as_array().into_iter().flatten();
        Ok(rows.map(|row| message::object("result", row)).collect())
    }
}

/// The objects, or the one of this name with its fields.
fn objects(name: &str) -> Vec<Value> {
    schema::objects()
        .iter()
        .filter(|object| name.is_empty() || object.name.eq_ignore_ascii_case(name))
        .map(|object| {
            let fields = object.fields().map(|field| json!({ "name": field.name }));
            let fields: Vec<Value> = if name.is_empty() {
                Vec::new()
            } else {
                fields.collect()
            };
            json!({ "fields": fields, "keyPrefix": object.prefix, "name": object.name })
        })
        .collect()
}
