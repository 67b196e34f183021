//! `/query?columns=true`: what a query's columns are, in place of rows. The sf CLI asks it after each
//! query.

use serde_json::{Value, json};

use super::super::answer::Answer;
use super::Session;
use super::error::Error;
use super::place::Place;
use super::schema::{Field, Kind, Object};
use super::soql::{Column, Select};

impl Session<'_> {
    /// The columns of a query, the rows left out.
    pub(super) fn column_metadata(
        &self,
        select: &Select,
        object: &'static Object,
    ) -> Result<Answer, Error> {
        let columns = match select.columns.as_slice() {
            [Column::Count] => Vec::new(),
            [Column::CountOf(_)] => vec![json!({
                "columnName": "expr0", "displayName": "expr0", "aggregate": true, "joinColumns": [],
            })],
            columns => {
                let places = self.columns(object, columns, select.limit)?;
                places.iter().map(described).collect()
            }
        };
        let body = json!({
            "columnMetadata": columns, "entityName": object.name, "groupBy": false,
            "idSelected": false, "keyPrefix": object.prefix,
        });
        Ok(Answer::json(200, body))
    }
}

/// A parent's field stands as a column below its relationship's name.
fn described(place: &Place) -> Value {
    match place {
        Place::Own(_, field) => column(field, &[]),
        Place::Parent { name, field, .. } => {
            let mut parent = column(field, &[column(field, &[])]);
            parent["columnName"] = json!(name);
            parent["displayName"] = json!(name);
            parent
        }
    }
}

fn column(field: &Field, below: &[Value]) -> Value {
    json!({
        "columnName": field.name,
        "displayName": field.name,
        "aggregate": false,
        "booleanType": field.kind == Kind::Boolean,
        "custom": field.custom(),
        "foreignKeyName": null,
        "insertable": field.writable(),
        "joinColumns": below,
        "numberType": field.kind.is_number(),
        "textType": matches!(field.kind, Kind::Id | Kind::Text | Kind::TextArea | Kind::Picklist),
        "updatable": field.writable(),
    })
}
