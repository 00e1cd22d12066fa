//! The one shape in which the API says no.
//!
//! Every handler and the guard answer with it; it never carries a cause's text from inside.
//!
//! Source: contract §9.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};

/// A request that is not fulfilled.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    details: Value,
}

impl ApiError {
    /// Refuses with a status, a stable word and a sentence.
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: Value::Null }
    }

    /// Nothing is there.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    }

    /// Adds facts that a program may want.
    #[must_use]
    pub(crate) fn with_details(self, details: Value) -> Self {
        Self { details, ..self }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = json!({"code": self.code, "message": self.message, "details": self.details});
        let body = json!({"success": false, "error": error, "timestamp": Timestamp::now()});
        (self.status, Json(body)).into_response()
    }
}
