//! One step with one receiver: may it be told now, what did it say, and what is known then.
//!
//! Owns the order of asking, telling, reporting and writing down. The handler runs one for each
//! receiver at once. Never repeats anything itself: what is owed comes again as a delivery.

use std::time::Duration;

use printery_fleet::Records;
use printery_fleet::destinations::{Circuit, Destination, Fared, Leave, Place};
use printery_fleet::notices::{Cause, Ledger, Notice};
use printery_fleet::threads;
use printery_notices::{Receiver, Reply, Telling, Verdict};
use tokio::time::Instant;

use crate::schedule::{Step, after};

/// The server's clock within one attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    begun: Instant,
    begun_ms: u64,
}

impl Now {
    /// Takes the server's time at this moment, in milliseconds.
    pub(crate) fn new(begun_ms: u64) -> Self {
        Self { begun: Instant::now(), begun_ms }
    }

    /// Returns the server's time, in milliseconds.
    pub(crate) fn ms(self) -> u64 {
        let elapsed = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or_default();
        self.begun_ms.saturating_add(elapsed)
    }
}

/// One receiver and how to get at what is known about it.
pub(crate) struct Teller<'a> {
    pub(crate) receiver: &'a Receiver,
    /// Under which name the ledger knows it.
    pub(crate) entry: &'a str,
    pub(crate) records: &'a Records,
    pub(crate) circuit: Circuit,
    pub(crate) now: Now,
}

impl Teller<'_> {
    /// Makes one step and writes down what is known then.
    ///
    /// What cannot be read or written in Redis does not keep anybody from being told: rather twice
    /// than never.
    /// # Cancel safety
    /// The receiver may have been told although nobody wrote it down.
    pub(crate) async fn step(&self, telling: Telling<'_>, before: Option<&Notice>) -> Notice {
        let mut destination = Destination::of(self.records, &self.receiver.name);
        let place = match before.and_then(|notice| notice.cause) {
            Some(Cause::ReceiverPaced) => Place::Kept,
            Some(
                Cause::ReceiverUnavailable
                | Cause::ReceiverBusy
                | Cause::BreakerOpen
                | Cause::ReceiverGrouped
                | Cause::ReceiverCrowded,
            )
            | None => Place::None,
        };
        let leave = destination.ask(self.receiver.pace, place).await;
        let step = match leave.unwrap_or_else(|error| self.without_redis(&error, Leave::Go)) {
            Leave::Open(wait) => Step::Open(wait),
            Leave::Busy(wait) => Step::Busy(wait),
            Leave::Paced(wait) => Step::Paced(wait),
            Leave::Go => {
                let tries = before.map_or(0, |notice| notice.tries);
                Step::Answered(self.tell(telling.after(tries), &mut destination).await)
            }
        };
        let notice = after(before, step, self.now.ms(), &self.receiver.retry);
        let event = telling.event;
        let mut ledger = Ledger::of(self.records, event.event_type.as_str(), event.origin_id());
        if let Err(first) = ledger.write(self.entry, &notice).await {
            tracing::debug!(%first, "a notice is written once more");
            let written = ledger.write(self.entry, &notice).await;
            written.unwrap_or_else(|error| self.without_redis(&error, ()));
        }
        notice
    }

    async fn tell(&self, telling: Telling<'_>, destination: &mut Destination) -> Verdict {
        let memory = self.memory(telling).await;
        let told = self.receiver.tell(telling.remembering(memory.as_deref())).await;
        let Reply { verdict, memory } = told;
        if let Some(said) = memory {
            let (name, deployment) = (&self.receiver.name, telling.facts.deployment_id);
            let written = threads::write(self.records, name, deployment, &said).await;
            written.unwrap_or_else(|error| self.without_redis(&error, ()));
        }
        let reported = destination.report(fared(&verdict), self.circuit).await;
        let open = reported.unwrap_or_else(|error| self.without_redis(&error, Duration::ZERO));
        if let Verdict::Later { why, .. } = &verdict {
            let (receiver, open) = (&self.receiver.name, open.as_secs());
            tracing::warn!(receiver, why, circuit_open_seconds = open, "a receiver was not told");
        }
        verdict
    }

    /// Reads what the receiver said about the deployment before, where it goes by that.
    async fn memory(&self, telling: Telling<'_>) -> Option<String> {
        if !self.receiver.remembers() {
            return None;
        }
        let deployment = telling.facts.deployment_id;
        let read = threads::read(self.records, &self.receiver.name, deployment).await;
        read.unwrap_or_else(|error| self.without_redis(&error, None))
    }

    fn without_redis<T>(&self, error: &impl std::fmt::Display, instead: T) -> T {
        let receiver = &self.receiver.name;
        tracing::warn!(%error, receiver, "what is known about a receiver could not be used");
        instead
    }
}

/// Says how the place fared: whatever it answers, a place that answers for good lives.
fn fared(verdict: &Verdict) -> Fared {
    match verdict {
        Verdict::Told | Verdict::Never { .. } => Fared::Answered,
        Verdict::Later { after: Some(asked), .. } => Fared::Busy(*asked),
        Verdict::Later { after: None, .. } => Fared::Failed,
    }
}
