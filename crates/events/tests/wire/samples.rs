//! Owns one fixed event of every family, and the making of entries by hand.
//! Every test of this binary takes its events from here.
//! It never changes an event without its golden file.

use jiff::Timestamp;
use printery_events::payload::{
    Channel, Check, CheckOutcome, Counts, DependencyCheckCompleted, DependencyCheckStarted,
    DependencyResult, DependencyState, DependencyStatus, DeploymentCompleted, DeploymentFailed,
    DeploymentStarted, DeploymentStatus, HealthCheckCompleted, HealthCheckStarted, HealthResult,
    HealthStatus, Impaired, Migrations, Notification, NotificationSeverity, RollbackCompleted,
    RollbackInitiated, RollbackStatus, RolloutPhase, ServiceHealth, Severity, StageCompleted,
    StageResult, StageStarted, StageStatus, Strategy, ValidationCompleted, ValidationStarted,
    VerdictResult,
};
use printery_events::{Event, EventType, Family, Payload, Trace};
use serde_json::json;

/// The fields of an entry.
pub(crate) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// When everything in the samples happens.
pub(crate) fn at() -> Timestamp {
    Timestamp::from_millisecond(1_732_255_200_123).unwrap()
}

/// Makes an entry from text.
pub(crate) fn entry(fields: &[(&str, &str)]) -> Fields {
    fields.iter().map(|(name, value)| (name.as_bytes().into(), value.as_bytes().into())).collect()
}

/// Replaces or adds one field.
pub(crate) fn with(fields: &Fields, name: &str, value: &[u8]) -> Fields {
    let mut fields = without(fields, name);
    fields.push((name.as_bytes().into(), value.into()));
    fields
}

/// Leaves one field out.
pub(crate) fn without(fields: &Fields, name: &str) -> Fields {
    fields.iter().filter(|(other, _)| other != name.as_bytes()).cloned().collect()
}

