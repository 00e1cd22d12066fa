//! The one shape in which the API says no.
//!
//! Every handler and the guard answer with it; it never carries a cause's text from inside.
//!
//! Source: contract §9.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use printery_harness::exit;
use printery_streams::{Error, ErrorKind};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::cli::failure::Failure;

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

    /// What was sent is not what this path takes.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", message)
    }

    /// Redis does not answer; asking again later may help.
    fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE", message)
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

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error.kind {
            ErrorKind::Unavailable | ErrorKind::Unknown => Self::unavailable(text),
            ErrorKind::Missing | ErrorKind::Refused | ErrorKind::Malformed => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "REDIS_REFUSED", text)
            }
        }
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        match failure.code {
            exit::USAGE => Self::invalid(failure.text),
            exit::UNAVAILABLE => Self::unavailable(failure.text),
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "FAILED", failure.text),
        }
    }
}

/// Reads a body as JSON; an empty one is an empty map.
///
/// # Errors
/// What is wrong with it, and where.
pub(crate) fn json_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let body = if body.trim_ascii().is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| ApiError::invalid(format!("body: {error}")))
}
