//! The SOAP API (SOAP API Developer Guide): the operation is the first element of the body, whatever
//! path and `SOAPAction` say, and the session stands in the message.

mod envelope;
mod headers;
mod merge;
mod named;
mod object;
mod operation;
mod replay;
mod rows;
mod undelete;

use std::fmt;
use std::ops::Range;

use http::{HeaderMap, header};
use memchr::{memchr, memmem};
use serde_json::Map;

use super::body::{self, Content, Refused, malformed};
use super::org::Org;
use super::query;
use crate::crm::{Head, Malformed, xml};
use crate::mutation::{Acting, ChangeSet, Mutation, Operation, Undo};

pub use envelope::Api;
use envelope::Envelope;
use headers::Said;
use operation::Does;
pub(super) use replay::replay;
pub(super) use undelete::undelete;

/// What a message says of itself before anything is judged: what it wants, and by whose right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduction {
    /// Whose operation it is.
    pub api: Api,
    /// The operation's name: `login`, `create`.
    pub operation: String,
    /// The session in its header, where it has one.
    pub session: Option<Session>,
    /// Of a `login`: the username. Its password is not read.
    pub username: Option<String>,
}

/// A session in a message. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// Where it stands in the body, in bytes. Empty where it was cut out.
    pub place: Range<usize>,
    /// The session id or access token; empty where it was cut out.
    pub secret: String,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// The session that a message seems to carry, by its beginning alone.
#[must_use]
pub fn glimpse(opening: &[u8]) -> Option<&str> {
    const TAG: &[u8] = b"sessionId>";
    let start = memmem::find(opening, TAG)? + TAG.len();
    let rest = opening.get(start..)?;
    let text = rest.get(..memchr(b'<', rest)?)?;
    std::str::from_utf8(text).ok()
}

/// Whether the headers say that a message is read as it is written.
#[must_use]
pub fn is_message(headers: &HeaderMap) -> bool {
    is_xml(headers).is_ok()
}

/// Reads what a SOAP message says of itself.
///
/// # Errors
/// [`Malformed`] when it is no SOAP message, or has more than one reading.
pub fn introduce(body: &[u8]) -> Result<Introduction, Malformed> {
    plain_text(body)?;
    let document = xml::parse(body)?;
    let envelope = Envelope::open(&document)?;
    let session = match envelope.session()? {
        None => None,
        Some(element) => {
            envelope::plain(element, &[])?;
            Some(session(document.input_text(), element)?)
        }
    };
    let username = match envelope.name() {
        "login" => {
            let named = envelope::children(envelope.api, envelope.operation)?;
            let username = named
                .into_iter()
                .find(|child| child.tag_name().name() == "username");
            username
                .map(|node| xml::value(node).map(str::to_owned))
                .transpose()?
        }
        _ => None,
    };
    Ok(Introduction {
        api: envelope.api,
        operation: envelope.name().to_owned(),
        session,
        username,
    })
}

/// The session as it stands in the text: with no reading but one, so that it can be cut out and put
/// back without touching anything else.
fn session(text: &str, element: roxmltree::Node<'_, '_>) -> Result<Session, Malformed> {
    let secret = xml::value(element)?;
    let within = element.range();
    let whole = text.get(within.clone()).unwrap_or_default();
    let end = whole.rfind("</").map(|end| within.start + end);
    let place = end.and_then(|end| Some(end.checked_sub(secret.len())?..end));
    let place = place.filter(|place| {
        let plain = secret.is_empty() || envelope::is_session(secret);
        plain
            && text.get(place.clone()) == Some(secret)
            && text
                .get(..place.start)
                .is_some_and(|head| head.ends_with('>'))
    });
    match place {
        Some(place) => Ok(Session {
            place,
            secret: secret.to_owned(),
        }),
        None => Err(xml::here(
            element.document(),
            element,
            "the session id is not plain text: send it without white space, escapes or CDATA",
        )),
    }
}

/// Some readers stop at a CDATA section, or take it for another value.
fn plain_text(body: &[u8]) -> Result<(), Malformed> {
    const CDATA: &[u8] = b"<![CDATA[";
    match body.windows(CDATA.len()).any(|part| part == CDATA) {
        true => Err(Malformed(
            "the XML body is refused: a CDATA section stands in it; escape the text".into(),
        )),
        false => Ok(()),
    }
}

/// Whether a message asks for a session. Its password is read by nobody.
///
/// # Errors
/// [`Malformed`] when it has more than one reading.
pub fn is_login(api: Api, body: &[u8]) -> Result<bool, Malformed> {
    let told = introduce(body)?;
    let login = operation::does(told.api, &told.operation) == Some(Does::Login);
    Ok(login && told.api == api)
}

/// What a message beside its records acts on, by header and part.
pub(super) fn acting_in(body: &[u8]) -> Acting {
    let opened = |body| {
        let document = xml::parse(body).ok()?;
        let envelope = Envelope::open(&document).ok()?;
        headers::read(&envelope).ok().map(|said| said.acting)
    };
    opened(body).unwrap_or_default()
}

/// Takes a message apart. One that only reads has no mutations.
///
/// # Errors
/// [`Malformed`] when it has more than one reading.
pub(super) fn parse(
    api: Api,
    head: &Head<'_>,
    content: &Content<'_>,
    org: &Org<'_>,
) -> Result<ChangeSet, Malformed> {
    body::change_set(read(api, head, content, org))
}

