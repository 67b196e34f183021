//! The portal: its records, their links, and the ids that merges left behind.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::log::{Effect, EffectKind};
use super::super::seed;
use super::super::store::{Record, Store};
use super::lists::LISTS;
use super::schema::{self, Kind, Type};
use crate::mutation::CrmKind;

/// New records are numbered from here, above all seed data.
const FIRST_NEW: u64 = 90_000_000_000;

/// A link to another record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// The other record's type.
    pub(super) to: &'static str,
    /// Its id.
    pub(super) id: String,
    /// The name of the association.
    pub(super) name: &'static str,
    /// Its category and number.
    pub(super) kind: (String, u64),
}

/// The HubSpot face's memory.
#[derive(Clone, Debug)]
pub(in crate::sandbox) struct Portal {
    pub(super) store: Store,
    /// Ids from before merges, by type and id.
    moved: BTreeMap<(String, String), String>,
    links: BTreeMap<(String, String), Vec<Link>>,
    /// Who is on which list.
    members: BTreeMap<String, BTreeSet<String>>,
    /// Requests so far, for the rate-limit headers.
    pub(in crate::sandbox) calls: u64,
    /// The same of the ten seconds that are told about.
    pub(in crate::sandbox) burst: u64,
    next: u64,
}

impl Portal {
    /// A portal without records.
    pub(in crate::sandbox) fn new() -> Self {
        Self {
            store: Store::new(CrmKind::HubSpot),
            moved: BTreeMap::new(),
            links: BTreeMap::new(),
            members: BTreeMap::new(),
            calls: 0,
            burst: 1,
            next: FIRST_NEW,
        }
    }

    /// Puts seed data in.
    pub(in crate::sandbox) fn place(&mut self, object: &str, record: Record) {
        self.store.place(object, record);
    }

