//! A request has one reading, or says why not.

use super::*;

fn raw(text: impl AsRef<[u8]>) -> Result<Request, String> {
    Request::from_raw(text.as_ref(), CrmKind::Salesforce)
}

fn json(text: &str) -> Result<Request, String> {
    Request::from_json(text.as_bytes(), CrmKind::Salesforce)
}

fn shown(
    request: &Request,
) -> (
    String,
    String,
    Option<String>,
    Vec<(String, String)>,
    String,
) {
    let headers = request.headers.iter();
    (
        request.method.to_string(),
        request.path.as_str().to_owned(),
        request.query.clone(),
        headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect(),
        String::from_utf8(request.body.to_vec()).unwrap(),
    )
}

#[test]
fn lines_end_with_lf_or_crlf_and_the_body_goes_to_the_end() {
    let lf = "PATCH /services/data/v66.0/sobjects/Lead/00Q?x=1 HTTP/1.1\nContent-Type: application/json\nX:  a b \n\n{\"A\":1}\n\nrest\n";
    let (head, body) = lf.split_once("\n\n").unwrap();
    let crlf = format!("{}\r\n\r\n{body}", head.replace('\n', "\r\n"));
    let expected = (
        "PATCH".to_owned(),
        "/services/data/v66.0/sobjects/Lead/00Q".to_owned(),
        Some("x=1".to_owned()),
        vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("x".to_owned(), "a b".to_owned()),
        ],
        "{\"A\":1}\n\nrest\n".to_owned(),
    );
    assert_eq!(shown(&raw(lf).unwrap()), expected);
    assert_eq!(shown(&raw(crlf).unwrap()), expected);
}

#[test]
fn version_headers_and_body_may_be_left_out() {
    for text in [
        "DELETE /x",
        "DELETE /x\n",
        "DELETE /x HTTP/1.1\r\n",
        "DELETE /x\n\n",
    ] {
        let request = raw(text).unwrap();
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("DELETE", "/x")
        );
        assert!(
            request.body.is_empty() && request.headers.is_empty(),
            "{text:?}"
        );
    }
    assert_eq!(raw("GET /x\nHost: a").unwrap().headers.len(), 1);
}

#[test]
fn a_login_host_in_front_of_the_path_is_dropped_for_salesforce_only() {
    let text = b"POST /acme.my.salesforce.com/services/Soap/u/66.0 HTTP/1.1\n\n";
    assert_eq!(raw(text).unwrap().path.as_str(), "/services/Soap/u/66.0");
    let hubspot = Request::from_raw(text, CrmKind::HubSpot).unwrap();
    assert_eq!(
        hubspot.path.as_str(),
        "/acme.my.salesforce.com/services/Soap/u/66.0"
    );
}

#[test]
fn what_has_two_readings_is_refused() {
    for (text, why) in [
        ("", "the first line must be METHOD PATH"),
        ("\nGET /x\n", "the first line must be METHOD PATH"),
        ("GET", "the first line must be METHOD PATH"),
        ("GET /x HTTP/1.0\n", "the first line must be METHOD PATH"),
        ("GET  /x HTTP/1.1\n", "the first line must be METHOD PATH"),
        ("GET /a b HTTP/1.1\n", "the first line must be METHOD PATH"),
        ("G(T /x\n", "the method is no HTTP method"),
        (
            "GET https://host/x\n",
            "the path does not begin with a slash",
        ),
        ("GET /x#y\n", "the path holds a `#`"),
        ("GET /a/../b\n", "segment 2 of the path"),
        ("GET /x\rGET /y\n", "a carriage return stands inside a line"),
        ("GET /x\nA\n\n", "a header line has no colon"),
        ("GET /x\nA : b\n\n", "a header's name has characters"),
        ("GET /x\nA: b\n c\n\n", "a header line has no colon"),
        ("GET /x\nA: b\n c:d\n\n", "a header's name has characters"),
        ("GET /x\n: b\n\n", "a header's name has characters"),
        (
            "GET /x\nA: b\0\n\n",
            "the value of header a holds control characters",
        ),
        ("POST /x\nContent-Length: 3\n\n{}", "Content-Length differs"),
        (
            "POST /x\nContent-Length: +2\n\n{}",
            "Content-Length differs",
        ),
        (
            "POST /x\nContent-Length: 2\nContent-Length: 1\n\n{}",
            "Content-Length differs",
        ),
        (
            "POST /x\nTransfer-Encoding: chunked\n\n0\r\n\r\n",
            "leave Transfer-Encoding out",
        ),
        (
            "POST /x\nContent-Encoding: br\n\n{}",
            "Content-Encoding is not one of",
        ),
        (
            "POST /x\nContent-Encoding: gzip\n\n{}",
            "not what its Content-Encoding says",
        ),
        (
            "POST /x\nContent-Encoding: gzip\nContent-Encoding: gzip\n\n{}",
            "given twice",
        ),
    ] {
        let error = raw(text).unwrap_err();
        assert!(error.contains(why), "{text:?}: {error}");
    }
    assert!(raw("POST /x\nContent-Length: 2\n\n{}").is_ok());
}

