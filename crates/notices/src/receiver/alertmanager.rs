//! Alertmanager: an alert for each deployment in trouble, which ends when that does.
//!
//! Owns the labels that make an alert the same one, and when it ends. Called by `Receiver`. Never
//! groups or silences: that is Alertmanager's own part.

use std::time::Duration;

use jiff::Timestamp;
use printery_config::Secret;
use printery_events::payload::NotificationSeverity as Severity;
use printery_probes::Url;
use serde_json::{Value, json};

use super::Telling;
use super::exchange::{Request, with};
use crate::facts::Facts;
use crate::render::shortened;

/// Characters of an annotation.
const ANNOTATION: usize = 1024;

/// How long an alert stands that nobody ends. 24 h, as long as a status record.
const STANDS: Duration = Duration::from_secs(24 * 60 * 60);

/// What an event is to an Alertmanager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Trouble of this severity.
    Fires(&'static str),
    /// The end of all trouble.
    Resolves,
}

/// Says what an event is to an Alertmanager; good news of work that goes on is nothing.
pub(super) fn action(facts: &Facts<'_>) -> Option<Action> {
    if facts.concludes_well() {
        return Some(Action::Resolves);
    }
    match facts.severity {
        Severity::Critical => Some(Action::Fires("critical")),
        Severity::Warning => Some(Action::Fires("warning")),
        Severity::Info | Severity::Success => None,
    }
}

/// Builds the one request.
///
/// # Source
/// Alertmanager, `api/v2/openapi.yaml`, `postAlerts`.
pub(super) fn request(
    url: &Url,
    token: Option<&Secret>,
    telling: Telling<'_>,
) -> Result<Request, String> {
    let action = action(telling.facts).ok_or_else(|| "it is no trouble".to_owned())?;
    let seconds = i64::try_from(telling.timestamp).unwrap_or_default();
    let now = Timestamp::from_second(seconds).unwrap_or_default();
    let alerts: Vec<Value> = match action {
        Action::Fires(severity) => {
            let ends = now.checked_add(STANDS).unwrap_or(now);
            vec![alert(telling, severity, None, ends)]
        }
        Action::Resolves => ["warning", "critical"]
            .map(|severity| alert(telling, severity, Some(now), now))
            .to_vec(),
    };
    let mut url = url.clone();
    let base = url.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("{base}/api/v2/alerts"));
    let request = Request::new(url, Value::Array(alerts));
    Ok(match token {
        Some(token) => request.bearer(token.expose()),
        None => request,
    })
}

fn alert(
    telling: Telling<'_>,
    severity: &str,
    starts: Option<Timestamp>,
    ends: Timestamp,
) -> Value {
    let facts = telling.facts;
    // Only what all events of a deployment agree on may be a label: labels make it the same alert.
    let alert = json!({
        "labels": {
            "alertname": "DeploymentTrouble",
            "deployment_id": facts.deployment_id,
            "severity": severity,
            "source": "printery",
        },
        "annotations": {
            "summary": shortened(&format!("{}: {}", facts.deployment_id, facts.headline), ANNOTATION),
            "description": shortened(facts.sentence.unwrap_or_default(), ANNOTATION),
            "event_type": facts.event_type,
            "correlation_id": facts.correlation_id,
        },
        "endsAt": ends.to_string(),
    });
    match starts {
        // An end must not stand before the beginning.
        Some(starts) => {
            let before = starts.checked_sub(Duration::from_secs(1)).unwrap_or(starts);
            with(alert, "startsAt", json!(before.to_string()))
        }
        None => alert,
    }
}
