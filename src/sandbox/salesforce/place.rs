//! A field as a query names it, resolved: the row's own, or that of a record it refers to.

use serde_json::Value;

use super::super::store::Record;
use super::Session;
use super::collections::unsupported;
use super::error::Error;
use super::filter::Row;
use super::org::value;
use super::schema::{self, Field, Object};

/// A field as a query names it: the row's own, or that of a parent.
pub(super) enum Place {
    Own(&'static Object, &'static Field),
    Parent {
        name: &'static str,
        reference: &'static Field,
        object: &'static Object,
        field: &'static Field,
    },
}

impl Place {
    pub(super) fn of(
        session: &Session<'_>,
        object: &'static Object,
        name: &str,
    ) -> Result<Self, Error> {
        let unknown = |name: &str, entity: &str| {
            let message = format!(
                "\nERROR at Row:1:Column:1\nNo such column '{name}' on entity '{entity}'. If you are \
                 attempting to use a custom field, be sure to append the '__c' after the custom \
                 field name. Please reference your WSDL or the describe call for the appropriate \
                 names."
            );
            Error::new(400, "INVALID_FIELD", message)
        };
        let sees =
            |object: &Object, field: &Field| session.call.token.sees(object.name, field.name);
        let own = name
            .strip_prefix(object.name)
            .and_then(|rest| rest.strip_prefix('.'));
        let Some((step, rest)) = name.split_once('.').filter(|_| own.is_none()) else {
            let name = own.unwrap_or(name);
            let field = object.field(name).filter(|field| sees(object, field));
            let field = field.ok_or_else(|| unknown(name, object.name))?;
            return Ok(Self::Own(object, field));
        };
        let (reference, target) = object
            .relationship(step)
            .ok_or_else(|| unknown(step, object.name))?;
        let target = schema::object(target).ok_or_else(|| unsupported(target))?;
        let field = target.field(rest).filter(|field| sees(target, field));
        Ok(Self::Parent {
            name: reference.target.map_or("", |(_, name)| name),
            reference,
            object: target,
            field: field.ok_or_else(|| unknown(rest, target.name))?,
        })
    }

    fn field(&self) -> &'static Field {
        match self {
            Self::Own(_, field) | Self::Parent { field, .. } => field,
        }
    }

    pub(super) fn parent<'s>(
        &self,
        session: &'s Session<'_>,
        record: &Record,
    ) -> Option<(&'static Object, &'s Record)> {
        let Self::Parent {
            reference, object, ..
        } = self
        else {
            return None;
        };
        let id = value(record, object, reference);
        let parent = session.org.store.live(object.name, id.as_str()?)?;
        Some((object, parent))
    }

    pub(super) fn value(&self, session: &Session<'_>, record: &Record) -> Value {
        match self {
            Self::Own(object, field) => value(record, object, field),
            Self::Parent { field, .. } => self
                .parent(session, record)
                .map_or(Value::Null, |(object, parent)| value(parent, object, field)),
        }
    }
}

/// A row in front of the filter.
pub(super) struct Seen<'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) object: &'static Object,
    pub(super) record: &'a Record,
}

impl Row for Seen<'_> {
    fn field(&self, name: &str) -> Result<(&'static Field, Value), Error> {
        let place = Place::of(self.session, self.object, name)?;
        Ok((place.field(), place.value(self.session, self.record)))
    }
}
