//! From the head of a request to what it is: read, login, a write we can take apart, or opaque.

use http::Method;

use super::query::Query;
use super::{Collection, Row, Shape, headers, id, reads, types};
use crate::crm::{Class, Head, Shape as AnyShape, overrides};
use crate::mutation::{Opaque, Operation, RecordKey};

/// API versions that exist or will soon: `v20.0` to `v70.0`.
const VERSIONS: std::ops::RangeInclusive<u32> = 20..=70;

/// The method as Salesforce will act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Read,
    Post,
    Patch,
    Delete,
    Other,
}

pub(in crate::crm) fn classify(head: &Head<'_>) -> Class {
    let query = match Query::parse(head.query) {
        Ok(query) => query,
        Err(reason) => return two_readings(reason),
    };
    let verb = match verb(head, &query) {
        Ok(verb) => verb,
        Err(reason) => return two_readings(reason),
    };
    let segments: Vec<&str> = head.path.segments().iter().map(String::as_str).collect();
    if let Some(reason) = format_suffix(&segments) {
        return two_readings(reason);
    }
    let class = match segments.as_slice() {
        ["services", "data", version, rest @ ..] => data(head, verb, &query, version, rest),
        ["services", "oauth2", "token"] if verb == Verb::Post => Class::Auth,
        other if verb == Verb::Read && reads::is_other_read(other) => Class::Read,
        other => Class::Opaque(Opaque::unknown(outside(other))),
    };
    match class {
        // the override is documented for rows; elsewhere nobody knows who acts on it
        Class::Read | Class::Auth | Class::Opaque(_) if overridden(&query) => two_readings(
            "`_HttpMethod` is only understood where rows are written: send the real method",
        ),
        Class::Opaque(opaque) if is_shape(verb, &segments) => {
            Class::Opaque(Opaque::unclear(opaque.reason))
        }
        Class::Read | Class::Auth | Class::Write(_) | Class::Opaque(_) => class,
    }
}

fn overridden(query: &Query) -> bool {
    query.method_override() != Ok(None)
}

/// Whether this would be a write that we take apart, but for its version or the case of fixed words:
/// some server may take it for that.
fn is_shape(verb: Verb, segments: &[&str]) -> bool {
    let same = |part: &str, word: &str| part.eq_ignore_ascii_case(word);
    let [services, data, _version, rest @ ..] = segments else {
        return false;
    };
    same(services, "services")
        && same(data, "data")
        && match rest {
            [first, path @ ..] if same(first, "sobjects") => row(verb, path).is_ok(),
            [first, second, path @ ..] if same(first, "composite") && same(second, "sobjects") => {
                collection(verb, path).is_ok()
            }
            _ => false,
        }
}

/// The API version of a canonical path below `/services/data`, as a number: `v66.0` is 66.
pub(super) fn version(segment: &str) -> Option<u32> {
    let number = segment.strip_prefix('v')?.strip_suffix(".0")?;
    let two_digits = number.len() == 2 && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u32 = two_digits.then(|| number.parse().ok())??;
    VERSIONS.contains(&number).then_some(number)
}

fn two_readings(reason: impl Into<String>) -> Class {
    Class::Write(AnyShape::TwoReadings(reason.into()))
}

/// Resolves the documented override (`POST …?_HttpMethod=PATCH`) and refuses all others.
fn verb(head: &Head<'_>, query: &Query) -> Result<Verb, String> {
    if let Some(reason) = overrides::by_header(head.headers, &[]) {
        return Err(reason);
    }
    match (head.method, query.method_override()?) {
        (method, None) => Ok(match *method {
            Method::GET | Method::HEAD => Verb::Read,
            Method::POST => Verb::Post,
            Method::PATCH => Verb::Patch,
            Method::DELETE => Verb::Delete,
            _ => Verb::Other,
        }),
        (&Method::POST, Some("PATCH")) => Ok(Verb::Patch),
        (_, Some(_)) => Err(
            "`_HttpMethod` is only understood as `?_HttpMethod=PATCH` on POST: send the real method"
                .into(),
        ),
    }
}

