//! One window and several owners: what is seen survives whoever saw it.

use std::time::Duration;

use printery_events::payload::{HealthResult, HealthStatus};
use printery_harness::fleet::Records;
use printery_harness::fleet::progress::since;
use printery_harness::{Context, Handler, Wish};
use printery_testkit::{Answer, HttpService, eventually};
use tokio::time::{Instant, timeout};

use super::scene::{LONG, Scene, after_stage, monitor};

/// Two seconds: twenty looks at one address.
const WINDOW: &str = "warmup: 0s, samples: 20, interval: 100ms, jitter: 0%, timeout: 2s, \
                      min_samples: 3, latency: { warn: 1s, fail: 2s }";

fn one(api: &HttpService) -> String {
    format!("  api: {{ url: \"{}/health\", ready: false }}\n", api.url())
}

/// Returns what a sentence says was missed.
fn missed(reason: &str) -> u32 {
    let told = reason.split("; ").find_map(|part| part.split_once(" missed while nobody watched"));
    let count = told.and_then(|(count, _)| count.split(' ').next());
    count.map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn another_replica_goes_on_with_the_same_window_and_tells_the_gap() {
    let scene = Scene::set().await;
    let api = HttpService::start().await;
    let (dead, heir) = (monitor(WINDOW, &one(&api)), monitor(WINDOW, &one(&api)));
    let event = after_stage(&["api"]);
    let began = Instant::now();
    // It dies without a word: its future is dropped in the middle of the window.
    let cut = timeout(Duration::from_millis(550), scene.handle(&dead, &event, LONG)).await;
    assert!(cut.is_err(), "the window is two seconds long");
    let before = u32::try_from(api.requests().len()).unwrap();
    assert!(before >= 2, "{before}");
    // Nobody looks until the sweep gives the event to somebody else.
    let away = timeout(Duration::from_millis(450), std::future::pending::<()>()).await;
    assert!(away.is_err());

    let resumed = Instant::now();
    let completed = scene.watch(&heir, &event).await;
    let row = &completed.services[0];
    assert_eq!((completed.status, row.status), (HealthResult::Healthy, HealthStatus::Healthy));
    assert!(missed(&row.reason) >= 1, "nobody looked for a while: {}", row.reason);
    assert_eq!(row.samples + missed(&row.reason), 20, "{}", row.reason);
    assert!(row.samples >= before - 1, "what was seen before counts: {}", row.reason);
    let (window, mine) = (Duration::from_millis(completed.duration_ms), resumed.elapsed());
    assert!(window >= Duration::from_millis(1_900), "the window is as long as it was: {window:?}");
    assert!(mine + Duration::from_millis(500) < began.elapsed(), "it did not begin anew");
}

#[tokio::test]
async fn a_window_that_is_longer_than_an_attempt_is_handed_on() {
    let scene = Scene::set().await;
    let api = HttpService::start().await;
    let monitor = monitor(WINDOW, &one(&api));
    let event = after_stage(&["api"]);
    // Half a second is kept for judging and committing.
    let first = scene.handle(&monitor, &event, Duration::from_millis(1_200)).await;
    let refusal = first.expect_err("the window is not over");
    assert_eq!(refusal.code, "window_open");
    assert!(matches!(refusal.wish, Wish::RetryAfter(_)), "it uses no attempt: {refusal:?}");
    let before = api.requests().len();

    let completed = scene.watch(&monitor, &event).await;
    let row = &completed.services[0];
    assert_eq!((row.status, row.samples + missed(&row.reason)), (HealthStatus::Healthy, 20));
    let asked = u32::try_from(api.requests().len()).unwrap();
    assert!(usize::try_from(row.samples).unwrap() > before, "{}: {before} before", row.reason);
    assert!((row.samples..=row.samples + 3).contains(&asked), "little was asked twice: {asked}");
}

#[tokio::test]
async fn a_verdict_that_was_not_committed_is_given_again() {
    let scene = Scene::set().await;
    let api = HttpService::start().await;
    let monitor = monitor(WINDOW, &one(&api));
    let event = after_stage(&["api"]);
    let first = scene.watch(&monitor, &event).await;
    let asked = api.requests().len();
    // Its owner died before the commit: the successor finds the same window, which is over.
    api.answer(Answer::Status(503));
    let again = scene.watch(&monitor, &event).await;
    assert_eq!((api.requests().len(), again.status), (asked, first.status));
    assert_eq!(again.services, first.services);
}

#[tokio::test]
async fn without_redis_no_window_begins_and_with_it_gone_one_goes_on() {
    let api = HttpService::start().await;
    let monitor = monitor(WINDOW, &one(&api));
    let scene = Scene::set().await;
    let nowhere = Records::try_new("redis://127.0.0.1:1", "t").unwrap();
    let context = Context { records: nowhere, ..scene.context(LONG) };
    let refusal = monitor.handle(&after_stage(&["api"]), &context).await.expect_err("no Redis");
    assert_eq!(
        (refusal.code, refusal.wish),
        ("redis_unavailable", Wish::RetryAfter(Duration::from_secs(1)))
    );
    assert_eq!(api.requests().len(), 0);

    let event = after_stage(&["api"]);
    let killed = async {
        let looked = async || (!api.requests().is_empty()).then_some(());
        eventually("the first look", LONG, looked).await;
        scene.redis.kill9();
    };
    let (completed, ()) = tokio::join!(scene.watch(&monitor, &event), killed);
    assert_eq!(completed.status, HealthResult::Healthy, "{}", completed.summary);
    assert_eq!(completed.services[0].samples, 20, "{}", completed.summary);
}

#[tokio::test]
async fn a_window_ends_early_when_nothing_can_save_it() {
    let scene = Scene::set().await;
    let api = HttpService::start().await;
    api.answer(Answer::Status(503));
    let hour = "warmup: 0s, window: 1h, interval: 50ms, timeout: 2s, min_samples: 3";
    let monitor = monitor(hour, &one(&api));
    let event = after_stage(&["api"]);
    let completed = timeout(LONG, scene.watch(&monitor, &event)).await.expect("it stops early");
    assert_eq!(completed.status, HealthResult::Unhealthy);
    assert!(completed.services[0].samples <= 10, "{}", completed.summary);
}

#[tokio::test]
async fn progress_is_told_while_a_window_is_open() {
    let scene = Scene::set().await;
    let api = HttpService::start().await;
    let services = format!("{}health_monitor: {{ report_every: 300ms }}\n", one(&api));
    let monitor = monitor(WINDOW, &services);
    let event = after_stage(&["api"]);
    scene.watch(&monitor, &event).await;
    let told = since(&scene.records(), None, 100).await.unwrap();
    assert!(told.len() >= 2, "{told:?}");
    let percents: Vec<u8> = told.iter().map(|it| it.progress.percent).collect();
    assert!(percents.is_sorted() && percents[0] < percents[percents.len() - 1], "{percents:?}");
    let last = &told[told.len() - 1].progress;
    assert_eq!((last.worker.as_str(), last.deployment_id.as_str()), ("health-monitor", "d-1"));
    assert_eq!((last.event_id.as_str(), last.standing.as_str()), (&*event.id, "healthy"));
    assert!(last.sentence.contains("samples passed"), "{}", last.sentence);
}
