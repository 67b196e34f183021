//! What the org's objects look like: fields, types, flags, key prefixes.

mod objects;

use objects::{OBJECTS, OWNER, SYSTEM};

/// A field's type, as `describe` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Id,
    Text,
    TextArea,
    Picklist,
    Email,
    Phone,
    Url,
    Boolean,
    Int,
    Double,
    Currency,
    Percent,
    Date,
    DateTime,
    Reference,
    Address,
}

impl Kind {
    /// The word in `describe`.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Text => "string",
            Self::TextArea => "textarea",
            Self::Picklist => "picklist",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Url => "url",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Double => "double",
            Self::Currency => "currency",
            Self::Percent => "percent",
            Self::Date => "date",
            Self::DateTime => "datetime",
            Self::Reference => "reference",
            Self::Address => "address",
        }
    }

    /// Whether values are JSON numbers.
    pub(super) fn is_number(self) -> bool {
        matches!(
            self,
            Self::Int | Self::Double | Self::Currency | Self::Percent
        )
    }
}

/// Where a field's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// What was written.
    Stored,
    /// What was written; without a value the record is refused.
    Required,
    /// Kept by the org itself (ids, stamps).
    System,
    /// A formula or a compound of other fields.
    Calculated,
    /// A number given once.
    AutoNumber,
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) source: Source,
    /// Most characters of a text; 0 for other types.
    pub(super) length: usize,
    /// Can stand in the path of an external-id row.
    pub(super) external_id: bool,
    /// For references: the object, and the name by which queries and nested objects step to it.
    pub(super) target: Option<(&'static str, &'static str)>,
}

impl Field {
    pub(super) fn writable(&self) -> bool {
        matches!(self.source, Source::Stored | Source::Required)
    }

    pub(super) fn custom(&self) -> bool {
        self.name.ends_with("__c")
    }
}

/// One object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object {
    pub(super) name: &'static str,
    pub(super) plural: &'static str,
    pub(super) prefix: &'static str,
    pub(super) fields: &'static [Field],
}

impl Object {
    /// A field by its name, without case; also the fields that every object has.
    pub(super) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields()
            .find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// All fields: the system's first.
    pub(super) fn fields(&self) -> impl Iterator<Item = &'static Field> + use<> {
        let owner = owned(self.name).then_some(&OWNER);
        SYSTEM.iter().chain(owner).chain(self.fields)
    }

    /// What a parent calls its records of this object: `Contacts`, `Health_Checks__r`.
    pub(super) fn many(&self) -> String {
        match self.name.strip_suffix("__c") {
            Some(own) => format!("{own}s__r"),
            None => self.plural.to_owned(),
        }
    }

    /// The reference field behind a relationship name.
    pub(super) fn relationship(&self, name: &str) -> Option<(&'static Field, &'static str)> {
        self.fields().find_map(|field| {
            let (target, relationship) = field.target?;
            relationship
                .eq_ignore_ascii_case(name)
                .then_some((field, target))
        })
    }
}

/// Whether records of this object have an owner.
fn owned(object: &str) -> bool {
    !matches!(object, "User" | "Organization")
}

/// An object by its name, without case.
pub(super) fn object(name: &str) -> Option<&'static Object> {
    OBJECTS
        .iter()
        .find(|object| object.name.eq_ignore_ascii_case(name))
}

/// Every object of the org.
pub(super) fn objects() -> &'static [Object] {
    &OBJECTS
}
