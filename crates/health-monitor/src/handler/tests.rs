//! The handler against real loopback services, with windows of a few milliseconds.

use std::time::Duration;

use printery_events::Payload;
use printery_events::payload::{HealthResult, HealthStatus, RolloutPhase};
use printery_harness::Handler;
use printery_testkit::{Answer, GrpcHealthServers, HttpService};
use tokio::time::timeout;

use super::scene::{Scene, after_stage, before, monitor, timeless};

/// Three samples per address after a stage, two before the deployment, 20 ms apart.
const QUICK: &str = "warmup: 10ms, samples: 3, interval: 20ms, timeout: 2s, min_samples: 3, \
                     jitter: 0%, baseline: { samples: 2 }, latency: { warn: 300ms, fail: 2s }, \
                     verdict: { stop_early: { unhealthy: false } }";

#[tokio::test]
async fn a_good_window_is_healthy() {
    let scene = Scene::set().await;
    let api = HttpService::start().await;
    let monitor = monitor(QUICK, &format!("  api: {{ url: \"{}\" }}\n", api.url()));
    let completed = scene.watch(&monitor, &after_stage(&["api"])).await;

    assert_eq!(completed.status, HealthResult::Healthy, "{}", completed.summary);
    assert_eq!(
        (completed.phase, completed.stage.as_deref()),
        (RolloutPhase::PostStage, Some("railway"))
    );
    assert!(!completed.rollback_requested);
    let [row] = completed.services.as_slice() else { panic!("one service, one row") };
    assert_eq!((row.status, row.samples), (HealthStatus::Healthy, 6));
    assert!(row.error_rate.abs() < f64::EPSILON);
    assert!(row.p50_ms > 0.0 && row.p50_ms <= row.p99_ms);
    let asked = |path: &str| api.requests().iter().filter(|request| request.path == path).count();
    assert_eq!((asked("/health"), asked("/ready")), (3, 3));
}

#[tokio::test]
async fn a_failing_address_is_unhealthy_and_the_sentence_says_why() {
    let scene = Scene::set().await;
    let api = HttpService::start().await;
    api.answer_at("/ready", Answer::Status(503));
    let web = HttpService::start().await;
    let services =
        format!("  api: {{ url: \"{}\" }}\n  web: {{ url: \"{}\" }}\n", api.url(), web.url());
    let monitor = monitor(QUICK, &services);
    let completed = scene.watch(&monitor, &after_stage(&["api", "web"])).await;

    assert_eq!(completed.status, HealthResult::Unhealthy);
    let [api, web] = completed.services.as_slice() else { panic!("two services, two rows") };
    assert_eq!((api.status, web.status), (HealthStatus::Unhealthy, HealthStatus::Healthy));
    assert!((api.error_rate - 0.5).abs() < f64::EPSILON);
    assert_eq!(timeless(&api.reason), "api: 3 of 6 samples failed (HTTP 503)");
    let found = format!("1 of 2 services unhealthy: {}; rolling back is advised", api.reason);
    assert_eq!(completed.summary, found);
}

