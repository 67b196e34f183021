//! The two parts of a job that starts at once: `job` (JSON), then `content` (CSV), each once (RFC 7578,
//! with one reading only: no preamble, no other fields, CRLF).

use http::{HeaderMap, header};

/// What the parts hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub(super) job: &'a [u8],
    pub(super) content: &'a [u8],
}

/// Whether a body is said to have parts.
pub(in crate::crm::salesforce) fn announced(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| {
        let kind = kind.as_bytes().to_ascii_lowercase();
        kind.starts_with(b"multipart/")
    })
}

/// Takes a body apart.
pub(super) fn of<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<Parts<'a>, String> {
    let boundary = boundary(headers).ok_or("the header Content-Type names no plain boundary")?;
    let first = format!("--{boundary}\r\n");
    let between = format!("\r\n--{boundary}");
    let rest = body
        .strip_prefix(first.as_bytes())
        .ok_or("the body does not begin with its boundary")?;
    let (job, rest) = part(rest, &between, "job", "application/json")?;
    let rest = rest
        .strip_prefix(b"\r\n")
        .ok_or("the body does not have two parts")?;
    let (content, rest) = part(rest, &between, "content", "text/csv")?;
    match rest {
        b"--" | b"--\r\n" => Ok(Parts { job, content }),
        _ => Err("the body goes on behind its second part".into()),
    }
}

/// `multipart/form-data; boundary=…`, and nothing else.
pub(in crate::crm::salesforce) fn boundary(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
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
    known.then(|| boundary.to_owned())
}

/// One part: what it holds, and what comes behind the boundary that ends it.
fn part<'a>(
    text: &'a [u8],
    between: &str,
    name: &str,
    kind: &str,
) -> Result<(&'a [u8], &'a [u8]), String> {
    let wrong = |what: &str| format!("the part {name} {what}");
    let (head, rest) = split(text, b"\r\n\r\n").ok_or_else(|| wrong("has no end of its head"))?;
    let head = std::str::from_utf8(head).map_err(|_not_utf8| wrong("has no text as head"))?;
    let (mut named, mut typed) = (false, false);
    for line in head.split("\r\n") {
        let (field, value) = line
            .split_once(':')
            .ok_or_else(|| wrong("has an odd head"))?;
        let value = value.trim();
        if field.eq_ignore_ascii_case("content-disposition") && !named {
            named = is_named(value, name);
        } else if field.eq_ignore_ascii_case("content-type") && !typed {
            let plain = value.to_ascii_lowercase().replace([' ', '"'], "");
            typed = plain == kind || plain == format!("{kind};charset=utf-8");
        } else {
            return Err(wrong("has another field in its head, or one twice"));
        }
    }
    if !named || !typed {
        return Err(wrong(&format!("is not named so, or is no {kind}")));
    }
    split(rest, between.as_bytes()).ok_or_else(|| wrong("has no end"))
}

/// `form-data; name="job"`, perhaps with a plain file name.
fn is_named(value: &str, name: &str) -> bool {
    let mut parts = value.split(';').map(str::trim);
    let first =
        parts.next() == Some("form-data") && parts.next() == Some(&format!("name=\"{name}\""));
    let file = |part: &str| {
        let file = part
            .strip_prefix("filename=\"")
            .and_then(|part| part.strip_suffix('"'));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._- ".contains(&byte);
        file.is_some_and(|file| file.bytes().all(plain))
    };
    first && parts.next().is_none_or(file) && parts.next().is_none()
}

/// What stands before and behind the first of these.
pub(in crate::crm::salesforce) fn split<'a>(
    text: &'a [u8],
    by: &[u8],
) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr::memmem::find(text, by)?;
    let (before, rest) = text.split_at_checked(at)?;
    Some((before, rest.get(by.len()..)?))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const JOB: &str = "--b\r\nContent-Disposition: form-data; name=\"job\"\r\n\
                       Content-Type: application/json\r\n\r\n{}\r\n";
    const CONTENT: &str = "--b\r\nContent-Disposition: form-data; name=\"content\"; \
                           filename=\"rows.csv\"\r\nContent-Type: text/csv\r\n\r\nId\r\n1\r\n";

    fn read(kind: &'static str, body: &str) -> Result<(String, String), String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        of(&headers, body.as_bytes()).map(|parts| (text(parts.job), text(parts.content)))
    }

    #[test]
    fn two_parts_are_read() {
        for kind in [
            "multipart/form-data; boundary=b",
            "multipart/form-data;boundary=\"b\"",
        ] {
            let read = read(kind, &format!("{JOB}{CONTENT}--b--\r\n"));
            assert_eq!(read, Ok(("{}".to_owned(), "Id\r\n1".to_owned())));
        }
    }

    #[test]
    fn what_reads_two_ways_is_refused() {
        let kind = "multipart/form-data; boundary=b";
        for body in [
            format!("{CONTENT}{JOB}--b--\r\n"),
            format!("{JOB}{JOB}{CONTENT}--b--\r\n"),
            format!("{JOB}{CONTENT}{CONTENT}--b--\r\n"),
            format!("preamble\r\n{JOB}{CONTENT}--b--\r\n"),
            format!("{JOB}{CONTENT}--b--\r\nepilogue"),
            format!("{JOB}{CONTENT}"),
            format!("{JOB}--b--\r\n"),
            format!("{JOB}{CONTENT}--b--\r\n").replace("\r\n", "\n"),
            format!("{JOB}{CONTENT}--b--\r\n").replace("text/csv", "text/plain"),
            format!("{JOB}{CONTENT}--b--\r\n").replace("name=\"job\"", "name=job"),
            format!("{JOB}{CONTENT}--b--\r\n").replace(
                "\r\n\r\n{}",
                "\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
            ),
        ] {
            assert!(read(kind, &body).is_err(), "{body}");
        }
        for kind in [
            "multipart/mixed; boundary=b",
            "multipart/form-data",
            "multipart/form-data; boundary=b; charset=utf-16",
            "multipart/form-data; boundary=",
        ] {
            assert!(
                read(kind, &format!("{JOB}{CONTENT}--b--\r\n")).is_err(),
                "{kind}"
            );
        }
    }
}
