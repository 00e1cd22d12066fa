//! How long and how strictly health is watched, as the fleet file says it.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use printery_config::{
    Compare, Fleet, MetricSource, Monitor, Obstacle, OnNoData, RollbackMode, RollbackRules,
    StopEarly, Trigger,
};

fn load(text: &str) -> Result<Fleet, Vec<String>> {
    let problems = |why: printery_config::Problems| why.to_string();
    let lines = |text: String| text.lines().map(str::to_owned).collect();
    Fleet::parse("f", &format!("version: 1\nfleet: t\n{text}"), &|_| None)
        .map_err(|why| lines(problems(why)))
}

#[expect(clippy::panic, clippy::indexing_slicing, reason = "a helper of tests fails its test")]
fn monitor(health: &str) -> Monitor {
    let text = format!("services: {{ a: {{ url: 'http://a', health: {{ {health} }} }} }}");
    load(&text).unwrap_or_else(|why| panic!("{why:#?}")).services["a"].monitor.clone()
}

#[expect(clippy::expect_used, reason = "a helper of tests fails its test")]
fn complaint(text: &str) -> String {
    load(text).expect_err("it is wrong").join("\n")
}

#[test]
fn the_rules_of_a_verdict_are_read_over_the_defaults() {
    let silent = monitor("");
    assert_eq!((silent.verdict.consecutive_failures, silent.verdict.warn_for), (3, None));
    let stop = StopEarly { unhealthy: true, healthy_after_ok: None };
    assert_eq!(silent.verdict.stop_early, stop);
    assert!((silent.jitter - 0.1).abs() < 1e-9);

    let said = monitor(
        "jitter: 25%, verdict: { unhealthy: { consecutive_failures: 5 }, \
         degraded: { any_warn_for: 3 }, stop_early: { unhealthy: false, healthy_after_ok: 30 } }",
    );
    let three = NonZeroU32::new(3);
    assert_eq!((said.verdict.consecutive_failures, said.verdict.warn_for), (5, three));
    let stop = StopEarly { unhealthy: false, healthy_after_ok: NonZeroU32::new(30) };
    assert_eq!(said.verdict.stop_early, stop);
    assert!((said.jitter - 0.25).abs() < 1e-9);

    assert_eq!(monitor("consecutive_failures: 0").verdict.consecutive_failures, 0, "short form");
}

#[test]
fn how_before_and_after_are_compared_is_read() {
    let silent = monitor("").baseline;
    assert_eq!((silent.compare, silent.floor), (Compare::Off, Duration::from_millis(50)));
    assert!((silent.allow - 0.5).abs() < 1e-9);
    let said = monitor(
        "baseline: { samples: 30, compare: significant, allow: +120%, floor: 20ms }, \
         error_rate: { baseline: { allow: 10%, floor: 1% } }",
    );
    let baseline = said.baseline;
    assert_eq!((baseline.samples.get(), baseline.compare), (30, Compare::Significant));
    assert_eq!(baseline.floor, Duration::from_millis(20));
    assert!((baseline.allow - 1.2).abs() < 1e-9);
    assert!((said.error_rate.allow - 0.1).abs() < 1e-9);
    assert!((said.error_rate.floor - 0.01).abs() < 1e-9);
    let found = complaint("defaults: { health: { baseline: { allow: half } } }");
    assert!(found.contains("must be an increase in per cent such as `+50%`"), "{found}");
}

#[test]
fn what_asks_for_going_back_and_what_forbids_it_is_read() {
    let short = monitor("rollback: auto").rollback;
    let usual = RollbackRules { mode: RollbackMode::Auto, ..RollbackRules::default() };
    assert_eq!(short, usual);
    let (day, times) = (Duration::from_secs(86_400), usual.max_per_service.times.get());
    assert_eq!((times, usual.max_per_service.period), (2, day));
    let text = "windows: { freeze: { zone: UTC, times: [{ days: [sat, sun] }] } }\n\
                services: { a: { url: 'http://a', health: { rollback: { mode: suggest, \
                trigger: [unhealthy, degraded], guards: { max_per_service: 1/1h, cooldown: 5m, \
                require_previous_version: false, not_if: [frozen] } } } } }";
    let long = load(text).unwrap().services["a"].monitor.rollback.clone();
    assert_eq!(long.trigger, BTreeSet::from([Trigger::Unhealthy, Trigger::Degraded]));
    assert_eq!(long.not_if, BTreeSet::from([Obstacle::Frozen]));
    let (hour, five) = (Duration::from_secs(3_600), Duration::from_secs(300));
    assert_eq!((long.max_per_service.period, long.cooldown), (hour, five));
    assert!(!long.require_previous_version);

    let cases = [
        ("rollback: { guards: { max_per_service: often } }", "such as `2/24h`"),
        ("rollback: { guards: { not_if: [upstream] } }", "must be of `upstream_root_cause`"),
        ("rollback: { guards: { not_if: [frozen] } }", "freeze"),
        ("rollback: maybe", "must be one of `off`, `suggest`, `auto`"),
    ];
    for (health, expected) in cases {
        let found = complaint(&format!("defaults: {{ health: {{ {health} }} }}"));
        assert!(found.contains(expected), "{expected}: {found}");
    }
}

