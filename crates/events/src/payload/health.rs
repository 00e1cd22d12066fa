//! Owns the health monitor's two families.
//! The health monitor writes them; the notifier and dashboards read the verdict.
//! It never holds thresholds; those are configuration.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RolloutPhase;

words! {
    /// Gives the health monitor's verdict over all services.
    pub enum HealthResult {
        /// Every service is healthy.
        Healthy = "HEALTHY",
        /// Some service is degraded.
        Degraded = "DEGRADED",
        /// Some service is unhealthy.
        Unhealthy = "UNHEALTHY",
        /// There was not enough to judge by.
        Inconclusive = "INCONCLUSIVE",
    }
}

words! {
    /// Says how one service does.
    pub enum HealthStatus {
        /// It keeps every threshold.
        Healthy = "healthy",
        /// It breaks a threshold that warns.
        Degraded = "degraded",
        /// It breaks a threshold that fails.
        Unhealthy = "unhealthy",
        /// There were too few samples to judge.
        Inconclusive = "inconclusive",
    }
}

/// Reports one service over the whole window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceHealth {
    /// The service.
    pub service: String,
    /// How it does.
    pub status: HealthStatus,
    /// How many samples were taken.
    pub samples: u32,
    /// The share of samples that failed, 0 to 1.
    pub error_rate: f64,
    /// The median answer time, in milliseconds.
    pub p50_ms: f64,
    /// The 99th percentile of the answer time, in milliseconds.
    pub p99_ms: f64,
    /// Why this status was given, one sentence.
    pub reason: String,
}

/// Carries the `data` of `health:check:started`; published once for each attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthCheckStarted {
    /// The deployment.
    pub deployment_id: String,
    /// At which point of the deployment this is.
    pub phase: RolloutPhase,
    /// The stage that was completed, in the phase `post-stage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The services that are watched.
    pub services: Vec<String>,
    /// Which attempt this is; the first is 1.
    pub attempt: u32,
}

/// Carries the `data` of `health:check:completed`; exactly one for each input event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HealthCheckCompleted {
    /// The deployment.
    pub deployment_id: String,
    /// At which point of the deployment this is.
    pub phase: RolloutPhase,
    /// The stage that was completed, in the phase `post-stage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// One row for each service.
    pub services: Vec<ServiceHealth>,
    /// The verdict.
    pub status: HealthResult,
    /// Whether this worker asked for a rollback.
    pub rollback_requested: bool,
    /// How long the window was, in milliseconds.
    pub duration_ms: u64,
    /// One sentence for people.
    pub summary: String,
}
