//! What the samples mean: one verdict per service with the one sentence why.
//!
//! Owns the thresholds. The handler calls it once the window is over; it never waits, never asks
//! and never looks at a clock: times come with the samples.

use std::time::Duration;

use printery_config::{Monitor, OnNoData};
use serde_json::{Value, json};

use crate::board::Seen;
use crate::comparison::Before;
use crate::measured::findings;
use crate::sample::{Finding, Sample};
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
    /// Whether it was unhealthy before the deployment already.
    pub pre_existing: bool,
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
            pre_existing: false,
            samples: 0,
            error_rate: 0.0,
            p50: None,
            p99: None,
            reason: format!("{service}: {why}"),
        }
    }

    /// Judges one service by its samples and by how it did before the deployment.
    ///
    /// # Shapes and units
    /// `planned`: samples that were to be taken; a short window needs no more than it can have.
    /// `began_ms`: the server's time that the samples' times count from, milliseconds since the epoch.
    pub(crate) fn of(
        service: &str,
        seen: &Seen,
        (planned, began_ms): (u32, u64),
        monitor: &Monitor,
        before: Option<&Before>,
    ) -> Self {
        // Who never came up was not starting.
        let starting = starting(&seen.samples, monitor).filter(|starting| starting.is_over);
        let counted = starting.as_ref().map_or(&seen.samples, |starting| &starting.rest);
        let tally = Tally::of(counted, &monitor.latency);
        let left_out = u32::try_from(seen.samples.len() - counted.len()).unwrap_or(planned);
        let planned = planned.saturating_sub(left_out);
        let needed = monitor.min_samples.min(planned);
        let (mut standing, mut why) = judge(&tally, (needed, planned), monitor, began_ms);
        if let Some((worse, sentence)) = condemned(counted, &tally, monitor)
            && worse > standing
        {
            (standing, why) = (worse, sentence);
        }
        if standing == Standing::Healthy
            && let Some(worse) = before.and_then(|before| before.worsened(&tally, monitor))
        {
            (standing, why) = (Standing::Degraded, worse);
        }
        let shown_before = before.map(|before| before.metrics.clone()).unwrap_or_default();
        for (worse, sentence) in findings(seen, monitor, &shown_before) {
            if worse > standing {
                (standing, why) = (worse, sentence);
            } else if worse == standing && worse > Standing::Healthy {
                why.push_str(", ");
                why.push_str(&sentence);
            }
        }
        let pre_existing = before.is_some_and(|before| before.unhealthy);
        if standing == Standing::Unhealthy && pre_existing {
            // What was broken before the deployment is not the deployment's doing.
            standing = Standing::Degraded;
            why.push_str(", pre-existing: it was unhealthy before the deployment");
        }
        why.push_str(&sentence::missed(seen.missed));
        Self {
            service: service.to_owned(),
            watched: true,
            standing,
            pre_existing,
            samples: tally.counted,
            error_rate: tally.error_rate(),
            p50: tally.p50,
            p99: tally.p99,
            reason: format!("{service}: {why}"),
        }
    }
}

