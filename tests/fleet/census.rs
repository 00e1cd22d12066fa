//! Who goes silent is told of in steps, and who is dead is a zombie until somebody looks.
//!
//! Proves the judgement with real processes that are stopped, woken and killed; times are the shortest that a fleet may have.

use printery_testkit::{Ended, HttpService, Process, eventually, free_port};
use serde_json::Value;

use crate::site::{SOON, Site, fleet_file, parsed};

fn manager(site: &Site) -> Process {
    let addr = format!("127.0.0.1:{}", free_port());
    site.manager(&addr)
        .args(["--worker", "none"])
        .env("HEARTBEAT_WARNING_THRESHOLD", "6")
        .env("HEARTBEAT_CRITICAL_THRESHOLD", "8")
        .env("HEARTBEAT_ZOMBIE_THRESHOLD", "15")
        .start()
}

async fn told(site: &Site) -> Vec<String> {
    let feed = site.conn.entries("materi:printery:activity").await;
    let kinds = feed.iter().map(|entry| entry.text("kind"));
    kinds.filter(|kind| kind.starts_with("worker:")).collect()
}

async fn wait_for(site: &Site, manager: &Process, kind: &str) -> Vec<String> {
    eventually(kind, SOON + SOON, async || {
        let kinds = told(site).await;
        let is_there = kinds.iter().any(|one| one == kind);
        if is_there { Ok(kinds) } else { Err(format!("{kinds:?} {}", manager.report())) }
    })
    .await
}

async fn lives(site: &Site) -> Vec<Value> {
    let records = site.conn.texts(&["HVALS", "materi:printery:lives"]).await;
    records.iter().map(|record| parsed(record)).collect()
}

#[tokio::test]
async fn a_silent_process_is_told_of_in_steps_and_is_itself_again_when_it_wakes() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let manager = manager(&site);
    let validator = site.worker("validator").start();
    wait_for(&site, &manager, "worker:idle").await;
    validator.sigstop();
    wait_for(&site, &manager, "worker:heartbeat_critical").await;
    validator.sigcont();
    let kinds = wait_for(&site, &manager, "worker:heartbeat_resumed").await;
    let expected = ["idle", "heartbeat_warning", "heartbeat_critical", "heartbeat_resumed"];
    assert_eq!(kinds, expected.map(|kind| format!("worker:{kind}")));
    assert_eq!(lives(&site).await[0]["state"], "idle");
    validator.sigterm();
    assert_eq!(validator.wait(SOON).await, Ended::Code(0), "{}", validator.report());
    wait_for(&site, &manager, "worker:completed").await;
}

#[tokio::test]
async fn a_killed_process_becomes_a_zombie_and_is_cleaned_up_by_hand() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let manager = manager(&site);
    let validator = site.worker("validator").start();
    wait_for(&site, &manager, "worker:idle").await;
    validator.kill9();
    wait_for(&site, &manager, "worker:zombie_detected").await;
    let life = lives(&site).await.remove(0);
    assert_eq!(
        (life["state"].as_str(), life["worker"].as_str()),
        (Some("zombie"), Some("validator"))
    );
    let name = life["instance"].as_str().expect("a name").to_owned();
    let cleanup = site.launch("printery-workers").args(["cleanup", &name]).start();
    assert_eq!(cleanup.wait(SOON).await, Ended::Code(0), "{}", cleanup.report());
    assert_eq!(cleanup.stdout(), [format!("Cleaned up {name}, recovered 0 tokens")]);
    assert_eq!(lives(&site).await[0]["state"], "archived");
}
