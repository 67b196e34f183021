//! What of a header block crosses the proxy: nothing that is hop-by-hop, nothing that is ours, and on
//! writes only what is listed.

use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, COOKIE, EXPECT, HOST, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName};

use crate::crm::Crm;
use crate::error::Refusal;

/// Hop-by-hop fields (RFC 9110 7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// What a client may name in `Connection`; naming anything else would have us drop a field that the
/// CRM or we rely on.
const NOMINATED: [&str; 6] = [
    "close",
    "keep-alive",
    "te",
    "upgrade",
    "http2-settings",
    "proxy-connection",
];

/// How the names of our own fields begin.
const OURS: &str = "x-writegate-";

/// Headers that claim where a request came from; only the socket tells.
const FORWARDED: [&str; 3] = ["forwarded", "x-real-ip", "http2-settings"];

/// Refuses a `Connection` that names end-to-end fields.
///
/// # Errors
/// The refusal.
pub fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    for value in headers.get_all(CONNECTION) {
        let text = value.to_str().unwrap_or("\u{fffd}");
        let named = text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        for name in named {
            if !NOMINATED
                .iter()
                .any(|known| name.eq_ignore_ascii_case(known))
            {
                return Err(Refusal::malformed(
                    "the header connection names a field that is not hop-by-hop",
                ));
            }
        }
    }
    Ok(())
}

/// Makes a read's headers fit to pass on: everything end-to-end but what is ours.
pub fn to_read(headers: &mut HeaderMap) {
    strip(headers);
    headers.remove(HOST);
    headers.remove(EXPECT);
    headers.remove(COOKIE);
}

/// The headers of a write that pass on: the listed ones, with framing made anew for the inspected
/// bytes.
#[must_use]
pub fn of_write(headers: &HeaderMap, crm: Crm) -> HeaderMap {
    let mut passed = HeaderMap::with_capacity(8);
    for (name, value) in headers {
        if crm.passes_on_write(name.as_str()) {
            passed.append(name.clone(), value.clone());
        }
    }
    strip(&mut passed);
    for name in [HOST, CONTENT_LENGTH, CONTENT_ENCODING, EXPECT, COOKIE] {
        passed.remove(name);
    }
    passed
}

/// Makes an answer's headers fit to pass on: all but what is hop-by-hop, by its name or because the CRM
/// says so in `Connection` (RFC 9110 7.6.1), and what is ours to say.
pub fn to_answer(headers: &mut HeaderMap) {
    let nominated: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&nominated) {
        headers.remove(name);
    }
    remove(headers, |name| name.starts_with(OURS));
}

/// Takes out hop-by-hop fields, forwarding claims, and everything that is ours to say.
fn strip(headers: &mut HeaderMap) {
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    remove(headers, |name| {
        name.starts_with(OURS) || name.starts_with("x-forwarded-") || FORWARDED.contains(&name)
    });
}

fn remove(headers: &mut HeaderMap, unwanted: impl Fn(&str) -> bool) {
    let names: Vec<HeaderName> = headers
        .keys()
        .filter(|name| unwanted(name.as_str()))
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::mutation::CrmKind;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn a_client_cannot_nominate_away_what_others_rely_on() {
        for name in [
            "authorization",
            "content-encoding",
            "x-writegate-run",
            "cookie",
            "x-anything",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONNECTION, format!("close, {name}").parse().unwrap());
            assert!(check(&headers).is_err(), "{name}");
        }
        assert!(
            check(&map(&[(
                "connection",
                "Keep-Alive, Upgrade, HTTP2-Settings"
            )]))
            .is_ok()
        );
    }

    #[test]
    fn a_read_loses_hop_by_hop_and_forwarding_fields_only() {
        let mut headers = map(&[
            ("connection", "close"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "Basic x"),
            ("x-forwarded-for", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
            ("x-writegate-intent", "tidy"),
            ("accept", "application/json"),
            ("sforce-query-options", "batchSize=200"),
        ]);
        to_read(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "sforce-query-options"]);
    }

    #[test]
    fn an_answer_loses_what_is_of_its_hop_and_what_is_ours() {
        let mut headers = map(&[
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-authenticate", "Basic"),
            ("x-writegate-entry", "forged"),
            ("x-forwarded-proto", "https"),
            ("set-cookie", "a=1"),
        ]);
        to_answer(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["set-cookie", "x-forwarded-proto"]);
    }

    #[test]
    fn a_write_keeps_listed_fields_only_and_never_framing() {
        let headers = map(&[
            ("content-type", "application/json"),
            ("content-length", "12"),
            ("content-encoding", "gzip"),
            ("x-unknown", "1"),
            ("accept-encoding", "gzip"),
        ]);
        let passed = of_write(&headers, Crm(CrmKind::Salesforce));
        for gone in [
            "content-length",
            "content-encoding",
            "x-unknown",
            "accept-encoding",
        ] {
            assert!(!passed.contains_key(gone), "{gone}");
        }
    }
}
