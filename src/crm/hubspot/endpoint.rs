//! A HubSpot path without its version: the version token has no fixed place (`/crm/v3/objects`,
//! `/crm/objects/v3`, `/crm/objects/2026-03` are one API), so it is taken out and the rest looked up.

use crate::crm::path::CanonicalPath;

/// A path taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint<'a> {
    /// `v3`, `2026-03`, `2026-09-beta`.
    pub(super) version: &'a str,
    /// Which segment it was, from 0.
    pub(super) version_at: usize,
    /// The other segments.
    pub(super) words: Vec<&'a str>,
}

impl<'a> Endpoint<'a> {
    /// Takes the one version token out of a path.
    ///
    /// # Errors
    /// What is wrong, for people: no token, or more than one.
    pub(super) fn of(path: &'a CanonicalPath) -> Result<Self, String> {
        let segments = || path.segments().iter().map(String::as_str);
        let mut versions = segments()
            .enumerate()
            .filter(|(_, segment)| is_version(segment));
        let Some((version_at, version)) = versions.next() else {
            return Err("its path has no API version".into());
        };
        if versions.next().is_some() {
            return Err("its path has two segments that look like an API version".into());
        }
        Ok(Self {
            version,
            version_at,
            words: Self::words_of(path),
        })
    }

    /// The segments that are no version token, however many tokens there are.
    pub(super) fn words_of(path: &'a CanonicalPath) -> Vec<&'a str> {
        let segments = path.segments().iter().map(String::as_str);
        segments.filter(|segment| !is_version(segment)).collect()
    }

    /// Whether the objects API has this version here: only v3 and dates are described, and they stand
    /// before the type.
    pub(super) fn has_objects(&self) -> bool {
        (self.version == "v3" || self.is_dated()) && (1..=2).contains(&self.version_at)
    }

    /// Whether the version is a date.
    pub(super) fn is_dated(&self) -> bool {
        is_dated(self.version)
    }
}

/// `v` and digits, or `YYYY-MM` with an optional `-beta` (HubSpot's versioning page). New ones appear
/// every March and September, so the list is open.
fn is_version(segment: &str) -> bool {
    let numbered = segment
        .strip_prefix('v')
        .is_some_and(|digits| !digits.is_empty() && all_digits(digits));
    numbered || is_dated(segment)
}

fn is_dated(segment: &str) -> bool {
    let date = segment.strip_suffix("-beta").unwrap_or(segment);
    date.split_once('-').is_some_and(|(year, month)| {
        year.len() == 4 && month.len() == 2 && all_digits(year) && all_digits(month)
    })
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(path: &str) -> Result<(String, usize, String), String> {
        let path = CanonicalPath::parse(path).unwrap();
        let endpoint = Endpoint::of(&path)?;
        Ok((
            endpoint.version.to_owned(),
            endpoint.version_at,
            endpoint.words.join(" "),
        ))
    }

    #[test]
    fn the_version_is_taken_out_wherever_it_stands() {
        for (path, version, at) in [
            ("/crm/v3/objects/contacts", "v3", 1),
            ("/crm/objects/v3/contacts/", "v3", 2),
            ("/crm/objects/2026-03/contacts", "2026-03", 2),
            ("/crm/objects/2026-09-beta/contacts", "2026-09-beta", 2),
        ] {
            assert_eq!(
                words(path),
                Ok((version.into(), at, "crm objects contacts".into()))
            );
        }
    }

    #[test]
    fn none_or_two_versions_are_no_endpoint() {
        for path in [
            "/crm/objects/contacts",
            "/crm/V3/objects",
            "/crm/v/objects",
            "/crm/2026-3/objects",
            "/crm/2026-03-alpha/objects",
            "/crm/v3/objects/v3/contacts",
            "/crm/v3/objects/contacts/2026-03",
            "/",
        ] {
            assert!(words(path).is_err(), "{path}");
        }
    }
}
