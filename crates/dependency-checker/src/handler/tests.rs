//! The handler against real services: loopback HTTP, real ports, a private Redis.

use std::time::Duration;

use printery_config::Fleet;
use printery_events::payload::{
    Counts, DependencyCheckCompleted, DependencyResult, DependencyState, RolloutPhase,
    StageCompleted, StageStatus, ValidationCompleted, VerdictResult,
};
use printery_events::{Event, Payload};
use printery_harness::{Context, Handler};
use printery_testkit::{Answer, HttpService, RedisServer};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::DependencyChecker;

pub(super) fn checker(services_and_endpoints: &str) -> DependencyChecker {
    let text = format!(
        "version: 1\nfleet: test\negress: {{ allow_loopback: true }}\n\
         defaults: {{ probe: {{ timeout: 2s, connect_timeout: 1s, attempts: 1 }} }}\n\
         {services_and_endpoints}"
    );
    let fleet = Fleet::parse("test.yaml", &text, &|_| None).unwrap_or_else(|why| panic!("{why}"));
    DependencyChecker::try_new(&fleet).expect("a usable fleet file")
}

fn context() -> Context {
    Context {
        attempt: 1,
        deadline: Instant::now() + Duration::from_secs(300),
        cancelled: CancellationToken::new(),
        started_ms: 1_700_000_000_000,
        instance: "dependency-checker-test".to_owned(),
        records: printery_harness::fleet::Records::try_new("redis://127.0.0.1:1", "t").unwrap(),
    }
}

fn event(payload: Payload) -> Event {
    Event::new("e-1", "/test", payload, jiff::Timestamp::UNIX_EPOCH)
}

pub(super) fn validated(services: &[&str], result: VerdictResult) -> Event {
    event(Payload::ValidationCompleted(ValidationCompleted {
        deployment_id: "d-1".to_owned(),
        version: "1.2.0".to_owned(),
        environment: "staging".to_owned(),
        services: services.iter().map(|name| (*name).to_owned()).collect(),
        phase: RolloutPhase::PreDeploy,
        result,
        counts: Counts::default(),
        checks: Vec::new(),
        duration_ms: 1,
        config_digest: "0".to_owned(),
        summary: "all well".to_owned(),
    }))
}

fn stage(status: StageStatus, services: &[&str]) -> Event {
    event(Payload::StageCompleted(StageCompleted {
        deployment_id: "d-1".to_owned(),
        stage: "railway".to_owned(),
        status,
        version: None,
        environment: None,
        services: services.iter().map(|name| (*name).to_owned()).collect(),
        duration_seconds: None,
        error_message: None,
    }))
}

pub(super) async fn check(checker: &DependencyChecker, event: &Event) -> DependencyCheckCompleted {
    let effects = checker.handle(event, &context()).await.expect("a failed check is a result");
    let payloads: Vec<&Payload> = effects.payloads().collect();
    match payloads.as_slice() {
        [Payload::DependencyCheckCompleted(completed)] => completed.clone(),
        other => panic!("one result, not {other:?}"),
    }
}

/// A loopback port that nobody listens on.
async fn dead_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

fn states(completed: &DependencyCheckCompleted) -> Vec<(&str, &str, DependencyState)> {
    completed
        .statuses
        .iter()
        .map(|row| (row.service.as_str(), row.dependency.as_str(), row.status))
        .collect()
}

