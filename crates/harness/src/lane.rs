//! The loops that work on one partition of the fleet: read, renew, promote, settle.
//!
//! A process runs one lane per partition; lanes share its handler, its slots and its records. Built
//! and started by [`crate::process`]; nothing here knows how many lanes there are.

use std::sync::Arc;

use arc_swap::ArcSwap;
use printery_config::Fleet;
use printery_events::topology::Worker;
use printery_fleet::Records;
use printery_streams::fetch::Fetcher;
use printery_streams::reclaim::Reclaimer;
use printery_streams::settle::Settler;
use printery_streams::{Clock, Error, Member, Partition, group};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::committer::Committer;
use crate::controls::Controls;
use crate::engine::{Engine, Tally};
use crate::handler::Handler;
use crate::lease_keeper::LeaseKeeper;
use crate::outage::Outage;
use crate::promoter;
use crate::pulse::LanePulse;
use crate::registry::Registry;
use crate::settings::Settings;
use crate::shutdown::Shutdown;
use crate::sweeper::Sweeper;
use crate::telemetry::Meter;
use crate::worker::WorkerLoop;

/// Settlements that may wait for the committer: several calls' worth, so that it is never idle
/// while handlers finish, and no more, because each holds its results in memory.
const SETTLEMENTS: usize = 512;

/// What the lanes of a process share.
pub(crate) struct Shared<H> {
    pub(crate) handler: Arc<ArcSwap<H>>,
    /// The threads that handlers run on.
    pub(crate) handlers: Handle,
    pub(crate) worker: &'static Worker,
    pub(crate) settings: Arc<Settings>,
    pub(crate) member: Member,
    pub(crate) registry: Registry,
    pub(crate) tally: Arc<Tally>,
    pub(crate) shutdown: Shutdown,
    pub(crate) controls: Controls,
    /// One permit per handler that the process may run at once.
    pub(crate) slots: Arc<Semaphore>,
    /// Where the records are that belong to the fleet as a whole.
    pub(crate) home: Partition,
    /// Whether every event is a dry run.
    pub(crate) read_only: bool,
}

/// One partition and the streams that this worker reads there.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    partition: Partition,
    streams: Vec<String>,
    /// That of the partition's server: a comparison with another's would look like a step.
    clock: Clock,
}

impl Lane {
    pub(crate) fn new(
        worker: &'static Worker,
        fleet: &Fleet,
        partition: &Partition,
        clock: Clock,
    ) -> Self {
        let types = worker.streams(&fleet.stages);
        let streams = types.iter().map(|kind| partition.keys.events(kind.as_str())).collect();
        Self { partition: partition.clone(), streams, clock }
    }

    /// Starts the lane: `work` ends when there is nothing left to settle, `loops` go on for ever.
    pub(crate) fn start<H: Handler>(
        &self,
        shared: &Shared<H>,
        pulse: LanePulse,
        work: &mut JoinSet<()>,
        loops: &mut JoinSet<()>,
    ) {
        let Partition { keys, redis } = &self.partition;
        let (settings, rules) = (&shared.settings, shared.settings.delivery);
        loops.spawn(promoter::run(shared.worker.name, keys.clone(), redis.session()));
        loops.spawn(
            LeaseKeeper {
                worker: shared.worker.name,
                member: shared.member.clone(),
                session: redis.session(),
                registry: shared.registry.clone(),
                streams: self.all_streams(shared.worker),
                rules,
            }
            .run(),
        );
        let (settlements, settled) = mpsc::channel(SETTLEMENTS);
        let member = shared.member.clone();
        work.spawn(
            Committer {
                worker: shared.worker.name,
                settler: Settler::new(keys.clone(), member, rules.dedupe_ms(), rules.lease_ms()),
                session: redis.session(),
                settlements: settled,
                shutdown: shared.shutdown.clone(),
                tally: Arc::clone(&shared.tally),
                confirmed: true,
                refused: Vec::new(),
            }
            .run(),
        );
        // The loop drops the engine when it ends, and with it the committer's last sender.
        let engine = Arc::new(Engine {
            handler: Arc::clone(&shared.handler),
            worker: shared.worker,
            keys: keys.clone(),
            records: Records::of(&self.partition, &shared.home),
            read_only: shared.read_only,
            member: shared.member.clone(),
            clock: self.clock.clone(),
            rules,
            encoding: settings.encoding,
            registry: shared.registry.clone(),
            settlements,
            shutdown: shared.shutdown.clone(),
            tally: Arc::clone(&shared.tally),
            meter: Meter::new(shared.worker.name),
        });
        work.spawn(self.worker_loop(shared, engine, pulse).run());
    }

    fn worker_loop<H: Handler>(
        &self,
        shared: &Shared<H>,
        engine: Arc<Engine<H>>,
        pulse: LanePulse,
    ) -> WorkerLoop<H> {
        let Partition { keys, redis } = &self.partition;
        let rules = shared.settings.delivery;
        let reclaimer = Reclaimer::new(keys.clone(), shared.member.clone(), rules.reclaim_policy());
        WorkerLoop {
            engine,
            fetcher: Fetcher::new(redis.clone(), keys, shared.member.clone(), &self.streams),
            sweeper: Sweeper::new(reclaimer, rules.sweep_every, rules.lease),
            session: redis.session(),
            slots: Arc::clone(&shared.slots),
            concurrency: shared.settings.concurrency,
            pulse,
            controls: shared.controls.clone(),
            outage: Outage::new(shared.worker.name),
            groups_made: false,
            handlers: shared.handlers.clone(),
            running: JoinSet::new(),
            finished: Vec::new(),
        }
    }

    /// Takes this process' consumer out of the lane's groups, where it has nothing pending.
    pub(crate) async fn leave(&self, worker: &Worker, member: &Member) -> Result<(), Error> {
        let mut session = self.partition.redis.session();
        for stream in self.all_streams(worker) {
            group::retire(&mut session, &stream, &member.group, &member.consumer).await?;
        }
        Ok(())
    }

    /// Every stream that the worker reads here, its inbox included.
    fn all_streams(&self, worker: &Worker) -> Vec<String> {
        let inbox = self.partition.keys.inbox(worker.name);
        self.streams.iter().cloned().chain([inbox]).collect()
    }
}
