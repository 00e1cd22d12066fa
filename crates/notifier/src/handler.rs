//! The notifier's part of the job: one event in, everybody told who should be.
//!
//! Owns the order of things (route, send, conclude) and what a mixture of successes and failures
//! means. The harness calls it for each event. Never publishes for a dry run, and never notifies
//! about a notification.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use printery_config::{Fleet, Notifier as Policy, Route};
use printery_events::ids::derived_id;
use printery_events::payload::{Channel, Notification};
use printery_events::topology::NOTIFIER;
use printery_events::{Event, Family, Payload};
use printery_harness::{Context, Effects, Handler, Outcome, Problems, Refusal};
use printery_notices::{Facts, Receiver, Telling, Verdict};
use printery_probes::{Egress, Limits, Purpose};

use crate::sender::{Sending, send};

/// How long connecting to a receiver may take. 5 s.
const CONNECT: Duration = Duration::from_secs(5);

/// Tells receivers about events.
#[derive(Debug)]
pub(crate) struct Notifier {
    routes: Vec<Route>,
    receivers: BTreeMap<String, Receiver>,
    policy: Policy,
}

impl Notifier {
    /// Makes the receivers of the fleet file usable.
    ///
    /// # Errors
    /// The egress rules of the fleet file cannot be read, or there is no TLS.
    pub(crate) fn try_new(fleet: &Fleet) -> Result<Self, Problems> {
        let egress = Egress::try_new(&fleet.egress).map_err(|error| error.to_string())?;
        let limits = Limits::new(fleet.notifier.timeout, CONNECT, 1);
        let client = egress.client(Purpose::Notify, &limits).map_err(|error| error.to_string())?;
        let usable = |(name, receiver): (&String, &printery_config::Receiver)| {
            (name.clone(), Receiver::new(receiver, client.clone()))
        };
        Ok(Self {
            routes: fleet.routes.clone(),
            receivers: fleet.receivers.iter().map(usable).collect(),
            policy: fleet.notifier.clone(),
        })
    }

    /// Returns the receivers that are to be told.
    fn chosen(&self, facts: &Facts<'_>) -> Vec<&Receiver> {
        printery_notices::receivers(&self.routes, facts)
            .into_iter()
            .filter_map(|name| self.receivers.get(name))
            .filter(|receiver| receiver.wants(facts.event_type))
            .collect()
    }
}

impl Handler for Notifier {
    async fn handle(&self, event: &Event, context: &Context) -> Outcome {
        if matches!(event.payload.family(), Family::NotificationSent | Family::NotificationFailed) {
            return Ok(Effects::none());
        }
        let facts = Facts::of(event);
        let chosen = self.chosen(&facts);
        if event.dry_run {
            for receiver in chosen {
                let (name, target) = (&receiver.name, receiver.target());
                tracing::info!(
                    receiver = name,
                    target_address = target,
                    deployment_id = facts.deployment_id,
                    event_type = facts.event_type,
                    "dry run: nobody is told"
                );
            }
            return Ok(Effects::none());
        }
        // The log can be written at any time and twice; it waits until it is clear that the event
        // is not told again.
        let (logs, remote): (Vec<&Receiver>, Vec<&Receiver>) =
            chosen.into_iter().partition(|receiver| receiver.channel() == Channel::Log);
        let mut sendings = self.send_all(&remote, event, &facts, context).await;
        if let Some(refusal) = refusal(&sendings) {
            return Err(refusal);
        }
        sendings.append(&mut self.send_all(&logs, event, &facts, context).await);
        Ok(effects(&sendings, &facts, event, context.attempt))
    }
}

impl Notifier {
    /// Tells all receivers at once.
    async fn send_all<'a>(
        &self,
        receivers: &[&'a Receiver],
        event: &Event,
        facts: &Facts<'_>,
        context: &Context,
    ) -> Vec<Sending<'a>> {
        let sent = Family::NotificationSent.pattern();
        let sends = receivers.iter().map(|receiver| async move {
            // The same id as that of the `notification:sent` it leads to, whatever is repeated.
            let id = derived_id(&event.id, NOTIFIER.name, sent, &receiver.name);
            let telling = Telling { event, facts, id: &id, timestamp: 0 };
            send(receiver, telling, &self.policy, context.started_ms, context.deadline).await
        });
        join_all(sends).await
    }
}

/// Says when the whole event is put off: while nobody has been told and nobody has refused for
/// good. Otherwise another attempt would tell some people twice.
fn refusal(sendings: &[Sending<'_>]) -> Option<Refusal> {
    let mut reasons = Vec::new();
    let mut patience = None;
    for sending in sendings {
        let Verdict::Later { why, after } = &sending.verdict else { return None };
        reasons.push(format!("{}: {why}", sending.receiver.name));
        patience = patience.max(*after);
    }
    match (reasons.is_empty(), patience) {
        (true, _) => None,
        (false, Some(after)) => {
            Some(Refusal::retry_after("receiver_busy", reasons.join("; "), after))
        }
        (false, None) => Some(Refusal::retry("receiver_unavailable", reasons.join("; "))),
    }
}

/// Says for each receiver whether it was told.
fn effects(sendings: &[Sending<'_>], facts: &Facts<'_>, event: &Event, attempt: u32) -> Effects {
    sendings.iter().fold(Effects::none(), |effects, sending| {
        let receiver = sending.receiver;
        let error_message = match &sending.verdict {
            Verdict::Told => None,
            Verdict::Later { why, .. } | Verdict::Never { why } => Some(why.clone()),
        };
        let failed = error_message.is_some();
        let notification = Notification {
            deployment_id: facts.deployment_id.to_owned(),
            trigger_event_id: event.id.clone(),
            trigger_event_type: event.event_type.clone(),
            receiver: receiver.name.clone(),
            channel: receiver.channel(),
            target: receiver.target(),
            severity: facts.severity,
            // Each attempt before this one made at least one request.
            attempt: attempt.saturating_sub(1).saturating_add(sending.tries),
            error_message,
        };
        let payload = if failed {
            Payload::NotificationFailed(notification)
        } else {
            Payload::NotificationSent(notification)
        };
        effects.and_keyed(payload, &receiver.name)
    })
}

#[cfg(test)]
mod tests;
