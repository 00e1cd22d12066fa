//! An event in one line: how it stands, what it is about, and the rest.
//!
//! `events`, `explain`, `deploy` and the demo print it; pure. It never judges: the words are the
//! event's own.

use printery_events::payload::{
    CheckOutcome, DependencyResult, DeploymentStatus, HealthResult, Notification,
    NotificationSeverity, RollbackStatus, RolloutPhase, StageStatus, VerdictResult,
};
use printery_events::{Event, Payload};

use crate::cli::output::{Tone, clean};
use crate::cli::times::span;

/// One line about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gist {
    /// How the word is meant.
    pub(crate) tone: Tone,
    /// How it stands: `running`, `PASSED`, `told`.
    pub(crate) word: String,
    /// What it is about: `validation`, `stage vercel`.
    pub(crate) subject: String,
    /// The rest, for people.
    pub(crate) detail: String,
}

impl Gist {
    /// Says an event in one line.
    pub(crate) fn of(event: &Event) -> Self {
        let (tone, word, subject, detail) = parts(&event.payload);
        let dry = if event.dry_run { " (dry run)" } else { "" };
        Self {
            tone,
            word: word.to_owned(),
            subject: clean(&subject).into_owned(),
            detail: format!("{}{dry}", clean(&detail)),
        }
    }
}

