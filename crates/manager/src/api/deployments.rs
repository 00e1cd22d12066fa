//! `GET /api/deployments`, `/:id`, `/:id/events` and `/:id/timeline`: what became of deployments.
//!
//! Folded from the streams whenever somebody asks, so that it needs no shield listener; of a
//! deployment whose events have been trimmed, the listener's record is shown while it lasts.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use jiff::Timestamp;
use printery_events::ids::is_deployment_id;
use printery_events::status::Record;
use printery_fleet::deployments;
use printery_streams::Partition;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::api::Api;
use crate::api::error::ApiError;
use crate::cli::gist::{Gist, findings};
use crate::cli::sighting::Sighting;
use crate::history::analysis::Analysis;
use crate::history::{Story, recent, story};

/// Deployments of an answer when nobody says.
const LIMIT: usize = 20;
/// Deployments of an answer at most.
const MOST: usize = 100;
/// Questions that read streams at once: each may read some 100,000 entries. 2.
static READING: Semaphore = Semaphore::const_new(2);

/// Which deployments.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    status: Option<String>,
    environment: Option<String>,
    service: Option<String>,
    limit: Option<usize>,
    offset: Option<usize>,
}

/// Answers `GET /api/deployments`: the one that was heard of last first.
pub(crate) async fn list(
    State(api): State<Api>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(asked) = asked.map_err(|rejected| ApiError::invalid(rejected.body_text()))?;
    let limit = asked.limit.unwrap_or(LIMIT).clamp(1, MOST);
    let offset = asked.offset.unwrap_or(0);
    let _turn = READING.acquire().await;
    let target = api.desk.target();
    let mut all = recent(&target.partitions, api.desk.stages()).await?;
    all.retain(|record| asked.wants(record));
    let total = all.len();
    let shown: Vec<&Record> = all.iter().skip(offset).take(limit).collect();
    let more = offset.saturating_add(shown.len()) < total;
    Ok(Json(json!({
        "deployments": shown, "total": total, "hasMore": more, "timestamp": Timestamp::now(),
    })))
}

impl Asked {
    fn wants(&self, record: &Record) -> bool {
        let standing = serde_json::to_value(record.status).unwrap_or_default();
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted
                .as_deref()
                .is_none_or(|wanted| found.is_some_and(|found| found.eq_ignore_ascii_case(wanted)))
        };
        is(&self.status, standing.as_str())
            && is(&self.environment, record.environment.as_deref())
            && self.service.as_ref().is_none_or(|service| record.services.contains(service))
    }
}

/// Answers `GET /api/deployments/:id`.
pub(crate) async fn one(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let target = api.desk.target();
    let story = match known(&api, &id).await {
        Ok(story) => story,
        Err(missing) => {
            let Partition { keys, redis } = target.partitions.of(&id);
            let kept = deployments::read(&mut redis.session(), keys, &id).await?;
            let kept = kept.and_then(|text| serde_json::from_str::<Value>(&text).ok());
            return kept.map(Json).ok_or(missing);
        }
    };
    let mut shown = serde_json::to_value(&story.record).unwrap_or_default();
    if let Some(object) = shown.as_object_mut() {
        object.insert("events".to_owned(), json!(story.events.len()));
        object.insert("analysis".to_owned(), json!(Analysis::of(&story)));
    }
    Ok(Json(shown))
}

/// Answers `GET /api/deployments/:id/events`: oldest first, as they stand in the streams.
pub(crate) async fn events(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let story = known(&api, &id).await?;
    let events: Vec<Value> = story.events.iter().map(Sighting::to_json).collect();
    let (total, timestamp) = (events.len(), Timestamp::now());
    let answer = json!({
        "deployment_id": id, "events": events, "total": total, "timestamp": timestamp,
    });
    Ok(Json(answer))
}

/// Answers `GET /api/deployments/:id/timeline`: a line for each event, with the time since the first.
pub(crate) async fn timeline(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let story = known(&api, &id).await?;
    let first = story.events.first().map_or(0, |sighting| sighting.entry.ms);
    let lines: Vec<Value> = story.events.iter().map(|sighting| line(sighting, first)).collect();
    Ok(Json(json!({
        "deployment_id": id, "status": story.record.status, "timeline": lines,
        "analysis": Analysis::of(&story), "timestamp": Timestamp::now(),
    })))
}

/// An event in one line.
fn line(sighting: &Sighting, first_ms: u64) -> Value {
    let (gist, findings) = match sighting.event() {
        Some(event) => {
            let Gist { word, subject, detail, tone: _ } = Gist::of(event);
            (json!({"word": word, "subject": subject, "detail": detail}), findings(&event.payload))
        }
        None => (json!({"word": "invalid", "subject": sighting.event_type}), Vec::new()),
    };
    let mut line = gist;
    if let Some(object) = line.as_object_mut() {
        object.insert("at".to_owned(), json!(crate::cli::times::timestamp(sighting.entry.ms)));
        let offset = sighting.entry.ms.saturating_sub(first_ms);
        object.insert("offset_ms".to_owned(), json!(offset));
        object.insert("type".to_owned(), json!(sighting.event_type));
        object.insert("id".to_owned(), json!(sighting.event_id()));
        object.insert("findings".to_owned(), json!(findings));
    }
    line
}

async fn known(api: &Api, id: &str) -> Result<Story, ApiError> {
    if !is_deployment_id(id) {
        return Err(ApiError::invalid(format!("{id:?} is no deployment's id")));
    }
    let _turn = READING.acquire().await;
    let target = api.desk.target();
    let story = story(&target.partitions, api.desk.stages(), id).await?;
    if story.events.is_empty() {
        return Err(ApiError::not_found(format!("the streams have no event of deployment {id}")));
    }
    Ok(story)
}
