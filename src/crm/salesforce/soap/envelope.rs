//! The envelope of a SOAP 1.1 message (W3C Note, 8 May 2000, section 4): headers, one operation, and
//! nothing that a second reader could take for something else.

use std::collections::HashSet;

use roxmltree::{Document, Node};

use crate::crm::Malformed;
use crate::crm::xml::{self, INSTANCE};

const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// The longest session id or access token.
const SESSION_MOST: usize = 4096;

/// Whose operations a message speaks: told by its namespace and by its path, which must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// Objects by `<type>`.
    Partner,
    /// Objects by `xsi:type`.
    Enterprise,
    /// Metadata: what records look like.
    Metadata,
    /// Apex: code.
    Apex,
    /// Tooling: code as records.
    Tooling,
    /// An Apex class of the org: its own code.
    Class,
}

/// How the namespaces of Apex classes begin.
const CLASSES: &str = "http://soap.sforce.com/schemas/class/";

impl Api {
    /// The namespace of its operations, and that of its objects' fields.
    const NAMES: [(Self, &'static str, &'static str); 5] = [
        (
            Self::Partner,
            "urn:partner.soap.sforce.com",
            "urn:sobject.partner.soap.sforce.com",
        ),
        (
            Self::Enterprise,
            "urn:enterprise.soap.sforce.com",
            "urn:sobject.enterprise.soap.sforce.com",
        ),
        (
            Self::Metadata,
            "http://soap.sforce.com/2006/04/metadata",
            "http://soap.sforce.com/2006/04/metadata",
        ),
        (
            Self::Apex,
            "http://soap.sforce.com/2006/08/apex",
            "http://soap.sforce.com/2006/08/apex",
        ),
        (
            Self::Tooling,
            "urn:tooling.soap.sforce.com",
            "urn:sobject.tooling.soap.sforce.com",
        ),
    ];

    fn of_namespace(namespace: &str) -> Option<Self> {
        if namespace.starts_with(CLASSES) {
            return Some(Self::Class);
        }
        let known = Self::NAMES.iter().find(|(_, known, _)| *known == namespace);
        known.map(|(api, ..)| *api)
    }

    /// The namespace of its operations.
    pub(super) fn namespace(self) -> &'static str {
        let known = Self::NAMES.iter().find(|(api, ..)| *api == self);
        known.map_or(CLASSES, |(_, namespace, _)| namespace)
    }

    /// Whether a name of this API may stand in this namespace.
    pub(super) fn speaks(self, namespace: Option<&str>) -> bool {
        let of_class = namespace.is_some_and(|namespace| namespace.starts_with(CLASSES));
        (self == Self::Class && of_class)
            || Self::NAMES.iter().any(|(api, operations, fields)| {
                *api == self && (namespace == Some(*operations) || namespace == Some(*fields))
            })
    }
}

/// A message taken out of its envelope.
#[derive(Debug)]
pub(super) struct Envelope<'a, 'input> {
    /// Whose operation it is.
    pub(super) api: Api,
    /// The header entries, in their order, each once.
    pub(super) headers: Vec<Node<'a, 'input>>,
    /// The operation: the one element in the body.
    pub(super) operation: Node<'a, 'input>,
}

impl<'a, 'input> Envelope<'a, 'input> {
    /// Opens the envelope.
    ///
    /// # Errors
    /// [`Malformed`] when it is none, or has more than one reading.
    pub(super) fn open(document: &'a Document<'input>) -> Result<Self, Malformed> {
        let refuse = |node, what: &str| Err(xml::here(document, node, what));
        let root = document.root_element();
        if !is(root, "Envelope") {
            return refuse(root, "it is no SOAP 1.1 envelope");
        }
        plain(root, &[])?;
        let (header, body) = match xml::elements(root)?.as_slice() {
            [body] if is(*body, "Body") => (None, *body),
            [header, body] if is(*header, "Header") && is(*body, "Body") => (Some(*header), *body),
            _ => return refuse(root, "an envelope has one Header at most, then one Body"),
        };
        plain(body, &[])?;
        let operation = match xml::elements(body)?.as_slice() {
            [operation] => *operation,
            _ => return refuse(body, "the Body does not hold exactly one operation"),
        };
        plain(operation, &[])?;
        let namespace = operation.tag_name().namespace().unwrap_or_default();
        let Some(api) = Api::of_namespace(namespace) else {
            return refuse(
                operation,
                "the operation's namespace is none of Salesforce's",
            );
        };
        let headers = match header {
            None => Vec::new(),
            Some(header) => headers(api, header)?,
        };
        Ok(Self {
            api,
            headers,
            operation,
        })
    }

