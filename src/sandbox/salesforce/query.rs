//! `/query`, `/queryAll` and their pages; the minimal searches.

use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::super::store::Record;
use super::collections::unsupported;
use super::error::Error;
use super::filter;
use super::org::{value, visible};
use super::place::{Place, Seen};
use super::schema::{self, Object};
use super::soql::{self, Column, Group, Select};
use super::{Session, ids};

/// What the searches look through.
const SEARCHED: [&str; 4] = ["Account", "Contact", "Lead", "Opportunity"];

impl Session<'_> {
    /// `GET /query?q=…` and `/queryAll?q=…` (which sees the recycle bin).
    pub(super) fn query(&mut self, with_deleted: bool) -> Result<Answer, Error> {
        let text = self
            .call
            .request
            .parameter("q")
            .ok_or_else(|| Error::malformed_query("A query string has to be specified"))?;
        let select = soql::parse(text)?;
        let object = schema::object(&select.object).ok_or_else(|| unsupported(&select.object))?;
        if self.call.request.parameter("columns") == Some("true") {
            return self.column_metadata(&select, object);
        }
        let rows = self.selected(&select, object, with_deleted)?;
        if select.columns == [Column::Count] {
            let body = json!({"totalSize": rows.len(), "done": true, "records": []});
            return Ok(Answer::json(200, body));
        }
        let rows: Vec<Value> = match select.columns.as_slice() {
            [Column::CountOf(name)] => {
                let place = Place::of(self, object, name)?;
                let counted = rows.iter().filter(|row| !place.value(self, row).is_null());
                let attributes = json!({"type": "AggregateResult"});
                vec![json!({"attributes": attributes, "expr0": counted.count()})]
            }
            columns => {
                let columns = self.columns(object, columns, select.limit)?;
                let shown = rows.iter().map(|row| self.row(object, row, &columns));
                shown.collect()
            }
        };
        Ok(self.page(rows, with_deleted))
    }

    /// `GET /query/{locator}`.
    pub(super) fn more(&mut self, locator: &str, with_deleted: bool) -> Result<Answer, Error> {
        let rows = self.org.cursors.remove(locator).ok_or_else(|| {
            let message = "invalid query locator";
            Error::new(400, "INVALID_QUERY_LOCATOR", message)
        })?;
        Ok(self.page(rows, with_deleted))
    }

    /// The first page of `rows`; the rest stays behind a locator.
    fn page(&mut self, mut rows: Vec<Value>, with_deleted: bool) -> Answer {
        let size = self.page_size();
        let total = rows.len();
        if total <= size {
            return Answer::json(
                200,
                json!({"totalSize": total, "done": true, "records": rows}),
            );
        }
        let rest = rows.split_off(size);
        let locator = ids::numbered("01g", self.org.number());
        let locator = format!("{locator}-{size}");
        self.org.cursors.insert(locator.clone(), rest);
        let verb = if with_deleted { "queryAll" } else { "query" };
        let next = format!("/services/data/{}/{verb}/{locator}", self.version);
        let body = json!({
            "totalSize": total, "done": false, "nextRecordsUrl": next, "records": rows,
        });
        Answer::json(200, body)
    }

    fn page_size(&self) -> usize {
        let asked = self
            .call
            .request
            .header("sforce-query-options")
            .and_then(|options| {
                options
                    .split(',')
                    .find_map(|o| o.trim().strip_prefix("batchSize="))
            })
            .and_then(|size| size.trim().parse::<usize>().ok());
        asked.map_or(self.org.page, |size| size.clamp(200, 2000))
    }

    /// The rows that a query's filter, order and window leave.
    fn selected<'s>(
        &'s self,
        select: &Select,
        object: &'static Object,
        with_deleted: bool,
    ) -> Result<Vec<&'s Record>, Error> {
        let mut rows = Vec::new();
        // an unknown field is an error even where no row is looked at
        let nobody = Record::new(String::new(), Map::new(), self.call.now);
        let probe = |record| Seen {
            session: self,
            object,
            record,
        };
        if let Some(condition) = &select.filter {
            filter::passes(condition, &probe(&nobody))?;
        }
        for record in self.org.store.rows(object.name) {
            let passes = match &select.filter {
                Some(condition) => filter::passes(condition, &probe(record))?,
                None => true,
            };
            if passes && (with_deleted || !record.deleted) {
                rows.push(record);
            }
        }
        for key in select.order.iter().rev() {
            let place = Place::of(self, object, &key.field)?;
            rows.sort_by(|a, b| {
                let (a, b) = (place.value(self, a), place.value(self, b));
                let order = filter::order(&a, &b);
                match (a.is_null(), b.is_null()) {
                    (true, false) | (false, true) if key.nulls_last => order.reverse(),
                    (true, false) | (false, true) => order,
                    (true, true) | (false, false) if key.descending => order.reverse(),
                    (true, true) | (false, false) => order,
                }
            });
        }
        let window = rows.into_iter().skip(select.offset);
        Ok(window.take(select.limit.unwrap_or(usize::MAX)).collect())
    }

    pub(super) fn columns(
        &self,
        object: &'static Object,
        columns: &[Column],
        limit: Option<usize>,
    ) -> Result<Vec<Place>, Error> {
        let mut places = Vec::new();
        for column in columns {
            match column {
                Column::Named(name) => places.push(Place::of(self, object, name)?),
                Column::Fields(group) => {
                    if limit.is_none_or(|limit| limit > 200) {
                        let message = "The SOQL FIELDS function must have a LIMIT of at most 200";
                        return Err(Error::malformed_query(message));
                    }
                    let fields = visible(object, self.call.token);
                    let wanted = fields.filter(|field| match group {
                        Group::All => true,
                        Group::Standard => !field.custom(),
                        Group::Custom => field.custom(),
                    });
                    places.extend(wanted.map(|field| Place::Own(object, field)));
                }
                Column::Count | Column::CountOf(_) => {
                    let message = "COUNT stands alone in this CRM's queries";
                    return Err(Error::malformed_query(message));
                }
            }
        }
        Ok(places)
    }

    fn row(&self, object: &'static Object, record: &Record, columns: &[Place]) -> Value {
        let mut row = Map::new();
        row.insert("attributes".to_owned(), self.attributes(object, &record.id));
        for place in columns {
            match place {
                Place::Own(_, field) => {
                    row.insert(field.name.to_owned(), place.value(self, record));
                }
                Place::Parent { name, field, .. } => {
                    let shown = match place.parent(self, record) {
                        None => Value::Null,
                        Some((object, parent)) => {
                            let mut shown = match row.remove(*name) {
                                Some(Value::Object(shown)) => shown,
                                Some(_) | None => Map::from_iter([(
                                    "attributes".to_owned(),
                                    self.attributes(object, &parent.id),
                                )]),
                            };
                            shown.insert(field.name.to_owned(), value(parent, object, field));
                            Value::Object(shown)
                        }
                    };
                    row.insert((*name).to_owned(), shown);
                }
            }
        }
        Value::Object(row)
    }

    /// `GET /search?q=FIND {…}` and `/parameterizedSearch?q=…`: names that contain the words.
    pub(super) fn search(&mut self) -> Result<Answer, Error> {
        let text = self.call.request.parameter("q").unwrap_or_default();
        let words = match text
            .split_once('{')
            .and_then(|(_, rest)| rest.split_once('}'))
        {
            Some((words, _)) => words,
            None => text,
        };
        let wanted = words.trim().trim_matches('*').to_lowercase();
        if wanted.chars().count() < 2 {
            let message = "search term must be longer than one character";
            return Err(Error::new(400, "MALFORMED_SEARCH", message));
        }
        let mut found = Vec::new();
        for object in SEARCHED.into_iter().filter_map(schema::object) {
            let Some(name) = object.field("Name") else {
                continue;
            };
            for record in self.org.store.rows(object.name).filter(|row| !row.deleted) {
                let text = value(record, object, name);
                if text
                    .as_str()
                    .is_some_and(|t| t.to_lowercase().contains(&wanted))
                {
                    let attributes = self.attributes(object, &record.id);
                    found.push(json!({"attributes": attributes, "Id": record.id}));
                }
            }
        }
        Ok(Answer::json(200, json!({"searchRecords": found})))
    }
}
