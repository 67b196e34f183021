//! Refusals in the error shapes of Salesforce's other APIs: SOAP faults, the first bulk API's XML, GraphQL,
//! OAuth, record writes for user interfaces, XML (SOAP API Developer Guide, `ApiFault`; Bulk API Developer
//! Guide, Errors; GraphQL API Developer Guide; User Interface API Developer Guide, Errors).

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::crm::dialect::Dialect;
use crate::crm::salesforce::body;
use crate::crm::{RefusalAnswer, error_code, json};
use crate::error::Refusal;

/// The shape of a request, by its raw path; the first bulk API answers in the form that it is asked in,
/// the others in XML where they are asked for that alone.
pub(in crate::crm) fn dialect(path: &str, headers: &HeaderMap) -> Dialect {
    let has = |part: &str| {
        let most = path.len().saturating_sub(part.len());
        (0..=most).any(|at| {
            path.get(at..at + part.len())
                .is_some_and(|found| found.eq_ignore_ascii_case(part))
        })
    };
    // nearly all paths are of the usual shape and are told by their first words
    if path.starts_with("/services/data/") {
        return if path.ends_with("/graphql") {
            Dialect::GraphQl
        } else if path.contains("/ui-api/records") {
            Dialect::UiRecord
        } else if wants_xml(headers) {
            Dialect::Xml
        } else {
            Dialect::Usual
        };
    }
    if has("/services/oauth2/") {
        Dialect::OAuth
    } else if has("/services/Soap/") {
        Dialect::Soap
    } else if has("/services/async/") && body::is_json(headers) {
        Dialect::BulkJson
    } else if has("/services/async/") {
        Dialect::BulkXml
    } else {
        Dialect::Usual
    }
}

/// Whether the answer is asked for as XML and as nothing else; JSON where there is a doubt.
fn wants_xml(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(ACCEPT).iter();
    let (Some(Ok(value)), None) = (values.next().map(|value| value.to_str()), values.next()) else {
        return false;
    };
    let kind = value.split(';').next().unwrap_or_default().trim();
    let xml = |known: &str| kind.eq_ignore_ascii_case(known);
    !value.contains(',') && (xml("application/xml") || xml("text/xml"))
}

/// The refusal in that shape; `None` for the usual one.
pub(in crate::crm) fn refuse_in(dialect: Dialect, refusal: &Refusal) -> Option<RefusalAnswer> {
    let (code, message) = (refusal.kind.code(), refusal.message.as_str());
    let status = StatusCode::from_u16(refusal.kind.status()).unwrap_or(StatusCode::FORBIDDEN);
    let (status, content_type, body) = match dialect {
        Dialect::Usual => return None,
        // SOAP clients look for a fault under 500 alone, and resend none of them
        Dialect::Soap => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "text/xml;charset=UTF-8",
            fault(code, message),
        ),
        Dialect::BulkXml => (
            status,
            "application/xml;charset=UTF-8",
            error(code, message),
        ),
        Dialect::BulkJson => (
            status,
            "application/json;charset=UTF-8",
            json!({ "exceptionCode": code, "exceptionMessage": message }).to_string(),
        ),
        Dialect::GraphQl => (
            status,
            "application/json;charset=UTF-8",
            json!({
                "data": Value::Null,
                "errors": [{ "message": message, "locations": [],
                    "extensions": { "ErrorType": code } }],
            })
            .to_string(),
        ),
        Dialect::OAuth => (
            status,
            "application/json;charset=UTF-8",
            json!({ "error": code, "error_description": message }).to_string(),
        ),
        Dialect::UiRecord => (
            status,
            "application/json;charset=UTF-8",
            json!({
                "message": message,
                "statusCode": status.as_u16(),
                "enhancedErrorType": "RecordError",
                "output": {
                    "errors": [{ "errorCode": code, "message": message,
                        "field": refusal.fields.first() }],
                    "fieldErrors": {},
                },
            })
            .to_string(),
        ),
        Dialect::Xml => (
            status,
            "application/xml;charset=UTF-8",
            errors(code, message),
        ),
    };
    Some(RefusalAnswer {
        status,
        content_type,
        body: Bytes::from(body),
    })
}

/// Salesforce's own error to a read by REST, as a fault: SOAP clients log in again where one says that
/// the session is over.
pub(in crate::crm) fn retold(
    dialect: Dialect,
    status: StatusCode,
    body: &[u8],
) -> Option<RefusalAnswer> {
    if dialect != Dialect::Soap || status.is_success() || body.starts_with(b"<") {
        return None;
    }
    let errors = json::parse_answer(body).unwrap_or(Value::Null);
    let said = |name: &str| errors.get(0)?.get(name)?.as_str();
    let code = said("errorCode").and_then(error_code);
    let body = fault(
        code.unwrap_or("UNKNOWN_EXCEPTION"),
        said("message").unwrap_or("Salesforce refused a read of the record"),
    );
    Some(RefusalAnswer {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        content_type: "text/xml;charset=UTF-8",
        body: Bytes::from(body),
    })
}