/// Makes the sample of a family: a whole event, derived from another, traced and dry.
pub(crate) fn event(family: Family) -> Event {
    let payload = payload(family);
    Event {
        id: "0193544d-1bfb-7c3e-9a55-0e2f1d6c8b7a".into(),
        source: Some("/printery/sample".into()),
        event_type: payload.event_type(),
        subject: "d-1".into(),
        time: Some(at()),
        correlation_id: "story-1".into(),
        causation_id: Some("cause-1".into()),
        trace: Some(Trace {
            parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
            state: Some("congo=t61rcWkgMzE".into()),
        }),
        dry_run: true,
        follow_up: None,
        payload,
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn payload(family: Family) -> Payload {
    match family {
        Family::DeploymentStarted => Payload::DeploymentStarted(deployment_started()),
        Family::StageStarted => Payload::StageStarted(StageStarted {
            deployment_id: "d-1".into(),
            stage: "railway".into(),
            version: "1.2.0".into(),
            environment: Some("staging".into()),
            description: Some("The back ends".into()),
            services: names(&["api"]),
        }),
        Family::StageCompleted => Payload::StageCompleted(StageCompleted {
            deployment_id: "d-1".into(),
            stage: "railway".into(),
            status: StageStatus::Failure,
            version: Some("1.2.0".into()),
            environment: Some("staging".into()),
            services: names(&["api"]),
            duration_seconds: Some(12.5),
            error_message: Some("exit status 1".into()),
        }),
        Family::DeploymentCompleted => Payload::DeploymentCompleted(DeploymentCompleted {
            deployment_id: "d-1".into(),
            status: DeploymentStatus::RolledBack,
            environment: Some("staging".into()),
            version: Some("1.2.0".into()),
            total_duration_seconds: Some(60.0),
            stage_results: vec![StageResult {
                stage: "railway".into(),
                status: StageStatus::Failure,
                duration_seconds: Some(12.5),
                error_message: Some("exit status 1".into()),
            }],
        }),
        Family::DeploymentFailed => Payload::DeploymentFailed(DeploymentFailed {
            deployment_id: "d-1".into(),
            reason: "the image does not exist".into(),
            failed_stage: "validation".into(),
            error_details: Some("404".into()),
            recovery_suggestions: names(&["push the image", "deploy again"]),
        }),
        Family::RollbackInitiated | Family::RollbackCompleted => rollback(family),
        Family::ValidationStarted | Family::ValidationCompleted => validation(family),
        Family::DependencyCheckStarted | Family::DependencyCheckCompleted => dependency(family),
        Family::HealthCheckStarted | Family::HealthCheckCompleted => health(family),
        Family::NotificationSent => Payload::NotificationSent(notification(None)),
        Family::NotificationFailed => {
            Payload::NotificationFailed(notification(Some("HTTP 410".into())))
        }
    }
}

fn deployment_started() -> DeploymentStarted {
    let git = json!({ "behind": 0, "branch": "main", "dirty": false, "sha": "4f0c2e1" });
    DeploymentStarted {
        deployment_id: "d-1".into(),
        version: "1.2.0".into(),
        environment: "staging".into(),
        strategy: Some(Strategy::BlueGreen),
        services: names(&["api", "folio"]),
        previous_version: Some("1.1.9".into()),
        images: [("api".to_owned(), "registry.local/api:1.2.0".to_owned())].into(),
        initiated_by: Some("Zoë".into()),
        labels: names(&["hotfix"]),
        migrations: Some(Migrations { required: true, reversible: false }),
        git: git.as_object().cloned(),
        manifest: None,
    }
}

fn rollback(family: Family) -> Payload {
    if family == Family::RollbackInitiated {
        Payload::RollbackInitiated(RollbackInitiated {
            deployment_id: "d-1".into(),
            previous_version: "1.1.9".into(),
            reason: "api is unhealthy".into(),
            stages_to_rollback: names(&["railway", "vercel"]),
            requested_by: Some("health-monitor".into()),
        })
    } else {
        Payload::RollbackCompleted(RollbackCompleted {
            deployment_id: "d-1".into(),
            status: RollbackStatus::Success,
            restored_version: "1.1.9".into(),
            duration_seconds: Some(4.25),
            rolled_back_services: names(&["api"]),
            error_message: None,
        })
    }
}

fn validation(family: Family) -> Payload {
    if family == Family::ValidationStarted {
        return Payload::ValidationStarted(ValidationStarted {
            deployment_id: "d-1".into(),
            version: "1.2.0".into(),
            environment: "staging".into(),
            checks: names(&["api answers"]),
            attempt: 1,
        });
    }
    Payload::ValidationCompleted(ValidationCompleted {
        deployment_id: "d-1".into(),
        version: "1.2.0".into(),
        environment: "staging".into(),
        services: names(&["api"]),
        phase: RolloutPhase::PreDeploy,
        result: VerdictResult::Warnings,
        counts: Counts { warn: 1, ..Counts::default() },
        checks: vec![Check {
            name: "api answers".into(),
            kind: "http".into(),
            outcome: CheckOutcome::Warn,
            severity: Severity::Warning,
            target: "http://127.0.0.1:8080/health".into(),
            expected: "status 200 within 100 ms".into(),
            observed: "status 200 after 130 ms".into(),
            message: "api answers late".into(),
            duration_ms: 130,
            attempts: 1,
            class: Some("assertion".into()),
            reason_code: Some("slow".into()),
            timings: [("processing".to_owned(), 129)].into(),
            evidence: None,
        }],
        duration_ms: 131,
        config_digest: "sha256:9f86d081".into(),
        summary: "1 check, 1 warning".into(),
    })
}

fn dependency(family: Family) -> Payload {
    if family == Family::DependencyCheckStarted {
        return Payload::DependencyCheckStarted(DependencyCheckStarted {
            deployment_id: "d-1".into(),
            phase: RolloutPhase::PostStage,
            stage: Some("railway".into()),
            services: names(&["api"]),
            attempt: 2,
        });
    }
    Payload::DependencyCheckCompleted(DependencyCheckCompleted {
        deployment_id: "d-1".into(),
        phase: RolloutPhase::PostStage,
        stage: Some("railway".into()),
        services: names(&["api"]),
        environment: Some("staging".into()),
        version: Some("1.2.0".into()),
        result: DependencyResult::SomeDegraded,
        statuses: vec![DependencyStatus {
            service: "api".into(),
            dependency: "redis".into(),
            status: DependencyState::Unhealthy,
            endpoint: "127.0.0.1:6379".into(),
            response_time_ms: 0.5,
            error_message: Some("connection refused".into()),
        }],
        root_causes: names(&["redis"]),
        impaired: vec![Impaired { name: "api".into(), by: "redis".into() }],
        duration_ms: 12,
        summary: "redis is down; api is impaired by it".into(),
    })
}

fn health(family: Family) -> Payload {
    if family == Family::HealthCheckStarted {
        return Payload::HealthCheckStarted(HealthCheckStarted {
            deployment_id: "d-1".into(),
            phase: RolloutPhase::Baseline,
            stage: None,
            services: names(&["api"]),
            attempt: 1,
        });
    }
    Payload::HealthCheckCompleted(HealthCheckCompleted {
        deployment_id: "d-1".into(),
        phase: RolloutPhase::Baseline,
        stage: None,
        services: vec![ServiceHealth {
            service: "api".into(),
            status: HealthStatus::Inconclusive,
            samples: 3,
            error_rate: 0.25,
            p50_ms: 1.5,
            p99_ms: 20.0,
            reason: "too few samples".into(),
        }],
        status: HealthResult::Inconclusive,
        rollback_requested: false,
        duration_ms: 5000,
        summary: "1 service, inconclusive".into(),
    })
}

fn notification(error_message: Option<String>) -> Notification {
    Notification {
        deployment_id: "d-1".into(),
        trigger_event_id: "cause-1".into(),
        trigger_event_type: EventType::stage_completed("railway"),
        receiver: "deploys".into(),
        channel: Channel::Slack,
        target: "https://hooks.slack.com/…".into(),
        severity: NotificationSeverity::Critical,
        attempt: 1,
        error_message,
    }
}
