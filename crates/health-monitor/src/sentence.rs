//! The one sentence why: verdicts in words.
//!
//! Owns the wording that people read in notifications. The verdict calls it with what was counted;
//! it never decides anything.

use std::time::Duration;

use printery_config::Monitor;

use crate::tally::Tally;

/// Says that all is well: `6 of 6 samples passed, p99 12 ms`.
pub(crate) fn passed(tally: &Tally) -> String {
    let passed = tally.counted - tally.failed;
    let p99 = tally.p99.map(|p99| format!(", p99 {}", time(p99))).unwrap_or_default();
    format!("{passed} of {} passed{p99}", samples(tally.counted))
}

/// Says of a service that is only measured that all is well.
pub(crate) fn measured(metrics: usize) -> String {
    if metrics == 1 {
        "its metric keeps its thresholds".to_owned()
    } else {
        format!("its {metrics} metrics keep their thresholds")
    }
}

/// Says what failed and since when: `2 of 6 samples failed (HTTP 503) since 12:03:10 UTC`.
pub(crate) fn failed(tally: &Tally, began_ms: u64) -> String {
    let cause = tally.cause.as_ref().map(|cause| format!(" ({cause})")).unwrap_or_default();
    let since = since(tally.failing_since, began_ms);
    format!("{} of {} failed{cause}{since}", tally.failed, samples(tally.counted))
}

/// Says how slow it is: `p99 1.42 s is not below 1 s: 4 of 6 samples were slow since 12:03:10 UTC`.
pub(crate) fn slow(tally: &Tally, monitor: &Monitor, began_ms: u64) -> String {
    let p99 = tally.p99.map(time).unwrap_or_default();
    let limit = time(monitor.latency.degraded);
    let (slow, all) = (tally.slow, samples(tally.counted));
    let were = if slow == 1 { "was" } else { "were" };
    let since = since(tally.slow_since, began_ms);
    format!("p99 {p99} is not below {limit}: {slow} of {all} {were} slow{since}")
}

/// Says that there is too little to judge by: `2 samples were taken, 20 are needed`.
pub(crate) fn too_few(tally: &Tally, needed: u32) -> String {
    let were = if tally.counted == 1 { "was" } else { "were" };
    format!("{} {were} taken, {needed} are needed", samples(tally.counted))
}

/// Says how many looks nobody took: `; 4 were missed while nobody watched`; nothing for none.
pub(crate) fn missed(looks: u32) -> String {
    match looks {
        0 => String::new(),
        1 => "; 1 was missed while nobody watched".to_owned(),
        many => format!("; {many} were missed while nobody watched"),
    }
}

/// Says why nothing is known: `no sample could be taken: …`.
pub(crate) fn unasked(tally: &Tally) -> String {
    let why = tally.unasked.as_deref().unwrap_or("the time was over before the first");
    format!("no sample could be taken: {why}")
}

/// Returns a time as people say it: `12 ms`, `1.42 s`, `5 s`.
pub(crate) fn time(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        return format!("{} ms", time.as_millis());
    }
    let text = format!("{:.2}", time.as_secs_f64());
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Returns a long time as people say it: `90 s`, `30 m`, `24 h`.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds > 0 && seconds.is_multiple_of(3_600) {
        format!("{} h", seconds / 3_600)
    } else if seconds > 0 && seconds.is_multiple_of(60) {
        format!("{} m", seconds / 60)
    } else {
        self::time(time)
    }
}

/// Returns a share as people say it: `12%`, `0.4%`.
pub(crate) fn per_cent(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    format!("{}%", text.strip_suffix(".0").unwrap_or(&text))
}

fn samples(count: u32) -> String {
    if count == 1 { "1 sample".to_owned() } else { format!("{count} samples") }
}

fn since(at: Option<Duration>, began_ms: u64) -> String {
    at.map(|at| format!(" since {} UTC", time_of_day(began_ms, at))).unwrap_or_default()
}

/// Returns the time of day, `12:03:10`, so much after a moment in milliseconds since the epoch.
fn time_of_day(began_ms: u64, after: Duration) -> String {
    let seconds = (Duration::from_millis(began_ms) + after).as_secs() % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 12:03:08 UTC on some day.
    const BEGAN_MS: u64 = 1_700_000_000_000 - 1_700_000_000_000 % 86_400_000 + 43_388_000;

    #[test]
    fn times_are_said_as_people_say_them() {
        let cases = [
            (0, "0 ms"),
            (12, "12 ms"),
            (999, "999 ms"),
            (1_000, "1 s"),
            (1_420, "1.42 s"),
            (5_000, "5 s"),
            (20_500, "20.5 s"),
        ];
        for (milliseconds, expected) in cases {
            assert_eq!(time(Duration::from_millis(milliseconds)), expected);
        }
    }

    #[test]
    fn a_failure_names_its_cause_and_its_beginning() {
        let tally = Tally {
            counted: 6,
            failed: 2,
            cause: Some("HTTP 503".to_owned()),
            failing_since: Some(Duration::from_millis(2_300)),
            ..Tally::default()
        };
        let sentence = failed(&tally, BEGAN_MS);
        assert_eq!(sentence, "2 of 6 samples failed (HTTP 503) since 12:03:10 UTC");
    }

    #[test]
    fn slowness_names_the_limit_and_its_beginning() {
        let tally = Tally {
            counted: 6,
            slow: 4,
            slow_since: Some(Duration::from_secs(2)),
            p99: Some(Duration::from_millis(1_420)),
            ..Tally::default()
        };
        let sentence = slow(&tally, &Monitor::default(), BEGAN_MS);
        assert_eq!(
            sentence,
            "p99 1.42 s is not below 1 s: 4 of 6 samples were slow since 12:03:10 UTC"
        );
    }
}
