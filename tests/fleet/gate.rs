//! A deployment waits at a gate until a person says yes or no.
//!
//! Proves it with real processes: the wait holds no handler, uses no attempt and outlives the validator that began it.

use std::time::Duration;

use printery_testkit::{Ended, HttpService, Process, eventually};
use serde_json::{Value, json};

use crate::site::{SOON, Site, fleet_file, parsed};

/// How long a decision may take to be noticed: the gate looks ever less often, at first every 2 s.
const NOTICED: Duration = Duration::from_secs(60);

/// A fleet whose one check is followed by a gate.
fn gated(url: &str) -> Value {
    let mut file = fleet_file(url);
    file["checks"]["person"] = json!({ "kind": "gate", "timeout": "1h" });
    file["validator"]["checks"] = json!(["probe", "person"]);
    file
}

/// Types a command that must succeed.
async fn typed(site: &Site, words: &[&str]) -> String {
    let process: Process = site.launch("printery-workers").args(words).start();
    assert_eq!(process.wait(SOON).await, Ended::Code(0), "{}", process.report());
    process.stdout().join("\n")
}

/// Waits until the validator has asked for each of these deployments, and holds none of them.
async fn wait_for_gates(site: &Site, deployments: &[&str]) {
    eventually("the deployments wait at their gate", SOON, async || {
        let asked = site.conn.keys("materi:printery:gate:*").await.len();
        let world = site.world().await;
        let waits = world.delayed();
        if asked == deployments.len() && waits >= 1 && world.pending() == 0 {
            Ok(())
        } else {
            Err(format!("{asked} asked, {waits} wait; {world}"))
        }
    })
    .await;
}

#[tokio::test]
async fn a_decision_is_waited_for_across_a_kill_and_no_attempt_is_used() {
    let service = HttpService::start().await;
    let site = Site::new(&gated(&service.url())).await;
    let first = site.worker("validator").start();
    let approved = site.start_deployment(1).await;
    let rejected = site.start_deployment(2).await;
    wait_for_gates(&site, &["d-1", "d-2"]).await;
    assert_eq!(site.conn.len(&crate::site::stream("validation:completed")).await, 0);

    first.kill9();
    let second = site.worker("validator").start();
    let said = typed(&site, &["approve", "d-1", "--actor", "ada", "--note", "go"]).await;
    assert!(said.starts_with("d-1 approved"), "{said}");
    typed(&site, &["reject", "d-2", "--actor", "bob", "--note", "not on a Friday"]).await;
    site.wait_for_results("validation:completed", 2, NOTICED).await;

    let completed = site.data("validation:completed").await;
    let of = |id: &str| {
        let found = completed.iter().find(|data| data["deployment_id"] == id);
        found.unwrap_or_else(|| panic!("{id}: {completed:#?}"))
    };
    assert_eq!(of("d-1")["result"], "PASSED", "{}", second.report());
    assert_eq!(of("d-1")["checks"][2]["observed"], "approved by ada: go");
    assert_eq!(of("d-2")["result"], "FAILED");
    let failed = site.data("deployment:failed").await;
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert!(failed[0]["reason"].as_str().is_some_and(|why| why.contains("not on a Friday")));

    let attempts: Vec<Value> = site.data("validation:started").await;
    assert!(attempts.iter().all(|started| started["attempt"] == 1), "{attempts:#?}");
    site.assert_exactly_once("validation:completed", &[approved, rejected]).await;
    let log = typed(&site, &["explain", "d-1", "--json"]).await;
    assert_eq!(parsed(&log)["events"].as_array().map(Vec::is_empty), Some(false), "{log}");
}
