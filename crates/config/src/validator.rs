//! How a validation as a whole is run and judged.
//!
//! Owns the `validator:` section. The validator reads it beside the checks. Never judges.

use std::time::Duration;

use serde::Serialize;

use crate::check::Enforce;
use crate::reader::Refers;
use crate::shown;
use crate::table::Table;

/// Holds the validator's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Validator {
    /// Names of the checks run for every deployment, in this order.
    pub checks: Vec<String>,
    /// Checks of one validation that run at once.
    pub concurrency: usize,
    /// How long a whole validation may take; checks not done by then are errors.
    #[serde(serialize_with = "shown::duration")]
    pub deadline: Duration,
    /// What a check that could not find out means.
    pub on_error: OnError,
    /// How long reports are good for other deployments.
    pub cache: CheckCache,
    /// Starts no further check once one has denied.
    pub stop_on_first_deny: bool,
    /// What a deployed service means that this file does not name.
    pub unknown_service: Enforce,
}

impl Default for Validator {
    fn default() -> Self {
        Self {
            checks: Vec::new(),
            concurrency: 8,
            deadline: Duration::from_secs(60),
            on_error: OnError::default(),
            cache: CheckCache::default(),
            stop_on_first_deny: false,
            unknown_service: Enforce::default(),
        }
    }
}

/// Says for how long a report of a check that says nothing of the deployment is good for others. 0 s: not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckCache {
    /// A report that passed.
    #[serde(serialize_with = "shown::duration")]
    pub pass: Duration,
    /// One that did not.
    #[serde(serialize_with = "shown::duration")]
    pub fail: Duration,
}

/// Says what a check that could not find out means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// It blocks like a failure.
    #[default]
    Closed,
    /// It is a warning.
    Open,
}

impl OnError {
    /// The words of `on_error`.
    pub(crate) const WORDS: [(&'static str, Self); 2] =
        [("closed", Self::Closed), ("open", Self::Open)];
}

impl Validator {
    /// Reads the `validator:` section.
    pub(crate) fn read(top: &mut Table<'_, '_>) -> Self {
        let mut read = Self::default();
        let Some(mut table) = top.table("validator") else { return read };
        for (name, at) in table.texts("checks").unwrap_or_default() {
            table.reader.refer(Refers::Check, &name, at);
            read.checks.push(name);
        }
        if let Some(count) = table.small("concurrency") {
            read.concurrency = count as usize;
        }
        if let Some(deadline) = table.span("deadline") {
            read.deadline = deadline;
        }
        if let Some(on_error) = table.word("on_error", &OnError::WORDS) {
            read.on_error = on_error;
        }
        if let Some(stop) = table.flag("stop_on_first_deny") {
            read.stop_on_first_deny = stop;
        }
        if let Some(enforce) = table.word("unknown_service", &Enforce::WORDS) {
            read.unknown_service = enforce;
        }
        if let Some(mut cache) = table.table("cache") {
            read.cache.pass = cache.duration("pass").unwrap_or_default();
            read.cache.fail = cache.duration("fail").unwrap_or_default();
            cache.close();
        }
        table.close();
        read
    }
}
