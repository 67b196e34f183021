//! What an org has beyond the built-in types: extended by cached reads. One for each route.

mod own;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parking_lot::RwLock;

use crate::mutation::CrmKind;
use own::Own;

pub use own::{Child, OwnType, OwnTypes, Parent, Relations};

/// How long a list of fields is used. A field that is made later is missing from snapshots until then.
const FRESH: SignedDuration = SignedDuration::from_mins(10);

/// The names of an object's fields, and when they were read.
type Learned = (Timestamp, Arc<[String]>);

/// The names of the org's own object types, each in lower case with the one that rules say, and when
/// they were read.
type Types = (Timestamp, Arc<HashMap<String, String>>);

/// Who asks the CRM, as far as it decides what is shown to it: wherever in the request its credential stands.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Sender<'a> {
    /// The service account; empty: nobody known.
    pub service_account: &'a str,
    /// Its own credential; empty where it has none: then the proxy's own for it goes upstream.
    pub credential: &'a [u8],
}

impl fmt::Debug for Sender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.service_account)
    }
}

/// What was learned of one org. Standard types are built into `salesforce::types` and
/// `hubspot::types` and cannot be overridden.
#[derive(Debug)]
pub struct Catalog {
    kind: CrmKind,
    properties: RwLock<HashMap<String, Learned>>,
    types: RwLock<Option<Types>>,
    own: Own,
}

impl Catalog {
    /// A catalog that knows the built-in types only.
    #[must_use]
    pub fn builtin(kind: CrmKind) -> Self {
        Self {
            kind,
            properties: RwLock::default(),
            types: RwLock::default(),
            own: Own::default(),
        }
    }

    /// Whose catalog it is.
    #[must_use]
    pub fn kind(&self) -> CrmKind {
        self.kind
    }

    /// The org's own types, as far as they were read.
    #[must_use]
    pub fn own_types(&self) -> Arc<OwnTypes> {
        self.own.types()
    }

    /// A sender as a key for what it was shown.
    #[must_use]
    pub fn who(&self, sender: Sender<'_>) -> u64 {
        self.own.who(sender)
    }

    /// The relationships of an object that a credential was shown.
    #[must_use]
    pub fn relations(&self, object: &str, who: u64) -> Option<Arc<Relations>> {
        self.own.relations(object, who)
    }

    /// Whether a credential read this in the last ten minutes: an object, or the list of all where it is
    /// empty. What is missing then is not there for it.
    #[must_use]
    pub fn was_read(&self, what: &str, who: u64, now: Timestamp) -> bool {
        self.own.was_read(what, who, now)
    }

    /// Remembers the org's own types, as a credential was shown them.
    pub fn learn_own_types(&self, types: Vec<OwnType>, who: u64, now: Timestamp) {
        self.own.learn_types(types, who, now);
    }

    /// Remembers the relationships of an object, as a credential was shown them.
    pub fn learn_relations(&self, object: &str, relations: Relations, who: u64, now: Timestamp) {
        self.own.learn_relations(object, relations, who, now);
    }

    /// Forgets what is too old to be relied on.
    pub fn expire(&self, now: Timestamp) {
        self.own.expire(now);
    }

    /// The names of all fields of an object, where they were read in the last ten minutes.
    #[must_use]
    pub fn properties(&self, object: &str, now: Timestamp) -> Option<Arc<[String]>> {
        let properties = self.properties.read();
        let (at, names) = properties.get(object)?;
        // a clock that went back makes nothing fresh for longer
        (now.duration_since(*at).abs() < FRESH).then(|| Arc::clone(names))
    }

    /// Remembers the names of all fields of an object, read now.
    pub fn learn_properties(&self, object: &str, names: Vec<String>, now: Timestamp) {
        self.properties
            .write()
            .insert(object.to_owned(), (now, names.into()));
    }

    /// The name that rules say for one of the org's own types, by any of its names.
    #[must_use]
    pub fn type_name(&self, alias: &str) -> Option<String> {
        let types = self.types.read();
        let (_, names) = types.as_ref()?;
        names.get(&alias.to_ascii_lowercase()).cloned()
    }

    /// Whether the org's own types were read in the last ten minutes: what is missing then is not there.
    #[must_use]
    pub fn knows_types(&self, now: Timestamp) -> bool {
        let types = self.types.read();
        let read = types.as_ref().map(|(at, _)| *at);
        read.is_some_and(|at| now.duration_since(at).abs() < FRESH)
    }

    /// Remembers the org's own types: each name in lower case, and the one that rules say. A name that
    /// stands for two of them stands for none.
    pub fn learn_types(&self, names: Vec<(String, String)>, now: Timestamp) {
        let mut types: HashMap<String, Option<String>> = HashMap::new();
        for (alias, name) in names {
            types
                .entry(alias.to_ascii_lowercase())
                .and_modify(|known| {
                    if known.as_ref() != Some(&name) {
                        *known = None;
                    }
                })
                .or_insert_with(|| Some(name.clone()));
        }
        let types = types
            .into_iter()
            .filter_map(|(alias, name)| Some((alias, name?)));
        *self.types.write() = Some((now, Arc::new(types.collect())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_stands_for_two_types_stands_for_none() {
        let catalog = Catalog::builtin(CrmKind::HubSpot);
        let now = Timestamp::UNIX_EPOCH;
        assert!(!catalog.knows_types(now));
        let names = [("2-1", "p_a"), ("P_A", "p_a"), ("x", "p_a"), ("X", "p_b")];
        let names = names.map(|(alias, name)| (alias.to_owned(), name.to_owned()));
        catalog.learn_types(names.to_vec(), now);
        assert_eq!(catalog.type_name("2-1").as_deref(), Some("p_a"));
        assert_eq!(catalog.type_name("p_A").as_deref(), Some("p_a"));
        assert_eq!(catalog.type_name("x"), None);
        assert!(catalog.knows_types(now + SignedDuration::from_secs(599)));
        assert!(!catalog.knows_types(now + SignedDuration::from_secs(600)));
    }

    #[test]
    fn a_list_of_fields_is_used_for_ten_minutes() {
        let catalog = Catalog::builtin(CrmKind::HubSpot);
        let learned = Timestamp::UNIX_EPOCH;
        let after = |seconds| learned + SignedDuration::from_secs(seconds);
        assert_eq!(catalog.properties("contacts", learned), None);
        catalog.learn_properties("contacts", vec!["phone".into()], learned);
        assert!(catalog.properties("contacts", after(599)).is_some());
        assert_eq!(catalog.properties("contacts", after(600)), None);
        assert_eq!(catalog.properties("contacts", after(-600)), None);
        assert_eq!(catalog.properties("deals", learned), None);
        catalog.learn_properties("contacts", vec!["tier".into()], after(600));
        assert_eq!(
            catalog.properties("contacts", after(601)).as_deref(),
            Some(&["tier".to_owned()][..])
        );
    }
}
