//! The fields that decide where a message ends and whose it is: each at most once, each in one form.

use super::Rules;
use super::fault::Fault;
use super::head::Framing;

/// A field that may stand once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Single {
    Host,
    Expect,
    ContentType,
    Authorization,
    ContentLength,
    SfdcSession,
    ContentEncoding,
    TransferEncoding,
}

impl Single {
    fn name(self) -> &'static str {
        match self {
            Self::Host => "Host",
            Self::Expect => "Expect",
            Self::ContentType => "Content-Type",
            Self::Authorization => "Authorization",
            Self::ContentLength => "Content-Length",
            Self::SfdcSession => "X-SFDC-Session",
            Self::ContentEncoding => "Content-Encoding",
            Self::TransferEncoding => "Transfer-Encoding",
        }
    }

    fn bit(self) -> u8 {
        match self {
            Self::Host => 1,
            Self::Expect => 2,
            Self::ContentType => 4,
            Self::Authorization => 8,
            Self::ContentLength => 16,
            Self::SfdcSession => 32,
            Self::ContentEncoding => 64,
            Self::TransferEncoding => 128,
        }
    }

    /// Which field a name stands for. Lengths differ, so that most names cost one comparison.
    ///
    /// Software that hands fields on as variables (CGI, WSGI) takes `_` for `-`, so the underscore
    /// form of one of these is a second one in hiding and refused. Other names with an underscore
    /// stand: they decide nothing here. Writes pass on only names that are listed; reads pass on the
    /// rest, so the CRMs' `classify` folds names before it looks for a second method, path or credential.
    fn of(name: &[u8]) -> Result<Option<Self>, Fault> {
        let single = match name.len() {
            4 => Self::Host,
            6 => Self::Expect,
            12 => Self::ContentType,
            13 => Self::Authorization,
            14 if matches!(name.first(), Some(b'x' | b'X')) => Self::SfdcSession,
            14 => Self::ContentLength,
            16 => Self::ContentEncoding,
            17 => Self::TransferEncoding,
            _ => return Ok(None),
        };
        let known = single.name().as_bytes();
        if name.eq_ignore_ascii_case(known) {
            return Ok(Some(single));
        }
        let folded = name
            .iter()
            .map(|octet| if *octet == b'_' { b'-' } else { *octet });
        if folded
            .map(|octet| octet.to_ascii_lowercase())
            .eq(known.iter().map(u8::to_ascii_lowercase))
        {
            return Err(Fault::LookAlike(single.name()));
        }
        Ok(None)
    }
}

/// What the fields of a head have told so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    seen: u8,
    length: u64,
}

impl Facts {
    /// Takes note of a field; `raw` is all between colon and line end, `value` the same trimmed.
    pub(super) fn note(
        &mut self,
        name: &[u8],
        raw: &[u8],
        value: &[u8],
        rules: &Rules,
    ) -> Result<(), Fault> {
        let Some(single) = Single::of(name)? else {
            return Ok(());
        };
        if self.has(single) {
            return Err(Fault::Twice(single.name()));
        }
        self.seen |= single.bit();
        match single {
            Single::Host => rules.hosts.check(value),
            Single::ContentLength => {
                self.length = decimal(value).ok_or(Fault::ContentLength)?;
                if self.length > rules.limits.body {
                    return Err(Fault::BodyTooLarge);
                }
                Ok(())
            }
            Single::TransferEncoding if is_chunked(raw) => Ok(()),
            Single::TransferEncoding => Err(Fault::TransferEncoding),
            Single::Expect if value.eq_ignore_ascii_case(b"100-continue") => Ok(()),
            Single::Expect => Err(Fault::Expect),
            Single::ContentType
            | Single::Authorization
            | Single::SfdcSession
            | Single::ContentEncoding => Ok(()),
        }
    }

    /// What follows the head, once all fields are known.
    pub(super) fn framing(&self, old_version: bool) -> Result<Framing, Fault> {
        if !self.has(Single::Host) {
            return Err(Fault::HostMissing);
        }
        let chunked = self.has(Single::TransferEncoding);
        if chunked && self.has(Single::ContentLength) {
            return Err(Fault::BothFramings);
        }
        if chunked && old_version {
            return Err(Fault::OldTransferEncoding);
        }
        // HTTP/1.0 knows no expectations, and RFC 9110 10.1.1 has them ignored there.
        if self.has(Single::Expect) && !old_version && !chunked && self.length == 0 {
            return Err(Fault::Expect);
        }
        Ok(if chunked {
            Framing::Chunked
        } else {
            Framing::Sized(self.length)
        })
    }

    fn has(&self, single: Single) -> bool {
        self.seen & single.bit() != 0
    }
}

/// Whether the value is `chunked` and nothing else. Spaces before it are usual; a tab, or white space
/// after it, is what some take for another coding's name, so it is refused.
fn is_chunked(raw: &[u8]) -> bool {
    let mut value = raw;
    while let [b' ', rest @ ..] = value {
        value = rest;
    }
    value.eq_ignore_ascii_case(b"chunked")
}

/// Reads `1*DIGIT` of at most 19 digits, so that no 64-bit reader can see another number.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, octet| {
        let digit = octet.is_ascii_digit().then(|| u64::from(octet - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_decimal_digits_only() {
        assert_eq!(decimal(b"0012"), Some(12));
        assert_eq!(
            decimal(b"9223372036854775807"),
            Some(9_223_372_036_854_775_807)
        );
        for text in [
            "",
            "+1",
            "-1",
            "1_0",
            "0x5",
            "1 0",
            "18446744073709551628",
            "٣",
        ] {
            assert_eq!(decimal(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn chunked_has_one_spelling_in_any_case() {
        for raw in ["chunked", " chunked", "  Chunked", " CHUNKED"] {
            assert!(is_chunked(raw.as_bytes()), "{raw:?}");
        }
        for raw in [
            "",
            "\tchunked",
            " chunked ",
            "chunked,",
            "chunked;q=1",
            "\"chunked\"",
            "xchunked",
        ] {
            assert!(!is_chunked(raw.as_bytes()), "{raw:?}");
        }
    }

    #[test]
    fn underscore_forms_of_single_fields_are_refused_and_others_are_not() {
        for name in [
            "transfer_encoding",
            "Content_Length",
            "X_SFDC-Session",
            "content-type_".get(..12).unwrap(),
        ] {
            let expected = name.contains('_');
            assert_eq!(Single::of(name.as_bytes()).is_err(), expected, "{name}");
        }
        assert_eq!(Single::of(b"x_custom_field"), Ok(None));
        assert_eq!(Single::of(b"x-sfdc-session"), Ok(Some(Single::SfdcSession)));
    }
}
