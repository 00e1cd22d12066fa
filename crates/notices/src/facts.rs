//! What an event says, in the words that routing matches and rendering shows.
//!
//! Owns the reading of each payload into one flat shape; pure. Everything else in this crate sees
//! facts, not payloads. Never decides who is told.

use std::time::Duration;

use printery_events::payload::{DeploymentStarted, HealthStatus, NotificationSeverity};
use printery_events::{Event, Payload};
use serde_json::{Value, json};

use crate::severity::severity;

/// What news is to other news, as conditions name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Neither.
    #[default]
    Plain,
    /// It names what is down by itself.
    RootCause,
    /// It is the consequence of a root cause that was told.
    Impaired,
}

impl Kind {
    /// The word; empty for neither.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::RootCause => "root_cause",
            Self::Impaired => "impaired",
        }
    }
}

/// Holds what is told about one event.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts<'a> {
    /// The event's own id.
    pub event_id: &'a str,
    /// Its type.
    pub event_type: &'a str,
    /// The deployment.
    pub deployment_id: &'a str,
    /// What ties it to the events around it.
    pub correlation_id: &'a str,
    /// How urgent it is.
    pub severity: NotificationSeverity,
    /// The result or status as the wire spells it, where the event has one.
    pub result: Option<&'static str>,
    /// Where it is deployed to.
    pub environment: Option<&'a str>,
    /// The new version, or the restored one.
    pub version: Option<&'a str>,
    /// The one before.
    pub previous_version: Option<&'a str>,
    /// The stage it is about.
    pub stage: Option<&'a str>,
    /// The services it is about.
    pub services: Vec<&'a str>,
    /// Who asked for it.
    pub by: Option<&'a str>,
    /// How long it took.
    pub duration: Option<Duration>,
    /// What happened, without the deployment's id: `validation FAILED`.
    pub headline: String,
    /// The one sentence why.
    pub sentence: Option<&'a str>,
    /// What to do about it.
    pub suggestions: &'a [String],
    /// The commit that is deployed, where the producer named it.
    pub commit: Option<&'a str>,
    /// Free words of the producer.
    pub labels: &'a [String],
    /// What the notifier has to add, such as whom it could not tell.
    pub note: Option<String>,
    /// What else is said with it, a line each.
    pub also: Vec<String>,
    /// What it is to other news.
    pub kind: Kind,
    /// What is down by itself.
    pub root_causes: Vec<&'a str>,
    /// Who cannot work because of that.
    pub impaired: Vec<&'a str>,
    /// The services that it says are not well.
    pub troubled: Vec<&'a str>,
}

impl<'a> Facts<'a> {
    /// Reads an event.
    pub fn of(event: &'a Event) -> Self {
        let mut facts = Self {
            event_id: event.origin_id(),
            event_type: event.event_type.as_str(),
            deployment_id: event.payload.deployment_id(),
            correlation_id: &event.correlation_id,
            severity: severity(&event.payload),
            result: None,
            environment: None,
            version: None,
            previous_version: None,
            stage: event.payload.stage(),
            services: Vec::new(),
            by: None,
            duration: None,
            headline: event.event_type.as_str().to_owned(),
            sentence: None,
            suggestions: &[],
            commit: None,
            labels: &[],
            note: None,
            also: Vec::new(),
            kind: Kind::Plain,
            root_causes: Vec::new(),
            impaired: Vec::new(),
            troubled: Vec::new(),
        };
        facts.read(&event.payload);
        facts
    }

    /// Tells whether a deployment's trouble, if there was any, is over.
    pub fn concludes_well(&self) -> bool {
        match self.event_type {
            "deployment:completed" => matches!(self.result, Some("success" | "rolled_back")),
            "rollback:completed" => self.result == Some("success"),
            _ => false,
        }
    }

    /// Returns what conditions may speak of; what is not said is empty.
    pub fn variables(&self) -> Value {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        json!({
            "type": self.event_type,
            "severity": self.severity.as_str(),
            "result": text(self.result),
            "environment": text(self.environment),
            "service": text(self.services.first().copied()),
            "services": self.services,
            "stage": text(self.stage),
            "version": text(self.version),
            "previous_version": text(self.previous_version),
            "deployment_id": self.deployment_id,
            "correlation_id": self.correlation_id,
            "by": text(self.by),
            "labels": self.labels,
            "duration_seconds": self.duration.map_or(0.0, |duration| duration.as_secs_f64()),
            "summary": text(self.sentence),
            "kind": self.kind.as_str(),
            "root_causes": self.root_causes,
            "impaired": self.impaired,
        })
    }

