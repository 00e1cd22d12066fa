//! What is known beside the event streams: of the fleet, and of each worker in one partition.
//!
//! Gathered once for an explanation, each list up to a bound. It only reads.

use std::sync::Arc;

use printery_events::topology::Worker;
use printery_fleet::controls::{self, Controls, Hold};
use printery_fleet::dead_letters::{self, DeadLetter};
use printery_fleet::instances::{self, Instance};
use printery_streams::browse::Entry;
use printery_streams::order::{self, Waiting};
use printery_streams::{
    Clock, EntryId, Error, Fields, History, Keys, Partition, Session, browse, inspect,
};

use crate::cli::explain::locate::Streams;
use crate::cli::explain::traces::{PutAway, Settlement, Token};
use crate::cli::failure::Failure;
use crate::cli::target::Target;

/// Entries of an inbox that are looked at, the latest.
pub(crate) const INBOX: usize = 500;
/// Delayed entries that are looked at, the soonest.
pub(crate) const DELAYED: usize = 1_000;
/// Entries in line that are looked at.
pub(crate) const IN_LINE: usize = 1_000;
/// Dead letters that are looked at, the latest.
pub(crate) const DEAD_LETTERS: usize = 200;
/// Settlements that are looked at, the latest.
pub(crate) const LOG: usize = 5_000;

/// What is known of the fleet as a whole.
#[derive(Debug)]
pub(crate) struct FleetFacts {
    /// Every process there is a record of, dead ones included.
    pub(crate) instances: Vec<Instance>,
    /// What people told the workers.
    pub(crate) controls: Controls,
    /// The keys of the home partition, where both are.
    pub(crate) home: Keys,
    /// The server's time, milliseconds.
    pub(crate) now_ms: u64,
    /// How long an entry stays with a silent owner, milliseconds.
    pub(crate) lease_ms: u64,
    /// How often silent owners' entries are looked for, milliseconds.
    pub(crate) sweep_ms: u64,
    /// Failed attempts after which an entry is dead.
    pub(crate) max_attempts: u32,
}

/// One partition with what has been found out about it.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    /// What is known of the fleet.
    pub(crate) fleet: &'a FleetFacts,
    /// The stages of its deployments.
    pub(crate) stages: &'a [String],
    /// The partition's keys.
    pub(crate) keys: Keys,
    /// A connection to the server that has them.
    pub(crate) session: Session,
    /// By worker, in the order of the topology.
    pub(crate) workers: Vec<Arc<WorkerFacts>>,
    /// Streams that have been looked at.
    pub(crate) streams: Streams,
}

/// What one worker has in one partition.
#[derive(Debug)]
pub(crate) struct WorkerFacts {
    /// The worker.
    pub(crate) worker: &'static Worker,
    /// Entries of its inbox, the latest first.
    pub(crate) inbox: Vec<InboxEntry>,
    /// Delayed entries: token and due time.
    pub(crate) delayed: Vec<(Token, u64)>,
    /// Entries that wait behind an older one of their deployment.
    pub(crate) line: Vec<(Token, Waiting)>,
    /// Its dead letters, the latest first.
    pub(crate) dead_letters: Vec<DeadLetter>,
    /// Its dead letters that were resolved or abandoned, the latest first.
    pub(crate) put_away: Vec<PutAway>,
    /// Its settlements, the latest first.
    pub(crate) log: Vec<Settlement>,
}

/// An entry of an inbox.
#[derive(Debug)]
pub(crate) struct InboxEntry {
    /// Its id in the inbox.
    pub(crate) entry: EntryId,
    /// Where it comes from; none for one that somebody added by hand.
    pub(crate) history: Option<History>,
    /// Its own fields.
    pub(crate) fields: Fields,
}

