//! Why a probe or a sender did not get its answer: one error, told apart by class and reason code.
//!
//! Every file of this crate makes these and [`Report::of`](crate::Report::of) turns them into reports.
//! Its text never holds a secret: targets arrive here redacted.

use std::fmt;
use std::time::Duration;

use crate::outcome::{Class, ReasonCode};

/// What went wrong on the way to an answer.
///
/// `Display` is one sentence: what was attempted, on what, and what was seen or which rule was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    class: Class,
    reason_code: ReasonCode,
    attempted: String,
    observed: String,
    evidence: Option<String>,
    retry_after: Option<Duration>,
}

impl Error {
    /// Makes an error from what was attempted (`GET http://api/health`) and what was seen (`timed out after 5s`).
    pub fn new(
        class: Class,
        reason_code: ReasonCode,
        attempted: impl Into<String>,
        observed: impl Into<String>,
    ) -> Self {
        Self {
            class,
            reason_code,
            attempted: attempted.into(),
            observed: observed.into(),
            evidence: None,
            retry_after: None,
        }
    }

    /// Returns the same error about another attempt, for a caller that knows better what it was doing.
    #[must_use]
    pub fn while_attempting(mut self, attempted: impl Into<String>) -> Self {
        self.attempted = attempted.into();
        self
    }

    /// Returns the same error with the beginning of the answer.
    #[must_use]
    pub fn with_evidence(mut self, evidence: Option<String>) -> Self {
        self.evidence = evidence;
        self
    }

    /// Returns the same error with the wait that the target asked for.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.retry_after = retry_after;
        self
    }

    /// Returns the class, which decides about retrying.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Returns the stable reason code.
    pub fn reason_code(&self) -> ReasonCode {
        self.reason_code
    }

    /// Returns what was seen.
    pub fn observed(&self) -> &str {
        &self.observed
    }

    /// Returns the beginning of the answer, redacted.
    pub fn evidence(&self) -> Option<&str> {
        self.evidence.as_deref()
    }

    /// Returns how long the target asked us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.attempted, self.observed)
    }
}

impl std::error::Error for Error {}
