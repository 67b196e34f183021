//! The envelope of a request that holds requests.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::super::body::{self, Refused, malformed};
use super::super::families::Nest;
use super::flag;

/// Sub-requests of one composite or batch.
const MOST: usize = 25;
/// Graphs of one request, and nodes of all of them.
const MOST_GRAPHS: usize = 75;
const MOST_NODES: usize = 500;

/// Sub-requests that may name each other.
pub(super) struct Group<'v> {
    /// How their places begin: `compositeRequest`, `graphs[0].compositeRequest`.
    pub(super) place: String,
    pub(super) parts: &'v [Value],
}

/// The groups of a body: one, or one for each graph.
pub(super) fn groups(nest: Nest, members: &Map<String, Value>) -> Result<Vec<Group<'_>>, Refused> {
    match nest {
        Nest::Composite => {
            only(
                members,
                &["allOrNone", "collateSubrequests", "compositeRequest"],
            )?;
            flag(members, "allOrNone")?;
            flag(members, "collateSubrequests")?;
            Ok(vec![group(members, "compositeRequest", "", MOST)?])
        }
        Nest::Batch => {
            only(members, &["haltOnError", "batchRequests"])?;
            flag(members, "haltOnError")?;
            Ok(vec![group(members, "batchRequests", "", MOST)?])
        }
        Nest::Graph => graphs(members),
    }
}

fn graphs(members: &Map<String, Value>) -> Result<Vec<Group<'_>>, Refused> {
    only(members, &["graphs"])?;
    let graphs = list(members, "graphs", MOST_GRAPHS)?;
    let (mut ids, mut nodes) = (HashSet::new(), 0);
    let mut groups = Vec::new();
    for (at, graph) in graphs.iter().enumerate() {
        let Value::Object(graph) = graph else {
            return Err(malformed(format!("graphs[{at}] is not an object")));
        };
        only(graph, &["graphId", "compositeRequest"])?;
        let id = graph.get("graphId").and_then(Value::as_str);
        match id {
            Some(id) if !id.is_empty() && ids.insert(id.to_lowercase()) => {}
            _ => {
                return Err(malformed(format!("graphs[{at}] has no graphId of its own")));
            }
        }
        let group = group(
            graph,
            "compositeRequest",
            &format!("graphs[{at}]."),
            MOST_NODES,
        )?;
        nodes += group.parts.len();
        groups.push(group);
    }
    if nodes > MOST_NODES {
        return Err(malformed(format!(
            "the graphs have {nodes} nodes, and {MOST_NODES} is the most"
        )));
    }
    Ok(groups)
}

fn group<'v>(
    members: &'v Map<String, Value>,
    name: &str,
    before: &str,
    most: usize,
) -> Result<Group<'v>, Refused> {
    Ok(Group {
        place: format!("{before}{name}"),
        parts: list(members, name, most)?,
    })
}

fn list<'v>(
    members: &'v Map<String, Value>,
    name: &str,
    most: usize,
) -> Result<&'v [Value], Refused> {
    let Some(Value::Array(list)) = members.get(name) else {
        return Err(malformed(format!("the body has no list {name}")));
    };
    match list.len() {
        0 => Err(malformed(format!("{name} is empty"))),
        length if length > most => Err(malformed(format!(
            "{name} has {length} elements, and {most} is the most"
        ))),
        _ => Ok(list),
    }
}

/// Refuses members that are not understood.
pub(super) fn only(members: &Map<String, Value>, known: &[&str]) -> Result<(), Refused> {
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(malformed(format!(
            "the body has the member {}, which is not understood there; known are {}",
            body::shown(name),
            known.join(", ")
        ))),
    }
}
