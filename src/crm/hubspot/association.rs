//! Links between records that are there already: version 3 (one type by its name), version 4 and dated
//! (sets of types), and the legacy forms. Each link is two mutations, one for each end.

use std::collections::HashSet;

use http::Method;
use serde_json::{Map, Value};

use super::body::record::{Part, id, id_text};
use super::body::{Stop, document, empty, malformed, no_query};
use super::links::{self, Kind};
use crate::crm::Head;
use crate::mutation::{Mutation, Operation, RecordKey, Undo};

/// The field that tells the types of a link.
pub(super) const TYPES: &str = "association_types";

/// Links in one request: as many records as one read brings the links of.
const MAX_LINKS: usize = 1_000;

/// What is done to links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// One link, by the path.
    One {
        from: String,
        to: String,
        types: Types,
        operation: Operation,
    },
    /// `inputs`, all between records of the same two types.
    Batch(Batch),
    /// `{fromObjectId, toObjectId, category, definitionId}`, one or a list.
    Legacy { many: bool, operation: Operation },
    /// The far ids stand in the query: `?id=1&id=2`.
    Query { from: String, operation: Operation },
}

/// Where the types of a single link stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Types {
    /// In the body: a set, which takes the place of the one that was there.
    Body,
    /// In the path.
    Named(String),
    /// The one without a label, or, when it is removed, every one.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Batch {
    Create,
    Default,
    Archive,
    ArchiveLabels,
}

impl Batch {
    fn operation(self) -> Operation {
        match self {
            Self::Create | Self::Default => Operation::Associate,
            Self::Archive | Self::ArchiveLabels => Operation::Dissociate,
        }
    }
}

/// The two types that a path names, and the call.
pub(super) fn route(method: &Method, words: &[&str]) -> Option<(Vec<String>, Call)> {
    let operation = match *method {
        Method::PUT | Method::POST => Operation::Associate,
        Method::DELETE => Operation::Dissociate,
        _ => return None,
    };
    let put = *method == Method::PUT;
    let single = put || operation == Operation::Dissociate;
    let one = |ends: [&str; 2], ids: [&str; 2], types| {
        let [from, to] = ids.map(str::to_owned);
        let call = Call::One {
            from,
            to,
            types,
            operation,
        };
        (ends.map(str::to_owned).to_vec(), call)
    };
    let legacy = |many, operation| Some((Vec::new(), Call::Legacy { many, operation }));
    match words {
        [
            "crm",
            "objects",
            from,
            id,
            "associations",
            "default",
            to,
            far,
        ] if put => Some(one([from, to], [id, far], Types::None)),
        ["crm", "objects", from, id, "associations", to, far] if single => {
            let types = if put { Types::Body } else { Types::None };
            Some(one([from, to], [id, far], types))
        }
        ["crm", "objects", from, id, "associations", to, far, kind] if single => {
            let types = Types::Named((*kind).to_owned());
            Some(one([from, to], [id, far], types))
        }
        ["crm", "associations", from, to, "batch", rest @ ..] if *method == Method::POST => {
            let batch = match rest {
                ["create"] => Batch::Create,
                ["archive"] => Batch::Archive,
                ["associate", "default"] => Batch::Default,
                ["labels", "archive"] => Batch::ArchiveLabels,
                _ => return None,
            };
            let ends = vec![(*from).to_owned(), (*to).to_owned()];
            Some((ends, Call::Batch(batch)))
        }
        ["crm-associations", "associations"] if put => legacy(false, Operation::Associate),
        ["crm-associations", "associations", "create-batch"] if put => {
            legacy(true, Operation::Associate)
        }
        ["crm-associations", "associations", "delete"] if single => {
            legacy(false, Operation::Dissociate)
        }
        ["crm-associations", "associations", "delete-batch"] if put => {
            legacy(true, Operation::Dissociate)
        }
        ["companies", "companies", id, "contacts", far] if single => {
            Some(one(["companies", "contacts"], [id, far], Types::None))
        }
        [
            "deals",
            "deal",
            id,
            "associations",
            to @ ("CONTACT" | "COMPANY"),
        ] if single => {
            let from = (*id).to_owned();
            let ends = vec!["deals".to_owned(), to.to_ascii_lowercase()];
            Some((ends, Call::Query { from, operation }))
        }
        _ => None,
    }
}

