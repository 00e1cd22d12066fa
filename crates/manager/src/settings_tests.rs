//! What the manager may be told, and what it says to nonsense.

use super::*;

#[expect(clippy::unnecessary_wraps, reason = "flags are optional, and the tables below short")]
fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn problems(common: &CommonArgs, own: &ManagerArgs) -> String {
    Settings::try_new(common, own).err().map(|problems| problems.to_string()).unwrap_or_default()
}

#[test]
fn without_any_word_the_contract_s_defaults_apply() {
    let settings = Settings::try_new(&CommonArgs::default(), &ManagerArgs::default());
    let settings = settings.unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(settings.mode, Mode::All);
    assert_eq!(settings.shared.http_addr, HTTP_ADDR.parse().ok());
    let Plan { restart, start_timeout, shutdown_timeout, .. } = settings.plan;
    assert_eq!((restart.supervised, restart.max_restarts), (false, 3));
    assert_eq!(restart.backoff, Duration::from_secs(1));
    assert_eq!(start_timeout, Duration::from_secs(30));
    assert_eq!(shutdown_timeout, Duration::from_secs(30));
    assert_eq!(settings.health_check_interval, Duration::from_secs(30));
    assert!(matches!(settings.guard, Some(Guard::Loopback)));
}

#[test]
fn bare_numbers_are_milliseconds_and_units_are_understood() {
    let own = ManagerArgs {
        backoff: text("250"),
        health_check_interval: text("2s"),
        supervised: text("true"),
        max_restarts: text("0"),
        worker: text("dependency"),
        ..ManagerArgs::default()
    };
    let settings = Settings::try_new(&CommonArgs::default(), &own);
    let settings = settings.unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(settings.plan.restart.backoff, Duration::from_millis(250));
    assert_eq!(settings.health_check_interval, Duration::from_secs(2));
    assert!(settings.plan.restart.supervised);
    assert_eq!(settings.mode.as_str(), "dependency-checker");
}

#[test]
fn every_problem_is_reported_at_once() {
    let common = CommonArgs {
        redis_url: text("foo"),
        log_level: text("loud"),
        http_addr: text("0.0.0.0:1"),
        ..CommonArgs::default()
    };
    let own = ManagerArgs {
        worker: text("foo"),
        supervised: text("perhaps"),
        max_restarts: text("-1"),
        backoff: text("abc"),
        health_check_interval: text("0"),
        start_timeout: text("soon"),
        ..ManagerArgs::default()
    };
    let said = problems(&common, &own);
    for word in [
        "--redis-url",
        "--log-level",
        "--worker (WORKER_MODE) \"foo\" must be one of all, none, validator, dependency-checker",
        "--supervised",
        "--max-restarts",
        "--backoff",
        "--health-check-interval",
        "--start-timeout",
        "PRINTERY_API_TOKEN (or",
    ] {
        assert_eq!(said.matches(word).count(), 1, "{word} in\n{said}");
    }
}

#[test]
fn an_address_that_others_can_reach_needs_a_token() {
    let common = CommonArgs { http_addr: text("0.0.0.0:8082"), ..CommonArgs::default() };
    let said = problems(&common, &ManagerArgs::default());
    assert!(said.contains("PRINTERY_API_TOKEN") && said.lines().count() == 1, "{said}");
    let off = CommonArgs { http_addr: text("off"), ..CommonArgs::default() };
    assert_eq!(problems(&off, &ManagerArgs::default()), "");
}

#[test]
fn one_unsupervised_worker_replaces_the_process() {
    let replacement = |worker: &str, supervised: &str| {
        let common = CommonArgs { http_addr: text("0.0.0.0:1"), ..CommonArgs::default() };
        let common = if worker == "health" { common } else { CommonArgs::default() };
        let own = ManagerArgs {
            worker: text(worker),
            supervised: text(supervised),
            ..ManagerArgs::default()
        };
        let settings = Settings::try_new(&common, &own).map_err(|problems| problems.to_string());
        settings.map(|settings| settings.replacement().map(|worker| worker.name))
    };
    // A worker alone has no API, so it needs no token wherever it listens.
    assert_eq!(replacement("health", "false"), Ok(Some("health-monitor")));
    assert_eq!(replacement("notifier", "false"), Ok(Some("notifier")));
    for (worker, supervised) in [("notifier", "true"), ("all", ""), ("none", "")] {
        assert_eq!(replacement(worker, supervised), Ok(None), "{worker} {supervised}");
    }
    assert!(replacement("health", "true").is_err_and(|said| said.contains("API_TOKEN")));
}
