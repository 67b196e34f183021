//! From the head of a request to what it is: read, login, a write we can take apart, or opaque.

mod advice;

use http::Method;

use super::families::{self, Fit, How, Verb};
use super::query::Query;
use super::ui::Ui;
use super::whole::{self, Whole};
use super::{Collection, Row, Shape, headers, id, reads, relation, types};
use crate::crm::path::CanonicalPath;
use crate::crm::{Class, Head, Shape as AnyShape, overrides};
use crate::mutation::{Opaque, Operation, RecordKey};
use advice::{advice, outside};

/// API versions that exist or may come to exist: `v20.0` to `v199.0`.
const VERSIONS: std::ops::RangeInclusive<u32> = 20..=199;

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
        other => outside_data(head, verb, &query, other),
    };
    match class {
        // the override is documented for rows; elsewhere nobody knows who acts on it
        Class::Read | Class::Auth | Class::Opaque(_) if overridden(&query) => {
            two_readings(OVERRIDDEN)
        }
        Class::Write(AnyShape::Salesforce(ref shape)) if overridden(&query) && !is_rows(shape) => {
            two_readings(OVERRIDDEN)
        }
        Class::Opaque(opaque) if is_shape(verb, &segments) => {
            Class::Opaque(Opaque::unclear(opaque.reason))
        }
        Class::Read | Class::Auth | Class::Write(_) | Class::Opaque(_) => class,
    }
}

const OVERRIDDEN: &str =
    "`_HttpMethod` is only understood where rows are written: send the real method";

fn overridden(query: &Query) -> bool {
    query.method_override() != Ok(None)
}

fn is_rows(shape: &Shape) -> bool {
    matches!(shape, Shape::Row(_) | Shape::Collection(_))
}

/// Whether this would be a request that we judge, but for its version or the case of fixed words: some
/// server may take it for that.
fn is_shape(verb: Verb, segments: &[&str]) -> bool {
    let same = |part: &str, word: &str| part.eq_ignore_ascii_case(word);
    let [services, data, _version, rest @ ..] = segments else {
        return false;
    };
    if !same(services, "services") || !same(data, "data") {
        return false;
    }
    let rest = unaliased(rest);
    match families::find(verb, true, &rest).map(|(how, _)| how) {
        None | Some(How::Refused) => false,
        Some(How::Row) => row(verb, rest.get(1..).unwrap_or_default()).is_ok(),
        Some(How::Collection) => collection(verb, rest.get(2..).unwrap_or_default()).is_ok(),
        Some(_) => true,
    }
}

/// The API version of a canonical path below `/services/data`, as a number: `v66.0` is 66.
pub(super) fn version(segment: &str) -> Option<u32> {
    let number = segment.strip_prefix('v')?.strip_suffix(".0")?;
    let plain = matches!(number.len(), 2 | 3)
        && !number.starts_with('0')
        && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u32 = plain.then(|| number.parse().ok())??;
    VERSIONS.contains(&number).then_some(number)
}

/// The same below `/services/async`, where it has no `v`.
pub(super) fn bare(segment: &str) -> Option<u32> {
    version(&format!("v{segment}"))
}

/// The API version of `/services/Soap/LETTER/66.0/…`.
fn soap_version(segments: &[&str]) -> Option<u32> {
    match segments {
        ["services", "Soap", _, version, ..] => bare(version),
        _ => None,
    }
}

/// The API version that a path names, of REST, SOAP or Bulk API 1.0.
pub(super) fn version_of(path: &CanonicalPath) -> Option<u32> {
    let segments: Vec<&str> = path.segments().iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["services", "Soap", ..] => soap_version(&segments),
        ["services", "async", version, ..] => bare(version),
        [_, _, segment, ..] => version(segment),
        _ => None,
    }
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
            Method::PUT => Verb::Put,
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
    let given = rest.len();
    let rest = unaliased(rest);
    let aliased = rest.len() != given;
    if verb == Verb::Post && !aliased && reads::is_read_by_post(&rest) {
        return read(query, true, &rest);
    }
    match families::find(verb, true, &rest) {
        Some((How::Whole(Operation::Export, _), _)) if is_key_value(verb, &rest) => {
            read(query, true, &rest)
        }
        Some((_, Fit::Loose)) => Class::Opaque(Opaque::unclear(format!(
            "the path is written in another case than it is documented: {}",
            advice(&rest)
        ))),
        Some((how, Fit::Exact)) => taken(head, verb, &rest, how),
        // an alias of a read is none that is documented
        None if verb == Verb::Read => read(query, !aliased && reads::is_data_read(&rest), &rest),
        None => Class::Opaque(Opaque::unknown(advice(&rest))),
    }
}

/// Whether what looks like a file field is the value of an external id: `/sobjects/X/Ext__c/Body`.
fn is_key_value(verb: Verb, path: &[&str]) -> bool {
    verb == Verb::Read
        && matches!(path, ["sobjects", _, field, _] if is_external_key(field))
        && reads::is_data_read(path)
}

/// The communities' alias tree replays all of Chatter and Connect (Connect REST API Developer Guide,
/// Building URLs).
fn unaliased<'p>(path: &[&'p str]) -> Vec<&'p str> {
    match path {
        ["connect", "communities", _site, "chatter", rest @ ..] => [&["chatter"], rest].concat(),
        ["connect", "communities", _site, first, rest @ ..] if *first != "publish" => {
            let first = if *first == "connect" {
                &[][..]
            } else {
                &[*first]
            };
            [&["connect"], first, rest].concat()
        }
        other => other.to_vec(),
    }
}