    /// Puts a link of the seed data in, with its opposite.
    pub(in crate::sandbox) fn link(
        &mut self,
        from: (&'static str, &str),
        to: (&'static str, &str),
    ) {
        let number = schema::unlabelled(from.0, to.0).unwrap_or(1);
        self.link_as(from, to, &("HUBSPOT_DEFINED".to_owned(), number));
    }

    fn link_as(
        &mut self,
        from: (&'static str, &str),
        to: (&'static str, &str),
        kind: &(String, u64),
    ) {
        let back = schema::unlabelled(to.0, from.0).unwrap_or(kind.1);
        let back = (kind.0.clone(), back);
        for ((object, id), (other, other_id), kind) in [(from, to, kind), (to, from, &back)] {
            let link = Link {
                to: other,
                id: other_id.to_owned(),
                name: schema::opposite(other, object),
                kind: kind.clone(),
            };
            let links = self.links.entry((object.to_owned(), id.to_owned()));
            let links = links.or_default();
            if !links.contains(&link) {
                links.push(link);
            }
        }
    }

    /// Takes links of two records away: those of these kinds, or all.
    pub(super) fn dissociate(
        &mut self,
        (from, to): ((&'static str, &str), (&'static str, &str)),
        kinds: Option<&[(String, u64)]>,
        quiet: bool,
    ) {
        let mut left = false;
        for (near, far) in [(from, to), (to, from)] {
            let links = self.links.entry((near.0.to_owned(), near.1.to_owned()));
            let of_far = |link: &Link| link.to == far.0 && link.id == far.1;
            let links = links.or_default();
            links.retain(|link| {
                let goes = kinds.is_none_or(|kinds| kinds.contains(&link.kind));
                !of_far(link) || !goes && near == from || left && near == to
            });
            left |= near == from && links.iter().any(of_far);
        }
        if !quiet {
            self.store.note(from.0, from.1, EffectKind::Unlinked);
            self.store.note(to.0, to.1, EffectKind::Unlinked);
        }
    }

    /// Who is on a list.
    pub(super) fn members(&self, list: &str) -> Vec<&str> {
        let members = self.members.get(list).into_iter().flatten();
        members.map(String::as_str).collect()
    }

    /// Puts a record on a list or takes it off; whether anything changed.
    pub(super) fn member(&mut self, list: &str, id: &str, add: bool) -> bool {
        let members = self.members.entry(list.to_owned()).or_default();
        let (changed, kind) = match add {
            true => (members.insert(id.to_owned()), EffectKind::Linked),
            false => (members.remove(id), EffectKind::Unlinked),
        };
        if changed {
            self.store.note(LISTS, list, kind);
        }
        changed
    }

    /// Links two records on behalf of a request.
    pub(super) fn associate(
        &mut self,
        from: (&'static str, &str),
        to: (&'static str, &str),
        kind: &(String, u64),
    ) {
        self.link_as(from, to, kind);
        self.store.note(from.0, from.1, EffectKind::Linked);
        self.store.note(to.0, to.1, EffectKind::Linked);
    }

    pub(super) fn links(&self, object: &str, id: &str) -> &[Link] {
        self.links
            .get(&(object.to_owned(), id.to_owned()))
            .map_or(&[], Vec::as_slice)
    }

    /// An id that was not given before.
    pub(super) fn new_id(&mut self) -> String {
        self.next += 1;
        self.next.to_string()
    }

    /// The id under which a record is kept now, if it was merged into another since.
    pub(super) fn current<'a>(&'a self, object: &str, id: &'a str) -> &'a str {
        self.moved
            .get(&(object.to_owned(), id.to_owned()))
            .map_or(id, String::as_str)
    }

    /// Makes `old` another name of `new`, with everything that was another name of `old`.
    pub(super) fn moved(&mut self, object: &str, old: &str, new: &str) {
        for current in self.moved.values_mut() {
            if current == old {
                new.clone_into(current);
            }
        }
        self.moved
            .insert((object.to_owned(), old.to_owned()), new.to_owned());
        let links = self.links.remove(&(object.to_owned(), old.to_owned()));
        let kept = self.links.entry((object.to_owned(), new.to_owned()));
        kept.or_default().extend(links.unwrap_or_default());
        for link in self.links.values_mut().flatten() {
            if link.to == object && link.id == old {
                new.clone_into(&mut link.id);
            }
        }
    }

    /// A record that is not archived, with all its properties; nulls for blanks.
    /// A list comes with its members.
    pub(in crate::sandbox) fn view(&self, object: &str, id: &str) -> Option<Map<String, Value>> {
        if object == LISTS {
            let mut list = self.store.live(LISTS, id)?.fields.clone();
            list.insert("members".to_owned(), json!(self.members(id)));
            return Some(list);
        }
        let kind = schema::of(object)?;
        let record = self.store.live(kind.name, self.current(kind.name, id))?;
        Some(
            kind.properties()
                .map(|property| (property.name.to_owned(), value(record, property.name)))
                .collect(),
        )
    }

    pub(in crate::sandbox) fn ids(&self, object: &str) -> Vec<String> {
        let name = schema::of(object).map_or(object, |kind| kind.name);
        self.store.ids(name)
    }

    pub(in crate::sandbox) fn set(
        &mut self,
        object: &str,
        id: &str,
        field: &str,
        value: Value,
        now: Timestamp,
    ) -> bool {
        let Some((kind, id)) = self.existing(object, id) else {
            return false;
        };
        let fields = Map::from_iter([(field.to_ascii_lowercase(), value)]);
        self.store.aside(|store| {
            let done = store.update(kind.name, &id, fields, now);
            store.by_hand(kind.name, &id);
            done
        })
    }

    pub(in crate::sandbox) fn bin(&mut self, object: &str, id: &str, now: Timestamp) -> bool {
        self.existing(object, id)
            .is_some_and(|(kind, id)| self.store.aside(|store| store.delete(kind.name, &id, now)))
    }

    /// What the present request changed.
    pub(in crate::sandbox) fn effects(&mut self) -> Vec<Effect> {
        self.store.effects()
    }

    /// The record, not archived, that has this value in a unique property.
    pub(super) fn holder(&self, kind: &Type, property: &str, wanted: &str) -> Option<&Record> {
        let same = |has: &Value| {
            let has = has.as_str().unwrap_or_default();
            match kind.property(property).map(|property| property.kind) {
                Some(Kind::Email) => has.eq_ignore_ascii_case(wanted),
                Some(_) | None => has == wanted,
            }
        };
        self.store
            .rows(kind.name)
            .filter(|record| !record.deleted)
            .find(|record| same(&record.get(property)))
    }

    fn existing(&self, object: &str, id: &str) -> Option<(&'static Type, String)> {
        let kind = schema::of(object)?;
        let record = self.store.live(kind.name, self.current(kind.name, id))?;
        Some((kind, record.id.clone()))
    }
}

/// A property's value as the API shows it: text, or null for a blank.
pub(super) fn value(record: &Record, property: &str) -> Value {
    match property {
        "hs_object_id" => json!(record.id),
        "createdate" | "hs_createdate" => json!(stamp(record.created)),
        "lastmodifieddate" | "hs_lastmodifieddate" => json!(stamp(record.modified)),
        "hs_updated_by_user_id" if record.by_hand => json!(seed::HS_OPERATIONS_USER),
        "hs_is_archived" => json!(record.deleted.to_string()),
        name => record.get(name),
    }
}

/// A moment as HubSpot writes it.
pub(super) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
