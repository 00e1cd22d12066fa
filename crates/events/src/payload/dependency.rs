//! Owns the dependency checker's two families.
//! The dependency checker writes them; the health monitor and the notifier read the verdict.
//! It never holds the service graph; that is configuration.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RolloutPhase, or_empty};

words! {
    /// Gives the dependency checker's verdict.
    pub enum DependencyResult {
        /// Every dependency answered as it should.
        AllHealthy = "ALL_HEALTHY",
        /// Some dependencies are degraded or down.
        SomeDegraded = "SOME_DEGRADED",
        /// No dependency answered as it should.
        AllUnhealthy = "ALL_UNHEALTHY",
    }
}

words! {
    /// Says how one dependency does.
    pub enum DependencyState {
        /// It answered as it should.
        Healthy = "healthy",
        /// It answered, late or with a reserve.
        Degraded = "degraded",
        /// It did not answer, or wrongly.
        Unhealthy = "unhealthy",
    }
}

/// Reports one dependency of one service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DependencyStatus {
    /// The service that needs it.
    pub service: String,
    /// What it needs.
    pub dependency: String,
    /// How that does.
    pub status: DependencyState,
    /// Where it was asked, without secrets.
    pub endpoint: String,
    /// How long the answer took, in milliseconds.
    pub response_time_ms: f64,
    /// What was wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}

/// Names something that is down only because something below it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Impaired {
    /// What is impaired.
    pub name: String,
    /// The root cause.
    pub by: String,
}

/// Carries the `data` of `dependency:check:started`; published once for each attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DependencyCheckStarted {
    /// The deployment.
    pub deployment_id: String,
    /// At which point of the deployment this is.
    pub phase: RolloutPhase,
    /// The stage that was completed, in the phase `post-stage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The services whose dependencies are checked.
    pub services: Vec<String>,
    /// Which attempt this is; the first is 1.
    pub attempt: u32,
}

/// Carries the `data` of `dependency:check:completed`; exactly one for each input event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DependencyCheckCompleted {
    /// The deployment.
    pub deployment_id: String,
    /// At which point of the deployment this is.
    pub phase: RolloutPhase,
    /// The stage that was completed, in the phase `post-stage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The services whose dependencies were checked.
    pub services: Vec<String>,
    /// Where they are deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The version that is being deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The verdict.
    pub result: DependencyResult,
    /// One row for each dependency of each service.
    pub statuses: Vec<DependencyStatus>,
    /// What is down with everything below it up.
    #[serde(default, deserialize_with = "or_empty")]
    pub root_causes: Vec<String>,
    /// What is down because of a root cause.
    #[serde(default, deserialize_with = "or_empty")]
    pub impaired: Vec<Impaired>,
    /// How long all of it took, in milliseconds.
    pub duration_ms: u64,
    /// One sentence for people.
    pub summary: String,
}
