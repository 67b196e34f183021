//! Every operation that HubSpot's API is known to have.

use std::collections::{BTreeMap, BTreeSet};

use super::{Request, study};
use crate::crm::family::Treatment;
use crate::crm::hubspot::{Call, unparsed};
use crate::crm::{Class, Shape};
use crate::mutation::Operation;

/// Where we and the table differ, by the first words of the path without its version (`*` is one
/// segment): what we find, and why. Each is on the strict side: no read of ours changes anything.
const DISAGREE: [(&str, &str, &str); 17] = [
    (
        "automation/actions/*/*/functions",
        "invoke",
        "code that workflows run is not a setting but an invocation",
    ),
    (
        "automation/flows",
        "invoke",
        "a flow runs code and sends, so it is an invocation",
    ),
    ("automation/workflows", "invoke", "as flows"),
    ("cms/source-code/*/validate", "settings", "takes a file"),
    (
        "collector/graphql",
        "export",
        "a read over many objects at once leaves as an export",
    ),
    (
        "commerce/contracts/changes/preview",
        "invoke",
        "takes a change",
    ),
    (
        "commerce/price-books/price-books/*/validate",
        "invoke",
        "takes a change",
    ),
    (
        "communication-preferences/links/generate",
        "credential",
        "makes a link with which anyone changes consent: a credential",
    ),
    (
        "content/api/blog-posts/*/validate-buffer",
        "settings",
        "a legacy POST that no page calls a read",
    ),
    (
        "content/api/pages/*/validate-buffer",
        "settings",
        "a legacy POST that no page calls a read",
    ),
    (
        "conversations/conversations/threads/*/assignee",
        "delete",
        "a DELETE that takes the assignee away is no less than a delete",
    ),
    (
        "crm/exports/export/*",
        "export",
        "brings the link to the file: an export",
    ),
    (
        "data-studio/data-source",
        "import",
        "an update of what rows come from is part of the import",
    ),
    (
        "integrators/timeline/types/projects",
        "create",
        "a POST that no page calls a read",
    ),
    (
        "marketing/campaigns/*/assets",
        "delete",
        "a DELETE that takes an asset out of a campaign is no less than a delete",
    ),
    (
        "marketing/marketing-events/associations",
        "delete",
        "as assets of campaigns",
    ),
    (
        "public/api/versioning/test/widgets",
        "opaque",
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

/// A body for an operation whose body decides what it is.
fn body(words: &str) -> &'static str {
    match words {
        "collector/graphql" => r#"{"query":"query { CRM { contact { id } } }"}"#,
        _ => r#"{"properties":{"name":"x"}}"#,
    }
}

/// What the operation was found to be: `read`, `auth`, `opaque`, `taken apart`, or an operation's word.
fn found(request: &Request) -> String {
    match request.class() {
        Class::Read => "read".to_owned(),
        Class::Auth => "auth".to_owned(),
        Class::Opaque(_) => "opaque".to_owned(),
        Class::Write(Shape::HubSpot(shape)) => {
            if let Call::Whole(row) = &shape.call {
                return row.operation.word().to_owned();
            }
            "taken apart".to_owned()
        }
        Class::Write(other) => panic!("{other:?}"),
    }
}

/// Operations that stand for a change which is not taken apart.
const WHOLE: [&str; 4] = ["create", "invoke", "send", "settings"];

/// Whether that is what the table says: a change may be refused or judged as a whole, an operation has its
/// word.
fn agrees(effect: &str, method: &str, words: &str, found: &str) -> bool {
    match effect {
        "read" | "read-by-post" => found == "read",
        // the login itself passes, all else that shows or makes credentials is an operation
        "auth" if is_auth(method, words) => found == "auth",
        "auth" => found == "credential",
        "send" => ["send", "taken apart"].contains(&found),
        "export" | "import" | "invoke" | "schema" | "settings" => found == effect,
        // a rule against deletes must hold here, too
        "delete" => ["opaque", "taken apart", "delete", "purge"].contains(&found),
        "gdpr-delete" => ["opaque", "taken apart", "purge"].contains(&found),
        _ => ["opaque", "taken apart", effect].contains(&found) || WHOLE.contains(&found),
    }
}

/// Logins, and questions about one's own token.
fn is_auth(method: &str, words: &str) -> bool {
    let line = format!("{method} {words}");
    [
        "POST oauth/token",
        "POST oauth/token/introspect",
        "POST oauth/private-apps/get/access-token-info",
        "GET oauth/access-tokens/{token}",
        "GET oauth/refresh-tokens/{token}",
    ]
    .contains(&line.as_str())
}

#[test]
fn every_operation_is_what_the_table_says() {
    let Some(table) = study("WRITEGATE_SHARED", "shared", "crm/hubspot-surface.tsv") else {
        return;
    };
    let mut counts: BTreeMap<(&str, String), usize> = BTreeMap::new();
    let mut differ: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut agreeing, mut routable, mut elsewhere) = (0, 0, 0);
    for line in table.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [method, template, effect, ..] = columns.as_slice() else {
            panic!("{line}")
        };
        if !template.starts_with('/') {
            elsewhere += 1;
            continue;
        }
        routable += 1;
        let words = words(template);
        let request = Request::new(method, &filled(template, "101"), body(&words));
        let found = found(&request);
        let is_read = effect.starts_with("read");
        assert!(
            is_read || found != "read",
            "{method} {template} ({effect}) is streamed"
        );
        assert!(
            found != "auth" || is_auth(method, &words),
            "{method} {template} is a login"
        );
        if agrees(effect, method, &words, &found) {
            agreeing += 1;
        } else {
            let what = format!("{method} {words}: {effect}, found {found}");
            differ.entry(words.clone()).or_default().push(what);
        }
        *counts.entry((effect, found)).or_default() += 1;
    }
    println!("{counts:?}");
    println!("surface: {agreeing} of {routable} agree; on other hosts {elsewhere}");
    let mut used = BTreeSet::new();
    for (words, what) in &differ {
        let parts: Vec<&str> = words.split('/').collect();
        let known = DISAGREE.iter().find(|(shape, found, _)| {
            let found = format!("found {found}");
            starts_with(&parts, shape) && what.iter().all(|what| what.ends_with(&found))
        });
        let Some((shape, _, why)) = known else {
            panic!("{what:?} is not among the known differences")
        };
        used.insert(*shape);
        println!("{} ({}): {why}", what[0], what.len());
    }
    assert_eq!(
        used.len(),
        DISAGREE.len(),
        "a known difference is none any more"
    );
    let rows: usize = differ.values().map(Vec::len).sum();
    assert_eq!(agreeing + rows, routable);
    assert!(agreeing * 100 >= routable * 97, "{agreeing} of {routable}");
}

