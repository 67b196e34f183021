//! The sandbox's own, lenient reading of CSV, and what a row writes.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::sandbox::request::Request;

/// One row under its header.
pub(in crate::sandbox::salesforce) struct Row<'a> {
    pub(in crate::sandbox::salesforce) header: &'a [String],
    pub(in crate::sandbox::salesforce) cells: &'a [String],
}

impl Row<'_> {
    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let names = self.header.iter().map(String::as_str);
        names.zip(self.cells.iter().map(String::as_str))
    }

    /// A cell that is not empty.
    pub(in crate::sandbox::salesforce) fn get(&self, name: &str) -> Option<&str> {
        let mut pairs = self.pairs();
        let found = pairs.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, cell)| cell).filter(|cell| !cell.is_empty())
    }

    /// What it writes: an empty cell nothing, `#N/A` null.
    pub(in crate::sandbox::salesforce) fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        for (name, cell) in self.pairs() {
            if cell.is_empty() || name.eq_ignore_ascii_case("Id") {
                continue;
            }
            let value = match cell {
                "#N/A" => Value::Null,
                text => Value::from(text),
            };
            match name.split_once('.') {
                None => fields.insert(name.to_owned(), value),
                Some((leads, by)) => {
                    let leads = leads.rsplit(':').next().unwrap_or(leads);
                    let by = Map::from_iter([(by.to_owned(), value)]);
                    fields.insert(leads.to_owned(), Value::Object(by))
                }
            };
        }
        fields
    }
}

/// The records of a text, whatever ends its lines.
pub(in crate::sandbox::salesforce) fn records(text: &str, delimiter: u8) -> Vec<Vec<String>> {
    let delimiter = char::from(delimiter);
    let (mut records, mut record, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            letter if quoted => cell.push(letter),
            '\r' => {}
            '\n' => {
                record.push(std::mem::take(&mut cell));
                records.push(std::mem::take(&mut record));
            }
            letter if letter == delimiter => record.push(std::mem::take(&mut cell)),
            letter => cell.push(letter),
        }
    }
    if !cell.is_empty() || !record.is_empty() {
        record.push(cell);
        records.push(record);
    }
    records
}

/// A record as results show it.
pub(in crate::sandbox::salesforce) fn shown(cells: &[String]) -> String {
    let quoted = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
    cells.iter().map(quoted).collect::<Vec<_>>().join(",")
}

/// The job and the rows of a body of two parts.
#[expect(
    clippy::disallowed_methods,
    reason = "the sandbox must not share the proxy's strict parser"
)]
pub(in crate::sandbox::salesforce) fn parts(
    request: &Request,
) -> Option<(Map<String, Value>, Bytes)> {
    let kind = request.header("content-type")?;
    let boundary = kind
        .strip_prefix("multipart/form-data")?
        .split("boundary=")
        .nth(1)?;
    let boundary = format!("--{}", boundary.trim_matches('"'));
    let text = String::from_utf8_lossy(&request.raw);
    let mut held = text.split(&boundary).filter_map(|part| {
        let (_, held) = part.split_once("\r\n\r\n")?;
        held.strip_suffix("\r\n")
    });
    let job = serde_json::from_str(held.next()?).ok()?;
    Some((job, Bytes::from(held.next()?.to_owned())))
}