    /// The operation's name.
    pub(super) fn name(&self) -> &'a str {
        self.operation.tag_name().name()
    }

    /// The header entry of this name.
    pub(super) fn header(&self, name: &str) -> Option<Node<'a, 'input>> {
        let mut entries = self.headers.iter();
        entries
            .find(|entry| entry.tag_name().name() == name)
            .copied()
    }

    /// The element that holds the session, where there is one.
    ///
    /// # Errors
    /// [`Malformed`] when the header holds anything else.
    pub(super) fn session(&self) -> Result<Option<Node<'a, 'input>>, Malformed> {
        let Some(header) = self.header("SessionHeader") else {
            return Ok(None);
        };
        match children(self.api, header)?.as_slice() {
            [session] if session.tag_name().name() == "sessionId" => Ok(Some(*session)),
            _ => Err(xml::here(
                header.document(),
                header,
                "a SessionHeader holds one sessionId and nothing else",
            )),
        }
    }
}

/// The entries of the header: each once, of the operation's API, for whoever reads the message.
fn headers<'a, 'input>(
    api: Api,
    header: Node<'a, 'input>,
) -> Result<Vec<Node<'a, 'input>>, Malformed> {
    plain(header, &[])?;
    let entries = children(api, header)?;
    for entry in &entries {
        plain(*entry, &["mustUnderstand"])?;
    }
    Ok(entries)
}

/// The elements in a node of this API, no two of one name.
///
/// # Errors
/// [`Malformed`] when a name stands there twice or is of another namespace.
pub(super) fn children<'a, 'input>(
    api: Api,
    node: Node<'a, 'input>,
) -> Result<Vec<Node<'a, 'input>>, Malformed> {
    let elements = xml::elements(node)?;
    let mut names = HashSet::new();
    for element in &elements {
        if !names.insert(element.tag_name().name().to_ascii_lowercase()) {
            return Err(xml::here(
                node.document(),
                *element,
                "a name stands there twice",
            ));
        }
        known(api, *element)?;
    }
    Ok(elements)
}

/// Refuses an element of another namespace than the API's.
pub(super) fn known(api: Api, element: Node<'_, '_>) -> Result<(), Malformed> {
    if api.speaks(element.tag_name().namespace()) {
        return Ok(());
    }
    Err(xml::here(
        element.document(),
        element,
        "an element stands in another namespace than the operation's",
    ))
}

/// Refuses attributes that could act: `href` and `id` let one element stand for another, `actor` names
/// another reader. Only the encoding style is known everywhere, and what is named here.
pub(super) fn plain(node: Node<'_, '_>, known: &[&str]) -> Result<(), Malformed> {
    let understood = |attribute: &roxmltree::Attribute<'_, '_>| match attribute.namespace() {
        Some(SOAP) => attribute.name() == "encodingStyle" || known.contains(&attribute.name()),
        Some(INSTANCE) => {
            ["type", "nil"].contains(&attribute.name()) && known.contains(&attribute.name())
        }
        Some(_) | None => false,
    };
    if node.attributes().all(|attribute| understood(&attribute)) {
        return Ok(());
    }
    Err(xml::here(
        node.document(),
        node,
        "an attribute is not understood there",
    ))
}

fn is(node: Node<'_, '_>, name: &str) -> bool {
    node.tag_name().namespace() == Some(SOAP) && node.tag_name().name() == name
}

/// The one way in which a session is written: printable ASCII that needs no escape, in one piece.
pub(super) fn is_session(text: &str) -> bool {
    (1..=SESSION_MOST).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'&'))
}
