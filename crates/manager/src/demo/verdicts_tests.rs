//! What the demo says at its end.

use jiff::Timestamp;
use printery_events::EventType;
use printery_events::payload::{
    Channel, HealthCheckCompleted, HealthResult, NotificationSeverity, ServiceHealth,
};
use printery_streams::EntryId;

use super::*;

fn seen(id: &str, payload: Payload) -> Sighting {
    let event = Event::new(id, "/test", payload, Timestamp::UNIX_EPOCH);
    let event_type = event.event_type.clone();
    Sighting { entry: EntryId::at(1), event_type, content: Ok(event) }
}

fn told(id: &str, about: Family, receiver: &str, channel: Channel) -> Sighting {
    seen(
        id,
        Payload::NotificationSent(Notification {
            deployment_id: "d-1".to_owned(),
            trigger_event_id: "e".to_owned(),
            trigger_event_type: EventType::of(about),
            receiver: receiver.to_owned(),
            channel,
            target: "somewhere".to_owned(),
            severity: NotificationSeverity::Success,
            attempt: 1,
            error_message: None,
        }),
    )
}

fn health(status: HealthStatus, overall: HealthResult) -> Sighting {
    seen(
        "h-1",
        Payload::HealthCheckCompleted(HealthCheckCompleted {
            deployment_id: "d-1".to_owned(),
            phase: RolloutPhase::PostStage,
            stage: Some("railway".to_owned()),
            services: vec![ServiceHealth {
                service: "api".to_owned(),
                status,
                samples: 5,
                error_rate: 1.0,
                p50_ms: 1.0,
                p99_ms: 2.0,
                reason: "api: 5 of 5 samples failed".to_owned(),
            }],
            status: overall,
            rollback_requested: false,
            duration_ms: 1_020,
            summary: "1 of 1 services unhealthy".to_owned(),
        }),
    )
}

fn message(id: &str, genuine: bool) -> Message {
    Message { id: id.to_owned(), event_id: "e".to_owned(), genuine }
}

fn failed() -> Ended {
    Ended::Failed { stage: "railway".to_owned(), reason: "unhealthy".to_owned() }
}

#[test]
fn the_tables_list_verdicts_and_notifications() {
    let seen = [
        health(HealthStatus::Unhealthy, HealthResult::Unhealthy),
        told("n-1", Family::DeploymentFailed, "team", Channel::Webhook),
        told("n-2", Family::DeploymentFailed, "on-call", Channel::Log),
    ];
    let expected = "\
VERDICT               RESULT      TOOK  SUMMARY
health after railway  UNHEALTHY  1.0 s  1 of 1 services unhealthy

TOLD ABOUT         RECEIVER  CHANNEL  SEVERITY  ARRIVED
deployment:failed  team      webhook  success   yes, signature genuine
deployment:failed  on-call   log      success   in the log of the notifier";
    assert_eq!(lines(&seen, &[message("n-1", true)], Colour::Off).join("\n"), expected);
}

#[test]
fn a_break_is_a_success_only_when_the_fleet_found_it() {
    let told = told("n-1", Family::DeploymentFailed, "team", Channel::Webhook);
    let got = [message("n-1", true)];
    let found = [health(HealthStatus::Unhealthy, HealthResult::Unhealthy), told.clone()];
    let missed = [health(HealthStatus::Healthy, HealthResult::Healthy), told];
    assert!(matches!(judge(&found, &got, &failed(), Some("api")), Judged::AsExpected(_)));
    assert!(matches!(judge(&found, &got, &failed(), Some("relay")), Judged::Unexpected(_)));
    assert!(matches!(judge(&missed, &got, &failed(), Some("api")), Judged::Unexpected(_)));
    assert!(matches!(judge(&found, &got, &failed(), None), Judged::Unexpected(_)));
}

#[test]
fn nobody_told_or_a_wrong_signature_is_no_success() {
    let told = [told("n-1", Family::DeploymentCompleted, "team", Channel::Webhook)];
    let judged = |seen: &[Sighting], got: &[Message]| judge(seen, got, &Ended::Completed, None);
    assert!(matches!(judged(&told, &[message("n-1", true)]), Judged::AsExpected(_)));
    assert!(matches!(judged(&told, &[message("n-1", false)]), Judged::Unexpected(_)));
    assert!(matches!(judged(&told, &[]), Judged::Unexpected(_)));
    assert!(matches!(judged(&[], &[message("n-1", true)]), Judged::Unexpected(_)));
}
