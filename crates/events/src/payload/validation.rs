//! Owns the validator's two families and the `check`, the smallest verdict of the fleet.
//! The validator writes them; the dependency checker and the notifier read the verdict.
//! It never decides how single checks add up to a verdict; that is the validator's policy.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RolloutPhase, or_empty};

words! {
    /// Says what became of one check.
    pub enum CheckOutcome {
        /// The target answered as expected.
        Pass = "pass",
        /// The target answered, with a reserve.
        Warn = "warn",
        /// The target answered and broke the expectation.
        Fail = "fail",
        /// We could not find out.
        Error = "error",
        /// The answers do not allow a judgement.
        Inconclusive = "inconclusive",
        /// The check was not made, on purpose.
        Skipped = "skipped",
    }
}

words! {
    /// Says how much a failed check matters.
    pub enum Severity {
        /// Worth knowing, changes nothing.
        Info = "info",
        /// Somebody should look; the deployment may go on.
        Warning = "warning",
        /// The deployment must not go on.
        Critical = "critical",
    }
}

words! {
    /// Gives the validator's verdict.
    pub enum VerdictResult {
        /// Everything that was required holds.
        Passed = "PASSED",
        /// Nothing forbids the deployment, but somebody should look.
        Warnings = "WARNINGS",
        /// The deployment must not go on.
        Failed = "FAILED",
    }
}

/// Reports one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// The name configuration gives it.
    pub name: String,
    /// What it proves: `env`, `http`, `tcp`, `redis`, …
    pub kind: String,
    /// What became of it.
    pub outcome: CheckOutcome,
    /// How much a failure would matter.
    pub severity: Severity,
    /// What was looked at, without secrets.
    pub target: String,
    /// What should have been seen.
    pub expected: String,
    /// What was seen.
    pub observed: String,
    /// One sentence for people.
    pub message: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// How often it was tried.
    pub attempts: u32,
    /// Which kind of trouble it was: `transient`, `permanent`, `assertion`, `guard` or `internal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Why the outcome is what it is, as a stable code such as `image_not_found`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<String>,
    /// The last attempt by phase (`resolve`, `connect`, `tls`, `processing`, `transfer`), in milliseconds.
    #[serde(default, deserialize_with = "or_empty", skip_serializing_if = "BTreeMap::is_empty")]
    pub timings: BTreeMap<String, u64>,
    /// The beginning of an unexpected answer, at most 1 KiB, without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

/// Counts the checks of a validation by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Counts {
    /// Answered as expected.
    pub pass: u32,
    /// Answered with a reserve.
    pub warn: u32,
    /// Broke the expectation.
    pub fail: u32,
    /// Could not be made.
    pub error: u32,
    /// Allow no judgement.
    pub inconclusive: u32,
    /// Left out on purpose.
    pub skipped: u32,
}

/// Carries the `data` of `validation:started`; published once for each attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ValidationStarted {
    /// The deployment.
    pub deployment_id: String,
    /// The version that is being deployed.
    pub version: String,
    /// Where it is deployed.
    pub environment: String,
    /// The names of the checks that will be made.
    pub checks: Vec<String>,
    /// Which attempt this is; the first is 1.
    pub attempt: u32,
}

/// Carries the `data` of `validation:completed`; exactly one for each input event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ValidationCompleted {
    /// The deployment.
    pub deployment_id: String,
    /// The version that is being deployed.
    pub version: String,
    /// Where it is deployed.
    pub environment: String,
    /// The services that are deployed.
    pub services: Vec<String>,
    /// At which point of the deployment the checks were made.
    pub phase: RolloutPhase,
    /// The verdict.
    pub result: VerdictResult,
    /// How many checks ended how.
    #[serde(default)]
    pub counts: Counts,
    /// Every check, in the order of configuration.
    pub checks: Vec<Check>,
    /// How long all of it took, in milliseconds.
    pub duration_ms: u64,
    /// Names the configuration the verdict was made with.
    pub config_digest: String,
    /// One sentence for people.
    pub summary: String,
}
