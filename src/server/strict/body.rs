//! Follows the chunked coding (RFC 9112 7.1) by whole lines: sizes, extensions, trailers.

use memchr::memchr;

use super::fault::{Fault, Part};
use super::head::split_field;
use super::limits::Limits;
use super::octets;

/// The size line of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChunkLine {
    /// The bytes of data that follow; 0 ends the body.
    pub(super) size: u64,
    /// The bytes of its extensions.
    pub(super) extensions: usize,
}

/// The first line of `input` without its line end, and its length with it; `None` while it is not
/// complete and within `limit`.
pub(super) fn line(
    input: &[u8],
    limit: usize,
    part: Part,
    too_long: Fault,
) -> Result<Option<(&[u8], usize)>, Fault> {
    let window = input.get(..limit).unwrap_or(input);
    let Some(end) = memchr(b'\n', window) else {
        return if input.len() >= limit {
            Err(too_long)
        } else {
            Ok(None)
        };
    };
    let line = input.get(..end).unwrap_or_default();
    let line = line.strip_suffix(b"\r").ok_or(Fault::LineEnd(part))?;
    Ok(Some((line, end + 1)))
}

/// Reads `SIZE *( ";" NAME [ "=" VALUE ] )` without white space.
pub(super) fn chunk_line(line: &[u8]) -> Result<ChunkLine, Fault> {
    let end = line
        .iter()
        .position(|octet| *octet == b';')
        .unwrap_or(line.len());
    let (digits, extensions) = line.split_at(end);
    let size = hexadecimal(digits).ok_or(Fault::ChunkSize)?;
    let mut rest = extensions;
    while !rest.is_empty() {
        rest = extension(rest).ok_or(Fault::ChunkExtension)?;
    }
    Ok(ChunkLine {
        size,
        extensions: extensions.len(),
    })
}

/// At most 16 digits, so that no 64-bit reader can see another number.
fn hexadecimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 16 {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, octet| {
        let digit = char::from(*octet).to_digit(16)?;
        sum.checked_mul(16)?.checked_add(u64::from(digit))
    })
}

/// Reads one extension and gives what follows it.
fn extension(text: &[u8]) -> Option<&[u8]> {
    let rest = token(text.strip_prefix(b";")?)?;
    match rest {
        [b'=', b'"', quoted @ ..] => after_quote(quoted),
        [b'=', value @ ..] => token(value),
        _ => Some(rest),
    }
}

/// What follows a token of at least one octet.
fn token(text: &[u8]) -> Option<&[u8]> {
    let end = text
        .iter()
        .position(|octet| !octets::is_token(*octet))
        .unwrap_or(text.len());
    if end == 0 { None } else { text.get(end..) }
}

/// What follows a quoted string whose opening mark is already read.
fn after_quote(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        text = match text {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', escaped, rest @ ..] if octets::is_value(&[*escaped]) => rest,
            [b'\\', ..] => return None,
            [octet, rest @ ..] if octets::is_value(&[*octet]) => rest,
            _ => return None,
        };
    }
}

/// Checks a trailer line; it is dropped afterwards, whatever it says.
pub(super) fn trailer_line(line: &[u8], limits: &Limits) -> Result<(), Fault> {
    let (name, raw) = split_field(line).map_err(|_fault| Fault::Trailer)?;
    if name.len() > limits.name || !octets::is_value(octets::trim(raw)) {
        return Err(Fault::Trailer);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_hexadecimal_digits_only() {
        let size = |text: &str| chunk_line(text.as_bytes()).map(|line| line.size);
        assert_eq!(size("c"), Ok(12));
        assert_eq!(size("000C"), Ok(12));
        for text in [
            "",
            "+c",
            "-c",
            "0xc",
            "0_c",
            " c",
            "c ",
            "c\t",
            "c\r",
            "10000000000000000",
        ] {
            assert_eq!(size(text), Err(Fault::ChunkSize), "{text:?}");
        }
    }

    #[test]
    fn extensions_are_tokens_and_quoted_strings() {
        for text in ["5;a", "5;a=b", "5;a=\"x; \\\"y\\\"\";b"] {
            assert!(chunk_line(text.as_bytes()).is_ok(), "{text:?}");
        }
        for text in [
            "5;",
            "5;;a",
            "5;a=",
            "5;a[=b",
            "5;a=\"x",
            "5;a=\"x\"y",
            "5;a b",
            "5;a=\"\u{0}\"",
        ] {
            assert_eq!(
                chunk_line(text.as_bytes()),
                Err(Fault::ChunkExtension),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_line_is_bounded_to_the_byte() {
        let read = |text: &'static [u8]| line(text, 4, Part::Chunk, Fault::ChunkLineTooLong);
        assert_eq!(read(b"ab\r\n"), Ok(Some((b"ab".as_slice(), 4))));
        assert_eq!(read(b"abc\r\n"), Err(Fault::ChunkLineTooLong));
        assert_eq!(read(b"abcd"), Err(Fault::ChunkLineTooLong));
        assert_eq!(read(b"abc"), Ok(None));
        assert_eq!(read(b"a\n"), Err(Fault::LineEnd(Part::Chunk)));
    }
}
