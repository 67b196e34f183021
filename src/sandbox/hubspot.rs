//! The HubSpot face: CRM objects under v3 and dated paths, their properties, links and lists, the record
//! APIs before that, and the account.

mod batch;
mod directory;
mod error;
mod legacy;
mod links;
mod lists;
mod merge;
pub(super) mod oauth;
mod objects;
mod portal;
mod schema;
mod search;
mod sends;
mod values;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::answer::Answer;
use super::oauth::Bearer;
use super::request::{Call, Request};
use error::Error;
use schema::Type;

pub(super) use portal::Portal;

/// Requests that an app may send in ten seconds, as the headers say.
const BURST: u64 = 190;
const DAILY: u64 = 1_000_000;

/// One request at work on the portal.
#[derive(Debug)]
struct Session<'a> {
    portal: &'a mut Portal,
    call: Call<'a>,
}

/// Answers a request.
pub(super) fn answer(
    portal: &mut Portal,
    request: &Request,
    bearer: &Bearer,
    now: Timestamp,
) -> Answer {
    let token = match bearer {
        Bearer::Known(token) => token,
        Bearer::Expired => {
            let message = "The OAuth token used to make this call expired.";
            return Error::new(401, "EXPIRED_AUTHENTICATION", message).answer();
        }
        Bearer::Unknown => {
            let message = "Authentication credentials not found. This API supports OAuth 2.0 \
                           authentication and you can find more details at \
                           https://developers.hubspot.com/docs/methods/auth/oauth-overview";
            return Error::new(401, "INVALID_AUTHENTICATION", message).answer();
        }
    };
    portal.calls += 1;
    let daily_left = DAILY.saturating_sub(portal.calls);
    let burst_left = BURST.saturating_sub(portal.burst);
    let call = Call {
        request,
        token,
        now,
    };
    Session { portal, call }
        .route()
        .unwrap_or_else(|error| error.answer())
        .with("x-hubspot-ratelimit-max", BURST.to_string())
        .with("x-hubspot-ratelimit-remaining", burst_left.to_string())
        .with("x-hubspot-ratelimit-interval-milliseconds", "10000")
        .with("x-hubspot-ratelimit-daily", DAILY.to_string())
        .with(
            "x-hubspot-ratelimit-daily-remaining",
            daily_left.to_string(),
        )
}

/// The sandbox as this client reaches it.
fn base_url(request: &Request) -> String {
    format!("http://{}", request.header("host").unwrap_or("127.0.0.1"))
}

/// A page size that was asked for.
fn page_size(asked: Option<usize>, most: usize) -> Result<usize, Error> {
    asked
        .filter(|size| (1..=most).contains(size))
        .ok_or_else(|| Error::invalid(format!("limit must be between 1 and {most}")))
}

/// Whether a segment is a version: `v3`, `2026-03`, `2026-09-beta`.
fn is_version(segment: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(number) = segment.strip_prefix('v') {
        return digits(number);
    }
    let date = segment.strip_suffix("-beta").unwrap_or(segment);
    date.split_once('-').is_some_and(|(year, month)| {
        year.len() == 4 && month.len() == 2 && digits(year) && digits(month)
    })
}

impl Session<'_> {
    /// The version may stand anywhere; what is left is looked up.
    fn route(&mut self) -> Result<Answer, Error> {
        let request = self.call.request;
        let mut names: Vec<&str> = request.segments.iter().map(String::as_str).collect();
        let version = names.iter().position(|name| is_version(name));
        names.remove(version.ok_or_else(Error::no_resource)?);
        let method = match request.method.as_str() {
            "HEAD" => "GET",
            method => method,
        };
        let path = names.as_slice();
        let other = self
            .route_links(method, path)
            .or_else(|| self.route_lists(method, path))
            .or_else(|| self.route_legacy(method, path))
            .or_else(|| self.route_sends(method, path));
        if let Some(answer) = other {
            return answer;
        }
        match path {
            ["crm", "objects", name, path @ ..] => self.route_objects(method, kind(name)?, path),
            path => self.route_directory(method, path),
        }
    }

    fn route_objects(
        &mut self,
        method: &str,
        kind: &'static Type,
        path: &[&str],
    ) -> Result<Answer, Error> {
        match (method, path) {
            ("GET", []) => self.list(kind),
            ("POST", []) => self.post(kind),
            ("POST", ["search"]) => self.search(kind),
            ("POST", ["merge"]) => self.merge(kind),
            ("POST", ["gdpr-delete"]) => self.gdpr_delete(kind),
            ("POST", ["batch", verb]) => self.batch(kind, verb),
            ("GET", [id]) => self.get(kind, id),
            ("PATCH", [id]) => self.patch(kind, id),
            ("DELETE", [id]) => self.delete(kind, id),
            (_, [] | [_] | ["batch", _]) => Err(Error::not_allowed()),
            _ => Err(Error::no_resource()),
        }
    }

    fn route_directory(&mut self, method: &str, path: &[&str]) -> Result<Answer, Error> {
        let answer = match path {
            ["crm", "properties", name] => self.properties(kind(name)?),
            ["crm", "properties", name, property] => self.property(kind(name)?, property)?,
            ["crm" | "crm-object-schemas", "schemas"] => self.schemas(),
            ["crm", "owners"] => self.owners(),
            ["crm", "owners", id] => self.owner(id)?,
            ["account-info", "details"] => self.account(),
            _ => return Err(Error::no_resource()),
        };
        if method == "GET" {
            Ok(answer)
        } else {
            Err(Error::not_allowed())
        }
    }

    /// The body, which must be one JSON object.
    fn body_object(&self) -> Result<Map<String, Value>, Error> {
        let request = self.call.request;
        if request.not_json() {
            let message = "HTTP 415 Unsupported Media Type";
            return Err(Error::new(415, "UNSUPPORTED_MEDIA_TYPE", message));
        }
        let invalid = |what: String| Error::invalid(format!("Invalid input JSON: {what}"));
        match request.json().map_err(invalid)? {
            Value::Object(body) => Ok(body),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Err(invalid("the body is not an object".to_owned())),
        }
    }
}

fn kind(name: &str) -> Result<&'static Type, Error> {
    schema::of(name)
        .ok_or_else(|| Error::invalid(format!("Unable to infer object type from: {name}")))
}

#[cfg(test)]
mod tests {
    use super::is_version;

    #[test]
    fn a_version_is_told_from_a_type() {
        for version in ["v3", "v10", "2026-03", "2026-09-beta"] {
            assert!(is_version(version), "{version}");
        }
        for other in [
            "objects",
            "0-1",
            "2-1442021",
            "v",
            "vid",
            "2026-3",
            "51000000001",
        ] {
            assert!(!is_version(other), "{other}");
        }
    }
}
