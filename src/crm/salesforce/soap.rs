//! The SOAP API (SOAP API Developer Guide): the operation is the first element of the body, whatever
//! path and `SOAPAction` say, and the session stands in the message.

mod envelope;

use std::fmt;
use std::ops::Range;

use crate::crm::{Malformed, xml};

pub use envelope::Api;
use envelope::Envelope;

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

#[cfg(test)]
mod tests;
