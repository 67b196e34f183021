//! Which octets may stand where (RFC 9110 5.5 and 5.6.2, RFC 9112 3.2).

/// Octets of a token: methods and field names.
const TOKEN: [bool; 256] = token_table();

const fn token_table() -> [bool; 256] {
    let mut table = [false; 256];
    let mut octet = 0_u8;
    loop {
        let extra = matches!(
            octet,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        );
        #[expect(
            clippy::indexing_slicing,
            reason = "256 places for 256 octets, at compile time"
        )]
        {
            table[octet as usize] = octet.is_ascii_alphanumeric() || extra;
        }
        if octet == u8::MAX {
            return table;
        }
        octet += 1;
    }
}

/// Whether an octet may stand in a token.
pub(super) fn is_token(octet: u8) -> bool {
    TOKEN.get(usize::from(octet)).copied().unwrap_or(false)
}

/// Whether this is a token: at least one octet, all of them right.
pub(super) fn is_token_text(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|octet| is_token(*octet))
}

/// Whether a field value holds no control character but the tab. Octets from 0x80 up may stand: they
/// have one reading (opaque), and people write UTF-8 into `x-writegate-intent`.
///
/// No early exit, so that the compiler can look at many octets at once.
pub(super) fn is_value(text: &[u8]) -> bool {
    !text.iter().fold(false, |bad, octet| {
        bad | ((*octet < b' ') & (*octet != b'\t')) | (*octet == 0x7F)
    })
}

/// Whether a request target holds visible ASCII only, and neither the fragment mark (a fragment is
/// cut off by some and sent on by others) nor a mark that no URI holds and that URI parsers treat in
/// different ways.
pub(super) fn is_target(text: &[u8]) -> bool {
    !text.iter().fold(false, |bad, octet| {
        bad | (*octet <= b' ')
            | (*octet >= 0x7F)
            | (*octet == b'#')
            | (*octet == b'"')
            | (*octet == b'<')
            | (*octet == b'>')
            | (*octet == b'`')
    })
}

/// Cuts spaces and tabs off both ends.
pub(super) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_those_of_the_standard() {
        let marks = b"!#$%&'*+-.^_`|~";
        for octet in 0..=u8::MAX {
            let expected = octet.is_ascii_alphanumeric() || marks.contains(&octet);
            assert_eq!(is_token(octet), expected, "{octet:#x}");
        }
    }

    #[test]
    fn values_take_tabs_and_high_octets_and_no_control_character() {
        assert!(is_value(b"a\tb \xFF~"));
        for octet in (0..0x20).filter(|octet| *octet != b'\t').chain([0x7F]) {
            assert!(!is_value(&[b'a', octet, b'b']), "{octet:#x}");
        }
    }

    #[test]
    fn targets_that_pass_are_taken_by_the_uri_parser_behind() {
        for octet in 0..=u8::MAX {
            for text in [vec![b'/', octet], vec![b'/', b'?', octet]] {
                if is_target(&text) {
                    let uri = http::Uri::try_from(text.as_slice()).unwrap();
                    assert_eq!(uri.to_string().as_bytes(), text);
                }
            }
        }
    }

    #[test]
    fn trimming_leaves_what_is_inside() {
        assert_eq!(trim(b" \t a b\t "), b"a b");
        assert_eq!(trim(b" \t "), b"");
    }
}
