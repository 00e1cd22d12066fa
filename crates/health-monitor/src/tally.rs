//! The samples of one service, counted.
//!
//! Owns the arithmetic: how many, how many failed, how many in a row, how slow. The verdict calls
//! it with the samples as they came; it never compares with a threshold but the two of latency.

use std::collections::BTreeMap;
use std::time::Duration;

use printery_config::LatencyThresholds;

use crate::percentile::nearest_rank;
use crate::sample::{Finding, Sample};

/// What the samples of one service add up to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Samples that say something about the service.
    pub counted: u32,
    /// Those that failed.
    pub failed: u32,
    /// Those that passed, slowly.
    pub slow: u32,
    /// The longest run of failures at one address.
    pub longest_run: u32,
    /// The longest run of slow answers at one address.
    pub slow_run: u32,
    /// How many samples the address with the fewest has passed in a row, up to the last one.
    pub good_run: u32,
    /// What the failed samples saw most often; the earlier one of two that are as frequent.
    pub cause: Option<String>,
    /// When the first failed sample was taken, from the beginning of the attempt.
    pub failing_since: Option<Duration>,
    /// When the first slow sample was taken.
    pub slow_since: Option<Duration>,
    /// Why a sample could not be taken, of the last that could not.
    pub unasked: Option<String>,
    /// The median time of the samples that passed.
    pub p50: Option<Duration>,
    /// Their 99th percentile.
    pub p99: Option<Duration>,
    /// All of those times, ascending.
    pub passed: Vec<Duration>,
}

/// What one address has shown in a row, up to the last sample.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    failed: u32,
    slow: u32,
    good: u32,
}

impl Tally {
    /// Counts samples, in whatever order they come.
    pub(crate) fn of(samples: &[Sample], latency: &LatencyThresholds) -> Self {
        let mut samples: Vec<&Sample> = samples.iter().collect();
        samples.sort_by_key(|sample| sample.at);
        let mut tally = Self::default();
        let mut runs: BTreeMap<&str, Run> = BTreeMap::new();
        let mut causes: Vec<(String, u32)> = Vec::new();
        let mut passed: Vec<Duration> = Vec::new();
        for sample in samples {
            let run = runs.entry(sample.probe.as_str()).or_default();
            match failure(sample, latency) {
                Ok(None) => {
                    tally.counted += 1;
                    passed.push(sample.took);
                    if sample.took >= latency.degraded {
                        *run = Run { slow: run.slow + 1, ..Run::default() };
                        tally.slow_run = tally.slow_run.max(run.slow);
                        tally.slow += 1;
                        tally.slow_since.get_or_insert(sample.at);
                    } else {
                        *run = Run { good: run.good + 1, ..Run::default() };
                    }
                }
                Ok(Some(cause)) => {
                    *run = Run { failed: run.failed + 1, ..Run::default() };
                    tally.longest_run = tally.longest_run.max(run.failed);
                    tally.counted += 1;
                    tally.failed += 1;
                    tally.failing_since.get_or_insert(sample.at);
                    count(&mut causes, cause);
                }
                Err(why) => tally.unasked = Some(why),
            }
        }
        tally.good_run = runs.values().map(|run| run.good).min().unwrap_or_default();
        passed.sort_unstable();
        tally.p50 = nearest_rank(&passed, 50);
        tally.p99 = nearest_rank(&passed, 99);
        tally.passed = passed;
        // The last of equals wins `max_by_key`, so the earliest has to come last.
        tally.cause =
            causes.into_iter().rev().max_by_key(|(_, times)| *times).map(|(cause, _)| cause);
        tally
    }

    /// Returns the share of samples that failed, 0..=1; 0 without samples.
    pub(crate) fn error_rate(&self) -> f64 {
        if self.counted == 0 { 0.0 } else { f64::from(self.failed) / f64::from(self.counted) }
    }
}

/// Returns why a sample failed, `None` when it passed, and an error when it says nothing.
fn failure(sample: &Sample, latency: &LatencyThresholds) -> Result<Option<String>, String> {
    match &sample.finding {
        Finding::Passed if sample.took >= latency.unhealthy => {
            Ok(Some(format!("no answer within {}", crate::sentence::time(latency.unhealthy))))
        }
        Finding::Passed => Ok(None),
        Finding::Failed(cause) => Ok(Some(cause.clone())),
        Finding::Unasked(why) => Err(why.clone()),
    }
}

