//! Request headers that act on a write: which pass, which change what the write does, which make it
//! impossible to tell (REST API Developer Guide, Headers).

use http::{HeaderMap, header};

use super::{Shape, id};
use crate::mutation::Operation;

/// What the acting headers of a write come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Acting {
    /// Nothing that the body does not say.
    Nothing,
    /// An assignment rule picks the owner; its id.
    AssignmentRule(String),
}

/// Whether this request header passes on a write (lower case). `accept-encoding` does not: the answer
/// is read for its outcome.
pub(in crate::crm) fn passes_on_write(header: &str) -> bool {
    matches!(
        header,
        "accept"
            | "accept-language"
            | "authorization"
            | "content-type"
            | "idempotency-key"
            | "if-match"
            | "if-modified-since"
            | "if-none-match"
            | "if-unmodified-since"
            | "sforce-auto-assign"
            | "sforce-call-options"
            | "sforce-duplicate-rule-header"
            | "sforce-mru"
            | "sforce-query-options"
            | "soapaction"
            | "user-agent"
            | "x-prettyprint"
            | "x-sfdc-session"
    )
}

/// Whether this request header (lower case), of those that pass, changes what a write does.
pub(in crate::crm) fn acts(header: &str) -> bool {
    matches!(
        header,
        "idempotency-key"
            | "if-match"
            | "if-modified-since"
            | "if-none-match"
            | "if-unmodified-since"
            | "sforce-auto-assign"
            | "sforce-duplicate-rule-header"
            | "sforce-mru"
    )
}

/// Why the acting headers of a write make it opaque, if they do.
pub(super) fn opaque(headers: &HeaderMap, shape: &Shape) -> Option<String> {
    for name in headers.keys() {
        let name = name.as_str();
        let acts = name.starts_with("sforce-") || name.starts_with("x-sfdc-");
        if acts && !passes_on_write(name) {
            return Some(format!(
                "the header {name} is not understood on a write: leave it out"
            ));
        }
    }
    let soap = matches!(shape, Shape::Soap(_));
    if soap && let Some(name) = headers.keys().find(|name| acts(name.as_str())) {
        return Some(format!(
            "the header {name} stands on a SOAP message, whose headers are in its envelope: leave it out"
        ));
    }
    call_options(headers)
        .or_else(|| accept(headers).filter(|_| !soap && !exports(shape) && !may_be_xml(shape)))
        .or_else(|| body_format(headers, shape).filter(|_| !soap))
        .or_else(|| acting(headers).err())
}

/// What is exported has no outcome to be read from its answer.
fn exports(shape: &Shape) -> bool {
    matches!(shape, Shape::Whole(whole) if whole.operation == Operation::Export)
}

/// The forms that are known in XML, too.
fn may_be_xml(shape: &Shape) -> bool {
    matches!(shape, Shape::Row(_) | Shape::Tree(_))
}

/// What the acting headers do.
///
/// # Errors
/// A text for people when `Sforce-Auto-Assign` is not understood.
pub(super) fn acting(headers: &HeaderMap) -> Result<Acting, String> {
    let Some(value) = only(headers, "sforce-auto-assign")? else {
        return Ok(Acting::Nothing);
    };
    if value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false") {
        return Ok(Acting::Nothing);
    }
    match id::canonical(value) {
        Ok(rule) if rule.starts_with("01Q") => Ok(Acting::AssignmentRule(rule)),
        _ => Err(
            "the header Sforce-Auto-Assign is neither TRUE nor FALSE nor the id of an \
             assignment rule"
                .into(),
        ),
    }
}

/// The only value of a header; its absence is fine.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, String> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(format!("the header {name} is given twice"));
    }
    first
        .map(|value| {
            value
                .to_str()
                .map(str::trim)
                .map_err(|_not_text| format!("the header {name} is not ASCII text"))
        })
        .transpose()
}

/// `client=NAME` alone passes. `defaultNamespace` would give names another meaning, and the pages
/// disagree on what separates the two.
fn call_options(headers: &HeaderMap) -> Option<String> {
    let value = match only(headers, "sforce-call-options") {
        Ok(None) => return None,
        Ok(Some(value)) => value,
        Err(reason) => return Some(reason),
    };
    let client = value
        .split_once('=')
        .filter(|(name, client)| {
            name.trim().eq_ignore_ascii_case("client") && !client.contains(['=', ',', ';', '"'])
        })
        .is_some();
    (!client).then(|| {
        "the header Sforce-Call-Options holds more than `client=NAME`: write names with their \
         namespace and leave defaultNamespace out"
            .into()
    })
}

