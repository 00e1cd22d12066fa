//! `GET /health` and `GET /ready`: is it alive, and can it be relied upon?
//!
//! Judged from what supervisor and collector last published; Redis is never asked for it, so an
//! orchestrator may ask as often as it likes.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;

use crate::api::Api;
use crate::archive::Standing;
use crate::roll::State as ChildState;
use crate::snapshot::{ManagerState, RedisView, Snapshot, WorkerState, WorkerView};

/// How long Redis may be silent before the manager says that it is not well. 5 s: shorter breaks
/// heal by themselves.
const REDIS_GRACE: Duration = Duration::from_secs(5);

/// How well something is; ordered from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Wellness {
    /// As it should be.
    Ok,
    /// Not as it should be, and expected to become so by itself.
    Degraded,
    /// Somebody has to look.
    Failing,
}

/// One part of the whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Part {
    status: Wellness,
    /// What it is doing or what is wrong.
    detail: String,
}

/// What `/health` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Health {
    status: Wellness,
    parts: BTreeMap<String, Part>,
    version: String,
    uptime_seconds: u64,
    timestamp: Timestamp,
}

/// What `/ready` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Readiness {
    ready: bool,
    waiting_for: Vec<String>,
}

/// Answers `GET /health`.
pub(crate) async fn health(State(api): State<Api>) -> Response {
    let health = judge(&api.last(), api.desk.archive().standing());
    let status = match health.status {
        Wellness::Ok | Wellness::Degraded => StatusCode::OK,
        Wellness::Failing => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(health)).into_response()
}

