//! The body of a write: collected within a bound, its coding undone, so that what is judged is what
//! is sent.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::decode::{self, DecodeFault};
use crate::error::{Refusal, RefusalKind};

/// The largest body of a decomposed write, decoded. Salesforce takes 50 MB of text, but a batch of 200
/// records or 100 inputs is far below this.
pub const BODY_MOST: usize = 16 * 1024 * 1024;

/// Collects and decodes.
///
/// # Errors
/// A refusal when it is too large, breaks off, or is coded in a way that cannot be undone.
pub async fn collect(headers: &HeaderMap, incoming: Incoming) -> Result<Bytes, Refusal> {
    collect_most(headers, incoming, BODY_MOST).await
}

/// The same within another bound.
///
/// # Errors
/// The same.
pub async fn collect_most(
    headers: &HeaderMap,
    incoming: Incoming,
    most: usize,
) -> Result<Bytes, Refusal> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<usize>().ok());
    if announced.is_some_and(|length| length > most) {
        return Err(too_large(most));
    }
    let coded = bounded(BytesMut::new(), incoming, most).await?;
    decoded(headers, coded, most)
}

/// A body of which the beginning has come.
#[derive(Debug)]
pub struct Begun {
    coded: BytesMut,
    rest: Option<Incoming>,
}

/// Waits for the first `some` bytes of a body, or for its end.
///
/// # Errors
/// A refusal when it breaks off.
pub async fn begin(mut incoming: Incoming, some: usize) -> Result<Begun, Refusal> {
    let mut coded = BytesMut::new();
    while coded.len() < some {
        match next(&mut incoming).await? {
            Some(data) => coded.extend_from_slice(&data),
            None => return Ok(Begun { coded, rest: None }),
        }
    }
    let rest = Some(incoming);
    Ok(Begun { coded, rest })
}

impl Begun {
    /// At most so much of its beginning, decoded as far as that goes.
    #[must_use]
    pub fn opening(&self, headers: &HeaderMap, most: usize) -> Vec<u8> {
        let coding = headers.get(CONTENT_ENCODING);
        let coding = coding.and_then(|value| value.to_str().ok());
        decode::beginning(coding, &self.coded, most)
    }

    /// All of it, decoded.
    ///
    /// # Errors
    /// As [`collect`].
    pub async fn finish(self, headers: &HeaderMap, most: usize) -> Result<Bytes, Refusal> {
        let coded = match self.rest {
            Some(incoming) => bounded(self.coded, incoming, most).await?,
            None => self.coded.freeze(),
        };
        decoded(headers, coded, most)
    }
}

fn decoded(headers: &HeaderMap, coded: Bytes, most: usize) -> Result<Bytes, Refusal> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    let coding = match (codings.next(), codings.next()) {
        (None, _) if coded.len() > most => return Err(too_large(most)),
        (None, _) => return Ok(coded),
        (Some(_), Some(_)) => {
            return Err(Refusal::malformed(
                "the header content-encoding is given twice",
            ));
        }
        (Some(value), None) => value.to_str().map_err(|_not_ascii| {
            Refusal::malformed("the header content-encoding is not printable ASCII")
        })?,
    };
    decode::decode(Some(coding), coded, most).map_err(|fault| match fault {
        DecodeFault::TooLarge => too_large(most),
        fault @ (DecodeFault::Coding | DecodeFault::Corrupt | DecodeFault::Trailing) => {
            Refusal::malformed(fault)
        }
    })
}

/// The next bytes of a body; none at its end.
async fn next(incoming: &mut Incoming) -> Result<Option<Bytes>, Refusal> {
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| {
            Refusal::malformed("the body broke off or is framed wrongly").detail(error.to_string())
        })?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

async fn bounded(
    mut coded: BytesMut,
    mut incoming: Incoming,
    most: usize,
) -> Result<Bytes, Refusal> {
    let mut only: Option<Bytes> = None;
    while let Some(data) = next(&mut incoming).await? {
        let held = only.as_ref().map_or(0, Bytes::len) + coded.len();
        if held + data.len() > most {
            return Err(too_large(most));
        }
        // most bodies come in one piece, which is not copied
        match only.take() {
            None if coded.is_empty() => only = Some(data),
            first => {
                coded.extend_from_slice(&first.unwrap_or_default());
                coded.extend_from_slice(&data);
            }
        }
    }
    Ok(only.unwrap_or_else(|| coded.freeze()))
}

/// The refusal of a body above a bound.
pub(super) fn too_large(most: usize) -> Refusal {
    Refusal::new(
        RefusalKind::TooLarge,
        format!("Not written: the body is larger than {most} bytes. Send fewer records at a time."),
    )
}
