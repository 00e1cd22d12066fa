//! How a service does, compared with how it did before the deployment.
//!
//! Owns the baseline as it is kept and the two questions asked of it: slower, failing more often.
//! The verdict asks; nothing here waits, and a service without a baseline is not compared.

use std::collections::BTreeMap;
use std::time::Duration;

use printery_config::{Compare, Monitor};
use serde::{Deserialize, Serialize};

use crate::percentile::nearest_rank;
use crate::sentence::{per_cent, time};
use crate::statistics::{larger_by_chance, more_failures_by_chance};
use crate::tally::Tally;
use crate::verdict::{Standing, Verdict};

/// How likely chance may be where a difference counts as significant: Kayenta's confidence of 0.98.
const SIGNIFICANCE: f64 = 0.02;

/// Samples a side below which nothing is called significant: what the approximation needs.
const LEAST: usize = 20;

/// Times that are kept of a baseline: enough for any test, and some kB.
const MOST_TIMES: usize = 1_000;

/// How a service did before the deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Before {
    /// Whether it was unhealthy already.
    pub unhealthy: bool,
    /// Samples that said something about the service.
    pub counted: u32,
    /// Those that failed.
    pub failed: u32,
    /// How long those took that passed, in microseconds, ascending.
    pub times_us: Vec<u64>,
    /// What its metrics showed.
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
}

impl Before {
    /// Returns what is kept of a baseline.
    pub(crate) fn of(verdict: &Verdict, tally: &Tally, metrics: BTreeMap<String, f64>) -> Self {
        // Evenly thinned out, so that the order statistics stay where they are.
        let step = tally.passed.len().div_ceil(MOST_TIMES).max(1);
        let micros = |time: &Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Self {
            unhealthy: verdict.standing == Standing::Unhealthy,
            counted: tally.counted,
            failed: tally.failed,
            times_us: tally.passed.iter().step_by(step).map(micros).collect(),
            metrics,
        }
    }

    /// Says in what a service is worse than it was, beyond what the fleet file allows; none for not
    /// worse.
    pub(crate) fn worsened(&self, tally: &Tally, monitor: &Monitor) -> Option<String> {
        match monitor.baseline.compare {
            Compare::Off => None,
            Compare::Relative | Compare::Significant => {
                self.fails_more(tally, monitor).or_else(|| self.is_slower(tally, monitor))
            }
        }
    }

    fn fails_more(&self, tally: &Tally, monitor: &Monitor) -> Option<String> {
        let (rate, before) = (tally.error_rate(), share(self.failed, self.counted));
        let rules = monitor.error_rate;
        if self.counted == 0 || rate <= rules.floor || rate <= before * (1.0 + rules.allow) {
            return None;
        }
        let sides = ((tally.failed, tally.counted), (self.failed, self.counted));
        let enough = LEAST.min(usize::try_from(tally.counted.min(self.counted)).unwrap_or(LEAST));
        if !counts(monitor, enough, || more_failures_by_chance(sides.0, sides.1)) {
            return None;
        }
        Some(format!(
            "{} of the samples failed, before the deployment {}",
            per_cent(rate),
            per_cent(before)
        ))
    }

    fn is_slower(&self, tally: &Tally, monitor: &Monitor) -> Option<String> {
        let median_us = self.times_us.get((self.times_us.len().div_ceil(2)).checked_sub(1)?)?;
        let before = Duration::from_micros(*median_us);
        let now = nearest_rank(&tally.passed, 50)?;
        let rules = monitor.baseline;
        let allowed = before.mul_f64(1.0 + rules.allow).max(before + rules.floor);
        if now <= allowed {
            return None;
        }
        let later: Vec<f64> = tally.passed.iter().map(Duration::as_secs_f64).collect();
        let earlier: Vec<f64> = self.times_us.iter().map(|time| seconds(*time)).collect();
        let enough = later.len().min(earlier.len());
        if !counts(monitor, enough, || larger_by_chance(&later, &earlier)) {
            return None;
        }
        Some(format!(
            "p50 {} is above {}: it was {} before the deployment",
            time(now),
            time(allowed),
            time(before)
        ))
    }
}

/// Tells whether a difference counts: always, or only where chance does not explain it.
fn counts(monitor: &Monitor, samples: usize, chance: impl Fn() -> f64) -> bool {
    match monitor.baseline.compare {
        Compare::Off => false,
        Compare::Relative => true,
        Compare::Significant => samples >= LEAST && chance() < SIGNIFICANCE,
    }
}

fn share(failed: u32, counted: u32) -> f64 {
    if counted == 0 { 0.0 } else { f64::from(failed) / f64::from(counted) }
}

fn seconds(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monitor(compare: Compare) -> Monitor {
        let mut monitor = Monitor::default();
        monitor.baseline.compare = compare;
        monitor
    }

    /// So many samples of about this time each, of which so many failed.
    fn tally(samples: u32, ms: u64, failed: u32) -> Tally {
        let passed = (0..u64::from(samples - failed)).map(|n| Duration::from_millis(ms + n % 7));
        let mut passed: Vec<Duration> = passed.collect();
        passed.sort_unstable();
        Tally { counted: samples, failed, passed, ..Tally::default() }
    }

    fn before(samples: u32, ms: u64, failed: u32) -> Before {
        Before::of(&Verdict::unwatched("api", ""), &tally(samples, ms, failed), BTreeMap::new())
    }

    #[test]
    fn worse_than_before_is_told_only_beyond_what_is_allowed() {
        use Compare::{Off, Relative, Significant};
        let slower = "p50 403 ms is above 154 ms: it was 103 ms before the deployment";
        let failing = "10% of the samples failed, before the deployment 0%";
        let cases = [
            (Off, before(40, 100, 0), tally(40, 400, 0), None),
            (Relative, before(40, 100, 0), tally(40, 100, 0), None),
            (Relative, before(40, 100, 0), tally(40, 140, 0), None),
            (Relative, before(40, 100, 0), tally(40, 400, 0), Some(slower)),
            (Significant, before(40, 100, 0), tally(40, 400, 0), Some(slower)),
            // Half as much again, and yet nothing that anybody feels.
            (Relative, before(40, 10, 0), tally(40, 40, 0), None),
            // Too few to tell it from chance.
            (Significant, before(5, 100, 0), tally(5, 400, 0), None),
            (Relative, before(40, 100, 0), tally(40, 100, 4), Some(failing)),
            (Significant, before(40, 100, 0), tally(40, 100, 4), None),
            (Significant, before(100, 100, 0), tally(100, 100, 10), Some(failing)),
            (Relative, before(40, 100, 4), tally(40, 100, 5), None),
            // Nothing to compare with.
            (Relative, before(1, 100, 1), tally(40, 400, 0), None),
        ];
        for (compare, before, after, expected) in cases {
            let found = before.worsened(&after, &monitor(compare));
            assert_eq!(found.as_deref(), expected, "{compare:?} {before:?}");
        }
    }

    #[test]
    fn a_baseline_keeps_its_median_when_it_is_thinned_out() {
        let many: Vec<Duration> = (1..=9_001).map(Duration::from_millis).collect();
        let tally = Tally { counted: 9_001, passed: many, ..Tally::default() };
        let before = Before::of(&Verdict::unwatched("api", ""), &tally, BTreeMap::new());
        assert!(before.times_us.len() <= MOST_TIMES);
        let median = before.times_us[before.times_us.len() / 2];
        assert!(median.abs_diff(4_501_000) < 100_000, "{median}");
    }
}
