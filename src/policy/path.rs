//! JSONPath (RFC 9535) over what a rule may look at. JSONPath selects, our operators decide: it
//! compares numbers as floating point and lets a broken `match()` match nothing, so filters with
//! functions or numbers are refused when rules are loaded.

mod check;

use std::borrow::Cow;

use jsonpath_rust::parser::model::{JpQuery, Segment, Selector};
use jsonpath_rust::parser::parse_json_path;
use jsonpath_rust::query::js_path_process;
use serde_json::Value;

use super::mistake::choices;
use super::scene::{Scene, Seen};

/// A path, taken apart once.
#[derive(Clone, Debug)]
pub(super) struct Path {
    source: Source,
    rest: Rest,
}

/// What a path starts from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    ServiceAccount,
    Method,
    RequestPath,
    Route,
    Crm,
    Mutations,
    Headers,
    Header(String),
    Object,
    Operation,
    Record,
    Fields,
    Field(String),
    Undo,
    Row,
    Before(String),
    After(String),
    Claim(Claim),
}

/// One of the agent's claims.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Claim {
    Intent,
    Evidence,
    Confidence,
    Model,
    OnBehalfOf,
    Run,
}

/// What follows the source.
#[derive(Clone, Debug)]
enum Rest {
    /// Names and places only: walked without copying.
    Steps(Vec<Step>),
    /// Wildcards, slices, filters, descent.
    Query(JpQuery),
}

#[derive(Clone, Debug)]
enum Step {
    Name(String),
    Place(i64),
}

/// What a path selects.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Selected<'a> {
    /// These values; none where there is nothing.
    Values(Vec<Cow<'a, Value>>),
    /// The field it looks at cannot be known.
    CannotTell,
    /// The field it looks at was not read yet.
    NotRead,
}

const ROOTS: [&str; 6] = ["actor", "request", "mutation", "before", "after", "claims"];

impl Path {
    /// Parses a path; `$.` may be left out.
    ///
    /// # Errors
    /// What is wrong with it and what to do.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let full = if text.starts_with('$') {
            Cow::Borrowed(text)
        } else {
            Cow::Owned(format!("$.{text}"))
        };
        let query = parse_json_path(&full).map_err(|_error| {
            format!("`{text}` is not a JSONPath (RFC 9535): write it as `after.Amount`")
        })?;
        let mut segments = query.segments.into_iter();
        let root = name_of(segments.next(), &ROOTS, text)?;
        let source = Self::parse_source(&root, &mut segments, text)?;
        let rest: Vec<_> = segments.collect();
        for segment in &rest {
            check::check_segment(segment, text)?;
        }
        let rest = match rest.iter().map(step).collect() {
            Some(steps) => Rest::Steps(steps),
            None => Rest::Query(JpQuery::new(rest)),
        };
        Ok(Self { source, rest })
    }

    fn parse_source(
        root: &str,
        segments: &mut std::vec::IntoIter<Segment>,
        text: &str,
    ) -> Result<Source, String> {
        Ok(match root {
            "actor" => {
                name_of(segments.next(), &["service_account"], text)?;
                Source::ServiceAccount
            }
            "request" => request_source(segments, text)?,
            "mutation" => {
                const NAMES: [&str; 6] = ["object", "operation", "record", "fields", "undo", "row"];
                match name_of(segments.next(), &NAMES, text)?.as_str() {
                    "object" => Source::Object,
                    "operation" => Source::Operation,
                    "record" => Source::Record,
                    "undo" => Source::Undo,
                    "row" => Source::Row,
                    _ => match segments.as_slice().first() {
                        Some(Segment::Selector(Selector::Name(_))) => {
                            Source::Field(field_of(segments.next(), text)?)
                        }
                        Some(_) | None => Source::Fields,
                    },
                }
            }
            "before" => Source::Before(field_of(segments.next(), text)?),
            "after" => Source::After(field_of(segments.next(), text)?),
            _ => Source::Claim(claim(segments.next(), text)?),
        })
    }

    /// Where it starts.
    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// Whether it looks at a record, and not only at who asks and what was claimed.
    pub(super) fn needs_mutation(&self) -> bool {
        match self.source {
            Source::ServiceAccount
            | Source::Method
            | Source::RequestPath
            | Source::Route
            | Source::Crm
            | Source::Mutations
            | Source::Headers
            | Source::Header(_)
            | Source::Claim(_) => false,
            Source::Object
            | Source::Operation
            | Source::Record
            | Source::Fields
            | Source::Field(_)
            | Source::Undo
            | Source::Row
            | Source::Before(_)
            | Source::After(_) => true,
        }
    }

    /// Selects in a scene.
    pub(super) fn select<'a>(&self, scene: &Scene<'a>) -> Selected<'a> {
        self.select_from(scene.see(&self.source))
    }

    /// The same path, with its field taken from another moment.
    pub(super) fn select_from<'a>(&self, seen: Seen<'a>) -> Selected<'a> {
        let value = match seen {
            Seen::Value(value) => value,
            Seen::CannotTell => return Selected::CannotTell,
            Seen::NotRead => return Selected::NotRead,
        };
        let Some(value) = value else {
            return Selected::Values(Vec::new());
        };
        Selected::Values(match &self.rest {
            Rest::Steps(steps) => walk(value, steps).into_iter().collect(),
            Rest::Query(query) => match value {
                Cow::Borrowed(value) => found(query, value).map(Cow::Borrowed).collect(),
                Cow::Owned(value) => found(query, &value).cloned().map(Cow::Owned).collect(),
            },
        })
    }
}

