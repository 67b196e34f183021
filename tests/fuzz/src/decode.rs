//! Content codings: what is decoded is what another decoder makes of all the bytes, and the limit holds
//! to the byte.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use writegate::proxy::decode::{DecodeFault, decode};

const MOST: usize = 64 * 1024;

/// The first byte chooses the coding.
pub(crate) fn target(data: &[u8]) {
    let Some((choice, coded)) = data.split_first() else {
        return;
    };
    let coding = [
        None,
        Some("identity"),
        Some("gzip"),
        Some(" DEFLATE "),
        Some("br"),
    ][usize::from(*choice) % 5];
    let body = Bytes::copy_from_slice(coded);
    let decoded = match decode(coding, body.clone(), MOST) {
        Ok(decoded) => decoded,
        Err(fault) => {
            assert_eq!(fault == DecodeFault::Coding, coding == Some("br"));
            return;
        }
    };
    let mut other = Vec::new();
    match coding {
        Some("gzip") => MultiGzDecoder::new(coded).read_to_end(&mut other),
        Some(" DEFLATE ") => ZlibDecoder::new(coded).read_to_end(&mut other),
        _ => (&*coded).read_to_end(&mut other),
    }
    .unwrap();
    assert_eq!(decoded, other);
    assert_eq!(
        decode(coding, body.clone(), other.len()).as_ref(),
        Ok(&decoded)
    );
    if let Some(less) = other.len().checked_sub(1) {
        assert_eq!(decode(coding, body, less), Err(DecodeFault::TooLarge));
    }
}
