//! Whether two names are one person's. It is said rather once too often: whoever stands behind a request
//! does not decide it, under whatever name.

/// Whether a text that people or agents write (`Kim Osei <kim@acme.com>`, `lee, kim`, `user:kim`) names
/// this operator.
#[must_use]
pub fn names(text: &str, operator: &str) -> bool {
    let mut parts = text.split(|letter| !is_of_name(letter));
    same(text, operator) || parts.any(|part| !part.is_empty() && same(part, operator))
}

/// Whether two names are one person's: without case, white space and what is not seen; `dana` is
/// `dana@acme.com`, and so is `dana+crm@acme.com`.
#[must_use]
pub fn same(a: &str, b: &str) -> bool {
    let (a, b) = (folded(a), folded(b));
    let ((a, at_a), (b, at_b)) = (split(&a), split(&b));
    let elsewhere = at_a.zip(at_b).is_some_and(|(one, other)| one != other);
    !a.is_empty() && a == b && !elsewhere
}

/// The mailbox without its tag, and the domain of an address.
fn split(folded: &str) -> (&str, Option<&str>) {
    match folded.split_once('@') {
        Some((mailbox, domain)) => (mailbox.split('+').next().unwrap_or(mailbox), Some(domain)),
        None => (folded, None),
    }
}

fn folded(text: &str) -> String {
    let letters: String = text
        .chars()
        .filter(|letter| is_of_name(*letter))
        .flat_map(char::to_lowercase)
        .collect();
    let ends = |letter: char| "@._-+'".contains(letter);
    letters.trim_matches(ends).to_owned()
}

fn is_of_name(letter: char) -> bool {
    letter.is_alphanumeric() || "@._-+'".contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_the_same_in_any_spelling() {
        for (a, b) in [
            ("kim", "Kim"),
            (" kim ", "kim"),
            ("KIM@acme.com", "kim"),
            ("k im", "kim"),
            ("k\u{200b}im", "kim"),
            ("kim+agents@acme.com", "kim"),
            ("kim+agents@acme.com", "Kim@ACME.com"),
            ("@kim", "kim"),
            ("kim.", "kim"),
        ] {
            assert!(same(a, b) && same(b, a), "{a} {b}");
        }
        for (a, b) in [
            ("kim@a.com", "kim@b.com"),
            ("kim", "kimberly"),
            ("kim.osei", "kim"),
            ("", ""),
            ("@", "@"),
            ("+a@b.c", "+d@b.c"),
        ] {
            assert!(!same(a, b), "{a} {b}");
        }
    }

    #[test]
    fn a_person_is_found_in_a_text() {
        for text in [
            "kim",
            "Kim Osei <kim.osei@acme.com>",
            "Osei, Kim",
            "lee, kim",
            "lee/kim",
            "lee and kim",
            "user:kim",
            "mailto:kim@acme.com",
            "https://crm/users/kim",
            "ACME\\kim",
            "cn=kim,ou=sales",
            "kim (Sales Ops)",
        ] {
            assert!(names(text, "kim"), "{text}");
        }
        for text in ["", " ", "lee", "kimberly", "a kim-like person", ","] {
            assert!(!names(text, "kim"), "{text}");
        }
    }
}
