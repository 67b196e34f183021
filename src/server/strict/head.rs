//! Reads a head line by line: request line, fields, empty line. Remembers where it stopped, so that
//! a head that arrives in many pieces costs no more than one that arrives whole, and the verdict
//! rests on whole lines only, never on where a piece ended.

use memchr::memchr;

use super::Rules;
use super::fault::{Fault, Part};
use super::field::Facts;
use super::octets;

/// A head that may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Its bytes, with the empty line.
    pub(super) length: usize,
    /// What follows.
    pub(super) framing: Framing,
}

/// How the body of a message is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes.
    Sized(u64),
    /// In chunks.
    Chunked,
}

/// A head being read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HeadScan {
    /// Where the line being read begins.
    line: usize,
    /// Up to where no line feed was found.
    searched: usize,
    /// Header fields so far.
    fields: usize,
    /// Whether the request line says HTTP/1.0.
    old_version: bool,
    facts: Facts,
}

impl HeadScan {
    /// Looks at a head from its first byte; `input` holds at least what the last call was given.
    /// `None`: it is right so far and not complete.
    pub(super) fn read(&mut self, input: &[u8], rules: &Rules) -> Result<Option<Head>, Fault> {
        if self.searched == 0
            && let Some(first) = input.first()
            && !octets::is_token(*first)
        {
            // No need to wait for the end of a line that cannot begin a request.
            return Err(Fault::RequestLine);
        }
        loop {
            let unread = input.get(self.searched..).unwrap_or_default();
            let Some(offset) = memchr(b'\n', unread) else {
                self.searched = input.len();
                if input.len() >= rules.limits.head {
                    return Err(Fault::HeadTooLarge);
                }
                return Ok(None);
            };
            let next = self.searched + offset + 1;
            if next > rules.limits.head {
                return Err(Fault::HeadTooLarge);
            }
            let line = input.get(self.line..next - 1).unwrap_or_default();
            let first = self.line == 0;
            let part = if first {
                Part::RequestLine
            } else {
                Part::Field
            };
            let Some(line) = line.strip_suffix(b"\r") else {
                return Err(Fault::LineEnd(part));
            };
            self.line = next;
            self.searched = next;
            if first {
                self.old_version = request_line(line, rules)?;
            } else if line.is_empty() {
                let framing = self.facts.framing(self.old_version)?;
                return Ok(Some(Head {
                    length: next,
                    framing,
                }));
            } else {
                self.field(line, rules)?;
            }
        }
    }

    fn field(&mut self, line: &[u8], rules: &Rules) -> Result<(), Fault> {
        let (name, raw) = split_field(line)?;
        let value = octets::trim(raw);
        self.fields += 1;
        if self.fields > rules.limits.fields {
            return Err(Fault::TooManyFields);
        }
        if name.len() > rules.limits.name {
            return Err(Fault::NameTooLong);
        }
        if value.len() > rules.limits.value {
            return Err(Fault::ValueTooLong);
        }
        if !octets::is_value(value) {
            return Err(Fault::Control(Part::Field));
        }
        self.facts.note(name, raw, value, rules)
    }
}

/// Checks a request line without its line end; tells whether it says HTTP/1.0.
fn request_line(line: &[u8], rules: &Rules) -> Result<bool, Fault> {
    let space = memchr(b' ', line).ok_or(Fault::RequestLine)?;
    let (method, rest) = line.split_at(space);
    let rest = rest.strip_prefix(b" ").unwrap_or_default();
    let space = rest
        .iter()
        .rposition(|octet| *octet == b' ')
        .ok_or(Fault::RequestLine)?;
    let (target, version) = rest.split_at(space);
    let version = version.strip_prefix(b" ").unwrap_or_default();
    let old_version = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            return Err(if *major == b'1' {
                Fault::MinorVersion
            } else {
                Fault::Version
            });
        }
        _ => return Err(Fault::RequestLine),
    };
    if !octets::is_token_text(method) {
        return Err(Fault::RequestLine);
    }
    if !rules
        .methods
        .iter()
        .any(|known| known.as_str().as_bytes() == method)
    {
        return Err(Fault::Method);
    }
    if target.len() > rules.limits.target {
        return Err(Fault::TargetTooLong);
    }
    if target.contains(&b' ') {
        return Err(Fault::RequestLine);
    }
    if target.first() != Some(&b'/') {
        return Err(Fault::TargetForm);
    }
    if !octets::is_target(target) {
        return Err(Fault::TargetOctet);
    }
    Ok(old_version)
}

/// Splits a field line at its colon; the name is a token and nothing stands beside it.
pub(super) fn split_field(line: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let end = line
        .iter()
        .position(|octet| !octets::is_token(*octet))
        .ok_or(Fault::Name)?;
    let (name, rest) = line.split_at(end);
    match rest {
        [b':', value @ ..] if !name.is_empty() => Ok((name, value)),
        [b' ' | b'\t', ..] if name.is_empty() => Err(Fault::Fold),
        [b' ' | b'\t', ..] => Err(Fault::SpaceInName),
        _ => Err(Fault::Name),
    }
}
