//! Files beside records: a `multipart/form-data` body with the records as JSON first, then one part for
//! each file (REST API Developer Guide, Insert or Update Blob Data; RFC 7578, with one reading only: no
//! preamble, no other fields, CRLF).

use http::HeaderMap;
use serde_json::{Map, Value};

use super::body::{self, Content, Refused, malformed};
use super::bulk::parts::{announced, boundary, split};
use super::whole;
use crate::crm::{Head, json};

/// Files of one request: one for each record of a collection.
const MOST: usize = 200;

/// A file, as it stands in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct File<'a> {
    /// The part's name.
    pub(super) name: &'a str,
    file_name: Option<&'a str>,
    kind: &'a str,
    bytes: &'a [u8],
}

impl File<'_> {
    /// What an entry keeps of it: its name, size and digest, never its bytes.
    pub(super) fn described(&self) -> String {
        let described = whole::described(self.kind, self.bytes);
        match self.file_name {
            Some(name) => format!("file {name}: {described}"),
            None => format!("file: {described}"),
        }
    }
}

/// A JSON document and the files beside it; none where the body is JSON alone.
pub(super) fn document<'a>(
    head: &Head<'_>,
    content: &Content<'a>,
) -> Result<(Map<String, Value>, Vec<File<'a>>), Refused> {
    match content {
        Content::Bytes(bytes) if announced(head.headers) => {
            let (records, files) = read(head.headers, bytes)?;
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

/// The bytes of the first part, told without the request's headers.
pub(super) fn first_part(body: &[u8]) -> Option<&[u8]> {
    let (line, rest) = split(body, b"\r\n")?;
    if !line.starts_with(b"--") {
        return None;
    }
    let (_, rest) = split(rest, b"\r\n\r\n")?;
    let between = [b"\r\n", line].concat();
    split(rest, &between).map(|(first, _)| first)
}

/// The first part's bytes, and the files.
fn read<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<(&'a [u8], Vec<File<'a>>), Refused> {
    let boundary = boundary(headers)
        .ok_or_else(|| malformed("the header Content-Type names no plain boundary"))?;
    let first = format!("--{boundary}\r\n");
    let between = format!("\r\n--{boundary}");
    let mut rest = body
        .strip_prefix(first.as_bytes())
        .ok_or_else(|| malformed("the body does not begin with its boundary"))?;
    let mut records = None;
    let mut files: Vec<File<'a>> = Vec::new();
    loop {
        let place = files.len() + usize::from(records.is_some());
        let (part, after) = part(rest, &between, place)?;
        match records {
            None if is_records(&part) => records = Some(part.bytes),
            None => {
                return Err(malformed(
                    "the first part is not JSON named entity_… or collection, without a file name",
                ));
            }
            Some(_) => {
                let twice = |known: &File<'_>| known.name.eq_ignore_ascii_case(part.name);
                if part.name.starts_with("entity_") || files.iter().any(twice) {
                    return Err(malformed(format!(
                        "part {place} has the name of another one, or holds records again"
                    )));
                }
                files.push(part);
            }
        }
        rest = match after {
            b"--" | b"--\r\n" => break,
            after => after
                .strip_prefix(b"\r\n")
                .ok_or_else(|| malformed(format!("part {place} has no clear end")))?,
        };
        if files.len() >= MOST {
            return Err(malformed(format!("the body has more than {MOST} files")));
        }
    }
    match records {
        Some(records) if !files.is_empty() => Ok((records, files)),
        _ => Err(malformed("the body has no file: send JSON")),
    }
}

fn is_records(part: &File<'_>) -> bool {
    let kind = part.kind.to_ascii_lowercase().replace([' ', '"'], "");
    let named = part.name.starts_with("entity_") || part.name == "collection";
    let json = ["application/json", "application/json;charset=utf-8"].contains(&kind.as_str());
    named && json && part.file_name.is_none()
}

/// One part, and what comes behind the boundary that ends it.
fn part<'a>(text: &'a [u8], between: &str, place: usize) -> Result<(File<'a>, &'a [u8]), Refused> {
    let wrong = |what: &str| malformed(format!("part {place} {what}"));
    let (head, rest) = split(text, b"\r\n\r\n").ok_or_else(|| wrong("has no end of its head"))?;
    let head = std::str::from_utf8(head).map_err(|_not_utf8| wrong("has no text as head"))?;
    let (mut named, mut kind) = (None, None);
    for line in head.split("\r\n") {
        let (field, value) = line
            .split_once(':')
            .ok_or_else(|| wrong("has an odd head"))?;
        let value = value.trim();
        if field.eq_ignore_ascii_case("content-disposition") && named.is_none() {
            named = Some(disposition(value).ok_or_else(|| wrong("has an odd disposition"))?);
        } else if field.eq_ignore_ascii_case("content-type") && kind.is_none() {
            kind = Some(value);
        } else {
            return Err(wrong("has another field in its head, or one twice"));
        }
    }
    let (name, file_name) = named.ok_or_else(|| wrong("has no name"))?;
    let (bytes, after) = split(rest, between.as_bytes()).ok_or_else(|| wrong("has no end"))?;
    let file = File {
        name,
        file_name,
        kind: kind.unwrap_or("no type"),
        bytes,
    };
    Ok((file, after))
}

/// `form-data; name="Body"; filename="a.pdf"`; Salesforce's own examples end in a semicolon.
fn disposition(value: &str) -> Option<(&str, Option<&str>)> {
    let rest = value.strip_prefix("form-data")?;
    let (name, rest) = quoted(rest, "name")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if name.is_empty() || !name.bytes().all(plain) {
        return None;
    }
    let (file_name, rest) = match quoted(rest, "filename") {
        Some((file_name, rest)) => (Some(file_name), rest),
        None => (None, rest),
    };
    matches!(rest.trim(), "" | ";").then_some((name, file_name))
}

/// `; name="value"`, and what comes behind it.
fn quoted<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let text = text.strip_prefix(';')?.trim_start().strip_prefix(name)?;
    let (value, rest) = text.strip_prefix("=\"")?.split_once('"')?;
    let odd = |c: char| c.is_control() || c == '\\';
    (!value.contains(odd)).then_some((value, rest))
}

#[cfg(test)]
mod tests {
    use http::header::CONTENT_TYPE;

    use super::*;

    const RECORD: &str = "--b\r\nContent-Disposition: form-data; name=\"entity_document\";\r\n\
                          Content-Type: application/json\r\n\r\n{\"Name\":\"x\"}\r\n";
    const FILE: &str = "--b\r\nContent-Type: application/pdf\r\nContent-Disposition: form-data; \
                        name=\"Body\"; filename=\"a; b.pdf\"\r\n\r\n%PDF\r\n\r\nx\r\n";

    fn told(body: &str) -> Result<(String, Vec<String>), Refused> {
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            "multipart/form-data; boundary=b".parse().unwrap(),
        );
        let (records, files) = read(&headers, body.as_bytes())?;
        let files = files
            .iter()
            .map(|file| format!("{} {}", file.name, file.described()));
        Ok((
            String::from_utf8_lossy(records).into_owned(),
            files.collect(),
        ))
    }

    #[test]
    fn a_record_and_its_file_are_told_apart() {
        let body = format!("{RECORD}{FILE}--b--\r\n");
        let (records, files) = told(&body).unwrap();
        assert_eq!(records, "{\"Name\":\"x\"}");
        assert_eq!(files.len(), 1);
        let begins = "Body file a; b.pdf: application/pdf, 9 bytes, sha256 ";
        assert!(files[0].starts_with(begins), "{}", files[0]);
        assert_eq!(first_part(body.as_bytes()), Some(records.as_bytes()));
        assert_eq!(first_part(b"{}"), None);
    }

    #[test]
    fn what_reads_two_ways_is_refused() {
        let good = format!("{RECORD}{FILE}--b--\r\n");
        assert!(told(&good).is_ok());
        for body in [
            format!("{FILE}{RECORD}--b--\r\n"),
            format!("{RECORD}{RECORD}{FILE}--b--\r\n"),
            format!("{RECORD}{FILE}{FILE}--b--\r\n"),
            format!("{RECORD}{FILE}{}--b--\r\n", FILE.replace("Body", "BODY")),
            format!("{RECORD}{FILE}"),
            format!("{RECORD}--b--\r\n"),
            format!("preamble\r\n{good}"),
            format!("{good}epilogue"),
            good.replace("\r\n", "\n"),
            good.replace("form-data; name=\"Body\"", "attachment; name=\"Body\""),
            good.replace("name=\"Body\"", "name=Body"),
            good.replace("name=\"Body\"", "name=\"Body\"; name=\"Name\""),
            good.replace("filename=", "filename*="),
            good.replace("name=\"Body\";", ""),
            good.replace("application/json", "application/json; charset=utf-16"),
            good.replace(
                "Content-Type: application/pdf",
                "Content-Transfer-Encoding: base64",
            ),
            good.replace(
                "Content-Type: application/pdf",
                "Content-Type: a/b\r\nContent-Type: c/d",
            ),
            good.replace("\r\n\r\nx\r\n", "\r\n--bx\r\n"),
        ] {
            assert!(told(&body).is_err(), "{body}");
        }
    }
}
