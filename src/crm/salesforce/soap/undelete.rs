//! The one way back from the recycle bin: `undelete` (SOAP API Developer Guide). REST has none.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::crm::WriteCall;
use crate::crm::path::CanonicalPath;

/// The message that brings these records back; the session is put in when it is sent.
///
/// # Errors
/// Why there is none, for people.
pub(in crate::crm::salesforce) fn undelete(
    version: u32,
    ids: &[String],
) -> Result<WriteCall, String> {
    let path = format!("/services/Soap/u/{version}.0");
    let ids: String = ids.iter().map(|id| format!("<ids>{id}</ids>")).collect();
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns=\"urn:partner.soap.sforce.com\"><soapenv:Header><SessionHeader>\
         <sessionId></sessionId></SessionHeader></soapenv:Header>\
         <soapenv:Body><undelete>{ids}</undelete></soapenv:Body></soapenv:Envelope>"
    );
    let mut headers = HeaderMap::new();
    let kind = HeaderValue::from_static("text/xml; charset=UTF-8");
    headers.insert(CONTENT_TYPE, kind);
    let action = HeaderName::from_static("soapaction");
    headers.insert(action, HeaderValue::from_static("\"\""));
    Ok(WriteCall {
        method: Method::POST,
        path: CanonicalPath::parse(&path).map_err(|malformed| malformed.0)?,
        query: None,
        headers,
        body: Bytes::from(body),
    })
}
