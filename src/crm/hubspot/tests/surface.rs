//! Every operation that HubSpot's API is known to have.

use std::collections::{BTreeMap, BTreeSet};

use super::{Request, study};
use crate::crm::Class;

/// Reads that are not streamed, by their path without its version, and why.
const REFUSED_READS: [(&str, &str); 11] = [
    (
        "cms/source-code/{environment}/validate/{path}",
        "takes a file",
    ),
    (
        "collector/graphql",
        "has no version, and GraphQL can be anything",
    ),
    ("commerce/contracts/changes/preview", "takes a change"),
    (
        "commerce/price-books/price-books/{priceBookId}/validate",
        "takes a change",
    ),
    (
        "communication-preferences/links/generate",
        "makes a link with which anyone changes consent",
    ),
    (
        "content/api/blog-posts/{id}/validate-buffer",
        "a legacy POST that no page calls a read",
    ),
    (
        "content/api/pages/{pageId}/validate-buffer",
        "a legacy POST that no page calls a read",
    ),
    (
        "crm/exports/export/{exportId}",
        "exports are links to files",
    ),
    (
        "integrators/timeline/types/projects",
        "a POST that no page calls a read",
    ),
    (
        "public/api/versioning/test/widgets",
        "HubSpot's test of its own versioning",
    ),
    (
        "public/api/versioning/test/widgets/{widgetId}",
        "HubSpot's test of its own versioning",
    ),
];

/// A path with its placeholders filled.
fn filled(template: &str, with: &str) -> String {
    let segment = |segment: &str| match segment.strip_prefix('{') {
        Some(name) if name.to_ascii_lowercase().contains("objecttype") => "contacts".to_owned(),
        Some(name) if name.to_ascii_lowercase().contains("email") => "a@b.c".to_owned(),
        Some(_) => with.to_owned(),
        None => segment.to_owned(),
    };
    template
        .split('/')
        .map(segment)
        .collect::<Vec<_>>()
        .join("/")
}

#[test]
fn nothing_that_changes_something_is_a_read() {
    let Some(table) = study("WRITEGATE_SHARED", "shared", "crm/hubspot-surface.tsv") else {
        return;
    };
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut refused = BTreeSet::new();
    let mut elsewhere = 0;
    for line in table.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [method, template, effect, ..] = columns.as_slice() else {
            panic!("{line}")
        };
        if !template.starts_with('/') {
            elsewhere += 1;
            continue;
        }
        let path = filled(template, "101");
        let class = Request::new(method, &path, "").class();
        let is_read = ["read", "read-by-post"].contains(effect);
        let word = match &class {
            Class::Read => "read",
            Class::Auth => "auth",
            Class::Write(_) => "write",
            Class::Opaque(_) => "opaque",
        };
        match &class {
            Class::Read => assert!(is_read, "{method} {template} ({effect}) is streamed"),
            Class::Auth => assert_eq!(*effect, "auth", "{method} {template}"),
            Class::Write(_) => assert!(
                [
                    "create",
                    "update",
                    "upsert",
                    "delete",
                    "merge",
                    "gdpr-delete"
                ]
                .contains(effect),
                "{method} {template} ({effect}) is parsed as {class:?}"
            ),
            Class::Opaque(_) if is_read => {
                let words = words(template);
                let known = REFUSED_READS.iter().any(|(path, _)| *path == words);
                assert!(known, "{method} {template} is a read that is refused");
                refused.insert(words);
            }
            Class::Opaque(_) => {}
        }
        *counts.entry((effect, word)).or_default() += 1;
    }
    println!("{counts:?}; on other hosts {elsewhere}");
    assert_eq!(refused.len(), REFUSED_READS.len(), "{refused:?}");
    let streamed = counts[&("read", "read")] + counts[&("read-by-post", "read")];
    let reads: usize = counts
        .iter()
        .filter(|((effect, _), _)| effect.starts_with("read"))
        .map(|(_, count)| count)
        .sum();
    assert!(streamed * 100 >= reads * 97, "{streamed} of {reads}");
}

/// Record names that look like words of a path do not turn a write into a read.
#[test]
fn no_record_name_makes_a_write_a_read() {
    let Some(table) = study("WRITEGATE_SHARED", "shared", "crm/hubspot-surface.tsv") else {
        return;
    };
    let names = [
        "search",
        "batch",
        "recent",
        "paged",
        "a%2Fb",
        "1%2Fsigned-url",
        "definitions",
        "all",
    ];
    for line in table.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [method, template, effect, ..] = columns.as_slice() else {
            panic!("{line}")
        };
        if effect.starts_with("read") || !template.starts_with('/') {
            continue;
        }
        for name in names {
            let class = Request::new(method, &filled(template, name), "").class();
            assert_ne!(class, Class::Read, "{method} {template} with {name}");
        }
    }
}

fn words(template: &str) -> String {
    let version = |segment: &&str| {
        let numbered = segment
            .strip_prefix('v')
            .is_some_and(|n| n.parse::<u8>().is_ok());
        numbered || segment.starts_with("20")
    };
    let words = template.split('/').filter(|segment| !segment.is_empty());
    words
        .filter(|segment| !version(segment))
        .collect::<Vec<_>>()
        .join("/")
}
