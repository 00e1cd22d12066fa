//! Owns the status record of a deployment: what stands of it, folded from its events.
//! The shield listener keeps it in Redis, the HTTP API folds it from the streams when it is asked.
//! It never depends on the order in which events are applied, nor on how often one is.

mod progress;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::envelope::Event;
use crate::kinds::Payload;
use crate::payload::{DeploymentStatus, RollbackStatus, RolloutPhase, StageStatus};

/// Names how a deployment stands as a whole.
///
/// # Source
/// Contract §7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Standing {
    /// Something is known of it, and not yet that it began.
    #[default]
    Pending,
    /// It began.
    Running,
    /// It is done.
    Success,
    /// It failed, or could not be rolled back.
    Failure,
    /// The previous version is back.
    RolledBack,
    /// Somebody called it off. No event of this fleet says so yet.
    Cancelled,
}

/// Holds what one event said: of two of the same kind the later one counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The word: `PASSED`, `success`, `running`.
    pub result: String,
    /// The sentence that goes with it; may be empty.
    pub summary: String,
    /// When, as the event says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The event.
    pub event_id: String,
}

/// Holds the status record of one deployment.
///
/// # Source
/// Contract §7; `version`, `environment`, `stages`, `outcome` and `failure` are ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The deployment.
    pub deployment_id: String,
    /// How it stands as a whole.
    pub status: Standing,
    /// The stage that it has come to.
    pub stage: Option<String>,
    /// How far it has come, 0 to 100; only grows.
    pub progress: u8,
    /// One sentence for people.
    pub message: String,
    /// Why it failed.
    pub error: Option<String>,
    /// From its beginning to its end, seconds.
    pub duration_seconds: Option<i64>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When anything was last heard of it.
    pub updated_at: Option<Timestamp>,
    /// What is deployed.
    pub services: BTreeSet<String>,
    /// The stages that failed.
    pub failed_stages: BTreeSet<String>,
    /// `initiated`, `success` or `failure`.
    pub rollback_status: Option<String>,
    /// The validator's verdict.
    pub validation: Option<Said>,
    /// What the dependency checker found, by the point of the deployment.
    pub dependencies: BTreeMap<String, Said>,
    /// What the health monitor saw, by the point of the deployment.
    pub health: BTreeMap<String, Said>,
    /// The version.
    pub version: Option<String>,
    /// Where to.
    pub environment: Option<String>,
    /// What was said of each stage.
    pub stages: BTreeMap<String, Said>,
    /// How it ended, as its producer said.
    pub outcome: Option<Said>,
    /// That it cannot go on: the stage, and why.
    pub failure: Option<Said>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What was said of going back.
    pub rollback: Option<Said>,
}

impl Record {
    /// Begins the record of a deployment of which nothing is known.
    pub fn new(deployment_id: impl Into<String>) -> Self {
        Self { deployment_id: deployment_id.into(), ..Self::default() }
    }

    /// Applies an event; tells whether it said anything new.
    ///
    /// `now` stands in for the time of an event that names none. `stages` are the fleet's, in their order.
    pub fn apply(&mut self, event: &Event, now: Timestamp, stages: &[String]) -> bool {
        let before = self.clone();
        self.note(event, now);
        self.conclude(event, stages);
        if *self == before {
            return false;
        }
        let heard = event.time.unwrap_or(now);
        self.updated_at = Some(self.updated_at.map_or(heard, |known| known.max(heard)));
        true
    }

    /// Takes note of what the event says.
    fn note(&mut self, event: &Event, now: Timestamp) {
        let said = |result: &str, summary: &str| Said {
            result: result.to_owned(),
            summary: summary.to_owned(),
            at: event.time,
            event_id: event.id.clone(),
        };
        match &event.payload {
            Payload::DeploymentStarted(data) => {
                self.begin(event.time, now);
                self.services.extend(data.services.iter().cloned());
                self.version = Some(data.version.clone());
                self.environment = Some(data.environment.clone());
            }
            Payload::StageStarted(data) => {
                self.services.extend(data.services.iter().cloned());
                keep(&mut self.stages, &data.stage, said("running", ""));
            }
            Payload::StageCompleted(data) => {
                self.services.extend(data.services.iter().cloned());
                let error = data.error_message.as_deref().unwrap_or_default();
                keep(&mut self.stages, &data.stage, said(data.status.as_str(), error));
            }
            Payload::DeploymentCompleted(data) => {
                self.end(event.time, now);
                self.version = self.version.take().or_else(|| data.version.clone());
                self.environment = self.environment.take().or_else(|| data.environment.clone());
                later(&mut self.outcome, said(data.status.as_str(), ""));
            }
            Payload::DeploymentFailed(data) => {
                self.end(event.time, now);
                later(&mut self.failure, said(&data.failed_stage, &data.reason));
            }
            Payload::RollbackInitiated(data) => {
                later(&mut self.rollback, said("initiated", &data.reason));
            }
            Payload::RollbackCompleted(data) => {
                self.end(event.time, now);
                let why = data.error_message.as_deref().unwrap_or(&data.restored_version);
                later(&mut self.rollback, said(data.status.as_str(), why));
            }
            Payload::ValidationCompleted(data) => {
                later(&mut self.validation, said(data.result.as_str(), &data.summary));
            }
            Payload::DependencyCheckCompleted(data) => {
                let point = point(data.phase, data.stage.as_deref());
                keep(&mut self.dependencies, &point, said(data.result.as_str(), &data.summary));
            }
            Payload::HealthCheckCompleted(data) => {
                let point = point(data.phase, data.stage.as_deref());
                keep(&mut self.health, &point, said(data.status.as_str(), &data.summary));
            }
            Payload::ValidationStarted(_)
            | Payload::DependencyCheckStarted(_)
            | Payload::HealthCheckStarted(_)
            | Payload::NotificationSent(_)
            | Payload::NotificationFailed(_) => {}
        }
    }

