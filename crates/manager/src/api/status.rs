//! `GET /api/status`, `/api/workers`, `/api/workers/:worker` and `/api/groups`: the fleet as JSON.
//!
//! All of them show the same snapshot, or a part of it; Redis is asked at most once a second. The
//! status has sums for whoever thinks in jobs besides, and what happened last.

use axum::Json;
use axum::extract::{Path, State};
use printery_fleet::activity::{self, Activity};
use serde::Serialize;
use serde_json::json;

use crate::api::Api;
use crate::api::error::ApiError;
use crate::archive::Standing;
use crate::snapshot::{GroupView, Snapshot, WorkerView};

/// Happenings of an answer, the youngest.
const RECENT: usize = 20;

/// The snapshot, and what it means for jobs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FleetStatus {
    #[serde(flatten)]
    snapshot: Snapshot,
    pipelines: Vec<PipelineView>,
    /// The sum of them.
    queue: Queue,
    active_jobs: u64,
    queued_jobs: u64,
    /// What happened last, the youngest first; empty while Redis is away.
    recent_activity: Vec<Activity>,
    /// What remembers jobs beyond Redis; null where nothing does.
    store: Option<Standing>,
}

/// A worker kind as a pipeline.
#[derive(Debug, Serialize)]
struct PipelineView {
    id: String,
    ready: bool,
    #[serde(flatten)]
    queue: Queue,
}

/// Jobs that have not ended well yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
struct Queue {
    /// They wait for a process, for their time or for their turn.
    queued: u64,
    /// Processes have them.
    active: u64,
    /// Of those that wait, those that failed and are tried again.
    retrying: u64,
    /// They were given up.
    failed: u64,
}

impl Queue {
    /// A worker's, summed over its streams.
    fn of(snapshot: &Snapshot, worker: &str) -> Self {
        let streams = || snapshot.streams.iter().filter(|stream| stream.worker == worker);
        let waiting: u64 = streams().filter_map(|stream| stream.lag).sum();
        let beside = snapshot.queues.iter().filter(|queue| queue.worker == worker);
        let seen = Self {
            queued: waiting,
            active: streams().map(|stream| stream.pending).sum(),
            ..Self::default()
        };
        beside.fold(seen, |all, queue| Self {
            queued: all.queued + queue.delayed + queue.in_line,
            retrying: all.retrying + queue.delayed,
            failed: all.failed + queue.dead_letters,
            ..all
        })
    }

    fn with(self, other: Self) -> Self {
        Self {
            queued: self.queued + other.queued,
            active: self.active + other.active,
            retrying: self.retrying + other.retrying,
            failed: self.failed + other.failed,
        }
    }
}

/// Answers `GET /api/status`.
pub(crate) async fn status(State(mut api): State<Api>) -> Json<FleetStatus> {
    let snapshot = api.fresh().await;
    let view = |worker: &WorkerView| PipelineView {
        id: worker.worker.clone(),
        ready: worker.ready,
        queue: Queue::of(&snapshot, &worker.worker),
    };
    let pipelines: Vec<PipelineView> = snapshot.workers.iter().map(view).collect();
    let queue = pipelines.iter().map(|one| one.queue).fold(Queue::default(), Queue::with);
    Json(FleetStatus {
        recent_activity: recent(&api, &snapshot).await,
        store: api.desk.archive().standing(),
        active_jobs: queue.active,
        queued_jobs: queue.queued,
        queue,
        pipelines,
        snapshot,
    })
}

/// What happened last; nobody who asks how things stand waits for a Redis that is away.
async fn recent(api: &Api, snapshot: &Snapshot) -> Vec<Activity> {
    if !snapshot.redis.up {
        return Vec::new();
    }
    let mut target = api.desk.target();
    let found = activity::latest(&mut target.session, &target.keys, None, RECENT).await;
    found.unwrap_or_else(|error| {
        tracing::debug!(%error, "recent activity is not shown");
        Vec::new()
    })
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
