//! What metrics say about a service: each against its thresholds and against the time before.
//!
//! Owns the order of the questions and the words of the answers. The verdict puts its findings
//! beside those of the probes; nothing here waits.

use std::collections::BTreeMap;

use printery_config::{Metric, Monitor, OnNoData, Threshold};

use crate::board::Seen;
use crate::metrics::{Shown, shown};
use crate::reading::Reading;
use crate::verdict::Standing;

/// Returns what every metric shows, by name, where it shows anything.
pub(crate) fn values(seen: &Seen, monitor: &Monitor) -> BTreeMap<String, f64> {
    let readings: Vec<&Reading> = seen.readings.values().collect();
    let value = |(name, metric): (&String, &Metric)| match shown(
        name,
        metric,
        &readings,
        monitor.min_samples,
    ) {
        Shown::Value(value) => Some((name.clone(), value)),
        Shown::Changed | Shown::Nothing(_) => None,
    };
    monitor.metrics.iter().filter_map(value).collect()
}

/// Returns how the service stands by each of its metrics, and why.
///
/// `before`: what they showed before the deployment.
pub(crate) fn findings(
    seen: &Seen,
    monitor: &Monitor,
    before: &BTreeMap<String, f64>,
) -> Vec<(Standing, String)> {
    let readings: Vec<&Reading> = seen.readings.values().collect();
    let finding = |(name, metric): (&String, &Metric)| {
        let shown = shown(name, metric, &readings, monitor.min_samples);
        judged(name, metric, shown, (monitor.on_no_data, before.get(name).copied()))
    };
    monitor.metrics.iter().map(finding).collect()
}

fn judged(
    name: &str,
    metric: &Metric,
    shown: Shown,
    (on_no_data, before): (OnNoData, Option<f64>),
) -> (Standing, String) {
    let value = match shown {
        Shown::Value(value) => value,
        Shown::Changed => return (Standing::Unhealthy, format!("{name} has changed")),
        Shown::Nothing(why) => {
            let standing = match metric.on_no_data.unwrap_or(on_no_data) {
                OnNoData::Inconclusive => Standing::Inconclusive,
                OnNoData::Pass => Standing::Healthy,
                OnNoData::Fail => Standing::Unhealthy,
            };
            return (standing, format!("nothing is known of {name}: {why}"));
        }
    };
    let thresholds = [(metric.fail, Standing::Unhealthy), (metric.warn, Standing::Degraded)];
    for (threshold, standing) in thresholds {
        if let Some(threshold) = threshold.filter(|threshold| threshold.is_exceeded(value)) {
            let before = before.map(|before| format!(" (baseline {})", threshold.shown(before)));
            let before = before.unwrap_or_default();
            let sentence = format!("{name} {} is {threshold}{before}", threshold.shown(value));
            return (standing, sentence);
        }
    }
    if let (Some(allowance), Some(before)) = (metric.baseline, before)
        && value > allowance.floor
        && value > before * (1.0 + allowance.allow)
    {
        let show = |value: f64| match metric.fail.or(metric.warn) {
            Some(threshold) => Threshold::shown(&threshold, value),
            None => format!("{value:.3}"),
        };
        let sentence = format!("{name} {} was {} before the deployment", show(value), show(before));
        return (Standing::Degraded, sentence);
    }
    (Standing::Healthy, format!("{name} is as it should be"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use printery_config::Fleet;

    fn metric(text: &str) -> Metric {
        let file = format!(
            "version: 1\nfleet: t\nservices: {{ a: {{ url: 'http://a', health: {{ metrics: {{ m: {{ {text} }} }} }} }} }}"
        );
        let fleet = Fleet::parse("f", &file, &|_| None).unwrap_or_else(|why| panic!("{why}"));
        fleet.services["a"].monitor.metrics["m"].clone()
    }

    #[test]
    fn thresholds_and_the_time_before_decide_in_this_order() {
        use Standing::{Degraded, Healthy, Inconclusive, Unhealthy};
        let error_rate =
            metric("rate: a, warn: '> 0.5%', fail: '> 2%', baseline: { allow: +50%, floor: 0.2% }");
        let quiet = metric("rate: a, on_no_data: fail");
        let low = metric("rate: a, fail: '< 1'");
        let nothing = || Shown::Nothing("answered 503".to_owned());
        let inconclusive = OnNoData::Inconclusive;
        let cases = [
            (&error_rate, Shown::Value(0.001), None, Healthy, "m is as it should be"),
            (&error_rate, Shown::Value(0.006), None, Degraded, "m 0.6% is > 0.5%"),
            (
                &error_rate,
                Shown::Value(0.03),
                Some(0.001),
                Unhealthy,
                "m 3% is > 2% (baseline 0.1%)",
            ),
            (
                &error_rate,
                Shown::Value(0.004),
                Some(0.001),
                Degraded,
                "m 0.4% was 0.1% before the deployment",
            ),
            (&error_rate, Shown::Value(0.004), Some(0.003), Healthy, "m is as it should be"),
            (&error_rate, Shown::Value(0.002), Some(0.0), Healthy, "m is as it should be"),
            (&error_rate, nothing(), None, Inconclusive, "nothing is known of m: answered 503"),
            (&quiet, nothing(), None, Unhealthy, "nothing is known of m: answered 503"),
            (&quiet, Shown::Changed, None, Unhealthy, "m has changed"),
            (&low, Shown::Value(0.5), None, Unhealthy, "m 0.5 is < 1"),
        ];
        for (metric, shown, before, standing, sentence) in cases {
            let found = judged("m", metric, shown, (inconclusive, before));
            assert_eq!(found, (standing, sentence.to_owned()));
        }
    }
}