type Parts = (Tone, &'static str, String, String);

fn parts(payload: &Payload) -> Parts {
    match payload {
        Payload::DeploymentStarted(_)
        | Payload::StageStarted(_)
        | Payload::StageCompleted(_)
        | Payload::DeploymentCompleted(_)
        | Payload::DeploymentFailed(_) => deployment(payload),
        Payload::RollbackInitiated(data) => {
            let detail = format!("to {}: {}", data.previous_version, data.reason);
            (Tone::Warn, "asked for", "rollback".to_owned(), detail)
        }
        Payload::RollbackCompleted(data) => {
            let tone = match data.status {
                RollbackStatus::Success => Tone::Good,
                RollbackStatus::Failure => Tone::Bad,
            };
            let detail = format!("{} is in place", data.restored_version);
            (tone, data.status.as_str(), "rollback".to_owned(), detail)
        }
        Payload::NotificationSent(data) => notification(Tone::Plain, "told", data),
        Payload::NotificationFailed(data) => notification(Tone::Bad, "not told", data),
        Payload::ValidationStarted(_)
        | Payload::DependencyCheckStarted(_)
        | Payload::HealthCheckStarted(_) => check_started(payload),
        Payload::ValidationCompleted(_)
        | Payload::DependencyCheckCompleted(_)
        | Payload::HealthCheckCompleted(_) => verdict(payload),
    }
}

fn deployment(payload: &Payload) -> Parts {
    let whole = || "deployment".to_owned();
    if let Payload::DeploymentStarted(data) = payload {
        let services = data.services.join(", ");
        let detail = format!("{} to {}: {services}", data.version, data.environment);
        return (Tone::Strong, "started", whole(), detail);
    }
    if let Payload::StageStarted(data) = payload {
        return (Tone::Plain, "started", stage(&data.stage), data.services.join(", "));
    }
    if let Payload::StageCompleted(data) = payload {
        let tone = match data.status {
            StageStatus::Success => Tone::Good,
            StageStatus::Failure => Tone::Bad,
        };
        let took = data.duration_seconds.map(|seconds| format!("{seconds:.1} s"));
        let detail = data.error_message.clone().or(took).unwrap_or_default();
        return (tone, data.status.as_str(), stage(&data.stage), detail);
    }
    if let Payload::DeploymentCompleted(data) = payload {
        let tone = match data.status {
            DeploymentStatus::Success => Tone::Good,
            DeploymentStatus::RolledBack => Tone::Warn,
            DeploymentStatus::Failure => Tone::Bad,
        };
        let detail = data.version.as_ref().map(|version| format!("{version} is in place"));
        return (tone, data.status.as_str(), whole(), detail.unwrap_or_default());
    }
    if let Payload::DeploymentFailed(data) = payload {
        let detail = format!("at {}: {}", data.failed_stage, data.reason);
        return (Tone::Bad, "failed", whole(), detail);
    }
    (Tone::Plain, "", whole(), String::new())
}

fn check_started(payload: &Payload) -> Parts {
    let running = |subject: String, what: String, attempt: u32| {
        let again = if attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
        (Tone::Dim, "running", subject, format!("{what}{again}"))
    };
    if let Payload::ValidationStarted(data) = payload {
        let checks = format!("{} checks", data.checks.len());
        return running("validation".to_owned(), checks, data.attempt);
    }
    if let Payload::DependencyCheckStarted(data) = payload {
        let subject = phased("dependencies", data.phase, data.stage.as_deref());
        return running(subject, data.services.join(", "), data.attempt);
    }
    if let Payload::HealthCheckStarted(data) = payload {
        let subject = phased("health", data.phase, data.stage.as_deref());
        return running(subject, data.services.join(", "), data.attempt);
    }
    running(String::new(), String::new(), 1)
}

fn verdict(payload: &Payload) -> Parts {
    if let Payload::ValidationCompleted(data) = payload {
        let tone = match data.result {
            VerdictResult::Passed => Tone::Good,
            VerdictResult::Warnings => Tone::Warn,
            VerdictResult::Failed => Tone::Bad,
        };
        return (tone, data.result.as_str(), "validation".to_owned(), data.summary.clone());
    }
    if let Payload::DependencyCheckCompleted(data) = payload {
        let tone = match data.result {
            DependencyResult::AllHealthy => Tone::Good,
            DependencyResult::SomeDegraded => Tone::Warn,
            DependencyResult::AllUnhealthy => Tone::Bad,
        };
        let subject = phased("dependencies", data.phase, data.stage.as_deref());
        return (tone, data.result.as_str(), subject, data.summary.clone());
    }
    if let Payload::HealthCheckCompleted(data) = payload {
        let tone = match data.status {
            HealthResult::Healthy => Tone::Good,
            HealthResult::Degraded | HealthResult::Inconclusive => Tone::Warn,
            HealthResult::Unhealthy => Tone::Bad,
        };
        let subject = phased("health", data.phase, data.stage.as_deref());
        return (tone, data.status.as_str(), subject, data.summary.clone());
    }
    (Tone::Plain, "", String::new(), String::new())
}

fn notification(tone: Tone, word: &'static str, data: &Notification) -> Parts {
    let tone = match (tone, data.severity) {
        (Tone::Bad, _) | (_, NotificationSeverity::Critical) => Tone::Bad,
        (_, NotificationSeverity::Warning) => Tone::Warn,
        (tone, NotificationSeverity::Info | NotificationSeverity::Success) => tone,
    };
    let about = format!("{} about {}, {}", data.channel, data.trigger_event_type, data.severity);
    let detail = match &data.error_message {
        Some(why) => format!("{about}: {why}"),
        None => about,
    };
    (tone, word, data.receiver.clone(), detail)
}

/// What a stage is called.
fn stage(name: &str) -> String {
    format!("stage {name}")
}

/// A check with the point of the deployment at which it is made.
pub(crate) fn phased(check: &str, phase: RolloutPhase, stage: Option<&str>) -> String {
    match (phase, stage) {
        (RolloutPhase::PreDeploy, _) => format!("{check} before"),
        (RolloutPhase::Baseline, _) => format!("{check} baseline"),
        (RolloutPhase::PostStage, Some(stage)) => format!("{check} after {stage}"),
        (RolloutPhase::PostStage, None) => format!("{check} after a stage"),
    }
}

/// How long the work behind a verdict took; none for what is no verdict.
pub(crate) fn took(payload: &Payload) -> Option<String> {
    let ms = if let Payload::ValidationCompleted(data) = payload {
        data.duration_ms
    } else if let Payload::DependencyCheckCompleted(data) = payload {
        data.duration_ms
    } else if let Payload::HealthCheckCompleted(data) = payload {
        data.duration_ms
    } else {
        return None;
    };
    Some(span(ms))
}

/// What was found wrong in detail, one line each: for a verdict that is not good.
pub(crate) fn findings(payload: &Payload) -> Vec<String> {
    if let Payload::ValidationCompleted(data) = payload {
        let bad = data.checks.iter().filter(|check| match check.outcome {
            CheckOutcome::Fail | CheckOutcome::Error | CheckOutcome::Warn => true,
            CheckOutcome::Pass | CheckOutcome::Inconclusive | CheckOutcome::Skipped => false,
        });
        let line = |check: &printery_events::payload::Check| {
            format!("check {} {}: {}", check.name, check.outcome, clean(&check.message))
        };
        return bad.map(line).collect();
    }
    if let Payload::DependencyCheckCompleted(data) = payload {
        let causes = data.root_causes.iter().map(|name| format!("root cause: {}", clean(name)));
        let impaired = data
            .impaired
            .iter()
            .map(|it| format!("impaired: {} by {}", clean(&it.name), clean(&it.by)));
        return causes.chain(impaired).collect();
    }
    if let Payload::HealthCheckCompleted(data) = payload {
        use printery_events::payload::HealthStatus::{Degraded, Healthy, Inconclusive, Unhealthy};
        let bad = data.services.iter().filter(|service| match service.status {
            Degraded | Unhealthy | Inconclusive => true,
            Healthy => false,
        });
        return bad
            .map(|service| format!("{}: {}", service.status, clean(&service.reason)))
            .collect();
    }
    Vec::new()
}

#[cfg(test)]
#[path = "gist_tests.rs"]
mod tests;
