//! The rows of a batch in CSV, XML or JSON, as the one CSV that a job's record is made of: a column for
//! each field that some row writes, an empty cell where a row does not, `#N/A` for null.

use std::borrow::Cow;
use std::collections::HashMap;

use roxmltree::Node;
use serde_json::{Map, Value};

use super::{ROWS_MOST, form, named, odd};
use crate::crm::salesforce::body::{malformed, shown};
use crate::crm::salesforce::bulk::csv::{Fault, Reader};
use crate::crm::salesforce::bulk::row::{Columns, NULL};
use crate::crm::salesforce::bulk::spec::{Form, Spec};
use crate::crm::salesforce::{body, id, types};
use crate::crm::{Head, Malformed, json, xml};
use crate::mutation::same_name;

/// Rows as CSV and how that is written; or why they are not taken apart.
pub type Apart<'a> = Result<(Spec, Cow<'a, [u8]>), String>;

/// The rows of a batch as CSV, and how that is written.
///
/// # Errors
/// [`Malformed`]; the inner error says why it is not taken apart.
pub fn rows<'a>(spec: &Spec, head: &Head<'_>, bytes: &'a [u8]) -> Result<Apart<'a>, Malformed> {
    let given = form(head.headers).map_err(Malformed)?;
    if given != spec.form {
        let what = "the batch's Content-Type is not the contentType of its job";
        return Err(Malformed(what.into()));
    }
    let mut table = Table::of(spec);
    let read = match given {
        Form::Csv => {
            let spec = spec.with_lines(has_crlf(bytes));
            return Ok(Ok((spec, Cow::Borrowed(bytes))));
        }
        Form::Xml => table.xml(bytes),
        Form::Json => table.json(bytes),
    };
    match read {
        Ok(()) => Ok(Ok((spec.clone(), Cow::Owned(table.csv()?)))),
        Err(body::Refused::Opaque(why)) => Ok(Err(why)),
        Err(body::Refused::Malformed(what)) => Err(Malformed(what)),
    }
}

/// The line ending that the header has; the others have to be like it.
fn has_crlf(bytes: &[u8]) -> bool {
    let end = memchr::memchr(b'\n', bytes).unwrap_or(0);
    let before = end.checked_sub(1).and_then(|at| bytes.get(at));
    before == Some(&b'\r')
}

/// Rows by their columns.
struct Table<'s> {
    spec: &'s Spec,
    columns: Vec<String>,
    places: HashMap<String, usize>,
    rows: Vec<Vec<(usize, String)>>,
}

impl<'s> Table<'s> {
    fn of(spec: &'s Spec) -> Self {
        Self {
            spec,
            columns: Vec::new(),
            places: HashMap::new(),
            rows: Vec::new(),
        }
    }

    fn column(&mut self, name: &str) -> usize {
        let next = self.columns.len();
        let place = *self.places.entry(name.to_lowercase()).or_insert(next);
        if place == next {
            self.columns.push(name.to_owned());
        }
        place
    }

    /// Whether a field names the row's record: no null is written to it.
    fn names_record(&self, name: &str) -> bool {
        let external = self.spec.external.as_deref();
        same_name(name, "Id") || external.is_some_and(|key| same_name(key, name))
    }

    /// A field by its plain name: a dot would make it another one in CSV.
    fn field(
        &mut self,
        name: &str,
        value: Option<&str>,
        row: &str,
    ) -> Result<(usize, String), body::Refused> {
        if !types::is_name(name) {
            let name = shown(name);
            return Err(malformed(format!(
                "{row}: {name} is not the name of a field"
            )));
        }
        self.cell(name, value, row)
    }

    /// `None` is null, and so is an empty text, which some readers take for one.
    fn cell(
        &mut self,
        name: &str,
        value: Option<&str>,
        row: &str,
    ) -> Result<(usize, String), body::Refused> {
        let text = match value {
            Some(NULL) => {
                let what = format!("{row}: a value is {NULL}, which some readers take for null");
                return Err(malformed(what));
            }
            Some(text) if !text.is_empty() => text.to_owned(),
            Some(_) | None if self.names_record(name) => String::new(),
            Some(_) | None => NULL.to_owned(),
        };
        Ok((self.column(name), text))
    }

    fn begin(&self) -> Result<String, body::Refused> {
        if self.rows.len() as u64 >= ROWS_MOST {
            return Err(malformed(format!(
                "a batch has at most {ROWS_MOST} rows: send fewer"
            )));
        }
        Ok(format!("rows[{}]", self.rows.len()))
    }

