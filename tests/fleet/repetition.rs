//! The same event again: from a producer that repeats itself, from a redrive, from a restart.
//!
//! Proves the contract's G12 and the way back of a dead letter (section 6).

use printery_testkit::{Answer, Ended, HttpService, eventually};
use serde_json::json;

use crate::retry::telling;
use crate::site::{SOON, Site, fleet_file, stream};

const RESULT: &str = "validation:completed";

#[tokio::test]
async fn a_producer_that_repeats_itself_causes_one_result() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let _workers = [site.worker("validator").start(), site.worker("validator").start()];
    let mut ids = Vec::new();
    // Repeated while the first is still worked on, and again long after.
    for n in 0..20 {
        ids.push(site.start_deployment(n).await);
        site.start_deployment(n).await;
    }
    site.wait_for_results(RESULT, ids.len(), SOON).await;
    for n in 0..20 {
        site.start_deployment(n).await;
    }
    site.wait_until_idle(SOON).await;
    site.assert_exactly_once(RESULT, &ids).await;
}

#[tokio::test]
async fn without_a_window_every_entry_has_its_own_results() {
    let service = HttpService::start().await;
    let mut file = fleet_file(&service.url());
    file["engine"] = json!({ "dedupe_window": "0s" });
    let site = Site::new(&file).await;
    let _validator = site.worker("validator").start();
    let id = site.start_deployment(1).await;
    site.start_deployment(1).await;
    eventually("both have their result", SOON, async || {
        let results = site.results(RESULT).await;
        if results.get(&id) == Some(&2) { Ok(()) } else { Err(site.world().await) }
    })
    .await;
}

#[tokio::test]
async fn a_redriven_dead_letter_is_executed_again_and_leaves_the_queue() {
    let hook = HttpService::start().await;
    hook.answer(Answer::Status(503));
    let site = Site::new(&telling(&hook)).await;
    let _notifier = site.worker("notifier").start();
    let id = site.start_deployment(1).await;
    let dead = eventually("it is dead-lettered", SOON, async || {
        site.dead_letters("notifier").await.into_iter().next()
    })
    .await;
    hook.answer(Answer::Healthy);
    let words = ["dlq", "redrive", "notifier", &dead.id, "--yes"];
    let redrive = site.launch("printery-workers").args(words).start();
    assert_eq!(redrive.wait(SOON).await, Ended::Code(0), "{}", redrive.report());
    site.wait_for_results("notification:sent", 1, SOON).await;
    site.wait_until_idle(SOON).await;
    site.assert_exactly_once("notification:sent", &[id]).await;
    assert_eq!(site.dead_letters("notifier").await, []);
}

#[tokio::test]
async fn twenty_restarts_under_load_leave_no_consumers_behind() {
    const EVENTS: usize = 200;
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let mut ids = Vec::new();
    for restart in 0..20 {
        let validator = site.worker("validator").args(["--concurrency", "4"]).start();
        for n in 0..EVENTS / 20 {
            ids.push(site.start_deployment(restart * 10 + n).await);
        }
        // It is at work, and has more waiting, when it is told to stop.
        site.wait_for_results(RESULT, restart * 10 + 1, SOON).await;
        validator.sigterm();
        assert_eq!(validator.wait(SOON).await, Ended::Code(0), "{}", validator.report());
    }
    let _last = site.worker("validator").start();
    site.wait_for_results(RESULT, EVENTS, SOON).await;
    let world = site.wait_until_idle(SOON).await;
    site.assert_exactly_once(RESULT, &ids).await;
    let key = stream("deployment:started");
    let group = &world.streams[key.trim_start_matches("materi:")].groups["printery-validator"];
    // The last one is there only if it had something to do.
    assert!(group.consumers <= 1, "{world}");
}