fn read(
    api: Api,
    head: &Head<'_>,
    content: &Content<'_>,
    org: &Org<'_>,
) -> Result<Vec<Mutation>, Refused> {
    body::parameters(head, &[])?;
    is_xml(head.headers)?;
    let Content::Bytes(bytes) = content else {
        return Err(malformed("a SOAP message stands in no other request"));
    };
    plain_text(bytes)?;
    let document = xml::parse(bytes)?;
    let envelope = Envelope::open(&document)?;
    envelope.session()?;
    if envelope.api != api {
        return Err(malformed(
            "the operation's namespace is that of another API than the path's",
        ));
    }
    let Some(does) = operation::does(api, envelope.name()) else {
        return Err(Refused::Opaque(
            "the SOAP operation is not known: use a call of the partner or enterprise API".into(),
        ));
    };
    let mutations = match does {
        Does::Login => return Err(Refused::Opaque("a login is no write".into())),
        Does::Read => Vec::new(),
        Does::Query => return searched(&envelope),
        Does::Render => return rendered(&envelope),
        Does::Rows(_) | Does::Ids(_) | Does::Merge | Does::Convert => {
            let said = headers::read(&envelope)?;
            let mut mutations = changed(does, &envelope, &said, org)?;
            mutations.extend(mail(said.mails));
            mutations
        }
        Does::ByExample => {
            return Err(Refused::Opaque(
                "deleteByExample deletes whatever looks like its example, and how much that is \
                 cannot be told: delete by ids"
                    .into(),
            ));
        }
        Does::Whole(operation, name) => {
            headers_of_call(&envelope, operation)?;
            named::whole(&envelope, operation, name)?
        }
        Does::Named(operation, by) => {
            headers_of_call(&envelope, operation)?;
            named::named(&envelope, operation, by)?
        }
    };
    Ok(mutations)
}

fn changed(
    does: Does,
    envelope: &Envelope<'_, '_>,
    said: &Said,
    org: &Org<'_>,
) -> Result<Vec<Mutation>, Refused> {
    match does {
        Does::Rows(rows) => rows::written(rows, envelope, said, org),
        Does::Merge => merge::merged(envelope, org),
        Does::Convert => merge::converted(envelope),
        Does::Ids(operation) => rows::named(operation, envelope, org),
        Does::Read
        | Does::Query
        | Does::Render
        | Does::Login
        | Does::ByExample
        | Does::Whole(..)
        | Does::Named(..) => Ok(Vec::new()),
    }
}

/// The mails that a write sends beside, as one operation.
fn mail(mails: Map<String, serde_json::Value>) -> Option<Mutation> {
    (!mails.is_empty()).then(|| Mutation {
        object: "EmailHeader".into(),
        operation: Operation::Send,
        record: None,
        fields: mails,
        row: None,
        undo: Undo::None,
        others: Vec::new(),
    })
}

/// The headers of the metadata and Apex APIs change how code is run and deployed, which is judged as a
/// whole; elsewhere they are those of writes.
fn headers_of_call(envelope: &Envelope<'_, '_>, operation: Operation) -> Result<(), Refused> {
    match (envelope.api, operation) {
        (Api::Partner | Api::Enterprise, _) => headers::read(envelope).map(|_said| ()),
        _ => Ok(()),
    }
}

/// A query or a search reads, unless a clause of it writes usage data.
fn searched(envelope: &Envelope<'_, '_>) -> Result<Vec<Mutation>, Refused> {
    let parts = envelope::children(envelope.api, envelope.operation)?;
    for part in parts {
        if query::has_usage_clause(xml::value(part)?) {
            return Err(Refused::Opaque(
                "FOR VIEW, FOR REFERENCE, UPDATE TRACKING and UPDATE VIEWSTAT write usage data: \
                 leave the clause out of the query"
                    .into(),
            ));
        }
    }
    Ok(Vec::new())
}

/// A template that is rendered is read, unless its use is counted.
fn rendered(envelope: &Envelope<'_, '_>) -> Result<Vec<Mutation>, Refused> {
    let counts = envelope.operation.descendants().any(|part| {
        part.tag_name().name() == "updateTemplateUsage"
            && !matches!(xml::value(part), Ok("false" | "0"))
    });
    match counts {
        true => Err(Refused::Opaque(
            "updateTemplateUsage counts the use of a template: leave it out".into(),
        )),
        false => Ok(Vec::new()),
    }
}

/// `text/xml` in UTF-8, as SOAP 1.1 wants it.
fn is_xml(headers: &HeaderMap) -> Result<(), Refused> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (first, second) = (values.next(), values.next());
    let text = first.and_then(|value| value.to_str().ok());
    let mut parts = text
        .unwrap_or_default()
        .split(';')
        .map(|part| part.trim().to_ascii_lowercase());
    let xml = parts.next().is_some_and(|kind| kind == "text/xml");
    let utf8 = |part: String| {
        part.strip_prefix("charset=")
            .is_some_and(|charset| charset.trim_matches('"') == "utf-8")
    };
    let plain = match (parts.next(), parts.next()) {
        (None, _) => true,
        (Some(part), None) => utf8(part),
        (Some(_), Some(_)) => false,
    };
    if xml && plain && second.is_none() {
        return Ok(());
    }
    Err(malformed(
        "the header Content-Type is not text/xml (UTF-8), given once",
    ))
}

#[cfg(test)]
mod tests;
