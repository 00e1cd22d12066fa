//! Keeps what is seen in Redis, so that whoever takes over goes on with the same window.
//!
//! Owns the window's record for one attempt: opened first, fed by the watchers through a channel,
//! closed with the verdict. It never judges, and a Redis that is away stops nobody from watching.

use std::collections::BTreeMap;
use std::time::Duration;

use printery_events::Event;
use printery_harness::fleet::windows::{Found, Sight, Window};
use printery_harness::{Context, Refusal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep;

use crate::board::Seen;
use crate::reading::Reading;
use crate::sample::Sample;

/// How long a window's record is kept beyond the window's own length: an event that comes back
/// later than that was redriven by a person, who wants to know how things are now. 15 min.
const KEEP: Duration = Duration::from_secs(15 * 60);

/// How long to wait before a write is tried again.
const AGAIN: Duration = Duration::from_millis(250);

/// Takes what was seen from whoever saw it; there are never more sights than looks are planned.
#[derive(Debug, Clone)]
pub(crate) struct Pen(UnboundedSender<Sight>);

impl Pen {
    /// Hands a sight over to be kept.
    pub(crate) fn keep(&self, sight: Sight) {
        // A journal that is gone has ended with its attempt.
        let _gone = self.0.send(sight).is_err();
    }
}

/// The record of one event's window.
#[derive(Debug)]
pub(crate) struct Journal {
    window: Window,
    sights: UnboundedReceiver<Sight>,
}

/// What was kept of a window, by service.
pub(crate) type Known = BTreeMap<String, Seen>;

impl Journal {
    /// Opens the window of an event: begins it, or finds what others have seen.
    ///
    /// `longest`: how long the longest of its windows is.
    /// # Errors
    /// Redis cannot be reached: a window that nobody could continue is not begun.
    pub(crate) async fn open(
        event: &Event,
        context: &Context,
        longest: Duration,
    ) -> Result<(Self, Pen, Found), Refusal> {
        let (records, now_ms) = (&context.records, context.started_ms);
        let opened = Window::open(records, &event.id, now_ms, longest + KEEP).await;
        let (window, found) = opened.map_err(|error| {
            Refusal::without_redis(format!("the window cannot be opened: {error}"))
        })?;
        let (pen, sights) = unbounded_channel();
        Ok((Self { window, sights }, Pen(pen), found))
    }

    /// Writes down what comes until every pen is dropped.
    ///
    /// What cannot be written is tried again for as long as somebody watches; what is left then
    /// counts for this attempt only.
    pub(crate) async fn keep(mut self) -> Window {
        let mut unwritten: Vec<Sight> = Vec::new();
        loop {
            if unwritten.is_empty() {
                match self.sights.recv().await {
                    Some(sight) => unwritten.push(sight),
                    None => return self.window,
                }
            }
            while let Ok(sight) = self.sights.try_recv() {
                unwritten.push(sight);
            }
            if self.window.add(&unwritten).await.is_ok() {
                unwritten.clear();
            } else if self.sights.is_closed() {
                return self.window;
            } else {
                sleep(AGAIN).await;
            }
        }
    }
}

/// Sorts what was kept by service.
pub(crate) fn known(sights: &[Sight]) -> Known {
    let mut known = Known::new();
    for sight in sights {
        if let Some((service, sample)) = Sample::of(sight) {
            known.entry(service.to_owned()).or_default().samples.push(sample);
        } else if let Some((service, n, reading)) = Reading::of(sight) {
            known.entry(service.to_owned()).or_default().readings.insert(n, reading);
        }
    }
    known
}
