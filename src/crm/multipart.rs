//! `multipart/form-data` (RFC 7578), with one reading only: no preamble, plain names, each once, CRLF
//! alone, and the boundary nowhere but between parts.

use aws_lc_rs::digest::{SHA256, digest};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// One part of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// Its file name, where it is a file.
    pub(super) file: Option<&'a str>,
    /// Its type, where it says one.
    pub(super) kind: Option<&'a str>,
    /// What it holds.
    pub(super) bytes: &'a [u8],
}

impl Part<'_> {
    /// Whether it says that it is of this type, in UTF-8.
    pub(super) fn is(&self, kind: &str) -> bool {
        let told = self.kind.unwrap_or_default().to_ascii_lowercase();
        let told = told.replace([' ', '"'], "");
        let rest = told.strip_prefix(kind);
        rest.is_some_and(|rest| ["", ";charset=utf-8"].contains(&rest))
    }
}

/// Whether a body is said to have parts.
pub(super) fn announced(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes());
    let word = b"multipart/";
    kind.and_then(|kind| kind.get(..word.len()))
        .is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// The parts of a body, at most so many, no two with one name (without case); but of a field that
/// takes `several` files there may be more.
///
/// # Errors
/// Why it has more than one reading, or none.
pub(super) fn parts<'a>(
    headers: &HeaderMap,
    body: &'a [u8],
    most: usize,
    several: Option<&str>,
) -> Result<Vec<Part<'a>>, String> {
    let boundary =
        boundary(headers).ok_or("the header Content-Type names no plain boundary of form-data")?;
    let mark = format!("--{boundary}");
    let mut rest = body
        .strip_prefix(mark.as_bytes())
        .ok_or("the body does not begin with its boundary")?;
    let mut parts: Vec<Part<'a>> = Vec::new();
    while parts.is_empty() || !matches!(rest, b"--" | b"--\r\n") {
        let place = parts.len() + 1;
        let wrong = |what: &str| format!("part {place} of the body {what}");
        if parts.len() == most {
            return Err(format!("the body has more than {most} parts"));
        }
        let text = rest
            .strip_prefix(b"\r\n")
            .ok_or_else(|| wrong("does not begin on a line of its own"))?;
        let (inside, after) = split(text, mark.as_bytes()).ok_or_else(|| wrong("has no end"))?;
        let inside = inside
            .strip_suffix(b"\r\n")
            .ok_or_else(|| wrong("holds its boundary"))?;
        let part = part(inside).map_err(wrong)?;
        let alike = |known: &&Part<'_>| known.name.eq_ignore_ascii_case(part.name);
        let may = |known: &Part<'_>| {
            several == Some(part.name)
                && known.name == part.name
                && known.file.is_some()
                && part.file.is_some()
        };
        if !parts.iter().filter(alike).all(may) {
            return Err(wrong("has the name of one before it"));
        }
        parts.push(part);
        rest = after;
    }
    Ok(parts)
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

/// The SHA-256 of these bytes, in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    let sum = digest(&SHA256, bytes);
    sum.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// `multipart/form-data; boundary=…`, and nothing else.
fn boundary(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else {
        return None;
    };
    let (kind, parameter) = value.split_once(';')?;
    let (name, boundary) = parameter.trim().split_once('=')?;
    let boundary = boundary
        .strip_prefix('"')
        .and_then(|quoted| quoted.strip_suffix('"'))
        .unwrap_or(boundary);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
    let known = kind.trim().eq_ignore_ascii_case("multipart/form-data")
        && name.eq_ignore_ascii_case("boundary")
        && (1..=70).contains(&boundary.len())
        && boundary.bytes().all(plain);
    known.then_some(boundary)
}

/// What stands between two boundaries: a head, an empty line, and what the part holds.
fn part(text: &[u8]) -> Result<Part<'_>, &'static str> {
    let (head, bytes) = split(text, b"\r\n\r\n").ok_or("has no end of its head")?;
    let head = std::str::from_utf8(head).map_err(|_not_utf8| "has no text as head")?;
    let (mut named, mut kind, mut length) = (None, None, None);
    for line in head.split("\r\n") {
        // some servers end a line at one of these alone
        if line.chars().any(char::is_control) {
            return Err("has a control character in its head");
        }
        let (field, value) = line.split_once(':').ok_or("has an odd head")?;
        let value = value.trim_matches(' ');
        let known = match field.to_ascii_lowercase().as_str() {
            "content-disposition" => &mut named,
            "content-type" => &mut kind,
            "content-length" => &mut length,
            _ => return Err("has another field in its head"),
        };
        if known.replace(value).is_some() {
            return Err("has a field twice in its head");
        }
    }
    if length.is_some_and(|length| length != bytes.len().to_string()) {
        return Err("has another length than it says");
    }
    let (name, file) = named.and_then(disposition).ok_or("has no plain name")?;
    Ok(Part {
        name,
        file,
        kind,
        bytes,
    })
}

/// `form-data; name="Body"; filename="a.pdf"`; Salesforce's own examples end in a semicolon.
fn disposition(value: &str) -> Option<(&str, Option<&str>)> {
    let rest = value.strip_prefix("form-data")?;
    let (name, rest) = quoted(rest, "name")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if name.is_empty() || !name.bytes().all(plain) {
        return None;
    }
    let (file, rest) = match quoted(rest, "filename") {
        Some((file, rest)) => (Some(file), rest),
        None => (None, rest),
    };
    // what looks like another parameter to one who does not mind quotes
    let odd = file.is_some_and(|file| file.contains(';') && file.contains('='));
    (!odd && matches!(rest, "" | ";")).then_some((name, file))
}

