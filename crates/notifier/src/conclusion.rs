//! What an event has come to once every receiver has been seen to.
//!
//! Owns the choice between putting the event off and publishing who was told; pure. The handler
//! asks at the end of each attempt. Never looks at a receiver's address.

use std::time::Duration;

use printery_events::Event;
use printery_events::payload::Notification;
use printery_events::{Payload, payload::NotificationSeverity};
use printery_fleet::notices::{Cause, Notice, State};
use printery_harness::{Effects, Refusal};
use printery_notices::Receiver;

/// The least wait: less would only ask Redis the same again.
const LEAST_WAIT: Duration = Duration::from_millis(10);

/// One receiver and what is known about telling it.
#[derive(Debug)]
pub(crate) struct Concluded<'a> {
    pub(crate) receiver: &'a Receiver,
    /// What tells it apart among the receivers of the event.
    pub(crate) entry: String,
    pub(crate) notice: Notice,
}

/// Says when the event comes again: while a receiver is still owed, or when nobody was told at all.
pub(crate) fn refusal(all: &[Concluded<'_>], now_ms: u64) -> Option<Refusal> {
    let owed: Vec<&Concluded<'_>> =
        all.iter().filter(|one| one.notice.state == State::Owed).collect();
    let Some(first) = owed.iter().min_by_key(|one| one.notice.due_ms) else {
        return nobody(all);
    };
    let wait = Duration::from_millis(first.notice.due_ms.saturating_sub(now_ms)).max(LEAST_WAIT);
    let said: Vec<String> =
        owed.iter().map(|one| format!("{}: {}", one.entry, because(&one.notice))).collect();
    let code = first.notice.cause.unwrap_or(Cause::ReceiverUnavailable).as_str();
    Some(Refusal::retry_after(code, said.join("; "), wait))
}

/// Says that the event is to be tried again as a whole, or to be buried for a person to decide:
/// nobody heard of it, and nobody will never take it.
fn nobody(all: &[Concluded<'_>]) -> Option<Refusal> {
    let in_vain = |one: &Concluded<'_>| one.notice.state == State::GivenUp && !one.notice.lasting;
    if all.is_empty() || !all.iter().all(in_vain) {
        return None;
    }
    let said: Vec<String> =
        all.iter().map(|one| format!("{}: {}", one.entry, one.notice.why)).collect();
    Some(Refusal::retry(Cause::ReceiverUnavailable.as_str(), said.join("; ")))
}

fn because(notice: &Notice) -> String {
    match notice.cause {
        Some(Cause::ReceiverPaced) => "waits for its place in line".to_owned(),
        Some(Cause::BreakerOpen) => format!("is left alone for a while, {}", notice.why),
        Some(Cause::ReceiverBusy | Cause::ReceiverUnavailable) | None => notice.why.clone(),
    }
}

/// Says for each receiver whether it was told.
pub(crate) fn effects(
    all: &[Concluded<'_>],
    event: &Event,
    severity: NotificationSeverity,
) -> Effects {
    all.iter().fold(Effects::none(), |effects, one| {
        let Concluded { receiver, entry, notice } = one;
        let told = notice.state == State::Told;
        let notification = Notification {
            deployment_id: event.payload.deployment_id().to_owned(),
            trigger_event_id: event.id.clone(),
            trigger_event_type: event.event_type.clone(),
            receiver: receiver.name.clone(),
            channel: receiver.channel(),
            target: receiver.target(),
            severity,
            attempt: notice.tries.max(1),
            error_message: (!told).then(|| notice.why.clone()),
        };
        let payload = if told {
            Payload::NotificationSent(notification)
        } else {
            Payload::NotificationFailed(notification)
        };
        effects.and_keyed(payload, entry)
    })
}
