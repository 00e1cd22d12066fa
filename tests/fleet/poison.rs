//! An entry that kills its worker is put away; its neighbours are not.
//!
//! Proves the contract's G6. The death is the test's own `kill -9` at the moment the entry's handler runs.

use std::time::Duration;

use printery_testkit::{Answer, HttpService, eventually};
use serde_json::{Value, json};

use crate::retry::telling;
use crate::site::{SOON, Site, fleet_file};

const RESULT: &str = "dependency:check:completed";

/// A `validation:completed` that makes the dependency-checker look at one service.
fn validated(deployment: &str, service: &str) -> Value {
    json!({ "deployment_id": deployment, "version": "1", "environment": "staging", "services": [service],
            "phase": "pre-deploy", "result": "PASSED", "checks": [], "duration_ms": 1, "config_digest": "0",
            "summary": "fine" })
}

/// A fleet file with one service that depends on a trap and one that depends on something harmless.
fn trapped(deadly: &HttpService, harmless: &HttpService) -> Value {
    let mut file = fleet_file(&harmless.url());
    file["endpoints"] = json!({
        "trap": { "http": deadly.url(), "timeout": "60s" },
        "backend": { "http": harmless.url(), "timeout": "60s" },
    });
    file["services"] =
        json!({ "deadly": { "requires": ["trap"] }, "harmless": { "requires": ["backend"] } });
    file["dependency_checker"] = json!({ "latency": { "warn": "100s", "fail": "120s" } });
    file
}

#[tokio::test]
async fn an_entry_that_kills_its_worker_three_times_is_dead_lettered_and_its_neighbours_are_not() {
    let (deadly, harmless) = (HttpService::start().await, HttpService::start().await);
    deadly.answer(Answer::Hold);
    harmless.answer(Answer::Hold);
    let site = Site::new(&trapped(&deadly, &harmless)).await;
    let worker = || site.worker("dependency-checker").start();

    let mut victim = worker();
    site.publish("validation:completed", "deadly", &validated("d-0", "deadly")).await;
    let mut ids = Vec::new();
    for n in 1..4 {
        let id = format!("harmless-{n}");
        site.publish("validation:completed", &id, &validated(&format!("d-{n}"), "harmless")).await;
        ids.push(id);
    }
    for death in 1..=3 {
        eventually(&format!("the deadly handler runs before death {death}"), SOON, async || {
            // The neighbours are in flight beside it the first time, and wait for nothing later.
            let begun = site.data("dependency:check:started").await.len();
            if deadly.in_flight() == 1 && (death > 1 || begun == 4) {
                Ok(())
            } else {
                Err(site.world().await)
            }
        })
        .await;
        victim.kill9();
        eventually("the connection is gone", SOON, async || deadly.in_flight() == 0).await;
        harmless.answer(Answer::Healthy);
        victim = worker();
    }
    site.wait_for_results(RESULT, 3, SOON).await;
    let world = site.wait_until_idle(SOON).await;
    assert!(victim.is_running());
    assert_eq!(site.results(RESULT).await, ids.into_iter().map(|id| (id, 1)).collect());
    let dead = site.dead_letters("dependency-checker").await;
    let told: Vec<_> =
        dead.iter().map(|dead| (dead.text("event_id"), dead.text("failure_reason"))).collect();
    assert_eq!(told, [("deadly".to_owned(), "poison".to_owned())], "{world}");
    assert_eq!(dead[0].text("data"), validated("d-0", "deadly").to_string());
}

#[tokio::test]
async fn three_deadly_entries_among_many_take_no_innocent_with_them() {
    let (deadly, harmless) = (HttpService::start().await, HttpService::start().await);
    deadly.answer(Answer::Hold);
    harmless.answer(Answer::Slow(Duration::from_millis(5)));
    let site = Site::new(&trapped(&deadly, &harmless)).await;
    let worker = || {
        let launch = site.worker("dependency-checker").args(["--concurrency", "8"]);
        launch.env("PRINTERY_LEASE", "500ms").start()
    };
    let (mut guilty, mut innocent) = (Vec::new(), Vec::new());
    for n in 0..63 {
        let service = if n % 21 == 10 { "deadly" } else { "harmless" };
        let id = format!("{service}-{n}");
        site.publish("validation:completed", &id, &validated(&format!("d-{n}"), service)).await;
        if service == "deadly" { guilty.push(id) } else { innocent.push(id) }
    }
    let mut victim = worker();
    eventually("the deadly ones are put away", Duration::from_secs(60), async || {
        if deadly.in_flight() > 0 {
            victim.kill9();
            eventually("its connection is gone", SOON, async || deadly.in_flight() == 0).await;
            victim = worker();
        }
        let dead = site.dead_letters("dependency-checker").await.len();
        if dead >= guilty.len() { Ok(()) } else { Err(site.world().await) }
    })
    .await;
    site.wait_for_results(RESULT, innocent.len(), SOON).await;
    let world = site.wait_until_idle(SOON).await;
    let dead = site.dead_letters("dependency-checker").await;
    let mut dead: Vec<String> = dead.iter().map(|dead| dead.text("event_id")).collect();
    dead.sort();
    assert_eq!(dead, guilty, "{world}");
    let results = site.results(RESULT).await;
    assert_eq!(results, innocent.into_iter().map(|id| (id, 1)).collect(), "{world}");
}

#[tokio::test]
async fn a_death_uses_none_of_the_attempts_of_what_was_in_flight() {
    let hook = HttpService::start().await;
    hook.answer(Answer::Hold);
    let site = Site::new(&telling(&hook)).await;
    let dying = site.worker("notifier").start();
    let id = site.start_deployment(1).await;
    eventually("the handler runs", SOON, async || hook.in_flight() == 1).await;
    dying.kill9();
    hook.answer(Answer::Status(503));
    let _successor = site.worker("notifier").start();
    let dead = eventually("it is dead-lettered", SOON, async || {
        let dead = site.dead_letters("notifier").await.into_iter().next();
        dead.ok_or(site.world().await)
    })
    .await;
    assert_eq!((dead.text("event_id"), dead.text("attempt_count")), (id, "3".to_owned()));
    assert_eq!(hook.requests().len(), 4, "one that died, and three that failed");
}
