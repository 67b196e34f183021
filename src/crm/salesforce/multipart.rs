//! Files beside records: a `multipart/form-data` body with the records as JSON first, then one part for
//! each file (REST API Developer Guide, Insert or Update Blob Data). A part that a server may take for
//! the records is never a file.

use http::HeaderMap;
use serde_json::{Map, Value};

use super::body::{self, Content, Refused, malformed};
use super::whole;
use crate::crm::multipart::{self, Part};
use crate::crm::{Head, json};

/// Files of one request: one for each record of a collection.
const MOST: usize = 200;

/// The name of the part that holds the records of a collection.
const COLLECTION: &str = "collection";
/// How the name of the part begins that holds a row.
const ENTITY: &str = "entity_";

/// What the first part holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Records {
    /// One row: `entity_document`.
    Row,
    /// Up to 200: `collection`.
    Collection,
}

/// What an entry keeps of a file: its name, size and digest, never its bytes.
pub(super) fn described(file: &Part<'_>) -> String {
    let described = whole::described(file.kind.unwrap_or("no type"), file.bytes);
    match file.file {
        Some(name) => format!("file {name}: {described}"),
        None => format!("file: {described}"),
    }
}

/// A JSON document and the files beside it; none where the body is JSON alone.
pub(super) fn document<'a>(
    head: &Head<'_>,
    content: &Content<'a>,
    records: Records,
) -> Result<(Map<String, Value>, Vec<Part<'a>>), Refused> {
    match content {
        Content::Bytes(bytes) if multipart::announced(head.headers) => {
            let (records, files) = read(head.headers, bytes, records)?;
            match json::parse(records)? {
                Value::Object(members) => Ok((members, files)),
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_) => Err(malformed("the first part is not a JSON object")),
            }
        }
        Content::Bytes(_) | Content::Value(_) | Content::Nothing => {
            Ok((body::object(head, content)?, Vec::new()))
        }
    }
}

/// The first part's bytes, and the files.
fn read<'a>(
    headers: &HeaderMap,
    body: &'a [u8],
    records: Records,
) -> Result<(&'a [u8], Vec<Part<'a>>), Refused> {
    let mut parts = multipart::parts(headers, body, MOST + 1, None).map_err(malformed)?;
    let first = parts.remove(0);
    if !holds(&first, records) {
        return Err(malformed(format!(
            "the first part is not JSON named {}, without a file name",
            match records {
                Records::Row => "entity_…",
                Records::Collection => COLLECTION,
            }
        )));
    }
    if let Some(other) = parts.iter().find(|part| is_of_records(part.name)) {
        return Err(malformed(format!(
            "the part {} has a name that records have, and is not the first",
            other.name
        )));
    }
    match parts.is_empty() {
        true => Err(malformed("the body has no file: send JSON")),
        false => Ok((first.bytes, parts)),
    }
}

fn holds(part: &Part<'_>, records: Records) -> bool {
    let named = match records {
        Records::Row => part.name.starts_with(ENTITY),
        Records::Collection => part.name == COLLECTION,
    };
    named && part.is("application/json") && part.file.is_none()
}

/// Whether some server may take a part of this name for records.
fn is_of_records(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == COLLECTION || name.starts_with(ENTITY)
}

#[cfg(test)]
mod tests {
    use http::header::CONTENT_TYPE;

    use super::*;

    const RECORD: &str = "--b\r\nContent-Disposition: form-data; name=\"entity_document\";\r\n\
                          Content-Type: application/json\r\n\r\n{\"Name\":\"x\"}\r\n";
    const FILE: &str = "--b\r\nContent-Type: application/pdf\r\nContent-Disposition: form-data; \
                        name=\"Body\"; filename=\"a; b.pdf\"\r\n\r\n%PDF\r\n\r\nx\r\n";

    fn told(body: &str, records: Records) -> Result<(String, Vec<String>), Refused> {
        let kind = "multipart/form-data; boundary=b".parse().unwrap();
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
        let (records, files) = read(&headers, body.as_bytes(), records)?;
        let files = files
            .iter()
            .map(|file| format!("{} {}", file.name, described(file)));
        Ok((
            String::from_utf8_lossy(records).into_owned(),
            files.collect(),
        ))
    }

    #[test]
    fn a_record_and_its_file_are_told_apart() {
        let row = format!("{RECORD}{FILE}--b--\r\n");
        let collection = row.replace("entity_document", "collection");
        for (body, kind) in [(row, Records::Row), (collection, Records::Collection)] {
            let (records, files) = told(&body, kind).unwrap();
            assert_eq!(records, "{\"Name\":\"x\"}");
            assert_eq!(files.len(), 1);
            let begins = "Body file a; b.pdf: application/pdf, 9 bytes, sha256 ";
            assert!(files[0].starts_with(begins), "{}", files[0]);
        }
    }

    #[test]
    fn what_reads_two_ways_is_refused() {
        let good = format!("{RECORD}{FILE}--b--\r\n");
        let collection = good.replace("entity_document", "collection");
        for name in ["collection", "Collection", "entity_x", "ENTITY_document"] {
            for (good, kind) in [(&good, Records::Row), (&collection, Records::Collection)] {
                assert!(told(good, kind).is_ok());
                let body = good.replace("\"Body\"", &format!("\"{name}\""));
                assert!(told(&body, kind).is_err(), "{body}");
            }
        }
        assert!(told(&good, Records::Collection).is_err());
        assert!(told(&collection, Records::Row).is_err());
        for body in [
            format!("{FILE}{RECORD}--b--\r\n"),
            format!("{RECORD}{RECORD}{FILE}--b--\r\n"),
            format!("{RECORD}{FILE}{FILE}--b--\r\n"),
            format!("{RECORD}--b--\r\n"),
            good.replace(
                "\"entity_document\";",
                "\"entity_document\"; filename=\"a\"",
            ),
            good.replace("\"entity_document\"", "\"Entity_document\""),
            good.replace("application/json", "application/json; charset=utf-16"),
            good.replace("%PDF\r\n", "%PDF\n--b\r\n"),
        ] {
            assert!(told(&body, Records::Row).is_err(), "{body}");
        }
    }
}
