//! The fleet at one instant: the one value that the API, the commands and the gauges show.
//!
//! The collector supplies what Redis says, the supervisor what its children are; [`assemble`]
//! joins them. It is pure: nothing here asks anybody for anything.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use jiff::Timestamp;
use printery_events::topology::every;
use serde::{Deserialize, Serialize};

use crate::checker::Unwell;
use crate::roll::{ChildView, Roll, State};
use crate::totals::{self, PartitionView};

mod queues;

pub(crate) use crate::observation::{NOT_ASKED, Observation};
pub(crate) use queues::{GroupView, QueueView};

/// The fleet at one instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    /// The manager itself.
    pub(crate) manager: ManagerView,
    /// Which manager does what one does for all; none where nobody does.
    #[serde(default)]
    pub(crate) leader: Option<LeaderView>,
    /// The Redis it works on.
    pub(crate) redis: RedisView,
    /// Every kind of worker, in the order of their start.
    pub(crate) workers: Vec<WorkerView>,
    /// Every subscribed stream, as each of its groups sees it.
    pub(crate) streams: Vec<GroupView>,
    /// What waits for each worker outside the event streams.
    pub(crate) queues: Vec<QueueView>,
    /// The single partitions, where there are several; all else is the sum of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) partitions: Vec<PartitionView>,
    /// When it was taken, by this host's clock.
    pub(crate) timestamp: Timestamp,
}

/// Facts about the manager that do not change while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// What it is called among the managers of the fleet; empty where none answered.
    #[serde(default)]
    pub(crate) name: String,
    /// Version of the program.
    pub(crate) version: String,
    /// Its process.
    pub(crate) pid: u32,
    /// `all`, a worker's name, or `none`.
    pub(crate) mode: String,
    /// Whether crashed workers are restarted.
    pub(crate) supervised: bool,
    /// The environment that it was started for.
    pub(crate) environment: String,
    /// First part of every key.
    pub(crate) prefix: String,
    /// How many partitions it has; none is a fleet under the plain prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) partitions: Option<u16>,
    /// Where the fleet's configuration comes from.
    pub(crate) config: String,
    /// When it was started, by this host's clock.
    pub(crate) started_at: Timestamp,
    /// The workers that it does not start although it could, each with the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) disabled: BTreeMap<String, String>,
}

/// The manager itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ManagerView {
    /// What does not change.
    #[serde(flatten)]
    pub(crate) facts: Facts,
    /// What it is doing.
    pub(crate) state: ManagerState,
    /// Every enabled worker is ready and Redis answers.
    pub(crate) ready: bool,
    /// Some worker is late, silent, restarting or down.
    pub(crate) degraded: bool,
    /// How long it has been running.
    pub(crate) uptime_seconds: u64,
}

/// The manager that leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeaderView {
    /// What it is called.
    pub(crate) name: String,
    /// Its epoch: later leaders have higher ones.
    pub(crate) epoch: u64,
}

/// What the manager is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ManagerState {
    /// Redis or some worker has not been ready yet.
    Starting,
    /// The start is over.
    Running,
    /// The workers are being stopped.
    Draining,
}

/// The Redis that the fleet works on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RedisView {
    /// Host and port or the socket's path, without credentials.
    pub(crate) address: String,
    /// Whether it answered when it was last asked.
    pub(crate) up: bool,
    /// Whether every group exists on every subscribed stream.
    pub(crate) groups_exist: bool,
    /// Why it does not answer.
    pub(crate) problem: Option<String>,
    /// Since when it has not answered, by this host's clock.
    pub(crate) down_since: Option<Timestamp>,
}

