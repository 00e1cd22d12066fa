//! What every delivery of this process shares: the handler, the names, the rules, the way out.
//!
//! Built once by `run`, read by everybody; only its counters change.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use printery_events::topology::Worker;
use printery_events::{Encoding, Event};
use printery_fleet::Records;
use printery_streams::settle::Publication;
use printery_streams::{Clock, Keys, Member};
use tokio::sync::mpsc;

use crate::registry::Registry;
use crate::rules::DeliverySettings;
use crate::settlement::Settlement;
use crate::shutdown::Shutdown;
use crate::telemetry::Meter;

/// Everything that an execution needs besides its delivery.
pub(crate) struct Engine<H> {
    /// Changes with the fleet file; who runs an attempt keeps the one it began with.
    pub(crate) handler: Arc<ArcSwap<H>>,
    pub(crate) worker: &'static Worker,
    pub(crate) keys: Keys,
    pub(crate) records: Records,
    /// Whether every event is a dry run, whatever it says itself.
    pub(crate) read_only: bool,
    pub(crate) member: Member,
    pub(crate) clock: Clock,
    pub(crate) rules: DeliverySettings,
    pub(crate) encoding: Encoding,
    pub(crate) registry: Registry,
    pub(crate) settlements: mpsc::Sender<Settlement>,
    pub(crate) shutdown: Shutdown,
    pub(crate) tally: Arc<Tally>,
    pub(crate) meter: Meter,
}

impl<H> Engine<H> {
    /// Hands over what is to be settled, and waits while the committer has enough to do.
    pub(crate) async fn settle(&self, finished: &mut Vec<Settlement>) {
        for settlement in finished.drain(..) {
            // The committer outlives everybody who calls this; were it gone, the lease would see
            // to the entry.
            let _gone = self.settlements.send(settlement).await.is_err();
        }
    }

    /// The server's time as events carry it.
    pub(crate) fn now(&self) -> jiff::Timestamp {
        let ms = i64::try_from(self.clock.now_ms()).unwrap_or(i64::MAX);
        jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// An event as the entry that it becomes.
    pub(crate) fn publication(&self, event: &Event) -> Publication {
        Publication {
            stream: self.keys.events(event.event_type.as_str()),
            fields: event.encode(self.encoding),
        }
    }
}

/// What this process has done since it started; shown by its beats.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    settled: AtomicU64,
    failed: AtomicU64,
}

impl Tally {
    pub(crate) fn count_settled(&self, deliveries: u64) {
        self.settled.fetch_add(deliveries, Ordering::Relaxed);
    }

    pub(crate) fn count_failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn settled(&self) -> u64 {
        self.settled.load(Ordering::Relaxed)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}
