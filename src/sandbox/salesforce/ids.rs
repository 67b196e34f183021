//! Record ids: 15 case-sensitive characters, or 18 with a suffix that carries their case.

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SUFFIX: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// What the org's ids have after the key prefix.
const INSTANCE: &str = "Wg";

/// The 18-character form of a well-formed id, whatever object it belongs to. `None` for another
/// length, another character, or a suffix that does not fit.
pub(super) fn canonical(id: &str) -> Option<String> {
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let short = id.get(..15)?;
    let suffix: String = short.as_bytes().chunks(5).map(suffix_of).collect();
    match id.get(15..) {
        Some(rest) if !rest.is_empty() && rest != suffix => None,
        Some(_) | None => Some(format!("{short}{suffix}")),
    }
}

/// The 18-character id of the `number`th record under a key prefix.
pub(super) fn numbered(prefix: &str, number: u64) -> String {
    let mut digits = [b'0'; 10];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        let value = usize::try_from(rest % 62).unwrap_or(0);
        *digit = ALPHABET.get(value).copied().unwrap_or(b'0');
        rest /= 62;
    }
    let short = format!("{prefix}{INSTANCE}{}", String::from_utf8_lossy(&digits));
    canonical(&short).unwrap_or(short)
}

fn suffix_of(chunk: &[u8]) -> char {
    let bits = chunk.iter().rev().fold(0_usize, |bits, byte| {
        bits << 1 | usize::from(byte.is_ascii_uppercase())
    });
    char::from(SUFFIX.get(bits).copied().unwrap_or(b'A'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suffix_carries_the_case() {
        let known = "001D000000IqhSLIAZ"; // id and suffix as printed in Salesforce's own guides
        assert_eq!(canonical("001D000000IqhSL").as_deref(), Some(known));
        assert_eq!(canonical(known).as_deref(), Some(known));
        assert_eq!(canonical("001D000000IqhSLIAA"), None);
        assert_eq!(canonical("001D000000IqhS"), None);
        assert_eq!(canonical("001D000000IqhSLI"), None);
        assert_eq!(canonical("001D000000Iqh/L"), None);
    }

    #[test]
    fn numbers_sort_like_ids() {
        let ids: Vec<String> = [1, 9, 10, 61, 62, 5000]
            .into_iter()
            .map(|number| numbered("001", number))
            .collect();
        assert!(ids.is_sorted());
        assert!(ids.iter().all(|id| canonical(id).as_ref() == Some(id)));
        assert_eq!(ids.first().map(String::as_str), Some("001Wg0000000001IAA"));
    }
}
