//! What an event asks this worker for.
//!
//! Owns how a dependency check turns into a baseline or a window. The handler calls it first; it
//! never looks at the fleet file.

use std::collections::BTreeMap;

use printery_events::payload::{DependencyCheckCompleted, HealthCheckStarted, RolloutPhase};
use printery_events::{Event, Payload};

/// Services to be watched, and at which point of the deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// The deployment.
    pub deployment_id: String,
    /// Before it or after one of its stages.
    pub phase: Phase,
    /// The services that the event names, each once; empty when it names none.
    pub services: Vec<String>,
    /// What impairs a service, by the service's name, as far as the dependency check found out.
    pub upstream: BTreeMap<String, String>,
    /// Where it is deployed, if the event says so.
    pub environment: Option<String>,
    /// What is deployed, if the event says so.
    pub version: Option<String>,
}

/// At which point of a deployment services are watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// While the old version still runs.
    Baseline,
    /// After a stage, whose name is known unless the producer left it out.
    PostStage(Option<String>),
}

impl Phase {
    /// Returns the phase's name on the wire.
    pub(crate) fn name(&self) -> RolloutPhase {
        match self {
            Self::Baseline => RolloutPhase::Baseline,
            Self::PostStage(_) => RolloutPhase::PostStage,
        }
    }

    /// Returns the stage that was completed.
    pub(crate) fn stage(&self) -> Option<&str> {
        match self {
            Self::Baseline => None,
            Self::PostStage(stage) => stage.as_deref(),
        }
    }
}

impl Request {
    /// Returns what an event asks for; `None` for an event that this worker has no use for.
    pub(crate) fn of(event: &Event) -> Option<Self> {
        let Payload::DependencyCheckCompleted(check) = &event.payload else { return None };
        Some(Self::of_check(check))
    }

    fn of_check(check: &DependencyCheckCompleted) -> Self {
        let phase = match check.phase {
            RolloutPhase::PreDeploy | RolloutPhase::Baseline => Phase::Baseline,
            RolloutPhase::PostStage => Phase::PostStage(check.stage.clone()),
        };
        let mut services: Vec<String> = Vec::new();
        for service in &check.services {
            if !services.contains(service) {
                services.push(service.clone());
            }
        }
        let upstream =
            check.impaired.iter().map(|impaired| (impaired.name.clone(), impaired.by.clone()));
        Self {
            deployment_id: check.deployment_id.clone(),
            phase,
            services,
            upstream: upstream.collect(),
            environment: check.environment.clone(),
            version: check.version.clone(),
        }
    }

    /// Returns the event that says an attempt begins.
    pub(crate) fn started(&self, services: Vec<String>, attempt: u32) -> HealthCheckStarted {
        HealthCheckStarted {
            deployment_id: self.deployment_id.clone(),
            phase: self.phase.name(),
            stage: self.phase.stage().map(ToOwned::to_owned),
            services,
            attempt,
        }
    }
}
