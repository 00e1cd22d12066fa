//! What the samples mean: one verdict per service with the one sentence why.
//!
//! Owns the thresholds. The handler calls it once the window is over; it never waits, never asks
//! and never looks at a clock: times come with the samples.

use std::time::Duration;

use printery_config::{Monitor, OnNoData};

use crate::sample::Sample;
use crate::sentence;
use crate::tally::Tally;

/// How a service stands, ordered from harmless to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// Every threshold is kept.
    Healthy,
    /// The evidence is too thin to say anything.
    Inconclusive,
    /// It works, not comfortably.
    Degraded,
    /// It does not work.
    Unhealthy,
}

/// How one service stands, and why.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    /// The service.
    pub service: String,
    /// Whether anything could be asked of it at all.
    pub watched: bool,
    /// How it stands.
    pub standing: Standing,
    /// Samples that counted.
    pub samples: u32,
    /// The share of them that failed, 0..=1.
    pub error_rate: f64,
    /// The median of the times of the samples that passed.
    pub p50: Option<Duration>,
    /// Their 99th percentile.
    pub p99: Option<Duration>,
    /// The one sentence why, beginning with the service's name.
    pub reason: String,
}

impl Verdict {
    /// Says of a service that it could not be watched at all, and why.
    pub(crate) fn unwatched(service: &str, why: &str) -> Self {
        Self {
            service: service.to_owned(),
            watched: false,
            standing: Standing::Inconclusive,
            samples: 0,
            error_rate: 0.0,
            p50: None,
            p99: None,
            reason: format!("{service}: {why}"),
        }
    }

    /// Judges one service by its samples.
    ///
    /// # Shapes and units
    /// `planned`: samples that were to be taken; a short window needs no more than it can have.
    /// `began_ms`: the server's time that the samples' times count from, milliseconds since the epoch.
    pub(crate) fn of(
        service: &str,
        samples: &[Sample],
        planned: u32,
        monitor: &Monitor,
        began_ms: u64,
    ) -> Self {
        let tally = Tally::of(samples, &monitor.latency);
        let needed = monitor.min_samples.min(planned);
        let (standing, why) = judge(&tally, needed, monitor, began_ms);
        Self {
            service: service.to_owned(),
            watched: true,
            standing,
            samples: tally.counted,
            error_rate: tally.error_rate(),
            p50: tally.p50,
            p99: tally.p99,
            reason: format!("{service}: {why}"),
        }
    }
}

/// Returns how a service stands and why, the worst finding first.
fn judge(tally: &Tally, needed: u32, monitor: &Monitor, began_ms: u64) -> (Standing, String) {
    let in_a_row = monitor.consecutive_failures;
    if in_a_row > 0 && tally.longest_run >= in_a_row {
        return (Standing::Unhealthy, sentence::failed(tally, began_ms));
    }
    if tally.counted == 0 {
        let standing = match monitor.on_no_data {
            OnNoData::Inconclusive => Standing::Inconclusive,
            OnNoData::Pass => Standing::Healthy,
            OnNoData::Fail => Standing::Unhealthy,
        };
        return (standing, sentence::unasked(tally));
    }
    if tally.counted < needed {
        return (Standing::Inconclusive, sentence::too_few(tally, needed));
    }
    let rate = tally.error_rate();
    if tally.failed > 0 && rate >= monitor.error_rate.unhealthy {
        return (Standing::Unhealthy, sentence::failed(tally, began_ms));
    }
    if tally.failed > 0 && rate >= monitor.error_rate.degraded {
        return (Standing::Degraded, sentence::failed(tally, began_ms));
    }
    if tally.p99.is_some_and(|p99| p99 >= monitor.latency.degraded) {
        return (Standing::Degraded, sentence::slow(tally, monitor, began_ms));
    }
    (Standing::Healthy, sentence::passed(tally))
}

