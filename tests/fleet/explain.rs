//! Whatever state real processes bring an entry into, `explain` names it, and the command it tells changes it.
//!
//! Proves `explain` against the fleet itself; each single answer is compared word for word beside the command line.

use printery_testkit::{Answer, Ended, HttpService, eventually};
use serde_json::{Value, json};

use crate::retry::telling;
use crate::site::{PREFIX, SOON, Site, fleet_file, parsed, started, stream};

/// What a worker has made of the one event that an id means.
async fn explained(site: &Site, id: &str, worker: &str) -> Value {
    let words = ["explain", id, "--json", "--lease", "1s"];
    let process = site.launch("printery-workers").args(words).start();
    assert_eq!(process.wait(SOON).await, Ended::Code(0), "{}", process.report());
    let shown = parsed(&process.stdout().join("\n"));
    let readers = shown["events"][0]["readers"].as_array().cloned().unwrap_or_default();
    let its = readers.into_iter().find(|reader| reader["worker"] == worker);
    its.unwrap_or_else(|| panic!("no {worker}: {shown:#}"))
}

/// Waits until a worker's reason is this one.
async fn wait_for(site: &Site, id: &str, worker: &str, reason: &str) -> Value {
    eventually(&format!("{id} is {reason}"), SOON, async || {
        let found = explained(site, id, worker).await;
        if found["reason"] == reason { Ok(found) } else { Err(found.to_string()) }
    })
    .await
}

#[tokio::test]
async fn an_entry_is_followed_through_a_death_and_those_behind_it_name_it() {
    let service = HttpService::start().await;
    service.answer(Answer::Hold);
    let site = Site::new(&fleet_file(&service.url())).await;
    let mut entries = Vec::new();
    for id in ["e-1", "e-2"] {
        entries.push(site.conn.add(&stream("deployment:started"), &started(1, id)).await);
    }
    assert_eq!(explained(&site, "e-1", "validator").await["reason"], "undelivered");

    let validator = site.worker("validator").args(["--concurrency", "2"]).start();
    eventually("the check is asked for", SOON, async || !service.requests().is_empty()).await;
    let running = wait_for(&site, "e-1", "validator", "running").await;
    assert_eq!(running["details"]["pid"], validator.pid(), "{running:#}");
    assert_eq!(running["command"], format!("kill -TERM {}", validator.pid()));
    let blocked = wait_for(&site, "e-2", "validator", "blocked_by_order").await;
    let head = &blocked["details"]["head"];
    assert_eq!((&head["entry"], &head["reason"]), (&json!(entries[0]), &json!("running")));

    validator.kill9();
    let expired = wait_for(&site, "e-1", "validator", "lease_expired").await;
    assert!(
        expired["why"].as_str().is_some_and(|why| why.contains("has been silent")),
        "{expired}"
    );
    service.answer(Answer::Healthy);
    let _successor = site.worker("validator").start();
    site.wait_for_results("validation:completed", 2, SOON).await;
    for id in ["e-1", "e-2"] {
        assert_eq!(explained(&site, id, "validator").await["reason"], "done");
    }
}

#[tokio::test]
async fn the_command_that_is_told_brings_a_dead_letter_back() {
    let hook = HttpService::start().await;
    hook.answer(Answer::Status(503));
    let site = Site::new(&telling(&hook)).await;
    let _notifier = site.worker("notifier").start();
    let id = site.start_deployment(1).await;
    let dead = wait_for(&site, &id, "notifier", "dead").await;
    assert_eq!(dead["details"]["attempts"], 3, "{dead:#}");
    hook.answer(Answer::Healthy);
    let command = dead["command"].as_str().unwrap_or_default().to_owned();
    // A person at a terminal is asked; a script has to say yes.
    let words = command.split(' ').skip(1).chain(["--yes"]);
    let process = site.launch("printery-workers").args(words).start();
    assert_eq!(process.wait(SOON).await, Ended::Code(0), "{}", process.report());
    let done = wait_for(&site, &id, "notifier", "done").await;
    assert_eq!(done["details"]["results"], 1, "{done:#}");
}

#[tokio::test]
async fn a_retry_counts_its_attempts_and_can_be_made_due_by_hand() {
    let hook = HttpService::start().await;
    hook.answer(Answer::Status(503));
    let mut file = telling(&hook);
    file["engine"] = json!({ "backoff": { "base": "1h", "cap": "1h" } });
    let site = Site::new(&file).await;
    let _notifier = site.worker("notifier").start();
    let id = site.start_deployment(1).await;
    let delayed = wait_for(&site, &id, "notifier", "delayed").await;
    let details = &delayed["details"];
    assert_eq!(
        (&details["attempt"], &details["max_attempts"]),
        (&json!(2), &json!(3)),
        "{details}"
    );
    hook.answer(Answer::Healthy);
    let by_hand = delayed["redis_cli_change"].as_array().cloned().unwrap_or_default();
    let words: Vec<&str> = by_hand.iter().filter_map(Value::as_str).collect();
    assert_eq!(words[1], format!("{PREFIX}:printery:delay:notifier"));
    site.conn.cmd(&words).await;
    wait_for(&site, &id, "notifier", "done").await;
}
