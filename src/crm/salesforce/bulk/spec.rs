//! What a job is to do, as it is asked for and as the CRM tells it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::csv::Dialect;
use crate::crm::catalog::Catalog;
use crate::crm::salesforce::body::{Refused, malformed, shown};
use crate::crm::salesforce::types::{self, Type};
use crate::crm::salesforce::{headers, id};
use crate::mutation::{Operation, same_name};

/// What a job does with its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Work {
    /// New records.
    Insert,
    /// By their ids.
    Update,
    /// By an external id.
    Upsert,
    /// Into the recycle bin.
    Delete,
    /// Past it.
    HardDelete,
    /// None: its batches are queries (Bulk API 1.0 alone).
    Query,
}

/// How the rows of a job are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Comma-separated, or by another delimiter.
    #[default]
    Csv,
    /// `<sObjects>`.
    Xml,
    /// A list of objects.
    Json,
}

impl Work {
    /// The operation of a row.
    #[must_use]
    pub fn operation(self) -> Operation {
        match self {
            Self::Insert => Operation::Create,
            Self::Update => Operation::Update,
            Self::Upsert => Operation::Upsert,
            Self::Delete => Operation::Delete,
            Self::HardDelete => Operation::Purge,
            Self::Query => Operation::Export,
        }
    }

    fn named(word: &str) -> Option<Self> {
        match word {
            "insert" => Some(Self::Insert),
            "update" => Some(Self::Update),
            "upsert" => Some(Self::Upsert),
            "delete" => Some(Self::Delete),
            "hardDelete" => Some(Self::HardDelete),
            _ => None,
        }
    }
}

/// What a job is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The object's name: canonical, and of one of the org's own as it was asked for until it is placed.
    pub object: String,
    /// The first three characters of its records' ids, where it is one of the org's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    /// What it does with each row.
    pub work: Work,
    /// The field that names records, of an upsert.
    pub external: Option<String>,
    /// What stands between cells.
    delimiter: u8,
    /// Whether lines end in CRLF.
    crlf: bool,
    /// The assignment rule that picks owners.
    pub(super) rule: Option<String>,
    /// Whether it is of Bulk API 1.0: its rows come in batches that run when they are posted.
    #[serde(default)]
    pub batches: bool,
    /// How they are written.
    #[serde(default)]
    pub form: Form,
    /// Whether batches run one after the other.
    #[serde(default)]
    serial: bool,
}

/// Members of a request, and which of them an answer has too.
const KNOWN: [&str; 7] = [
    "object",
    "operation",
    "contentType",
    "externalIdFieldName",
    "columnDelimiter",
    "lineEnding",
    "assignmentRuleId",
];

/// The same of Bulk API 1.0.
const KNOWN_OF_BATCHES: [&str; 6] = [
    "object",
    "operation",
    "contentType",
    "externalIdFieldName",
    "concurrencyMode",
    "assignmentRuleId",
];

fn only(members: &Map<String, Value>, known: &[&str]) -> Result<(), Refused> {
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(malformed(format!(
            "the job has the member {}, which is not understood: leave it out",
            shown(name)
        ))),
    }
}

impl Spec {
    /// What a request asks for; a member that is not known may act.
    pub(super) fn asked(members: &Map<String, Value>) -> Result<Self, Refused> {
        only(members, &KNOWN)?;
        Self::told(members)
    }

    /// The same of a job of Bulk API 1.0.
    pub(super) fn asked_of_batches(members: &Map<String, Value>) -> Result<Self, Refused> {
        only(members, &KNOWN_OF_BATCHES)?;
        Self::told_of_batches(members)
    }

    /// What an answer of Bulk API 1.0 tells (Bulk API Developer Guide, `JobInfo`).
    pub(super) fn told_of_batches(members: &Map<String, Value>) -> Result<Self, Refused> {
        let word = text(members, "operation")?.unwrap_or_default();
        let work = match word {
            "query" | "queryAll" => Work::Query,
            word => Work::named(word)
                .ok_or_else(|| malformed(format!("{} is no operation of a job", shown(word))))?,
        };
        let form = match text(members, "contentType")? {
            None | Some("XML") => Form::Xml,
            Some("CSV") => Form::Csv,
            Some("JSON") => Form::Json,
            Some(other) => {
                return Err(Refused::Opaque(format!(
                    "batches of contentType {} are not taken apart: use CSV, XML or JSON",
                    shown(other)
                )));
            }
        };
        let serial = match members.get("concurrencyMode") {
            None | Some(Value::Null) => false,
            Some(Value::String(mode)) if mode == "Parallel" => false,
            Some(Value::String(mode)) if mode == "Serial" => true,
            // simple-salesforce numbers them
            Some(Value::Number(mode)) if mode.as_u64() == Some(0) => false,
            Some(Value::Number(mode)) if mode.as_u64() == Some(1) => true,
            Some(_) => {
                return Err(malformed(
                    "the job's concurrencyMode is neither Parallel nor Serial",
                ));
            }
        };
        Ok(Self {
            object: object(members)?,
            prefix: None,
            work,
            external: external(work, text(members, "externalIdFieldName")?)?,
            delimiter: b',',
            crlf: false,
            rule: rule(members)?,
            batches: true,
            form,
            serial,
        })
    }

