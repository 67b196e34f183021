//! Tests of `path`.

use proptest::prelude::*;

use super::*;

fn path(raw: &str) -> CanonicalPath {
    CanonicalPath::parse(raw).unwrap_or_else(|error| panic!("{raw}: {error}"))
}

#[test]
fn an_ordinary_path_is_its_own_canonical_form() {
    for raw in [
        "/",
        "/services/data/v66.0/sobjects/Account/001000000000001AAA",
        "/crm/v3/objects/contacts/101",
        "/a/b@c.d/x:y/(z)/1,2/~t_-.!$&'*=",
    ] {
        assert_eq!(path(raw).as_str(), raw);
        assert!(!path(raw).trailing_slash());
    }
}

#[test]
fn one_thing_is_written_in_one_way() {
    for (raw, canonical) in [
        ("/%41ccount", "/Account"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%3ab%40c", "/a:b@c"),
        ("/%e2%82%ac", "/%E2%82%AC"),
        ("/a+b", "/a%2Bb"),
        ("/a%2Bb", "/a%2Bb"),
        ("/a%3Bb", "/a%3Bb"),
        ("/50%25", "/50%25"),
        ("/%20", "/%20"),
        ("//services/data", "/services/data"),
        ("//", "/"),
        ("/a/b/", "/a/b"),
    ] {
        assert_eq!(path(raw).as_str(), canonical, "{raw}");
    }
}

#[test]
fn an_encoded_slash_is_data() {
    let path = path("/Ext__c/4%2F2");
    assert_eq!(path.segments(), ["Ext__c", "4/2"]);
}

#[test]
fn a_trailing_slash_is_remembered() {
    assert!(path("/a/").trailing_slash());
    assert_eq!(path("/a/").segments(), ["a"]);
}

#[test]
fn the_root_has_no_segments() {
    for raw in ["/", "//"] {
        assert_eq!(path(raw).segments(), &[] as &[String]);
    }
}

#[test]
fn a_login_host_in_front_is_dropped_on_request_only() {
    let raw = "/x.salesforce.com/services/Soap/u/59.0";
    assert_eq!(path(raw).segments().len(), 5);
    assert_eq!(
        path(raw).without_login_host().as_str(),
        "/services/Soap/u/59.0"
    );
    let other = path("/services/x.salesforce.com");
    assert_eq!(other.clone().without_login_host(), other);
    assert_eq!(path("/x.salesforce.com").without_login_host().as_str(), "/");
}

#[test]
fn what_has_two_readings_is_refused() {
    for raw in [
        "",
        "*",
        "a/b",
        "http://host/a",
        "///a",
        "/a//b",
        "/a//",
        "/a/./b",
        "/a/../b",
        "/a/%2e%2E/b",
        "/a/%2e",
        "/a/.%2e/b",
        "/a/..;/b",
        "/a/..%3B/b",
        "/a/.%3Bx/b",
        "/a/%20../b",
        "/a/b%2F..%2Fc",
        "/a;v=1",
        "/a\\b",
        "/a%5Cb",
        "/a%00",
        "/a%09",
        "/a%7F",
        "/a%C2%85",
        "/a%",
        "/a%4",
        "/a%4g",
        "/a%+1",
        "/a%u0041",
        "/a%2541",
        "/a%252e%252e",
        "/a%25u0041",
        "/%c0%ae%c0%ae",
        "/%ff",
        "/a b",
        "/a\"b",
        "/a<b",
        "/a{b}",
        "/a|b",
        "/a^b",
        "/a`b",
        "/a[b]",
        "/a#b",
        "/a?b",
        "/é",
        "/a\u{0}",
        "/a\r",
    ] {
        assert!(CanonicalPath::parse(raw).is_err(), "{raw:?} was accepted");
    }
}

#[test]
fn a_refusal_says_which_segment() {
    let error = CanonicalPath::parse("/a/%2e%2e/b").unwrap_err();
    assert_eq!(error.0, "segment 2 of the path is a dot segment");
}

fn raw_segment() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[A-Za-z0-9._~!$&'()*+,=:@-]{1,8}",
        2 => proptest::collection::vec(any::<u8>(), 1..4).prop_map(|bytes| {
            bytes.iter().map(|byte| format!("%{byte:02x}")).collect()
        }),
        1 => "\\PC{1,4}",
        1 => "[%;/\\\\.]{1,4}",
    ]
}

proptest! {
    #[test]
    fn the_canonical_form_is_a_fixed_point(raw in proptest::collection::vec(raw_segment(), 1..5)) {
        let raw = format!("/{}", raw.join("/"));
        if let Ok(path) = CanonicalPath::parse(&raw) {
            let again = CanonicalPath::parse(path.as_str()).unwrap();
            prop_assert_eq!(again.as_str(), path.as_str());
            prop_assert_eq!(again.segments(), path.segments());
            for segment in path.segments() {
                prop_assert!(!segment.is_empty());
                prop_assert!(segment != "." && segment != "..");
            }
        }
    }

    #[test]
    fn any_data_survives_as_a_segment(data in "[^\\\\%\\p{C}]{1,12}") {
        let raw: String = data.bytes().map(|byte| format!("%{byte:02X}")).collect();
        if let Ok(path) = CanonicalPath::parse(&format!("/{raw}")) {
            prop_assert_eq!(path.segments(), std::slice::from_ref(&data));
        } else {
            prop_assert!(data.split('/').any(is_dots));
        }
    }
}

#[test]
fn an_outline_shows_words_and_versions_only() {
    for (path, outline) in [
        ("/", "/"),
        (
            "/oauth/v1/refresh-tokens/SECRET",
            "/oauth/v1/refresh-tokens/*",
        ),
        (
            "/oauth/2026-03/token/introspect/SECRET",
            "/oauth/2026-03/token/*/*",
        ),
        (
            "/services/oauth2/revoke/SECRET",
            "/services/oauth2/revoke/*",
        ),
        (
            "/contacts/v1/contact/createOrUpdate/email/jane@example.com",
            "/contacts/v1/contact/createOrUpdate/email/*",
        ),
        (
            "/services/data/v60.0/sobjects/Custom__c/Name__c/Acme",
            "/services/data/v60.0/sobjects/Custom__c/*/*",
        ),
        ("/crm/v3/objects/2-144/77", "/crm/v3/objects/*/*"),
        (
            "/crm/objects/2026-09-beta/deals/splits",
            "/crm/objects/2026-09-beta/deals/splits",
        ),
        ("/a/v1.2.3/v12345/1999-1", "/a/*/*/*"),
    ] {
        assert_eq!(CanonicalPath::parse(path).unwrap().outline(), outline);
    }
}

#[test]
fn of_a_query_only_names_are_told() {
    assert_eq!(
        query_names("token=SECRET&hapikey=x;limit=1"),
        "token&hapikey&limit"
    );
    assert_eq!(query_names("SECRET&jane@example.com=1&&a=b"), "*&*&a");
    assert_eq!(query_names(""), "");
}

#[test]
fn a_key_or_a_link_in_a_path_is_a_secret() {
    for (path, secret) in [
        ("/automation/v4/webhook-triggers/1/KEY", true),
        ("/services/oauth2/token", true),
        ("/sfc/servlet.shepherd/version/download/068", true),
        ("/crm/v3/objects/contacts/1", false),
    ] {
        let parsed = CanonicalPath::parse(path).unwrap();
        assert_eq!(parsed.may_hold_secret(), secret, "{path}");
        assert!(!parsed.outline().contains("KEY"), "{path}");
    }
}
