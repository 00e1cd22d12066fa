//! Events as examples: what a person is shown or sent who has none at hand.
//!
//! Owns one event for each type that people are told about. The command line previews and tests
//! receivers with them. Never reaches a stream.

use printery_events::{Event, EventType, Family};
use serde_json::{Value, json};

/// The deployment that examples are about.
const DEPLOYMENT: &str = "example-1";

/// The time of an example.
const AT: &str = "2026-11-22T06:00:00Z";

/// Makes an event of this type, with this `data` or that of an example.
///
/// # Errors
/// Nobody is told about events of this type, or the data does not fit it: a clause that says why.
pub fn example(event_type: &EventType, data: Option<&Value>) -> Result<Event, String> {
    let data = match data {
        Some(data) => data.clone(),
        None => example_data(event_type)
            .ok_or_else(|| format!("nobody is told about {event_type}; give it with --data"))?,
    };
    let field = |name: &str, value: String| (name.as_bytes().to_vec(), value.into_bytes());
    let fields = [
        field("id", "example".to_owned()),
        field("time", AT.to_owned()),
        field("datacontenttype", "application/json".to_owned()),
        field("data", data.to_string()),
    ];
    Event::decode(Some(event_type), &fields).map_err(|invalid| invalid.to_string())
}

fn example_data(event_type: &EventType) -> Option<Value> {
    let stage = event_type.as_str().split(':').nth(2).unwrap_or_default();
    let data = match event_type.family() {
        Family::DeploymentStarted => json!({
            "version": "1.2.0", "previous_version": "1.1.0", "environment": "production",
            "services": ["api", "relay"], "initiated_by": "ana",
        }),
        Family::StageStarted => json!({ "stage": stage, "version": "1.2.0", "services": ["api"] }),
        Family::StageCompleted => json!({
            "stage": stage, "status": "success", "version": "1.2.0", "services": ["api"],
            "duration_seconds": 42.0,
        }),
        Family::DeploymentCompleted => json!({
            "status": "success", "version": "1.2.0", "environment": "production",
            "total_duration_seconds": 312.0,
        }),
        Family::DeploymentFailed => json!({
            "reason": "api: image shop/api:1.2.0 does not exist", "failed_stage": "validation",
            "recovery_suggestions": ["Push the image, then start the deployment again."],
        }),
        Family::RollbackInitiated => json!({
            "previous_version": "1.1.0", "reason": "p99 1.42 s > 1 s in 4 of 6 samples",
            "stages_to_rollback": ["railway"], "requested_by": "health-monitor",
        }),
        Family::RollbackCompleted => json!({
            "status": "success", "restored_version": "1.1.0", "duration_seconds": 61.0,
            "rolled_back_services": ["api"],
        }),
        Family::ValidationCompleted => json!({
            "version": "1.2.0", "environment": "production", "services": ["api"],
            "phase": "pre-deploy", "result": "FAILED", "checks": [], "duration_ms": 812,
            "config_digest": "00", "summary": "1 of 9 checks failed: image does not exist",
        }),
        Family::DependencyCheckCompleted => json!({
            "phase": "pre-deploy", "services": ["api"], "version": "1.2.0",
            "environment": "production", "result": "SOME_DEGRADED", "statuses": [],
            "root_causes": ["postgres"], "impaired": [{ "name": "api", "by": "postgres" }],
            "duration_ms": 31, "summary": "postgres is down and impairs api",
        }),
        Family::HealthCheckCompleted => json!({
            "phase": "post-stage", "stage": "railway", "services": [], "status": "UNHEALTHY",
            "rollback_requested": false, "duration_ms": 60000,
            "summary": "api: p99 1.42 s > 1 s in 4 of 6 samples",
        }),
        Family::ValidationStarted
        | Family::DependencyCheckStarted
        | Family::HealthCheckStarted
        | Family::NotificationSent
        | Family::NotificationFailed => return None,
    };
    Some(with_deployment(data))
}

fn with_deployment(mut data: Value) -> Value {
    if let Value::Object(fields) = &mut data {
        fields.insert("deployment_id".to_owned(), json!(DEPLOYMENT));
    }
    data
}

#[cfg(test)]
mod tests {
    use printery_events::EventType;
    use printery_events::topology::NOTIFIER;

    use super::example;

    #[test]
    fn there_is_an_example_of_everything_the_notifier_reads() {
        let stages = ["railway".to_owned()];
        for event_type in NOTIFIER.streams(&stages) {
            let event = example(&event_type, None);
            assert!(event.is_ok(), "{event_type}: {event:?}");
        }
        let none = EventType::parse("validation:started").unwrap();
        assert!(example(&none, None).unwrap_err().contains("nobody is told"));
        let typed = serde_json::json!({ "deployment_id": "d-7" });
        let failed = EventType::parse("deployment:failed").unwrap();
        assert!(example(&failed, Some(&typed)).unwrap_err().contains("reason"));
    }
}