impl FleetFacts {
    /// Gathers them.
    pub(crate) async fn gather(target: &mut Target) -> Result<Self, Failure> {
        let Target { session, keys, settings, .. } = target;
        let clock = Clock::default();
        clock.read(session).await?;
        let rules = &settings.delivery;
        Ok(Self {
            now_ms: clock.now_ms(),
            instances: instances::list(session, keys).await?,
            controls: controls::read(session, keys).await?,
            home: keys.clone(),
            lease_ms: rules.lease_ms(),
            sweep_ms: u64::try_from(rules.sweep_every.as_millis()).unwrap_or(u64::MAX),
            max_attempts: rules.max_attempts,
        })
    }

    /// Processes of a worker that beat.
    pub(crate) fn readers(&self, worker: &Worker) -> usize {
        let beats = |one: &&Instance| one.worker == worker.name && one.is_alive(self.now_ms);
        self.instances.iter().filter(beats).count()
    }

    /// Why a worker takes nothing: people's word, or a guard that holds every process of it.
    pub(crate) fn hold(&self, worker: &Worker) -> Option<Hold> {
        let said = self.controls.hold(worker.name);
        let living = || {
            self.instances
                .iter()
                .filter(|one| one.worker == worker.name && one.is_alive(self.now_ms))
        };
        said.or_else(|| {
            let all = living().all(|one| one.hold.is_some());
            living().find_map(|one| one.hold.clone()).filter(|_| all)
        })
    }

    /// The process behind a consumer's name.
    pub(crate) fn instance(&self, consumer: &str) -> Option<&Instance> {
        self.instances.iter().find(|one| one.instance == consumer)
    }
}

impl<'a> Look<'a> {
    /// Gathers what these workers have in a partition; what others have is then not known.
    pub(crate) async fn at(
        partition: &Partition,
        fleet: &'a FleetFacts,
        stages: &'a [String],
        of: &[&'static Worker],
    ) -> Result<Self, Error> {
        let (keys, mut session) = (partition.keys.clone(), partition.redis.session());
        let processed = keys.dead_letters_processed();
        let away = browse::latest(&mut session, &processed, None, DEAD_LETTERS).await?;
        let away: Vec<PutAway> = away.iter().map(PutAway::read).collect();
        let mut workers = Vec::with_capacity(of.len());
        for worker in of {
            let mut of_worker = WorkerFacts::gather(&mut session, &keys, worker).await?;
            let its = |one: &&PutAway| one.letter.worker == worker.name;
            of_worker.put_away = away.iter().filter(its).cloned().collect();
            workers.push(Arc::new(of_worker));
        }
        Ok(Self { fleet, stages, keys, session, workers, streams: Streams::default() })
    }

    /// What one worker has.
    pub(crate) fn of(&self, worker: &Worker) -> Option<Arc<WorkerFacts>> {
        self.workers.iter().find(|facts| facts.worker.name == worker.name).map(Arc::clone)
    }
}

impl WorkerFacts {
    async fn gather(
        session: &mut Session,
        keys: &Keys,
        worker: &'static Worker,
    ) -> Result<Self, Error> {
        let name = worker.name;
        let inbox = browse::latest(session, &keys.inbox(name), None, INBOX).await?;
        let opened = |entry: Entry| {
            let (history, fields) = History::open(entry.fields);
            InboxEntry { entry: entry.id, history, fields }
        };
        let delayed = inspect::delayed_tokens(session, keys, name, DELAYED).await?;
        let line = order::waiting(session, keys, name, None, IN_LINE).await?;
        let log = browse::latest(session, &keys.settlements(name), None, LOG).await?;
        Ok(Self {
            worker,
            inbox: inbox.into_iter().map(opened).collect(),
            delayed: delayed.into_iter().map(|(text, due)| (Token::read(text), due)).collect(),
            line: line.into_iter().map(|one| (Token::read(one.token.clone()), one)).collect(),
            dead_letters: dead_letters::list(session, keys, name, None, DEAD_LETTERS).await?,
            put_away: Vec::new(),
            log: log.iter().map(Settlement::read).collect(),
        })
    }
}
