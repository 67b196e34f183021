//! Tests of `soap`.

use super::*;
use crate::crm::catalog::Catalog;
use crate::crm::path::CanonicalPath;
use crate::mutation::CrmKind;

const LOGIN: &str = r#"<?xml version="1.0" encoding="utf-8" ?>
<env:Envelope xmlns:xsd="http://www.w3.org/2001/XMLSchema"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xmlns:env="http://schemas.xmlsoap.org/soap/envelope/" xmlns:urn="urn:partner.soap.sforce.com">
  <env:Header><urn:CallOptions><urn:client>RestForce</urn:client>
    <urn:defaultNamespace>sf</urn:defaultNamespace></urn:CallOptions></env:Header>
  <env:Body><n1:login xmlns:n1="urn:partner.soap.sforce.com"
      env:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">
    <n1:username>ann@acme.example</n1:username><n1:password>pw</n1:password></n1:login></env:Body>
</env:Envelope>"#;

/// A partner message with this header and body.
fn message(header: &str, body: &str) -> String {
    format!(
        "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns=\"urn:partner.soap.sforce.com\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><e:Header>{header}</e:Header>\
         <e:Body>{body}</e:Body></e:Envelope>"
    )
}

fn session_of(id: &str) -> String {
    format!("<SessionHeader><sessionId>{id}</sessionId></SessionHeader>")
}

#[test]
fn a_login_is_told_by_its_body() {
    let told = introduce(LOGIN.as_bytes()).unwrap();
    assert_eq!((told.api, told.operation.as_str()), (Api::Partner, "login"));
    assert_eq!(told.username.as_deref(), Some("ann@acme.example"));
    assert_eq!(told.session, None);
}

#[test]
fn a_session_can_be_cut_out_and_put_back() {
    let text = message(&session_of("00D!AQ.x_y"), "<getUserInfo/>");
    let session = introduce(text.as_bytes()).unwrap().session.unwrap();
    assert_eq!(text.get(session.place.clone()), Some("00D!AQ.x_y"));
    assert!(!format!("{session:?}").contains("AQ.x_y"));
    let mut cut = text.clone();
    cut.replace_range(session.place, "");
    let blank = introduce(cut.as_bytes()).unwrap().session.unwrap();
    assert_eq!((blank.secret.as_str(), blank.place.len()), ("", 0));
    cut.insert_str(blank.place.start, "00D!AQ.x_y");
    assert_eq!(cut, text);
}

#[test]
fn what_generated_clients_leave_empty_is_nothing() {
    let text = message(
        "",
        "<create><sObjects><type>Account</type><fieldsToNull xsi:nil=\"true\"/><Id xsi:nil=\"true\"/>\
         <Name>x</Name></sObjects></create>",
    );
    let document = xml::parse(text.as_bytes()).unwrap();
    let envelope = Envelope::open(&document).unwrap();
    let row = xml::elements(envelope.operation).unwrap()[0];
    let catalog = Catalog::builtin(CrmKind::Salesforce);
    let path = CanonicalPath::parse("/services/Soap/u/60.0").unwrap();
    let headers = HeaderMap::new();
    let org = Org::of(
        &catalog,
        &Head {
            method: &http::Method::POST,
            path: &path,
            query: None,
            headers: &headers,
            sender: crate::crm::catalog::Sender::default(),
        },
    );
    let (known, record) = object::read(Api::Partner, row, "sObjects[0]", &org).unwrap();
    assert_eq!((known.name, record.id), ("Account", None));
    let names: Vec<&String> = record.fields.keys().collect();
    assert_eq!(names, ["Name"]);
}

#[test]
fn an_envelope_has_one_reading() {
    let twice = session_of("a").repeat(2);
    for (header, body) in [
        ("", ""),
        ("", "<query/><query/>"),
        ("", "<x:query xmlns:x=\"urn:other\"/>"),
        ("", "<query xmlns=\"\"/>"),
        ("", "<query href=\"#1\"/>"),
        ("", "<query id=\"1\"/>"),
        ("", "words<query/>"),
        (twice.as_str(), "<query/>"),
        ("<SessionHeader/>", "<query/>"),
        (
            "<SessionHeader><sessionId>a</sessionId><sessionId>b</sessionId></SessionHeader>",
            "<query/>",
        ),
        (
            "<SessionHeader><sessionId> a</sessionId></SessionHeader>",
            "<query/>",
        ),
        (
            "<SessionHeader><sessionId>&#97;b</sessionId></SessionHeader>",
            "<query/>",
        ),
        (
            "<SessionHeader><sessionId><![CDATA[a]]></sessionId></SessionHeader>",
            "<query/>",
        ),
        (
            "<SessionHeader><sessionId>a<b/></sessionId></SessionHeader>",
            "<query/>",
        ),
        ("<SessionHeader><sessionId/></SessionHeader>", "<query/>"),
        (
            "<x:SessionHeader xmlns:x=\"urn:enterprise.soap.sforce.com\"/>",
            "<query/>",
        ),
        (
            "<SessionHeader e:actor=\"next\"><sessionId>a</sessionId></SessionHeader>",
            "<query/>",
        ),
    ] {
        let text = message(header, body);
        assert!(introduce(text.as_bytes()).is_err(), "{text}");
    }
    for text in [
        "<Envelope/>".to_owned(),
        message("", "<query/>").replace("e:Body", "e:Corpus"),
        message("", "<query/>").replace("http://schemas.xmlsoap.org", "http://www.w3.org"),
    ] {
        assert!(introduce(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn a_login_says_nothing_but_who_speaks() {
    assert_eq!(is_login(Api::Partner, LOGIN.as_bytes()), Ok(true));
    assert_eq!(is_login(Api::Enterprise, LOGIN.as_bytes()), Ok(false));
    let login = "<login><username>ann@acme.example</username><password>pw</password></login>";
    for (header, expected) in [
        ("", Some(true)),
        ("<CallOptions><client>c</client></CallOptions>", Some(true)),
        (
            "<LoginScopeHeader><organizationId>00D000000000001</organizationId></LoginScopeHeader>",
            None,
        ),
        ("<CallOptions><other>c</other></CallOptions>", None),
        (
            "<SessionHeader><sessionId>a</sessionId></SessionHeader>",
            None,
        ),
    ] {
        let said = is_login(Api::Partner, message(header, login).as_bytes());
        assert_eq!(said.ok(), expected, "{header}");
        let other = is_login(Api::Partner, message(header, "<query/>").as_bytes());
        assert_eq!(other, Ok(false), "{header}");
    }
}

#[test]
fn of_strangers_little_is_read() {
    let parts = |count: usize| message("", &format!("<query>{}</query>", "<b/>".repeat(count)));
    assert!(introduce(parts(MAX_NODES as usize - 100).as_bytes()).is_ok());
    let most = parts(MAX_NODES as usize);
    assert!(introduce(most.as_bytes()).is_err());
    assert!(is_login(Api::Partner, most.as_bytes()).is_err());
}

#[test]
fn many_names_are_told_apart_in_one_pass() {
    let parts = |more: &str| {
        let names: String = (0..80_000).map(|place| format!("<n{place}/>")).collect();
        message("", &format!("<query>{names}{more}</query>"))
    };
    for (more, ok) in [("", true), ("<N79999/>", false)] {
        let text = parts(more);
        let document = xml::parse(text.as_bytes()).unwrap();
        let envelope = Envelope::open(&document).unwrap();
        let told = envelope::children(Api::Partner, envelope.operation);
        assert_eq!(told.is_ok(), ok, "{more}");
    }
}
