//! The manager's HTTP interface: health, metrics and the status API.
//!
//! Owns what all handlers share; the routes stand in `table`. One file per subject; handlers read what
//! supervisor and collector publish and never touch a child or Redis themselves.
//!
//! Source: contract §9.

pub(crate) mod access;
mod activity;
mod attempts;
mod budget;
mod dead_letters;
mod deployments;
pub(crate) mod desk;
pub(crate) mod error;
mod events;
pub(crate) mod guard;
pub(crate) mod health;
mod metrics;
mod openapi;
mod orders;
mod page;
mod pipelines;
mod route;
pub(crate) mod server;
mod status;
mod stream;
mod table;
mod targets;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::{Extension, Router};
use jiff::Timestamp;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use crate::api::desk::Desk;
use crate::api::error::ApiError;
use crate::api::guard::Guard;
use crate::checker::Unwell;
use crate::collector::Collected;
use crate::roll::Roll;
use crate::snapshot::{Facts, Observation, Snapshot, Sources, assemble};

/// Largest body of a request, in bytes. 1 MiB, as for an entry.
const LARGEST_BODY: usize = 1 << 20;

/// What handlers share. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    /// What does not change while the manager runs.
    pub(crate) facts: Arc<Facts>,
    /// The children.
    pub(crate) roll: watch::Receiver<Roll>,
    /// What Redis says.
    pub(crate) collected: Collected,
    /// This process' metrics.
    pub(crate) recorder: PrometheusHandle,
    /// Children whose health checks fail.
    pub(crate) unwell: watch::Receiver<Unwell>,
    /// What requests work with that look into Redis themselves.
    pub(crate) desk: Desk,
}

impl Api {
    /// The fleet as it was last seen; asks nobody.
    pub(crate) fn last(&self) -> Snapshot {
        self.with(&self.collected.last())
    }

    /// The fleet as it is now, or a second ago.
    pub(crate) async fn fresh(&mut self) -> Snapshot {
        let observation = self.collected.fresh().await;
        self.with(&observation)
    }

    fn with(&self, observation: &Observation) -> Snapshot {
        let sources = Sources {
            facts: &self.facts,
            roll: &self.roll.borrow(),
            unwell: &self.unwell.borrow(),
            observation,
        };
        assemble(sources, Timestamp::now())
    }
}

/// Puts the routes together behind the guard.
pub(crate) fn routes(api: Api, guard: Guard) -> Router {
    let table = table::table();
    let document: openapi::Document = Arc::new(openapi::document(&table));
    let routed = table.into_iter().fold(Router::new(), |router, route| route.onto(router));
    routed
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .with_state(api)
        .layer(Extension(document))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn_with_state(guard, guard::check))
        .layer(from_fn(harden))
}

async fn unknown_path(uri: Uri) -> ApiError {
    ApiError::not_found(format!("there is nothing at {}", uri.path()))
}

async fn unknown_method() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED",
        "this path does not take this method",
    )
}

/// Headers that keep a browser from doing more with an answer than showing it.
async fn harden(request: Request, next: Next) -> Response {
    const HEADERS: [(HeaderName, &str); 4] = [
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
        (HeaderName::from_static("referrer-policy"), "no-referrer"),
        (HeaderName::from_static("cache-control"), "no-store"),
        (
            HeaderName::from_static("content-security-policy"),
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; \
             base-uri 'none'; form-action 'self'",
        ),
    ];
    let mut answer = next.run(request).await;
    for (name, value) in HEADERS {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

#[cfg(test)]
mod tests;
