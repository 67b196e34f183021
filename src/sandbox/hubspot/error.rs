//! HubSpot's errors: one object with status, message, correlation id and category.

use serde_json::{Value, json};

use super::super::answer::Answer;
use crate::clock::{SystemEntropy, correlation_id};

/// An error with its HTTP status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Error {
    pub(super) status: u16,
    pub(super) category: &'static str,
    pub(super) message: String,
    /// Errors of single properties.
    pub(super) properties: Vec<PropertyError>,
}

/// What is wrong with one property of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PropertyError {
    pub(super) name: String,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Error {
    pub(super) fn new(status: u16, category: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            category,
            message: message.into(),
            properties: Vec::new(),
        }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "VALIDATION_ERROR", message)
    }

    pub(super) fn not_found() -> Self {
        let message = "Object not found.  objectId are usually numeric.";
        Self::new(404, "OBJECT_NOT_FOUND", message)
    }

    pub(super) fn no_resource() -> Self {
        Self::new(404, "OBJECT_NOT_FOUND", "resource not found")
    }

    pub(super) fn not_allowed() -> Self {
        Self::new(405, "METHOD_NOT_ALLOWED", "HTTP 405 Method Not Allowed")
    }

    /// Property values that cannot be written.
    pub(super) fn properties(errors: Vec<PropertyError>) -> Self {
        let shown = errors.iter().map(|error| {
            json!({
                "isValid": false,
                "message": error.message,
                "error": error.code,
                "name": error.name,
                "localizedErrorMessage": error.message,
            })
        });
        let shown = Value::Array(shown.collect());
        let mut error = Self::invalid(format!("Property values were not valid: {shown}"));
        error.properties = errors;
        error
    }

    /// The body of the answer; also an entry of a batch's `errors`.
    pub(super) fn body(&self) -> Value {
        let mut body = json!({
            "status": "error",
            "message": self.message,
            "correlationId": correlation_id(&SystemEntropy::default()),
            "category": self.category,
        });
        if let Some(body) = body.as_object_mut()
            && !self.properties.is_empty()
        {
            let errors = self.properties.iter().map(|error| {
                json!({
                    "message": error.message,
                    "code": error.code,
                    "context": {"propertyName": [error.name]},
                })
            });
            body.insert("errors".to_owned(), errors.collect());
        }
        body
    }

    pub(super) fn answer(&self) -> Answer {
        Answer::json(self.status, self.body())
    }
}
