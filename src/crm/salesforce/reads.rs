//! The GET and HEAD requests that are known to change nothing, by path. What is not listed here is
//! not a read; the reasons for what looks like one and is not are in `route`.

mod families;

use families::{BY_POST, FAMILIES};

use super::{id, types};

/// Fields that hold a file: reading one is an export.
const FILE_FIELDS: [&str; 7] = [
    "Body",
    "VersionData",
    "LogFile",
    "ContentData",
    "Document",
    "Content",
    "Binary",
];

/// Words that may stand where `/sobjects/{type}/{field}/{value}` has its field.
const RESERVED: [&str; 12] = [
    "describe",
    "deleted",
    "updated",
    "eventSchema",
    "listviews",
    "quickActions",
    "suggestedArticles",
    "password",
    "push",
    "richTextImageFields",
    "fromThisEventOnwards",
    "layouts",
];

/// Whether a GET or HEAD of this path below `/services/data/vNN.N/` is a known read.
pub(super) fn is_data_read(path: &[&str]) -> bool {
    match path {
        [] => true,
        ["sobjects", rest @ ..] | ["tooling", "sobjects", rest @ ..] => is_sobject_read(rest),
        [family, rest @ ..] => FAMILIES
            .iter()
            .find(|(name, _)| name == family)
            .is_some_and(|(_, patterns)| patterns.iter().any(|pattern| fits(pattern, rest))),
    }
}

/// Whether a POST of this path below `/services/data/vNN.N/` is known to change nothing.
pub(super) fn is_read_by_post(path: &[&str]) -> bool {
    match path {
        ["composite", "sobjects", object] => types::is_name(object),
        _ => BY_POST.iter().any(|pattern| fits(pattern, path)),
    }
}

/// Whether a GET or HEAD of this path outside `/services/data/` is a known read.
pub(super) fn is_other_read(path: &[&str]) -> bool {
    match path {
        ["services", "data"]
        | ["services", "oauth2", "userinfo" | "success"]
        | ["services", "oauth2", "pkce", "generator"]
        | ["id", "keys"]
        | [".well-known", "openid-configuration"] => true,
        ["id", org, user] => id::is_like_one(org) && id::is_like_one(user),
        ["services", "async", version, "job", rest @ ..] => {
            is_bulk_version(version) && matches!(rest, [_] | [_, "batch"] | [_, "batch", _])
        }
        _ => false,
    }
}

/// Whether this is reserved where an external-id field may stand, in any case.
pub(super) fn is_reserved(word: &str) -> bool {
    is_among(&RESERVED, word)
}

/// Whether a field of this name holds a file, in any case.
pub(super) fn is_file_field(name: &str) -> bool {
    is_among(&FILE_FIELDS, name)
}

fn is_among(words: &[&str], word: &str) -> bool {
    words.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// `/sobjects/…` without its first word.
fn is_sobject_read(path: &[&str]) -> bool {
    match path {
        [] => true,
        [object] => types::is_name(object),
        [object, rest @ ..] => types::is_name(object) && is_below_object(rest),
    }
}

fn is_below_object(path: &[&str]) -> bool {
    match path {
        ["describe"]
        | ["describe", "layouts" | "compactLayouts" | "approvalLayouts"]
        | ["describe", "describe", "compactLayouts"]
        | [
            "describe",
            "layouts" | "approvalLayouts" | "namedLayouts",
            _,
        ]
        | ["deleted" | "updated" | "eventSchema" | "listviews" | "suggestedArticles"]
        | ["quickActions"]
        | ["listviews", _]
        | ["listviews", _, "describe"]
        | ["quickActions", _]
        | ["quickActions", _, "describe" | "defaultValues"]
        | ["quickActions", _, "defaultValues", _] => true,
        [record] => is_record(record),
        [record, below @ ..] if is_record(record) => {
            below.len() <= 5
                && below.iter().all(|name| {
                    types::is_name(name)
                        && !is_file_field(name)
                        && !name.eq_ignore_ascii_case("fromThisEventOnwards")
                        && !name.eq_ignore_ascii_case("richTextImageFields")
                })
        }
        [field, _value] => types::is_name(field) && !is_reserved(field),
        _ => false,
    }
}

/// An id, or what a client may take for one: the CRM says what is wrong with it.
fn is_record(text: &str) -> bool {
    id::is_like_one(text)
        || (text.starts_with(|first: char| first.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// `62.0`, `104.0`.
fn is_bulk_version(text: &str) -> bool {
    text.strip_suffix(".0").is_some_and(|number| {
        matches!(number.len(), 2 | 3) && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn fits(pattern: &str, path: &[&str]) -> bool {
    if pattern.is_empty() {
        return path.is_empty();
    }
    let mut wanted = pattern.split('/');
    let mut given = path.iter();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(word), Some(segment)) if word == "*" || word == *segment => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(path: &str) -> bool {
        let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        is_data_read(&segments)
    }

    #[test]
    fn known_reads_are_reads() {
        for path in [
            "",
            "query",
            "query/01gxx-2000",
            "sobjects",
            "sobjects/Account",
            "sobjects/Account/describe",
            "sobjects/Account/001000000000001AAA",
            "sobjects/Account/001",
            "sobjects/Account/Ext__c/a/b",
            "sobjects/Account/Ext__c/4",
            "sobjects/Case/500000000000001/Contact/Account",
            "composite/sobjects/Account",
            "tooling/sobjects/ApexClass/describe",
        ] {
            assert_eq!(data(path), path != "sobjects/Account/Ext__c/a/b", "{path}");
        }
    }

    #[test]
    fn what_looks_like_a_read_and_is_none() {
        for path in [
            "tooling/executeAnonymous",
            "tooling/runTestsAsynchronous",
            "sobjects/Attachment/00P000000000001/Body",
            "sobjects/Attachment/00P000000000001/body",
            "sobjects/Account/listviews/00B000000000001/results",
            "sobjects/Account/001000000000001/richTextImageFields/F/1",
            "analytics/reports/00O000000000001",
            "jobs/ingest/750000000000001/successfulResults",
            "licensing",
            "consent/dsr/rtp/execute",
            "Query",
            "SObjects/Account",
            "connect/anything",
            "unheard-of",
        ] {
            assert!(!data(path), "{path}");
        }
    }

    #[test]
    fn reads_outside_data() {
        assert!(is_other_read(&["services", "oauth2", "userinfo"]));
        assert!(is_other_read(&["services", "async", "62.0", "job", "750"]));
        for path in [
            ["services", "oauth2", "revoke"],
            ["services", "oauth2", "singleaccess"],
            ["services", "apexrest", "x"],
            ["secur", "logout.jsp", "x"],
            ["id", "x", "y"],
        ] {
            assert!(!is_other_read(&path), "{path:?}");
        }
    }
}