/// Versions up to 57.0 take a suffix of the last segment for the format of the answer.
fn format_suffix(segments: &[&str]) -> Option<String> {
    let (_, suffix) = segments.last()?.rsplit_once('.')?;
    let known = ["json", "xml"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(suffix));
    known.then(|| {
        format!("the path ends in the format suffix .{suffix}: leave it out and send Accept")
    })
}

fn data(head: &Head<'_>, verb: Verb, query: &Query, version: &str, rest: &[&str]) -> Class {
    if self::version(version).is_none() {
        return Class::Opaque(Opaque::unknown(format!(
            "the path names no API version between v{}.0 and v{}.0",
            VERSIONS.start(),
            VERSIONS.end()
        )));
    }
    match (verb, rest) {
        (Verb::Read, _) => read(query, rest),
        (Verb::Post, ["composite", "sobjects", object]) if types::is_name(object) => Class::Read,
        (_, ["sobjects", path @ ..]) => write(head, row(verb, path)),
        (_, ["composite", "sobjects", path @ ..]) => write(head, collection(verb, path)),
        _ => Class::Opaque(Opaque::unknown(advice(rest))),
    }
}

fn read(query: &Query, rest: &[&str]) -> Class {
    if !reads::is_data_read(rest) {
        Class::Opaque(Opaque::unknown(advice(rest)))
    } else if query.writes_usage_data() {
        Class::Opaque(Opaque::unclear(
            "FOR VIEW, FOR REFERENCE, UPDATE TRACKING and UPDATE VIEWSTAT write usage data: leave \
             the clause out of the query",
        ))
    } else {
        Class::Read
    }
}

/// A known write, unless a header makes it impossible to tell what it does.
fn write(head: &Head<'_>, shape: Result<Shape, String>) -> Class {
    match shape {
        Err(reason) => Class::Opaque(Opaque::unknown(reason)),
        Ok(shape) => match headers::opaque(head.headers) {
            Some(reason) => Class::Opaque(Opaque::unclear(reason)),
            None => Class::Write(AnyShape::Salesforce(shape)),
        },
    }
}

/// `/sobjects/…`: one row.
fn row(verb: Verb, path: &[&str]) -> Result<Shape, String> {
    let object = match path {
        [] | [""] => return Err(advice(&["sobjects"])),
        [object, ..] => known(object)?,
    };
    let shape = |operation, key| {
        Ok(Shape::Row(Row {
            object: object.to_owned(),
            operation,
            key,
        }))
    };
    match (verb, path) {
        (Verb::Post, [_]) => shape(Operation::Create, None),
        (Verb::Post, [_, field]) if field.eq_ignore_ascii_case("Id") => {
            shape(Operation::Create, None)
        }
        (Verb::Patch | Verb::Delete, [_, record]) if !reads::is_reserved(record) => {
            shape(change(verb), Some(RecordKey::id(*record)))
        }
        (Verb::Patch | Verb::Delete, [_, field, record]) if field.eq_ignore_ascii_case("Id") => {
            shape(change(verb), Some(RecordKey::id(*record)))
        }
        (Verb::Patch | Verb::Delete, [_, field, value]) if is_external_key(field) => {
            let operation = if verb == Verb::Delete {
                Operation::Delete
            } else {
                Operation::Upsert
            };
            let key = RecordKey::External {
                key: (*field).to_owned(),
                value: (*value).to_owned(),
            };
            shape(operation, Some(key))
        }
        (Verb::Patch | Verb::Delete, [_, record, _, ..]) if id::is_like_one(record) => Err(
            "a write through a relationship changes another record than the path names: write to \
             that record by its own id"
                .into(),
        ),
        _ => Err(
            "no such write to a record is documented: use POST /sobjects/{type}, \
                  PATCH or DELETE /sobjects/{type}/{id}, or PATCH /sobjects/{type}/{field}/{value}"
                .into(),
        ),
    }
}

