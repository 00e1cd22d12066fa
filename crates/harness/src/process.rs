//! The loops of one worker process: who starts them, who waits for them, who ends them.
//!
//! Built by `run` once the settings are known; owns every task of the process.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use metrics_exporter_prometheus::PrometheusHandle;
use printery_config::Fleet;
use printery_events::topology::Worker;
use printery_fleet::instances::{self, Instance};
use printery_streams::{Clock, Member, Partitions};
use sd_notify::NotifyState;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::controls::{Teller, controls};
use crate::engine::Tally;
use crate::guards::Guards;
use crate::handler::Handler;
use crate::heartbeat::{Heartbeat, notify};
use crate::lane::{Lane, Shared};
use crate::own_process::{self, consumer_name, host_name};
use crate::pulse::Pulse;
use crate::registry::Registry;
use crate::run::Problems;
use crate::settings::Settings;
use crate::shutdown::{Phase, Shutdown};
use crate::{exit, http, readiness};

/// How long handing back may take after the shutdown deadline.
const HAND_BACK: Duration = Duration::from_secs(5);

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// Everything was finished.
    Clean,
    /// The deadline passed, or a second signal came; work was left to others.
    HandedBack,
    /// A loop ended that never should.
    Broken,
}

impl Stopped {
    /// How it ended, for the record of its life.
    fn reason(self) -> &'static str {
        match self {
            Self::Clean => "",
            Self::HandedBack => "what still ran was handed back",
            Self::Broken => "a loop ended",
        }
    }
}

/// Who does the work, and who sees to it that it is done by the fleet file as it is now.
pub(crate) struct Crew<H> {
    pub(crate) handler: Arc<ArcSwap<H>>,
    /// The threads that handlers run on.
    pub(crate) handlers: Handle,
    /// Replaces the handler for good.
    pub(crate) renewal: BoxFuture<'static, ()>,
}

/// A process that has reached Redis and made sure of its groups.
pub(crate) struct Process {
    worker: &'static Worker,
    settings: Arc<Settings>,
    partitions: Partitions,
    lanes: Vec<Lane>,
    member: Member,
    clock: Clock,
    shutdown: Shutdown,
    guards: Guards,
}

impl Process {
    /// Reaches Redis, judges the server, and makes sure of the groups.
    ///
    /// # Errors
    /// Redis cannot be reached in time (69), or is not fit for the fleet (2).
    pub(crate) async fn prepare(
        worker: &'static Worker,
        fleet: &Fleet,
        settings: Settings,
        shutdown: Shutdown,
    ) -> Result<Self, (u8, Problems)> {
        let guards =
            Guards::read(worker.name).map_err(|problems| (exit::USAGE, Problems(problems)))?;
        let (bus, prefix) = (&settings.bus, &settings.prefix);
        let timeout = settings.delivery.command_timeout();
        let partitions = Partitions::try_new(bus, prefix, settings.partitions, timeout)
            .map_err(|error| (exit::USAGE, Problems::from(error.to_string())))?;
        let member = Member {
            worker: worker.name.to_owned(),
            group: worker.group(),
            consumer: consumer_name(worker.name),
            ordered: worker.ordered,
        };
        readiness::warn_of(&partitions.home().redis);
        // The home partition's; each lane goes by that of its own server, which may be another one.
        let clock = Clock::default();
        let mut lanes: Vec<Lane> = Vec::new();
        for partition in partitions.all() {
            let clock = if lanes.is_empty() { clock.clone() } else { Clock::default() };
            let prefix = partition.keys.prefix();
            readiness::await_redis(&partition.redis, prefix, &clock, settings.redis_wait).await?;
            lanes.push(Lane::new(worker, fleet, partition, clock));
        }
        let settings = Arc::new(settings);
        Ok(Self { worker, settings, partitions, lanes, member, clock, shutdown, guards })
    }

