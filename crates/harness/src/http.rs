//! What a worker serves: `/health`, `/ready` and `/metrics`.
//!
//! For probes and scrapers; it changes nothing and needs no token.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use printery_fleet::controls::Hold;
use serde::Serialize;
use tokio::net::TcpListener;

use crate::controls::Controls;
use crate::pulse::Pulse;

/// What the answers are made of.
#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) worker: &'static str,
    pub(crate) instance: String,
    pub(crate) pulse: Pulse,
    pub(crate) controls: Controls,
    pub(crate) metrics: PrometheusHandle,
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    worker: &'static str,
    instance: String,
    parts: Parts,
    /// Why it takes nothing new; a held process is a healthy one.
    hold: Option<Hold>,
}

#[derive(Serialize)]
struct Parts {
    /// Whether the worker loop turns.
    r#loop: &'static str,
    /// Whether Redis answers. Its absence does not make the process unhealthy: it waits.
    redis: &'static str,
}

/// Opens the listening socket.
///
/// # Errors
/// A sentence that names the address.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| format!("--http-addr {address}: {error}"))
}

/// Serves for ever; ended by being dropped.
pub(crate) async fn serve(listener: TcpListener, shown: Shown) {
    let routes = Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(render))
        .with_state(shown);
    if let Err(error) = axum::serve(listener, routes).await {
        tracing::error!(%error, "the HTTP server ended");
    }
}

async fn health(State(shown): State<Shown>) -> impl IntoResponse {
    let beats = shown.pulse.is_beating();
    let code = if beats { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = |good: bool, otherwise| if good { "ok" } else { otherwise };
    let health = Health {
        status: word(beats, "stuck"),
        worker: shown.worker,
        instance: shown.instance,
        parts: Parts {
            r#loop: word(beats, "stuck"),
            redis: word(shown.pulse.redis_answers(), "away"),
        },
        hold: shown.controls.hold(),
    };
    (code, axum::Json(health))
}

async fn ready(State(shown): State<Shown>) -> impl IntoResponse {
    if shown.pulse.is_ready() {
        (StatusCode::OK, axum::Json(serde_json::json!({"ready": true})))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, axum::Json(serde_json::json!({"ready": false})))
    }
}

async fn render(State(shown): State<Shown>) -> impl IntoResponse {
    shown.metrics.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], shown.metrics.render())
}