/// One kind of worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WorkerView {
    /// The worker's name.
    pub(crate) worker: String,
    /// Where this manager's process of it stands, or that it has none.
    pub(crate) state: WorkerState,
    /// It is ready: this manager's process, or any instance where it has none.
    pub(crate) ready: bool,
    /// This manager's process.
    pub(crate) pid: Option<u32>,
    /// When that was started.
    pub(crate) started_at: Option<Timestamp>,
    /// How long it has been running.
    pub(crate) uptime_seconds: Option<u64>,
    /// How often this manager has started it again.
    pub(crate) restarts: u32,
    /// Where it serves `/health`, `/ready` and `/metrics`.
    pub(crate) http: Option<SocketAddr>,
    /// What it last said about itself.
    pub(crate) status: Option<String>,
    /// How its last process ended.
    pub(crate) last_exit: Option<String>,
    /// Why it is down, or what is wrong with it.
    pub(crate) problem: Option<String>,
    /// Why its own health check fails.
    pub(crate) check: Option<String>,
    /// All its processes that Redis knows of, whoever started them.
    pub(crate) instances: Vec<InstanceView>,
}

/// Where a worker stands, seen from this manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", untagged)]
pub(crate) enum WorkerState {
    /// This manager runs it.
    Here(State),
    /// This manager does not run it.
    Elsewhere(Elsewhere),
}

/// A worker that this manager does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Elsewhere {
    /// Some process of it beats.
    External,
    /// No process of it beats.
    Absent,
    /// No process of it beats, and this manager was told not to start one.
    Disabled,
}

impl WorkerState {
    /// Whether this manager has no process of it.
    pub(crate) fn is_elsewhere(self) -> bool {
        matches!(self, Self::Elsewhere(_))
    }

    /// The word shown to people.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Here(State::Lazy) => "lazy",
            Self::Here(State::Waiting) => "waiting",
            Self::Here(State::Starting) => "starting",
            Self::Here(State::Running) => "running",
            Self::Here(State::Restarting) => "restarting",
            Self::Here(State::Stopping) => "stopping",
            Self::Here(State::Stopped) => "stopped",
            Self::Here(State::Failed) => "failed",
            Self::Elsewhere(Elsewhere::External) => "external",
            Self::Elsewhere(Elsewhere::Absent) => "absent",
            Self::Elsewhere(Elsewhere::Disabled) => "disabled",
        }
    }
}

/// One process of a worker, as its beats in Redis describe it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InstanceView {
    /// The consumer's name.
    pub(crate) instance: String,
    /// What it says it is doing: `running`, `draining` or `stopping`.
    pub(crate) phase: String,
    /// Whether it beats.
    pub(crate) alive: bool,
    /// Milliseconds since its last beat, by the server's clock.
    pub(crate) beat_age_ms: u64,
    /// Its host.
    pub(crate) host: String,
    /// Its process there.
    pub(crate) pid: u32,
    /// The version of its program.
    pub(crate) version: String,
    /// Handlers it may run at once.
    pub(crate) concurrency: usize,
    /// Deliveries it works on.
    pub(crate) in_flight: usize,
    /// Deliveries it has settled since it started.
    pub(crate) settled: u64,
    /// Attempts that have failed since it started.
    pub(crate) failed: u64,
    /// Where it serves its own `/health`, `/ready` and `/metrics`.
    pub(crate) http: Option<String>,
    /// How many partitions it was told of; none is a fleet under the plain prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) partitions: Option<u16>,
    /// Why it takes nothing new; none when it does.
    pub(crate) hold: Option<printery_fleet::controls::Hold>,
}

impl Snapshot {
    /// How many processes are in each state they report; `lost` are those that do not beat.
    pub(crate) fn instances_by_state(&self) -> Vec<(&'static str, usize)> {
        let all = || self.workers.iter().flat_map(|worker| &worker.instances);
        let phase = |phase: &'static str| {
            (phase, all().filter(|one| one.alive && one.phase == phase).count())
        };
        let lost = ("lost", all().filter(|one| !one.alive).count());
        vec![phase("running"), phase("draining"), phase("stopping"), lost]
    }
}

