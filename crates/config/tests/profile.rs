//! The built-in profile: what runs without any file.

use std::collections::BTreeMap;

use printery_config::{CheckSpec, EndpointSpec, Enforce, Fleet, ReceiverKind};

#[expect(clippy::expect_used, reason = "a helper of tests fails its test")]
fn load(variables: &[(&str, &str)]) -> Fleet {
    let variables: BTreeMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Fleet::load(None, &|name| variables.get(name).cloned()).expect("the profile can be used")
}

#[test]
fn an_empty_environment_fails_nothing() {
    let fleet = load(&[]);
    assert_eq!(fleet.source(), "built-in profile materi");
    assert_eq!(fleet.stages, ["vercel", "railway", "folio"]);
    assert_eq!(fleet.validator.unknown_service, Enforce::Warn);
    let ran: Vec<&str> = fleet
        .checks
        .values()
        .filter(|check| !matches!(check.spec, CheckSpec::Skipped { .. }))
        .map(|check| check.name.as_str())
        .collect();
    assert_eq!(ran, ["redis"], "only the fleet's own Redis is certain to exist");
    assert!(matches!(fleet.receivers["deployments"].kind, ReceiverKind::Log));
    assert!(matches!(fleet.receivers["critical"].kind, ReceiverKind::Log));
    assert!(matches!(fleet.endpoints["postgres"].spec, EndpointSpec::Skipped { .. }));
}

#[test]
fn a_default_window_is_three_samples_a_second_apart() {
    let monitor = load(&[]).services["api"].monitor.clone();
    assert_eq!(monitor.samples.get(), 3);
    assert_eq!(monitor.baseline.samples.get(), 3);
    assert_eq!(monitor.interval.as_secs(), 1);
    assert!(monitor.warmup.is_zero());
    assert_eq!(load(&[("HEALTH_SAMPLES", "7")]).services["api"].monitor.samples.get(), 7);
}

#[test]
fn addresses_come_from_the_environment() {
    let fleet = load(&[
        ("SERVICE_URL_API", "http://127.0.0.1:9000"),
        ("SERVICE_URL_RELAY", "http://127.0.0.1:9001/health"),
        ("DATABASE_URL", "postgres://u:hunter2@db.example/app"),
        ("SLACK_WEBHOOK_URL", "https://hooks.slack.example/services/T0/B0/xyzzy"),
    ]);
    let api = &fleet.services["api"];
    assert_eq!(api.health.as_ref().unwrap().url.to_string(), "http://127.0.0.1:9000/health");
    assert_eq!(api.ready.as_ref().unwrap().url.to_string(), "http://127.0.0.1:9000/ready");
    let relay = fleet.services["relay"].health.as_ref().unwrap();
    assert_eq!(relay.url.to_string(), "http://127.0.0.1:9001/health", "the health URL itself");
    let EndpointSpec::Tcp(tcp) = &fleet.endpoints["postgres"].spec else { panic!("tcp") };
    assert_eq!(tcp.address.to_string(), "db.example:5432");
    let ReceiverKind::Slack { url, name } = &fleet.receivers["critical"].kind else { panic!() };
    assert_eq!(url.expose().path(), "/services/T0/B0/xyzzy");
    assert_eq!(name.as_deref(), Some("#materi-critical"));
    let shown = fleet.resolved().to_string();
    assert!(!shown.contains("hunter2") && !shown.contains("xyzzy"), "{shown}");
}

#[test]
fn the_cycle_of_api_and_relay_is_a_warning() {
    let fleet = load(&[]);
    let warnings: Vec<String> = fleet.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("`api` and `relay` require each other"), "{warnings:?}");
}

#[test]
fn the_digest_follows_the_configuration_and_not_the_secrets() {
    let base = load(&[]).digest();
    assert_eq!(base.len(), 64);
    assert_eq!(base, load(&[]).digest());
    assert_ne!(base, load(&[("HEALTH_SAMPLES", "4")]).digest());
    let with = |token| load(&[("VERCEL_API_TOKEN", token)]).digest();
    assert_eq!(with("one-secret-token"), with("another-secret-token"));
}
