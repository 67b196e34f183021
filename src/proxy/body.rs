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
    let coded = bounded(incoming, most).await?;
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    let coding = match (codings.next(), codings.next()) {
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

async fn bounded(mut incoming: Incoming, most: usize) -> Result<Bytes, Refusal> {
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| {
            Refusal::malformed("the body broke off or is framed wrongly").detail(error.to_string())
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if first.as_ref().map_or(0, Bytes::len) + rest.len() + data.len() > most {
            return Err(too_large(most));
        }
        match &first {
            None => first = Some(data),
            Some(_) => rest.extend_from_slice(&data),
        }
    }
    Ok(match (first, rest.is_empty()) {
        (None, _) => Bytes::new(),
        (Some(whole), true) => whole,
        (Some(head), false) => {
            let mut all = BytesMut::with_capacity(head.len() + rest.len());
            all.extend_from_slice(&head);
            all.extend_from_slice(&rest);
            all.freeze()
        }
    })
}

/// The refusal of a body above a bound.
pub(super) fn too_large(most: usize) -> Refusal {
    Refusal::new(
        RefusalKind::TooLarge,
        format!("Not written: the body is larger than {most} bytes. Send fewer records at a time."),
    )
}
