//! Conditional requests on rows: entity tags (accounts only) and dates, with a resolution of one second.

use jiff::Timestamp;
use jiff::fmt::rfc2822;

use super::super::answer::Answer;
use super::super::store::Record;
use super::Session;
use super::error::Error;
use super::org::stamp;
use super::schema::Object;

impl Session<'_> {
    /// Whether `If-None-Match` or `If-Modified-Since` say that the caller has the record already.
    pub(super) fn unchanged(&self, object: &Object, record: &Record) -> Result<bool, Error> {
        let tag = etag(object, record);
        if let (Some(tag), Some(asked)) = (tag, self.call.request.header("if-none-match")) {
            return Ok(names_tag(asked, &tag));
        }
        match self.since("if-modified-since")? {
            Some(since) => Ok(record.modified.as_second() <= since.as_second()),
            None => Ok(false),
        }
    }

    /// The 412 of a conditional write whose condition does not hold.
    pub(super) fn precondition(&self, object: &Object, id: &str) -> Result<Option<Answer>, Error> {
        let Some(record) = self.org.store.live(object.name, id) else {
            return Ok(None);
        };
        let tag = etag(object, record);
        let other_tag = match (tag, self.call.request.header("if-match")) {
            (Some(tag), Some(asked)) => !names_tag(asked, &tag),
            (Some(_) | None, _) => false,
        };
        let newer = self
            .since("if-unmodified-since")?
            .is_some_and(|since| record.modified.as_second() > since.as_second());
        let message = "The record was changed after the moment that the request names";
        let failed = Error::new(412, "PRECONDITION_FAILED", message).answer();
        Ok((other_tag || newer).then_some(failed))
    }

    fn since(&self, header: &str) -> Result<Option<Timestamp>, Error> {
        let Some(text) = self.call.request.header(header) else {
            return Ok(None);
        };
        let parsed = rfc2822::DateTimeParser::new().parse_timestamp(text);
        parsed.map(Some).map_err(|error| {
            let message = format!("{header} is not an HTTP date: {error}");
            Error::new(400, "BAD_REQUEST", message)
        })
    }
}

/// The entity tag of a record; accounts only, as the REST guide has it.
pub(super) fn etag(object: &Object, record: &Record) -> Option<String> {
    (object.name == "Account").then(|| format!("\"{}-{}\"", record.id, record.version))
}

fn names_tag(asked: &str, tag: &str) -> bool {
    asked
        .split(',')
        .map(|one| one.trim().trim_start_matches("W/"))
        .any(|one| one == "*" || one == tag)
}

/// A moment as HTTP headers write it.
pub(super) fn http_date(at: Timestamp) -> String {
    rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&at)
        .unwrap_or_else(|_| stamp(at))
}
