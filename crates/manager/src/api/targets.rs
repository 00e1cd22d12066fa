//! `GET /api/metrics/targets`: where Prometheus finds every process of this manager.
//!
//! Prometheus asks it as its HTTP service discovery. A child is listed under the address it serves;
//! one on a loopback address can only be scraped from this machine, and the manager's own answer
//! covers it.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::HOST;
use serde_json::{Value, json};

use crate::api::Api;

/// Answers `GET /api/metrics/targets`.
pub(crate) async fn targets(State(api): State<Api>, headers: HeaderMap) -> Json<Value> {
    let snapshot = api.last();
    let facts = &api.facts;
    // As whoever asks has reached this manager, so they can scrape it.
    let own = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost:8082");
    let group = |target: &str, worker: &str| {
        json!({
            "targets": [target],
            "labels": {
                "__metrics_path__": "/metrics",
                "prefix": facts.prefix, "environment": facts.environment, "worker": worker,
            },
        })
    };
    let children = snapshot.workers.iter().filter_map(|worker| {
        let address = worker.http.filter(|address| !address.ip().is_loopback())?;
        Some(group(&address.to_string(), &worker.worker))
    });
    Json(std::iter::once(group(own, "manager")).chain(children).collect())
}
