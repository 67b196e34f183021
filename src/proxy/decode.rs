//! Undoes a request body's content coding, so that what is judged is what the CRM would read. Pure:
//! bytes in, bytes out. Decoders are lenient where a gate must not be: a second gzip member, bytes
//! after the end and an end that never comes are refused here.

use std::io::Read;

use bytes::Bytes;
use flate2::bufread::{GzDecoder, ZlibDecoder};
use flate2::{Decompress, FlushDecompress, Status};

/// How much output is made room for at a time.
const STEP: usize = 16 * 1024;

/// Why a body cannot be read. The text is for the caller: what is wrong and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeFault {
    /// A coding we do not undo, or several on top of each other.
    #[error("the body's Content-Encoding is not one of gzip, deflate, identity: send it without")]
    Coding,
    /// Not what the coding's name says, or cut short.
    #[error("the body is not what its Content-Encoding says: send it without")]
    Corrupt,
    /// Another gzip member or other bytes after the end.
    #[error("the body goes on after the end of its Content-Encoding: send it in one piece")]
    Trailing,
    /// More than the limit, decoded.
    #[error("the body is larger than Writegate reads: send fewer records at once")]
    TooLarge,
}

/// The body without its coding: `encoding` is the whole value of `Content-Encoding`, `limit` the
/// largest result in bytes. `deflate` means the zlib format (RFC 9110, 8.4.1.2); raw deflate, which
/// some software sends under that name, has two readings and is refused. Work and memory are bounded
/// by `limit`, however far a small body would inflate.
///
/// # Errors
/// [`DecodeFault`]; a body that cannot be decoded whole is not decoded at all.
pub fn decode(encoding: Option<&str>, body: Bytes, limit: usize) -> Result<Bytes, DecodeFault> {
    let coding = encoding.unwrap_or("identity").trim();
    if coding.eq_ignore_ascii_case("identity") {
        return if body.len() > limit {
            Err(DecodeFault::TooLarge)
        } else {
            Ok(body)
        };
    }
    if coding.eq_ignore_ascii_case("gzip") {
        return gunzip(&body, limit);
    }
    if coding.eq_ignore_ascii_case("deflate") {
        return inflate(&body, limit);
    }
    Err(DecodeFault::Coding)
}

/// As much of the beginning of a body as can be read of what came so far, at most `most` bytes. Only for a
/// look: whether it is sound, [`decode`] tells.
#[must_use]
pub fn beginning(encoding: Option<&str>, body: &[u8], most: usize) -> Vec<u8> {
    let coding = encoding.unwrap_or("identity").trim();
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    let mut out = Vec::new();
    let read = if coding.eq_ignore_ascii_case("gzip") {
        GzDecoder::new(body).take(most).read_to_end(&mut out)
    } else if coding.eq_ignore_ascii_case("deflate") {
        ZlibDecoder::new(body).take(most).read_to_end(&mut out)
    } else {
        body.take(most).read_to_end(&mut out)
    };
    // what comes before a fault stands in `out`: the rest may not have come yet
    drop(read);
    out
}

/// RFC 1952, exactly one member; its length and CRC are checked.
fn gunzip(body: &[u8], limit: usize) -> Result<Bytes, DecodeFault> {
    let mut decoder = GzDecoder::new(body);
    let mut out = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = decoder.by_ref().take(most).read_to_end(&mut out);
    if out.len() > limit {
        return Err(DecodeFault::TooLarge);
    }
    if read.is_err() {
        return Err(DecodeFault::Corrupt);
    }
    if !decoder.into_inner().is_empty() {
        return Err(DecodeFault::Trailing);
    }
    Ok(out.into())
}

/// RFC 1950. By hand, because the ready-made reader takes a stream that is cut short for its end.
fn inflate(body: &[u8], limit: usize) -> Result<Bytes, DecodeFault> {
    let mut inflater = Decompress::new(true);
    let mut out = Vec::new();
    let mut rest = body;
    loop {
        out.reserve(STEP);
        let (taken, made) = (inflater.total_in(), inflater.total_out());
        let status = inflater.decompress_vec(rest, &mut out, FlushDecompress::None);
        let taken = inflater.total_in() - taken;
        rest = usize::try_from(taken)
            .ok()
            .and_then(|taken| rest.get(taken..))
            .unwrap_or_default();
        if out.len() > limit {
            return Err(DecodeFault::TooLarge);
        }
        let stuck = taken == 0 && inflater.total_out() == made;
        match status {
            Ok(Status::StreamEnd) if rest.is_empty() => return Ok(out.into()),
            Ok(Status::StreamEnd) => return Err(DecodeFault::Trailing),
            Ok(Status::Ok | Status::BufError) if !stuck => {}
            Ok(Status::Ok | Status::BufError) | Err(_) => return Err(DecodeFault::Corrupt),
        }
    }
}

#[cfg(test)]
mod tests;