/// What takes the request apart, by the table.
fn taken(head: &Head<'_>, verb: Verb, path: &[&str], how: How) -> Class {
    let below = |words: usize| path.get(words..).unwrap_or_default();
    match how {
        How::Row => write(head, row(verb, below(1))),
        How::Collection => write(head, collection(verb, below(2))),
        How::Nest(nest) => write(head, Ok(Shape::Nest(nest))),
        How::Tree => {
            let object = path
                .last()
                .map_or(Err(advice(path)), |object| known(object));
            write(head, object.map(Shape::Tree))
        }
        How::UiRecord => {
            let id = path.last().copied().unwrap_or_default().to_owned();
            write(
                head,
                Ok(Shape::Ui(match verb {
                    Verb::Patch => Ui::Update(id),
                    Verb::Delete => Ui::Delete(id),
                    Verb::Read | Verb::Post | Verb::Put | Verb::Other => Ui::Create,
                })),
            )
        }
        How::UiBatch => write(head, Ok(Shape::Ui(Ui::Batch))),
        How::GraphQl => write(head, Ok(Shape::GraphQl)),
        How::Search => write(head, Ok(Shape::Search)),
        How::Action => match whole::action(path) {
            Some(whole) => write(head, Ok(Shape::Whole(whole))),
            None => Class::Opaque(Opaque::unknown(advice(path))),
        },
        How::Whole(operation, naming) => {
            let object = whole::named(naming, path);
            write(head, Ok(Shape::Whole(Whole { operation, object })))
        }
        How::Soap(api) => match soap_version(path) {
            Some(_) => write(head, Ok(Shape::Soap(api))),
            None => Class::Opaque(Opaque::unclear(outside(path))),
        },
        How::Job | How::Refused => Class::Opaque(Opaque::unknown(match path {
            ["services" | "servlet" | "sfc" | "secur", ..] => outside(path),
            _ => advice(path),
        })),
    }
}

/// Paths outside `/services/data/`.
fn outside_data(head: &Head<'_>, verb: Verb, query: &Query, path: &[&str]) -> Class {
    if verb == Verb::Read && reads::is_other_read(path) {
        return Class::Read;
    }
    let exports = query
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("export"));
    if matches!(path, ["services", "oauth2", "authorize"]) && gives_token(query) {
        return Class::Opaque(Opaque::unclear(
            "this hands a token to whoever opens the page: use response_type=code, and redeem the code \
             with POST /services/oauth2/token",
        ));
    }
    match families::find(verb, false, path) {
        _ if exports && verb == Verb::Read && matches!(path, [id] if id::is_like_one(id)) => {
            let object = "analytics/reports".to_owned();
            let operation = Operation::Export;
            write(head, Ok(Shape::Whole(Whole { operation, object })))
        }
        Some((How::Refused, _)) | None => Class::Opaque(Opaque::unknown(outside(path))),
        Some((_, Fit::Loose)) => Class::Opaque(Opaque::unclear(outside(path))),
        Some((how, Fit::Exact)) => taken(head, verb, path, how),
    }
}

/// The user-agent flow puts tokens into the address that a browser is sent to.
fn gives_token(query: &Query) -> bool {
    query.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case("response_type")
            && value
                .to_ascii_lowercase()
                .split(' ')
                .any(|word| word.ends_with("token"))
    })
}

fn read(query: &Query, known: bool, rest: &[&str]) -> Class {
    if !known {
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
        Ok(shape) => match headers::opaque(head.headers, &shape) {
            Some(reason) => Class::Opaque(Opaque::unclear(reason)),
            None => Class::Write(AnyShape::Salesforce(shape)),
        },
    }
}

/// `/sobjects/…`: one row.
fn row(verb: Verb, path: &[&str]) -> Result<Shape, String> {
    let object = match path {
        [] | [""] => return Err(advice(&["sobjects"])),
        [event] if verb == Verb::Post && types::is_event(event) => {
            return Ok(Shape::Whole(Whole {
                operation: Operation::Send,
                object: (*event).to_owned(),
            }));
        }
        [object, ..] => known(object)?,
    };
    let shape = |operation, key| {
        Ok(Shape::Row(Row {
            object: object.clone(),
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
        (Verb::Patch | Verb::Delete, [_, record, steps @ ..]) if id::is_like_one(record) => {
            shape(change(verb), Some(relation::way(&object, record, steps)?))
        }
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
                object: known(object)?,
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

/// The object that a path names: a built-in one, or one that the org may have made.
fn known(object: &str) -> Result<String, String> {
    match types::by_name(object) {
        Some(known) => Ok(known.name.to_owned()),
        None if types::is_own(object) => Ok(object.to_owned()),
        None if types::is_name(object) => Err(types::unknown(object)),
        None => Err("the path names no object".into()),
    }
}

/// A field name that cannot be taken for an id or a sub-resource.
fn is_external_key(field: &str) -> bool {
    types::is_name(field) && !id::is_like_one(field) && !reads::is_reserved(field)
}

#[cfg(test)]
mod tests;
