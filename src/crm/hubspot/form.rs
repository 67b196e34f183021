//! Forms with files. What the parts say stands in the fields; of a file its name, size and digest do. A
//! field that is no file is seen, whatever file name it has.

use http::HeaderMap;
use serde_json::{Map, Value, json};

use crate::crm::json;
use crate::crm::multipart::{self, Part, sha256};

/// The longest value that is no file.
const VALUE_MOST: usize = 64 * 1024;
/// The most parts.
const PARTS_MOST: usize = 100;
/// The fields that are files.
const FILES: [&str; 2] = ["file", SEVERAL];
/// The one of which there may be several (imports, the file manager).
const SEVERAL: &str = "files";

/// The fields of a form. A value that is JSON is read as such; a second file of one field stands beside
/// the first, under a name that no part can have.
///
/// # Errors
/// Why it has more than one reading, or none.
pub(super) fn fields(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Value>, String> {
    let mut fields = Map::new();
    let parts = multipart::parts(headers, body, PARTS_MOST, Some(SEVERAL))?;
    for (place, part) in parts.iter().enumerate() {
        let value = read(part).map_err(|what| format!("the part {} {what}", part.name))?;
        let name = match fields.contains_key(part.name) {
            true => format!("{}[{place}]", part.name),
            false => part.name.to_owned(),
        };
        fields.insert(name, value);
    }
    Ok(fields)
}

/// What a part holds, or what is told of a file.
fn read(part: &Part<'_>) -> Result<Value, &'static str> {
    let is_json = part.is("application/json");
    match part.file {
        Some(file) if FILES.contains(&part.name) => {
            let sum = sha256(part.bytes);
            return Ok(json!({ "file": file, "bytes": part.bytes.len(), "sha256": sum }));
        }
        Some(_) if !is_json => return Err("has a file name, and is no field that is a file"),
        Some(_) | None => {}
    }
    if part.kind.is_some() && !is_json && !part.is("text/plain") {
        return Err("is no text or JSON in UTF-8, and no file");
    }
    if part.bytes.len() > VALUE_MOST {
        return Err("is longer than a value that is no file");
    }
    let text = std::str::from_utf8(part.bytes).map_err(|_not_utf8| "is no text, and no file")?;
    let value = match is_json || text.trim_start().starts_with(['{', '[']) {
        true => json::parse(part.bytes),
        false => Ok(Value::from(text)),
    };
    value.map_err(|_malformed| "is JSON with more than one reading, or none")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::CONTENT_TYPE;

    use super::*;

    const OPTIONS: &str = "--b\r\nContent-Disposition: form-data; name=\"options\"\r\n\r\n\
                           {\"access\":\"PUBLIC_INDEXABLE\"}\r\n";
    const FOLDER: &str = "--b\r\nContent-Disposition: form-data; name=\"folderPath\"\r\n\r\n/x\r\n";
    const FILE: &str = "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"ä b.txt\"\
                        \r\nContent-Type: text/plain\r\n\r\n{not json\r\n";
    const REQUEST: &str = "--b\r\nContent-Disposition: form-data; name=\"importRequest\"; \
                           filename=\"r.json\"\r\nContent-Type: application/json\r\n\r\n\
                           {\"name\":\"x\"}\r\n";

    fn read(body: &str) -> Result<Value, String> {
        read_as("multipart/form-data; boundary=b", body)
    }

    fn read_as(kind: &'static str, body: &str) -> Result<Value, String> {
        let kind = HeaderValue::from_static(kind);
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
        fields(&headers, body.as_bytes()).map(Value::Object)
    }

    #[test]
    fn a_form_tells_its_fields_and_files() {
        let told = read(&format!("{OPTIONS}{FOLDER}{FILE}{FILE}{REQUEST}--b--\r\n")).unwrap();
        let sum = "92072df399cb74703f8e86f450d552bc0bb01eeeb98a90985a1b7772c8fd0016";
        let file = json!({"file": "ä b.txt", "bytes": 9, "sha256": sum});
        let expected = json!({"options": {"access": "PUBLIC_INDEXABLE"}, "folderPath": "/x",
            "files": file, "files[3]": file, "importRequest": {"name": "x"}});
        assert_eq!(told, expected);
    }

    #[test]
    fn what_reads_two_ways_is_refused() {
        let file = |name: &str| FILE.replace("\"files\"", &format!("\"{name}\""));
        assert!(read(&format!("{OPTIONS}{}--b--", file("file"))).is_ok());
        for body in [
            format!("{FOLDER}{FOLDER}--b--"),
            format!("{OPTIONS}{}--b--", file("options")),
            format!("{OPTIONS}{}--b--", file("Options")),
            format!("{}{OPTIONS}--b--", file("options")),
            format!(
                "{OPTIONS}{}--b--",
                REQUEST.replace("importRequest", "options")
            ),
            format!("{}--b--", file("options")),
            format!("{}{}--b--", file("file"), file("file")),
            format!("{FILE}{}--b--", file("Files")),
            format!("{FILE}{}--b--", FOLDER.replace("folderPath", "files")),
            format!("{}--b--", REQUEST.replace("application/json", "text/plain")),
            format!(
                "{}--b--",
                REQUEST.replace("{\"name\"", "{\"name\":1,\"name\"")
            ),
            format!("{FILE}--b--").replace("{not", "\n--b\r\n{not"),
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
            format!("{FOLDER}--b--").replace("name=", "filename*=utf-8''x; name="),
            format!("{OPTIONS}--b--").replace("\"access\"", "\"access\":1,\"Access\""),
            format!("{FOLDER}--b--").replace(
                "\r\n\r\n",
                "\r\nContent-Type: text/plain; charset=utf-16\r\n\r\n",
            ),
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
