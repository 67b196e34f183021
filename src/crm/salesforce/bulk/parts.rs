//! The two parts of a job that starts at once: `job` (JSON), then `content` (CSV), each once.

use http::HeaderMap;

use crate::crm::multipart::{self, Part};

/// What the parts hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub(super) job: &'a [u8],
    pub(super) content: &'a [u8],
}

/// Takes a body apart.
pub(super) fn of<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<Parts<'a>, String> {
    let parts = multipart::parts(headers, body, 2, None)?;
    let [job, content] = parts.as_slice() else {
        return Err("the body does not have two parts".into());
    };
    Ok(Parts {
        job: held(job, "job", "application/json")?,
        content: held(content, "content", "text/csv")?,
    })
}

fn held<'a>(part: &Part<'a>, name: &str, kind: &str) -> Result<&'a [u8], String> {
    match part.name == name && part.is(kind) {
        true => Ok(part.bytes),
        false => Err(format!("the part {name} is not named so, or is no {kind}")),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header};

    use super::*;

    const JOB: &str = "--b\r\nContent-Disposition: form-data; name=\"job\"\r\n\
                       Content-Type: application/json\r\n\r\n{}\r\n";
    const CONTENT: &str = "--b\r\nContent-Disposition: form-data; name=\"content\"; \
                           filename=\"rows.csv\"\r\nContent-Type: text/csv\r\n\r\nId\r\n1\r\n";

    fn read(body: &str) -> Result<(String, String), String> {
        let kind = HeaderValue::from_static("multipart/form-data; boundary=b");
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        of(&headers, body.as_bytes()).map(|parts| (text(parts.job), text(parts.content)))
    }

    #[test]
    fn two_parts_are_read() {
        let read = read(&format!("{JOB}{CONTENT}--b--\r\n"));
        assert_eq!(read, Ok(("{}".to_owned(), "Id\r\n1".to_owned())));
    }

    #[test]
    fn what_reads_two_ways_is_refused() {
        let good = format!("{JOB}{CONTENT}--b--\r\n");
        for body in [
            format!("{CONTENT}{JOB}--b--\r\n"),
            format!("{JOB}{JOB}{CONTENT}--b--\r\n"),
            format!("{JOB}{CONTENT}{CONTENT}--b--\r\n"),
            format!("{JOB}--b--\r\n"),
            good.replace("text/csv", "text/plain"),
            good.replace("\"content\"", "\"Content\""),
            good.replace("1\r\n--b--", "1\n--b--"),
        ] {
            assert!(read(&body).is_err(), "{body}");
        }
    }
}
