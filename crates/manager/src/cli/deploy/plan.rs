//! What a deployment consists of, and the event for each of its moments.
//!
//! Pure: the rollout publishes what is made here. It never decides how a deployment goes.

use std::time::Duration;

use printery_events::ids::{derived_id, is_deployment_id, is_stage_name};
use printery_events::payload::{
    DeploymentCompleted, DeploymentFailed, DeploymentStarted, DeploymentStatus, StageCompleted,
    StageResult, StageStarted, StageStatus,
};
use printery_events::{EventType, Payload};

/// Whether the world outside the fleet is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reality {
    /// It is.
    Real,
    /// Events are marked `dryrun`: checks run, nobody is told.
    DryRun,
}

/// Which verdicts are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// The validator's alone.
    Validation,
    /// Those of the baseline and of every stage as well; an unhealthy one fails the deployment.
    EveryStage,
}

/// A deployment from beginning to end.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The deployment.
    pub(crate) deployment_id: String,
    /// The version that is deployed.
    pub(crate) version: String,
    /// Where it is deployed.
    pub(crate) environment: String,
    /// What is deployed.
    pub(crate) services: Vec<String>,
    /// The stages, in order.
    pub(crate) stages: Vec<String>,
    /// The stage that is to fail.
    pub(crate) fail_stage: Option<String>,
    /// Whether anybody is told.
    pub(crate) reality: Reality,
    /// Which verdicts are waited for.
    pub(crate) gate: Gate,
    /// How long each stage takes.
    pub(crate) pace: Duration,
    /// How long to wait for a verdict.
    pub(crate) timeout: Duration,
}

impl Plan {
    /// Judges what was typed.
    ///
    /// # Errors
    /// Every problem, one line each.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut problems = Vec::new();
        if !is_deployment_id(&self.deployment_id) {
            let rule = "must be 1 to 128 of A-Z a-z 0-9 _ . : -";
            problems.push(format!("--deployment-id {:?} {rule}", self.deployment_id));
        }
        for stage in self.stages.iter().filter(|stage| !is_stage_name(stage)) {
            problems.push(format!("stage {stage:?} must be 1 to 64 of A-Z a-z 0-9 _ . -"));
        }
        for (flag, text) in [("--version", &self.version), ("--environment", &self.environment)] {
            if text.trim().is_empty() {
                problems.push(format!("{flag} must not be empty"));
            }
        }
        if self.services.iter().any(|service| service.trim().is_empty()) {
            problems.push("--services must not hold an empty name".to_owned());
        }
        if let Some(stage) = self.fail_stage.as_ref().filter(|stage| !self.stages.contains(stage)) {
            let stages = self.stages.join(", ");
            problems.push(format!("--fail-stage {stage:?} must be one of the stages: {stages}"));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
    }

    /// The id of this plan's event of a type: the same however often the plan is carried out, so
    /// that a repeated or resumed deployment publishes nothing twice.
    pub(crate) fn event_id(&self, event_type: &EventType) -> String {
        let fail_stage = self.fail_stage.as_deref().unwrap_or_default();
        let services = self.services.join(",");
        let dry = if self.reality == Reality::DryRun { "dryrun" } else { "" };
        let parts = [&self.version, &self.environment, services.as_str(), fail_stage, dry];
        derived_id(&self.deployment_id, "deploy", event_type.as_str(), &parts.join("\n"))
    }

    /// The deployment begins.
    pub(crate) fn started(&self) -> Payload {
        Payload::DeploymentStarted(DeploymentStarted {
            deployment_id: self.deployment_id.clone(),
            version: self.version.clone(),
            environment: self.environment.clone(),
            strategy: None,
            services: self.services.clone(),
            previous_version: None,
            images: std::collections::BTreeMap::new(),
            initiated_by: Some("printery-workers deploy".to_owned()),
            labels: Vec::new(),
            migrations: None,
            git: None,
            manifest: None,
        })
    }

    /// A stage begins.
    pub(crate) fn stage_started(&self, stage: &str) -> Payload {
        Payload::StageStarted(StageStarted {
            deployment_id: self.deployment_id.clone(),
            stage: stage.to_owned(),
            version: self.version.clone(),
            environment: Some(self.environment.clone()),
            description: None,
            services: self.services.clone(),
        })
    }

