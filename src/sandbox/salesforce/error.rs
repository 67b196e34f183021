//! Salesforce's errors: an array with one object on a request, an entry on a row of a collection.

use serde_json::{Value, json};

use super::super::answer::Answer;

/// An error with its HTTP status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Error {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) fields: Vec<String>,
}

impl Error {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            fields: Vec::new(),
        }
    }

    pub(super) fn field(mut self, field: &str) -> Self {
        self.fields.push(field.to_owned());
        self
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, "NOT_FOUND", "The requested resource does not exist")
    }

    pub(super) fn deleted() -> Self {
        Self::new(404, "ENTITY_IS_DELETED", "entity is deleted")
    }

    pub(super) fn not_allowed(method: &str, allowed: &str) -> Self {
        let message = format!("HTTP Method '{method}' not allowed. Allowed are {allowed}");
        Self::new(405, "METHOD_NOT_ALLOWED", message)
    }

    pub(super) fn malformed_id(object: &str, id: &str) -> Self {
        let message = format!("{object} ID: id value of incorrect type: {id}");
        Self::new(400, "MALFORMED_ID", message).field("Id")
    }

    pub(super) fn no_column(field: &str, object: &str) -> Self {
        let message = format!("No such column '{field}' on sobject of type {object}");
        Self::new(400, "INVALID_FIELD", message)
    }

    pub(super) fn missing(fields: &[&str]) -> Self {
        let message = format!("Required fields are missing: [{}]", fields.join(", "));
        let mut error = Self::new(400, "REQUIRED_FIELD_MISSING", message);
        error.fields = fields.iter().map(|&field| field.to_owned()).collect();
        error
    }

    pub(super) fn parser(message: impl Into<String>) -> Self {
        Self::new(400, "JSON_PARSER_ERROR", message)
    }

    pub(super) fn malformed_query(message: impl Into<String>) -> Self {
        Self::new(400, "MALFORMED_QUERY", message)
    }

    /// The error as the answer to a request.
    pub(super) fn answer(&self) -> Answer {
        let mut body = json!({"message": self.message, "errorCode": self.code});
        if let Some(body) = body.as_object_mut()
            && !self.fields.is_empty()
        {
            body.insert("fields".to_owned(), json!(self.fields));
        }
        Answer::json(self.status, json!([body]))
    }

    /// The error as a row of a collection's answer.
    pub(super) fn row(&self) -> Value {
        json!({
            "success": false,
            "errors": [{"statusCode": self.code, "message": self.message, "fields": self.fields}],
        })
    }
}