#[tokio::test]
async fn every_protocol_is_really_spoken() {
    let redis = RedisServer::start().await;
    let http = HttpService::start().await;
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = tcp.local_addr().unwrap().port();
    let checker = checker(&format!(
        "endpoints:\n  cache: {{ redis: \"{}\" }}\n  psp: {{ http: \"{}/v1/ping\" }}\n  \
         mail: {{ tcp: \"127.0.0.1:{port}\" }}\nservices:\n  api: {{ requires: [cache, psp, mail] }}\n",
        redis.url(),
        http.url(),
    ));
    let completed = check(&checker, &validated(&["api"], VerdictResult::Passed)).await;

    assert_eq!(completed.result, DependencyResult::AllHealthy, "{}", completed.summary);
    assert_eq!(
        states(&completed),
        [
            ("api", "cache", DependencyState::Healthy),
            ("api", "psp", DependencyState::Healthy),
            ("api", "mail", DependencyState::Healthy),
        ]
    );
    assert_eq!(http.requests().len(), 1);
    assert_eq!(http.requests()[0].path, "/v1/ping");
    assert_eq!(completed.summary, "all 3 dependencies are healthy");
    let endpoints: Vec<&str> = completed.statuses.iter().map(|row| row.endpoint.as_str()).collect();
    assert_eq!(
        endpoints[1..],
        [format!("{}/v1/ping", http.url()), format!("tcp://127.0.0.1:{port}")]
    );

    redis.kill9();
    http.answer(Answer::Status(500));
    drop(tcp);
    let completed = check(&checker, &validated(&["api"], VerdictResult::Warnings)).await;
    assert_eq!(completed.result, DependencyResult::AllUnhealthy, "{}", completed.summary);
    assert_eq!(completed.root_causes, ["cache", "mail", "psp"]);
    assert!(completed.statuses.iter().all(|row| row.error_message.is_some()));
}

#[tokio::test]
async fn the_context_of_the_deployment_is_carried_on() {
    let http = HttpService::start().await;
    let checker = checker(&format!(
        "endpoints: {{ psp: {{ http: \"{}\" }} }}\nservices: {{ api: {{ requires: [psp] }} }}\n",
        http.url()
    ));
    let before = check(&checker, &validated(&["api"], VerdictResult::Passed)).await;
    assert_eq!((before.phase, before.stage), (RolloutPhase::PreDeploy, None));
    assert_eq!(before.deployment_id, "d-1");
    assert_eq!(before.version.as_deref(), Some("1.2.0"));
    assert_eq!(before.environment.as_deref(), Some("staging"));
    assert_eq!(before.services, ["api"]);

    let after = check(&checker, &stage(StageStatus::Success, &["api"])).await;
    assert_eq!((after.phase, after.stage.as_deref()), (RolloutPhase::PostStage, Some("railway")));
    assert_eq!((after.version, after.environment), (None, None));
}

#[tokio::test]
async fn a_failed_validation_and_a_failed_stage_end_the_chain() {
    let http = HttpService::start().await;
    let checker = checker(&format!(
        "endpoints: {{ psp: {{ http: \"{}\" }} }}\nservices: {{ api: {{ requires: [psp] }} }}\n",
        http.url()
    ));
    for event in [validated(&["api"], VerdictResult::Failed), stage(StageStatus::Failure, &["api"])]
    {
        let effects = checker.handle(&event, &context()).await.expect("nothing to refuse");
        assert_eq!(effects.payloads().count(), 0);
        assert!(checker.announce(&event, 1).is_none());
    }
    assert!(http.requests().is_empty());
}

#[tokio::test]
async fn an_attempt_is_announced_with_its_services() {
    let checker = checker("services: { api: {}, web: {} }\n");
    let announced = checker.announce(&stage(StageStatus::Success, &[]), 2);
    let Some(Payload::DependencyCheckStarted(started)) = announced else {
        panic!("an announcement, not {announced:?}")
    };
    assert_eq!((started.attempt, started.phase), (2, RolloutPhase::PostStage));
    assert_eq!(started.stage.as_deref(), Some("railway"));
    assert_eq!(started.services, ["api", "web"]);
}

