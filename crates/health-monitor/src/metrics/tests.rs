//! Metrics of readings that are written as a service would say them.

use printery_config::Fleet;
use printery_probes::prometheus::rows;
use proptest::prelude::*;

use super::*;

fn metric(text: &str) -> Metric {
    let file = format!(
        "version: 1\nfleet: t\nservices: {{ a: {{ url: 'http://a', health: {{ metrics: {{ m: {{ {text} }} }} }} }} }}"
    );
    let fleet = Fleet::parse("f", &file, &|_| None).unwrap_or_else(|why| panic!("{why}"));
    fleet.services["a"].monitor.metrics["m"].clone()
}

/// Readings ten seconds apart.
fn readings(texts: &[&str]) -> Vec<Reading> {
    let reading = |(n, text): (u64, &&str)| Reading {
        at_ms: n * 10_000,
        series: rows(text).unwrap().into_iter().filter_map(Series::of).collect(),
        ..Reading::default()
    };
    (0..).zip(texts).map(reading).collect()
}

fn value(metric: &Metric, texts: &[&str]) -> Option<f64> {
    let readings = readings(texts);
    match shown("m", metric, &readings.iter().collect::<Vec<_>>(), 1) {
        Shown::Value(value) => Some(value),
        Shown::Changed | Shown::Nothing(_) => None,
    }
}

#[track_caller]
fn is(found: Option<f64>, expected: f64) {
    let found = found.expect("a value");
    assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
}

#[test]
fn counters_that_were_reset_begin_at_zero() {
    let rate = metric("rate: 'hits_total{path=\"/\"}'");
    is(value(&rate, &["hits_total{path=\"/\"} 100", "hits_total{path=\"/\"} 130"]), 3.0);
    // 100 → 150, restarted, → 20 → 25: 50 + 20 + 5 in thirty seconds.
    let reset = ["100", "150", "20", "25"].map(|n| format!("hits_total{{path=\"/\"}} {n}"));
    is(value(&rate, &reset.each_ref().map(String::as_str)), 75.0 / 30.0);
    assert_eq!(value(&rate, &["hits_total{path=\"/\"} 100"]), None, "one look is none");
    assert_eq!(value(&rate, &["other 1", "other 2"]), None);
}

#[test]
fn a_ratio_counts_what_has_begun_to_go_wrong() {
    let ratio = metric("ratio: { bad: 'r_total{code=~\"5..\"}', total: r_total }");
    let before = "r_total{code=\"200\"} 1000\n";
    let after = "r_total{code=\"200\"} 1090\nr_total{code=\"500\"} 8\nr_total{code=\"503\"} 2\n";
    is(value(&ratio, &[before, after]), 0.1);
    is(value(&ratio, &[before, "r_total{code=\"200\"} 1001\n"]), 0.0);
    assert_eq!(value(&ratio, &[before, before]), None, "no traffic is not a good share");
    let readings = readings(&[before, after]);
    let few = shown("m", &ratio, &readings.iter().collect::<Vec<_>>(), 200);
    assert_eq!(few, Shown::Nothing("100 were counted, 200 are needed".to_owned()));
}

/// What Prometheus 2.42 answers to `histogram_quantile(q, …)` of the same buckets.
#[test]
fn quantiles_are_those_of_prometheus() {
    let buckets = [(0.1, 10.0), (0.5, 60.0), (1.0, 90.0), (f64::INFINITY, 100.0)];
    let cases = [
        (0.0, 0.0),
        (0.05, 0.05),
        (0.1, 0.1),
        (0.5, 0.42),
        (0.75, 0.75),
        (0.9, 1.0),
        (0.99, 1.0),
        (1.0, 1.0),
    ];
    for (q, expected) in cases {
        is(quantile(&buckets, q), expected);
    }
    assert_eq!(quantile(&[(0.1, 10.0), (0.5, 60.0)], 0.5), None, "without +Inf nothing is known");
    assert_eq!(quantile(&[(f64::INFINITY, 9.0)], 0.5), None);
    is(quantile(&[(-1.0, 4.0), (1.0, 8.0), (f64::INFINITY, 8.0)], 0.25), -1.0);
}

