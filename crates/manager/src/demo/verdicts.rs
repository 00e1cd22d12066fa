//! What the demo ends with: the verdicts, the notifications, and whether it went as it should.
//!
//! Pure: reads what was seen of the deployment and what the webhook receiver got.

use printery_events::payload::{HealthStatus, Notification, RolloutPhase};
use printery_events::{Event, Family, Payload};

use crate::cli::deploy::rollout::Ended;
use crate::cli::gist::{Gist, took};
use crate::cli::output::{Colour, Tone};
use crate::cli::sighting::Sighting;
use crate::cli::table::{Cell, Table};
use crate::demo::hook::Message;

/// Whether the demo showed what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Judged {
    /// It did; in a sentence.
    AsExpected(String),
    /// It did not; why.
    Unexpected(String),
}

/// Whether people have been told how the deployment ended.
pub(crate) fn is_told(seen: &[Sighting], ended: &Ended) -> bool {
    let last = match ended {
        Ended::Completed => Family::DeploymentCompleted,
        Ended::Refused { .. } | Ended::Failed { .. } => Family::DeploymentFailed,
    };
    notifications(seen).any(|(_, it)| it.trigger_event_type.family() == last)
}

/// The two tables.
pub(crate) fn lines(seen: &[Sighting], received: &[Message], colour: Colour) -> Vec<String> {
    let mut verdicts = Table::new(&["VERDICT", "RESULT", ">TOOK", "SUMMARY"]);
    for event in events(seen) {
        if let Some(took) = took(&event.payload) {
            let gist = Gist::of(event);
            let result = Cell::new(gist.tone, &gist.word);
            verdicts.row([gist.subject.into(), result, took.into(), gist.detail.into()]);
        }
    }
    let mut told = Table::new(&["TOLD ABOUT", "RECEIVER", "CHANNEL", "SEVERITY", "ARRIVED"]);
    for (event, it) in notifications(seen) {
        let message = received.iter().find(|message| message.id == event.id);
        let arrived = match (message, it.error_message.as_deref()) {
            (_, Some(why)) => Cell::new(Tone::Bad, why),
            (Some(message), None) if message.genuine => {
                Cell::new(Tone::Good, "yes, signature genuine")
            }
            (Some(_), None) => Cell::new(Tone::Bad, "yes, signature wrong"),
            (None, None) => Cell::new(Tone::Dim, "in the log of the notifier"),
        };
        told.row([
            it.trigger_event_type.as_str().into(),
            it.receiver.as_str().into(),
            it.channel.as_str().into(),
            it.severity.as_str().into(),
            arrived,
        ]);
    }
    let mut lines = verdicts.lines(colour);
    lines.push(String::new());
    lines.extend(told.lines(colour));
    lines
}

/// Says whether it went as it should; `broken` is the service that was made to turn bad.
pub(crate) fn judge(
    seen: &[Sighting],
    received: &[Message],
    ended: &Ended,
    broken: Option<&str>,
) -> Judged {
    if let Some(forged) = received.iter().find(|message| !message.genuine) {
        return Judged::Unexpected(format!("the signature of message {} is wrong", forged.id));
    }
    let told = notifications(seen).filter(|(_, it)| it.error_message.is_none()).count();
    if received.is_empty() || !is_told(seen, ended) {
        return Judged::Unexpected("people were not told how the deployment ended".to_owned());
    }
    match (broken, ended) {
        (None, Ended::Completed) => Judged::AsExpected(format!(
            "{told} notifications were sent, every webhook with a genuine signature"
        )),
        (None, Ended::Refused { reason } | Ended::Failed { reason, .. }) => {
            Judged::Unexpected(format!("the deployment failed: {reason}"))
        }
        (Some(service), Ended::Failed { .. }) if is_found(seen, service) => Judged::AsExpected(
            format!("the fleet found that {service} is broken, and told {told} times"),
        ),
        (Some(service), Ended::Completed | Ended::Refused { .. } | Ended::Failed { .. }) => {
            Judged::Unexpected(format!("the fleet did not find that {service} is broken"))
        }
    }
}

/// Whether a check after a stage names this service as the culprit.
fn is_found(seen: &[Sighting], service: &str) -> bool {
    events(seen).any(|event| {
        if let Payload::HealthCheckCompleted(it) = &event.payload {
            let is_it = |row: &printery_events::payload::ServiceHealth| {
                row.service == service && row.status == HealthStatus::Unhealthy
            };
            return it.phase == RolloutPhase::PostStage && it.services.iter().any(is_it);
        }
        if let Payload::DependencyCheckCompleted(it) = &event.payload {
            let blamed = it.root_causes.iter().any(|cause| cause == service);
            return it.phase == RolloutPhase::PostStage && blamed;
        }
        false
    })
}

fn events(seen: &[Sighting]) -> impl Iterator<Item = &Event> {
    seen.iter().filter_map(Sighting::event)
}

fn notifications(seen: &[Sighting]) -> impl Iterator<Item = (&Event, &Notification)> {
    events(seen).filter_map(|event| {
        if let Payload::NotificationSent(it) | Payload::NotificationFailed(it) = &event.payload {
            Some((event, it))
        } else {
            None
        }
    })
}

#[cfg(test)]
#[path = "verdicts_tests.rs"]
mod tests;
