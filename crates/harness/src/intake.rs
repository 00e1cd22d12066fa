//! What is known of deliveries before a handler starts: decoded, not poison, not settled before.
//!
//! Called by the worker loop with a whole batch, so that Redis is asked once for all of them.

use printery_events::{Event, EventType};
use printery_streams::admit::{Admission, admit};
use printery_streams::{Delivery, Error, Keys, Session};
use tokio::time::Instant;

use crate::disposition::Ending;
use crate::engine::Engine;
use crate::handler::Handler;
use crate::registry::Holding;
use crate::settlement::attempt;

/// A delivery that this process holds, and what is to become of it.
pub(crate) struct Intake {
    pub(crate) delivery: Delivery,
    pub(crate) holding: Holding,
    /// The event, where it could be read.
    pub(crate) event: Option<Event>,
    /// How it has ended already; none when a handler is to be started.
    pub(crate) ended: Option<Ending>,
    /// The event's type, or `unknown`.
    pub(crate) event_type: String,
    /// Nothing may run beside it: it may be what killed its owners.
    pub(crate) alone: bool,
}

/// Holds and judges a batch; entries that are held already are left out.
///
/// # Errors
/// Redis could not be asked: everything is let go again and has to be adopted later.
pub(crate) async fn take_in<H: Handler>(
    engine: &Engine<H>,
    session: &mut Session,
    deliveries: Vec<Delivery>,
    safe_until: Instant,
) -> Result<Vec<Intake>, Error> {
    let policy = engine.rules.reclaim_policy();
    let mut intakes = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        let alone = policy.runs_alone(&delivery);
        let Some(holding) = engine.registry.hold(&delivery.fence, safe_until) else {
            continue;
        };
        let implied = implied_type(&engine.keys, &delivery);
        let (event, ended) = match judge(&delivery, implied.as_ref(), engine.rules.poison_after) {
            Ok(mut event) => {
                event.dry_run |= engine.read_only;
                (Some(event), None)
            }
            Err(ending) => (None, Some(ending)),
        };
        let event_type = match (&event, implied) {
            (Some(event), _) => event.event_type.to_string(),
            (None, Some(implied)) => implied.to_string(),
            (None, None) => "unknown".to_owned(),
        };
        intakes.push(Intake { delivery, holding, event, ended, event_type, alone });
    }
    ask(engine, session, &mut intakes).await?;
    Ok(intakes)
}

/// Judges one delivery by itself.
fn judge(
    delivery: &Delivery,
    implied: Option<&EventType>,
    poison_after: u32,
) -> Result<Event, Ending> {
    if delivery.history.deaths >= poison_after {
        return Err(Ending::Poison);
    }
    let fields = delivery.fields.as_ref().ok_or(Ending::LostBody)?;
    Event::decode(implied, fields).map_err(Ending::Invalid)
}

/// The type that the stream of origin implies; none for what somebody put into the inbox by hand.
fn implied_type(keys: &Keys, delivery: &Delivery) -> Option<EventType> {
    let text = keys.event_type(&delivery.history.origin_stream)?;
    EventType::parse(text).ok()
}

/// Asks which of them were settled before, and announces the others.
async fn ask<H: Handler>(
    engine: &Engine<H>,
    session: &mut Session,
    intakes: &mut [Intake],
) -> Result<(), Error> {
    let at = engine.now();
    let handler = engine.handler.load();
    let mut asked = Vec::new();
    let mut admissions = Vec::new();
    for (place, intake) in intakes.iter().enumerate() {
        let Some(event) = &intake.event else { continue };
        let attempt = attempt(&intake.delivery.history);
        let announcement = handler.announce(event, attempt).map(|payload| {
            let key = format!("attempt {attempt}");
            engine.publication(&Event::derived(event, engine.worker.name, payload, &key, at))
        });
        asked.push(place);
        admissions.push(Admission {
            event_id: &event.id,
            event_type: event.event_type.as_str(),
            replay: intake.delivery.history.is_replay(),
            announcement,
        });
    }
    if admissions.is_empty() {
        return Ok(());
    }
    let (worker, window) = (engine.worker.name, engine.rules.dedupe_ms());
    let seen = admit(session, &engine.keys, worker, window, &admissions).await?;
    for (place, seen) in asked.into_iter().zip(seen) {
        if let Some(intake) = intakes.get_mut(place).filter(|_| seen) {
            intake.ended = Some(Ending::Duplicate);
        }
    }
    Ok(())
}
