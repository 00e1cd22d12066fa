//! Owns the whole fleet in one table: which worker reads and publishes what, and how many handlers it runs at once.
//! The harness subscribes by it, the manager starts and lists by it, documents are checked against it.
//! It never holds anything an operator can change, save that the stages are given by configuration.

use crate::event_type::EventType;
use crate::kinds::Family;

/// The stages a deployment has when configuration names none.
pub const DEFAULT_STAGES: [&str; 3] = ["vercel", "railway", "folio"];

/// Names what a worker subscribes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// The one stream of a family.
    One(Family),
    /// The streams of a family for every configured stage.
    EveryStage(Family),
}

/// Describes one kind of worker.
///
/// # Source
/// Contract §2.
#[derive(Debug, PartialEq, Eq)]
pub struct Worker {
    /// The kind, as `--worker` takes it and keys carry it.
    pub name: &'static str,
    /// The binary.
    pub program: &'static str,
    /// Other names that `--worker` takes.
    pub aliases: &'static [&'static str],
    /// How many handlers one process runs at once unless told otherwise.
    pub concurrency: usize,
    /// Whether it handles the events of one deployment one at a time, oldest first, on whichever replica.
    pub ordered: bool,
    /// What it subscribes to.
    pub reads: &'static [Reads],
    /// What it publishes.
    pub publishes: &'static [Family],
}

/// Checks a deployment before it begins; one handler at a time, because verdicts about one version must not race.
pub static VALIDATOR: Worker = Worker {
    name: "validator",
    program: "printery-validator",
    aliases: &[],
    concurrency: 1,
    ordered: true,
    reads: &[Reads::One(Family::DeploymentStarted)],
    publishes: &[Family::ValidationStarted, Family::ValidationCompleted, Family::DeploymentFailed],
};

/// Checks that what the services depend on is up.
pub static DEPENDENCY_CHECKER: Worker = Worker {
    name: "dependency-checker",
    program: "printery-dependency-checker",
    aliases: &["dependency"],
    concurrency: 5,
    ordered: false,
    reads: &[Reads::One(Family::ValidationCompleted), Reads::EveryStage(Family::StageCompleted)],
    publishes: &[Family::DependencyCheckStarted, Family::DependencyCheckCompleted],
};

/// Watches the services over a window; it asks for a rollback only where configuration allows it.
pub static HEALTH_MONITOR: Worker = Worker {
    name: "health-monitor",
    program: "printery-health-monitor",
    aliases: &["health"],
    concurrency: 10,
    ordered: false,
    reads: &[Reads::One(Family::DependencyCheckCompleted)],
    publishes: &[
        Family::HealthCheckStarted,
        Family::HealthCheckCompleted,
        Family::RollbackInitiated,
    ],
};

/// Tells people and machines what happened.
pub static NOTIFIER: Worker = Worker {
    name: "notifier",
    program: "printery-notifier",
    aliases: &[],
    concurrency: 5,
    ordered: true,
    reads: &[
        Reads::One(Family::DeploymentStarted),
        Reads::EveryStage(Family::StageCompleted),
        Reads::One(Family::DeploymentCompleted),
        Reads::One(Family::DeploymentFailed),
        Reads::One(Family::ValidationCompleted),
        Reads::One(Family::DependencyCheckCompleted),
        Reads::One(Family::HealthCheckCompleted),
        Reads::One(Family::RollbackInitiated),
        Reads::One(Family::RollbackCompleted),
    ],
    publishes: &[Family::NotificationSent, Family::NotificationFailed],
};

/// Keeps the status record of every deployment that dashboards read. It runs where somebody asks for it by name.
pub static SHIELD_LISTENER: Worker = Worker {
    name: "shield-listener",
    program: "printery-shield-listener",
    aliases: &["shield"],
    concurrency: 5,
    ordered: false,
    reads: &[
        Reads::One(Family::DeploymentStarted),
        Reads::EveryStage(Family::StageStarted),
        Reads::EveryStage(Family::StageCompleted),
        Reads::One(Family::DeploymentCompleted),
        Reads::One(Family::DeploymentFailed),
        Reads::One(Family::RollbackInitiated),
        Reads::One(Family::RollbackCompleted),
        Reads::One(Family::ValidationCompleted),
        Reads::One(Family::DependencyCheckCompleted),
        Reads::One(Family::HealthCheckCompleted),
    ],
    publishes: &[],
};

/// Workers that only run where somebody asks for them: `all` does not mean them, nothing waits for their groups.
pub static ON_DEMAND: [&Worker; 1] = [&SHIELD_LISTENER];

/// Every kind of worker that a fleet always has, in the order in which they are started: the validator is ready first. They are stopped in reverse.
pub static WORKERS: [&Worker; 4] = [&VALIDATOR, &DEPENDENCY_CHECKER, &HEALTH_MONITOR, &NOTIFIER];

/// Lists every kind of worker there is, those that only run on demand last.
pub fn every() -> impl Iterator<Item = &'static Worker> {
    WORKERS.into_iter().chain(ON_DEMAND)
}

impl Worker {
    /// Finds a worker by its name or one of its aliases.
    pub fn find(name_or_alias: &str) -> Option<&'static Self> {
        every()
            .find(|worker| worker.name == name_or_alias || worker.aliases.contains(&name_or_alias))
    }

    /// Lists the event types this worker subscribes to, given the configured stages.
    pub fn streams(&self, stages: &[String]) -> Vec<EventType> {
        let mut streams = Vec::with_capacity(self.reads.len() + stages.len());
        for reads in self.reads {
            match *reads {
                Reads::One(family) => streams.push(EventType::of(family)),
                Reads::EveryStage(Family::StageStarted) => {
                    streams.extend(stages.iter().map(|stage| EventType::stage_started(stage)));
                }
                Reads::EveryStage(_) => {
                    streams.extend(stages.iter().map(|stage| EventType::stage_completed(stage)));
                }
            }
        }
        streams
    }

    /// Tells whether it only runs where somebody asks for it by name.
    pub fn is_on_demand(&self) -> bool {
        ON_DEMAND.iter().any(|worker| worker.name == self.name)
    }

    /// Names the consumer group, the same on every stream the worker reads.
    pub fn group(&self) -> String {
        // As the dashboards' own listener was called, contract §1.
        if self.name == SHIELD_LISTENER.name {
            return "shield-deployment-listener".to_owned();
        }
        format!("printery-{}", self.name)
    }
}
