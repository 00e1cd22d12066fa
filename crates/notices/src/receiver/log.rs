//! The worker's own log as a receiver.
//!
//! Owns the line and its level. Called by `Receiver::tell` where nothing else is configured, and
//! by the handler for dry runs. Never fails.

use printery_events::payload::NotificationSeverity as Severity;

use crate::facts::Facts;
use crate::render;
use crate::verdict::Verdict;

/// Writes one line.
pub(super) fn tell(receiver: &str, facts: &Facts<'_>) -> Verdict {
    let line = render::log(facts);
    let (deployment_id, event_type) = (facts.deployment_id, facts.event_type);
    match facts.severity {
        Severity::Info | Severity::Success => {
            tracing::info!(receiver, deployment_id, event_type, "{line}");
        }
        Severity::Warning | Severity::Critical => {
            tracing::warn!(receiver, deployment_id, event_type, "{line}");
        }
    }
    Verdict::Told
}
