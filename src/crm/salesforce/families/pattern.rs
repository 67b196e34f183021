//! Patterns of paths: `*` is one segment, `**` the rest, `~Word` a name (compared without case), `@secret`
//! an object that holds secrets, all else a fixed word.

use super::secrets::is_secret;

/// How well a path fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::crm::salesforce) enum Fit {
    /// As it is documented.
    Exact,
    /// But for the case of fixed words: nobody knows what the server makes of it.
    Loose,
}

/// Whether a path fits a pattern.
pub(in crate::crm::salesforce) fn fits(pattern: &str, path: &[&str]) -> Option<Fit> {
    let mut given = path.iter();
    let mut fit = Fit::Exact;
    for word in pattern.split('/').filter(|word| !word.is_empty()) {
        if word == "**" {
            return Some(fit);
        }
        let segment = given.next()?;
        match word.strip_prefix('~') {
            _ if word == "*" => {}
            _ if word == "@secret" && is_secret(segment) => {}
            _ if word == "@secret" => return None,
            Some(name) if name.eq_ignore_ascii_case(segment) => {}
            Some(_) => return None,
            None if word == *segment => {}
            None if word.eq_ignore_ascii_case(segment) => fit = Fit::Loose,
            None => return None,
        }
    }
    given.next().is_none().then_some(fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_fit_one_by_one() {
        for (pattern, path, fit) in [
            ("a/*/c", &["a", "b", "c"][..], Some(Fit::Exact)),
            ("a/*/c", &["A", "b", "c"], Some(Fit::Loose)),
            ("a/*/c", &["a", "c"], None),
            ("a/*", &["a", "b", "c"], None),
            ("a/**", &["a", "b", "c"], Some(Fit::Exact)),
            ("a/**", &["a"], Some(Fit::Exact)),
            ("~User/x", &["user", "x"], Some(Fit::Exact)),
            ("~User/x", &["user", "X"], Some(Fit::Loose)),
            ("~User/x", &["users", "x"], None),
            ("@secret", &["NAMEDcredential"], Some(Fit::Exact)),
            ("@secret", &["Account"], None),
        ] {
            assert_eq!(fits(pattern, path), fit, "{pattern} {path:?}");
        }
    }
}
