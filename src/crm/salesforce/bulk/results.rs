//! What became of a job's rows, row by row. Bulk API 2.0 tells it in two lists whose order is its own, so
//! rows are found again by what names them; Bulk API 1.0 in the order of the batch.

mod matched;

pub use matched::Matched;

use serde_json::Value;

use super::batch;
use super::csv::{Dialect, Fault, Reader, Record};
use crate::crm::salesforce::id;
use crate::crm::{Malformed, ReadCall, error_code, json, xml};
use crate::mutation::{Outcome, OutcomeState};

/// As many bytes may come before the header of a list ends.
const HEADER_MOST: usize = 64 * 1024;

/// How a job ended, in rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The CRM's word for it.
    pub state: String,
    /// Rows that it came to.
    pub processed: u64,
    /// Those of them that it refused.
    pub failed: u64,
}

/// Where a job or a batch is at the CRM, by the path of the request that committed it and its own id.
#[must_use]
pub fn place(commit: &str, id: &str) -> String {
    if commit.ends_with("/jobs/ingest") || commit.ends_with("/batch") {
        format!("{commit}/{id}")
    } else {
        commit.to_owned()
    }
}

fn is_batch(place: &str) -> bool {
    place.starts_with("/services/async/")
}

/// The read that tells how it stands.
#[must_use]
pub fn status(place: &str) -> ReadCall {
    super::read(place.to_owned())
}

/// How it ended, by the CRM's answer; `None`: it has not.
///
/// # Errors
/// Why it cannot be told; for our log.
pub fn ended(place: &str, body: &[u8]) -> Result<Option<Ended>, String> {
    if is_batch(place) {
        let told = batch::batch(body)?;
        let (processed, failed) = match (told.state.as_str(), told.processed, told.failed) {
            ("Completed", Some(processed), Some(failed)) => (processed, failed),
            ("Completed", ..) => return Err("the CRM's answer does not count the rows".into()),
            ("Failed" | "NotProcessed", processed, failed) => {
                (processed.unwrap_or(0), failed.unwrap_or(0))
            }
            _ => return Ok(None),
        };
        return Ok(Some(Ended {
            state: told.state,
            processed,
            failed,
        }));
    }
    let state = super::info(body)?.state;
    if !matches!(state.as_str(), "JobComplete" | "Failed" | "Aborted") {
        return Ok(None);
    }
    let answer = json::parse_answer(body).map_err(|fault| fault.to_string())?;
    let count = |name: &str| answer.get(name).and_then(Value::as_u64);
    match (
        count("numberRecordsProcessed"),
        count("numberRecordsFailed"),
    ) {
        (Some(processed), Some(failed)) => Ok(Some(Ended {
            state,
            processed,
            failed,
        })),
        _ => Err("the CRM's answer does not count the rows".into()),
    }
}

/// A list of results of Bulk API 2.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// Rows that were written.
    Done,
    /// Rows that were refused.
    Failed,
}

/// What is read to learn the outcome of each row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reads {
    /// These lists, of any length.
    Lists([(List, ReadCall); 2]),
    /// One list, in the order of the rows.
    Batch(ReadCall),
}

/// The reads for the job or the batch at a place.
#[must_use]
pub fn reads(place: &str) -> Reads {
    let read = |below: &str| super::read(format!("{place}/{below}"));
    if is_batch(place) {
        return Reads::Batch(read("result"));
    }
    Reads::Lists([
        (List::Done, read("successfulResults")),
        (List::Failed, read("failedResults")),
    ])
}

/// Reads a list as its bytes come: delimiter and line ending are told by its header.
#[derive(Debug, Default)]
pub struct Lines {
    reader: Option<Reader>,
    head: Vec<u8>,
}

