//! What an event asks this worker for.
//!
//! Owns the rule which events are followed by a check. The handler calls it first; it never looks
//! at the fleet file.

use printery_events::payload::{
    DependencyCheckStarted, RolloutPhase, StageCompleted, StageStatus, ValidationCompleted,
    VerdictResult,
};
use printery_events::{Event, Payload};

/// A check to be made: of whose dependencies, and at which point of the deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// The deployment.
    pub deployment_id: String,
    /// At which point of it.
    pub phase: RolloutPhase,
    /// The stage that was completed, in the phase `post-stage`.
    pub stage: Option<String>,
    /// The services that the event names; empty when it names none.
    pub services: Vec<String>,
    /// Where they are deployed, if the event says so.
    pub environment: Option<String>,
    /// The version that is being deployed, if the event says so.
    pub version: Option<String>,
}

impl Request {
    /// Returns what an event asks for; `None` when the chain of a deployment ends with it.
    pub(crate) fn of(event: &Event) -> Option<Self> {
        if let Payload::ValidationCompleted(validation) = &event.payload {
            return Self::of_validation(validation);
        }
        if let Payload::StageCompleted(stage) = &event.payload {
            return Self::of_stage(stage);
        }
        None
    }

    /// A version that must not be deployed needs nothing.
    fn of_validation(validation: &ValidationCompleted) -> Option<Self> {
        match validation.result {
            VerdictResult::Failed => None,
            VerdictResult::Passed | VerdictResult::Warnings => Some(Self {
                deployment_id: validation.deployment_id.clone(),
                phase: RolloutPhase::PreDeploy,
                stage: None,
                services: validation.services.clone(),
                environment: Some(validation.environment.clone()),
                version: Some(validation.version.clone()),
            }),
        }
    }

    /// A stage that broke off has already told what is wrong.
    fn of_stage(completed: &StageCompleted) -> Option<Self> {
        match completed.status {
            StageStatus::Failure => None,
            StageStatus::Success => Some(Self {
                deployment_id: completed.deployment_id.clone(),
                phase: RolloutPhase::PostStage,
                stage: Some(completed.stage.clone()),
                services: completed.services.clone(),
                environment: completed.environment.clone(),
                version: completed.version.clone(),
            }),
        }
    }

    /// Returns the event that says an attempt at looking at these services begins.
    pub(crate) fn started(self, services: Vec<String>, attempt: u32) -> DependencyCheckStarted {
        let Self { deployment_id, phase, stage, services: _, environment: _, version: _ } = self;
        DependencyCheckStarted { deployment_id, phase, stage, services, attempt }
    }
}
