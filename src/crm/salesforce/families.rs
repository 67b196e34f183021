//! The one table that says what each path can do beside the known reads: the classifier works from it,
//! and `writegate coverage` shows it (REST API Developer Guide, Resources; the guides of the UI, Connect,
//! Tooling, Analytics, Actions and Bulk APIs).

mod automation;
mod other;
mod pattern;
mod people;
mod records;
mod secrets;

use std::sync::LazyLock;

use super::soap::Api;
use crate::crm::family::{Family, Treatment};
use crate::mutation::Operation;
pub(super) use pattern::{Fit, fits};
pub(super) use secrets::holds_secrets;

/// The method as Salesforce will act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Read,
    Post,
    Put,
    Patch,
    Delete,
    Other,
}

/// The verbs of a path. `R` is GET and HEAD, `P` POST, `U` PUT, `A` PATCH, `D` DELETE.
pub(super) type Verbs = &'static str;

/// What takes a request apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// One row through `/sobjects`.
    Row,
    /// Up to 200 rows through `/composite/sobjects`.
    Collection,
    /// Sub-requests.
    Nest(Nest),
    /// Records with their children.
    Tree,
    /// A record of the UI API.
    UiRecord,
    /// Mixed operations of the UI API.
    UiBatch,
    /// GraphQL: only the document says.
    GraphQl,
    /// Only the body says whether it is more than a read.
    Search,
    /// One operation, and how its thing is named.
    Whole(Operation, Naming),
    /// An invocable action: its name says what it does.
    Action,
    /// A SOAP message: only the body says.
    Soap(Api),
    /// A step of a bulk job, which is told before paths are looked at (`bulk`).
    Job,
    /// Refused.
    Refused,
}

/// The forms of a request that holds requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nest {
    /// `compositeRequest`.
    Composite,
    /// `batchRequests`.
    Batch,
    /// `graphs`.
    Graph,
}

/// How the thing is named that rules then speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// By this.
    Fixed(&'static str),
    /// By the segment at this place of the path.
    At(usize),
    /// By two segments, with a dot.
    Dotted(usize, usize),
    /// By the family's first word and the segment after it.
    Below(&'static str),
}

/// One kind of path.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) verbs: Verbs,
    pub(super) pattern: &'static str,
    pub(super) how: How,
}

/// A family and its paths.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) family: Family,
    pub(super) paths: &'static [Path],
}

const fn path(verbs: Verbs, pattern: &'static str, how: How) -> Path {
    Path {
        verbs,
        pattern,
        how,
    }
}

const fn whole(
    verbs: Verbs,
    pattern: &'static str,
    operation: Operation,
    name: &'static str,
) -> Path {
    path(verbs, pattern, How::Whole(operation, Naming::Fixed(name)))
}

const fn decomposed(name: &'static str, note: &'static str, paths: &'static [Path]) -> Entry {
    entry(name, Treatment::Decomposed, None, note, paths)
}

const fn judged(
    name: &'static str,
    operation: Operation,
    note: &'static str,
    paths: &'static [Path],
) -> Entry {
    entry(name, Treatment::Whole, Some(operation), note, paths)
}

const fn refused(name: &'static str, note: &'static str, paths: &'static [Path]) -> Entry {
    entry(name, Treatment::Refused, None, note, paths)
}

const fn entry(
    name: &'static str,
    treatment: Treatment,
    operation: Option<Operation>,
    note: &'static str,
    paths: &'static [Path],
) -> Entry {
    Entry {
        family: Family {
            name,
            treatment,
            operation,
            note,
        },
        paths,
    }
}

/// All entries; the first path that fits speaks.
pub(super) fn entries() -> impl Iterator<Item = &'static Entry> {
    [
        records::ENTRIES,
        automation::ENTRIES,
        people::ENTRIES,
        other::ENTRIES,
    ]
    .into_iter()
    .flatten()
}

/// The families, for `coverage`.
pub(in crate::crm) fn families() -> Vec<Family> {
    entries().map(|entry| entry.family).collect()
}

/// What a request is, by its verb and its path: all of it, or what stands below `/services/data/vNN.N/`
/// (`data`). `Fit::Loose` says that only the case of fixed words stands against it.
pub(super) fn find(verb: Verb, data: bool, path: &[&str]) -> Option<(How, Fit)> {
    let letter = match verb {
        Verb::Read => 'R',
        Verb::Post => 'P',
        Verb::Put => 'U',
        Verb::Patch => 'A',
        Verb::Delete => 'D',
        Verb::Other => return None,
    };
    let fit = |known: &&Path| Some((known.how, fits(known.pattern, path)?));
    if verb == Verb::Read && data {
        return EXPORTS.iter().find_map(fit);
    }
    of(letter, data).find_map(|known| fit(&known))
}

/// The paths of a verb.
fn of(letter: char, data: bool) -> impl Iterator<Item = &'static Path> {
    entries()
        .flat_map(|entry| entry.paths)
        .filter(move |known| known.verbs.contains(letter))
        .filter(move |known| known.pattern.starts_with('/') != data)
}

/// What is more than a read though it is asked for by GET: looked through for every read.
static EXPORTS: LazyLock<Vec<&Path>> = LazyLock::new(|| of('R', true).collect());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_of_a_family_that_says_what_is_done_with_it() {
        for entry in entries() {
            let Family {
                name, treatment, ..
            } = entry.family;
            assert!(!entry.paths.is_empty(), "{name}");
            for path in entry.paths {
                let done = match path.how {
                    How::Whole(..)
                    | How::Action
                    | How::Soap(Api::Metadata | Api::Apex | Api::Tooling | Api::Class) => {
                        Treatment::Whole
                    }
                    How::Refused => Treatment::Refused,
                    How::Row
                    | How::Collection
                    | How::Nest(_)
                    | How::Tree
                    | How::UiRecord
                    | How::UiBatch
                    | How::GraphQl
                    | How::Job
                    | How::Soap(Api::Partner | Api::Enterprise)
                    | How::Search => Treatment::Decomposed,
                };
                assert_eq!(done, treatment, "{name}: {}", path.pattern);
                if let (How::Whole(operation, _), Some(told)) = (path.how, entry.family.operation) {
                    assert_eq!(operation, told, "{name}: {}", path.pattern);
                }
            }
        }
    }

    #[test]
    fn no_family_has_the_name_of_another() {
        let mut names: Vec<&str> = families().iter().map(|family| family.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
