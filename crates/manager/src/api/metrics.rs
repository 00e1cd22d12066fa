//! `GET /metrics`: what this manager measures, and what its children answer to the same question.
//!
//! Children are asked at the moment of the scrape, over loopback, all at once; one that does not
//! answer in time is left out, and `printery_worker_up` says the rest.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use futures_util::future::join_all;
use printery_events::topology::WORKERS;
use printery_fleet::controls;
use printery_fleet::destinations::CircuitState;
use tokio::time::timeout;

use crate::api::Api;
use crate::cli::breaker;
use crate::local_http;
use crate::metrics_merge::{Source, merge};
use crate::telemetry;

/// How long a child may take to answer a scrape. 1 s: it only prints numbers.
const PATIENCE: Duration = Duration::from_secs(1);
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers `GET /metrics`.
pub(crate) async fn metrics(State(api): State<Api>) -> impl IntoResponse {
    let snapshot = api.last();
    telemetry::scraped(&snapshot);
    // A Redis that stalls must not keep what this process knows by itself from being scraped.
    if snapshot.redis.up && timeout(PATIENCE, ask_redis(&api)).await.is_err() {
        tracing::debug!("circuits and owners are not known in time");
    }
    let children = snapshot.workers.iter().filter_map(|worker| {
        let address = worker.http.filter(|address| address.ip().is_loopback())?;
        Some(scrape(worker.worker.clone(), address))
    });
    let answers: Vec<_> = join_all(children).await.into_iter().flatten().collect();
    let own = api.recorder.render();
    let mut sources = vec![Source { worker: None, text: &own }];
    sources.extend(
        answers.iter().map(|(worker, text)| Source { worker: Some(worker.as_str()), text }),
    );
    ([(CONTENT_TYPE, FORMAT)], merge(&sources))
}

/// Shows what only Redis knows: how receivers fare, and who runs each worker kind.
async fn ask_redis(api: &Api) {
    let mut target = api.desk.target();
    match breaker::circuits(&mut target).await {
        Ok((rows, now_ms)) => {
            // Partitions have circuits of their own; one that is open is what somebody must know.
            let mut worst: BTreeMap<&String, CircuitState> = BTreeMap::new();
            for (receiver, _, standing) in &rows {
                let state = standing.circuit(now_ms);
                let known = worst.entry(receiver).or_insert(state);
                *known = state.max(*known);
            }
            for (receiver, state) in worst {
                telemetry::circuit(receiver, state);
            }
        }
        Err(failure) => tracing::debug!(failure.text, "circuits are not known"),
    }
    match controls::read(&mut target.session, &target.keys).await {
        Ok(controls) => {
            for worker in WORKERS {
                telemetry::owner(worker.name, controls.of(worker.name).owner());
            }
        }
        Err(error) => tracing::debug!(%error, "owners are not known"),
    }
}

async fn scrape(worker: String, address: SocketAddr) -> Option<(String, String)> {
    match local_http::get(address, "/metrics", PATIENCE).await {
        Ok(answer) if answer.status == 200 => Some((worker, answer.body)),
        Ok(answer) => {
            tracing::debug!(worker, status = answer.status, "metrics not scraped");
            None
        }
        Err(error) => {
            tracing::debug!(worker, %error, "metrics not scraped");
            None
        }
    }
}