    fn xml(&mut self, bytes: &[u8]) -> Result<(), body::Refused> {
        let document = xml::parse(bytes)?;
        let top = document.root_element();
        named(top, "sObjects")?;
        plain(top)?;
        for record in xml::elements(top)? {
            named(record, "sObject")?;
            plain(record)?;
            let row = self.begin()?;
            let mut cells = Vec::new();
            for field in xml::elements(record)? {
                let name = field.tag_name().name();
                named(field, name)?;
                let cell = match nested(field)? {
                    Some((column, value)) => self.cell(&column, Some(value), &row)?,
                    None => self.field(name, value(field)?, &row)?,
                };
                cells.push(cell);
            }
            self.push(cells, &row)?;
        }
        Ok(())
    }

    fn json(&mut self, bytes: &[u8]) -> Result<(), body::Refused> {
        let Value::Array(records) = json::parse_rows(bytes)? else {
            return Err(malformed("the batch is no list of objects"));
        };
        for record in records {
            let row = self.begin()?;
            let Value::Object(members) = record else {
                return Err(malformed(format!("{row} is not an object")));
            };
            let mut cells = Vec::new();
            let mut url = None;
            for (name, value) in members {
                if same_name(&name, "attributes") {
                    url = self.attributes(&name, value, &row)?;
                    continue;
                }
                let cell = match value {
                    Value::Object(members) => {
                        let (column, value) = lookup(&name, &members, &row)?;
                        self.cell(&column, Some(&value), &row)?
                    }
                    Value::Array(_) => {
                        let name = shown(&name);
                        return Err(malformed(format!("{row}: {name} is a list")));
                    }
                    Value::Null => self.field(&name, None, &row)?,
                    Value::String(text) => self.field(&name, Some(&text), &row)?,
                    Value::Bool(_) | Value::Number(_) => {
                        self.field(&name, Some(&value.to_string()), &row)?
                    }
                };
                cells.push(cell);
            }
            self.same_record(url, &cells, &row)?;
            self.push(cells, &row)?;
        }
        Ok(())
    }

    /// `{"type": …, "url": …}`, as records come out of a query; the id in the url.
    fn attributes(
        &self,
        name: &str,
        value: Value,
        row: &str,
    ) -> Result<Option<String>, body::Refused> {
        let unlike = |what: &str| malformed(format!("{row}: {what}"));
        let (Value::Object(members), "attributes") = (value, name) else {
            return Err(unlike("attributes is not an object of that name"));
        };
        let mut url = None;
        for (name, value) in members {
            match (name.as_str(), value) {
                ("type", Value::String(object)) if same_name(&object, &self.spec.object) => {}
                ("url", Value::String(text)) => {
                    let last = text.rsplit('/').next().unwrap_or_default();
                    url = Some(id::canonical(last)?);
                }
                _ => {
                    return Err(unlike(
                        "attributes do not name the job's object, or say more",
                    ));
                }
            }
        }
        Ok(url)
    }

    fn same_record(
        &self,
        url: Option<String>,
        cells: &[(usize, String)],
        row: &str,
    ) -> Result<(), body::Refused> {
        let Some(url) = url else { return Ok(()) };
        let place = self.places.get("id");
        let named = cells.iter().find(|(at, _)| Some(at) == place);
        let same = named.is_some_and(|(_, text)| id::canonical(text).ok() == Some(url));
        same.then_some(()).ok_or_else(|| {
            malformed(format!(
                "{row}: attributes.url names another record than Id"
            ))
        })
    }

    fn push(&mut self, cells: Vec<(usize, String)>, row: &str) -> Result<(), body::Refused> {
        let mut places: Vec<usize> = cells.iter().map(|(place, _)| *place).collect();
        places.sort_unstable();
        if places
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a == b))
        {
            return Err(malformed(format!("{row} writes a field twice")));
        }
        self.rows.push(cells);
        Ok(())
    }

    /// All of it, once its columns are known to have a reading.
    fn csv(self) -> Result<Vec<u8>, Malformed> {
        if self.rows.is_empty() {
            return Err(Malformed("the batch has no row".into()));
        }
        let mut csv = Vec::new();
        line(&mut csv, self.columns.iter().map(String::as_str));
        let mut reader = Reader::new(self.spec.dialect());
        let header = reader.push(&csv, |record| Columns::of(self.spec, record).map(drop));
        header.map_err(|fault| told(&fault))?;
        for row in &self.rows {
            let mut cells = vec![""; self.columns.len()];
            for (place, text) in row {
                if let Some(cell) = cells.get_mut(*place) {
                    *cell = text;
                }
            }
            line(&mut csv, cells.into_iter());
        }
        Ok(csv)
    }
}

