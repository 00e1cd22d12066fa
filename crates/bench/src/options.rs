//! What is measured, and how thoroughly.
//!
//! Filled in by the command line. Every number of repetitions, entries and seconds stands here, nowhere else.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// One thing to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Events per second: raw, engine and validator, interleaved.
    Throughput,
    /// From an entry written to its handler started and its result visible.
    Latency,
    /// Events per second and memory as the backlog grows.
    Backlog,
    /// Entries of a replica that was killed.
    Recovery,
    /// The whole fleet with nothing to do.
    Idle,
    /// Deployments through all four workers.
    Fleet,
}

impl Part {
    /// Every part, in the order in which they are measured.
    pub const ALL: [Self; 6] =
        [Self::Throughput, Self::Latency, Self::Backlog, Self::Recovery, Self::Idle, Self::Fleet];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::Latency => "latency",
            Self::Backlog => "backlog",
            Self::Recovery => "recovery",
            Self::Idle => "idle",
            Self::Fleet => "fleet",
        }
    }
}

/// How thoroughly it is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Everything runs, nothing is worth quoting: a few hundred entries, a few milliseconds.
    Smoke,
    /// Under a minute; good to compare two builds.
    Quick,
    /// What is published.
    Full,
}

/// What is measured, and how thoroughly.
#[derive(Debug, Clone)]
pub struct Options {
    /// What is measured.
    pub parts: Vec<Part>,
    /// How thoroughly.
    pub effort: Effort,
    /// Whether the largest backlog is a million entries.
    pub million: bool,
    /// Whether Redis writes an append-only file, synchronised every second.
    pub append_only: bool,
    /// Where the programs are.
    pub programs: PathBuf,
    /// Set by whoever wants it to end early.
    pub stop: Arc<AtomicBool>,
}

impl Options {
    fn by_effort<T>(&self, smoke: T, quick: T, full: T) -> T {
        match self.effort {
            Effort::Smoke => smoke,
            Effort::Quick => quick,
            Effort::Full => full,
        }
    }

    /// The word for the effort.
    pub fn effort_name(&self) -> &'static str {
        self.by_effort("smoke", "quick run", "full run")
    }

    /// How often every case is measured; the cases take turns.
    pub(crate) fn rounds(&self) -> usize {
        self.by_effort(1, 2, 5)
    }

    /// Entries that wait when a case begins; more than any case gets through.
    pub(crate) fn entries(&self) -> u64 {
        self.by_effort(20_000, 40_000, 200_000)
    }

    /// How long one case is measured at most.
    pub(crate) fn per_case(&self) -> Duration {
        self.by_effort(millis(150), millis(400), millis(1_500))
    }

    /// How long latencies are taken.
    pub(crate) fn latency_for(&self) -> Duration {
        self.by_effort(millis(200), millis(1_200), millis(10_000))
    }

    /// The sizes of backlog that are compared.
    pub(crate) fn backlogs(&self) -> Vec<u64> {
        let mut sizes = self.by_effort(vec![200, 600], vec![1_000, 100_000], vec![1_000, 100_000]);
        if self.million {
            sizes.push(1_000_000);
        }
        sizes
    }

    /// Entries that the killed replica held.
    pub(crate) fn held_by_the_dead(&self) -> u64 {
        self.by_effort(300, 10_000, 10_000)
    }

    /// Pending entries that no command may be slow over.
    pub(crate) fn many_pending(&self) -> u64 {
        self.by_effort(600, 100_000, 100_000)
    }

    /// The lease of the workers that recover.
    pub(crate) fn lease(&self) -> Duration {
        self.by_effort(millis(300), millis(2_000), millis(5_000))
    }

    /// How long after lease and sweep a recovery is waited for; what is left then is reckoned.
    pub(crate) fn patience(&self) -> Duration {
        self.by_effort(millis(2_000), millis(5_000), millis(15_000))
    }

    /// How long the idle fleet is watched.
    pub(crate) fn idle_for(&self) -> Duration {
        self.by_effort(millis(300), millis(3_000), millis(20_000))
    }

    /// Deployments that flow through the fleet.
    pub(crate) fn deployments(&self) -> u64 {
        self.by_effort(10, 500, 5_000)
    }
}

const fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