/// An answer in XML could not be read for its outcome.
fn accept(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|value| contains(value.as_bytes(), b"xml"))
        .then(|| "the header Accept asks for XML: send Accept: application/json".into())
}

fn body_format(headers: &HeaderMap, shape: &Shape) -> Option<String> {
    let format = headers.get(header::CONTENT_TYPE)?.as_bytes();
    let files = matches!(
        shape,
        Shape::Row(_) | Shape::Collection(_) | Shape::Whole(_)
    );
    if contains(format, b"xml") && !may_be_xml(shape) && !matches!(shape, Shape::Whole(_)) {
        Some("its XML form is not documented, so nobody can tell what it says: send JSON".into())
    } else if contains(format, b"multipart") && !files {
        Some("files are sent beside rows and collections alone: send JSON".into())
    } else {
        None
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|part| part.eq_ignore_ascii_case(needle))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::crm::Crm;
    use crate::mutation::CrmKind;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::try_from(*value).unwrap(),
            );
        }
        map
    }

    #[test]
    fn ordinary_headers_change_nothing() {
        let map = headers(&[
            ("content-type", "application/json"),
            ("accept", "*/*"),
            ("authorization", "Bearer x"),
            ("sforce-auto-assign", "FALSE"),
            ("sforce-call-options", "client=RestForce/1.0 x"),
            ("sforce-duplicate-rule-header", "allowSave=true"),
            ("sforce-mru", "updateMru=false"),
            ("x-sfdc-session", "x"),
        ]);
        assert_eq!(opaque(&map, &Shape::Search), None);
        assert_eq!(acting(&map), Ok(Acting::Nothing));
    }

    #[test]
    fn what_is_not_understood_makes_a_write_opaque() {
        for line in [
            ("sforce-enable-pkchunking", "true"),
            ("x-sfdc-packageversion-ns", "1.0"),
            ("sforce-call-options", "client=a, defaultNamespace=ns"),
            ("sforce-call-options", "client=a; defaultNamespace=ns"),
            ("sforce-call-options", "defaultNamespace=ns"),
            ("sforce-call-options", "client"),
            ("sforce-auto-assign", "maybe"),
            ("sforce-auto-assign", "001000000000001AAA"),
            ("accept", "application/xml"),
            ("content-type", "application/XML"),
            ("content-type", "multipart/form-data; boundary=x"),
        ] {
            assert!(
                opaque(&headers(&[line]), &Shape::Search).is_some(),
                "{line:?}"
            );
        }
        for name in ["sforce-auto-assign", "sforce-call-options"] {
            let twice = headers(&[(name, "client=a"), (name, "client=a")]);
            assert!(opaque(&twice, &Shape::Search).is_some(), "{name}");
        }
    }

    #[test]
    fn an_assignment_rule_is_named() {
        assert_eq!(
            acting(&headers(&[("Sforce-Auto-Assign", "01Q000000000001")])),
            Ok(Acting::AssignmentRule("01Q000000000001EAA".into()))
        );
    }

    #[test]
    fn no_compressed_answer_is_asked_for_on_a_write() {
        assert!(!passes_on_write("accept-encoding"));
        assert!(!passes_on_write("cookie"));
        assert!(passes_on_write("idempotency-key"));
    }

    #[test]
    fn what_acts_is_told_with_its_value() {
        let salesforce = Crm(CrmKind::Salesforce);
        let acting = salesforce.acting(&headers(&[
            ("authorization", "Bearer x"),
            ("Sforce-Duplicate-Rule-Header", "allowSave=true"),
            ("sforce-duplicate-rule-header", "runAsCurrentUser=false"),
            ("idempotency-key", "7"),
        ]));
        let told: Vec<_> = acting
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("idempotency-key", "7"),
                (
                    "sforce-duplicate-rule-header",
                    "allowSave=true, runAsCurrentUser=false"
                ),
            ]
        );
        for name in acting.keys() {
            assert!(salesforce.passes_on_write(name), "{name}");
        }
    }
}
