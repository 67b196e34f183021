//! The field ownership matrix: rows of words for service accounts, by object, operation and field.

use crate::mutation::{CrmKind, Effect, Operation};

use super::pattern::NameIndex;
use super::reserve::Reserve;
use super::rule::Rule;
use crate::mutation::Limit;

/// A word of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// `allow`, `hold`, `deny`
    Is(Effect),
    /// `fill-else-hold`, `fill-else-deny`: allow where the prior value is blank or equals the new one.
    FillElse(Effect),
}

impl Word {
    /// All words, as they stand in rule files.
    pub(super) const ALL: [(&'static str, Self); 5] = [
        ("allow", Self::Is(Effect::Allow)),
        ("hold", Self::Is(Effect::Hold)),
        ("deny", Self::Is(Effect::Deny)),
        ("fill-else-hold", Self::FillElse(Effect::Hold)),
        ("fill-else-deny", Self::FillElse(Effect::Deny)),
    ];

    /// What it says where there is no prior value to look at: its else.
    pub(super) fn without_prior(self) -> Effect {
        match self {
            Self::Is(effect) | Self::FillElse(effect) => effect,
        }
    }
}

/// A row: one word for everybody, or words for service accounts.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) everybody: Option<Word>,
    pub(super) agents: Option<Word>,
    pub(super) named: Vec<(String, Word)>,
    pub(super) owner: Option<String>,
    pub(super) note: Option<String>,
}

impl Row {
    /// Every word that it has for anybody.
    pub(super) fn words(&self) -> impl Iterator<Item = Word> + '_ {
        let named = self.named.iter().map(|(_, word)| *word);
        self.everybody.into_iter().chain(self.agents).chain(named)
    }

    /// Whether it denies everybody.
    pub(super) fn denies(&self) -> bool {
        self.words().all(|word| word == Word::Is(Effect::Deny))
    }

    /// The service account's own word, else that of `agents`, else deny.
    pub(super) fn word(&self, service_account: &str) -> Word {
        self.named
            .iter()
            .find(|(name, _)| name == service_account)
            .map(|(_, word)| *word)
            .or(self.agents)
            .or(self.everybody)
            .unwrap_or(Word::Is(Effect::Deny))
    }
}

/// What a file says of the objects that a key names.
#[derive(Clone, Debug, Default)]
pub(super) struct ObjectRows {
    pub(super) operations: Vec<(Operation, Row)>,
    pub(super) fields: Vec<Row>,
    pub(super) field_index: NameIndex,
    pub(super) default: Option<Row>,
}

/// An `endpoints` row.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub(super) method: String,
    pub(super) segments: Vec<Segment>,
    pub(super) row: Row,
}

/// A segment of an endpoint's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// This text.
    Text(String),
    /// `*`: any one segment.
    One,
    /// `**`: the rest, of at least one segment.
    Rest,
}

impl Endpoint {
    /// What it says of a request; `None` where it does not name it. A row loosens exactly what it
    /// spells; it tightens other spellings of the path as well, since the CRM may take them for the
    /// same.
    pub(super) fn effect(&self, method: &str, path: &str, service_account: &str) -> Option<Effect> {
        if self.method != method {
            return None;
        }
        let effect = self.row.word(service_account).without_prior();
        let named = match effect {
            Effect::Allow => self.names(path, |a, b| a == b),
            Effect::Hold | Effect::Deny => self.names(path, str::eq_ignore_ascii_case),
        };
        named.then_some(effect)
    }

    fn names(&self, path: &str, same: impl Fn(&str, &str) -> bool) -> bool {
        let Some(path) = path.strip_prefix('/') else {
            return false;
        };
        let mut parts = path.split('/');
        for segment in &self.segments {
            let part = parts.next();
            let fits = match (segment, part) {
                (Segment::Rest, Some(_)) => return true,
                (Segment::One, Some(part)) => !part.is_empty(),
                (Segment::Text(text), Some(part)) => same(text, part),
                (_, None) => false,
            };
            if !fits {
                return false;
            }
        }
        parts.next().is_none()
    }
}

/// One compiled rule file.
#[derive(Clone, Debug)]
pub(super) struct RuleFile {
    /// Its name, without folder.
    pub(super) name: String,
    pub(super) crm: CrmKind,
    /// Empty: every route of the CRM.
    pub(super) routes: Vec<String>,
    pub(super) default: Option<Row>,
    pub(super) objects: Vec<ObjectRows>,
    pub(super) object_index: NameIndex,
    pub(super) rules: Vec<Rule>,
    pub(super) endpoints: Vec<(String, Endpoint)>,
    pub(super) limits: Vec<Limit>,
    pub(super) reserves: Vec<Reserve>,
    /// The limits that only observe.
    pub(super) observing: Vec<String>,
}

impl RuleFile {
    /// Whether it speaks for a route.
    pub(super) fn speaks_for(&self, crm: CrmKind, route: &str) -> bool {
        self.crm == crm && (self.routes.is_empty() || self.routes.iter().any(|name| name == route))
    }

    /// What it says of an object, whose name is in lower case.
    pub(super) fn rows<'f>(&'f self, folded: &str) -> impl Iterator<Item = &'f ObjectRows> {
        self.object_index
            .find(folded)
            .into_iter()
            .filter_map(|place| self.objects.get(place))
    }
}