/// Returns how a service stands and why, the worst finding first.
fn judge(
    tally: &Tally,
    (needed, planned): (u32, u32),
    monitor: &Monitor,
    began_ms: u64,
) -> (Standing, String) {
    let in_a_row = monitor.verdict.consecutive_failures;
    if in_a_row > 0 && tally.longest_run >= in_a_row {
        return (Standing::Unhealthy, sentence::failed(tally, began_ms));
    }
    if planned == 0 {
        return (Standing::Healthy, sentence::measured(monitor.metrics.len()));
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
    let slow = match monitor.verdict.warn_for {
        Some(in_a_row) => tally.slow_run >= in_a_row.get(),
        None => tally.p99.is_some_and(|p99| p99 >= monitor.latency.degraded),
    };
    if slow {
        return (Standing::Degraded, sentence::slow(tally, monitor, began_ms));
    }
    (Standing::Healthy, sentence::passed(tally))
}

/// The samples of a service that is starting: all but the failures before its first success.
struct Starting {
    rest: Vec<Sample>,
    /// Whether it has come up.
    is_over: bool,
}

/// Leaves out what a service could not answer before it was up; `None` when it is given no time.
fn starting(samples: &[Sample], monitor: &Monitor) -> Option<Starting> {
    if monitor.startup.is_zero() {
        return None;
    }
    let passed = samples.iter().filter(|sample| sample.finding == Finding::Passed);
    let up = passed.map(|sample| sample.at).min();
    let until = up.map_or(monitor.startup, |up| up.min(monitor.startup));
    let rest = samples.iter().filter(|sample| sample.at >= until).cloned().collect();
    Some(Starting { rest, is_over: up.is_some() })
}

/// Says how a service stands by the fleet file's own condition, if that says anything.
fn condemned(samples: &[Sample], tally: &Tally, monitor: &Monitor) -> Option<(Standing, String)> {
    let condition = monitor.unhealthy_if.as_ref()?;
    if tally.counted == 0 {
        return None;
    }
    let mut variables = shown(tally);
    for address in ["health", "ready", "grpc", "tcp"] {
        let its: Vec<Sample> =
            samples.iter().filter(|sample| sample.probe == address).cloned().collect();
        if let Some(fields) = variables.as_object_mut() {
            fields.insert(address.to_owned(), shown(&Tally::of(&its, &monitor.latency)));
        }
    }
    match condition.holds(&variables) {
        Ok(true) => {
            let Tally { failed, counted, .. } = tally;
            Some((
                Standing::Unhealthy,
                format!("{failed} of {counted} samples failed: {condition}"),
            ))
        }
        Ok(false) => None,
        // For a person to mend, and no reason to roll anything back.
        Err(problem) => {
            Some((Standing::Inconclusive, format!("{condition} cannot be judged: {problem}")))
        }
    }
}

/// What a condition may know of samples.
fn shown(tally: &Tally) -> Value {
    let ms = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1_000.0);
    json!({
        "fail_ratio": tally.error_rate(), "failed": tally.failed, "samples": tally.counted,
        "slow": tally.slow, "in_a_row": tally.longest_run,
        "p50_ms": ms(tally.p50).unwrap_or_default(), "p99_ms": ms(tally.p99).unwrap_or_default(),
    })
}

/// Tells whether a window may end before its time: what is still to come cannot save the service,
/// or the fleet file says that so many good samples are enough.
///
/// `planned`: samples that were to be taken in the whole window.
pub(crate) fn is_enough(seen: &Seen, planned: u32, monitor: &Monitor) -> bool {
    let stop = monitor.verdict.stop_early;
    if !stop.unhealthy && stop.healthy_after_ok.is_none() {
        return false;
    }
    let starting = starting(&seen.samples, monitor);
    let counted = starting.as_ref().map_or(&seen.samples, |starting| &starting.rest);
    let tally = Tally::of(counted, &monitor.latency);
    let needed = monitor.min_samples.min(planned);
    let (standing, _) = judge(&tally, (needed, planned), monitor, 0);
    match standing {
        // The error budget of the whole window is spent, or a run of failures has decided.
        Standing::Unhealthy => {
            let in_a_row = monitor.verdict.consecutive_failures;
            let spent =
                f64::from(tally.failed) >= monitor.error_rate.unhealthy * f64::from(planned);
            stop.unhealthy && (spent || in_a_row > 0 && tally.longest_run >= in_a_row)
        }
        Standing::Healthy => {
            stop.healthy_after_ok.is_some_and(|enough| tally.good_run >= enough.get())
        }
        Standing::Inconclusive | Standing::Degraded => false,
    }
}

/// Returns how the deployment stands: as the worst of the services that could be watched.
///
/// A service without an address is not configured and counts only when no other was watched.
pub(crate) fn overall(verdicts: &[Verdict]) -> Standing {
    let watched = verdicts.iter().filter(|verdict| verdict.watched);
    watched.map(|verdict| verdict.standing).max().unwrap_or(Standing::Inconclusive)
}

#[cfg(test)]
mod tests;