/// Where a snapshot comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sources<'a> {
    /// What does not change.
    pub(crate) facts: &'a Facts,
    /// What the supervisor knows.
    pub(crate) roll: &'a Roll,
    /// What the health checks found.
    pub(crate) unwell: &'a Unwell,
    /// What the collector found.
    pub(crate) observation: &'a Observation,
}

impl Sources<'_> {
    /// Whether there is a process of a worker, here or elsewhere.
    fn knows(&self, worker: &str) -> bool {
        self.roll.children.iter().any(|child| child.worker == worker)
            || self.observation.instances.iter().any(|(name, _)| name == worker)
    }
}

/// Joins what supervisor, checker and collector know.
pub(crate) fn assemble(sources: Sources<'_>, now: Timestamp) -> Snapshot {
    let Sources { facts, roll, observation, .. } = sources;
    Snapshot {
        manager: manager_view(facts, roll, &observation.redis, now),
        leader: observation.leader.clone(),
        redis: observation.redis.clone(),
        workers: every()
            .filter(|worker| !worker.is_on_demand() || sources.knows(worker.name))
            .map(|worker| worker_view(worker.name, sources, now))
            .collect(),
        streams: observation.groups.clone(),
        queues: observation.queues.clone(),
        partitions: totals::several(&observation.partitions),
        timestamp: now,
    }
}

fn manager_view(facts: &Facts, roll: &Roll, redis: &RedisView, now: Timestamp) -> ManagerView {
    let ready = roll.ready() && redis.up && redis.groups_exist;
    let troubled = |child: &ChildView| {
        child.wanted && (child.late || child.silent || child.state != State::Running)
    };
    let state = if roll.draining {
        ManagerState::Draining
    } else if roll.start_is_over() && (redis.up || redis.groups_exist) {
        ManagerState::Running
    } else {
        ManagerState::Starting
    };
    ManagerView {
        state,
        ready,
        degraded: !redis.up || roll.children.iter().any(troubled),
        uptime_seconds: seconds_between(facts.started_at, now),
        facts: facts.clone(),
    }
}

fn worker_view(worker: &str, sources: Sources<'_>, now: Timestamp) -> WorkerView {
    let child = sources.roll.children.iter().find(|child| child.worker == worker);
    let instances: Vec<_> = sources
        .observation
        .instances
        .iter()
        .filter(|(of, _)| of == worker)
        .map(|(_, instance)| instance.clone())
        .collect();
    let beats = instances.iter().any(|instance| instance.alive);
    let Some(child) = child else {
        let disabled = sources.facts.disabled.get(worker);
        let place = match (beats, disabled) {
            (true, _) => Elsewhere::External,
            (false, Some(_)) => Elsewhere::Disabled,
            (false, None) => Elsewhere::Absent,
        };
        return WorkerView {
            worker: worker.to_owned(),
            state: WorkerState::Elsewhere(place),
            ready: beats,
            pid: None,
            started_at: None,
            uptime_seconds: None,
            restarts: 0,
            http: None,
            status: None,
            last_exit: None,
            problem: disabled.filter(|_| !beats).cloned(),
            check: None,
            instances,
        };
    };
    WorkerView {
        worker: worker.to_owned(),
        state: WorkerState::Here(child.state),
        ready: child.state == State::Running,
        pid: child.pid,
        started_at: child.started_at,
        uptime_seconds: child.started_at.map(|at| seconds_between(at, now)),
        restarts: child.restarts,
        http: child.http,
        status: child.status.clone(),
        last_exit: child.last_exit.clone(),
        problem: problem_of(child),
        check: sources.unwell.get(worker).cloned(),
        instances,
    }
}

fn problem_of(child: &ChildView) -> Option<String> {
    let late = child.late.then(|| "not ready within the start timeout".to_owned());
    let silent = child.silent.then(|| "silent for longer than the watchdog".to_owned());
    child.problem.clone().or(silent).or(late)
}

fn seconds_between(earlier: Timestamp, later: Timestamp) -> u64 {
    u64::try_from(later.duration_since(earlier).as_secs()).unwrap_or_default()
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
pub(crate) mod tests;
