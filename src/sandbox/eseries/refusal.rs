//! Refusals: the errors of section 2 of the E-Series reference, and how they are written.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::habits::ErrorBodies;

/// What the platform answers to one request, before it becomes HTTP or part of a batch.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub status: u16,
    pub body: Content,
    pub retry_after: Option<u64>,
}

/// The body of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    Json(Value),
    Html(String),
    Empty,
}

impl Answer {
    pub fn ok(body: Value) -> Self {
        Self { status: 200, body: Content::Json(body), retry_after: None }
    }
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    pub status: u16,
    pub code: Option<&'static str>,
    pub message: String,
    pub retry_after: Option<u64>,
}

impl Refusal {
    pub fn new(status: u16, code: impl Into<Option<&'static str>>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), retry_after: None }
    }

    pub fn wrong_parameter(message: impl Into<String>) -> Self {
        Self::new(400, "WRONG_PARAMETER", message)
    }

    pub fn product_not_found(id: i64) -> Self {
        Self::new(404, "PRODUCT_NOT_FOUND", format!("Product #{id} not found"))
    }

    pub fn combination_not_found(id: i64) -> Self {
        Self::new(404, "COMBINATION_NOT_FOUND", format!("Combination #{id} not found"))
    }

    pub fn category_not_found(id: i64) -> Self {
        Self::new(404, "CATEGORIES_NOT_FOUND", format!("Category #{id} not found"))
    }

    /// A missing, wrong or revoked token is 403, not 401 (section 1.2).
    pub fn bad_token() -> Self {
        Self::new(403, "INVALID_API_TOKEN", "Invalid API token")
    }

    pub fn no_such_path() -> Self {
        Self::new(404, None, "Not found")
    }

    pub fn method_not_allowed() -> Self {
        Self::new(405, "METHOD_NOT_ALLOWED", "Method not allowed")
    }

    /// A refusal may come as JSON with or without a code, as nothing, or as a page (section 2.1).
    pub fn into_answer(self, bodies: ErrorBodies) -> Answer {
        let body = match (bodies, self.code) {
            (ErrorBodies::Full, Some(code)) => {
                Content::Json(json!({"errorMessage": self.message, "errorCode": code}))
            }
            (ErrorBodies::Full, None) | (ErrorBodies::MessageOnly, _) => {
                Content::Json(json!({"errorMessage": self.message}))
            }
            (ErrorBodies::Empty, _) => Content::Empty,
            (ErrorBodies::Html, _) => {
                let status = self.status;
                Content::Html(format!("<html><body><h1>{status} {}</h1></body></html>", reason(status)))
            }
        };
        Answer { status: self.status, body, retry_after: self.retry_after }
    }
}

/// The reason phrase alone, as a batch's `httpStatusLine` has it (section 2.4).
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        449 => "Retry With",
        _ => StatusCode::from_u16(status).ok().and_then(|it| it.canonical_reason()).unwrap_or(""),
    }
}