#[tokio::test]
async fn a_root_cause_is_told_apart_from_those_it_drags_along() {
    let api = HttpService::start().await;
    let relay = HttpService::start().await;
    let port = dead_port().await;
    // api and relay need each other: judged together.
    let checker = checker(&format!(
        "endpoints: {{ db: {{ tcp: \"127.0.0.1:{port}\" }} }}\nservices:\n  \
         web: {{ requires: [api] }}\n  \
         api: {{ url: \"{}\", requires: [relay, db] }}\n  \
         relay: {{ url: \"{}\", requires: [api] }}\n",
        api.url(),
        relay.url(),
    ));
    api.answer(Answer::Status(503));
    let completed = check(&checker, &validated(&["web", "relay"], VerdictResult::Passed)).await;

    assert_eq!(completed.root_causes, ["db"]);
    let impaired: Vec<(&str, &str)> =
        completed.impaired.iter().map(|row| (row.name.as_str(), row.by.as_str())).collect();
    assert_eq!(impaired, [("api", "db"), ("relay", "db"), ("web", "db")]);
    assert_eq!(completed.result, DependencyResult::AllUnhealthy);
    assert_eq!(api.requests().len(), 1, "two edges lead to api, one probe is made");
    assert!(completed.summary.contains("db (connection refused"), "{}", completed.summary);
}

#[tokio::test]
async fn a_soft_dependency_that_is_down_only_degrades() {
    let port = dead_port().await;
    let checker = checker(&format!(
        "endpoints: {{ ads: {{ tcp: \"127.0.0.1:{port}\" }} }}\n\
         services: {{ web: {{ requires: [{{ name: ads, soft: true }}] }} }}\n"
    ));
    let completed = check(&checker, &validated(&["web"], VerdictResult::Passed)).await;
    assert_eq!(completed.result, DependencyResult::SomeDegraded);
    assert_eq!(states(&completed), [("web", "ads", DependencyState::Degraded)]);
    assert_eq!(completed.root_causes, ["ads"]);
    assert!(completed.impaired.is_empty());
}

#[tokio::test]
async fn an_owner_is_named_and_what_is_needed_at_another_time_is_not_asked() {
    let dead = dead_port().await;
    let checker = checker(&format!(
        "endpoints:\n  db: {{ tcp: '127.0.0.1:{dead}', owner: storage }}\n  \
         registry: {{ tcp: '127.0.0.1:{dead}' }}\n\
         services:\n  api: {{ requires: [{{ name: db, for: runtime }}, {{ name: registry, for: deploy }}] }}\n  \
         web: {{ requires: [api] }}\n"
    ));
    let completed = check(&checker, &validated(&["web"], VerdictResult::Passed)).await;
    assert_eq!(completed.root_causes, ["db"]);
    assert!(completed.summary.contains("owned by storage"), "{}", completed.summary);
    let completed = check(&checker, &validated(&["api"], VerdictResult::Passed)).await;
    assert_eq!(completed.root_causes, ["registry"]);
    assert!(!completed.summary.contains("owned by"), "{}", completed.summary);
}

#[tokio::test]
async fn a_slow_answer_degrades_and_a_late_one_is_none() {
    let slow = HttpService::start().await;
    slow.answer(Answer::Slow(Duration::from_millis(80)));
    let late = HttpService::start().await;
    late.answer(Answer::Hang);
    let checker = checker(&format!(
        "dependency_checker: {{ latency: {{ warn: 50ms, fail: 2s }} }}\nendpoints:\n  \
         slow: {{ http: \"{}\" }}\n  late: {{ http: \"{}\", timeout: 200ms, connect_timeout: 100ms }}\n\
         services: {{ api: {{ requires: [slow, late] }} }}\n",
        slow.url(),
        late.url(),
    ));
    let completed = check(&checker, &validated(&["api"], VerdictResult::Passed)).await;
    assert_eq!(
        states(&completed),
        [("api", "slow", DependencyState::Degraded), ("api", "late", DependencyState::Unhealthy)],
        "{}",
        completed.summary
    );
    assert!(completed.statuses[0].response_time_ms >= 80.0);
}

