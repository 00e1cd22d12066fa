//! How the service graph is probed.
//!
//! Owns the `dependency_checker:` section. The dependency-checker reads it. Never probes.

use serde::Serialize;

use crate::probe::{LatencyThresholds, Limits};
use crate::table::Table;

/// Holds the dependency-checker's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DependencyChecker {
    /// Limits for probes that have none of their own.
    pub limits: Limits,
    /// Probes that run at once.
    pub concurrency: ProbeConcurrency,
    /// Slow and too slow.
    pub latency: LatencyThresholds,
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
            read.limits = Limits::read(&mut defaults, limits);
            defaults.later(&["ip"]);
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
        table.later(&["background", "cache", "depth"]);
        table.close();
        read
    }
}
