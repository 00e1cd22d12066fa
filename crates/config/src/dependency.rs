//! How the service graph is probed.
//!
//! Owns the `dependency_checker:` section. The dependency-checker reads it. Never probes.

use std::time::Duration;

use serde::Serialize;

use crate::needs::Depth;
use crate::probe::{LatencyThresholds, Limits};
use crate::scalar;
use crate::shown;
use crate::table::Table;

/// Holds the dependency-checker's settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DependencyChecker {
    /// Limits for probes that have none of their own.
    pub limits: Limits,
    /// Probes that run at once.
    pub concurrency: ProbeConcurrency,
    /// How far from what was deployed the graph is looked at.
    pub depth: Depth,
    /// Slow and too slow.
    pub latency: LatencyThresholds,
    /// How old an answer may be that is used once more.
    pub cache: AnswerAge,
    /// Whether everything is asked without an event as well, and how often.
    pub background: Option<Background>,
}

/// Says how old an answer may be when it is used again; zero: it is asked anew.
///
/// What an event has just deployed is always asked anew. By default nothing is reused: an older
/// answer may be from before whatever the deployment did to something else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AnswerAge {
    /// An answer that was right.
    #[serde(serialize_with = "shown::duration")]
    pub pass: Duration,
    /// Any other.
    #[serde(serialize_with = "shown::duration")]
    pub fail: Duration,
}

/// Says how everything is asked without an event.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Background {
    /// The time from one question to the next; a quarter of it while something is down.
    #[serde(serialize_with = "shown::duration")]
    pub every: Duration,
    /// By which share of `every` the times are scattered.
    pub jitter: f64,
    /// So many failures in a row make something down.
    pub fall: u32,
    /// So many right answers in a row make it up again.
    pub rise: u32,
}

/// Bounds how many probes run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ProbeConcurrency {
    /// In one check.
    pub global: usize,
    /// Against one host.
    pub per_host: usize,
}

impl Default for ProbeConcurrency {
    fn default() -> Self {
        Self { global: 64, per_host: 4 }
    }
}

impl DependencyChecker {
    /// Reads the `dependency_checker:` section; `limits` are those of `defaults.probe`.
    pub(crate) fn read(top: &mut Table<'_, '_>, limits: Limits) -> Self {
        let mut read = Self { limits, ..Self::default() };
        let Some(mut table) = top.table("dependency_checker") else { return read };
        if let Some(mut defaults) = table.table("defaults") {
            read.limits = Limits::read_with_ip(&mut defaults, limits);
            defaults.close();
        }
        if let Some(mut concurrency) = table.table("concurrency") {
            if let Some(count) = concurrency.small("global") {
                read.concurrency.global = count as usize;
            }
            if let Some(count) = concurrency.small("per_host") {
                read.concurrency.per_host = count as usize;
            }
            concurrency.close();
        }
        if let Some(latency) = LatencyThresholds::read(&mut table, read.latency) {
            read.latency = latency;
        }
        if let Some(mut cache) = table.table("cache") {
            read.cache.pass = cache.duration("pass").unwrap_or_default();
            read.cache.fail = cache.duration("fail").unwrap_or_default();
            cache.close();
        }
        read.background = Background::read(&mut table);
        read.depth = Depth::read(&mut table);
        table.close();
        read
    }
}

impl Background {
    /// Reads `background: { every: 60s, jitter: 10%, fall: 3, rise: 2 }`.
    fn read(top: &mut Table<'_, '_>) -> Option<Self> {
        let mut table = top.table("background")?;
        table.must("every");
        let every = table.span("every");
        let jitter = table.parse("jitter", scalar::share).unwrap_or(0.1);
        let fall = table.small("fall").unwrap_or(3);
        let rise = table.small("rise").unwrap_or(2);
        table.close();
        Some(Self { every: every?, jitter, fall, rise })
    }
}
