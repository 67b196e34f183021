//! `multipart/form-data` (RFC 7578), with one reading only: no preamble, plain names, CRLF, no field
//! twice. What the parts say stands in the fields; of a file its name and size do.

use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use crate::crm::{Head, json};

/// The longest value that is no file.
const VALUE_MOST: usize = 64 * 1024;
/// The most parts.
const PARTS_MOST: usize = 100;

/// Whether the body is said to have parts.
pub(super) fn announced(head: &Head<'_>) -> bool {
    let kind = head.headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes());
    let word = b"multipart/";
    kind.and_then(|kind| kind.get(..word.len()))
        .is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// The fields of a form. A value that is JSON is read as such.
///
/// # Errors
/// Why it has more than one reading, or none.
pub(super) fn fields(head: &Head<'_>, body: &[u8]) -> Result<Map<String, Value>, String> {
    let boundary = boundary(head).ok_or("the header Content-Type names no plain boundary")?;
    let first = format!("--{boundary}\r\n");
    let between = format!("\r\n--{boundary}");
    let mut rest = body
        .strip_prefix(first.as_bytes())
        .ok_or("the form does not begin with its boundary")?;
    let mut fields = Map::new();
    for place in 0..PARTS_MOST {
        let at = |what: &str| format!("part {} of the form {what}", place + 1);
        let (part, after) = split(rest, between.as_bytes()).ok_or_else(|| at("has no end"))?;
        let (mut name, value) = read(part).map_err(at)?;
        let value = match value {
            Part::Value(value) => value,
            Part::File(told) => {
                if fields.contains_key(&name) {
                    name = format!("{name}[{place}]");
                }
                told
            }
        };
        if fields.insert(name, value).is_some() {
            return Err(at("has the name of one before it"));
        }
        rest = match after {
            b"--" | b"--\r\n" => return Ok(fields),
            _ => after
                .strip_prefix(b"\r\n")
                .ok_or_else(|| at("is followed by something else"))?,
        };
    }
    Err(format!("the form has more than {PARTS_MOST} parts"))
}

/// `multipart/form-data; boundary=…`, and nothing else.
fn boundary(head: &Head<'_>) -> Option<String> {
    let mut values = head.headers.get_all(CONTENT_TYPE).iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else {
        return None;
    };
    let (kind, parameter) = value.split_once(';')?;
    let (name, boundary) = parameter.trim().split_once('=')?;
    let boundary = unquoted(boundary).unwrap_or(boundary);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
    let known = kind.trim().eq_ignore_ascii_case("multipart/form-data")
        && name.eq_ignore_ascii_case("boundary")
        && (1..=70).contains(&boundary.len())
        && boundary.bytes().all(plain);
    known.then(|| boundary.to_owned())
}

fn unquoted(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"')
}

/// What a part holds.
enum Part {
    /// Text, or JSON.
    Value(Value),
    /// What is told of a file; several may have one name.
    File(Value),
}

/// The name of a part, and what it holds.
fn read(part: &[u8]) -> Result<(String, Part), &'static str> {
    let (head, content) = split(part, b"\r\n\r\n").ok_or("has no end of its head")?;
    let head = std::str::from_utf8(head).map_err(|_not_utf8| "has no text as head")?;
    let mut disposition = None;
    for line in head.split("\r\n") {
        let (field, value) = line.split_once(':').ok_or("has an odd head")?;
        match field.to_ascii_lowercase().as_str() {
            "content-disposition" if disposition.is_none() => disposition = Some(value.trim()),
            "content-type" | "content-length" => {}
            _ => return Err("has another field in its head, or one twice"),
        }
    }
    let (name, file) = disposition.and_then(named).ok_or("has no plain name")?;
    if let Some(file) = file {
        let told = json!({ "file": file, "bytes": content.len() });
        return Ok((name, Part::File(told)));
    }
    if content.len() > VALUE_MOST {
        return Err("is longer than a value that is no file");
    }
    let text = std::str::from_utf8(content).map_err(|_not_utf8| "is no text, and no file")?;
    let value = match text.trim_start().starts_with(['{', '[']) {
        true => json::parse(content),
        false => Ok(Value::from(text)),
    };
    let value = value.map_err(|_malformed| "is JSON with more than one reading, or none")?;
    Ok((name, Part::Value(value)))
}

/// `form-data; name="…"`, perhaps with a file name.
fn named(disposition: &str) -> Option<(String, Option<String>)> {
    let rest = disposition.strip_prefix("form-data")?.trim_start();
    let rest = rest.strip_prefix(';')?.trim_start();
    let (name, rest) = quoted(rest.strip_prefix("name=")?)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(&byte);
    if name.is_empty() || !name.bytes().all(plain) {
        return None;
    }
    if rest.is_empty() {
        return Some((name.to_owned(), None));
    }
    let rest = rest.trim_start().strip_prefix(';')?.trim_start();
    let (file, rest) = quoted(rest.strip_prefix("filename=")?)?;
    rest.is_empty()
        .then(|| (name.to_owned(), Some(file.to_owned())))
}