#[tokio::test]
async fn what_is_not_known_or_not_configured_is_said_and_not_failed() {
    let checker = checker(
        "endpoints: { db: { tcp: \"127.0.0.1:1\", skip_unless_env: NO_SUCH_VARIABLE } }\n\
         services: { api: { requires: [db, worker] }, worker: {}, docs: {} }\n",
    );
    let event = validated(&["api", "docs", "ghost"], VerdictResult::Passed);
    let completed = check(&checker, &event).await;
    assert_eq!(completed.result, DependencyResult::AllHealthy);
    assert!(completed.statuses.is_empty());
    assert_eq!(completed.services, ["api", "docs", "ghost"]);
    for part in
        ["db (NO_SUCH_VARIABLE", "worker (it has no health URL)", "not in the fleet file: ghost"]
    {
        assert!(completed.summary.contains(part), "{part:?} in {:?}", completed.summary);
    }
    let completed = check(&checker, &validated(&["docs"], VerdictResult::Passed)).await;
    assert_eq!(completed.summary, "no dependency is configured for docs, nothing was checked");
}

#[tokio::test]
async fn checks_that_ask_the_same_at_the_same_time_share_one_probe() {
    let http = HttpService::start().await;
    http.answer(Answer::Hold);
    let checker = checker(&format!(
        "endpoints: {{ psp: {{ http: \"{}\" }} }}\nservices: {{ api: {{ requires: [psp] }} }}\n",
        http.url()
    ));
    let event = validated(&["api"], VerdictResult::Passed);
    let checks = futures_util::future::join_all((0..5).map(|_| check(&checker, &event)));
    let release = async {
        while http.in_flight() == 0 {
            tokio::task::yield_now().await;
        }
        http.answer(Answer::Healthy);
    };
    let (completed, ()) =
        timeout(Duration::from_secs(10), futures_util::future::join(checks, release))
            .await
            .expect("all five are answered");
    assert!(completed.iter().all(|one| one.result == DependencyResult::AllHealthy));
    assert_eq!(http.requests().len(), 1);

    // A later check never gets an answer from before it began.
    http.answer(Answer::Status(500));
    let completed = check(&checker, &event).await;
    assert_eq!(completed.result, DependencyResult::AllUnhealthy);
}

#[tokio::test]
async fn the_deadline_ends_the_asking_with_a_result() {
    let http = HttpService::start().await;
    http.answer(Answer::Hang);
    let checker = checker(&format!(
        "endpoints: {{ psp: {{ http: \"{}\" }} }}\nservices: {{ api: {{ requires: [psp] }} }}\n",
        http.url()
    ));
    let context = Context { deadline: Instant::now() + Duration::from_millis(700), ..context() };
    let event = validated(&["api"], VerdictResult::Passed);
    let effects = timeout(Duration::from_millis(1_500), checker.handle(&event, &context))
        .await
        .expect("the deadline holds")
        .expect("a result");
    let payloads: Vec<&Payload> = effects.payloads().collect();
    let [Payload::DependencyCheckCompleted(completed)] = payloads.as_slice() else {
        panic!("one result, not {payloads:?}")
    };
    assert_eq!(completed.result, DependencyResult::AllUnhealthy);
}

#[tokio::test]
async fn a_secret_in_an_address_is_never_published() {
    let http = HttpService::start().await;
    http.answer(Answer::Status(401));
    let port = dead_port().await;
    let checker = checker(&format!(
        "endpoints:\n  \
         cache: {{ redis: \"redis://fleet:hunter2@127.0.0.1:{port}\" }}\n  \
         psp: {{ http: \"http://fleet:hunter2@{}/ping?token=hunter2\" }}\n\
         services: {{ api: {{ requires: [cache, psp] }} }}\n",
        http.addr()
    ));
    let completed = check(&checker, &validated(&["api"], VerdictResult::Passed)).await;
    assert_eq!(completed.result, DependencyResult::AllUnhealthy);
    assert_eq!(http.requests().len(), 1);
    let published = format!("{completed:?}");
    assert!(!published.contains("hunter2"), "{published}");
}
