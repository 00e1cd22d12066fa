//! Switches of the environment: which workers a manager starts, and which of them may take anything.
//!
//! Proves service lists, owner switches, feature switches and fleet modes with real processes: what is left out says
//! why, its group is there, and its events wait.

use printery_testkit::{Ended, HttpService, Launch, Process, eventually, free_port, get};
use serde_json::Value;

use crate::site::{SOON, Site, fleet_file};

/// A manager after `change`, and what it says of itself once it is ready.
async fn managed(site: &Site, change: impl FnOnce(Launch) -> Launch) -> (Process, Value) {
    let addr = format!("127.0.0.1:{}", free_port());
    let manager = change(site.manager(&addr)).start();
    eventually("it is ready", SOON, async || match get(&addr, "/ready").await {
        Ok(answer) if answer.status == 200 => Ok(()),
        other => Err(format!("{other:?} {}", manager.report())),
    })
    .await;
    let status = get(&addr, "/api/status").await.expect("it answers").json();
    (manager, status)
}

fn states(status: &Value) -> Vec<(&str, &str)> {
    let workers = status["workers"].as_array().into_iter().flatten();
    workers
        .map(|one| {
            (one["state"].as_str().unwrap_or_default(), one["problem"].as_str().unwrap_or_default())
        })
        .collect()
}

#[tokio::test]
async fn only_the_listed_workers_are_started_and_the_others_say_why_not() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let (manager, status) = managed(&site, |launch| {
        launch
            .env("PRINTERY_SERVICES", "validator,notifier,typo")
            .env("PRINTERY_OVERRIDE_SERVICES", "notifier=false")
    })
    .await;
    let off = ("disabled", "disabled: services");
    assert_eq!(states(&status), [("running", ""), off, off, off], "{status:#}");
    let warned = manager.lines().iter().any(|line| line.contains("\\\"typo\\\""));
    assert!(warned, "{}", manager.report());
}

#[tokio::test]
async fn somebody_elses_worker_is_not_started_and_its_events_wait() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let (_manager, status) = managed(&site, |launch| {
        launch.env("WORKER_OWNER_NOTIFIER", "go").env("WORKER_OWNER_HEALTH_MONITOR", "banana")
    })
    .await;
    let found = states(&status);
    assert_eq!(found[3], ("disabled", "disabled: owner go"), "{status:#}");
    assert_eq!(found[2], ("disabled", "disabled: owner banana"), "fails closed");
    site.start_deployment(1).await;
    site.wait_for_results("dependency:check:completed", 1, SOON).await;
    let world = site.world().await;
    assert!(world.undelivered() >= 2, "the groups are there and wait: {world}");
    assert_eq!(world.events("health:check:completed"), 0, "{world}");
}

#[tokio::test]
async fn a_guarded_worker_lives_takes_nothing_and_says_why() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let validator = site.worker("validator").env("FEATURE_VALIDATOR", "false").start();
    let record = eventually("it is held", SOON, async || {
        let records = site.conn.texts(&["HVALS", "materi:printery:instances"]).await;
        records.into_iter().find(|record| record.contains("feature:validator")).ok_or("not yet")
    })
    .await;
    assert!(record.contains("\"guarded\""), "{record}");
    let id = site.start_deployment(1).await;
    let explain = site.launch("printery-workers").args(["explain", &id]).start();
    assert_eq!(explain.wait(SOON).await, Ended::Code(0), "{}", explain.report());
    assert!(explain.stdout().join("\n").contains("feature:validator"), "{}", explain.report());
    assert_eq!(site.results("validation:completed").await.len(), 0);
    validator.sigterm();
    assert_eq!(validator.wait(SOON).await, Ended::Code(0), "{}", validator.report());
    let wrong = site.worker("validator").env("FLEET_MODE", "sleepy").start();
    assert_eq!(wrong.wait(SOON).await, Ended::Code(2), "{}", wrong.report());
}

#[tokio::test]
async fn a_fleet_that_only_reads_tells_nobody() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let _notifier = site.worker("notifier").env("FLEET_MODE", "readonly").start();
    let _validator = site.worker("validator").env("FLEET_MODE", "readonly").start();
    site.start_deployment(1).await;
    site.wait_for_results("validation:completed", 1, SOON).await;
    let world = site.wait_until_idle(SOON).await;
    assert_eq!(world.events("notification:sent"), 0, "{world}");
    let completed = site.conn.entries("materi:events:deployment:validation:completed").await;
    assert_eq!(completed[0].text("dryrun"), "true");
}