    /// Works until it is told to stop, then winds down.
    pub(crate) async fn work<H: Handler>(
        self,
        crew: Crew<H>,
        metrics: PrometheusHandle,
    ) -> Result<Stopped, Problems> {
        let pulse = Pulse::new(self.lanes.len());
        let registry = Registry::default();
        let tally = Arc::new(Tally::default());
        if let Some(hold) = &self.guards.hold {
            tracing::warn!(%hold, "nothing is taken");
        }
        let (teller, told) = controls(self.guards.hold.clone());
        let mut loops = JoinSet::new();

        let http = match self.settings.http_addr {
            None => None,
            Some(address) => {
                let listener = http::bind(address).await.map_err(Problems::from)?;
                let bound = listener.local_addr().ok().map(|address| address.to_string());
                let shown = http::Shown {
                    worker: self.worker.name,
                    instance: self.member.consumer.clone(),
                    pulse: pulse.clone(),
                    controls: told.clone(),
                    metrics,
                };
                loops.spawn(http::serve(listener, shown));
                bound
            }
        };
        loops.spawn(self.heartbeat(&pulse, &registry, &tally, http.clone(), teller).run());
        loops.spawn(readiness::announce(pulse.clone(), http));
        loops.spawn(crew.renewal);

        let shared = Shared {
            handler: crew.handler,
            handlers: crew.handlers,
            worker: self.worker,
            settings: Arc::clone(&self.settings),
            member: self.member.clone(),
            registry: registry.clone(),
            tally,
            shutdown: self.shutdown.clone(),
            controls: told,
            slots: Arc::new(Semaphore::new(self.settings.concurrency)),
            home: self.partitions.home().clone(),
            read_only: self.guards.read_only,
        };
        let mut work = JoinSet::new();
        for (lane, pulse) in self.lanes.iter().zip(pulse.of_lanes()) {
            lane.start(&shared, pulse, &mut work, &mut loops);
        }
        let stopped = self.wind_down(work, loops, &registry).await;
        if stopped != Stopped::Broken && self.shutdown.phase() < Phase::Aborting {
            self.leave(stopped.reason()).await;
        }
        Ok(stopped)
    }

    /// Waits for the end of the work, and pushes where it takes too long.
    async fn wind_down(
        &self,
        mut work: JoinSet<()>,
        mut loops: JoinSet<()>,
        registry: &Registry,
    ) -> Stopped {
        tokio::select! {
            // Told to stop first: a loop that ended because of it did nothing wrong.
            biased;
            () = self.shutdown.reached(Phase::Draining) => {}
            ended = work.join_next() => return broken("the work", ended),
            ended = loops.join_next() => return broken("a loop", ended),
        }
        notify(&[NotifyState::Stopping]);
        let finished = async { while work.join_next().await.is_some() {} };
        let pushed = async {
            tokio::select! {
                () = tokio::time::sleep(self.settings.shutdown_timeout) => {}
                () = self.shutdown.reached(Phase::Stopping) => {}
            }
            let left = registry.len();
            tracing::warn!(left, "the shutdown deadline passed: what still runs is handed back");
            self.shutdown.advance(Phase::Stopping);
            tokio::select! {
                () = tokio::time::sleep(HAND_BACK) => self.shutdown.advance(Phase::Aborting),
                () = self.shutdown.reached(Phase::Aborting) => {}
            }
        };
        tokio::select! {
            () = finished => {}
            () = pushed => {}
        }
        if self.shutdown.phase() >= Phase::Stopping { Stopped::HandedBack } else { Stopped::Clean }
    }

    /// Takes this process' name out of the fleet's records.
    async fn leave(&self, reason: &str) {
        for lane in &self.lanes {
            if let Err(error) = lane.leave(self.worker, &self.member).await {
                tracing::debug!(%error, "the manager retires this consumer later");
                return;
            }
        }
        let home = self.partitions.home();
        let mut session = home.redis.session();
        let name = &self.member.consumer;
        let spawn = own_process::spawn();
        let called = spawn.as_ref().map_or(name, |spawn| &spawn.id);
        let left = instances::leave(&mut session, &home.keys, name, called, reason).await;
        if let Err(error) = left {
            tracing::debug!(%error, "the manager removes this record later");
        }
        tracing::info!("stopped");
    }

    fn heartbeat(
        &self,
        pulse: &Pulse,
        registry: &Registry,
        tally: &Arc<Tally>,
        http: Option<String>,
        teller: Teller,
    ) -> Heartbeat {
        Heartbeat {
            instance: Instance {
                instance: self.member.consumer.clone(),
                worker: self.worker.name.to_owned(),
                host: host_name(),
                pid: std::process::id(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                phase: String::new(),
                started_ms: self.clock.now_ms(),
                beat_ms: 0,
                concurrency: self.settings.concurrency,
                in_flight: 0,
                settled: 0,
                failed: 0,
                beats: 0,
                cpu_percent: None,
                rss_bytes: None,
                http,
                hold: None,
                partitions: self.settings.partitions,
                ticks: own_process::ticks_of(std::process::id()),
                spawn: own_process::spawn(),
            },
            worker: self.worker.name,
            keys: self.partitions.home().keys.clone(),
            clock: self.clock.clone(),
            session: self.partitions.home().redis.session(),
            registry: registry.clone(),
            pulse: pulse.clone(),
            tally: Arc::clone(tally),
            shutdown: self.shutdown.clone(),
            teller,
            used: None,
        }
    }
}

fn broken(what: &str, ended: Option<Result<(), tokio::task::JoinError>>) -> Stopped {
    let why = match ended {
        Some(Err(error)) => error.to_string(),
        Some(Ok(())) | None => "it ended".to_owned(),
    };
    tracing::error!(why, "{what} ended unexpectedly");
    Stopped::Broken
}
