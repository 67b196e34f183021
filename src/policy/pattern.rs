//! Patterns over names: `*` stands for any run of characters, `A|B` for one of several; compared
//! without case.

use std::collections::HashMap;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    alternatives: Vec<Alternative>,
}

#[derive(Clone, Debug)]
enum Alternative {
    /// A name in lower case.
    Exact(Box<str>),
    /// What stands between the stars, in lower case.
    Glob(Box<[Box<str>]>),
}

impl Pattern {
    /// Compiles `A|B_*`.
    ///
    /// # Errors
    /// An empty alternative.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let alternatives = text
            .split('|')
            .map(|part| Alternative::parse(part.trim()))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| {
                format!("`{text}` has an empty name between its `|`: remove the extra `|`")
            })?;
        Ok(Self { alternatives })
    }

    /// The names that it spells out, in lower case.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.alternatives
            .iter()
            .filter_map(|alternative| match alternative {
                Alternative::Exact(name) => Some(&**name),
                Alternative::Glob(_) => None,
            })
    }

    /// Whether it names `folded`, which is in lower case.
    pub(super) fn matches(&self, folded: &str) -> bool {
        self.alternatives
            .iter()
            .any(|alternative| alternative.matches(folded))
    }
}

impl Alternative {
    fn parse(part: &str) -> Option<Self> {
        if part.is_empty() {
            return None;
        }
        let folded = part.to_ascii_lowercase();
        Some(if folded.contains('*') {
            Self::Glob(folded.split('*').map(Box::from).collect())
        } else {
            Self::Exact(folded.into())
        })
    }

    fn matches(&self, folded: &str) -> bool {
        match self {
            Self::Exact(name) => **name == *folded,
            Self::Glob(parts) => glob(parts, folded),
        }
    }
}

/// Whether `text` starts with the first part, ends with the last and has the others between, in order.
pub(super) fn glob(parts: &[Box<str>], text: &str) -> bool {
    let [first, middle @ .., last] = parts else {
        return parts.first().is_some_and(|part| **part == *text);
    };
    let Some(mut rest) = text
        .strip_prefix(&**first)
        .and_then(|rest| rest.strip_suffix(&**last))
    else {
        return false;
    };
    for part in middle {
        let Some((_, after)) = rest.split_once(&**part) else {
            return false;
        };
        rest = after;
    }
    true
}

/// Many patterns, asked at once: exact names by hash, the rest one after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct NameIndex {
    exact: HashMap<Box<str>, Vec<usize>>,
    globs: Vec<(Box<[Box<str>]>, usize)>,
}

impl NameIndex {
    /// Adds a pattern that stands for `place`.
    pub(super) fn add(&mut self, pattern: &Pattern, place: usize) {
        for alternative in &pattern.alternatives {
            match alternative {
                Alternative::Exact(name) => {
                    self.exact.entry(name.clone()).or_default().push(place);
                }
                Alternative::Glob(parts) => self.globs.push((parts.clone(), place)),
            }
        }
    }

    /// The names that are spelled out, in lower case.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.exact.keys().map(|name| &**name)
    }

    /// The places of all patterns that name `folded`, each once.
    pub(super) fn find(&self, folded: &str) -> Vec<usize> {
        let mut places = self.exact.get(folded).cloned().unwrap_or_default();
        places.extend(
            self.globs
                .iter()
                .filter(|(parts, _)| glob(parts, folded))
                .map(|(_, place)| *place),
        );
        places.sort_unstable();
        places.dedup();
        places
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::parse(pattern)
            .unwrap()
            .matches(&name.to_ascii_lowercase())
    }

    #[test]
    fn names_are_compared_without_case() {
        assert!(matches("Account", "ACCOUNT"));
        assert!(!matches("Account", "Accounts"));
    }

    #[test]
    fn a_star_stands_for_any_run() {
        assert!(matches("*", ""));
        assert!(matches("AI_*__c", "ai_score__C"));
        assert!(matches("AI_*__c", "AI___c"));
        assert!(!matches("AI_*__c", "AI__c"), "the ends may not overlap");
        assert!(matches("a*b*c", "a-b-b-c"));
        assert!(!matches("a*b*c", "a-c-b"));
        assert!(matches("a**c", "abc"));
    }

    #[test]
    fn a_bar_stands_for_one_of_several() {
        assert!(matches("Lead | Contact|Acc*", "contact"));
        assert!(matches("Lead|Contact|Acc*", "Account"));
        assert!(!matches("Lead|Contact", "Lead|Contact"));
        assert!(Pattern::parse("Lead||Contact").is_err());
        assert!(Pattern::parse("").is_err());
    }

    /// The plain definition: a star takes any number of characters.
    fn slow(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|taken| slow(rest, &name[taken..])),
            Some((first, rest)) => name
                .split_first()
                .is_some_and(|(head, tail)| head == first && slow(rest, tail)),
        }
    }

    proptest! {
        #[test]
        fn globs_match_what_their_definition_says(pattern in "[ab*]{1,6}", name in "[ab]{0,8}") {
            prop_assert_eq!(matches(&pattern, &name), slow(pattern.as_bytes(), name.as_bytes()));
        }

        #[test]
        fn an_index_finds_what_the_patterns_match(
            patterns in prop::collection::vec("[ab*]{1,4}(\\|[ab*]{1,4})?", 1..6), name in "[ab]{0,5}",
        ) {
            let mut index = NameIndex::default();
            let patterns: Vec<_> = patterns.iter().map(|text| Pattern::parse(text).unwrap()).collect();
            for (place, pattern) in patterns.iter().enumerate() {
                index.add(pattern, place);
            }
            let expected: Vec<_> = (0..patterns.len()).filter(|at| patterns[*at].matches(&name)).collect();
            prop_assert_eq!(index.find(&name), expected);
        }
    }
}
