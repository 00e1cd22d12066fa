//! Owns the five families a deployment's producer writes: the deployment itself and its stages.
//! Producers outside the fleet and `printery-workers deploy` write them; all four workers read some of them.
//! It never says how a deployment is carried out.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::or_empty;

words! {
    /// Says how the new version replaces the old one.
    pub enum Strategy {
        /// Instance by instance.
        Rolling = "rolling",
        /// A small share of the traffic first.
        Canary = "canary",
        /// A whole second set, then a switch.
        BlueGreen = "blue-green",
    }
}

words! {
    /// Says at which point of a deployment a check was made.
    pub enum RolloutPhase {
        /// Before anything was changed.
        PreDeploy = "pre-deploy",
        /// While the old version still runs, to have something to compare with.
        Baseline = "baseline",
        /// After a stage was completed.
        PostStage = "post-stage",
    }
}

words! {
    /// Says how a stage ended.
    pub enum StageStatus {
        /// The stage did what it should.
        Success = "success",
        /// The stage broke off.
        Failure = "failure",
    }
}

words! {
    /// Says how a whole deployment ended.
    pub enum DeploymentStatus {
        /// The new version is in place.
        Success = "success",
        /// The new version is not in place.
        Failure = "failure",
        /// The previous version is in place again.
        RolledBack = "rolled_back",
    }
}

/// Says what a deployment does to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Migrations {
    /// Whether the new version needs a migration.
    pub required: bool,
    /// Whether the migration can be undone.
    pub reversible: bool,
}

/// Carries the `data` of `deployment:started`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeploymentStarted {
    /// The deployment.
    pub deployment_id: String,
    /// The version that is being deployed.
    pub version: String,
    /// `development`, `staging`, `production` or any other word.
    pub environment: String,
    /// How the new version replaces the old one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// The services that are deployed, by the names configuration knows.
    pub services: Vec<String>,
    /// The version that runs now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_version: Option<String>,
    /// The image reference of each service.
    #[serde(default, deserialize_with = "or_empty", skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<String, String>,
    /// The person or machine that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiated_by: Option<String>,
    /// Free words that policies look at.
    #[serde(default, deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// What happens to the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrations: Option<Migrations>,
    /// The commit and whatever else the producer says about it; carried, never interpreted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<Map<String, Value>>,
    /// The Kubernetes manifest that is deployed, as YAML text or as its objects; secrets belong into what it refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Value>,
}

/// Carries the `data` of `deployment:stage:<stage>:started`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StageStarted {
    /// The deployment.
    pub deployment_id: String,
    /// The stage; the same as in the event type.
    pub stage: String,
    /// The version that is being deployed.
    pub version: String,
    /// Where it is deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// What the stage does, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The services the stage deploys.
    pub services: Vec<String>,
}

/// Carries the `data` of `deployment:stage:<stage>:completed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageCompleted {
    /// The deployment.
    pub deployment_id: String,
    /// The stage; the same as in the event type.
    pub stage: String,
    /// How the stage ended.
    pub status: StageStatus,
    /// The version that was deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where it was deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The services the stage deployed.
    #[serde(default, deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// How long the stage took, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
    /// Why the stage failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}

/// Sums up one stage inside [`DeploymentCompleted`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageResult {
    /// The stage.
    pub stage: String,
    /// How it ended.
    pub status: StageStatus,
    /// How long it took, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}

/// Carries the `data` of `deployment:completed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeploymentCompleted {
    /// The deployment.
    pub deployment_id: String,
    /// How it ended.
    pub status: DeploymentStatus,
    /// Where it was deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The version that was deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How long everything took, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_duration_seconds: Option<f64>,
    /// One row for each stage that ran.
    #[serde(default, deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub stage_results: Vec<StageResult>,
}

/// Carries the `data` of `deployment:failed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeploymentFailed {
    /// The deployment.
    pub deployment_id: String,
    /// Why it cannot go on, one sentence.
    pub reason: String,
    /// The stage that failed; `validation` when the validator refused it.
    pub failed_stage: String,
    /// What is known beyond the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_details: Option<String>,
    /// What a person might do next.
    #[serde(default, deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub recovery_suggestions: Vec<String>,
}
