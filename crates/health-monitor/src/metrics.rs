//! What readings add up to: one number per metric, over the window.
//!
//! Owns counters that may be reset, quantiles of histograms, medians of gauges. The judgement calls
//! it with the readings in the order of time; thresholds are not its matter.

use std::collections::BTreeMap;

use printery_config::{Metric, MetricSource, Selector};

use crate::reading::{Reading, Series};

/// What a metric shows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shown {
    /// A number.
    Value(f64),
    /// A gauge has changed that must not.
    Changed,
    /// Too little to say, and why.
    Nothing(String),
}

/// Computes a metric.
///
/// `name`: the metric's own. `least`: how much must have been counted before a share of it means
/// anything.
pub(crate) fn shown(name: &str, metric: &Metric, readings: &[&Reading], least: u32) -> Shown {
    let least = f64::from(least);
    match &metric.source {
        MetricSource::Ratio { bad, total } => {
            let Some(all) = increase(readings, total) else { return too_few(readings) };
            if all < least.max(1.0) {
                return Shown::Nothing(format!("{all:.0} were counted, {least:.0} are needed"));
            }
            Shown::Value(increase(readings, bad).unwrap_or_default() / all)
        }
        MetricSource::Rate(series) => {
            let seconds = seconds(readings);
            match increase(readings, series) {
                Some(increase) if seconds > 0.0 => Shown::Value(increase / seconds),
                Some(_) | None => too_few(readings),
            }
        }
        MetricSource::Quantile { q, histogram } => quantile_of(readings, histogram, *q, least),
        MetricSource::Gauge { series, fail_if_changed } => {
            let values = levels(readings, series);
            if *fail_if_changed && has_changed(readings, series) {
                return Shown::Changed;
            }
            median(values).map_or_else(|| too_few(readings), Shown::Value)
        }
        MetricSource::Promql { .. } => {
            let answers = readings.iter().filter_map(|reading| reading.answers.get(name).copied());
            median(answers.collect()).map_or_else(|| too_few(readings), Shown::Value)
        }
    }
}

fn too_few(readings: &[&Reading]) -> Shown {
    let failed = readings.iter().rev().find_map(|reading| reading.failed.clone());
    Shown::Nothing(failed.unwrap_or_else(|| "there are no such series".to_owned()))
}

fn seconds(readings: &[&Reading]) -> f64 {
    let at = |reading: Option<&&Reading>| reading.map_or(0, |reading| reading.at_ms);
    let span = at(readings.last()).saturating_sub(at(readings.first()));
    std::time::Duration::from_millis(span).as_secs_f64()
}

/// Returns by how much the counters have grown; none without two looks at any of them.
///
/// A counter that is lower than before was reset and has begun at zero; one that was not there
/// before has begun at zero as well, if its service was.
fn increase(readings: &[&Reading], selector: &Selector) -> Option<f64> {
    let grown = grown(readings, |reading| matching(reading, |series| takes(selector, series)))?;
    Some(grown.into_iter().map(|(_, increase)| increase).sum())
}