    /// A stage ends, in the way the plan wants it to.
    pub(crate) fn stage_completed(&self, stage: &str, took: Duration) -> StageCompleted {
        let fails = self.fail_stage.as_deref() == Some(stage);
        StageCompleted {
            deployment_id: self.deployment_id.clone(),
            stage: stage.to_owned(),
            status: if fails { StageStatus::Failure } else { StageStatus::Success },
            version: Some(self.version.clone()),
            environment: Some(self.environment.clone()),
            services: self.services.clone(),
            duration_seconds: Some(seconds(took)),
            error_message: fails.then(|| "it was asked to fail (--fail-stage)".to_owned()),
        }
    }

    /// The deployment ended well.
    pub(crate) fn completed(&self, stages: &[StageCompleted], took: Duration) -> Payload {
        let result = |stage: &StageCompleted| StageResult {
            stage: stage.stage.clone(),
            status: stage.status,
            duration_seconds: stage.duration_seconds,
            error_message: stage.error_message.clone(),
        };
        Payload::DeploymentCompleted(DeploymentCompleted {
            deployment_id: self.deployment_id.clone(),
            status: DeploymentStatus::Success,
            environment: Some(self.environment.clone()),
            version: Some(self.version.clone()),
            total_duration_seconds: Some(seconds(took)),
            stage_results: stages.iter().map(result).collect(),
        })
    }

    /// The deployment cannot go on.
    pub(crate) fn failed(&self, stage: &str, reason: &str) -> Payload {
        Payload::DeploymentFailed(DeploymentFailed {
            deployment_id: self.deployment_id.clone(),
            reason: reason.to_owned(),
            failed_stage: stage.to_owned(),
            error_details: None,
            recovery_suggestions: Vec::new(),
        })
    }
}

/// Seconds to the millisecond: more would only be noise.
fn seconds(took: Duration) -> f64 {
    let ms = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
    f64::from(ms) / 1000.0
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A plan that nothing is wrong with.
    pub(crate) fn plan() -> Plan {
        Plan {
            deployment_id: "d-1".to_owned(),
            version: "2.0.0".to_owned(),
            environment: "staging".to_owned(),
            services: vec!["api".to_owned()],
            stages: vec!["vercel".to_owned(), "railway".to_owned()],
            fail_stage: None,
            reality: Reality::Real,
            gate: Gate::Validation,
            pace: Duration::ZERO,
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn every_problem_is_named() {
        assert_eq!(plan().check(), Ok(()));
        let wrong = Plan {
            deployment_id: "d 1".to_owned(),
            version: " ".to_owned(),
            services: vec![String::new()],
            stages: vec!["a:b".to_owned()],
            fail_stage: Some("folio".to_owned()),
            ..plan()
        };
        let said = wrong.check().unwrap_err();
        for word in ["--deployment-id", "--version", "--services", "a:b", "--fail-stage"] {
            assert!(said.contains(word), "{word}: {said}");
        }
        assert_eq!(said.lines().count(), 5);
    }

    #[test]
    fn the_same_plan_has_the_same_event_ids_and_another_has_others() {
        let started = EventType::parse("deployment:started").unwrap();
        let id = plan().event_id(&started);
        assert_eq!(plan().event_id(&started), id);
        let others = [
            Plan { version: "2.0.1".to_owned(), ..plan() },
            Plan { deployment_id: "d-2".to_owned(), ..plan() },
            Plan { reality: Reality::DryRun, ..plan() },
            Plan { services: vec!["api".to_owned(), "relay".to_owned()], ..plan() },
            Plan { fail_stage: Some("vercel".to_owned()), ..plan() },
        ];
        assert!(others.iter().all(|other| other.event_id(&started) != id));
    }

    #[test]
    fn a_stage_fails_only_when_it_is_asked_to() {
        let plan = Plan { fail_stage: Some("railway".to_owned()), ..plan() };
        let took = Duration::from_millis(1500);
        let vercel = plan.stage_completed("vercel", took);
        assert_eq!((vercel.status, vercel.duration_seconds), (StageStatus::Success, Some(1.5)));
        let railway = plan.stage_completed("railway", took);
        assert_eq!(railway.status, StageStatus::Failure);
        assert!(railway.error_message.is_some());
    }
}
