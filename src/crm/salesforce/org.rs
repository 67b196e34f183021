//! The types of one org: the built-in ones, which nothing overrides, and its own as far as they were read
//! (REST API Developer Guide, Describe Global, sObject Describe). Notes what is lacking for a reading.

use std::cell::{OnceCell, RefCell};
use std::sync::Arc;

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::Value;

use super::body::Refused;
use super::inverse;
use super::types::{self, Type};
use crate::crm::catalog::{Catalog, Child, OwnType, OwnTypes, Parent, Relations, Sender};
use crate::crm::{Head, PriorFailure, ReadCall, json};
use crate::mutation::same_name;

/// The word at the end of the read that tells an object's relationships.
const DESCRIBE: &str = "/describe";

/// The types of an org, for one request.
pub(super) struct Org<'c> {
    catalog: &'c Catalog,
    sender: Sender<'c>,
    own: OnceCell<Arc<OwnTypes>>,
    who: OnceCell<u64>,
    /// What the reading rests on: objects whose relationships count, and the list of all types where one
    /// is empty.
    rests_on: RefCell<Vec<String>>,
}

impl<'c> Org<'c> {
    /// The org as the sender of this request sees it.
    pub(super) fn of(catalog: &'c Catalog, head: &Head<'c>) -> Self {
        Self {
            catalog,
            sender: head.sender,
            own: OnceCell::new(),
            who: OnceCell::new(),
            rests_on: RefCell::default(),
        }
    }

    /// The type of this name, without case.
    pub(super) fn by_name(&self, name: &str) -> Option<Type<'_>> {
        if let Some(known) = types::by_name(name) {
            return Some(*known);
        }
        if !types::is_own(name) {
            return None;
        }
        self.rests_on("");
        self.own().by_name(name).map(types::own)
    }

    /// The same, or why there is none.
    pub(super) fn named(&self, name: &str) -> Result<Type<'_>, Refused> {
        self.by_name(name)
            .ok_or_else(|| Refused::Opaque(types::unknown(name)))
    }

    /// The one type whose ids begin like this one.
    pub(super) fn by_id(&self, id: &str) -> Option<Type<'_>> {
        if let Some(known) = types::by_id(id) {
            return Some(*known);
        }
        if !types::is_own_id(id) {
            return None;
        }
        self.rests_on("");
        let own = self.own().by_prefix(id.get(..3)?)?;
        Some(types::own(own))
    }

    /// The one object that a relationship leads to.
    pub(super) fn parent(&self, object: &str, relationship: &str) -> Option<Type<'_>> {
        let relations = self.relations(object)?;
        let parent = relations
            .parents
            .iter()
            .find(|parent| same_name(&parent.name, relationship))?;
        match parent.to.as_slice() {
            [only] => self.by_name(only),
            _ => None,
        }
    }

    /// The children that a relationship leads to.
    pub(super) fn child(&self, object: &str, relationship: &str) -> Option<Child> {
        let relations = self.relations(object)?;
        let mut found = relations
            .children
            .iter()
            .filter(|child| same_name(&child.name, relationship));
        match (found.next(), found.next()) {
            (Some(only), None) => Some(only.clone()),
            _ => None,
        }
    }

    fn relations(&self, object: &str) -> Option<Arc<Relations>> {
        self.rests_on(object);
        self.catalog.relations(object, self.who())
    }

    fn own(&self) -> &OwnTypes {
        self.own.get_or_init(|| self.catalog.own_types())
    }

    fn who(&self) -> u64 {
        *self.who.get_or_init(|| self.catalog.who(self.sender))
    }

    fn rests_on(&self, what: &str) {
        let mut all = self.rests_on.borrow_mut();
        if !all.iter().any(|known| same_name(known, what)) {
            all.push(what.to_owned());
        }
    }

    /// The first of what the reading rests on that this credential was not shown lately.
    pub(super) fn lacks(&self, now: Timestamp) -> Option<String> {
        let all = self.rests_on.borrow();
        let old = |what: &&String| !self.catalog.was_read(what, self.who(), now);
        all.iter().find(old).cloned()
    }
}