    /// Notes the earliest beginning; an event without a time only where nothing better is known.
    fn begin(&mut self, at: Option<Timestamp>, now: Timestamp) {
        self.started_at = match (self.started_at, at) {
            (Some(known), Some(at)) => Some(known.min(at)),
            (known, at) => known.or(at).or(Some(now)),
        };
    }

    fn end(&mut self, at: Option<Timestamp>, now: Timestamp) {
        self.ended_at = match (self.ended_at, at) {
            (Some(known), Some(at)) => Some(known.max(at)),
            (known, at) => known.or(at).or(Some(now)),
        };
    }

    /// Draws everything from what was said that follows from it.
    fn conclude(&mut self, event: &Event, stages: &[String]) {
        self.rollback_status = self.rollback.as_ref().map(|said| said.result.clone());
        self.failed_stages = self.with_result(StageStatus::Failure.as_str());
        if let Some(failure) = &self.failure {
            self.failed_stages.insert(failure.result.clone());
        }
        self.status = self.standing();
        let heard = progress::of_payload(&event.payload, stages);
        self.progress = self.progress.max(heard);
        self.stage = self.furthest(stages);
        self.error = self.why();
        self.duration_seconds = match (self.started_at, self.ended_at) {
            (Some(from), Some(to)) => Some(to.duration_since(from).as_secs().max(0)),
            _ => None,
        };
        self.message = self.sentence();
    }

    fn with_result(&self, result: &str) -> BTreeSet<String> {
        let these = self.stages.iter().filter(|(_, said)| said.result == result);
        these.map(|(stage, _)| stage.clone()).collect()
    }

    fn standing(&self) -> Standing {
        let rollback = self.rollback.as_ref().map(|said| said.result.as_str());
        let outcome = self.outcome.as_ref().map(|said| said.result.as_str());
        if rollback == Some(RollbackStatus::Success.as_str())
            || outcome == Some(DeploymentStatus::RolledBack.as_str())
        {
            return Standing::RolledBack;
        }
        if rollback == Some(RollbackStatus::Failure.as_str())
            || self.failure.is_some()
            || outcome == Some(DeploymentStatus::Failure.as_str())
        {
            return Standing::Failure;
        }
        if outcome == Some(DeploymentStatus::Success.as_str()) {
            return Standing::Success;
        }
        if self.started_at.is_some() || !self.stages.is_empty() || rollback.is_some() {
            return Standing::Running;
        }
        Standing::Pending
    }

    /// The last of the fleet's stages that was heard of; of stages that it does not have, any.
    fn furthest(&self, stages: &[String]) -> Option<String> {
        let known = stages.iter().rev().find(|stage| self.stages.contains_key(*stage));
        known.or_else(|| self.stages.keys().next_back()).cloned()
    }

    fn why(&self) -> Option<String> {
        if let Some(failure) = &self.failure {
            return Some(failure.summary.clone());
        }
        let rollback = self.rollback.as_ref();
        if let Some(said) = rollback.filter(|it| it.result == RollbackStatus::Failure.as_str()) {
            return Some(said.summary.clone());
        }
        let failed = self.stages.values().find(|it| it.result == StageStatus::Failure.as_str())?;
        Some(failed.summary.clone()).filter(|summary| !summary.is_empty())
    }

    fn sentence(&self) -> String {
        let version = self.version.as_deref().unwrap_or("the deployment");
        match self.status {
            Standing::Success => format!("{version} is in place"),
            Standing::RolledBack => format!("{version} was rolled back"),
            Standing::Failure => {
                let why = self.error.as_deref().unwrap_or("its producer says no more");
                format!("{version} failed: {why}")
            }
            Standing::Cancelled => format!("{version} was called off"),
            Standing::Running if self.rollback.is_some() => "a rollback was asked for".to_owned(),
            Standing::Running | Standing::Pending => {
                let of_stage = |stage: &String| {
                    let said = self.stages.get(stage)?;
                    Some(format!("stage {stage}: {}", said.result))
                };
                let verdict = || self.validation.as_ref().map(|said| said.summary.clone());
                let staged = self.stage.as_ref().and_then(of_stage);
                staged.or_else(verdict).unwrap_or_else(|| format!("{version} begins"))
            }
        }
    }
}

/// Keeps what is said of one of several things.
fn keep(known: &mut BTreeMap<String, Said>, key: &str, said: Said) {
    match known.get_mut(key) {
        Some(before) if !supersedes(&said, before) => {}
        Some(before) => *before = said,
        None => {
            known.insert(key.to_owned(), said);
        }
    }
}

/// Keeps what is said of the only one.
fn later(known: &mut Option<Said>, said: Said) {
    if known.as_ref().is_none_or(|before| supersedes(&said, before)) {
        *known = Some(said);
    }
}

/// Whether one thing that was said counts rather than another: an end rather than a beginning, then
/// the later one, then whichever has the greater id, so that every order of applying them agrees.
fn supersedes(new: &Said, old: &Said) -> bool {
    let rank = |said: &Said| {
        let ended = !matches!(said.result.as_str(), "running" | "initiated");
        (ended, said.at, said.event_id.clone())
    };
    rank(new) > rank(old)
}

/// The point of a deployment at which a check is made: `baseline`, `post-stage:folio`.
fn point(phase: RolloutPhase, stage: Option<&str>) -> String {
    stage.map_or_else(|| phase.as_str().to_owned(), |stage| format!("{}:{stage}", phase.as_str()))
}

#[cfg(test)]
mod tests;
