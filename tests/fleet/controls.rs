//! A worker is paused, or somebody else runs its kind: it takes nothing new and says why.
//!
//! Proves the controls with real processes: what runs is finished, nothing is handed back, and whoever looks is told.

use printery_testkit::{Answer, Ended, HttpService, Process, eventually};
use serde_json::{Value, json};

use crate::site::{SOON, Site, fleet_file, parsed};

/// Types a command that must succeed.
async fn typed(site: &Site, words: &[&str]) -> String {
    let process = site.launch("printery-workers").args(words).start();
    assert_eq!(process.wait(SOON).await, Ended::Code(0), "{}", process.report());
    process.stdout().join("\n")
}

/// What the validator has made of the latest event that an id means.
async fn explained(site: &Site, id: &str) -> Value {
    let shown = parsed(&typed(site, &["explain", id, "--json"]).await);
    let readers = shown["events"][0]["readers"].as_array().cloned().unwrap_or_default();
    let of_validator = readers.into_iter().find(|reader| reader["worker"] == "validator");
    of_validator.unwrap_or_else(|| panic!("no validator: {shown:#}"))
}

/// Waits until the record of the validator's process says that it is held, or that it is not.
async fn wait_for_hold(site: &Site, state: Option<&str>) {
    eventually("the process says whether it is held", SOON, async || {
        let records = site.conn.texts(&["HVALS", "materi:printery:instances"]).await;
        let record = records.first().map(|record| parsed(record)).unwrap_or_default();
        let held = record["hold"]["state"].as_str().map(ToOwned::to_owned);
        if !record.is_null() && held.as_deref() == state { Ok(()) } else { Err(record.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn a_paused_worker_finishes_what_runs_and_takes_nothing_new() {
    let service = HttpService::start().await;
    service.answer(Answer::Hold);
    let site = Site::new(&fleet_file(&service.url())).await;
    let validator = site.worker("validator").start();
    let first = site.start_deployment(1).await;
    eventually("the first check is asked for", SOON, async || !service.requests().is_empty()).await;

    typed(&site, &["group", "pause", "validator", "--reason", "a migration"]).await;
    wait_for_hold(&site, Some("paused")).await;
    let second = site.start_deployment(2).await;
    assert_eq!(explained(&site, &first).await["reason"], "running", "it is not handed back");
    service.answer(Answer::Healthy);
    site.wait_for_results("validation:completed", 1, SOON).await;

    let waiting = explained(&site, &second).await;
    assert_eq!((&waiting["reason"], &waiting["place"]), (&json!("paused"), &json!("undelivered")));
    assert!(
        validator.lines().iter().any(|line| line.contains("a migration")),
        "{}",
        validator.report()
    );
    let status = typed(&site, &["status"]).await;
    assert!(status.contains("a migration"), "{status}");
    assert_eq!(site.results("validation:completed").await.len(), 1, "{}", site.world().await);

    typed(&site, &["group", "resume", "validator"]).await;
    site.wait_for_results("validation:completed", 2, SOON).await;
    site.assert_exactly_once("validation:completed", &[first, second]).await;
    assert_eq!(validator.ended(), None);
}

#[tokio::test]
async fn a_worker_that_starts_while_somebody_else_owns_its_kind_takes_nothing() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    typed(&site, &["owner", "set", "validator", "legacy"]).await;
    let id = site.start_deployment(1).await;
    let validator = site.worker("validator").env("PRINTERY_HTTP_ADDR", "127.0.0.1:0").start();
    wait_for_hold(&site, Some("owned_elsewhere")).await;
    let found = explained(&site, &id).await;
    assert_eq!(
        (&found["reason"], &found["details"]["owner"]),
        (&json!("owned_elsewhere"), &json!("legacy"))
    );
    let health = health(&site, &validator).await;
    assert_eq!((&health["status"], &health["hold"]["owner"]), (&json!("ok"), &json!("legacy")));

    typed(&site, &["owner", "set", "validator", "printery"]).await;
    site.wait_for_results("validation:completed", 1, SOON).await;
    wait_for_hold(&site, None).await;
}

/// What the worker's own `/health` says.
async fn health(site: &Site, validator: &Process) -> Value {
    let address = eventually("it tells where it listens", SOON, async || {
        let records = site.conn.texts(&["HVALS", "materi:printery:instances"]).await;
        let record = records.first().map(|record| parsed(record)).unwrap_or_default();
        record["http"].as_str().map(ToOwned::to_owned).ok_or_else(|| validator.report())
    })
    .await;
    let response = printery_testkit::get(&address, "/health").await.expect("it listens");
    assert_eq!(response.status, 200);
    response.json()
}

#[tokio::test]
async fn controls_that_cannot_be_read_change_nothing() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let _validator = site.worker("validator").start();
    typed(&site, &["group", "pause", "validator"]).await;
    wait_for_hold(&site, Some("paused")).await;
    let id = site.start_deployment(1).await;
    let beat = async || {
        let records = site.conn.texts(&["HVALS", "materi:printery:instances"]).await;
        parsed(&records[0])["beat_ms"].as_u64().unwrap_or_default()
    };
    site.conn.cmd(&["SET", "materi:printery:controls", "not a hash"]).await;
    let before = beat().await;
    eventually("it has beaten twice since", SOON, async || beat().await >= before + 6_000).await;
    wait_for_hold(&site, Some("paused")).await;
    assert_eq!(site.results("validation:completed").await.len(), 0);
    site.conn.cmd(&["DEL", "materi:printery:controls"]).await;
    site.wait_for_results("validation:completed", 1, SOON).await;
    site.assert_exactly_once("validation:completed", &[id]).await;
}