#[test]
fn metrics_are_read_with_their_thresholds() {
    let text = r#"
defaults:
  health:
    metrics:
      slo: { promql: { url: "http://prometheus:9090", query: "sum(rate(errors[1m]))" }, fail: "> 3" }
services:
  a:
    url: http://a
    metrics: http://a:9090/metrics
    health:
      metrics:
        error_rate:
          ratio: { bad: 'http_requests_total{status=~"5.."}', total: http_requests_total }
          warn: "> 0.5%"
          fail: "> 2%"
          on_no_data: pass
          baseline: { allow: +50%, floor: 0.2% }
        p99: { quantile: { q: 0.99, histogram: http_request_duration_seconds }, warn: "> 300ms", fail: ">= 1s" }
        restarts: { gauge: process_start_time_seconds, fail_if_changed: true }
        traffic: { rate: http_requests_total, warn: "< 1" }
  b: { url: http://b, health: { metrics: { slo: false } } }
"#;
    let fleet = load(text).unwrap_or_else(|why| panic!("{why:#?}"));
    assert_eq!(fleet.services["a"].metrics.as_ref().unwrap().to_string(), "http://a:9090/metrics");
    assert!(fleet.services["b"].monitor.metrics.is_empty(), "taken away again");
    let metrics = &fleet.services["a"].monitor.metrics;
    assert_eq!(metrics.len(), 5, "{:?}", metrics.keys());
    let rate = &metrics["error_rate"];
    let fail = rate.fail.unwrap();
    assert!(!fail.is_exceeded(0.02) && fail.is_exceeded(0.0201));
    assert_eq!((fail.to_string(), fail.shown(0.0314)), ("> 2%".to_owned(), "3.14%".to_owned()));
    assert_eq!(rate.on_no_data, Some(OnNoData::Pass));
    let MetricSource::Ratio { bad, .. } = &rate.source else { panic!("{rate:?}") };
    assert!(bad.takes("http_requests_total", |_| Some("503")));
    let slow = metrics["p99"].fail.unwrap();
    assert!(slow.is_exceeded(1.0), "at least");
    assert_eq!((slow.to_string(), slow.shown(0.25)), (">= 1 s".to_owned(), "250 ms".to_owned()));
    let low = metrics["traffic"].warn.unwrap();
    assert!(low.is_exceeded(0.5) && !low.is_exceeded(1.0));

    let cases = [
        ("x: { rate: a, baseline: { allow: 1%, floor: some } }", "must be a number, a share"),
        ("x: { rate: a, baseline: { floor: 5 } }", "is missing"),
        ("x: { warn: '> 1' }", "must have one of `ratio`"),
        ("x: { rate: a, gauge: b }", "must have one of `ratio`"),
        ("x: { rate: a, fail: '2%' }", "must be such as `> 2%`"),
        ("x: { rate: 'sum(a)' }", "must be a name, or a name and labels"),
        ("x: { ratio: { bad: a } }", "is missing"),
        ("x: { quantile: { q: 99, histogram: h } }", "must be a number from 0 to 1"),
        ("x: { promql: { url: 'ftp://p', query: up } }", "must be a URL"),
    ];
    for (metric, expected) in cases {
        let found = complaint(&format!("defaults: {{ health: {{ metrics: {{ {metric} }} }} }}"));
        assert!(found.contains(expected), "{expected}: {found}");
    }
}

#[test]
fn the_worker_s_own_settings_are_read() {
    let silent = load("").unwrap().health_monitor;
    assert_eq!((silent.concurrency, silent.report_every), (64, Duration::from_secs(60)));
    let said = load("health_monitor: { concurrency: 8, report_every: 15s }").unwrap();
    let said = said.health_monitor;
    assert_eq!((said.concurrency, said.report_every), (8, Duration::from_secs(15)));
}

#[test]
fn what_contradicts_itself_is_refused() {
    let cases = [
        (
            "defaults: { health: { consecutive_failures: 2, \
             verdict: { unhealthy: { consecutive_failures: 3 } } } }",
            "is said twice",
        ),
        ("defaults: { health: { jitter: 5 } }", "must be text, found a number"),
        ("defaults: { health: { verdict: { stop_erly: {} } } }", "did you mean `stop_early`?"),
        ("health_monitor: { report_every: 10 }", "has no unit"),
    ];
    for (text, expected) in cases {
        let found = complaint(text);
        assert!(found.contains(expected), "{expected}: {found}");
    }
}

#[test]
fn a_profile_is_a_plan_that_services_share() {
    let text = "
profiles:
  patient: { extends: strict, warmup: 2m }
  strict: { window: 60s, startup: { deadline: 5m }, error_rate: { fail: 2% } }
health_monitor: { defaults: { interval: 5s } }
defaults: { health: { profile: strict, interval: 20s } }
services:
  a: {}
  b: { health: { profile: patient, error_rate: { fail: 3% } } }
  c: { health: { profile: builtin/web } }
";
    let fleet = load(text).unwrap();
    let plan = |name: &str| {
        let monitor = &fleet.services[name].monitor;
        let rate = monitor.error_rate.unhealthy;
        (monitor.warmup.as_secs(), monitor.interval.as_secs(), monitor.startup.as_secs(), rate)
    };
    assert_eq!(plan("a"), (30, 20, 300, 0.02), "defaults choose one and change it");
    assert_eq!(plan("b"), (120, 10, 300, 0.03), "it stands on its profile, not on the defaults");
    assert_eq!(plan("c"), (30, 10, 0, 0.05));
    assert_eq!(fleet.services["b"].monitor.samples.get(), 6);
    let cases = [
        ("services: { a: { health: { profile: strikt } } }\nprofiles: { strict: {} }", "`strict`?"),
        ("profiles: { a: { extends: b } }", "unknown profile `b`"),
        ("profiles: { a: { extends: b }, b: { extends: a } }", "extends itself in the end"),
        ("profiles: { a: { windw: 5s } }", "did you mean `window`?"),
        ("defaults: { health: { startup: {} } }", "is missing"),
        ("defaults: { health: { verdict: { unhealthy: { or: 'fail_rato > 1' } } } }", "fail_rato"),
    ];
    for (text, expected) in cases {
        let found = complaint(text);
        assert!(found.contains(expected), "{expected}: {found}");
    }
}
