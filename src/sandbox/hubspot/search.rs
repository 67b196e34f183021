//! `POST /crm/v3/objects/{type}/search`: filter groups, a text, an order, a window.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::super::store::Record;
use super::Session;
use super::error::Error;
use super::objects::id_text;
use super::portal::value;
use super::schema::{Kind, Property, Type};
use super::values::moment;

const MOST: usize = 200;

impl Session<'_> {
    /// `POST /crm/v3/objects/{type}/search`.
    pub(super) fn search(&self, kind: &'static Type) -> Result<Answer, Error> {
        let body = self.body_object()?;
        let list = |name: &str| {
            let list = body.get(name).and_then(Value::as_array);
            list.cloned().unwrap_or_default()
        };
        let groups = groups(kind, &list("filterGroups"))?;
        let text = body
            .get("query")
            .and_then(Value::as_str)
            .unwrap_or("")
            .to_lowercase();
        let mut rows: Vec<&Record> = self
            .portal
            .store
            .rows(kind.name)
            .filter(|row| !row.deleted)
            .filter(|row| groups.is_empty() || groups.iter().any(|group| all(group, row)))
            .filter(|row| text.is_empty() || mentions(row, &text))
            .collect();
        for sort in list("sorts").iter().rev() {
            let (property, descending) = sort_key(kind, sort)?;
            rows.sort_by(|a, b| {
                let order = order(property, &value(a, property.name), &value(b, property.name));
                if descending { order.reverse() } else { order }
            });
        }
        let limit = match body.get("limit") {
            None | Some(Value::Null) => 10,
            Some(limit) => super::page_size(whole(limit), MOST)?,
        };
        let after = body.get("after").and_then(whole).unwrap_or(0);
        let asked: Option<Vec<String>> = body
            .get("properties")
            .and_then(Value::as_array)
            .filter(|names| !names.is_empty())
            .map(|names| names.iter().filter_map(id_text).collect());
        let total = rows.len();
        let page = rows.iter().skip(after).take(limit);
        let results: Vec<Value> = page
            .map(|row| self.shown(kind, row, asked.as_deref()))
            .collect();
        let next = after + results.len();
        let mut body = Map::from_iter([
            ("total".to_owned(), json!(total)),
            ("results".to_owned(), json!(results)),
        ]);
        if next < total {
            let paging = json!({"next": {"after": next.to_string()}});
            body.insert("paging".to_owned(), paging);
        }
        Ok(Answer::json(200, Value::Object(body)))
    }
}

/// One filter: a property, an operator, what it is compared with.
struct Filter {
    property: &'static Property,
    operator: String,
    value: String,
    high: String,
    values: Vec<String>,
}

const OPERATORS: [&str; 13] = [
    "EQ",
    "NEQ",
    "LT",
    "LTE",
    "GT",
    "GTE",
    "BETWEEN",
    "IN",
    "NOT_IN",
    "HAS_PROPERTY",
    "NOT_HAS_PROPERTY",
    "CONTAINS_TOKEN",
    "NOT_CONTAINS_TOKEN",
];

fn groups(kind: &Type, groups: &[Value]) -> Result<Vec<Vec<Filter>>, Error> {
    let read = |group: &Value| {
        let filters = group.get("filters").and_then(Value::as_array);
        let filters = filters.map(Vec::as_slice).unwrap_or_default();
        filters
            .iter()
            .map(|filter| read_filter(kind, filter))
            .collect()
    };
    groups.iter().map(read).collect()
}

fn read_filter(kind: &Type, filter: &Value) -> Result<Filter, Error> {
    let text = |name: &str| filter.get(name).and_then(id_text).unwrap_or_default();
    let name = text("propertyName");
    let property = kind.property(&name).ok_or_else(|| {
        Error::invalid(format!(
            "There was a problem with the request: no property {name}"
        ))
    })?;
    let operator = text("operator");
    if !OPERATORS.contains(&operator.as_str()) {
        return Err(Error::invalid(format!("{operator} is no filter operator")));
    }
    let values = filter.get("values").and_then(Value::as_array);
    Ok(Filter {
        property,
        operator,
        value: text("value"),
        high: text("highValue"),
        values: values
            .into_iter()
            .flatten()
            .filter_map(id_text)
            .map(|value| value.to_lowercase())
            .collect(),
    })
}

