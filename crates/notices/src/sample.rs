//! Events for the tests of this crate, in the short form a producer writes them.

use printery_events::{Event, EventType};
use serde_json::{Value, json};

/// Decodes an event from its type and `data`.
pub(crate) fn event(event_type: &str, data: &Value) -> Event {
    let event_type = EventType::parse(event_type).unwrap();
    let field = |name: &str, value: String| (name.as_bytes().to_vec(), value.into_bytes());
    let fields = [
        field("id", "e-1".to_owned()),
        field("time", "2026-11-22T06:00:00Z".to_owned()),
        field("data", data.to_string()),
    ];
    Event::decode(Some(&event_type), &fields).unwrap()
}

pub(crate) fn started() -> Event {
    let data = json!({
        "deployment_id": "d-1", "version": "1.2.0", "previous_version": "1.1.0",
        "environment": "staging", "services": ["api", "relay"], "initiated_by": "ana",
    });
    event("deployment:started", &data)
}

pub(crate) fn stage(status: &str) -> Event {
    let data = json!({
        "deployment_id": "d-1", "stage": "railway", "status": status, "duration_seconds": 12.5,
        "error_message": (status == "failure").then_some("image not found"),
    });
    event("deployment:stage:railway:completed", &data)
}

pub(crate) fn completed(status: &str) -> Event {
    let data = json!({ "deployment_id": "d-1", "status": status, "environment": "production" });
    event("deployment:completed", &data)
}

pub(crate) fn failed() -> Event {
    let data = json!({
        "deployment_id": "d-1", "reason": "<!channel> & <redis>: connection refused",
        "failed_stage": "validation", "recovery_suggestions": ["Start Redis."],
    });
    event("deployment:failed", &data)
}

pub(crate) fn rollback_initiated() -> Event {
    let data = json!({
        "deployment_id": "d-1", "previous_version": "1.1.0", "reason": "api is unhealthy",
        "stages_to_rollback": ["railway"],
    });
    event("rollback:initiated", &data)
}

pub(crate) fn rollback_completed(status: &str) -> Event {
    let data = json!({ "deployment_id": "d-1", "status": status, "restored_version": "1.1.0" });
    event("rollback:completed", &data)
}

pub(crate) fn validation(result: &str) -> Event {
    let data = json!({
        "deployment_id": "d-1", "version": "1.2.0", "environment": "staging", "services": ["api"],
        "phase": "pre-deploy", "result": result, "checks": [], "duration_ms": 812,
        "config_digest": "00", "summary": "1 of 2 checks failed",
    });
    event("validation:completed", &data)
}

pub(crate) fn dependencies(result: &str) -> Event {
    let data = json!({
        "deployment_id": "d-1", "phase": "pre-deploy", "services": ["api"], "result": result,
        "statuses": [], "root_causes": [], "impaired": [], "duration_ms": 5, "summary": "all up",
    });
    event("dependency:check:completed", &data)
}

pub(crate) fn health(status: &str) -> Event {
    let data = json!({
        "deployment_id": "d-1", "phase": "baseline", "status": status, "rollback_requested": false,
        "services": [{ "service": "api", "status": "healthy", "samples": 3, "error_rate": 0.0,
            "p50_ms": 1.0, "p99_ms": 2.0, "reason": "" }],
        "duration_ms": 3000, "summary": "api is fine",
    });
    event("health:check:completed", &data)
}