/// Answers `GET /ready`.
pub(crate) async fn ready(State(api): State<Api>) -> Response {
    let readiness = readiness(&api.last());
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

fn judge(snapshot: &Snapshot, archive: Option<Standing>) -> Health {
    let mut parts = BTreeMap::new();
    parts.extend(archive.map(|standing| ("store".to_owned(), store(standing))));
    parts.insert("process".to_owned(), process(snapshot));
    parts.insert("redis".to_owned(), redis(&snapshot.redis, snapshot.timestamp));
    for one in &snapshot.workers {
        if let WorkerState::Here(state) = one.state {
            parts.insert(one.worker.clone(), worker(one, state));
        }
    }
    Health {
        status: parts.values().map(|part| part.status).max().unwrap_or(Wellness::Ok),
        parts,
        version: snapshot.manager.facts.version.clone(),
        uptime_seconds: snapshot.manager.uptime_seconds,
        timestamp: snapshot.timestamp,
    }
}

fn process(snapshot: &Snapshot) -> Part {
    let detail = match snapshot.manager.state {
        ManagerState::Starting => "starting",
        ManagerState::Running => "running",
        ManagerState::Draining => "draining",
    };
    Part { status: Wellness::Ok, detail: detail.to_owned() }
}

/// No event waits for it, so it never fails the whole.
fn store(standing: Standing) -> Part {
    let (status, detail) = match standing {
        Standing::Lazy => (Wellness::Ok, "lazy: it starts with the first question".to_owned()),
        Standing::Running => (Wellness::Ok, "running".to_owned()),
        Standing::Degraded(problem) => (Wellness::Degraded, problem),
    };
    Part { status, detail }
}

fn redis(redis: &RedisView, now: Timestamp) -> Part {
    if redis.up && redis.groups_exist {
        return Part { status: Wellness::Ok, detail: format!("{} answers", redis.address) };
    }
    let down_for = redis.down_since.map(|since| now.duration_since(since).unsigned_abs());
    let long = down_for.is_some_and(|down| down >= REDIS_GRACE);
    let status = if long { Wellness::Failing } else { Wellness::Degraded };
    let problem = redis.problem.clone();
    let detail = problem.unwrap_or_else(|| "groups are missing".to_owned());
    Part { status, detail: format!("{}: {detail}", redis.address) }
}

fn worker(worker: &WorkerView, state: ChildState) -> Part {
    use ChildState::{Failed, Lazy, Restarting, Running, Starting, Stopped, Stopping, Waiting};
    let status = match state {
        Running if worker.problem.is_some() => Wellness::Failing,
        // Its own check fails while it cannot reach Redis, which is a part of its own here.
        Running if worker.check.is_some() => Wellness::Degraded,
        // Nobody needs it.
        Running | Lazy => Wellness::Ok,
        Failed => Wellness::Failing,
        Waiting | Starting | Restarting | Stopping | Stopped => Wellness::Degraded,
    };
    let detail = worker.problem.as_deref().or(worker.check.as_deref());
    let detail = detail.unwrap_or(worker.state.as_str());
    Part { status, detail: detail.to_owned() }
}

fn readiness(snapshot: &Snapshot) -> Readiness {
    let mut waiting_for = Vec::new();
    if !(snapshot.redis.up && snapshot.redis.groups_exist) {
        waiting_for.push("redis".to_owned());
    }
    let lazy = WorkerState::Here(ChildState::Lazy);
    let here = snapshot
        .workers
        .iter()
        .filter(|worker| !worker.state.is_elsewhere() && worker.state != lazy);
    waiting_for.extend(here.filter(|worker| !worker.ready).map(|worker| worker.worker.clone()));
    if snapshot.manager.state == ManagerState::Draining {
        waiting_for.push("nothing: the fleet is stopping".to_owned());
    }
    Readiness { ready: snapshot.manager.ready, waiting_for }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roll::{ChildView, State};
    use crate::snapshot::tests::{child, observation, snapshot};

    #[test]
    fn the_worst_part_is_the_whole() {
        let silent = ChildView { silent: true, ..child("validator", State::Running) };
        let table = [
            (child("validator", State::Running), Wellness::Ok),
            (child("validator", State::Starting), Wellness::Degraded),
            (child("validator", State::Restarting), Wellness::Degraded),
            (child("validator", State::Failed), Wellness::Failing),
            (silent, Wellness::Failing),
        ];
        for (validator, expected) in table {
            let notifier = child("notifier", State::Running);
            let whole = snapshot(vec![validator.clone(), notifier], &observation(), 100);
            assert_eq!(judge(&whole, None).status, expected, "{validator:?}");
        }
    }

    #[test]
    fn a_short_break_of_redis_is_not_a_failure() {
        let mut found = observation();
        found.redis.up = false;
        for (since, expected) in [(97, Wellness::Degraded), (95, Wellness::Failing)] {
            found.redis.down_since = Some(Timestamp::from_second(since).unwrap());
            assert_eq!(judge(&snapshot(Vec::new(), &found, 100), None).status, expected);
        }
    }

    #[test]
    fn a_history_out_of_order_degrades_and_nothing_more() {
        let whole = snapshot(vec![child("validator", State::Running)], &observation(), 100);
        for (standing, expected) in [
            (Standing::Lazy, Wellness::Ok),
            (Standing::Running, Wellness::Ok),
            (Standing::Degraded("the disk is full".to_owned()), Wellness::Degraded),
        ] {
            assert_eq!(judge(&whole, Some(standing)).status, expected);
        }
    }

    #[test]
    fn readiness_names_what_is_missing() {
        let mut found = observation();
        found.redis.groups_exist = false;
        let children = vec![child("validator", State::Running), child("notifier", State::Failed)];
        let unready = readiness(&snapshot(children, &found, 100));
        assert_eq!(
            (unready.ready, unready.waiting_for),
            (false, vec!["redis".to_owned(), "notifier".to_owned(),])
        );
        let ready =
            readiness(&snapshot(vec![child("validator", State::Running)], &observation(), 100));
        assert_eq!(ready, Readiness { ready: true, waiting_for: Vec::new() });
        // A control plane without workers of its own is ready with Redis and the groups.
        assert!(readiness(&snapshot(Vec::new(), &observation(), 100)).ready);
    }
}