/// What `coverage` lists as refused is refused, and what is refused is listed or unheard of.
#[test]
fn each_family_that_is_said_to_be_refused_has_an_operation_that_is() {
    let Some(table) = study("WRITEGATE_SHARED", "shared", "crm/hubspot-surface.tsv") else {
        return;
    };
    let mut refused = BTreeSet::new();
    for line in table.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [method, template, ..] = columns.as_slice() else {
            panic!("{line}")
        };
        if !template.starts_with('/') {
            continue;
        }
        let path = filled(template, "101");
        if let Class::Opaque(opaque) = Request::new(method, &path, "").class() {
            refused.insert((words(&path), opaque.reason));
        }
    }
    let unlisted = |(_, why): &&(String, String)| why.starts_with("its path is not known");
    let unlisted: Vec<&String> = refused
        .iter()
        .filter(unlisted)
        .map(|(words, _)| words)
        .collect();
    assert!(unlisted.is_empty(), "in no family: {unlisted:#?}");
    let of_family = |(family, reason): &&(&str, &str)| {
        refused.iter().any(|(words, why)| {
            let parts: Vec<&str> = words.split('/').collect();
            why == reason && unparsed::starts_with(&parts, family)
        })
    };
    let empty = unparsed::FAMILIES
        .iter()
        .filter(|family| !of_family(family));
    let empty: Vec<&str> = empty.map(|(family, _)| *family).collect();
    assert!(empty.is_empty(), "nothing of these is refused: {empty:#?}");
}

/// A family has one name, and what is judged as a whole has its operation.
#[test]
fn families_are_listed_once_for_each_operation() {
    let mut seen = BTreeSet::new();
    for family in crate::crm::hubspot::families() {
        assert_eq!(
            family.operation.is_some(),
            family.treatment == Treatment::Whole
        );
        let operation = family.operation.map_or("", Operation::word);
        let refused = family.treatment == Treatment::Refused;
        assert!(seen.insert((family.name, operation, refused)), "{family:?}");
        assert!(!family.note.is_empty());
    }
}

fn starts_with(words: &[&str], shape: &str) -> bool {
    let mut words = words.iter();
    let fits = |part: &str, word: &&str| part == *word || (part == "*" && word.starts_with('{'));
    shape
        .split('/')
        .all(|part| words.next().is_some_and(|word| fits(part, word)))
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
