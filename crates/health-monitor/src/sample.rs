//! One look at one address: when, how long, and what it showed.
//!
//! Owns the shape that the sampler fills in and the verdict reads. It never judges a service.

use std::time::Duration;

/// One look at one address of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Which of the service's addresses was asked, such as `health` or `ready`.
    pub probe: &'static str,
    /// When it was asked, counted from the beginning of the attempt.
    pub at: Duration,
    /// How long the answer took.
    pub took: Duration,
    /// What it showed.
    pub finding: Finding,
}

/// What one look showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The service answered as it should.
    Passed,
    /// The service did not answer, or not as it should; in a few words, such as `HTTP 503`.
    Failed(String),
    /// We could not ask, which says nothing about the service; in a few words.
    Unasked(String),
}