#[test]
fn a_histogram_is_what_was_observed_in_the_window() {
    let p50 = metric("quantile: { q: 0.5, histogram: 'h{path=\"/\"}' }");
    let said = |counts: [u32; 3]| -> String {
        let of = |pod: &str| {
            let [low, high, all] = counts;
            format!(
                "h_bucket{{path=\"/\",pod=\"{pod}\",le=\"0.1\"}} {low}\n\
                 h_bucket{{path=\"/\",pod=\"{pod}\",le=\"1\"}} {high}\n\
                 h_bucket{{path=\"/\",pod=\"{pod}\",le=\"+Inf\"}} {all}\n\
                 h_bucket{{path=\"/admin\",pod=\"{pod}\",le=\"+Inf\"}} 9999\n"
            )
        };
        of("a") + &of("b")
    };
    // A thousand quick ones before the window; in it twenty, half of them slow.
    let (before, after) = (said([1_000, 1_000, 1_000]), said([1_005, 1_010, 1_010]));
    is(value(&p50, &[&before, &after]), 0.1);
    let p75 = metric("quantile: { q: 0.75, histogram: 'h{path=\"/\"}' }");
    is(value(&p75, &[&before, &after]), 0.55);
}

#[test]
fn gauges_are_taken_at_their_median_and_may_have_to_stay() {
    let gauge = metric("gauge: 'queue{shard!=\"x\"}'");
    let said = |a: u32, b: u32| {
        format!("queue{{shard=\"a\"}} {a}\nqueue{{shard=\"b\"}} {b}\nqueue{{shard=\"x\"}} 99\n")
    };
    let texts = [said(1, 2), said(1, 900), said(2, 2)];
    is(value(&gauge, &texts.each_ref().map(String::as_str)), 4.0);

    let start = metric("gauge: process_start_time_seconds, fail_if_changed: true");
    let texts = |second: &str| {
        let same = "process_start_time_seconds 1.5e9".to_owned();
        readings(&[&same, &format!("process_start_time_seconds {second}")])
    };
    let (same, other) = (texts("1.5e9"), texts("1.6e9"));
    let of = |readings: &[Reading]| shown("m", &start, &readings.iter().collect::<Vec<_>>(), 1);
    assert_eq!(of(&same), Shown::Value(1.5e9));
    assert_eq!(of(&other), Shown::Changed);
}

#[test]
fn a_query_is_taken_at_its_median_and_says_why_there_is_nothing() {
    let promql = metric("promql: { url: 'http://p', query: up }");
    let answer = |value: f64| Reading {
        answers: BTreeMap::from([("m".to_owned(), value)]),
        ..Reading::default()
    };
    let (a, b, c) = (answer(1.0), answer(50.0), answer(2.0));
    assert_eq!(shown("m", &promql, &[&a, &b, &c], 1), Shown::Value(2.0));
    let failed = Reading { failed: Some("answered 503".to_owned()), ..Reading::default() };
    assert_eq!(shown("m", &promql, &[&failed], 1), Shown::Nothing("answered 503".to_owned()));
}

proptest! {
    #[test]
    fn a_counter_never_shrinks(values in prop::collection::vec(0_u32..1_000, 2..20)) {
        let rate = metric("rate: c");
        let texts: Vec<String> = values.iter().map(|value| format!("c {value}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let found = value(&rate, &texts).unwrap();
        let seconds = f64::from(u32::try_from(values.len() - 1).unwrap()) * 10.0;
        let last = f64::from(values[values.len() - 1]);
        let lowest = (last - f64::from(values[0])).max(0.0) / seconds;
        prop_assert!(found >= lowest - 1e-9, "{found} {lowest}");
    }

    #[test]
    fn a_quantile_grows_with_its_share(
        counts in prop::collection::vec(0_u32..100, 2..8), low in 0.0_f64..=1.0, high in 0.0_f64..=1.0,
    ) {
        let mut sum = 0.0;
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for (n, count) in (1_u32..).zip(&counts) {
            sum += f64::from(*count);
            buckets.push((f64::from(n), sum));
        }
        buckets.push((f64::INFINITY, sum));
        let (low, high) = (low.min(high), low.max(high));
        prop_assert!(quantile(&buckets, low) <= quantile(&buckets, high));
    }
}
