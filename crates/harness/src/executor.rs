//! One delivery from start to settlement; total: every way of ending is handled the same.
//!
//! Spawned by the worker loop, one task per delivery. It decides nothing itself and writes nothing.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use printery_events::Event;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::disposition::{Disposition, Ending, decide};
use crate::engine::Engine;
use crate::handler::{Context, Handler};
use crate::intake::Intake;
use crate::settlement::{Ended, Settlement, attempt};
use crate::shutdown::Phase;
use crate::telemetry;

/// The right to run one handler now.
pub(crate) type Slot = OwnedSemaphorePermit;

/// Runs what can be run and decides; gives the settlement, if there is anything to settle.
pub(crate) async fn execute<H: Handler>(
    engine: Arc<Engine<H>>,
    intake: Intake,
) -> Option<Settlement> {
    let started_ms = engine.clock.now_ms();
    let Intake { delivery, holding, event, ended: ending, event_type, alone: _ } = intake;
    let ended = Ended { delivery, event, started_ms, event_type, holding };
    let ending = match (ending, &ended.event) {
        (Some(ending), _) => ending,
        (None, Some(event)) => run(&engine, event, &ended).await,
        // An intake without an event has ended; were it not so, the lease would see to the entry.
        (None, None) => Ending::FenceLost,
    };
    let disposition = decide(ending, &ended.delivery.history, engine.rules.max_attempts);
    report(&engine, &ended, &disposition);
    Settlement::new(&engine, ended, disposition)
}

/// Runs the handler until it ends or is not wanted any more.
async fn run<H: Handler>(engine: &Engine<H>, event: &Event, ended: &Ended) -> Ending {
    let limit = engine.rules.handler_timeout;
    let began = Instant::now();
    let lost = ended.holding.lost();
    let context = Context {
        attempt: attempt(&ended.delivery.history),
        deadline: began + limit,
        cancelled: lost.clone(),
        started_ms: ended.started_ms,
        instance: engine.member.consumer.clone(),
        records: engine.records.clone(),
    };
    let written_ms = ended.delivery.history.origin_entry.ms;
    let wait = Duration::from_millis(ended.started_ms.saturating_sub(written_ms));
    engine.meter.handler_started(wait);
    let handler = engine.handler.load_full();
    let handler = AssertUnwindSafe(handler.handle(event, &context)).catch_unwind();
    let ending = tokio::select! {
        biased;
        // First: most handlers of a backlog are done when they are first looked at, and then
        // neither timer nor token is touched. A stale owner is found out by the fence.
        outcome = handler => match outcome {
            Ok(Ok(effects)) => Ending::Finished(effects),
            Ok(Err(refusal)) => Ending::Refused(refusal),
            Err(panic) => Ending::Panicked(message(&*panic)),
        },
        () = lost.cancelled() => Ending::FenceLost,
        () = engine.shutdown.reached(Phase::Stopping) => Ending::Interrupted,
        () = tokio::time::sleep_until(context.deadline) => Ending::TimedOut(limit),
    };
    engine.meter.handler_ended(&ended.event_type, began.elapsed());
    ending
}

/// Says what is not an everyday outcome, once, where it is decided.
fn report<H>(engine: &Engine<H>, ended: &Ended, disposition: &Disposition) {
    let entry = ended.delivery.fence.entry;
    let (worker, event_type) = (engine.worker.name, ended.event_type.as_str());
    match disposition {
        Disposition::Commit(_) | Disposition::Release => {}
        Disposition::Abandon => {
            tracing::warn!(%entry, event_type, "lease lost: left to its new owner");
            let settled = telemetry::DeliverySettled { worker, event_type, outcome: "abandoned" };
            telemetry::deliveries_settled(&settled, 1);
        }
        Disposition::Defer { why, failures, .. } => {
            engine.tally.count_failed();
            let (reason, detail) = (&why.reason, &why.detail);
            tracing::warn!(%entry, event_type, failures, reason, detail, "attempt failed");
            telemetry::attempt_failed(worker, event_type, reason);
        }
        Disposition::Bury { why, attempts, .. } => {
            engine.tally.count_failed();
            let (reason, detail) = (&why.reason, &why.detail);
            tracing::error!(%entry, event_type, attempts, reason, detail, "dead-lettered");
            // The reason of an invalid event quotes it: only its first word is a label.
            let label = reason.split(':').next().unwrap_or_default();
            telemetry::attempt_failed(worker, event_type, label);
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no message".to_owned())
}
