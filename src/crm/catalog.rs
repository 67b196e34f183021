//! What an org has beyond the built-in types: extended by cached reads. One for each route.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parking_lot::RwLock;

use crate::mutation::CrmKind;

/// How long a list of fields is used. A field that is made later is missing from snapshots until then.
const FRESH: SignedDuration = SignedDuration::from_mins(10);

/// The names of an object's fields, and when they were read.
type Learned = (Timestamp, Arc<[String]>);

/// What was learned of one org. Standard types are built into `salesforce::types` and
/// `hubspot::types` and cannot be overridden.
#[derive(Debug)]
pub struct Catalog {
    kind: CrmKind,
    properties: RwLock<HashMap<String, Learned>>,
}

impl Catalog {
    /// A catalog that knows the built-in types only.
    #[must_use]
    pub fn builtin(kind: CrmKind) -> Self {
        Self {
            kind,
            properties: RwLock::default(),
        }
    }

    /// Whose catalog it is.
    #[must_use]
    pub fn kind(&self) -> CrmKind {
        self.kind
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
}

#[cfg(test)]
mod tests {
    use super::*;

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