#[tokio::test]
async fn a_service_that_is_not_there_is_unhealthy() {
    let scene = Scene::set().await;
    let gone = HttpService::start().await;
    let url = gone.url();
    drop(gone);
    let monitor = monitor(QUICK, &format!("  relay: {{ url: \"{url}\" }}\n"));
    let completed = scene.watch(&monitor, &after_stage(&["relay"])).await;
    assert_eq!(completed.status, HealthResult::Unhealthy);
    let reason = &completed.services[0].reason;
    assert_eq!(timeless(reason), "relay: 6 of 6 samples failed (connect refused)");
    assert!(reason.ends_with(" UTC, and db, which it needs, is down"), "{reason}");
    assert!(completed.services[0].p99_ms.abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_slow_service_is_degraded() {
    let scene = Scene::set().await;
    let api = HttpService::start().await;
    api.answer_at("/health", Answer::Slow(Duration::from_millis(350)));
    let monitor = monitor(QUICK, &format!("  api: {{ url: \"{}\" }}\n", api.url()));
    let completed = scene.watch(&monitor, &after_stage(&["api"])).await;
    assert_eq!(completed.status, HealthResult::Degraded, "{}", completed.summary);
    assert!(
        completed.services[0].reason.contains("3 of 6 samples were slow"),
        "{}",
        completed.summary
    );
}

#[tokio::test]
async fn a_baseline_is_taken_before_the_deployment_and_calls_trouble_pre_existing() {
    let scene = Scene::set().await;
    let api = HttpService::start().await;
    let monitor = monitor(QUICK, &format!("  api: {{ url: \"{}\" }}\n", api.url()));
    let completed = scene.watch(&monitor, &before(&["api"])).await;
    assert_eq!((completed.phase, completed.stage), (RolloutPhase::Baseline, None));
    assert_eq!((completed.status, completed.services[0].samples), (HealthResult::Healthy, 4));

    api.answer(Answer::Status(500));
    let completed = scene.watch(&monitor, &before(&["api"])).await;
    assert_eq!(completed.status, HealthResult::Unhealthy);
    assert!(completed.services[0].reason.contains("pre-existing"), "{}", completed.summary);
}

#[tokio::test]
async fn a_stage_is_compared_with_the_time_before_the_deployment() {
    let scene = Scene::set().await;
    let api = HttpService::start().await;
    let health = "warmup: 0s, samples: 5, interval: 20ms, timeout: 2s, min_samples: 3, jitter: 0%, \
                  latency: { warn: 1s, fail: 2s }, \
                  baseline: { samples: 5, compare: relative, allow: +50%, floor: 100ms }";
    let monitor = monitor(health, &format!("  api: {{ url: \"{}\" }}\n", api.url()));
    let good = scene.watch(&monitor, &before(&["api"])).await;
    assert_eq!(good.status, HealthResult::Healthy, "{}", good.summary);
    api.answer(Answer::Slow(Duration::from_millis(400)));
    let slower = scene.watch(&monitor, &after_stage(&["api"])).await;
    assert_eq!(slower.status, HealthResult::Degraded, "{}", slower.summary);
    assert!(slower.summary.contains("before the deployment"), "{}", slower.summary);

    // A deployment of a service that was down already cannot have broken it.
    api.answer(Answer::Status(503));
    scene.watch(&monitor, &before(&["api"])).await;
    let still = scene.watch(&monitor, &after_stage(&["api"])).await;
    assert_eq!(still.status, HealthResult::Degraded, "{}", still.summary);
    assert!(still.services[0].reason.contains("pre-existing"), "{}", still.summary);
}

#[tokio::test]
async fn what_cannot_be_watched_is_inconclusive() {
    let scene = Scene::set().await;
    let api = HttpService::start().await;
    let services = format!("  api: {{ url: \"{}\" }}\n  cron: {{}}\n", api.url());
    let monitor = monitor(QUICK, &services);
    let completed = scene.watch(&monitor, &after_stage(&["cron", "ghost"])).await;
    assert_eq!(completed.status, HealthResult::Inconclusive);
    for row in &completed.services {
        assert_eq!((row.status, row.samples), (HealthStatus::Inconclusive, 0));
        assert!(row.reason.contains("no health URL configured"), "{}", row.reason);
    }

    let completed = scene.watch(&monitor, &after_stage(&["api", "cron"])).await;
    assert_eq!(completed.status, HealthResult::Healthy, "what is not configured is skipped");
    assert_eq!(completed.services[1].status, HealthStatus::Inconclusive);
    assert!(completed.summary.ends_with("; not watched: cron: no health URL configured"));
}

#[tokio::test]
async fn a_service_is_asked_in_the_protocol_that_it_speaks() {
    let scene = Scene::set().await;
    let servers = GrpcHealthServers::start().await;
    let web = HttpService::start().await;
    let services = format!(
        "  good: {{ grpc: \"{}\" }}\n  bad: {{ grpc: \"{}\" }}\n  port: {{ tcp: \"{}\" }}\n",
        servers.serving,
        servers.not_serving,
        web.addr()
    );
    let monitor = monitor(QUICK, &services);
    let completed = scene.watch(&monitor, &after_stage(&["good", "bad", "port"])).await;
    let [good, bad, port] = completed.services.as_slice() else { panic!("three services") };
    assert_eq!((good.status, good.samples), (HealthStatus::Healthy, 3), "{}", good.reason);
    assert_eq!((bad.status, bad.samples), (HealthStatus::Unhealthy, 3), "{}", bad.reason);
    assert_eq!(timeless(&bad.reason), "bad: 3 of 3 samples failed (not ready)");
    assert_eq!((port.status, port.samples), (HealthStatus::Healthy, 3), "{}", port.reason);
    assert_eq!(web.requests().len(), 0, "a port is only dialled");
}

#[tokio::test]
async fn an_event_without_services_watches_the_whole_fleet() {
    let scene = Scene::set().await;
    let api = HttpService::start().await;
    let services = format!("  api: {{ url: \"{}\" }}\n  cron: {{}}\n", api.url());
    let monitor = monitor(QUICK, &services);
    let announced = monitor.announce(&after_stage(&[]), 3);
    let Some(Payload::HealthCheckStarted(started)) = announced else {
        panic!("an announcement, not {announced:?}")
    };
    assert_eq!((started.attempt, started.services), (3, vec!["api".to_owned(), "cron".to_owned()]));
    assert_eq!(started.stage.as_deref(), Some("railway"));
    assert_eq!(scene.watch(&monitor, &after_stage(&[])).await.services.len(), 2);
}

#[tokio::test]
async fn a_dropped_handler_asks_no_more() {
    let scene = Scene::set().await;
    let api = HttpService::start().await;
    let long = "warmup: 0s, samples: 600, interval: 20ms, timeout: 1s, min_samples: 1";
    let monitor = monitor(long, &format!("  api: {{ url: \"{}\" }}\n", api.url()));
    let event = after_stage(&["api"]);
    let running = timeout(Duration::from_millis(150), scene.watch(&monitor, &event)).await;
    assert!(running.is_err(), "the window is twelve seconds long");
    let asked = api.requests().len();
    assert!(asked >= 2);
    // Longer than several intervals: whatever still ran would have asked again.
    let quiet = timeout(Duration::from_millis(200), async {
        while api.requests().len() <= asked + 2 {
            tokio::task::yield_now().await;
        }
    });
    assert!(
        quiet.await.is_err(),
        "{} requests after the handler was dropped",
        api.requests().len()
    );
}
