//! The answer to a login by SOAP (SOAP API Developer Guide, `LoginResult`): its addresses lead through the
//! proxy, and stand where they stood.

use bytes::Bytes;
use roxmltree::Node;

use crate::crm::links::Origins;
use crate::crm::login::{Hidden, Issued};
use crate::crm::xml;

/// The addresses of a login result.
const ADDRESSES: [&str; 2] = ["serverUrl", "metadataServerUrl"];

/// What a login brought. An answer that names another instance is none of this route.
///
/// # Errors
/// What is wrong with it, for our log.
pub(in crate::crm) fn issued(origins: &Origins, body: &Bytes) -> Result<Issued, String> {
    let document = xml::parse(body).map_err(|malformed| malformed.0)?;
    let result = result(document.root_element()).ok_or("it is no login result")?;
    let session = one(result, "sessionId")?.ok_or("it has no session")?;
    let session = xml::value(session).map_err(|malformed| malformed.0)?;
    if session.is_empty() {
        return Err("its session is empty".into());
    }
    let mut changes = Vec::new();
    for name in ADDRESSES {
        let Some(element) = one(result, name)? else {
            continue;
        };
        let address = xml::value(element).map_err(|malformed| malformed.0)?;
        if address.is_empty() {
            continue;
        }
        if !origins.is_upstream(address) {
            return Err(format!(
                "its {name} is of another instance than the route's upstream"
            ));
        }
        let text = element
            .children()
            .find(Node::is_text)
            .ok_or("it has no text")?;
        let place = text.range();
        // a text that is written in another way has no place of its own
        if document.input_text().get(place.clone()) != Some(address) {
            return Err(format!("its {name} is escaped"));
        }
        let moved = origins.moved(address).ok_or("it has no address")?;
        changes.push((place, moved));
    }
    changes.sort_by_key(|(place, _)| place.start);
    let mut out = Vec::with_capacity(body.len());
    let mut from = 0;
    for (place, moved) in changes {
        out.extend_from_slice(body.get(from..place.start).unwrap_or_default());
        out.extend_from_slice(moved.as_bytes());
        from = place.end;
    }
    out.extend_from_slice(body.get(from..).unwrap_or_default());
    Ok(Issued {
        body: out.into(),
        // it ends when it was not used for a while, whenever that is
        access: Some((Hidden::new(session), None)),
        refresh: None,
    })
}

/// `Envelope/Body/loginResponse/result`.
fn result<'a, 'i>(envelope: Node<'a, 'i>) -> Option<Node<'a, 'i>> {
    ["Body", "loginResponse", "result"]
        .into_iter()
        .try_fold(envelope, |node, name| one(node, name).ok()?)
}

/// The one element of a name.
fn one<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Result<Option<Node<'a, 'i>>, String> {
    let mut found = node
        .children()
        .filter(|child| child.is_element() && child.tag_name().name() == name);
    match (found.next(), found.next()) {
        (first, None) => Ok(first),
        (_, Some(_)) => Err(format!("it has two {name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::CrmKind;

    fn told(result: &str) -> Result<Issued, String> {
        let origins = Origins::new(
            CrmKind::Salesforce,
            &"https://acme.my.salesforce.com".parse().unwrap(),
            &"https://proxy.test:8443".parse().unwrap(),
        );
        issued(&origins, &around(result).into())
    }

    fn around(result: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
             xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns=\"urn:partner.soap.sforce.com\"><soapenv:Body><loginResponse><result>{result}\
             </result></loginResponse></soapenv:Body></soapenv:Envelope>"
        )
    }

    #[test]
    fn addresses_are_rewritten_where_they_stand() {
        let result = |base: &str| {
            format!(
                "<metadataServerUrl>{base}/services/Soap/m/60.0/00D</metadataServerUrl>\
                 <serverUrl>{base}/services/Soap/u/60.0/00D</serverUrl><sessionId>00D!x</sessionId>\
                 <userInfo><userFullName>https://acme.my.salesforce.com &amp; co</userFullName></userInfo>"
            )
        };
        let issued = told(&result("https://acme.my.salesforce.com")).unwrap();
        assert_eq!(
            issued.body,
            around(&result("https://proxy.test:8443")).as_bytes()
        );
        assert_eq!(issued.access, Some((Hidden::new("00D!x"), None)));
    }

    #[test]
    fn what_is_no_login_of_this_route_is_refused() {
        for result in [
            "",
            "<sessionId/>",
            "<sessionId>a</sessionId><sessionId>b</sessionId>",
            "<sessionId>a</sessionId><serverUrl>https://other.my.salesforce.com/x</serverUrl>",
            "<sessionId>a</sessionId><metadataServerUrl>http://acme.my.salesforce.com/</metadataServerUrl>",
            "<sessionId>a</sessionId><serverUrl>https:&#47;/acme.my.salesforce.com/x</serverUrl>",
        ] {
            assert!(told(result).is_err(), "{result}");
        }
    }
}