fn all(filters: &[Filter], row: &Record) -> bool {
    filters.iter().all(|filter| holds(filter, row))
}

fn holds(filter: &Filter, row: &Record) -> bool {
    let has = value(row, filter.property.name);
    let blank = has.is_null();
    let text = has.as_str().unwrap_or_default().to_lowercase();
    let to = |other: &str| order(filter.property, &has, &json!(other));
    let is = |found: bool| !blank && found;
    match filter.operator.as_str() {
        "EQ" => is(to(&filter.value).is_eq()),
        "NEQ" => !is(to(&filter.value).is_eq()),
        "LT" => is(to(&filter.value).is_lt()),
        "LTE" => is(to(&filter.value).is_le()),
        "GT" => is(to(&filter.value).is_gt()),
        "GTE" => is(to(&filter.value).is_ge()),
        "BETWEEN" => is(to(&filter.value).is_ge() && to(&filter.high).is_le()),
        "IN" => is(filter.values.contains(&text)),
        "NOT_IN" => !is(filter.values.contains(&text)),
        "HAS_PROPERTY" => !blank,
        "NOT_HAS_PROPERTY" => blank,
        "CONTAINS_TOKEN" => is(has_token(&text, &filter.value)),
        "NOT_CONTAINS_TOKEN" => !is(has_token(&text, &filter.value)),
        _ => false,
    }
}

/// Whether a word of the text is the token; `*` at its ends stands for any characters.
fn has_token(text: &str, token: &str) -> bool {
    let token = token.to_lowercase();
    let core = token.trim_matches('*');
    let mut words = text
        .split(|c: char| !c.is_alphanumeric())
        .chain([text])
        .filter(|word| !word.is_empty());
    words.any(
        |word| match (token.starts_with('*'), token.ends_with('*')) {
            (false, false) => word == core,
            (true, false) => word.ends_with(core),
            (false, true) => word.starts_with(core),
            (true, true) => word.contains(core),
        },
    )
}

fn mentions(row: &Record, text: &str) -> bool {
    let mut texts = row.fields.values().filter_map(Value::as_str);
    texts.any(|value| value.to_lowercase().contains(text))
}

/// The order of two values of a property; blanks come first.
fn order(property: &Property, a: &Value, b: &Value) -> Ordering {
    let (Some(a), Some(b)) = (a.as_str(), b.as_str()) else {
        return b.is_null().cmp(&a.is_null());
    };
    match property.kind {
        Kind::Number => match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(a), Ok(b)) => a.total_cmp(&b),
            (Ok(_) | Err(_), Ok(_) | Err(_)) => a.cmp(b),
        },
        Kind::DateTime => moment(a).cmp(&moment(b)),
        Kind::Text | Kind::Email | Kind::Bool | Kind::Choice(_) => {
            a.to_lowercase().cmp(&b.to_lowercase())
        }
    }
}

/// `{"propertyName", "direction"}`, or a name with `-` in front for the other direction.
fn sort_key(kind: &Type, sort: &Value) -> Result<(&'static Property, bool), Error> {
    let named = sort.get("propertyName").and_then(Value::as_str);
    let name = named.or_else(|| sort.as_str()).unwrap_or_default();
    let direction = sort.get("direction").and_then(Value::as_str);
    let descending = direction == Some("DESCENDING") || name.starts_with('-');
    let property = kind.property(name.trim_start_matches('-'));
    let property = property.ok_or_else(|| Error::invalid(format!("no property {name}")))?;
    Ok((property, descending))
}

fn whole(value: &Value) -> Option<usize> {
    id_text(value)?.parse().ok()
}
