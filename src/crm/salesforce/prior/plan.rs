//! As few reads as Salesforce allows.

use serde_json::json;

use super::pack::{MAX_TARGET, Part, calls};
use super::{STAMP, soql};
use crate::crm::catalog::Catalog;
use crate::crm::path;
use crate::crm::salesforce::{relation, route, types};
use crate::crm::{Head, PriorPlan, Wanted};
use crate::mutation::{Mutation, Operation, RecordKey, same_name};

/// `FIELDS(ALL)` is there from this version on; an older request's deletes are read with it.
const FIELDS_ALL_SINCE: u32 = 51;

/// How the records of a group are named, and what is read of them.
#[derive(Clone, Debug, PartialEq, Eq)]
enum How {
    /// By id, some fields.
    Id,
    /// By an external id, some fields.
    Key(String),
    /// By id or external id, all fields: they are deleted.
    All,
    /// The same, wherever they are: they are deleted past the recycle bin, maybe out of it.
    Erased,
    /// By id, some fields, in the recycle bin.
    Binned,
}

/// Records of one object that can be read together.
struct Group<'a> {
    object: &'a str,
    how: How,
    members: Vec<(usize, &'a RecordKey)>,
    fields: Vec<String>,
}

/// The reads that bring the prior values of `mutations`. Creates need none.
pub(in crate::crm) fn plan(
    head: &Head<'_>,
    mutations: &[Mutation],
    wanted: &Wanted,
    _catalog: &Catalog,
) -> PriorPlan {
    let version = version(head);
    let parts = groups(mutations, wanted)
        .iter()
        .flat_map(|group| parts(group, version))
        .collect();
    PriorPlan::Reads(calls(parts, version))
}

/// The list of what the API has, which takes a session: the write's own version, or an old one.
pub(in crate::crm) fn probe(head: &Head<'_>) -> String {
    format!("/services/data/v{}.0", version(head))
}

fn version(head: &Head<'_>) -> u32 {
    route::version_of(head.path).unwrap_or(FIELDS_ALL_SINCE)
}

fn groups<'a>(mutations: &'a [Mutation], wanted: &Wanted) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for (place, mutation) in mutations.iter().enumerate() {
        let Some(key) = &mutation.record else {
            continue;
        };
        let how = match key {
            _ if mutation.operation == Operation::Delete => How::All,
            _ if mutation.operation == Operation::Purge => How::Erased,
            _ if mutation.operation == Operation::Restore => How::Binned,
            RecordKey::Id { .. } => How::Id,
            RecordKey::External { key, .. } => How::Key(key.clone()),
        };
        let at = groups
            .iter()
            .position(|group| group.object == mutation.object && group.how == how)
            .unwrap_or(groups.len());
        if at == groups.len() {
            groups.push(Group {
                object: &mutation.object,
                fields: always(&mutation.object, &how),
                how,
                members: Vec::new(),
            });
        }
        if let Some(group) = groups.get_mut(at) {
            group.members.push((place, key));
            let rules = wanted.get(place).into_iter().flatten();
            for name in mutation.fields.keys().chain(rules) {
                add(&mut group.fields, name);
            }
        }
    }
    groups
}

/// What is read of every record of a group.
fn always(object: &str, how: &How) -> Vec<String> {
    let mut fields = vec!["Id".to_owned()];
    if types::is_stamped(object) {
        fields.push(STAMP.to_owned());
    }
    match how {
        How::Key(key) => add(&mut fields, key),
        How::Binned => add(&mut fields, "IsDeleted"),
        How::Id | How::All | How::Erased => {}
    }
    fields
}

/// Adds a field once; rules may name what cannot be a field here (`Account.Name`), which is left out.
fn add(fields: &mut Vec<String>, name: &str) {
    if types::is_name(name) && !fields.iter().any(|known| same_name(known, name)) {
        fields.push(name.to_owned());
    }
}

fn parts(group: &Group<'_>, version: u32) -> Vec<Part> {
    match (group.members.as_slice(), &group.how) {
        (members, How::Binned) => binned(group, members, version),
        (members, How::Erased) => members
            .chunks(soql::ALL_LIMIT)
            .map(|members| deleted(group, members, version))
            .collect(),
        ([(place, key)], _) => {
            let row = row(group, key, *place, version);
            let long = row.targets.iter().any(|target| target.len() >= MAX_TARGET);
            if long && group.how == How::Id {
                vec![collection(group, version)]
            } else {
                vec![row]
            }
        }
        (_, How::Id) => vec![collection(group, version)],
        (_, How::Key(field)) => keyed(group, field, &group.members, version),
        (_, How::All) => group
            .members
            .chunks(soql::ALL_LIMIT)
            .map(|members| deleted(group, members, version))
            .collect(),
    }
}