pub(super) fn parse(
    call: &Call,
    types: &[String],
    head: &Head<'_>,
    body: &[u8],
) -> Result<Vec<Mutation>, Stop> {
    if let Call::Query { from, operation } = call {
        return by_query(from, *operation, types, head, body);
    }
    no_query(head)?;
    match (call, types) {
        (
            Call::One {
                from,
                to,
                types: named,
                operation,
            },
            [near, far],
        ) => {
            let from = id_text(from, "the first id in the path")?;
            let to = id_text(to, "the second id in the path")?;
            let types = match named {
                Types::Body => Some(type_set(&document(head, body)?, "the body", (near, far))?),
                Types::Named(name) => {
                    empty_or_object(body)?;
                    fitting(name, "the type in the path", (near, far))?;
                    Some(name.clone())
                }
                Types::None => {
                    empty_or_object(body)?;
                    None
                }
            };
            let mut links = Links::default();
            links.add((near, from), (far, to), types, *operation, None)?;
            Ok(links.mutations)
        }
        (Call::Batch(batch), [near, far]) => inputs(*batch, near, far, &document(head, body)?),
        (Call::Legacy { many, operation }, _) => legacy(*many, *operation, &document(head, body)?),
        // the route gives both types
        _ => malformed("the path does not name both types"),
    }
}

/// PUT and DELETE without a body; some clients send `{}` or `null`.
fn empty_or_object(body: &[u8]) -> Result<(), Stop> {
    match body {
        b"" | b"{}" | b"null" => Ok(()),
        other => empty(other),
    }
}

/// Links so far; no pair twice.
#[derive(Default)]
struct Links {
    mutations: Vec<Mutation>,
    seen: HashSet<(String, String)>,
}

impl Links {
    fn add(
        &mut self,
        (near, from): (&str, String),
        (far, to): (&str, String),
        types: Option<String>,
        operation: Operation,
        row: Option<String>,
    ) -> Result<(), Stop> {
        if !self.seen.insert((from.clone(), to.clone())) {
            let at = row.unwrap_or_default();
            return malformed(format!("{at} names a link that stands before it"));
        }
        let (from, to) = (RecordKey::id(from), RecordKey::id(to));
        let fields: Map<String, Value> = types
            .into_iter()
            .map(|types| (TYPES.to_owned(), Value::from(types)))
            .collect();
        let end = |object: &str, record: &RecordKey, other: &RecordKey| Mutation {
            object: object.to_owned(),
            operation,
            record: Some(record.clone()),
            fields: fields.clone(),
            row: row.clone(),
            // a link that is made again may stand elsewhere, and not be the primary one
            undo: if operation == Operation::Associate {
                Undo::Full
            } else {
                Undo::Partial
            },
            others: vec![other.clone()],
        };
        self.mutations.push(end(near, &from, &to));
        self.mutations.push(end(far, &to, &from));
        Ok(())
    }
}

fn counted(list: &[Value]) -> Result<&[Value], Stop> {
    if list.is_empty() || list.len() > MAX_LINKS {
        return malformed(format!(
            "{} links in one request; send between 1 and {MAX_LINKS}",
            list.len()
        ));
    }
    Ok(list)
}

fn inputs(batch: Batch, near: &str, far: &str, document: &Value) -> Result<Vec<Mutation>, Stop> {
    let root = Part::root(document)?;
    root.only(&["inputs"])?;
    let mut links = Links::default();
    for (place, input) in counted(root.array("inputs")?)?.iter().enumerate() {
        let part = Part::input(input, place)?;
        part.only(match batch {
            Batch::Create => &["from", "to", "types", "type"],
            Batch::ArchiveLabels => &["from", "to", "types"],
            Batch::Archive => &["from", "to", "type"],
            Batch::Default => &["from", "to"],
        })?;
        let types = match (part.get("types"), part.text("type")?) {
            (Some(set), None) => Some(type_set(set, &part.place("types"), (near, far))?),
            (None, Some(name)) => {
                fitting(name, &part.place("type"), (near, far))?;
                Some(name.to_owned())
            }
            (None, None) if matches!(batch, Batch::Default | Batch::Archive) => None,
            _ => return malformed(format!("{} has no type, or two", part.at)),
        };
        let from = end(part.required("from")?, &part.place("from"))?;
        let to = part.required("to")?;
        // removing takes several far ends of one record
        let ends = match to.as_array().filter(|_| batch == Batch::Archive) {
            Some(ends) => counted(ends)?,
            None => std::slice::from_ref(to),
        };
        for to in ends {
            let to = end(to, &part.place("to"))?;
            let (near, far) = ((near, from.clone()), (far, to));
            links.add(near, far, types.clone(), batch.operation(), part.row())?;
        }
    }
    if links.mutations.len() > 2 * MAX_LINKS {
        return malformed(format!("more than {MAX_LINKS} links in one request"));
    }
    Ok(links.mutations)
}

