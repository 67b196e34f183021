//! What the portal's objects look like: names, properties, options.

mod types;

use types::{SYSTEM, TYPES};

/// A property's type, as `/crm/v3/properties` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Email,
    Number,
    Bool,
    DateTime,
    /// One of these options; none listed means any.
    Choice(&'static [&'static str]),
}

impl Kind {
    /// `type` and `fieldType`.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Text | Self::Email => ("string", "text"),
            Self::Number => ("number", "number"),
            Self::Bool => ("bool", "booleancheckbox"),
            Self::DateTime => ("datetime", "date"),
            Self::Choice(_) => ("enumeration", "select"),
        }
    }
}

/// One property.
#[derive(Clone, Copy, Debug)]
pub(super) struct Property {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) kind: Kind,
    /// Kept by the portal itself.
    pub(super) read_only: bool,
    pub(super) unique: bool,
    /// Made by the portal's owner, not by HubSpot.
    pub(super) custom: bool,
}

/// One object type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type {
    /// The name in paths and in the log: `contacts`.
    pub(super) name: &'static str,
    pub(super) singular: &'static str,
    pub(super) id: &'static str,
    /// What a read shows that names no properties, besides those of the portal.
    pub(super) shown: &'static [&'static str],
    properties: &'static [Property],
}

impl Type {
    /// All properties: the portal's own first.
    pub(super) fn properties(&self) -> impl Iterator<Item = &'static Property> + use<> {
        SYSTEM.iter().chain(self.properties)
    }

    /// A property by its name, without case.
    pub(super) fn property(&self, name: &str) -> Option<&'static Property> {
        self.properties()
            .find(|property| property.name.eq_ignore_ascii_case(name))
    }
}

/// A type by its plural, its singular or its id, without case.
pub(super) fn of(name: &str) -> Option<&'static Type> {
    TYPES.iter().find(|kind| {
        [kind.name, kind.singular, kind.id]
            .iter()
            .any(|alias| alias.eq_ignore_ascii_case(name))
            || (kind.id.starts_with("2-") && name == FULLY_QUALIFIED)
    })
}

/// Every type of the portal.
pub(super) fn types() -> &'static [Type] {
    &TYPES
}

/// Between which types an association type id links, and its name.
pub(super) fn association(id: u64) -> Option<(&'static str, &'static str, &'static str)> {
    ASSOCIATIONS
        .iter()
        .find(|(number, ..)| *number == id)
        .map(|(_, from, to, name)| (*from, *to, *name))
}

/// The number of the type of link between two types that has no label.
pub(super) fn unlabelled(from: &str, to: &str) -> Option<u64> {
    let found = ASSOCIATIONS
        .iter()
        .find(|(_, f, t, _)| *f == from && *t == to);
    found.map(|(number, ..)| *number)
}

/// The number of a type of link by its name.
pub(super) fn by_name(from: &str, to: &str, name: &str) -> Option<u64> {
    unlabelled(from, to).filter(|number| {
        association(*number).is_some_and(|(.., own)| own.eq_ignore_ascii_case(name))
    })
}

/// The association that lies opposite, from the other record's side.
pub(super) fn opposite(from: &str, to: &str) -> &'static str {
    ASSOCIATIONS
        .iter()
        .find(|(_, f, t, _)| *f == to && *t == from)
        .map_or("", |(.., name)| name)
}

const ASSOCIATIONS: [(u64, &str, &str, &str); 12] = [
    (279, "contacts", "companies", "contact_to_company"),
    (1, "contacts", "companies", "contact_to_company"),
    (280, "companies", "contacts", "company_to_contact"),
    (2, "companies", "contacts", "company_to_contact"),
    (3, "deals", "contacts", "deal_to_contact"),
    (4, "contacts", "deals", "contact_to_deal"),
    (341, "deals", "companies", "deal_to_company"),
    (5, "deals", "companies", "deal_to_company"),
    (342, "companies", "deals", "company_to_deal"),
    (6, "companies", "deals", "company_to_deal"),
    (202, "notes", "contacts", "note_to_contact"),
    (190, "notes", "companies", "note_to_company"),
];

const FULLY_QUALIFIED: &str = "p1442021_health_checks";
