//! Record ids: 15 characters, or the same 15 and a suffix that holds the case of each letter (help
//! article 000385008). The 18-character form names a record here.

use crate::crm::Malformed;

/// The canonical 18-character form of an id of either length.
///
/// # Errors
/// [`Malformed`] when it is no id, or when the suffix says that the case of a letter was changed.
pub(super) fn canonical(text: &str) -> Result<String, Malformed> {
    if !matches!(text.len(), 15 | 18) || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Malformed(
            "a record id does not have 15 or 18 letters and digits".into(),
        ));
    }
    let (short, given) = text.split_at(15);
    let suffix = suffix(short);
    if !given.is_empty() && given != suffix {
        return Err(Malformed(
            "the last 3 characters of a record id do not fit the case of the first 15: \
             send the id exactly as Salesforce gives it"
                .into(),
        ));
    }
    Ok(format!("{short}{suffix}"))
}

/// Whether this looks like an id (it may still be a wrong one).
pub(super) fn is_like_one(text: &str) -> bool {
    matches!(text.len(), 15 | 18) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// One character for each five: bit N is set where character N is a capital letter.
fn suffix(short: &str) -> String {
    short
        .as_bytes()
        .chunks(5)
        .map(|five| {
            let capitals = five
                .iter()
                .enumerate()
                .filter(|(_, byte)| byte.is_ascii_uppercase())
                .fold(0_u8, |bits, (place, _)| bits | (1 << place));
            match capitals {
                0..=25 => char::from(b'A' + capitals),
                _ => char::from(b'0' + (capitals - 26)),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_pairs_agree() {
        for (short, long) in [
            ("001000000000001", "001000000000001AAA"),
            ("001D000000IBVzo", "001D000000IBVzoIAH"),
            ("00QD000000abcXY", "00QD000000abcXYMAY"),
            ("AAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAA555"),
        ] {
            assert_eq!(canonical(short).unwrap(), long);
            assert_eq!(canonical(long).unwrap(), long);
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in [
            "",
            "001",
            "001000000000001aaa",
            "001000000000001AAB",
            "0010000000000010",
            "00100000000000é",
            "001000000000001 AA",
            "001-0000-000000",
        ] {
            assert!(canonical(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_case_is_noticed(short in "[0-9A-Za-z]{15}", place in 0_usize..15) {
            let long = canonical(&short).unwrap();
            prop_assert_eq!(&canonical(&long).unwrap(), &long);
            let mut bytes = long.into_bytes();
            if bytes[place].is_ascii_alphabetic() {
                bytes[place] ^= 0x20;
                prop_assert!(canonical(std::str::from_utf8(&bytes).unwrap()).is_err());
            }
        }
    }
}
