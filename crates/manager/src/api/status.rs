//! `GET /api/status`, `/api/workers`, `/api/workers/:worker` and `/api/groups`: the fleet as JSON.
//!
//! All of them show the same snapshot, or a part of it; Redis is asked at most once a second.

use axum::Json;
use axum::extract::{Path, State};
use serde_json::json;

use crate::api::Api;
use crate::api::error::ApiError;
use crate::snapshot::{GroupView, Snapshot, WorkerView};

/// Answers `GET /api/status`.
pub(crate) async fn status(State(mut api): State<Api>) -> Json<Snapshot> {
    Json(api.fresh().await)
}

/// Answers `GET /api/workers`.
pub(crate) async fn workers(State(mut api): State<Api>) -> Json<Vec<WorkerView>> {
    Json(api.fresh().await.workers)
}

/// Answers `GET /api/workers/:worker`.
pub(crate) async fn worker(
    State(mut api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<WorkerView>, ApiError> {
    let workers = api.fresh().await.workers;
    let known: Vec<_> = workers.iter().map(|worker| worker.worker.clone()).collect();
    workers.into_iter().find(|worker| worker.worker == name).map(Json).ok_or_else(|| {
        ApiError::not_found("there is no such worker").with_details(json!({"workers": known}))
    })
}

/// Answers `GET /api/groups`.
pub(crate) async fn groups(State(mut api): State<Api>) -> Json<Vec<GroupView>> {
    Json(api.fresh().await.streams)
}