/// What PATCH and DELETE do to a row named by its id.
fn change(verb: Verb) -> Operation {
    if verb == Verb::Delete {
        Operation::Delete
    } else {
        Operation::Update
    }
}

/// `/composite/sobjects/…`: up to 200 rows.
fn collection(verb: Verb, path: &[&str]) -> Result<Shape, String> {
    match (verb, path) {
        (Verb::Post, []) => Ok(Shape::Collection(Collection::Create)),
        (Verb::Patch, []) => Ok(Shape::Collection(Collection::Update)),
        (Verb::Delete, []) => Ok(Shape::Collection(Collection::Delete)),
        (Verb::Patch, [object, field]) if is_external_key(field) => {
            Ok(Shape::Collection(Collection::Upsert {
                object: known(object)?.to_owned(),
                field: (*field).to_owned(),
            }))
        }
        _ => Err(
            "no such write to a collection is documented: use POST, PATCH or DELETE \
             /composite/sobjects, or PATCH /composite/sobjects/{type}/{field}"
                .into(),
        ),
    }
}

fn known(object: &str) -> Result<&'static str, String> {
    if !types::is_name(object) {
        return Err("the path names no object".into());
    }
    types::by_name(object)
        .map(|known| known.name)
        .ok_or_else(|| types::unknown(object))
}

/// A field name that cannot be taken for an id or a sub-resource.
fn is_external_key(field: &str) -> bool {
    types::is_name(field) && !id::is_like_one(field) && !reads::is_reserved(field)
}

/// What to use instead, by the family below `/services/data/vNN.N/`.
fn advice(rest: &[&str]) -> String {
    let text = match rest {
        ["composite", ..] | ["connect" | "tooling", "batch" | "composite", ..] => {
            "composite, batch, graph and tree requests are not taken apart yet: send rows to \
             /sobjects, or up to 200 to /composite/sobjects"
        }
        ["graphql", ..] => "GraphQL is not taken apart yet: read with /query, write with /sobjects",
        ["jobs" | "async-queries", ..] => {
            "Bulk jobs are not taken apart yet: send up to 200 rows to /composite/sobjects, read \
             with /query"
        }
        ["ui-api", ..] => {
            "writes through the UI API are not taken apart yet: use /sobjects or \
             /composite/sobjects"
        }
        ["tooling", "executeAnonymous", ..] => {
            "this runs Apex code, which can change anything: use /sobjects"
        }
        ["tooling" | "metadata", ..] => "this may change code or what records look like",
        ["actions" | "quickActions" | "process", ..] | ["sobjects", _, "quickActions", ..] => {
            "this runs automation, which can change anything: use /sobjects, or ask for an \
             `endpoints` row"
        }
        ["consent", ..] => "this path writes consent data through its query string",
        ["chatter" | "connect", ..] => "this may post or notify people: ask for an `endpoints` row",
        ["sobjects", .., last] if reads::is_file_field(last) => {
            "this exports a file: ask for an `endpoints` row"
        }
        ["sobjects", ..] => "no such path below /sobjects is documented",
        ["analytics", ..] => {
            "this exports or changes a report: read with /query, or ask for an `endpoints` row"
        }
        _ => "this path is not known: use /sobjects, /composite/sobjects or /query",
    };
    text.to_owned()
}

/// The same outside `/services/data/`.
fn outside(path: &[&str]) -> String {
    let text = match path {
        ["services", "Soap", ..] => {
            "SOAP is not taken apart yet: use the REST API, /services/data/vNN.N/sobjects"
        }
        ["services", "apexrest", ..] => {
            "this runs the org's own code, which can change anything, even on GET: ask for an \
             `endpoints` row"
        }
        ["services", "async", ..] => {
            "Bulk jobs are not taken apart yet: use /services/data/vNN.N/composite/sobjects"
        }
        ["services", "oauth2", ..] => {
            "of the login paths only POST /services/oauth2/token is passed on"
        }
        _ => "this path is not known: use /services/data/vNN.N/",
    };
    text.to_owned()
}

#[cfg(test)]
mod tests;