fn fault(code: &str, message: &str) -> String {
    let message = escaped(message);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:sf=\"urn:fault.partner.soap.sforce.com\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body><soapenv:Fault>\
         <faultcode>sf:{code}</faultcode><faultstring>{code}: {message}</faultstring><detail>\
         <sf:UnexpectedErrorFault xsi:type=\"sf:UnexpectedErrorFault\">\
         <sf:exceptionCode>{code}</sf:exceptionCode>\
         <sf:exceptionMessage>{message}</sf:exceptionMessage></sf:UnexpectedErrorFault></detail>\
         </soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    )
}

fn error(code: &str, message: &str) -> String {
    let message = escaped(message);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <error xmlns=\"http://www.force.com/2009/06/asyncapi/dataload\">\
         <exceptionCode>{code}</exceptionCode>\
         <exceptionMessage>{message}</exceptionMessage></error>"
    )
}

fn errors(code: &str, message: &str) -> String {
    let message = escaped(message);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Errors><Error>\
         <errorCode>{code}</errorCode><message>{message}</message></Error></Errors>"
    )
}

/// Text between tags; what no XML can hold is left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::RefusalKind;

    fn told(dialect: Dialect) -> (u16, String) {
        let refusal = Refusal::new(RefusalKind::Denied, "Not written: a < b & c.\u{0}");
        let answer = refuse_in(dialect, &refusal).unwrap();
        let body = String::from_utf8(answer.body.to_vec()).unwrap();
        (answer.status.as_u16(), body)
    }

    #[test]
    fn each_family_hears_its_own_error() {
        let (status, body) = told(Dialect::Soap);
        assert_eq!(status, 500);
        let fault = "<faultcode>sf:WRITEGATE_DENIED</faultcode><faultstring>WRITEGATE_DENIED: Not \
                     written: a &lt; b &amp; c. </faultstring>";
        assert!(body.contains(fault), "{body}");
        let (status, body) = told(Dialect::BulkXml);
        assert_eq!(status, 403);
        assert!(
            body.contains("<exceptionCode>WRITEGATE_DENIED</exceptionCode>"),
            "{body}"
        );
        let (status, body) = told(Dialect::GraphQl);
        assert_eq!(status, 403);
        assert!(
            body.contains("\"ErrorType\":\"WRITEGATE_DENIED\""),
            "{body}"
        );
        let (status, body) = told(Dialect::OAuth);
        assert_eq!(status, 403);
        assert!(
            body.starts_with("{\"error\":\"WRITEGATE_DENIED\",\"error_description\":\"Not"),
            "{body}"
        );
        let (_, body) = told(Dialect::UiRecord);
        assert!(body.starts_with("{\"message\":\"Not written"), "{body}");
        assert!(
            body.contains("\"errorCode\":\"WRITEGATE_DENIED\""),
            "{body}"
        );
        let (_, body) = told(Dialect::Xml);
        let first = "<Errors><Error><errorCode>WRITEGATE_DENIED</errorCode><message>Not written: a \
                     &lt; b";
        assert!(body.contains(first), "{body}");
        let usual = Refusal::new(RefusalKind::Denied, "x");
        assert!(refuse_in(Dialect::Usual, &usual).is_none());
    }

    #[test]
    fn a_path_says_which() {
        for (path, known) in [
            ("/services/data/v60.0/graphql", Dialect::GraphQl),
            ("/services/data/v60.0/sobjects/Account", Dialect::Usual),
            ("/services/Soap/u/60.0", Dialect::Soap),
            ("//services/soap/c/60.0/00D", Dialect::Soap),
            ("/services/async/60.0/job", Dialect::BulkXml),
            ("/services/oauth2/token", Dialect::OAuth),
            ("/services/OAuth2/revoke", Dialect::OAuth),
            ("/services/data/v60.0/ui-api/records/001", Dialect::UiRecord),
            ("/", Dialect::Usual),
            ("/é", Dialect::Usual),
        ] {
            assert_eq!(dialect(path, &HeaderMap::new()), known, "{path}");
        }
    }

    #[test]
    fn xml_is_answered_where_nothing_else_is_asked_for() {
        for (accept, known) in [
            ("application/xml", Dialect::Xml),
            ("Text/XML; charset=UTF-8", Dialect::Xml),
            ("application/xml, application/json", Dialect::Usual),
            ("*/*", Dialect::Usual),
            ("application/xhtml+xml", Dialect::Usual),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            let path = "/services/data/v60.0/sobjects/Account";
            assert_eq!(dialect(path, &headers), known, "{accept}");
            headers.append(ACCEPT, "application/json".parse().unwrap());
            assert_eq!(dialect(path, &headers), Dialect::Usual, "{accept} and JSON");
        }
    }
}
