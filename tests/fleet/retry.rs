//! A handler fails; it is tried again, and in the end put away.
//!
//! Proves the contract's G5. The failure is a receiver that cannot be reached, because a check that fails is a result and no failure.

use std::time::Duration;

use printery_testkit::{Answer, HttpService, eventually};
use serde_json::{Value, json};

use crate::site::{SECRET, SOON, Site, fleet_file, started};

/// A fleet file whose notifier tells `hook` about started deployments, asking once per attempt, and waits 100 ms, 200 ms, …
/// between attempts.
pub(crate) fn telling(hook: &HttpService) -> Value {
    let mut file = fleet_file("http://127.0.0.1:1");
    file["engine"] = json!({ "backoff": { "base": "100ms", "cap": "1s" } });
    file["notifier"] = json!({ "attempts": 1, "timeout": "2s", "circuit": { "failures": 1_000_000, "open": "1s" } });
    file["receivers"] = json!({ "hook": { "webhook": { "url": hook.url(), "secret": SECRET } } });
    file["routes"] = json!([{ "match": { "event": ["deployment:started"] }, "to": ["hook"] }]);
    file
}

#[tokio::test]
async fn a_failing_handler_is_tried_three_times_and_dead_lettered_with_its_bytes() {
    let hook = HttpService::start().await;
    hook.answer(Answer::Status(503));
    let site = Site::new(&telling(&hook)).await;
    let _notifier = site.worker("notifier").start();
    let id = site.start_deployment(1).await;
    let dead = eventually("it is dead-lettered", SOON, async || {
        let dead = site.dead_letters("notifier").await.into_iter().next();
        dead.ok_or(site.world().await)
    })
    .await;
    let world = site.wait_until_idle(SOON).await;
    assert_eq!((hook.requests().len(), world.events("notification:sent")), (3, 0), "{world}");
    let told = ["event_id", "attempt_count", "status", "data"].map(|name| dead.text(name));
    assert_eq!(told, [id.clone(), "3".into(), "pending".into(), started(1, &id)[1].1.clone()]);
    let at = |name: &str| dead.text(name).parse::<u64>().expect("epoch milliseconds");
    // Waits of 100 ms and 200 ms, 20 % less at the least, lie between the first and the last.
    let between = at("last_failure_at") - at("first_failure_at");
    assert!(between >= 240, "{between} ms");
}

#[tokio::test]
async fn a_handler_that_fails_once_succeeds_the_next_time() {
    let hook = HttpService::start().await;
    hook.answer(Answer::Status(503));
    let site = Site::new(&telling(&hook)).await;
    let _notifier = site.worker("notifier").start();
    let id = site.start_deployment(1).await;
    eventually("the first attempt fails", SOON, async || !hook.requests().is_empty()).await;
    hook.answer(Answer::Healthy);
    site.wait_for_results("notification:sent", 1, SOON).await;
    site.wait_until_idle(SOON).await;
    site.assert_exactly_once("notification:sent", &[id]).await;
    let sent = &site.data("notification:sent").await[0];
    assert_eq!(sent["attempt"], json!(hook.requests().len()), "{sent:#}");
    let ids: Vec<String> =
        hook.requests().iter().map(|request| request.headers["webhook-id"].clone()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "one id over all attempts: {ids:?}");
}

#[tokio::test]
async fn waiting_as_long_as_the_other_side_asks_uses_no_attempt() {
    let hook = HttpService::start().await;
    let later = vec![("retry-after".to_owned(), "1".to_owned())];
    hook.answer(Answer::Full(429, later, String::new()));
    let site = Site::new(&telling(&hook)).await;
    let _notifier = site.worker("notifier").start();
    let id = site.start_deployment(1).await;
    // More often than there are attempts.
    eventually("it asks again and again", Duration::from_secs(30), async || {
        let asked = hook.requests().len();
        if asked >= 4 { Ok(()) } else { Err(format!("{asked} times; {}", site.world().await)) }
    })
    .await;
    hook.answer(Answer::Healthy);
    site.wait_for_results("notification:sent", 1, SOON).await;
    site.wait_until_idle(SOON).await;
    site.assert_exactly_once("notification:sent", &[id]).await;
    assert_eq!(site.data("notification:sent").await[0]["attempt"], json!(1));
}

#[tokio::test]
async fn a_retry_of_one_group_is_not_seen_by_another() {
    let hook = HttpService::start().await;
    hook.answer(Answer::Status(503));
    let site = Site::new(&telling(&hook)).await;
    let _workers = [site.worker("validator").start(), site.worker("notifier").start()];
    let id = site.start_deployment(1).await;
    eventually("it is dead-lettered", SOON, async || {
        let dead = site.dead_letters("notifier").await.len();
        if dead == 1 { Ok(()) } else { Err(site.world().await) }
    })
    .await;
    let world = site.wait_until_idle(SOON).await;
    assert_eq!(site.results("validation:completed").await, [(id, 1)].into());
    assert_eq!(world.events("validation:started"), 1, "{world}");
}
