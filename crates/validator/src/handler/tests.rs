//! The validator as the harness calls it, against real services.

use printery_harness::Wish;
use printery_harness::fleet::Records;
use printery_harness::fleet::approvals::Decision;
use printery_testkit::{
    Answer, DockerRegistry, HttpService, PostgresServer, RedisServer, free_port,
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::fixtures::{deployment, event, fleet};

fn context() -> Context {
    Context {
        attempt: 1,
        deadline: Instant::now() + Duration::from_secs(30),
        cancelled: CancellationToken::new(),
        started_ms: 0,
        instance: "validator-test".to_owned(),
        records: printery_harness::fleet::Records::try_new("redis://127.0.0.1:1", "t").unwrap(),
    }
}

fn validator(file: &str) -> Validator {
    Validator::try_new(Arc::new(fleet(file))).unwrap()
}

fn file(url: &str) -> String {
    format!(
        "
        version: 1
        fleet: shop
        egress: {{ allow_loopback: true }}
        validator: {{ checks: [api, later] }}
        checks:
          api: {{ kind: http, url: '{url}/health', suggestion: Start the API. }}
          later: {{ kind: tcp, address: 'later:1', enforce: audit, attempts: 1 }}
        services: {{ api: {{}} }}
        "
    )
}

async fn published(validator: &Validator, services: &[&str]) -> Vec<Payload> {
    let event = event(Payload::DeploymentStarted(deployment(services)));
    let effects = validator.handle(&event, &context()).await.unwrap();
    effects.payloads().cloned().collect()
}

#[tokio::test]
async fn a_sound_deployment_is_validated() {
    let api = HttpService::start().await;
    let validator = validator(&file(&api.url()));
    let payloads = published(&validator, &["api"]).await;
    let [Payload::ValidationCompleted(completed)] = payloads.as_slice() else {
        panic!("{payloads:?}");
    };
    assert_eq!(completed.result, VerdictResult::Passed, "{completed:?}");
    let names: Vec<&str> = completed.checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(names, ["services", "api", "later"]);
    assert_eq!(completed.counts.pass, 2, "{completed:?}");
    let [_, api, later] = completed.checks.as_slice() else { panic!("{completed:?}") };
    assert_eq!((api.class.as_deref(), api.reason_code.as_deref()), (None, Some("ok")));
    assert!(api.timings.contains_key("processing"), "{api:?}");
    assert!(later.class.is_some(), "nobody answers there: {later:?}");
    assert_eq!(completed.config_digest, validator.digest);
    assert_eq!(completed.phase, RolloutPhase::PreDeploy);
}

#[tokio::test]
async fn a_failed_check_is_a_result_and_fails_the_deployment() {
    let api = HttpService::start().await;
    api.answer(Answer::Status(404));
    let payloads = published(&validator(&file(&api.url())), &["api"]).await;
    let [Payload::ValidationCompleted(completed), Payload::DeploymentFailed(failed)] =
        payloads.as_slice()
    else {
        panic!("{payloads:?}");
    };
    assert_eq!(completed.result, VerdictResult::Failed);
    assert_eq!(failed.failed_stage, "validation");
    assert!(failed.reason.starts_with("api: GET http://"), "{}", failed.reason);
    assert_eq!(failed.recovery_suggestions, ["api: Start the API."]);
}

#[tokio::test]
async fn an_unknown_service_fails_the_deployment() {
    let api = HttpService::start().await;
    let payloads = published(&validator(&file(&api.url())), &["api", "apo"]).await;
    let Some(Payload::DeploymentFailed(failed)) = payloads.last() else {
        panic!("{payloads:?}");
    };
    assert_eq!(failed.reason, "services: the fleet file does not name apo");
}

#[tokio::test]
async fn the_beginning_is_announced_with_the_names_of_the_checks() {
    let event = event(Payload::DeploymentStarted(deployment(&["api"])));
    let announced = validator(&file("http://127.0.0.1:1")).announce(&event, 2);
    let Some(Payload::ValidationStarted(started)) = announced else {
        panic!("{announced:?}");
    };
    assert_eq!((started.attempt, started.checks.len()), (2, 3));
}

#[tokio::test]
async fn materis_images_are_looked_for_at_its_registry() {
    let registry = DockerRegistry::start().await;
    registry.push("materi/api", "1.2.0", "linux/amd64", &[], "2026-11-20T10:00:00Z").await;
    let url = registry.url();
    let env = |name: &str| (name == "REGISTRY_URL").then(|| url.clone());
    let validator = Validator::try_new(Arc::new(Fleet::load(None, &env).unwrap())).unwrap();
    let image = |payloads: &[Payload]| {
        let Some(Payload::ValidationCompleted(completed)) = payloads.first() else {
            panic!("{payloads:?}");
        };
        let found = completed.checks.iter().find(|check| check.name == "docker_images");
        found.unwrap().clone()
    };
    let there = image(&published(&validator, &["api", "printery"]).await);
    assert_eq!(there.outcome, CheckOutcome::Pass, "{there:?}");
    assert!(there.observed.starts_with("sha256:"), "{there:?}");
    let missing = image(&published(&validator, &["api", "relay"]).await);
    assert_eq!(missing.outcome, CheckOutcome::Fail, "{missing:?}");
    assert_eq!(missing.reason_code.as_deref(), Some("image_not_found"));
    assert!(missing.message.starts_with("relay: asking the registry for"), "{missing:?}");
    let none = image(&published(&validator, &["printery"]).await);
    assert_eq!(none.outcome, CheckOutcome::Skipped, "{none:?}");
}

#[tokio::test]
async fn without_any_file_nothing_fails_that_is_not_configured() {
    let nothing: &dyn Fn(&str) -> Option<String> = &|_| None;
    let fleet = Fleet::load(None, nothing).unwrap();
    let checks = Checks::of(&fleet).unwrap().for_deployment(&deployment(&["api"]));
    let skipped =
        checks.iter().filter(|check| matches!(check.work, crate::checks::Work::Skipped(_)));
    assert!(skipped.count() >= 5, "{checks:?}");
}

fn file_with(checks: &str, url: &str) -> String {
    format!(
        "
        version: 1
        fleet: shop
        egress: {{ allow_loopback: true }}
        validator: {{ checks: [api, person] }}
        checks:
          api: {{ kind: http, url: '{url}/health' }}
          {checks}
        services: {{ api: {{}} }}
        "
    )
}

/// A context whose records are those of a real Redis, at a time of it.
fn at(redis: &RedisServer, started_ms: u64) -> Context {
    Context { records: Records::try_new(&redis.url(), "t").unwrap(), started_ms, ..context() }
}

fn asked(validator: &Outcome) -> Option<Duration> {
    match validator {
        Err(Refusal { code: "awaiting_approval", wish: Wish::RetryAfter(wait), .. }) => Some(*wait),
        Err(_) | Ok(_) => None,
    }
}

async fn now_ms(redis: &RedisServer) -> u64 {
    let id = redis.connect().await.add("clock", &[("a", "b")]).await;
    id.split('-').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_gate_waits_without_an_attempt_until_somebody_decides() {
    let redis = RedisServer::start().await;
    let api = HttpService::start().await;
    let gated = "person: { kind: gate, timeout: 1h, when: 'environment == \"staging\"' }";
    let validator = validator(&file_with(gated, &api.url()));
    let started = event(Payload::DeploymentStarted(deployment(&["api"])));
    let now = now_ms(&redis).await;

    let outcome = validator.handle(&started, &at(&redis, now)).await;
    assert_eq!(asked(&outcome), Some(Duration::from_secs(2)), "{outcome:?}");
    assert_eq!(api.requests().len(), 1, "the others are made before anybody is asked");
    let outcome = validator.handle(&started, &at(&redis, now + 600_000)).await;
    let wait = asked(&outcome).unwrap();
    assert!((50..=60).contains(&wait.as_secs()), "{wait:?}");
    assert_eq!(api.requests().len(), 1, "while it waits nothing is asked");

    let records = Records::try_new(&redis.url(), "t").unwrap();
    approvals::decide(&records, "d-1", Decision::Approved, "ada", "go").await.unwrap();
    let effects = validator.handle(&started, &at(&redis, now + 601_000)).await.unwrap();
    let payloads: Vec<Payload> = effects.payloads().cloned().collect();
    let [Payload::ValidationCompleted(completed)] = payloads.as_slice() else {
        panic!("{payloads:?}");
    };
    assert_eq!(completed.result, VerdictResult::Passed, "{completed:?}");
    let person = completed.checks.iter().find(|check| check.name == "person").unwrap();
    assert_eq!(person.observed, "approved by ada: go");
    assert_eq!(api.requests().len(), 2, "what was found before the wait is looked at again");

    approvals::decide(&records, "d-1", Decision::Rejected, "bob", "").await.unwrap();
    let effects = validator.handle(&started, &at(&redis, now + 602_000)).await.unwrap();
    let Some(Payload::DeploymentFailed(failed)) = effects.payloads().nth(1) else {
        panic!("{effects:?}");
    };
    assert!(failed.reason.ends_with("rejected by bob"), "{}", failed.reason);
}

#[tokio::test]
async fn a_gate_that_nobody_opens_closes_and_a_refused_deployment_asks_nobody() {
    let redis = RedisServer::start().await;
    let api = HttpService::start().await;
    let validator = validator(&file_with("person: { kind: gate, timeout: 1h }", &api.url()));
    let started = event(Payload::DeploymentStarted(deployment(&["api"])));
    let now = now_ms(&redis).await;
    api.answer(Answer::Status(404));
    let effects = validator.handle(&started, &at(&redis, now)).await.unwrap();
    let Some(Payload::ValidationCompleted(completed)) = effects.payloads().next() else {
        panic!("{effects:?}");
    };
    let person = completed.checks.iter().find(|check| check.name == "person").unwrap();
    assert_eq!(
        (person.outcome, person.observed.as_str()),
        (CheckOutcome::Inconclusive, "not asked")
    );

    api.answer(Answer::Healthy);
    let outcome = validator.handle(&started, &at(&redis, now)).await;
    assert!(asked(&outcome).is_some(), "{outcome:?}");
    let effects = validator.handle(&started, &at(&redis, now + 3_700_000)).await.unwrap();
    let Some(Payload::DeploymentFailed(failed)) = effects.payloads().nth(1) else {
        panic!("{effects:?}");
    };
    assert!(failed.reason.ends_with("nobody decided within 60 min"), "{}", failed.reason);

    let mut dry = started.clone();
    dry.dry_run = true;
    let effects = validator.handle(&dry, &at(&redis, now)).await.unwrap();
    assert!(effects.payloads().next().is_some(), "a dry run waits for nobody");
}

#[tokio::test]
async fn a_database_its_schema_and_its_freedom_are_checked_together() {
    let server = PostgresServer::start().await;
    server.sql("CREATE TABLE schema_migrations (version bigint NOT NULL, dirty boolean NOT NULL)");
    server.sql("INSERT INTO schema_migrations VALUES (12, false)");
    let up = HttpService::start().await;
    let text = format!(
        "
        version: 1
        fleet: shop
        egress: {{ allow_loopback: true }}
        validator: {{ checks: [db, schema, newer, port, free, later] }}
        checks:
          db: {{ kind: postgres, dsn: '{dsn}', role: primary, max_lock_waiters: 0 }}
          schema: {{ kind: migrations, adapter: golang-migrate, dsn: '{dsn}', require: '11' }}
          newer: {{ kind: migrations, adapter: golang-migrate, dsn: '{dsn}', require: '20' }}
          port: {{ kind: expect_down, address: '{taken}' }}
          free: {{ kind: expect_down, address: '127.0.0.1:{free}' }}
          later: {{ kind: tcp, address: '{taken}', when: 'environment == \"production\"' }}
        ",
        dsn = server.url(),
        taken = up.addr(),
        free = free_port(),
    );
    let payloads = published(&validator(&text), &["api"]).await;
    let Some(Payload::ValidationCompleted(completed)) = payloads.first() else {
        panic!("{payloads:?}");
    };
    let found: Vec<(&str, CheckOutcome, &str)> = completed
        .checks
        .iter()
        .skip(1)
        .map(|check| (check.name.as_str(), check.outcome, check.reason_code.as_deref().unwrap()))
        .collect();
    let expected = [
        ("db", CheckOutcome::Pass, "ok"),
        ("schema", CheckOutcome::Pass, "ok"),
        ("newer", CheckOutcome::Fail, "schema_behind"),
        ("port", CheckOutcome::Fail, "still_up"),
        ("free", CheckOutcome::Pass, "ok"),
        ("later", CheckOutcome::Skipped, "skipped"),
    ];
    assert_eq!(found, expected, "{completed:#?}");
    assert!(!format!("{payloads:?}").contains("hunter2"), "a password is published");
}

#[tokio::test]
async fn what_was_asked_a_moment_ago_is_not_asked_again_where_the_fleet_file_says_so() {
    let api = HttpService::start().await;
    let text = file(&api.url())
        .replace("checks: [api, later]", "checks: [api, later], cache: { pass: 1h }");
    let validator = validator(&text);
    for _deployment in 0..3 {
        let payloads = published(&validator, &["api"]).await;
        assert_eq!(payloads.len(), 1, "{payloads:?}");
    }
    assert_eq!(api.requests().len(), 1);
}