fn count(causes: &mut Vec<(String, u32)>, cause: String) {
    match causes.iter_mut().find(|(known, _)| *known == cause) {
        Some((_, times)) => *times += 1,
        None => causes.push((cause, 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(probe: &str, at: u64, took: u64, finding: Finding) -> Sample {
        let (n, probe) = (u32::try_from(at).unwrap(), probe.to_owned());
        let (at, took) = (Duration::from_secs(at), Duration::from_millis(took));
        Sample { probe, n, at, took, finding }
    }

    fn failed(cause: &str) -> Finding {
        Finding::Failed(cause.to_owned())
    }

    #[test]
    fn a_run_of_failures_is_counted_per_address() {
        let samples = [
            sample("health", 0, 5, failed("HTTP 503")),
            sample("ready", 0, 5, Finding::Passed),
            sample("health", 1, 5, failed("HTTP 503")),
            sample("ready", 1, 5, failed("HTTP 500")),
            sample("health", 2, 5, Finding::Passed),
            sample("health", 3, 5, failed("HTTP 500")),
        ];
        let tally = Tally::of(&samples, &LatencyThresholds::default());
        assert_eq!((tally.counted, tally.failed, tally.longest_run), (6, 4, 2));
        assert_eq!(tally.cause.as_deref(), Some("HTTP 503"));
        assert_eq!(tally.failing_since, Some(Duration::ZERO));
    }

    #[test]
    fn what_is_slow_or_good_in_a_row_is_counted_per_address() {
        let passed = |probe, at, took| sample(probe, at, took, Finding::Passed);
        let mut samples = vec![
            passed("health", 0, 1_500),
            passed("ready", 0, 5),
            passed("health", 1, 1_500),
            passed("ready", 1, 5),
            passed("health", 2, 5),
            passed("ready", 2, 5),
        ];
        let tally = Tally::of(&samples, &LatencyThresholds::default());
        assert_eq!((tally.slow_run, tally.good_run), (2, 1));
        samples.push(sample("ready", 3, 5, failed("HTTP 503")));
        assert_eq!(Tally::of(&samples, &LatencyThresholds::default()).good_run, 0);
    }

    #[test]
    fn an_answer_that_took_too_long_is_a_failure() {
        let samples = [
            sample("health", 0, 999, Finding::Passed),
            sample("health", 1, 1_000, Finding::Passed),
            sample("health", 2, 4_999, Finding::Passed),
            sample("health", 3, 5_000, Finding::Passed),
        ];
        let tally = Tally::of(&samples, &LatencyThresholds::default());
        assert_eq!((tally.counted, tally.failed, tally.slow), (4, 1, 2));
        assert_eq!(tally.slow_since, Some(Duration::from_secs(1)));
        assert_eq!(tally.failing_since, Some(Duration::from_secs(3)));
        assert_eq!(tally.cause.as_deref(), Some("no answer within 5 s"));
        assert_eq!(tally.p99, Some(Duration::from_millis(4_999)));
    }

    #[test]
    fn what_could_not_be_asked_says_nothing_about_the_service() {
        let samples = [
            sample("health", 0, 0, Finding::Unasked("blocked by policy".to_owned())),
            sample("health", 1, 7, Finding::Passed),
        ];
        let tally = Tally::of(&samples, &LatencyThresholds::default());
        assert_eq!((tally.counted, tally.failed), (1, 0));
        assert_eq!(tally.unasked.as_deref(), Some("blocked by policy"));
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_does_not_matter(
            raw in prop::collection::vec((0_u64..6_000, 0_u8..4), 0..30),
            turn in 0_usize..30,
        ) {
            let samples: Vec<Sample> = (0_u64..)
                .zip(&raw)
                .map(|(at, (took, kind))| {
                    let finding = match kind {
                        0 => failed("HTTP 503"),
                        1 => failed("connection refused"),
                        2 => Finding::Unasked("time was over".to_owned()),
                        _ => Finding::Passed,
                    };
                    sample("health", at, *took, finding)
                })
                .collect();
            let mut turned = samples.clone();
            turned.rotate_left(turn.min(samples.len()));
            turned.reverse();
            let latency = LatencyThresholds::default();
            let tally = Tally::of(&samples, &latency);
            prop_assert_eq!(&Tally::of(&turned, &latency), &tally);
            prop_assert!(tally.failed + tally.slow <= tally.counted);
            prop_assert!(tally.longest_run <= tally.failed);
            prop_assert_eq!(tally.cause.is_some(), tally.failed > 0);
            prop_assert_eq!(tally.p50.is_some(), tally.failed < tally.counted);
            prop_assert!(tally.p50 <= tally.p99);
            prop_assert!((0.0..=1.0).contains(&tally.error_rate()));
        }
    }
}
