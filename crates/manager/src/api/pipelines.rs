//! `/api/pipelines` and `/api/jobs`: asking workers for jobs, and seeing what became of them.
//!
//! A pipeline is a worker kind. Everything is [`crate::jobs`]'; this file speaks HTTP.

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use jiff::Timestamp;
use printery_events::EventType;
use printery_events::topology::{WORKERS, Worker};
use printery_harness::args::environment;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::api::access::Caller;
use crate::api::error::{ApiError, json_body};
use crate::jobs::{self, NotTriggered, Page, Refusal, Status};
use crate::wake::{self, Asleep};

/// Jobs of an answer when nobody says.
const LIMIT: usize = 10;
/// Jobs of an answer at most.
const MOST: usize = 100;
/// When somebody who asked for too much may ask again, in seconds.
const AGAIN: &str = "5";

/// What a trigger is told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    #[serde(default)]
    parameters: Map<String, Value>,
}

/// Which jobs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    status: Option<String>,
    limit: Option<usize>,
    offset: Option<usize>,
}

/// Who changes a job.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct By {
    actor: Option<String>,
}

/// Finds a pipeline, or says what the contract says.
fn pipeline(name: &str) -> Result<&'static Worker, ApiError> {
    Worker::find(name).ok_or_else(|| {
        let known: Vec<&str> = WORKERS.iter().map(|worker| worker.name).collect();
        let message =
            format!("Unknown pipeline: {name}. Supported pipelines: {}", known.join(", "));
        ApiError::new(StatusCode::BAD_REQUEST, "UNKNOWN_PIPELINE", message)
    })
}

/// Answers `GET /api/pipelines`.
pub(crate) async fn list(State(mut api): State<Api>) -> Json<Value> {
    let snapshot = api.fresh().await;
    let stages = api.desk.stages();
    let of = |worker: &&'static Worker| {
        let view = snapshot.workers.iter().find(|one| one.worker == worker.name);
        let types: Vec<String> = worker.streams(stages).iter().map(EventType::to_string).collect();
        json!({
            "id": worker.name, "aliases": worker.aliases, "concurrency": worker.concurrency,
            "reads": types, "state": view.map(|view| view.state),
            "ready": view.is_some_and(|view| view.ready),
        })
    };
    let pipelines: Vec<Value> = WORKERS.iter().map(of).collect();
    Json(json!({ "pipelines": pipelines, "timestamp": Timestamp::now() }))
}

/// Answers `POST /api/pipelines/:worker/trigger`.
pub(crate) async fn trigger(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let worker = pipeline(&name)?;
    let order: Order = json_body(&body)?;
    if environment("DISABLE_JOB_EXECUTION").is_some_and(|said| said == "true") {
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SERVICE_UNAVAILABLE",
            "jobs are switched off here (DISABLE_JOB_EXECUTION)",
        ));
    }
    let mut target = api.desk.target();
    let asleep = wake::is_asleep(&api.roll.borrow(), worker);
    if asleep && let Err(why) = wake::wake(&mut target, worker).await {
        return not_awake(why);
    }
    match jobs::trigger(&mut target, worker, &order.parameters, &caller.actor(None)).await {
        Ok(triggered) => {
            let answer = json!({
                "jobId": triggered.job_id, "pipelineId": worker.name, "status": "queued",
                "entry": triggered.entry.to_string(), "timestamp": Timestamp::now(),
            });
            Ok((StatusCode::CREATED, Json(answer)).into_response())
        }
        Err(NotTriggered::Invalid(problem)) => Err(ApiError::invalid(problem)),
        Err(NotTriggered::Failed(failure)) => Err(failure.into()),
        Err(NotTriggered::Full) => {
            let refusal = ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "QUEUE_FULL",
                format!("{} has as many jobs waiting as may be asked for by hand", worker.name),
            );
            let mut answer = refusal.into_response();
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(AGAIN));
            Ok(answer)
        }
    }
}

/// What is said where the worker does not run that would have to do the job.
fn not_awake(why: Asleep) -> Result<Response, ApiError> {
    let seconds = match &why {
        Asleep::Cooldown(cooldown) => cooldown.seconds().to_string(),
        Asleep::Failed(..) => AGAIN.to_owned(),
        Asleep::Unknown(_) => String::new(),
    };
    let message = why.to_string();
    if let Asleep::Unknown(failure) = why {
        return Err(failure.into());
    }
    let code = "SERVICE_UNAVAILABLE";
    let refusal = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, message);
    let mut answer = refusal.into_response();
    if let Ok(seconds) = HeaderValue::from_str(&seconds) {
        answer.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    Ok(answer)
}

/// Answers `GET /api/pipelines/:worker/jobs`.
pub(crate) async fn jobs(
    State(api): State<Api>,
    Path(name): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let worker = pipeline(&name)?;
    let Query(asked) = asked.map_err(|rejected| ApiError::invalid(rejected.body_text()))?;
    let status = asked.status.map(|word| status_named(&word)).transpose()?;
    let limit = asked.limit.unwrap_or(LIMIT).clamp(1, MOST);
    let page = Page { status, limit, offset: asked.offset.unwrap_or(0) };
    let listed = jobs::list_whole(&mut api.desk.target(), api.desk.archive(), worker, page).await?;
    let (total, has_more) = (listed.total, listed.has_more);
    Ok(Json(json!({
        "pipelineId": worker.name, "jobs": listed.shown(), "total": total,
        "hasMore": has_more, "timestamp": Timestamp::now(),
    })))
}

/// Answers `GET /api/pipelines/:worker/stats`.
pub(crate) async fn stats(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let worker = pipeline(&name)?;
    Ok(Json(jobs::stats(&mut api.desk.target(), api.desk.archive(), worker).await?))
}

fn status_named(word: &str) -> Result<Status, ApiError> {
    Status::parse(word).ok_or_else(|| {
        let known = Status::ALL.map(|(_, name)| name).join(", ");
        ApiError::invalid(format!("status {word:?} must be one of {known}"))
    })
}

/// Answers `GET /api/jobs/:id`.
pub(crate) async fn job(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let found = jobs::get_whole(&mut api.desk.target(), api.desk.archive(), &id).await?;
    found.map(Json).ok_or_else(|| unknown(&id))
}

/// Answers `POST /api/jobs/:id/cancel|retry`.
pub(crate) async fn change(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path((id, verb)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let by: By = json_body(&body)?;
    let actor = caller.actor(by.actor.as_deref());
    let mut target = api.desk.target();
    let (code, changed) = match verb.as_str() {
        "cancel" => ("CANCEL_FAILED", jobs::cancel(&mut target, &id, &actor).await),
        "retry" => ("RETRY_FAILED", jobs::retry(&mut target, &id, &actor).await),
        _ => return Err(ApiError::not_found("a job takes cancel or retry")),
    };
    changed.map(Json).map_err(|refusal| match refusal {
        Refusal::Unknown => unknown(&id),
        Refusal::Unfit(why) => ApiError::new(StatusCode::BAD_REQUEST, code, why),
        Refusal::Failed(failure) => failure.into(),
    })
}

fn unknown(id: &str) -> ApiError {
    ApiError::not_found(format!("there is no job {id:?}"))
}