/// A quoted text without escapes, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let (inside, rest) = text.strip_prefix('"')?.split_once('"')?;
    let plain = |letter: char| letter != '\\' && !letter.is_control();
    inside.chars().all(plain).then_some((inside, rest))
}

fn split<'a>(text: &'a [u8], by: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr::memmem::find(text, by)?;
    let (before, rest) = text.split_at_checked(at)?;
    Some((before, rest.get(by.len()..)?))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method};

    use super::*;
    use crate::crm::path::CanonicalPath;

    const OPTIONS: &str = "--b\r\nContent-Disposition: form-data; name=\"options\"\r\n\r\n\
                           {\"access\":\"PUBLIC_INDEXABLE\"}\r\n";
    const FOLDER: &str = "--b\r\nContent-Disposition: form-data; name=\"folderPath\"\r\n\r\n/x\r\n";
    const FILE: &str = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"ä b.txt\"\
                        \r\nContent-Type: text/plain\r\n\r\n{not json\r\n";

    fn read(body: &str) -> Result<Value, String> {
        read_as("multipart/form-data; boundary=b", body)
    }

    fn read_as(kind: &'static str, body: &str) -> Result<Value, String> {
        let kind = HeaderValue::from_static(kind);
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
        let path = CanonicalPath::parse("/files/v3/files").unwrap();
        let head = Head {
            method: &Method::POST,
            path: &path,
            query: None,
            headers: &headers,
        };
        assert!(announced(&head));
        fields(&head, body.as_bytes()).map(Value::Object)
    }

    #[test]
    fn a_form_tells_its_fields_and_files() {
        let told = read(&format!("{OPTIONS}{FOLDER}{FILE}{FILE}--b--\r\n")).unwrap();
        let file = json!({"file": "ä b.txt", "bytes": 9});
        let expected = json!({"options": {"access": "PUBLIC_INDEXABLE"}, "folderPath": "/x",
            "file": file, "file[3]": file});
        assert_eq!(told, expected);
    }

    #[test]
    fn what_reads_two_ways_is_refused() {
        for body in [
            String::new(),
            format!("{FOLDER}{FOLDER}--b--"),
            format!("x\r\n{FOLDER}--b--"),
            format!("{FOLDER}--b--\r\nx"),
            FOLDER.to_owned(),
            format!("{FOLDER}--b--").replace("\r\n", "\n"),
            format!("{FOLDER}--b--").replace("name=\"folderPath\"", "name=folderPath"),
            format!("{FOLDER}--b--").replace("folderPath\"", "a\\\"b\""),
            format!("{FOLDER}--b--").replace("folderPath", ""),
            format!("{FOLDER}--b--").replace("folderPath", "folder Path"),
            format!("{FOLDER}--b--").replace("folderPath", "folderPäth"),
            format!("{FILE}--b--").replace("ä b.txt", "a\\b.txt"),
            format!("{FILE}--b--").replace("ä b.txt", "a\tb.txt"),
            format!("{FOLDER}--b--").replace("/x", &"x".repeat(VALUE_MOST + 1)),
            format!("{FOLDER}--b--").replace("name=", "filename*=utf-8''x; name="),
            format!("{OPTIONS}--b--").replace("\"access\"", "\"access\":1,\"Access\""),
            format!("{FOLDER}--b--")
                .replace("\r\n\r\n", "\r\nContent-Transfer-Encoding: base64\r\n\r\n"),
        ] {
            assert!(read(&body).is_err(), "{body}");
        }
    }

    #[test]
    fn a_boundary_stands_alone_and_is_plain() {
        let body =
            |boundary: &str| format!("{FOLDER}--b--").replace("--b", &format!("--{boundary}"));
        let longest = "b".repeat(70);
        let known = |kind: &str, boundary: &str| {
            let kind = String::leak(kind.to_owned());
            read_as(kind, &body(boundary)).is_ok()
        };
        for boundary in ["b", &longest, "'()+_,-./:=?"] {
            assert!(known(
                &format!("multipart/form-data; boundary={boundary}"),
                boundary
            ));
            let quoted = format!("Multipart/Form-Data;Boundary=\"{boundary}\"");
            assert!(known(&quoted, boundary), "{quoted}");
        }
        let long = format!("{longest}b");
        for (kind, boundary) in [
            ("multipart/mixed; boundary=b", "b"),
            ("multipart/form-data; border=b", "b"),
            (
                "multipart/form-data; boundary=b; charset=utf-8",
                "b; charset=utf-8",
            ),
            ("multipart/form-data; boundary=b c", "b c"),
            ("multipart/form-data; boundary=", ""),
            ("multipart/form-data; boundary=b\\", "b\\"),
            (&format!("multipart/form-data; boundary={long}"), &long),
        ] {
            assert!(!known(kind, boundary), "{kind}");
        }
    }
}
