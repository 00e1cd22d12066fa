//! `PagerDuty` Events v2: incidents for trouble, changes for what is none.
//!
//! Owns which events are which, and their shape. Called by `Receiver`. Never pages about good
//! news, and never leaves an incident open that a deployment's success has ended.

use printery_events::payload::NotificationSeverity as Severity;
use printery_probes::Url;
use serde_json::{Value, json};

use super::Telling;
use super::exchange::{Request, with};
use crate::facts::Facts;
use crate::render::{self, shortened};

/// Characters of a summary; `PagerDuty` cuts at 1024.
const SUMMARY: usize = 1024;

/// Characters of the key that ties the events of an incident together.
const DEDUP_KEY: usize = 255;

/// What an event is to a pager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// An incident, or one more event of it.
    Trigger,
    /// The end of an incident.
    Resolve,
    /// A change that may explain the next incident.
    Change,
}

/// Says what an event is to a pager; most are nothing.
pub(super) fn action(facts: &Facts<'_>, change_events: bool) -> Option<Action> {
    if facts.concludes_well() {
        return Some(Action::Resolve);
    }
    match facts.severity {
        Severity::Critical | Severity::Warning => Some(Action::Trigger),
        Severity::Info | Severity::Success => {
            (change_events && facts.event_type == "deployment:started").then_some(Action::Change)
        }
    }
}

/// Builds the one request.
///
/// # Source
/// `PagerDuty`, "Send an Alert Event" and "Send a Change Event".
pub(super) fn request(
    url: &Url,
    routing_key: &str,
    change_events: bool,
    telling: Telling<'_>,
) -> Result<Request, String> {
    let facts = telling.facts;
    let action =
        action(facts, change_events).ok_or_else(|| "a pager does not want it".to_owned())?;
    let (path, body) = match action {
        Action::Change => (
            "v2/change/enqueue",
            json!({ "routing_key": routing_key, "payload": payload(telling, None) }),
        ),
        Action::Trigger => ("v2/enqueue", alert(routing_key, "trigger", telling)),
        Action::Resolve => ("v2/enqueue", alert(routing_key, "resolve", telling)),
    };
    let url = url.join(path).map_err(|error| error.to_string())?;
    Ok(Request::new(url, body))
}

fn alert(routing_key: &str, action: &str, telling: Telling<'_>) -> Value {
    let facts = telling.facts;
    let severity = match facts.severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Info | Severity::Success => "info",
    };
    let dedup_key: String =
        format!("printery/{}", facts.deployment_id).chars().take(DEDUP_KEY).collect();
    json!({
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": dedup_key,
        "payload": payload(telling, Some(severity)),
    })
}

fn payload(telling: Telling<'_>, severity: Option<&str>) -> Value {
    let facts = telling.facts;
    let summary = match facts.sentence {
        Some(sentence) => format!("{}: {}. {sentence}", facts.deployment_id, facts.headline),
        None => format!("{}: {}", facts.deployment_id, facts.headline),
    };
    let mut details: serde_json::Map<String, Value> = render::details(facts)
        .into_iter()
        .map(|(name, value)| (name.to_lowercase(), json!(shortened(&value, SUMMARY))))
        .collect();
    details.insert("correlation_id".to_owned(), json!(facts.correlation_id));
    if let Some(note) = &facts.note {
        details.insert("note".to_owned(), json!(shortened(note, SUMMARY)));
    }
    let payload = json!({
        "summary": shortened(&summary, SUMMARY),
        "source": "printery",
        "timestamp": telling.event.time.map(|time| time.to_string()),
        "custom_details": details,
    });
    let Some(severity) = severity else { return payload };
    let fields = [
        ("severity", json!(severity)),
        ("component", json!(facts.services.first())),
        ("group", json!(facts.environment)),
        ("class", json!(facts.event_type)),
    ];
    fields.into_iter().fold(payload, |payload, (field, value)| with(payload, field, value))
}

#[cfg(test)]
mod tests {
    use super::{Action, action};
    use crate::facts::Facts;
    use crate::sample;

    #[test]
    fn trouble_pages_success_resolves_and_starts_are_changes() {
        use Action::{Change, Resolve, Trigger};
        let cases = [
            (sample::started(), None, Some(Change)),
            (sample::stage("success"), None, None),
            (sample::stage("failure"), Some(Trigger), Some(Trigger)),
            (sample::failed(), Some(Trigger), Some(Trigger)),
            (sample::completed("success"), Some(Resolve), Some(Resolve)),
            (sample::completed("failure"), Some(Trigger), Some(Trigger)),
            (sample::rollback_initiated(), Some(Trigger), Some(Trigger)),
            (sample::rollback_completed("success"), Some(Resolve), Some(Resolve)),
            (sample::rollback_completed("failure"), Some(Trigger), Some(Trigger)),
            (sample::health("HEALTHY"), None, None),
            (sample::health("UNHEALTHY"), Some(Trigger), Some(Trigger)),
        ];
        for (event, without, with) in cases {
            let facts = Facts::of(&event);
            let said = (action(&facts, false), action(&facts, true));
            assert_eq!(said, (without, with), "{} {:?}", event.event_type, facts.result);
        }
    }
}