    /// The same with its lines ending in CRLF, or not.
    pub(super) fn with_lines(&self, crlf: bool) -> Self {
        Self {
            crlf,
            ..self.clone()
        }
    }

    /// What an answer tells; it tells more than this.
    pub(super) fn told(members: &Map<String, Value>) -> Result<Self, Refused> {
        let word = text(members, "operation")?.unwrap_or_default();
        let work = Work::named(word)
            .ok_or_else(|| malformed(format!("{} is no operation of a job", shown(word))))?;
        if !matches!(text(members, "contentType")?, None | Some("CSV")) {
            return Err(malformed("the job's contentType is not CSV"));
        }
        let external = external(work, text(members, "externalIdFieldName")?)?;
        let crlf = match text(members, "lineEnding")? {
            None | Some("LF") => false,
            Some("CRLF") => true,
            Some(_) => return Err(malformed("the job's lineEnding is neither LF nor CRLF")),
        };
        Ok(Self {
            object: object(members)?,
            prefix: None,
            work,
            external,
            delimiter: delimiter(text(members, "columnDelimiter")?)?,
            crlf,
            rule: rule(members)?,
            batches: false,
            form: Form::Csv,
            serial: false,
        })
    }

    /// How its rows are written.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        Dialect {
            delimiter: self.delimiter,
            crlf: self.crlf,
        }
    }

    /// The assignment rule as a write's headers would name it.
    pub(super) fn acting(&self) -> headers::Acting {
        match &self.rule {
            Some(rule) => headers::Acting::AssignmentRule(rule.clone()),
            None => headers::Acting::Nothing,
        }
    }

    /// The object, where it is built in or placed.
    pub(super) fn known(&self) -> Option<Type<'_>> {
        match &self.prefix {
            Some(prefix) => Some(types::named(&self.object, prefix)),
            None => types::by_name(&self.object).copied(),
        }
    }

    /// The same, with an object of the org's own as the org told it.
    ///
    /// # Errors
    /// Why the object is not known; for people.
    pub fn placed(mut self, catalog: &Catalog) -> Result<Self, String> {
        if self.known().is_some() {
            return Ok(self);
        }
        let types = catalog.own_types();
        let own = types.by_name(&self.object);
        let own = own.ok_or_else(|| types::unknown(&self.object))?;
        self.object.clone_from(&own.name);
        self.prefix = Some(own.prefix.clone());
        Ok(self)
    }

    /// Whether a row of an upsert names its record by its id.
    pub(super) fn by_id(&self) -> bool {
        self.external
            .as_deref()
            .is_some_and(|field| same_name(field, "Id"))
    }
}

fn object(members: &Map<String, Value>) -> Result<String, Refused> {
    let object = text(members, "object")?.ok_or_else(|| malformed("the job names no object"))?;
    match types::by_name(object) {
        Some(known) => Ok(known.name.to_owned()),
        None if types::is_own(object) => Ok(object.to_owned()),
        None => Err(Refused::Opaque(types::unknown(object))),
    }
}

fn rule(members: &Map<String, Value>) -> Result<Option<String>, Refused> {
    let rule = text(members, "assignmentRuleId")?.filter(|text| !text.is_empty());
    Ok(rule.map(id::canonical).transpose()?)
}

fn external(work: Work, field: Option<&str>) -> Result<Option<String>, Refused> {
    match (work, field) {
        (Work::Upsert, Some(field)) if types::is_name(field) => Ok(Some(field.to_owned())),
        (Work::Upsert, _) => Err(malformed("an upsert names no externalIdFieldName")),
        (_, None) => Ok(None),
        (_, Some(_)) => Err(malformed("externalIdFieldName is for upserts alone")),
    }
}

fn delimiter(name: Option<&str>) -> Result<u8, Refused> {
    match name {
        None | Some("COMMA") => Ok(b','),
        Some("SEMICOLON") => Ok(b';'),
        Some("TAB") => Ok(b'\t'),
        Some("PIPE") => Ok(b'|'),
        Some("CARET") => Ok(b'^'),
        Some("BACKQUOTE") => Ok(b'`'),
        Some(other) => Err(malformed(format!("{} is no columnDelimiter", shown(other)))),
    }
}

/// A text; null is as good as absent.
fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Refused> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(malformed(format!("the job's {name} is not a text"))),
    }
}