/// `; name="value"`, and what comes behind it; no escapes.
fn quoted<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let text = text.strip_prefix(';')?.trim_start_matches(' ');
    let (value, rest) = text
        .strip_prefix(name)?
        .strip_prefix("=\"")?
        .split_once('"')?;
    (!value.contains('\\')).then_some((value, rest))
}

/// What stands before and behind the first of these.
fn split<'a>(text: &'a [u8], by: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr::memmem::find(text, by)?;
    let (before, rest) = text.split_at_checked(at)?;
    Some((before, rest.get(by.len()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELD: &str =
        "--b\r\nContent-Disposition: form-data; name=\"a\";\r\nContent-Length: 1\r\n\r\n1\r\n";
    const FILE: &str = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"ä; b.txt\"\r\n\
                        Content-Type: Text/CSV; charset=\"utf-8\"\r\n\r\nx\r\n\r\ny\r\n";

    fn read<'a>(kind: &'static str, body: &'a str) -> Result<Vec<Part<'a>>, String> {
        let kind = kind.parse().unwrap();
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
        assert!(announced(&headers));
        parts(&headers, body.as_bytes(), 3, Some("f"))
    }

    const KIND: &str = "multipart/form-data; boundary=b";

    #[test]
    fn parts_are_told_apart() {
        let body = format!("{FIELD}{FILE}{FILE}--b--\r\n");
        for kind in [KIND, "Multipart/Form-Data;boundary=\"b\""] {
            let parts = read(kind, &body).unwrap();
            let [field, file, other] = parts.as_slice() else {
                panic!("{parts:?}");
            };
            assert_eq!((field.name, field.file, field.kind), ("a", None, None));
            assert_eq!((file.name, file.file), ("f", Some("ä; b.txt")));
            assert_eq!((field.bytes, file.bytes), (&b"1"[..], &b"x\r\n\r\ny"[..]));
            assert!(file.is("text/csv") && !file.is("text/plain") && !field.is("text/csv"));
            assert_eq!(other, file);
        }
        assert_eq!(first_part(body.as_bytes()), Some(&b"1"[..]));
        assert_eq!(first_part(b"{}"), None);
        assert!(read(KIND, &format!("{FIELD}--b--")).is_ok());
    }

    #[test]
    fn what_reads_two_ways_is_refused() {
        let good = format!("{FIELD}{FILE}--b--\r\n");
        assert!(read(KIND, &good).is_ok());
        let file = |from: &str, to: &str| format!("{FIELD}{}--b--\r\n", FILE.replace(from, to));
        for body in [
            String::new(),
            "--b--\r\n".to_owned(),
            format!("{FIELD}{FILE}{FILE}{FILE}--b--\r\n"),
            format!("{FIELD}{FIELD}--b--\r\n"),
            format!("{FIELD}{}--b--\r\n", FIELD.replace("\"a\"", "\"A\"")),
            // a field that takes several files takes no text beside them, and in no other spelling
            format!("{FILE}{}--b--\r\n", FIELD.replace("\"a\"", "\"f\"")),
            format!("{FILE}{}--b--\r\n", FILE.replace("\"f\"", "\"F\"")),
            format!("{FIELD}{FILE}"),
            format!("preamble\r\n{good}"),
            format!("{good}epilogue"),
            good.replace("\r\n", "\n"),
            // the boundary inside a part, for one who takes a line end for less
            file("x\r\n", "x\n--b\r\n"),
            file("x\r\n", "x\r--b\r\n"),
            file("x\r\n", "x--b\r\n"),
            file("x\r\n", "x\r\n--bx\r\n"),
            file("x\r\n", "--b\r\n"),
            file("ä; b", "--b"),
            // and a head that goes on behind half a line end
            file(
                "Text/CSV",
                "a/b\nContent-Disposition: form-data; name=\"g\"",
            ),
            file(
                "Text/CSV",
                "a/b\rContent-Disposition: form-data; name=\"g\"",
            ),
            file("Text/CSV", "a/b\tc"),
            file("ä", "\u{85}"),
            file("ä; b", "ä; name=g"),
            file("form-data", "attachment"),
            file("name=\"f\"", "name=f"),
            file("name=\"f\"", "name=\"\""),
            file("name=\"f\"", "name=\"f[0]\""),
            file("name=\"f\"", "name=\"f\"; name=\"g\""),
            file("name=\"f\"; ", ""),
            file("filename=", "filename*="),
            file("ä", "\\\""),
            file("Content-Type", "Content-Transfer-Encoding"),
            file("Content-Type", " Content-Type"),
            file("Content-Type", "Content-Disposition"),
            file("\r\nContent-Type", "\r\nContent-Type: a/b\r\nContent-Type"),
            good.replace("Content-Length: 1", "Content-Length: 2"),
        ] {
            assert!(read(KIND, &body).is_err(), "{body}");
        }
        for kind in [
            "multipart/mixed; boundary=b",
            "multipart/form-data",
            "multipart/form-data; boundary=b; charset=utf-16",
            "multipart/form-data; boundary=",
        ] {
            assert!(read(kind, &good).is_err(), "{kind}");
        }
    }
}
