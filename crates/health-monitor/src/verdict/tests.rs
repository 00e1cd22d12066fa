//! Verdicts of samples that are written as a line of words.

use super::*;
use crate::sample::{Finding, Sample};
use printery_config::Compare;
use printery_expressions::Condition;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::num::NonZeroU32;

fn monitor() -> Monitor {
    changed(|monitor| monitor.min_samples = 3)
}

fn changed(change: impl FnOnce(&mut Monitor)) -> Monitor {
    let mut monitor = Monitor::default();
    change(&mut monitor);
    monitor
}

/// `"12 1500 503 - 7"`: times in ms of what passed, `!` for a failure, `-` for what was not asked.
fn samples(text: &str) -> Seen {
    let sample = |(n, word): (u32, &str)| {
        let (took, finding) = match word {
            "!" => (3, Finding::Failed("HTTP 503".to_owned())),
            "-" => (0, Finding::Unasked("blocked by policy".to_owned())),
            word => (word.parse().expect("milliseconds"), Finding::Passed),
        };
        let (at, took) = (Duration::from_secs(n.into()), Duration::from_millis(took));
        Sample { probe: "health".to_owned(), n, at, took, finding }
    };
    Seen { samples: (0..).zip(text.split_whitespace()).map(sample).collect(), ..Seen::default() }
}

