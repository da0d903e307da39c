//! Answers of the API before they become HTTP: a body, or a refusal in the platform's error shape.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

/// Why a request was not done (section 1.11).
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// The recorded text for an ID that nobody has.
    pub(super) fn no_such(resource: &str, id: i64) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            format!("Object of type '{resource}' not found with primary ID '{id}'."),
        )
    }

    pub(super) fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not Found")
    }

    pub(super) fn method(method: &str) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("Method {method} is not supported by this resource."),
        )
    }

    /// The body of the first shape of section 1.11. `httpCode` is a string.
    pub(super) fn body(&self) -> Value {
        json!({
            "httpCode": self.status.as_str(),
            "httpMessage": self.status.canonical_reason().unwrap_or_default(),
            "message": self.message,
            "errorClass": "Exception",
        })
    }
}

/// The envelope of a single record (section 1.4).
pub(super) fn one(resource: &str, record: Map<String, Value>) -> Value {
    let mut body = Map::new();
    body.insert("@attributes".to_owned(), json!({ "count": "1" }));
    body.insert(resource.to_owned(), Value::Object(record));
    Value::Object(body)
}