/// What is wrong with the columns of rows that have no header.
fn told(fault: &Fault) -> Malformed {
    let what = fault.to_string();
    let what = what.trim_start_matches("line 1 of the CSV is no header: ");
    Malformed(format!("the fields of the rows: {what}"))
}

fn line<'a>(csv: &mut Vec<u8>, cells: impl Iterator<Item = &'a str>) {
    for (place, cell) in cells.enumerate() {
        if place > 0 {
            csv.push(b',');
        }
        // a line of nothing would be no row
        if cell.is_empty() && place > 0 {
            continue;
        }
        csv.push(b'"');
        for byte in cell.bytes() {
            if byte == b'"' {
                csv.push(b'"');
            }
            csv.push(byte);
        }
        csv.push(b'"');
    }
    csv.push(b'\n');
}

/// Refuses attributes.
fn plain(node: Node<'_, '_>) -> Result<(), Malformed> {
    match node.attributes().len() {
        0 => Ok(()),
        _ => Err(odd(node, "has attributes")),
    }
}

/// The value of a field, which has no attribute but `xsi:nil`; `None`: null.
fn value<'a>(field: Node<'a, '_>) -> Result<Option<&'a str>, Malformed> {
    let mut attributes = field.attributes();
    let nil = |name: roxmltree::Attribute<'_, '_>| {
        (name.namespace(), name.name()) == (Some(xml::INSTANCE), "nil")
    };
    if !attributes.all(nil) {
        return Err(odd(field, "has an attribute other than xsi:nil"));
    }
    Ok(match xml::is_nil(field)? {
        true => None,
        false => Some(xml::value(field)?),
    })
}

/// `<Owner><sObject><type>User</type><Employee__c>…`: a lookup field by a unique field of the record that
/// it leads to.
fn nested<'a>(field: Node<'a, '_>) -> Result<Option<(String, &'a str)>, Malformed> {
    if !field.children().any(|child| child.is_element()) {
        return Ok(None);
    }
    plain(field)?;
    let records = xml::elements(field)?;
    let [record] = records.as_slice() else {
        return Err(odd(field, "holds more than one record"));
    };
    named(*record, "sObject")?;
    plain(*record)?;
    let (mut kind, mut by) = (None, None);
    for member in xml::elements(*record)? {
        let name = member.tag_name().name();
        named(member, name)?;
        plain(member)?;
        let place = if name == "type" { &mut kind } else { &mut by };
        if place.replace((name, xml::value(member)?)).is_some() {
            return Err(odd(field, "holds more than a type and one field"));
        }
    }
    let relation = field.tag_name().name();
    match (by, kind) {
        (Some((by, value)), kind) if !value.is_empty() => Ok(Some((
            column(kind.map(|(_, kind)| kind), relation, by),
            value,
        ))),
        _ => Err(odd(field, "names no record by a field of it")),
    }
}

/// The same in JSON.
fn lookup(
    relation: &str,
    members: &Map<String, Value>,
    row: &str,
) -> Result<(String, String), body::Refused> {
    let odd = || {
        let relation = shown(relation);
        malformed(format!(
            "{row}: {relation} does not hold one field of the record that it leads to"
        ))
    };
    let (mut kind, mut by) = (None, None);
    for (name, value) in members {
        match (name.as_str(), value) {
            ("attributes", Value::Object(told)) if told.len() == 1 && kind.is_none() => {
                kind = Some(told.get("type").and_then(Value::as_str).ok_or_else(odd)?);
            }
            ("type", Value::String(told)) if kind.is_none() => kind = Some(told),
            (name, Value::String(text)) if by.is_none() && !text.is_empty() => {
                by = Some((name, text.clone()));
            }
            (name, Value::Number(number)) if by.is_none() => by = Some((name, number.to_string())),
            _ => return Err(odd()),
        }
    }
    let (by, value) = by.ok_or_else(odd)?;
    Ok((column(kind, relation, by), value))
}

/// The column that says the same: `User:Owner.Employee__c`.
fn column(kind: Option<&str>, relation: &str, by: &str) -> String {
    match kind {
        Some(kind) => format!("{kind}:{relation}.{by}"),
        None => format!("{relation}.{by}"),
    }
}