/// The read of what is lacking: in the write's own version.
pub(super) fn read(head: &Head<'_>, what: &str) -> ReadCall {
    let version = inverse::api(head.path);
    let target = match what {
        "" => format!("/services/data/{version}/sobjects"),
        object => format!("/services/data/{version}/sobjects/{object}{DESCRIBE}"),
    };
    ReadCall {
        method: Method::GET,
        target,
        body: None,
        covers: Vec::new(),
    }
}

/// Reads the answer to such a read into the catalog.
///
/// # Errors
/// [`PriorFailure`] when it does not tell what it was asked for.
pub(in crate::crm) fn learn(
    call: &ReadCall,
    head: &Head<'_>,
    (status, body): (StatusCode, &[u8]),
    catalog: &Catalog,
    now: Timestamp,
) -> Result<(), PriorFailure> {
    let answer = json::parse_answer(body);
    match status.as_u16() {
        200 => {}
        400 | 401 | 404 | 429 => return Err(PriorFailure::PassOn),
        403 if answer.as_ref().is_ok_and(is_spent) => return Err(PriorFailure::PassOn),
        other => return Err(failed(&format!("it was answered with {other}"))),
    }
    let answer = answer.map_err(|malformed| failed(&malformed.0))?;
    let who = catalog.who(head.sender);
    match call.target.strip_suffix(DESCRIBE) {
        None => {
            let types = own_types(&answer).ok_or_else(|| failed("it tells no objects"))?;
            catalog.learn_own_types(types, who, now);
        }
        Some(row) => {
            let object = row.rsplit('/').next().unwrap_or_default();
            let relations = relations(&answer).ok_or_else(|| failed("it tells no fields"))?;
            catalog.learn_relations(object, relations, who, now);
        }
    }
    Ok(())
}

fn failed(what: &str) -> PriorFailure {
    PriorFailure::Failed(format!("the read of the org's objects: {what}"))
}

/// Whether the org's calls of the day are used up.
fn is_spent(errors: &Value) -> bool {
    let code = errors.get(0).and_then(|error| error.get("errorCode"));
    code.and_then(Value::as_str) == Some("REQUEST_LIMIT_EXCEEDED")
}

/// Custom objects whose ids have a prefix of their own. What looks like a built-in type is none of them.
fn own_types(answer: &Value) -> Option<Vec<OwnType>> {
    let objects = answer.get("sobjects")?.as_array()?;
    let own = objects.iter().filter_map(|object| {
        let text = |member: &str| object.get(member).and_then(Value::as_str);
        let (name, prefix) = (text("name")?, text("keyPrefix")?);
        let fits = prefix.len() == 3
            && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && types::is_own_id(prefix);
        (types::is_own(name) && fits).then(|| OwnType {
            name: name.to_owned(),
            prefix: prefix.to_owned(),
        })
    });
    Some(own.collect())
}

fn relations(answer: &Value) -> Option<Relations> {
    let list = |member: &str| answer.get(member).and_then(Value::as_array);
    let text = |value: &Value, member: &str| value.get(member)?.as_str().map(str::to_owned);
    let parents = list("fields")?.iter().filter_map(|field| {
        let to = field.get("referenceTo")?.as_array()?;
        Some(Parent {
            name: text(field, "relationshipName")?,
            to: to
                .iter()
                .filter_map(|object| object.as_str().map(str::to_owned))
                .collect(),
        })
    });
    let children = list("childRelationships")?.iter().filter_map(|child| {
        Some(Child {
            name: text(child, "relationshipName")?,
            object: text(child, "childSObject")?,
            field: text(child, "field")?,
        })
    });
    Some(Relations {
        parents: parents.collect(),
        children: children.collect(),
    })
}