impl Lines {
    /// Takes more bytes; `each` gets every record that is complete by now, the header first.
    ///
    /// # Errors
    /// [`Fault`], also one of `each`.
    pub fn push(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(Record<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if let Some(reader) = &mut self.reader {
            return reader.push(bytes, each);
        }
        self.head.extend_from_slice(bytes);
        let Some(end) = memchr::memchr(b'\n', &self.head) else {
            return match self.head.len() > HEADER_MOST {
                true => Err(Fault::of(1, "does not end")),
                false => Ok(()),
            };
        };
        let line = self.head.get(..end).unwrap_or_default();
        let mut reader = Reader::new(dialect(line));
        let head = std::mem::take(&mut self.head);
        reader.push(&head, &mut each)?;
        self.reader = Some(reader);
        Ok(())
    }

    /// The end of the list.
    ///
    /// # Errors
    /// As for [`Lines::push`].
    pub fn finish(self, each: impl FnMut(Record<'_>) -> Result<(), Fault>) -> Result<(), Fault> {
        match self.reader {
            Some(reader) => reader.finish(each),
            None => {
                let mut each = each;
                let mut reader = Reader::new(dialect(&self.head));
                reader.push(&self.head, &mut each)?;
                reader.finish(each)
            }
        }
    }
}

/// By the first line of a list: its first cell is a plain name.
fn dialect(line: &[u8]) -> Dialect {
    let name =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'"' | b'.' | b':');
    let delimiter = line
        .iter()
        .copied()
        .find(|byte| !name(byte) && *byte != b'\r');
    Dialect {
        delimiter: delimiter.unwrap_or(b','),
        crlf: line.last() == Some(&b'\r'),
    }
}

/// The outcomes of a batch, in the order of its rows.
///
/// # Errors
/// Why they cannot be told; for our log.
pub fn of_batch(body: &[u8]) -> Result<Vec<Outcome>, String> {
    let first = body.trim_ascii_start().first();
    match first {
        Some(b'<') => of_xml(body).map_err(|Malformed(what)| what),
        Some(b'[') => of_json(body),
        _ => of_csv(body).map_err(|fault| fault.to_string()),
    }
}

fn outcome(done: &str, made: &str, id: &str, code: Option<&str>) -> Outcome {
    let state = match done {
        "true" => OutcomeState::Done,
        "false" => OutcomeState::Failed,
        _ => OutcomeState::Unknown,
    };
    Outcome {
        new_id: (made == "true").then(|| id::canonical(id).ok()).flatten(),
        code: code.and_then(error_code).map(str::to_owned),
        ..Outcome::of(state)
    }
}

/// `REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --`.
pub(super) fn code(error: &str) -> Option<&str> {
    error_code(error.split(':').next()?)
}

fn of_csv(body: &[u8]) -> Result<Vec<Outcome>, Fault> {
    let (mut outcomes, mut lines) = (Vec::new(), Lines::default());
    let mut places: Option<[Option<usize>; 4]> = None;
    let mut each = |record: Record<'_>| {
        let cells: Vec<&str> = record.cells().collect();
        let Some([done, made, id, error]) = places else {
            let at = |name: &str| {
                cells
                    .iter()
                    .position(|cell| cell.eq_ignore_ascii_case(name))
            };
            places = Some([at("Success"), at("Created"), at("Id"), at("Error")]);
            return Ok(());
        };
        let cell = |at: Option<usize>| at.and_then(|at| cells.get(at)).copied().unwrap_or("");
        outcomes.push(outcome(cell(done), cell(made), cell(id), code(cell(error))));
        Ok(())
    };
    lines.push(body, &mut each)?;
    lines.finish(&mut each)?;
    Ok(outcomes)
}

