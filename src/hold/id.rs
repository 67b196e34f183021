//! Short ids of holds: people type them.

use crate::clock::Entropy;

/// Crockford's base 32: no I, L, O, U.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// As long as an id is at least.
const SHORTEST: usize = 4;
/// The same where other replicas make some too, which are not known in the same moment: one in 2^40
/// of two is the same.
const SHORTEST_OF_MANY: usize = 8;
/// As long as one gets: 2^60 of them.
const LONGEST: usize = 12;

/// An id that is not `taken`: four characters, or more where those are; eight where there are `others`
/// who make some.
pub(super) fn make(
    entropy: &dyn Entropy,
    others: bool,
    taken: impl Fn(&str) -> bool,
) -> Option<String> {
    let shortest = if others { SHORTEST_OF_MANY } else { SHORTEST };
    (shortest..=LONGEST)
        .map(|length| drawn(entropy, length))
        .find(|id| !taken(id))
}

fn drawn(entropy: &dyn Entropy, length: usize) -> String {
    let mut bytes = vec![0; length];
    entropy.fill(&mut bytes);
    bytes
        .iter()
        .map(|byte| {
            let letter = LETTERS.get(usize::from(byte & 31)).copied();
            char::from(letter.unwrap_or(b'0'))
        })
        .collect()
}

/// An id as a person may type it: `7kq2`, `7KQ2`, an O for a zero, an I or L for a one.
pub(super) fn read(text: &str) -> String {
    text.trim()
        .chars()
        .map(|letter| match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Zeros;
    impl Entropy for Zeros {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    #[test]
    fn a_taken_id_makes_a_longer_one() {
        let make = |others, taken: fn(&str) -> bool| make(&Zeros, others, taken);
        assert_eq!(make(false, |_| false).as_deref(), Some("0000"));
        assert_eq!(make(false, |id| id.len() < 6).as_deref(), Some("000000"));
        assert_eq!(make(true, |_| false).as_deref(), Some("00000000"));
        assert_eq!(make(false, |_| true), None);
    }

    #[test]
    fn what_people_mistype_is_understood() {
        assert_eq!(read(" 7kqo "), "7KQ0");
        assert_eq!(read("il0"), "110");
    }
}
