//! `GET /api/dlq/:worker` and `POST /api/dlq/:worker/:id/redrive|resolve|abandon`.
//!
//! The same moves as `printery-workers dlq`, for one letter a request, each on record in the
//! operator log before it is made.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use jiff::Timestamp;
use printery_events::topology::Worker;
use printery_fleet::dead_letters::{
    self, DeadLetter, Decision, PutAway, Redriven, Resolution, put_away, revive,
};
use printery_fleet::operator_log;
use printery_streams::{EntryId, Partition, inspect};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::Api;
use crate::api::access::Caller;
use crate::api::desk::worker_at;
use crate::api::error::{ApiError, json_body};
use crate::cli::target::Target;

/// Letters of an answer when nobody says.
const LIMIT: usize = 20;
/// Letters of an answer at most.
const MOST: usize = 100;
/// Letters among which an event's id is looked for, the youngest. An entry's id is always found.
const SEARCHED: usize = 1_000;

/// Which part of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    limit: Option<usize>,
    before: Option<String>,
}

/// Who decides, and why.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Decided {
    #[serde(default)]
    notes: String,
    actor: Option<String>,
}

/// Answers `GET /api/dlq/:worker`: the youngest first, of all partitions.
pub(crate) async fn list(
    State(api): State<Api>,
    Path(name): Path<String>,
    page: Result<Query<Page>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let worker = worker_at(&name)?;
    let Query(page) = page.map_err(|rejected| ApiError::invalid(rejected.body_text()))?;
    let limit = page.limit.unwrap_or(LIMIT).clamp(1, MOST);
    let before: Option<EntryId> = page
        .before
        .map(|text| text.parse().map_err(|wrong| ApiError::invalid(format!("before: {wrong}"))))
        .transpose()?;
    let (mut found, mut total) = (Vec::new(), 0);
    for Partition { keys, redis } in api.desk.target().partitions.all() {
        let session = &mut redis.session();
        total += inspect::length(session, &keys.dead_letters(worker.name)).await?;
        found.extend(dead_letters::list(session, keys, worker.name, before, limit + 1).await?);
    }
    found.sort_by_key(|letter| std::cmp::Reverse(letter.id));
    let has_more = found.len() > limit;
    found.truncate(limit);
    Ok(Json(json!({
        "worker": worker.name, "deadLetters": found, "total": total, "hasMore": has_more,
        "timestamp": Timestamp::now(),
    })))
}

/// Answers `POST /api/dlq/:worker/:id/:verb`.
pub(crate) async fn change(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path((name, id, verb)): Path<(String, String, String)>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let worker = worker_at(&name)?;
    let way = match verb.as_str() {
        "redrive" => None,
        "resolve" => Some(Decision::Resolved),
        "abandon" => Some(Decision::Abandoned),
        _ => return Err(ApiError::not_found("a dead letter takes redrive, resolve or abandon")),
    };
    let decided: Decided = json_body(&body)?;
    let mut target = api.desk.target();
    let (partition, letter) = find(&target, worker, &id).await?;
    let actor = caller.actor(decided.actor.as_deref());
    let entry = operator_log::Entry {
        actor: actor.clone(),
        action: format!("dlq {verb}"),
        subject: format!("{} {}", worker.name, letter.entry),
        count: 1,
        detail: decided.notes.clone(),
        ..operator_log::Entry::default()
    };
    let begun = operator_log::begin(&mut target.session, &target.keys, entry).await?;
    let moved = match way {
        None => redrive(&partition, worker, &letter).await,
        Some(decision) => {
            let resolution = Resolution { decision, notes: decided.notes, actor };
            decide(&partition, worker, &letter, &resolution).await
        }
    };
    let outcome = if moved.is_ok() { "done" } else { "failed" };
    let count = u64::from(moved.is_ok());
    // The move is made and its beginning on record; a lost end shows there.
    if let Err(error) = begun.end(&mut target.session, &target.keys, count, outcome, "").await {
        tracing::warn!(%error, "the operator log does not have the end of a change");
    }
    moved.map(Json)
}

/// Finds a letter by its own entry, or by its event's id among the youngest.
async fn find(
    target: &Target,
    worker: &Worker,
    id: &str,
) -> Result<(Partition, DeadLetter), ApiError> {
    for partition in target.partitions.all() {
        let Partition { keys, redis } = partition;
        let session = &mut redis.session();
        let found = match id.parse::<EntryId>() {
            Ok(entry) => dead_letters::get(session, keys, worker.name, entry).await?,
            Err(_no_entry) => {
                let youngest =
                    dead_letters::list(session, keys, worker.name, None, SEARCHED).await?;
                youngest.into_iter().find(|letter| letter.event_id == id)
            }
        };
        if let Some(letter) = found {
            return Ok((partition.clone(), letter));
        }
    }
    Err(gone(worker, id))
}

async fn redrive(
    Partition { keys, redis }: &Partition,
    worker: &Worker,
    letter: &DeadLetter,
) -> Result<Value, ApiError> {
    let unfit = |why: &str| ApiError::new(StatusCode::CONFLICT, "NOT_REDRIVEN", why);
    match revive(&mut redis.session(), keys, worker.name, letter).await? {
        Redriven::Inbox(inbox) => {
            Ok(answer(worker, letter, "redriven", ("inboxEntry", &inbox.to_string())))
        }
        Redriven::Gone => Err(gone(worker, &letter.entry)),
        Redriven::Bodiless => Err(unfit("its body was gone before it was buried")),
        Redriven::TooWide(_) => Err(unfit("it has more fields than any event may have")),
    }
}

async fn decide(
    Partition { keys, redis }: &Partition,
    worker: &Worker,
    letter: &DeadLetter,
    resolution: &Resolution,
) -> Result<Value, ApiError> {
    match put_away(&mut redis.session(), keys, worker.name, letter.id, resolution).await? {
        PutAway::Processed(id) => {
            let status = resolution.decision.to_string();
            Ok(answer(worker, letter, &status, ("processedEntry", &id.to_string())))
        }
        PutAway::Gone => Err(gone(worker, &letter.entry)),
    }
}

fn answer(worker: &Worker, letter: &DeadLetter, status: &str, (name, id): (&str, &str)) -> Value {
    json!({
        "success": true, "worker": worker.name, "id": letter.entry, "eventId": letter.event_id,
        "status": status, name: id, "timestamp": Timestamp::now(),
    })
}

fn gone(worker: &Worker, id: &str) -> ApiError {
    ApiError::not_found(format!("{} has no dead letter {id:?}", worker.name))
}
