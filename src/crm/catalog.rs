//! What an org has beyond the built-in types: extended by cached reads. One for each route.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::mutation::CrmKind;

/// What was learned of one org. Standard types are built into `salesforce::types` and
/// `hubspot::types` and cannot be overridden.
#[derive(Debug)]
pub struct Catalog {
    kind: CrmKind,
    properties: RwLock<HashMap<String, Arc<[String]>>>,
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

    /// The names of all fields of an object, once they were read.
    #[must_use]
    pub fn properties(&self, object: &str) -> Option<Arc<[String]>> {
        self.properties.read().get(object).cloned()
    }

    /// Remembers the names of all fields of an object.
    pub fn learn_properties(&self, object: &str, names: Vec<String>) {
        self.properties
            .write()
            .insert(object.to_owned(), names.into());
    }
}