fn found<'a>(query: &JpQuery, value: &'a Value) -> impl Iterator<Item = &'a Value> {
    // A query without functions cannot fail.
    js_path_process(query, value)
        .unwrap_or_default()
        .into_iter()
        .map(|hit| hit.val)
}

fn walk<'a>(value: Cow<'a, Value>, steps: &[Step]) -> Option<Cow<'a, Value>> {
    match value {
        Cow::Borrowed(value) => walk_borrowed(value, steps).map(Cow::Borrowed),
        Cow::Owned(value) if steps.is_empty() => Some(Cow::Owned(value)),
        Cow::Owned(value) => walk_borrowed(&value, steps).cloned().map(Cow::Owned),
    }
}

fn walk_borrowed<'v>(value: &'v Value, steps: &[Step]) -> Option<&'v Value> {
    steps.iter().try_fold(value, |value, step| match step {
        Step::Name(name) => value.get(name),
        Step::Place(place) => {
            let items = value.as_array()?;
            let from_end = i64::try_from(items.len()).ok()?.checked_add(*place)?;
            let place = if *place < 0 { from_end } else { *place };
            items.get(usize::try_from(place).ok()?)
        }
    })
}

fn step(segment: &Segment) -> Option<Step> {
    match segment {
        Segment::Selector(Selector::Name(name)) => Some(Step::Name(name.clone())),
        Segment::Selector(Selector::Index(place)) => Some(Step::Place(*place)),
        Segment::Selector(Selector::Wildcard | Selector::Slice(..) | Selector::Filter(_))
        | Segment::Selectors(_)
        | Segment::Descendant(_) => None,
    }
}

fn request_source(
    segments: &mut std::vec::IntoIter<Segment>,
    text: &str,
) -> Result<Source, String> {
    const NAMES: [&str; 6] = ["method", "path", "route", "crm", "mutations", "headers"];
    Ok(match name_of(segments.next(), &NAMES, text)?.as_str() {
        "method" => Source::Method,
        "path" => Source::RequestPath,
        "route" => Source::Route,
        "crm" => Source::Crm,
        "headers" => match segments.as_slice().first() {
            Some(Segment::Selector(Selector::Name(_))) => {
                Source::Header(field_of(segments.next(), text)?.to_ascii_lowercase())
            }
            Some(_) | None => Source::Headers,
        },
        _ => Source::Mutations,
    })
}

fn claim(segment: Option<Segment>, text: &str) -> Result<Claim, String> {
    const NAMES: [&str; 6] = [
        "intent",
        "evidence",
        "confidence",
        "model",
        "on-behalf-of",
        "run",
    ];
    Ok(match name_of(segment, &NAMES, text)?.as_str() {
        "intent" => Claim::Intent,
        "evidence" => Claim::Evidence,
        "confidence" => Claim::Confidence,
        "model" => Claim::Model,
        "run" => Claim::Run,
        _ => Claim::OnBehalfOf,
    })
}

/// A step that has to be one of these names.
fn name_of(segment: Option<Segment>, names: &[&str], text: &str) -> Result<String, String> {
    if let Some(Segment::Selector(Selector::Name(name))) = segment
        && names.contains(&name.as_str())
    {
        return Ok(name);
    }
    Err(format!(
        "`{text}` does not name something a rule can look at: use {} there",
        choices(names)
    ))
}

/// A step that has to be a field's name.
fn field_of(segment: Option<Segment>, text: &str) -> Result<String, String> {
    match segment {
        Some(Segment::Selector(Selector::Name(name))) => Ok(name),
        Some(_) | None => Err(format!(
            "`{text}` has to name one field: write it as `after.Amount`"
        )),
    }
}