/// `{"id": …}`.
fn end(value: &Value, place: &str) -> Result<String, Stop> {
    let part = Part::of(value, place.to_owned(), true)?;
    part.only(&["id"])?;
    id(part.required("id")?, &part.place("id"))
}

/// A type that is of other records than the path names: HubSpot goes by one of both, and nobody knows which.
fn of_others<T>(place: &str, (near, far): (&str, &str)) -> Result<T, Stop> {
    malformed(format!(
        "{place} links other types of records than {near} and {far}, which the path names"
    ))
}

/// The name of a type, which fits the path.
fn fitting(name: &str, place: &str, (near, far): (&str, &str)) -> Result<(), Stop> {
    match links::is_of_others(Kind::Name(name), near, far) {
        true => of_others(place, (near, far)),
        false => Ok(()),
    }
}

/// `[{associationCategory, associationTypeId}]` as one text; each type fits the path.
fn type_set(set: &Value, place: &str, (near, far): (&str, &str)) -> Result<String, Stop> {
    let set = set.as_array().filter(|set| !set.is_empty());
    let Some(set) = set else {
        return malformed(format!("{place} is not a list of association types"));
    };
    let mut types = Vec::new();
    for (at, one) in set.iter().enumerate() {
        let part = Part::of(one, format!("{place}[{at}]"), true)?;
        part.only(&["associationCategory", "associationTypeId"])?;
        let category = part.text("associationCategory")?;
        let number = part.required("associationTypeId")?.as_u64();
        let (Some(category), Some(number)) = (category, number) else {
            return malformed(format!("{} is not an association type", part.at));
        };
        let own = category.eq_ignore_ascii_case("HUBSPOT_DEFINED");
        if own && links::is_of_others(Kind::Number(number), near, far) {
            return of_others(&part.at, (near, far));
        }
        types.push(format!("{category} {number}"));
    }
    types.sort_unstable();
    types.dedup();
    Ok(types.join(", "))
}

/// The legacy form names the link by the number of its type alone, which tells both types.
fn legacy(many: bool, operation: Operation, document: &Value) -> Result<Vec<Mutation>, Stop> {
    let list = match (document.as_array(), many) {
        (Some(list), true) => counted(list)?,
        (None, false) => std::slice::from_ref(document),
        _ => return malformed("the body is not one association, or not a list of them"),
    };
    let mut links = Links::default();
    for (place, one) in list.iter().enumerate() {
        let part = Part::of(one, format!("associations[{place}]"), true)?;
        part.only(&["fromObjectId", "toObjectId", "category", "definitionId"])?;
        let number = part.required("definitionId")?.as_u64();
        let ends = number
            .filter(|_| {
                part.get("category")
                    .is_some_and(|own| own == "HUBSPOT_DEFINED")
            })
            .and_then(links::ends);
        let Some((near, far)) = ends else {
            return Err(Stop::Opaque(format!(
                "{} does not tell which kinds of records it links; use /crm/v4/associations",
                part.at
            )));
        };
        let of = |name| id(part.required(name)?, &part.place(name));
        let (from, to) = (of("fromObjectId")?, of("toObjectId")?);
        let types = number.map(|number| format!("HUBSPOT_DEFINED {number}"));
        let row = Some(part.at.clone());
        links.add((near.name, from), (far.name, to), types, operation, row)?;
    }
    Ok(links.mutations)
}

fn by_query(
    from: &str,
    operation: Operation,
    types: &[String],
    head: &Head<'_>,
    body: &[u8],
) -> Result<Vec<Mutation>, Stop> {
    empty_or_object(body)?;
    let [near, far] = types else {
        return malformed("the path does not name both types");
    };
    let from = id_text(from, "the id in the path")?;
    let mut links = Links::default();
    let query = head.query.unwrap_or_default();
    for (place, (name, value)) in form_urlencoded::parse(query.as_bytes()).enumerate() {
        if name != "id" || query.contains(';') {
            return malformed("the query of this write takes `id` only");
        }
        let to = id_text(&value, "the id in the query")?;
        let row = Some(format!("ids[{place}]"));
        links.add((near, from.clone()), (far, to), None, operation, row)?;
    }
    if links.mutations.is_empty() || links.mutations.len() > 2 * MAX_LINKS {
        return malformed("the query names no record in `id`, or too many");
    }
    Ok(links.mutations)
}
