//! What an event has come to once every receiver has been seen to.
//!
//! Owns the choice between coming again and publishing who was told; pure. The handler asks at the
//! end of each attempt. Never looks at a receiver's address.

use std::time::Duration;

use printery_events::Payload;
use printery_events::payload::Notification;
use printery_fleet::notices::{Cause, Notice, State};
use printery_harness::{Effects, Refusal};
use printery_notices::Receiver;

use crate::known::is_in_vain;
use crate::news::News;

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

/// Says when a follow-up comes again: while somebody is still owed.
pub(crate) fn owed(all: &[Concluded<'_>], now_ms: u64) -> Option<Refusal> {
    let owed: Vec<&Concluded<'_>> =
        all.iter().filter(|one| one.notice.state == State::Owed).collect();
    let first = owed.iter().min_by_key(|one| one.notice.due_ms)?;
    let wait = Duration::from_millis(first.notice.due_ms.saturating_sub(now_ms)).max(LEAST_WAIT);
    let said: Vec<String> =
        owed.iter().map(|one| format!("{}: {}", one.entry, because(&one.notice))).collect();
    let code = first.notice.cause.unwrap_or(Cause::ReceiverUnavailable).as_str();
    Some(Refusal::retry_after(code, said.join("; "), wait))
}

/// Says that the event is to be tried again as a whole, or to be buried for a person to decide:
/// nobody of these heard of it, and nobody will never take it.
pub(crate) fn nobody(all: &[Concluded<'_>]) -> Option<Refusal> {
    if all.is_empty() || !all.iter().all(|one| is_in_vain(&one.notice)) {
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
        Some(
            Cause::ReceiverBusy
            | Cause::ReceiverUnavailable
            | Cause::ReceiverGrouped
            | Cause::ReceiverCrowded,
        )
        | None => notice.why.clone(),
    }
}

/// Says for each receiver whether it was told; of one that was kept from it, nothing.
pub(crate) fn effects(all: &[Concluded<'_>], news: News<'_>) -> Effects {
    let event = news.event;
    let told = all.iter().filter(|one| one.notice.state != State::Withheld);
    told.fold(Effects::none(), |effects, one| {
        let Concluded { receiver, entry, notice } = one;
        let told = notice.state == State::Told;
        let notification = Notification {
            deployment_id: event.payload.deployment_id().to_owned(),
            trigger_event_id: event.origin_id().to_owned(),
            trigger_event_type: event.event_type.clone(),
            receiver: receiver.name.clone(),
            channel: receiver.channel(),
            target: receiver.target(),
            severity: news.facts.severity,
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
