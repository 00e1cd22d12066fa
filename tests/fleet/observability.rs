//! What the fleet says about itself over HTTP.
//!
//! Proves the contract's sections 9 and 10: health, readiness, status and the metrics by name.

use std::collections::BTreeSet;

use printery_events::topology::WORKERS;
use printery_testkit::{HttpService, Process, eventually, free_port, get};
use serde_json::{Value, json};

use crate::happy_path::fleet;
use crate::site::{SOON, Site, fleet_file, stream};

/// The metrics that are there whatever has happened; the others appear with their first event.
const ALWAYS: [&str; 15] = [
    "printery_blocked",
    "printery_build_info",
    "printery_commits_fenced_total",
    "printery_consumer_lag",
    "printery_dlq_size",
    "printery_events_lost_total",
    "printery_events_reclaimed_total",
    "printery_instances",
    "printery_pending",
    "printery_pending_oldest_seconds",
    "printery_redis_reconnects_total",
    "printery_retrying",
    "printery_worker_panics_total",
    "printery_worker_up",
    "printery_worker_uptime_seconds",
];

/// The metrics of handled events, good and bad.
const OF_EVENTS: [&str; 4] = [
    "printery_event_processing_duration_seconds_count",
    "printery_event_wait_seconds_count",
    "printery_events_failed_total",
    "printery_events_processed_total",
];

async fn metrics(addr: &str) -> String {
    get(addr, "/metrics").await.map_or_else(|error| error.to_string(), |response| response.body)
}

/// Waits until a path is answered with this status, and returns the body.
async fn answered(addr: &str, path: &str, status: u16, process: &Process) -> Value {
    eventually(&format!("{path} answers {status}"), SOON, async || match get(addr, path).await {
        Ok(response) if response.status == status => Ok(response.json()),
        other => Err(format!("{other:?}\n{}", process.report())),
    })
    .await
}

#[tokio::test]
async fn the_metrics_have_the_contracts_names_and_no_ids() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let (_manager, addr) = fleet(&site).await;
    site.start_deployment(1).await;
    site.conn.add(&stream("deployment:started"), &[("id", "garbage")]).await;
    eventually("every metric is there", SOON, async || {
        let metrics = metrics(&addr).await;
        let names: BTreeSet<&str> =
            metrics.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
        let missing: Vec<_> =
            ALWAYS.iter().chain(&OF_EVENTS).filter(|name| !names.contains(**name)).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("missing {missing:?} in\n{metrics}")) }
    })
    .await;
    let metrics = metrics(&addr).await;
    for id in ["d-1", "e-1", "garbage"] {
        assert!(!metrics.contains(&format!("\"{id}\"")), "{id} is a label:\n{metrics}");
    }
}

#[tokio::test]
async fn a_dead_letter_is_counted_where_it_waits() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let (_manager, addr) = fleet(&site).await;
    site.conn.add(&stream("deployment:started"), &[("id", "garbage")]).await;
    // Both who read that stream have put it away.
    for worker in ["validator", "notifier"] {
        eventually(&format!("{worker}'s dead letter is counted"), SOON, async || {
            let metrics = metrics(&addr).await;
            let counted = metrics.lines().any(|line| {
                line.starts_with("printery_dlq_size{")
                    && line.contains(&format!("\"{worker}\""))
                    && line.ends_with(" 1")
            });
            if counted { Ok(()) } else { Err(metrics) }
        })
        .await;
    }
}

#[tokio::test]
async fn health_says_that_redis_is_away_and_when_it_is_back() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let (manager, addr) = fleet(&site).await;
    answered(&addr, "/health", 200, &manager).await;
    site.redis.freeze();
    let health = answered(&addr, "/health", 503, &manager).await;
    assert_ne!(health["parts"]["redis"]["status"], "ok", "{health:#}");
    site.redis.thaw();
    let health = answered(&addr, "/health", 200, &manager).await;
    assert_eq!(health["parts"]["redis"]["status"], "ok", "{health:#}");
}

#[tokio::test]
async fn status_shows_every_worker_and_what_waits_for_it() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let (manager, addr) = fleet(&site).await;
    let status = answered(&addr, "/api/status", 200, &manager).await;
    let workers = status["workers"].as_array().into_iter().flatten();
    let shown: Vec<(&Value, &Value)> =
        workers.map(|worker| (&worker["worker"], &worker["ready"])).collect();
    let expected: Vec<(Value, Value)> =
        WORKERS.iter().map(|worker| (json!(worker.name), json!(true))).collect();
    assert_eq!(shown, expected.iter().map(|(name, ready)| (name, ready)).collect::<Vec<_>>());
    let streams = status["streams"].as_array().expect("streams");
    assert!(streams.iter().all(|stream| stream["exists"] == true), "{status:#}");
}

#[tokio::test]
async fn a_worker_of_its_own_answers_for_itself() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    for worker in WORKERS {
        let addr = format!("127.0.0.1:{}", free_port());
        let process = site.worker(worker.name).env("PRINTERY_HTTP_ADDR", &addr).start();
        answered(&addr, "/ready", 200, &process).await;
        answered(&addr, "/health", 200, &process).await;
        let metrics = metrics(&addr).await;
        assert!(metrics.contains("printery_build_info"), "{}: {metrics}", worker.name);
    }
}