/// Returns how the deployment stands: as the worst of the services that could be watched.
///
/// A service without an address is not configured and counts only when no other was watched.
pub(crate) fn overall(verdicts: &[Verdict]) -> Standing {
    let watched = verdicts.iter().filter(|verdict| verdict.watched);
    watched.map(|verdict| verdict.standing).max().unwrap_or(Standing::Inconclusive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Finding;
    use proptest::prelude::*;

    fn monitor() -> Monitor {
        changed(|monitor| monitor.min_samples = 3)
    }

    fn changed(change: impl FnOnce(&mut Monitor)) -> Monitor {
        let mut monitor = Monitor::default();
        change(&mut monitor);
        monitor
    }

    /// `"12 1500 503 - 7"`: times in ms of what passed, `!` for a failure, `-` for what was not asked.
    fn samples(text: &str) -> Vec<Sample> {
        let sample = |(at, word): (u64, &str)| {
            let (took, finding) = match word {
                "!" => (3, Finding::Failed("HTTP 503".to_owned())),
                "-" => (0, Finding::Unasked("blocked by policy".to_owned())),
                word => (word.parse().expect("milliseconds"), Finding::Passed),
            };
            let (at, took) = (Duration::from_secs(at), Duration::from_millis(took));
            Sample { probe: "health", at, took, finding }
        };
        (0_u64..).zip(text.split_whitespace()).map(sample).collect()
    }

    fn verdict(text: &str, monitor: &Monitor) -> Verdict {
        let samples = samples(text);
        let planned = u32::try_from(samples.len()).expect("a short table").max(1);
        Verdict::of("api", &samples, planned, monitor, 0)
    }

    #[test]
    fn thresholds_decide() {
        let many = |failures: usize, passes: usize| {
            // Spread, so that no run of failures decides.
            let block = passes / failures.max(1);
            let mut text = String::new();
            for _ in 0..failures {
                text.push_str("! ");
                text.push_str(&"9 ".repeat(block));
            }
            text.push_str(&"9 ".repeat(passes - block * failures));
            text
        };
        let cases = [
            ("9 9 9".to_owned(), Standing::Healthy),
            ("999 999 999".to_owned(), Standing::Healthy),
            ("9 1000 9".to_owned(), Standing::Degraded),
            ("9 4999 9".to_owned(), Standing::Degraded),
            ("9 5000 9".to_owned(), Standing::Unhealthy),
            ("9 ! 9".to_owned(), Standing::Unhealthy),
            ("! ! !".to_owned(), Standing::Unhealthy),
            (many(0, 200), Standing::Healthy),
            (many(1, 199), Standing::Healthy),
            (many(2, 198), Standing::Degraded),
            (many(9, 191), Standing::Degraded),
            (many(10, 190), Standing::Unhealthy),
            ("- - -".to_owned(), Standing::Inconclusive),
            ("9 9 -".to_owned(), Standing::Inconclusive),
            (String::new(), Standing::Inconclusive),
        ];
        for (text, expected) in cases {
            let verdict = verdict(&text, &monitor());
            assert_eq!(verdict.standing, expected, "{text:?}: {}", verdict.reason);
        }
    }

    #[test]
    fn a_run_of_failures_is_unhealthy_whatever_the_share() {
        let text = format!("{}! ! ! {}", "9 ".repeat(100), "9 ".repeat(100));
        assert_eq!(verdict(&text, &monitor()).standing, Standing::Unhealthy);
        let off = changed(|monitor| monitor.consecutive_failures = 0);
        assert_eq!(verdict(&text, &off).standing, Standing::Degraded);
    }

    #[test]
    fn no_data_means_what_the_fleet_file_says() {
        let cases = [
            (OnNoData::Inconclusive, Standing::Inconclusive),
            (OnNoData::Pass, Standing::Healthy),
            (OnNoData::Fail, Standing::Unhealthy),
        ];
        for (on_no_data, expected) in cases {
            let monitor = changed(|monitor| monitor.on_no_data = on_no_data);
            assert_eq!(verdict("- -", &monitor).standing, expected, "{on_no_data:?}");
        }
    }

    #[test]
    fn a_short_window_needs_no_more_samples_than_it_can_have() {
        let strict = changed(|monitor| monitor.min_samples = 20);
        assert_eq!(verdict("9 9 9", &strict).standing, Standing::Healthy);
        let three_of_forty = Verdict::of("api", &samples("9 9 9"), 40, &strict, 0);
        assert_eq!(three_of_forty.standing, Standing::Inconclusive);
        assert_eq!(three_of_forty.reason, "api: 3 samples were taken, 20 are needed");
    }

    #[test]
    fn every_verdict_says_why() {
        let cases = [
            ("9 9 12", "api: 3 of 3 samples passed, p99 12 ms"),
            ("9 ! 9", "api: 1 of 3 samples failed (HTTP 503) since 00:00:01 UTC"),
            (
                "9 9 1420",
                "api: p99 1.42 s is not below 1 s: 1 of 3 samples was slow since 00:00:02 UTC",
            ),
            ("- - -", "api: no sample could be taken: blocked by policy"),
            ("", "api: no sample could be taken: the time was over before the first"),
        ];
        for (text, expected) in cases {
            assert_eq!(verdict(text, &monitor()).reason, expected);
        }
    }

    #[test]
    fn the_worst_watched_service_decides() {
        let good = verdict("9 9 9", &monitor());
        let slow = verdict("9 9 1500", &monitor());
        let bad = verdict("! ! !", &monitor());
        let thin = verdict("-", &monitor());
        let unwatched = Verdict::unwatched("docs", "no health URL configured");
        let cases = [
            (vec![], Standing::Inconclusive),
            (vec![&unwatched], Standing::Inconclusive),
            (vec![&good, &unwatched], Standing::Healthy),
            (vec![&good, &thin], Standing::Inconclusive),
            (vec![&good, &thin, &slow], Standing::Degraded),
            (vec![&slow, &bad, &good], Standing::Unhealthy),
        ];
        for (verdicts, expected) in cases {
            let verdicts: Vec<Verdict> = verdicts.into_iter().cloned().collect();
            assert_eq!(overall(&verdicts), expected, "{verdicts:?}");
        }
    }

    proptest! {
        #[test]
        fn one_more_failure_never_improves_a_verdict(
            raw in prop::collection::vec(prop::option::weighted(0.9, 0_u64..6_000), 3..80),
            broken in 0_usize..80,
        ) {
            let word = |took: &Option<u64>| took.map_or("!".to_owned(), |took| took.to_string());
            let words: Vec<String> = raw.iter().map(word).collect();
            let before = verdict(&words.join(" "), &monitor()).standing;
            let mut worse = words.clone();
            let len = worse.len();
            worse[broken % len] = "!".to_owned();
            let after = verdict(&worse.join(" "), &monitor()).standing;
            // A slow answer that fails instead may lower the 99th percentile, not the verdict.
            prop_assert!(after >= before, "{before:?} became {after:?}");
        }
    }
}