/// Returns by how much each series has grown, of those that `taken` picks from a reading.
fn grown<'a>(
    readings: &[&'a Reading],
    taken: impl Fn(&'a Reading) -> Vec<&'a Series>,
) -> Option<Vec<(&'a Series, f64)>> {
    let mut grown: Vec<(&Series, f64)> = Vec::new();
    let mut compared = false;
    let looks: Vec<&&Reading> =
        readings.iter().filter(|reading| !reading.series.is_empty()).collect();
    for pair in looks.windows(2) {
        let [before, after] = pair else { continue };
        let before = taken(before);
        for series in taken(after) {
            compared = true;
            let earlier = before.iter().find(|earlier| earlier.is(series)).map(|it| it.value);
            let from = earlier.filter(|earlier| *earlier <= series.value).unwrap_or_default();
            let increase = series.value - from;
            match grown.iter_mut().find(|(known, _)| known.is(series)) {
                Some((_, sum)) => *sum += increase,
                None => grown.push((series, increase)),
            }
        }
        compared |= !before.is_empty();
    }
    compared.then_some(grown)
}

fn quantile_of(readings: &[&Reading], histogram: &Selector, q: f64, least: f64) -> Shown {
    let buckets = format!("{}_bucket", histogram.name());
    let taken = |reading| {
        matching(reading, |series| {
            series.name == buckets && histogram.takes_labels(|label| series.label(label))
        })
    };
    let Some(grown) = grown(readings, taken) else { return too_few(readings) };
    let mut by_bound: Vec<(f64, f64)> = Vec::new();
    for (series, increase) in grown {
        let Some(bound) = series.label("le").and_then(bound) else { continue };
        match by_bound.iter_mut().find(|(known, _)| known.total_cmp(&bound).is_eq()) {
            Some((_, count)) => *count += increase,
            None => by_bound.push((bound, increase)),
        }
    }
    by_bound.sort_by(|a, b| a.0.total_cmp(&b.0));
    let all = by_bound.last().map_or(0.0, |(_, count)| *count);
    if all < least.max(1.0) {
        return Shown::Nothing(format!("{all:.0} were observed, {least:.0} are needed"));
    }
    let why = "its buckets do not end with le=\"+Inf\"";
    quantile(&by_bound, q).map_or_else(|| Shown::Nothing(why.to_owned()), Shown::Value)
}

fn bound(text: &str) -> Option<f64> {
    if text == "+Inf" { Some(f64::INFINITY) } else { text.parse().ok() }
}

/// Returns a quantile of a histogram: its cumulated counts by upper bound, ascending.
///
/// # Source
/// Prometheus' `histogram_quantile`: linear within a bucket, the lowest of which begins at zero; the
/// upper bound of the last finite bucket for what lies beyond it.
fn quantile(buckets: &[(f64, f64)], q: f64) -> Option<f64> {
    let (last, finite) = buckets.split_last()?;
    if last.0 != f64::INFINITY || finite.is_empty() {
        return None;
    }
    let rank = q * last.1;
    let (mut begin, mut below) = (None, 0.0);
    for (upper, count) in finite {
        // Counts that go down are the work of a scrape between two updates.
        let count = count.max(below);
        if count >= rank {
            let lower = begin.unwrap_or(if *upper > 0.0 { 0.0 } else { *upper });
            let inside = count - below;
            let share = if inside > 0.0 { (rank - below) / inside } else { 0.0 };
            return Some(lower + (upper - lower) * share);
        }
        (begin, below) = (Some(*upper), count);
    }
    begin
}

/// Returns the sum of a gauge's series at each look that has any.
fn levels(readings: &[&Reading], selector: &Selector) -> Vec<f64> {
    let level = |reading: &&Reading| {
        let series = matching(reading, |series| takes(selector, series));
        (!series.is_empty()).then(|| series.iter().map(|series| series.value).sum())
    };
    readings.iter().filter_map(level).collect()
}

fn has_changed(readings: &[&Reading], selector: &Selector) -> bool {
    let mut known: BTreeMap<(&str, &BTreeMap<String, String>), f64> = BTreeMap::new();
    readings.iter().any(|reading| {
        matching(reading, |series| takes(selector, series)).into_iter().any(|series| {
            let before = known.insert((&series.name, &series.labels), series.value);
            before.is_some_and(|before| before.total_cmp(&series.value).is_ne())
        })
    })
}

fn takes(selector: &Selector, series: &Series) -> bool {
    selector.takes(&series.name, |label| series.label(label))
}

fn matching(reading: &Reading, takes: impl Fn(&Series) -> bool) -> Vec<&Series> {
    reading.series.iter().filter(|series| takes(series)).collect()
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().checked_sub(1)? / 2).copied()
}

/// Tells whether a metric is made of a row of the service's own answer.
pub(crate) fn is_made_of(metric: &Metric, row: &printery_probes::prometheus::Row) -> bool {
    let takes = |selector: &Selector| selector.takes(&row.name, |label| row.label(label));
    match &metric.source {
        MetricSource::Ratio { bad, total } => takes(bad) || takes(total),
        MetricSource::Rate(series) | MetricSource::Gauge { series, .. } => takes(series),
        MetricSource::Quantile { histogram, .. } => {
            row.name.strip_suffix("_bucket") == Some(histogram.name())
                && histogram.takes_labels(|label| row.label(label))
        }
        MetricSource::Promql { .. } => false,
    }
}

#[cfg(test)]
mod tests;
