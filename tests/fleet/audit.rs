//! The audit of a fleet at work: whatever is killed meanwhile, it never cries wolf, and it ends clean.

use std::time::Duration;

use printery_testkit::{Answer, HttpService, Process, RedisServer};
use serde_json::Value;

use crate::outage::publish_surely;
use crate::site::{SOON, Site, fleet_file};

/// Audits once; what it found.
async fn audit(site: &Site) -> Vec<String> {
    let audit =
        site.launch("printery-workers").env("PRINTERY_LEASE", "1s").args(["audit", "--json"]);
    let audit = audit.start();
    let ended = audit.wait(3 * SOON).await;
    let text = audit.stdout().join("\n");
    let report: Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}, {ended:?}: {}", audit.report()));
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    findings.iter().filter(|it| it["level"] == "wrong").map(Value::to_string).collect()
}

#[tokio::test]
async fn a_busy_fleet_that_loses_workers_audits_clean() {
    const EVENTS: usize = 48;
    let service = HttpService::start().await;
    service.answer(Answer::Slow(Duration::from_millis(20)));
    let site = Site::on(RedisServer::options().append_only(), &fleet_file(&service.url())).await;
    let kinds = ["validator", "dependency-checker", "health-monitor", "notifier"];
    let start = |kind: &str| site.worker(kind).start();
    let mut fleet: Vec<(&str, Process)> =
        kinds.iter().chain(&kinds).map(|kind| (*kind, start(kind))).collect();
    publish_surely(&site, 0).await;
    site.wait_for_results("health:check:completed", 1, 3 * SOON).await;
    for n in 1..EVENTS {
        publish_surely(&site, n).await;
        if n % 8 == 0 {
            let victim = n / 8 % fleet.len();
            let (kind, process) = &mut fleet[victim];
            process.kill9();
            *process = start(kind);
            assert_eq!(audit(&site).await, [""; 0], "after {n} events");
        }
    }
    site.wait_for_results("health:check:completed", EVENTS, 4 * SOON).await;
    site.wait_until_idle(2 * SOON).await;
    assert_eq!(audit(&site).await, [""; 0], "at the end");
}
