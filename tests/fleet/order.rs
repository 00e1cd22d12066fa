//! The events of one deployment are handled one at a time, oldest first, by whichever replica.
//!
//! Proves the contract's G11 with several replicas, retries, `kill -9` and backlogs over several streams.

use std::collections::BTreeMap;
use std::time::Duration;

use printery_testkit::{Answer, HttpService, Process, eventually};
use serde_json::json;

use crate::retry::telling;
use crate::site::{PREFIX, SOON, Site, fleet_file, started, stream};

const RESULT: &str = "validation:completed";

/// Publishes event `k` of deployment `d`, which wants to be validated.
async fn start(site: &Site, d: usize, k: usize) -> String {
    let id = format!("e-{d}-{k}");
    site.conn.add(&stream("deployment:started"), &started(d, &id)).await;
    id
}

/// The ids of settled events in the order in which they were settled, by deployment (`e-<deployment>-<k>`).
async fn settled(site: &Site, worker: &str) -> BTreeMap<String, Vec<String>> {
    let mut settled: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in site.conn.entries(&format!("{PREFIX}:printery:log:{worker}")).await {
        let id = entry.text("event_id");
        let deployment = id.rsplit_once('-').expect("a numbered event").0.to_owned();
        settled.entry(deployment).or_default().push(id);
    }
    settled
}

#[tokio::test]
async fn three_replicas_validate_each_deployment_s_events_in_order_although_they_are_killed() {
    const DEPLOYMENTS: usize = 6;
    const EVENTS: usize = 12;
    let service = HttpService::start().await;
    service.answer(Answer::Slow(Duration::from_millis(10)));
    let site = Site::new(&fleet_file(&service.url())).await;
    let mut ids = Vec::new();
    for k in 0..EVENTS {
        for d in 0..DEPLOYMENTS {
            ids.push(start(&site, d, k).await);
        }
    }
    let replica = || site.worker("validator").args(["--concurrency", "4"]).start();
    let mut replicas: Vec<Process> = (0..3).map(|_| replica()).collect();
    for (round, reached) in (12..ids.len()).step_by(20).enumerate() {
        site.wait_for_results(RESULT, reached, SOON).await;
        replicas[round % 3].kill9();
        replicas[round % 3] = replica();
    }
    site.wait_for_results(RESULT, ids.len(), SOON).await;
    let world = site.wait_until_idle(SOON).await;
    site.assert_exactly_once(RESULT, &ids).await;
    for (deployment, settled) in settled(&site, "validator").await {
        let expected: Vec<String> = (0..EVENTS).map(|k| format!("{deployment}-{k}")).collect();
        assert_eq!(settled, expected, "{world}");
    }
    assert_eq!(world.sizes.get("printery:order:validator"), None, "no turn is left: {world}");
}

#[tokio::test]
async fn an_entry_that_waits_for_its_turn_occupies_no_slot() {
    let service = HttpService::start().await;
    service.answer(Answer::Hold);
    let site = Site::new(&fleet_file(&service.url())).await;
    // Long lines of three deployments stand before five others; there are eight slots.
    let mut ids = Vec::new();
    for k in 0..10 {
        for d in 0..3 {
            ids.push(start(&site, d, k).await);
        }
    }
    for d in 3..8 {
        ids.push(start(&site, d, 0).await);
    }
    let replica = || site.worker("validator").args(["--concurrency", "4"]).start();
    let _replicas = [replica(), replica()];
    eventually("every deployment is worked on, and each once", SOON, async || {
        let world = site.world().await;
        let found = (service.in_flight(), world.pending(), world.in_line());
        if found == (8, 8, 27) { Ok(()) } else { Err(format!("{found:?} {world}")) }
    })
    .await;
    service.answer(Answer::Healthy);
    site.wait_for_results(RESULT, ids.len(), SOON).await;
    site.wait_until_idle(SOON).await;
    site.assert_exactly_once(RESULT, &ids).await;
    let attempts = site.conn.entries(&format!("{PREFIX}:printery:log:validator")).await;
    assert!(attempts.iter().all(|entry| entry.text("attempts") == "1"), "waiting used an attempt");
}

#[tokio::test]
async fn people_are_told_of_a_deployment_in_order_across_streams_and_retries() {
    const DEPLOYMENTS: usize = 5;
    let kinds = ["deployment:started", "deployment:stage:vercel:completed", "deployment:completed"];
    let hook = HttpService::start().await;
    hook.answer(Answer::Status(503));
    let mut file = telling(&hook);
    file["routes"] = json!([{ "match": { "event": kinds }, "to": ["hook"] }]);
    file["engine"] = json!({ "max_attempts": 50, "backoff": { "base": "50ms", "cap": "100ms" } });
    let site = Site::new(&file).await;
    // What came later stands in streams that a careless reader would read first.
    let data = |d: usize, kind: &str| {
        let mut data = json!({ "deployment_id": format!("d-{d}"), "version": "1.2.0" });
        match kind {
            "deployment:started" => {
                data["environment"] = json!("staging");
                data["services"] = json!(["api"]);
            }
            "deployment:completed" => data["status"] = json!("success"),
            _ => {
                data["stage"] = json!("vercel");
                data["status"] = json!("success");
            }
        }
        data
    };
    for (k, kind) in kinds.iter().enumerate() {
        for d in 0..DEPLOYMENTS {
            site.publish(kind, &format!("e-{d}-{k}"), &data(d, kind)).await;
        }
    }
    let notifier = || site.worker("notifier").start();
    let mut notifiers = [notifier(), notifier(), notifier()];
    eventually("nobody could be told several times", SOON, async || {
        let asked = hook.requests().len();
        if asked >= 4 * DEPLOYMENTS { Ok(()) } else { Err(asked) }
    })
    .await;
    notifiers[0].kill9();
    notifiers[0] = notifier();
    hook.answer(Answer::Healthy);
    site.wait_for_results("notification:sent", 3 * DEPLOYMENTS, SOON).await;
    let world = site.wait_until_idle(SOON).await;
    let told: Vec<(String, String)> = hook
        .requests()
        .iter()
        .map(|request| {
            let body = request.json();
            let text = |name: &str| body[name].as_str().expect("text").to_owned();
            (text("deployment_id"), text("type"))
        })
        .collect();
    for d in 0..DEPLOYMENTS {
        let subject = format!("d-{d}");
        let mut of_this: Vec<&str> =
            told.iter().filter(|(about, _)| *about == subject).map(|(_, kind)| &**kind).collect();
        of_this.dedup();
        assert_eq!(of_this, kinds, "{subject}: {told:?}\n{world}");
    }
    for (deployment, settled) in settled(&site, "notifier").await {
        let expected: Vec<String> = (0..3).map(|k| format!("{deployment}-{k}")).collect();
        assert_eq!(settled, expected, "{world}");
    }
}