    fn read(&mut self, payload: &'a Payload) {
        match payload {
            Payload::DeploymentStarted(_)
            | Payload::StageStarted(_)
            | Payload::StageCompleted(_)
            | Payload::DeploymentCompleted(_)
            | Payload::DeploymentFailed(_) => self.read_deployment(payload),
            Payload::RollbackInitiated(data) => {
                self.headline = "rollback asked for".into();
                self.previous_version = Some(&data.previous_version);
                self.by = data.requested_by.as_deref();
                self.sentence = Some(&data.reason);
            }
            Payload::RollbackCompleted(data) => {
                self.concluded("rollback", data.status.as_str());
                self.version = Some(&data.restored_version);
                self.services = names(&data.rolled_back_services);
                self.duration = data.duration_seconds.and_then(seconds);
                self.sentence = data.error_message.as_deref();
            }
            Payload::ValidationStarted(data) => {
                self.version = Some(&data.version);
                self.environment = Some(&data.environment);
            }
            Payload::ValidationCompleted(data) => {
                self.concluded("validation", data.result.as_str());
                self.version = Some(&data.version);
                self.environment = Some(&data.environment);
                self.services = names(&data.services);
                self.duration = Some(Duration::from_millis(data.duration_ms));
                self.sentence = Some(&data.summary);
            }
            Payload::DependencyCheckCompleted(data) => {
                self.concluded("dependencies", data.result.as_str());
                self.version = data.version.as_deref();
                self.environment = data.environment.as_deref();
                self.stage = data.stage.as_deref();
                self.services = names(&data.services);
                self.duration = Some(Duration::from_millis(data.duration_ms));
                self.sentence = Some(&data.summary);
                self.root_causes = names(&data.root_causes);
                self.impaired = data.impaired.iter().map(|one| one.name.as_str()).collect();
                if !self.root_causes.is_empty() {
                    self.kind = Kind::RootCause;
                }
            }
            Payload::HealthCheckCompleted(data) => {
                self.concluded("health", data.status.as_str());
                self.stage = data.stage.as_deref();
                self.services = data.services.iter().map(|of| of.service.as_str()).collect();
                let unwell = data.services.iter().filter(|of| of.status != HealthStatus::Healthy);
                self.troubled = unwell.map(|of| of.service.as_str()).collect();
                self.duration = Some(Duration::from_millis(data.duration_ms));
                self.sentence = Some(&data.summary);
            }
            Payload::DependencyCheckStarted(data) => self.services = names(&data.services),
            Payload::HealthCheckStarted(data) => self.services = names(&data.services),
            Payload::NotificationSent(_) | Payload::NotificationFailed(_) => {}
        }
    }

    fn read_deployment(&mut self, payload: &'a Payload) {
        match payload {
            Payload::DeploymentStarted(data) => {
                self.headline = "deployment started".into();
                self.version = Some(&data.version);
                self.previous_version = data.previous_version.as_deref();
                self.environment = Some(&data.environment);
                self.services = names(&data.services);
                self.by = data.initiated_by.as_deref();
                self.labels = &data.labels;
                self.commit = commit(data);
            }
            Payload::StageStarted(data) => {
                self.headline = format!("stage {} started", data.stage);
                self.version = Some(&data.version);
                self.environment = data.environment.as_deref();
                self.services = names(&data.services);
                self.sentence = data.description.as_deref();
            }
            Payload::StageCompleted(data) => {
                self.concluded(&format!("stage {}", data.stage), data.status.as_str());
                self.version = data.version.as_deref();
                self.environment = data.environment.as_deref();
                self.services = names(&data.services);
                self.duration = data.duration_seconds.and_then(seconds);
                self.sentence = data.error_message.as_deref();
            }
            Payload::DeploymentCompleted(data) => {
                self.concluded("deployment", data.status.as_str());
                self.version = data.version.as_deref();
                self.environment = data.environment.as_deref();
                self.duration = data.total_duration_seconds.and_then(seconds);
                let mut stages = data.stage_results.iter();
                self.sentence = stages.find_map(|stage| stage.error_message.as_deref());
            }
            Payload::DeploymentFailed(data) => {
                self.concluded("deployment", "failed");
                self.stage = Some(&data.failed_stage);
                self.sentence = Some(&data.reason);
                self.suggestions = &data.recovery_suggestions;
            }
            Payload::RollbackInitiated(_)
            | Payload::RollbackCompleted(_)
            | Payload::ValidationStarted(_)
            | Payload::ValidationCompleted(_)
            | Payload::DependencyCheckStarted(_)
            | Payload::DependencyCheckCompleted(_)
            | Payload::HealthCheckStarted(_)
            | Payload::HealthCheckCompleted(_)
            | Payload::NotificationSent(_)
            | Payload::NotificationFailed(_) => {}
        }
    }

    /// Takes a result into the headline.
    fn concluded(&mut self, what: &str, result: &'static str) {
        self.headline = format!("{what} {result}");
        self.result = Some(result);
    }
}

/// Finds the commit: what producers call it in `git`, or a version that is one.
fn commit(data: &DeploymentStarted) -> Option<&str> {
    let named = |name: &str| data.git.as_ref()?.get(name)?.as_str();
    let said = ["sha", "commit", "head_sha", "revision"].into_iter().find_map(named);
    let is_one = |text: &&str| text.len() == 40 && text.chars().all(|c| c.is_ascii_hexdigit());
    said.or(Some(data.version.as_str())).filter(is_one)
}

fn names(services: &[String]) -> Vec<&str> {
    services.iter().map(String::as_str).collect()
}

/// Takes a duration in seconds; a producer's nonsense is no duration.
fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}