fn of_json(body: &[u8]) -> Result<Vec<Outcome>, String> {
    let answer = json::parse_answer(body).map_err(|Malformed(what)| what)?;
    let results = answer.as_array().ok_or("the CRM's answer is no list")?;
    let word = |value: Option<&Value>| match value {
        Some(Value::Bool(true)) => "true",
        Some(Value::Bool(false)) => "false",
        _ => "",
    };
    let one = |result: &Value| {
        let id = result.get("id").and_then(Value::as_str).unwrap_or("");
        let error = result.get("errors").and_then(|errors| errors.get(0));
        let code = error.and_then(|error| error.get("statusCode")?.as_str());
        outcome(
            word(result.get("success")),
            word(result.get("created")),
            id,
            code,
        )
    };
    Ok(results.iter().map(one).collect())
}

fn of_xml(body: &[u8]) -> Result<Vec<Outcome>, Malformed> {
    let document = xml::parse(body)?;
    let mut outcomes = Vec::new();
    for result in xml::elements(document.root_element())? {
        let (mut done, mut made, mut id, mut code) = ("", "", "", None);
        for member in xml::elements(result)? {
            match member.tag_name().name() {
                "success" => done = xml::value(member)?,
                "created" => made = xml::value(member)?,
                "id" => id = xml::value(member)?,
                "errors" if code.is_none() => {
                    let parts = xml::elements(member)?;
                    let told = parts
                        .iter()
                        .find(|part| part.tag_name().name() == "statusCode");
                    code = told.map(|part| xml::value(*part)).transpose()?;
                }
                _ => {}
            }
        }
        outcomes.push(outcome(done, made, id, code));
    }
    Ok(outcomes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_told_in_three_forms() {
        let csv = "\"Id\",\"Success\",\"Created\",\"Error\"\n\"001000000000001AAA\",\"true\",\"true\",\"\"\n\
                   \"\",\"false\",\"false\",\"INVALID_FIELD:no, such \"\"x\"\":Name --\"\n";
        let json = r#"[{"success":true,"created":true,"id":"001000000000001AAA","errors":[]},
            {"success":false,"created":false,"id":null,"errors":[{"statusCode":"INVALID_FIELD"}]}]"#;
        let xml = "<results xmlns=\"http://www.force.com/2009/06/asyncapi/dataload\"><result>\
                   <id>001000000000001</id><success>true</success><created>true</created></result>\
                   <result><errors><message>x</message><statusCode>INVALID_FIELD</statusCode></errors>\
                   <success>false</success><created>false</created></result></results>";
        for body in [csv, json, xml] {
            let [first, second] = of_batch(body.as_bytes()).unwrap().try_into().unwrap();
            assert_eq!(first.state, OutcomeState::Done);
            assert_eq!(first.new_id.as_deref(), Some("001000000000001AAA"));
            assert_eq!((second.state, second.new_id), (OutcomeState::Failed, None));
            assert_eq!(second.code.as_deref(), Some("INVALID_FIELD"));
        }
        assert!(of_batch(b"<results><result>").is_err());
        assert!(of_batch(b"[{").is_err());
    }

    /// Cut anywhere, and with any delimiter and line ending.
    #[test]
    fn a_list_is_read_as_its_bytes_come() {
        for (delimiter, end) in [(',', "\n"), ('^', "\r\n"), ('\t', "\n")] {
            let line = |cells: [&str; 3]| cells.join(&delimiter.to_string()) + end;
            let list = [
                line(["\"sf__Id\"", "\"sf__Created\"", "\"Name\""]),
                line(["\"001\"", "\"true\"", "\"a\nb\""]),
            ];
            let list = list.concat();
            for cut in 0..list.len() {
                let (left, right) = list.split_at(cut);
                let (mut lines, mut seen) = (Lines::default(), Vec::new());
                let mut each = |record: Record<'_>| {
                    seen.push(record.cells().map(str::to_owned).collect::<Vec<_>>());
                    Ok(())
                };
                lines.push(left.as_bytes(), &mut each).unwrap();
                lines.push(right.as_bytes(), &mut each).unwrap();
                lines.finish(&mut each).unwrap();
                assert_eq!(
                    seen,
                    [["sf__Id", "sf__Created", "Name"], ["001", "true", "a\nb"]]
                );
            }
        }
    }
}
