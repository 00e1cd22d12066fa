//! From when on samples are too many bad ones, and when enough has been seen.
//!
//! Owns `error_rate:`, `on_no_data:` and `verdict:`. The health-monitor judges by them. Never looks
//! at a sample.

use std::num::NonZeroU32;

use printery_expressions::{Condition, Vocabulary};
use serde::Serialize;

use super::Monitor;
use crate::problem::Code;
use crate::scalar;
use crate::table::Table;

/// The words of `on_no_data`.
pub(super) const ON_NO_DATA: [(&str, OnNoData); 3] =
    [("inconclusive", OnNoData::Inconclusive), ("pass", OnNoData::Pass), ("fail", OnNoData::Fail)];

/// Says what a window without usable samples means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnNoData {
    /// Nobody knows: the verdict is `INCONCLUSIVE`.
    #[default]
    Inconclusive,
    /// Counts as healthy.
    Pass,
    /// Counts as unhealthy.
    Fail,
}

/// What `verdict.unhealthy.or` may speak of: the whole service, and each of its addresses (`ready.fail_ratio`).
pub const UNHEALTHY_VARIABLES: [&str; 11] = [
    "fail_ratio",
    "failed",
    "samples",
    "slow",
    "in_a_row",
    "p50_ms",
    "p99_ms",
    "health",
    "ready",
    "grpc",
    "tcp",
];

/// Says which share of failed samples is too much.
///
/// # Shapes and units
/// Fractions: 0.01 is one per cent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RateThresholds {
    /// From here on degraded.
    pub degraded: f64,
    /// From here on unhealthy.
    pub unhealthy: f64,
    /// How much more often than before the deployment samples may fail, where `baseline.compare`
    /// is switched on; 0.5 is half as often again.
    pub allow: f64,
    /// The share of failures up to which they are not compared.
    pub floor: f64,
}

impl Default for RateThresholds {
    fn default() -> Self {
        Self { degraded: 0.01, unhealthy: 0.05, allow: 0.5, floor: 0.002 }
    }
}

impl RateThresholds {
    /// Reads `error_rate: { warn: 1%, fail: 5% }` over the given thresholds.
    pub(super) fn read(table: &mut Table<'_, '_>, base: Self) -> Self {
        let Some(mut rate) = table.table("error_rate") else { return base };
        let degraded = rate.parse("warn", scalar::share).unwrap_or(base.degraded);
        let unhealthy = rate.parse("fail", scalar::share).unwrap_or(base.unhealthy);
        if degraded > unhealthy {
            let text = format!("{} is above `fail`", rate.name("warn"));
            rate.reader.report(Code::Conflict, rate.at, text);
        }
        let mut read = Self { degraded, unhealthy, ..base };
        if let Some(mut baseline) = rate.table("baseline") {
            read.allow = baseline.parse("allow", scalar::increase).unwrap_or(base.allow);
            read.floor = baseline.parse("floor", scalar::share).unwrap_or(base.floor);
            baseline.close();
        }
        rate.later(&["ratio", "on_no_data"]);
        rate.close();
        read
    }
}

/// Says what in a row decides, and when a window may end before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct VerdictRules {
    /// Failures of one probe in a row that make the service unhealthy whatever the rate is; 0
    /// switches it off.
    pub consecutive_failures: u32,
    /// Slow answers of one probe in a row from which on slowness counts; without it the 99th
    /// percentile decides.
    pub warn_for: Option<NonZeroU32>,
    /// When enough has been seen.
    pub stop_early: StopEarly,
}

impl Default for VerdictRules {
    fn default() -> Self {
        Self { consecutive_failures: 3, warn_for: None, stop_early: StopEarly::default() }
    }
}

/// Says when a window ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StopEarly {
    /// Once nothing that may still come can make the service anything but unhealthy.
    pub unhealthy: bool,
    /// After so many good samples of each probe in a row; never, without it.
    pub healthy_after_ok: Option<NonZeroU32>,
}

impl Default for StopEarly {
    fn default() -> Self {
        Self { unhealthy: true, healthy_after_ok: None }
    }
}

impl VerdictRules {
    /// Reads `verdict: { … }` and the short form `consecutive_failures: 3` over a given plan: the
    /// rules, and what else makes a service unhealthy.
    pub(super) fn read(table: &mut Table<'_, '_>, plan: &Monitor) -> (Self, Option<Condition>) {
        let base = plan.verdict;
        let (mut read, mut or) = (base, plan.unhealthy_if.clone());
        let failures = |table: &mut Table<'_, '_>| {
            let failures = table.count("consecutive_failures", 0)?;
            Some(u32::try_from(failures).unwrap_or(u32::MAX))
        };
        let short = failures(table);
        if let Some(mut verdict) = table.table("verdict") {
            if let Some(mut unhealthy) = verdict.table("unhealthy") {
                let long = failures(&mut unhealthy);
                if short.is_some() && long.is_some() {
                    let text = format!("{} is said twice", unhealthy.name("consecutive_failures"));
                    unhealthy.reader.report(Code::Conflict, unhealthy.at, text);
                }
                read.consecutive_failures = long.unwrap_or(read.consecutive_failures);
                or = unhealthy.condition("or", &Vocabulary::of(UNHEALTHY_VARIABLES)).or(or);
                unhealthy.close();
            }
            if let Some(mut degraded) = verdict.table("degraded") {
                let warn_for = degraded.small("any_warn_for").and_then(NonZeroU32::new);
                read.warn_for = warn_for.or(read.warn_for);
                degraded.close();
            }
            if let Some(mut stop) = verdict.table("stop_early") {
                read.stop_early.unhealthy =
                    stop.flag("unhealthy").unwrap_or(base.stop_early.unhealthy);
                let good = stop.small("healthy_after_ok").and_then(NonZeroU32::new);
                read.stop_early.healthy_after_ok = good.or(base.stop_early.healthy_after_ok);
                stop.close();
            }
            verdict.close();
        }
        read.consecutive_failures = short.unwrap_or(read.consecutive_failures);
        (read, or)
    }
}