fn verdict(text: &str, monitor: &Monitor) -> Verdict {
    let samples = samples(text);
    let planned = u32::try_from(samples.samples.len()).expect("a short table").max(1);
    Verdict::of("api", &samples, (planned, 0), monitor, None)
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
    let off = changed(|monitor| monitor.verdict.consecutive_failures = 0);
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
    let three_of_forty = Verdict::of("api", &samples("9 9 9"), (40, 0), &strict, None);
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
fn what_was_broken_before_is_not_the_deployment_s_doing() {
    let well = Before {
        unhealthy: false,
        counted: 3,
        failed: 0,
        times_us: vec![9_000; 3],
        metrics: BTreeMap::new(),
    };
    let ill = Before {
        unhealthy: true,
        counted: 3,
        failed: 3,
        times_us: Vec::new(),
        metrics: BTreeMap::new(),
    };
    let judged = |before: &Before| {
        let verdict = Verdict::of("api", &samples("! ! !"), (3, 0), &monitor(), Some(before));
        (verdict.standing, verdict.reason)
    };
    assert_eq!(judged(&well).0, Standing::Unhealthy);
    let (standing, reason) = judged(&ill);
    assert_eq!(standing, Standing::Degraded);
    assert!(reason.ends_with("pre-existing: it was unhealthy before the deployment"), "{reason}");

    let strict = changed(|monitor| {
        monitor.min_samples = 3;
        monitor.baseline.compare = Compare::Relative;
    });
    let slow = Verdict::of("api", &samples("400 400 400"), (3, 0), &strict, Some(&well));
    assert_eq!(slow.standing, Standing::Degraded);
    let told = "api: p50 400 ms is above 59 ms: it was 9 ms before the deployment";
    assert_eq!(slow.reason, told);
}

#[test]
fn missed_looks_are_told_and_count_as_nothing() {
    let seen = Seen { missed: 4, ..samples("9 9 12") };
    let verdict = Verdict::of("api", &seen, (7, 0), &monitor(), None);
    assert_eq!(verdict.standing, Standing::Healthy);
    let told = "api: 3 of 3 samples passed, p99 12 ms; 4 were missed while nobody watched";
    assert_eq!((verdict.reason.as_str(), verdict.samples), (told, 3));
}

#[test]
fn slowness_may_have_to_last() {
    let patient = changed(|monitor| {
        monitor.min_samples = 3;
        monitor.verdict.warn_for = NonZeroU32::new(3);
    });
    assert_eq!(verdict("1500 9 1500 1500 9", &patient).standing, Standing::Healthy);
    assert_eq!(verdict("9 1500 1500 1500 9", &patient).standing, Standing::Degraded);
}

#[test]
fn a_window_ends_early_only_when_nothing_can_change_its_verdict() {
    let budget = changed(|monitor| {
        monitor.min_samples = 3;
        monitor.verdict.consecutive_failures = 0;
        monitor.error_rate.unhealthy = 0.2;
    });
    let patient = changed(|monitor| {
        monitor.min_samples = 3;
        monitor.verdict.stop_early.unhealthy = false;
    });
    let quick = changed(|monitor| {
        monitor.min_samples = 3;
        monitor.verdict.stop_early.healthy_after_ok = NonZeroU32::new(4);
    });
    let cases = [
        // Half of what was seen failed, but the other eight may still pass: a budget of 2 in 10.
        (&budget, "9 !", false),
        (&budget, "! 9 9", false),
        (&budget, "! 9 !", true),
        (&monitor(), "! !", false),
        (&monitor(), "! ! !", true),
        (&monitor(), "! ! ! 9 9 9 9", true),
        (&patient, "! ! ! !", false),
        (&monitor(), "9 9 9 9 9 9 9 9 9", false),
        (&quick, "9 9 9", false),
        (&quick, "9 9 9 9", true),
        (&quick, "9 9 9 1500", false),
        (&quick, "9 9 - 9 9", true),
    ];
    for (monitor, text, expected) in cases {
        assert_eq!(is_enough(&samples(text), 10, monitor), expected, "{text}");
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
    fn whatever_comes_after_enough_bad_samples_changes_nothing(
        begun in prop::collection::vec(prop::option::weighted(0.7, 0_u64..6_000), 1..20),
        rest in prop::collection::vec(prop::option::weighted(0.9, 0_u64..6_000), 0..20),
        in_a_row in 0_u32..4,
    ) {
        let word = |took: &Option<u64>| took.map_or("!".to_owned(), |took| took.to_string());
        let monitor = changed(|monitor| {
            monitor.min_samples = 3;
            monitor.error_rate.unhealthy = 0.3;
            monitor.verdict.consecutive_failures = in_a_row;
        });
        let planned = u32::try_from(begun.len() + rest.len()).unwrap();
        let first: Vec<String> = begun.iter().map(word).collect();
        let all: Vec<String> = begun.iter().chain(&rest).map(word).collect();
        if is_enough(&samples(&first.join(" ")), planned, &monitor) {
            let early = Verdict::of("api", &samples(&first.join(" ")), (planned, 0), &monitor, None);
            let late = Verdict::of("api", &samples(&all.join(" ")), (planned, 0), &monitor, None);
            prop_assert_eq!(early.standing, Standing::Unhealthy);
            prop_assert_eq!(late.standing, Standing::Unhealthy);
        }
    }

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

#[test]
fn a_service_may_fail_until_it_is_up() {
    let waits = |deadline| {
        changed(|monitor| {
            monitor.min_samples = 3;
            monitor.startup = Duration::from_secs(deadline);
        })
    };
    // A sample a second; five failures in a row would decide.
    let slowly = "! ! ! ! ! 9 9 9 9 9";
    assert_eq!(verdict(slowly, &waits(0)).standing, Standing::Unhealthy);
    assert_eq!(verdict(slowly, &waits(5)).standing, Standing::Healthy);
    assert_eq!(verdict(slowly, &waits(5)).samples, 5);
    assert_eq!(verdict(slowly, &waits(2)).standing, Standing::Unhealthy, "it took too long");
    assert_eq!(verdict("9 ! ! ! 9 9", &waits(60)).standing, Standing::Unhealthy, "it was up");
    let never = verdict("! ! ! !", &waits(60));
    assert_eq!((never.standing, never.samples), (Standing::Unhealthy, 4), "{}", never.reason);
    let early = |deadline| is_enough(&samples("! ! ! !"), 10, &waits(deadline));
    assert_eq!((early(0), early(60), early(1)), (true, false, true));
}

#[test]
fn a_condition_of_the_file_condemns_a_service() {
    let when = |text: &str| {
        let condition = Condition::compile(text).unwrap();
        changed(|monitor| {
            monitor.min_samples = 1;
            monitor.error_rate.unhealthy = 1.0;
            monitor.unhealthy_if = Some(condition);
        })
    };
    let seen = "9 ! 9 ! 9 700 9";
    for (text, standing) in [
        ("health.fail_ratio > 0.2", Standing::Unhealthy),
        ("fail_ratio > 0.3 || ready.failed > 0", Standing::Degraded),
        ("failed == 2 && samples == 7 && in_a_row == 1", Standing::Unhealthy),
        ("p99_ms > 600.0", Standing::Unhealthy),
        ("nonsense.here > 1", Standing::Degraded),
    ] {
        let found = verdict(seen, &when(text));
        assert_eq!(found.standing, standing, "{text}: {}", found.reason);
    }
    let found = verdict(seen, &when("health.fail_ratio > 0.2"));
    assert_eq!(found.reason, "api: 2 of 7 samples failed: health.fail_ratio > 0.2");
}
