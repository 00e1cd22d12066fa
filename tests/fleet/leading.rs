//! One of the managers does what one does for all; the next one takes over, however the first ended.
//!
//! Proves leadership with real managers that are killed, paused and told to stop, and that a leader of the past writes nothing.

use printery_testkit::{Ended, HttpService, Process, eventually, free_port};
use serde_json::Value;

use crate::site::{SOON, Site, fleet_file, parsed};

const LOCK: &str = "materi:printery:lock:MANAGER";

/// A manager that starts no worker.
fn manager(site: &Site) -> Process {
    let addr = format!("127.0.0.1:{}", free_port());
    site.manager(&addr).args(["--worker", "none"]).start()
}

/// Who leads, as the status tells without any manager.
async fn leader(site: &Site) -> Value {
    let process = site.launch("printery-workers").args(["status", "--json"]);
    let process = process.env("PRINTERY_HTTP_ADDR", "off").start();
    assert_eq!(process.wait(SOON).await, Ended::Code(0), "{}", process.report());
    // There is no manager's part where none answers; who leads stands in Redis.
    parsed(&process.stdout().join("\n"))["leader"].clone()
}

/// Waits until the manager of this process leads; gives its epoch.
async fn leads(site: &Site, manager: &Process) -> u64 {
    let pid = format!("-{}-", manager.pid());
    eventually("it leads", SOON, async || {
        let leader = leader(site).await;
        let is_it = leader["name"].as_str().is_some_and(|name| name.contains(&pid));
        let epoch = leader["epoch"].as_u64().filter(|_| is_it);
        epoch.ok_or_else(|| format!("{leader} {}", manager.report()))
    })
    .await
}

#[tokio::test]
async fn the_next_manager_leads_when_the_first_is_killed_or_leaves() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let first = manager(&site);
    let one = leads(&site, &first).await;
    let second = manager(&site);
    eventually("it stands by", SOON, async || {
        let lines = second.lines();
        let told = lines.iter().any(|line| line.contains("another manager leads"));
        if told { Ok(()) } else { Err(second.report()) }
    })
    .await;
    first.kill9();
    let two = leads(&site, &second).await;
    let third = manager(&site);
    second.sigterm();
    assert_eq!(second.wait(SOON).await, Ended::Code(0), "{}", second.report());
    let three = leads(&site, &third).await;
    assert!(one < two && two < three, "{one} {two} {three}");
    let feed = site.conn.entries("materi:printery:activity").await;
    let told = feed.iter().filter(|entry| entry.text("kind") == "manager:leads").count();
    assert_eq!(told, 3, "one line for each change");
}

#[tokio::test]
async fn a_leader_that_slept_is_of_the_past_and_stands_by_when_it_wakes() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let first = manager(&site);
    leads(&site, &first).await;
    first.sigstop();
    let second = manager(&site);
    let epoch = leads(&site, &second).await;
    first.sigcont();
    eventually("it says that it leads no more", SOON, async || {
        let told = first.lines().iter().any(|line| line.contains("leads no more"));
        if told { Ok(()) } else { Err(first.report()) }
    })
    .await;
    assert_eq!(leads(&site, &second).await, epoch, "the other one was not disturbed");
    let fence = site.conn.text(&["GET", "materi:printery:epoch:MANAGER"]).await;
    assert_eq!(fence, Some(epoch.to_string()));
    assert_eq!(site.conn.int(&["EXISTS", LOCK]).await, 1);
}

#[tokio::test]
async fn a_lock_that_a_person_holds_keeps_every_manager_from_leading() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    site.conn.cmd(&["SET", LOCK, "maintenance"]).await;
    let only = manager(&site);
    eventually("it stands by", SOON, async || {
        let told = only.lines().iter().any(|line| line.contains("another manager leads"));
        if told { Ok(()) } else { Err(only.report()) }
    })
    .await;
    assert_eq!(leader(&site).await["name"], "maintenance");
    site.conn.cmd(&["DEL", LOCK]).await;
    leads(&site, &only).await;
}
