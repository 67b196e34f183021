//! What an org tells of its own object types and of the relationships of any. Types are facts of the org;
//! what was not found is not there for the credential that looked, and for nobody else.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::RwLock;

use super::{FRESH, Sender};

/// One of the org's own object types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnType {
    /// Its name, as the org spells it.
    pub name: String,
    /// The first three characters of its records' ids.
    pub prefix: String,
}

/// A relationship that leads from a record to another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its name: `Account`, `Parent__r`.
    pub name: String,
    /// The objects that it can lead to.
    pub to: Vec<String>,
}

/// A relationship that leads to the records that name this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// Its name: `Contacts`, `Parts__r`.
    pub name: String,
    /// Their object.
    pub object: String,
    /// Their field that names this record.
    pub field: String,
}

/// The relationships of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relations {
    /// To other records.
    pub parents: Vec<Parent>,
    /// From other records.
    pub children: Vec<Child>,
}

/// The org's own types, by their names in lower case and by their prefixes.
#[derive(Debug, Default)]
pub struct OwnTypes {
    names: HashMap<String, OwnType>,
    prefixes: HashMap<String, String>,
}

impl OwnTypes {
    /// The type of this name, without case.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&OwnType> {
        self.names.get(&name.to_ascii_lowercase())
    }

    /// The one type whose ids begin like this.
    #[must_use]
    pub fn by_prefix(&self, prefix: &str) -> Option<&OwnType> {
        self.names.get(self.prefixes.get(prefix)?)
    }
}

/// What was read, and when by whom: the key is what was read (an object in lower case, empty for the list
/// of all) and the credential.
#[derive(Debug, Default)]
pub(super) struct Own {
    types: RwLock<Arc<OwnTypes>>,
    relations: RwLock<HashMap<(String, u64), Arc<Relations>>>,
    reads: RwLock<HashMap<(String, u64), Timestamp>>,
    keyed: RandomState,
}

impl Own {
    pub(super) fn types(&self) -> Arc<OwnTypes> {
        Arc::clone(&self.types.read())
    }

    /// A sender as a key: not to be read back.
    pub(super) fn who(&self, sender: Sender<'_>) -> u64 {
        self.keyed.hash_one(sender)
    }

    pub(super) fn relations(&self, object: &str, who: u64) -> Option<Arc<Relations>> {
        let relations = self.relations.read();
        relations.get(&(object.to_ascii_lowercase(), who)).cloned()
    }

    pub(super) fn was_read(&self, what: &str, who: u64, now: Timestamp) -> bool {
        let reads = self.reads.read();
        let at = reads.get(&(what.to_ascii_lowercase(), who));
        at.is_some_and(|at| now.duration_since(*at).abs() < FRESH)
    }

    /// A type that is told again is told anew; one that this credential does not see stays.
    pub(super) fn learn_types(&self, told: Vec<OwnType>, who: u64, now: Timestamp) {
        let mut types = self.types.write();
        let mut names = types.names.clone();
        names.extend(
            told.into_iter()
                .map(|own| (own.name.to_ascii_lowercase(), own)),
        );
        let mut prefixes: HashMap<String, Option<String>> = HashMap::new();
        for (name, own) in &names {
            // a prefix that stands for two types stands for none
            prefixes
                .entry(own.prefix.clone())
                .and_modify(|known| *known = None)
                .or_insert_with(|| Some(name.clone()));
        }
        let prefixes = prefixes
            .into_iter()
            .filter_map(|(prefix, name)| Some((prefix, name?)))
            .collect();
        *types = Arc::new(OwnTypes { names, prefixes });
        drop(types);
        self.note(String::new(), who, now);
    }

    pub(super) fn learn_relations(
        &self,
        object: &str,
        relations: Relations,
        who: u64,
        now: Timestamp,
    ) {
        let what = object.to_ascii_lowercase();
        // held over both, in the order of `expire`: what is there and not noted is forgotten by it
        let mut reads = self.reads.write();
        let known = (what.clone(), who);
        self.relations.write().insert(known, Arc::new(relations));
        reads.insert((what, who), now);
    }

    fn note(&self, what: String, who: u64, now: Timestamp) {
        self.reads.write().insert((what, who), now);
    }

    /// Forgets relationships that were read too long ago, and credentials that are not seen any more.
    pub(super) fn expire(&self, now: Timestamp) {
        let stale = |at: &Timestamp| now.duration_since(*at).abs() >= FRESH;
        if !self.reads.read().values().any(stale) {
            return;
        }
        let mut reads = self.reads.write();
        reads.retain(|_, at| !stale(at));
        self.relations
            .write()
            .retain(|known, _| reads.contains_key(known));
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn by(credential: &[u8]) -> Sender<'_> {
        let service_account = "agent";
        Sender {
            service_account,
            credential,
        }
    }

    fn own(name: &str, prefix: &str) -> OwnType {
        let (name, prefix) = (name.to_owned(), prefix.to_owned());
        OwnType { name, prefix }
    }

    #[test]
    fn types_are_known_to_all_and_what_is_not_there_to_one() {
        let (known, now) = (Own::default(), Timestamp::UNIX_EPOCH);
        let (one, other) = (known.who(by(b"one")), known.who(by(b"other")));
        known.learn_types(vec![own("A__c", "a00"), own("B__c", "a0b")], one, now);
        assert!(known.was_read("", one, now) && !known.was_read("", other, now));
        known.learn_types(vec![own("C__c", "a0B")], other, now);
        let types = known.types();
        for (name, prefix) in [("a__C", "a00"), ("B__c", "a0b"), ("C__c", "a0B")] {
            let found = types.by_name(name).unwrap();
            assert_eq!(Some(found), types.by_prefix(prefix), "{name}");
        }
        // made anew, with ids of its own
        known.learn_types(vec![own("A__c", "a0Z")], one, now);
        assert_eq!(known.types().by_prefix("a00"), None);
        known.learn_types(vec![own("D__c", "a0Z")], one, now);
        assert_eq!(known.types().by_prefix("a0Z"), None);
    }

    #[test]
    fn relationships_are_known_for_ten_minutes_to_who_read_them() {
        let (known, read) = (Own::default(), Timestamp::UNIX_EPOCH);
        let after = |seconds| read + SignedDuration::from_secs(seconds);
        let (one, other) = (known.who(by(b"one")), known.who(by(b"other")));
        known.learn_relations("Account", Relations::default(), one, read);
        known.expire(after(599));
        assert!(known.relations("ACCOUNT", one).is_some());
        assert!(known.relations("Account", other).is_none());
        assert!(known.was_read("account", one, after(599)));
        assert!(!known.was_read("account", one, after(600)));
        known.expire(after(600));
        assert!(known.relations("Account", one).is_none());
    }

    #[test]
    fn what_was_just_learned_is_not_forgotten_with_what_is_old() {
        let (known, old) = (Own::default(), Timestamp::UNIX_EPOCH);
        let now = old + FRESH;
        std::thread::scope(|scope| {
            let learning = scope.spawn(|| {
                for who in 0..20_000 {
                    known.learn_relations("Account", Relations::default(), who, now);
                    assert!(known.relations("Account", who).is_some(), "{who}");
                }
            });
            while !learning.is_finished() {
                known.learn_types(Vec::new(), u64::MAX, old);
                known.expire(now);
            }
        });
    }
}
