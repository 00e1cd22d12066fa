//! Dead letters go back in steps, and what is still broken shows with few of them.
//!
//! Proves what `dlq redrive --canary` promises, with a real worker whose receiver fails as told.

use printery_testkit::{Answer, Ended, HttpService, Process, eventually};
use serde_json::{Value, json};

use crate::retry::telling;
use crate::site::{SOON, Site};

/// A notifier that gives up at once, and twelve deployments that it gave up.
async fn given_up(hook: &HttpService, file: &Value) -> (Site, Process, Vec<String>) {
    hook.answer(Answer::Status(503));
    let site = Site::new(file).await;
    let notifier = site.worker("notifier").env("PRINTERY_MAX_ATTEMPTS", "1").start();
    let mut ids = Vec::new();
    for n in 0..12 {
        ids.push(site.start_deployment(n).await);
    }
    eventually("all are dead-lettered", SOON, async || {
        let world = site.world().await;
        if world.dead_letters() == 12 { Ok(()) } else { Err(world) }
    })
    .await;
    (site, notifier, ids)
}

/// Types a redrive of everything and gives its exit and its report.
async fn redrive(site: &Site, more: &[&str]) -> (Ended, Value) {
    let words = [&["dlq", "redrive", "notifier", "--all", "--yes", "--json"], more].concat();
    let typed = site.launch("printery-workers").args(words).start();
    let ended = typed.wait(SOON).await;
    let report = serde_json::from_str(&typed.stdout().join("\n"));
    (ended, report.unwrap_or_else(|error| panic!("{error}: {}", typed.report())))
}

#[tokio::test]
async fn a_canary_that_fails_stops_the_redrive_and_one_that_succeeds_goes_on_to_the_end() {
    let hook = HttpService::start().await;
    let (site, _notifier, ids) = given_up(&hook, &telling(&hook)).await;

    let (ended, report) = redrive(&site, &["--canary", "1,5,100%"]).await;
    assert_eq!(ended, Ended::Code(1), "{report:#}");
    let told = (&report["outcome"], &report["changed"], &report["left"]);
    assert_eq!(told, (&json!("stopped"), &json!(1), &json!(11)), "{report:#}");
    assert_eq!(report["steps"], json!([{ "size": 1, "put_back": 1, "done": 0, "failed": 1 }]));
    let dead = site.dead_letters("notifier").await;
    let replayed = dead.iter().filter(|letter| letter.text("replay_count") == "1").count();
    assert_eq!((dead.len(), replayed), (12, 1), "it is a dead letter again, and says so");

    hook.answer(Answer::Healthy);
    let (ended, report) = redrive(&site, &["--canary", "1,5,100%", "--rate", "100/s"]).await;
    assert_eq!(ended, Ended::Code(0), "{report:#}");
    let steps = json!([
        { "size": 1, "put_back": 1, "done": 1, "failed": 0 },
        { "size": 5, "put_back": 5, "done": 5, "failed": 0 },
        { "size": 6, "put_back": 6, "done": 6, "failed": 0 },
    ]);
    assert_eq!((&report["outcome"], &report["steps"]), (&json!("done"), &steps), "{report:#}");
    site.wait_until_idle(SOON).await;
    site.assert_exactly_once("notification:sent", &ids).await;
}

#[tokio::test]
async fn a_step_that_nobody_works_on_ends_in_time_and_the_rest_stays() {
    let hook = HttpService::start().await;
    let (site, notifier, _ids) = given_up(&hook, &telling(&hook)).await;
    notifier.sigterm();
    assert_eq!(notifier.wait(SOON).await, Ended::Code(0), "{}", notifier.report());
    let (ended, report) = redrive(&site, &["--canary", "2,100%", "--settle-within", "300ms"]).await;
    assert_eq!(ended, Ended::Code(1), "{report:#}");
    let told = (&report["outcome"], &report["changed"], &report["left"]);
    assert_eq!(told, (&json!("stopped"), &json!(2), &json!(10)), "{report:#}");
    assert_eq!(site.dead_letters("notifier").await.len(), 10);
}

#[tokio::test]
async fn an_entry_that_fails_for_ever_is_put_back_once_by_each_redrive() {
    let hook = HttpService::start().await;
    let (site, _notifier, _ids) = given_up(&hook, &telling(&hook)).await;
    // What dies again while it goes on is not put back again by the same redrive.
    let (ended, report) = redrive(&site, &["--rate", "20/s"]).await;
    assert_eq!((ended, &report["changed"]), (Ended::Code(0), &json!(12)), "{report:#}");
    let dead = eventually("all are dead letters again", SOON, async || {
        let dead = site.dead_letters("notifier").await;
        if dead.len() == 12 { Ok(dead) } else { Err(site.world().await) }
    })
    .await;
    assert!(dead.iter().all(|letter| letter.text("replay_count") == "1"), "{dead:?}");
    assert!(dead.iter().all(|letter| letter.text("attempt_count") == "1"), "attempts began anew");
}
