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

pub(crate) fn failed() -> Event {
    let data = json!({
        "deployment_id": "d-1", "reason": "<!channel> & <redis>: connection refused",
        "failed_stage": "validation", "recovery_suggestions": ["Start Redis."],
    });
    event("deployment:failed", &data)
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