/// `GET /sobjects/{type}/{id}` or `/{field}/{value}`; all fields where none are named.
fn row(group: &Group<'_>, named: &RecordKey, place: usize, version: u32) -> Part {
    let mut target = format!("/services/data/v{version}.0/sobjects/{}/", group.object);
    match named {
        RecordKey::Id { id } => path::encode(id, &mut target),
        RecordKey::External { key, value } => match relation::path(named) {
            Some(through) => {
                target = format!("/services/data/v{version}.0/sobjects/{through}");
            }
            None => {
                path::encode(key, &mut target);
                target.push('/');
                path::encode(value, &mut target);
            }
        },
    }
    if group.how != How::All {
        target.push_str("?fields=");
        target.push_str(&group.fields.join(","));
    }
    Part {
        targets: vec![target],
        post: None,
        covers: vec![place],
        large: false,
    }
}

/// `/composite/sobjects/{type}`: POST alone; as a part of a composite GET, which is documented there.
fn collection(group: &Group<'_>, version: u32) -> Part {
    let ids: Vec<&str> = ids(&group.members).collect();
    let base = format!(
        "/services/data/v{version}.0/composite/sobjects/{}",
        group.object
    );
    Part {
        targets: vec![format!(
            "{base}?ids={}&fields={}",
            ids.join(","),
            group.fields.join(",")
        )],
        post: Some((base, json!({ "ids": ids, "fields": group.fields }))),
        covers: places(&group.members),
        large: true,
    }
}

fn deleted(group: &Group<'_>, members: &[(usize, &RecordKey)], version: u32) -> Part {
    let soql = soql::all_fields(group.object, ids(members));
    let version = version.max(FIELDS_ALL_SINCE);
    Part {
        targets: vec![match group.how {
            How::Erased => query_all(&soql, version),
            How::Id | How::Key(_) | How::All | How::Binned => query(&soql, version),
        }],
        post: None,
        covers: places(members),
        large: true,
    }
}

/// What stands in the recycle bin is shown by `queryAll` alone.
fn binned(group: &Group<'_>, members: &[(usize, &RecordKey)], version: u32) -> Vec<Part> {
    let soql = soql::by_key(
        group.object,
        &group.fields,
        "Id",
        ids(members),
        soql::quoted,
    );
    let target = query_all(&soql, version);
    if target.len() >= MAX_TARGET && members.len() > 1 {
        let (left, right) = members.split_at(members.len() / 2);
        let mut parts = binned(group, left, version);
        parts.extend(binned(group, right, version));
        return parts;
    }
    vec![Part {
        targets: vec![target],
        post: None,
        covers: places(members),
        large: true,
    }]
}

/// Queries by external id, split until the targets are short enough. Where every value may be a
/// number, the type of the field cannot be told: both spellings are asked for.
fn keyed(
    group: &Group<'_>,
    field: &str,
    members: &[(usize, &RecordKey)],
    version: u32,
) -> Vec<Part> {
    let numbers = keys(&group.members).all(soql::is_whole_number);
    let literals: &[fn(&str) -> String] = if numbers {
        &[soql::quoted, soql::number]
    } else {
        &[soql::quoted]
    };
    let targets: Vec<String> = literals
        .iter()
        .map(|literal| {
            let soql = soql::by_key(group.object, &group.fields, field, keys(members), *literal);
            query(&soql, version)
        })
        .collect();
    let long = targets.iter().any(|target| target.len() >= MAX_TARGET);
    if long && members.len() > 1 {
        let (left, right) = members.split_at(members.len() / 2);
        let mut parts = keyed(group, field, left, version);
        parts.extend(keyed(group, field, right, version));
        return parts;
    }
    vec![Part {
        targets,
        post: None,
        covers: places(members),
        large: true,
    }]
}

fn query(soql: &str, version: u32) -> String {
    format!(
        "/services/data/v{version}.0/query?q={}",
        soql::escaped(soql)
    )
}

/// The recycle bin, too.
fn query_all(soql: &str, version: u32) -> String {
    format!(
        "/services/data/v{version}.0/queryAll?q={}",
        soql::escaped(soql)
    )
}

fn ids<'a>(members: &[(usize, &'a RecordKey)]) -> impl Iterator<Item = &'a str> {
    members.iter().filter_map(|(_, key)| match key {
        RecordKey::Id { id } => Some(id.as_str()),
        RecordKey::External { .. } => None,
    })
}

fn keys<'a>(members: &[(usize, &'a RecordKey)]) -> impl Iterator<Item = &'a str> {
    members.iter().filter_map(|(_, key)| match key {
        RecordKey::External { value, .. } => Some(value.as_str()),
        RecordKey::Id { .. } => None,
    })
}

fn places(members: &[(usize, &RecordKey)]) -> Vec<usize> {
    members.iter().map(|(place, _)| *place).collect()
}
