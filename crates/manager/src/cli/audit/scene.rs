//! What an audit works in: one partition, who lives, and how long is too long.
//!
//! Made once per partition; the files beside this one read through it.

use std::collections::{BTreeMap, BTreeSet};

use printery_events::topology::Worker;
use printery_fleet::instances::Instance;
use printery_fleet::{controls, instances};
use printery_harness::settings::Settings;
use printery_streams::{Clock, Error, Keys, Partition, Session};

use crate::cli::audit::finding::{Finding, Kind};
use crate::groups::Subscription;

/// How long nothing has to move before it counts as stuck, at least; in milliseconds. 5 s: a
/// loaded machine does not make a healthy fleet look ill.
const LEAST_PATIENCE_MS: u64 = 5_000;

/// Processes of one worker that live.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Readers {
    /// How many.
    pub(crate) count: usize,
    /// Deliveries that they work on.
    pub(crate) in_flight: usize,
    /// Whether a person keeps them from taking anything.
    pub(crate) held: bool,
}

/// Who lives, and what is too long.
#[derive(Debug, Clone)]
pub(crate) struct Living {
    /// The server's time, milliseconds.
    pub(crate) now_ms: u64,
    /// Silence after which a pending entry should have been taken over.
    pub(crate) patience_ms: u64,
    /// Deliveries from which an entry waits for an idle process, and may wait long.
    pub(crate) suspect_at: u64,
    consumers: BTreeSet<String>,
    readers: BTreeMap<String, Readers>,
}

impl Living {
    /// Asks who lives; `session` and `keys` are the home partition's.
    pub(crate) async fn ask(
        session: &mut Session,
        keys: &Keys,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let clock = Clock::default();
        clock.read(session).await?;
        let now_ms = clock.now_ms();
        let instances = instances::list(session, keys).await?;
        let controls = controls::read(session, keys).await?;
        let mut readers: BTreeMap<String, Readers> = BTreeMap::new();
        let alive = |one: &&Instance| one.is_alive(now_ms);
        for one in instances.iter().filter(alive) {
            let reader = readers.entry(one.worker.clone()).or_default();
            reader.count += 1;
            reader.in_flight += one.in_flight;
            reader.held = controls.hold(&one.worker).is_some();
        }
        let delivery = &settings.delivery;
        let twice = (delivery.lease + delivery.sweep_every) * 2;
        let twice = u64::try_from(twice.as_millis()).unwrap_or(u64::MAX);
        Ok(Self {
            now_ms,
            patience_ms: twice.max(LEAST_PATIENCE_MS),
            suspect_at: 2,
            consumers: instances.iter().filter(alive).map(|one| one.instance.clone()).collect(),
            readers,
        })
    }

    /// The processes of a worker.
    pub(crate) fn readers(&self, worker: &str) -> Readers {
        self.readers.get(worker).copied().unwrap_or_default()
    }

    /// Whether a consumer's process beats.
    pub(crate) fn beats(&self, consumer: &str) -> bool {
        self.consumers.contains(consumer)
    }

    /// Silence after which this entry should have been taken over.
    pub(crate) fn patience_for(&self, deliveries: u64) -> u64 {
        // A suspect runs alone: it waits until some process has nothing else to do.
        if deliveries >= self.suspect_at {
            self.patience_ms.saturating_mul(6)
        } else {
            self.patience_ms
        }
    }
}

/// One partition under audit.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    /// Its keys and its server.
    pub(crate) partition: &'a Partition,
    /// A connection to it.
    pub(crate) session: Session,
    /// What the audited workers subscribe to.
    pub(crate) subscriptions: Vec<Subscription>,
    /// Who lives.
    pub(crate) living: &'a Living,
}

impl Scene<'_> {
    /// The names of the keys.
    pub(crate) fn keys(&self) -> &Keys {
        &self.partition.keys
    }

    /// The audited workers, each once.
    pub(crate) fn workers(&self) -> Vec<&'static Worker> {
        let mut workers: Vec<&'static Worker> = Vec::new();
        for one in &self.subscriptions {
            if !workers.iter().any(|worker| worker.name == one.worker.name) {
                workers.push(one.worker);
            }
        }
        workers
    }

    /// Begins a finding about one entry of a key.
    pub(crate) fn finding(
        &self,
        kind: Kind,
        worker: &'static str,
        key: &str,
        text: impl Into<String>,
    ) -> Finding {
        Finding {
            kind,
            partition: self.keys().prefix().to_owned(),
            worker,
            key: key.to_owned(),
            id: String::new(),
            count: 1,
            text: text.into(),
            mend: None,
            redis: Vec::new(),
        }
    }
}

/// Words of a command line.
pub(crate) fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(ToOwned::to_owned).into()
}