#[test]
fn a_line_of_json_is_the_same_request() {
    let by_map =
        r#"{"method":"POST","path":"/x?y=1","headers":{"Content-Type":"text/plain"},"body":"é"}"#;
    let by_pairs = r#"{"method":"POST","path":"/x?y=1","headers":[["Content-Type","text/plain"]],"body_b64":"w6k="}"#;
    let expected = shown(&raw("POST /x?y=1\nContent-Type: text/plain\n\né").unwrap());
    assert_eq!(shown(&json(by_map).unwrap()), expected);
    assert_eq!(shown(&json(by_pairs).unwrap()), expected);
    let twice = r#"{"method":"GET","path":"/","headers":[["a","1"],["a","2"]],"body":null}"#;
    assert_eq!(json(twice).unwrap().headers.get_all("a").iter().count(), 2);
}

#[test]
fn a_line_that_is_no_request_says_why() {
    for (text, why) in [
        ("", "the line is refused: it is empty"),
        ("nope", "the line is refused"),
        ("[]", "the line must be an object"),
        (
            r#"{"method":"GET","method":"PUT","path":"/"}"#,
            "the line is refused",
        ),
        (r#"{"path":"/"}"#, "`method` must be there and be text"),
        (
            r#"{"method":"GET","path":1}"#,
            "`path` must be there and be text",
        ),
        (
            r#"{"method":"GET","path":"/","query":"a"}"#,
            "the line has no key `query`",
        ),
        (
            r#"{"method":"GET","path":"/","headers":{"a":1}}"#,
            "`headers` must be",
        ),
        (
            r#"{"method":"GET","path":"/","headers":[["a"]]}"#,
            "`headers` must be",
        ),
        (
            r#"{"method":"GET","path":"/","headers":{"a":"b\r\nc: d"}}"#,
            "holds control characters",
        ),
        (
            r#"{"method":"POST","path":"/","body":{"a":1}}"#,
            "must be text",
        ),
        (
            r#"{"method":"POST","path":"/","body":"a","body_b64":"YQ=="}"#,
            "not both",
        ),
        (
            r#"{"method":"POST","path":"/","body_b64":"Y"}"#,
            "`body_b64` is not base64",
        ),
    ] {
        let error = json(text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn claims_are_read_once_each() {
    let request = raw("POST /x\nX-Writegate-Run: r1\nx-writegate-on-behalf-of: kim\n\n").unwrap();
    let claims = request.claims().unwrap();
    assert_eq!(claims.run.as_deref(), Some("r1"));
    assert_eq!(claims.on_behalf_of.as_deref(), Some("kim"));
    assert_eq!(claims.intent, None);
    let twice = raw("POST /x\nx-writegate-run: r1\nx-writegate-run: r2\n\n").unwrap();
    assert_eq!(
        twice.claims().unwrap_err(),
        "the header x-writegate-run is given twice"
    );
}
