//! Owns the two families about going back to the previous version.
//! An operator, an orchestrator or the health monitor (behind a switch) asks; whoever rolls back reports.
//! It never rolls anything back: this fleet only asks and tells.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::or_empty;

words! {
    /// Says how a rollback ended.
    pub enum RollbackStatus {
        /// The previous version is in place.
        Success = "success",
        /// The previous version could not be restored.
        Failure = "failure",
    }
}

/// Carries the `data` of `rollback:initiated`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RollbackInitiated {
    /// The deployment.
    pub deployment_id: String,
    /// The version to return to.
    pub previous_version: String,
    /// Why, one sentence.
    pub reason: String,
    /// The stages to undo.
    pub stages_to_rollback: Vec<String>,
    /// The person or worker that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
}

/// Carries the `data` of `rollback:completed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RollbackCompleted {
    /// The deployment.
    pub deployment_id: String,
    /// How it ended.
    pub status: RollbackStatus,
    /// The version that runs now.
    pub restored_version: String,
    /// How long it took, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
    /// The services that were restored.
    #[serde(default, deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub rolled_back_services: Vec<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}
