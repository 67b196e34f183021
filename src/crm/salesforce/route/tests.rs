//! Tests of `route`.

use super::*;

#[test]
fn versions_have_one_spelling() {
    assert_eq!(version("v20.0"), Some(20));
    assert_eq!(version("v66.0"), Some(66));
    assert_eq!(version("v104.0"), Some(104));
    for text in [
        "v19.0", "v200.0", "v999.0", "v066.0", "v66", "v66.1", "V66.0", "66.0", "v6.0", "v+6.0",
        "latest", "",
    ] {
        assert_eq!(version(text), None, "{text}");
    }
}

#[test]
fn a_suffix_is_found_in_the_last_segment_only() {
    assert!(format_suffix(&["a", "b.json"]).is_some());
    assert!(format_suffix(&["a", "b.XML"]).is_some());
    assert!(format_suffix(&["a.json", "b"]).is_none());
    assert!(format_suffix(&["a", "b@c.com"]).is_none());
    assert!(format_suffix(&[]).is_none());
}

#[test]
fn an_opaque_request_is_told_what_to_use_instead() {
    for (path, word) in [
        (&["composite", "unheard-of"][..], "/composite/sobjects"),
        (&["jobs", "ingest"], "/composite/sobjects"),
        (&["tooling", "executeAnonymous"], "Apex"),
        (&["unheard-of"], "/sobjects"),
    ] {
        assert!(advice(path).contains(word), "{path:?}");
    }
    assert!(outside(&["services", "Soap", "u", "66.0"]).contains("SOAP"));
}
