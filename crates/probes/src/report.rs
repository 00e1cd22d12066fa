//! What a probe says: one [`Report`], ready to be shown to a person.
//!
//! Every protocol file makes one and every worker reads it. It never holds a secret and never says what an outcome
//! means for a deployment.

use std::time::Duration;

use crate::error::Error;
use crate::outcome::{Class, Outcome, ReasonCode};
use crate::redact::brief;

/// How long each phase of one attempt took; where redirects were followed, all of them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timings {
    /// Looking the name up; absent for a literal address.
    pub resolve: Option<Duration>,
    /// The TCP handshake.
    pub connect: Option<Duration>,
    /// The TLS handshake; absent without one.
    pub tls: Option<Duration>,
    /// From the open connection to the first byte of the answer.
    pub processing: Option<Duration>,
    /// From the first byte of the answer to its last.
    pub transfer: Option<Duration>,
}

/// The result of one probe, ready to be shown to a person.
///
/// No field ever holds a secret: targets are redacted, answers are not quoted in `message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// What kind of trouble it was; `None` when there was none.
    pub class: Option<Class>,
    /// Why, as a stable code.
    pub reason_code: ReasonCode,
    /// What was probed, redacted.
    pub target: String,
    /// What was expected, in words.
    pub expected: String,
    /// What was seen, in words.
    pub observed: String,
    /// The status that the last attempt was answered with in full; HTTP only.
    pub status: Option<u16>,
    /// One sentence: what was attempted, on what, what was seen.
    pub message: String,
    /// How long the last attempt took.
    pub duration: Duration,
    /// How many attempts were made; the first is 1.
    pub attempts: u32,
    /// The last attempt by phase.
    pub timings: Timings,
    /// The beginning of an unexpected answer: at most 1 KiB, printable, redacted.
    pub evidence: Option<String>,
    /// How long the target asked us to wait before trying again.
    pub retry_after: Option<Duration>,
}

impl Report {
    /// Returns a passing report about a target; callers overwrite what they know better.
    pub fn pass(target: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Pass,
            class: None,
            reason_code: ReasonCode::Ok,
            target: target.into(),
            expected: expected.into(),
            observed: String::new(),
            status: None,
            message: String::new(),
            duration: Duration::ZERO,
            attempts: 1,
            timings: Timings::default(),
            evidence: None,
            retry_after: None,
        }
    }

    /// Returns a report of something that was not checked, and why.
    pub fn skipped(target: impl Into<String>, why: impl Into<String>) -> Self {
        let why = why.into();
        Self {
            outcome: Outcome::Skipped,
            reason_code: ReasonCode::Skipped,
            observed: "not checked".to_owned(),
            message: why,
            attempts: 0,
            ..Self::pass(target, "")
        }
    }

    /// Returns the report of an error about a target.
    pub fn of(error: &Error, target: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            outcome: error.class().outcome(),
            class: Some(error.class()),
            reason_code: error.reason_code(),
            observed: error.observed().to_owned(),
            message: error.to_string(),
            retry_after: error.retry_after(),
            evidence: error.evidence().map(ToOwned::to_owned),
            ..Self::pass(target, expected)
        }
    }

    /// Returns the same report with an outcome of [`Outcome::Warn`] or [`Outcome::Fail`] and its reason.
    #[must_use]
    pub fn judged(mut self, outcome: Outcome, reason_code: ReasonCode) -> Self {
        self.outcome = outcome;
        self.reason_code = reason_code;
        self.class = match outcome {
            Outcome::Pass | Outcome::Skipped => None,
            Outcome::Warn | Outcome::Inconclusive | Outcome::Error | Outcome::Fail => {
                Some(Class::Assertion)
            }
        };
        self
    }

    /// Returns the same passing report, judged by how long the answer took.
    ///
    /// A threshold is exceeded when it is reached; a missing one never is.
    #[must_use]
    pub(crate) fn judged_by_latency(
        self,
        took: Duration,
        warn_after: Option<Duration>,
        fail_after: Option<Duration>,
    ) -> Self {
        let exceeded = |limit: &Duration| took >= *limit;
        let (outcome, limit) = if let Some(limit) = fail_after.filter(exceeded) {
            (Outcome::Fail, limit)
        } else if let Some(limit) = warn_after.filter(exceeded) {
            (Outcome::Warn, limit)
        } else {
            return self;
        };
        let mut report = self.judged(outcome, ReasonCode::Slow);
        let slow = format!(", not below {}", brief(limit));
        report.observed.push_str(&slow);
        report.message.push_str(&slow);
        report
    }

    /// Tells whether the target could not be reached at all, which some callers count as an answer.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self.reason_code,
            ReasonCode::ConnectRefused
                | ReasonCode::ConnectTimeout
                | ReasonCode::ConnectUnreachable
                | ReasonCode::ConnectionClosed
                | ReasonCode::DnsNxdomain
                | ReasonCode::DnsFailure
                | ReasonCode::Timeout
        )
    }
}
