//! `GET /api/activity`: what happened last, whoever did it.
//!
//! Joins the activity feed with the youngest events; nothing is kept for it, so a manager that was
//! just started shows the same as any other.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use jiff::Timestamp;
use printery_fleet::activity;
use printery_streams::{Partition, browse};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::Api;
use crate::api::error::ApiError;
use crate::cli::gist::Gist;
use crate::cli::sighting::{Sighting, event_types};
use crate::cli::times::timestamp;

/// Happenings of an answer when nobody says.
const LIMIT: usize = 20;
/// Happenings of an answer at most.
const MOST: usize = 100;

/// How many.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    limit: Option<usize>,
}

/// Answers `GET /api/activity`: the youngest first.
pub(crate) async fn activity(
    State(api): State<Api>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(asked) = asked.map_err(|rejected| ApiError::invalid(rejected.body_text()))?;
    let limit = asked.limit.unwrap_or(LIMIT).clamp(1, MOST);
    let mut target = api.desk.target();
    let told = activity::latest(&mut target.session, &target.keys, None, limit).await?;
    let mut all: Vec<((u64, u64), Value)> = told
        .into_iter()
        .map(|one| {
            let shown = json!({
                "id": one.id, "at": timestamp(one.at_ms).map(|at| at.to_string()),
                "type": one.kind, "subject": one.subject, "message": one.sentence,
                "detail": one.detail,
            });
            ((one.at_ms, 0), shown)
        })
        .collect();
    for Partition { keys, redis } in target.partitions.all() {
        let mut session = redis.session();
        for event_type in event_types(api.desk.stages()) {
            let stream = keys.events(event_type.as_str());
            let entries = browse::latest(&mut session, &stream, None, limit).await?;
            all.extend(entries.iter().map(|entry| {
                let sighting = Sighting::read(&event_type, entry);
                ((entry.id.ms, entry.id.seq), shown(&sighting))
            }));
        }
    }
    all.sort_by_key(|(order, _)| std::cmp::Reverse(*order));
    let shown: Vec<Value> = all.into_iter().take(limit).map(|(_, shown)| shown).collect();
    Ok(Json(json!({ "activity": shown, "timestamp": Timestamp::now() })))
}

fn shown(sighting: &Sighting) -> Value {
    let message = sighting.event().map_or_else(
        || "it cannot be read".to_owned(),
        |event| {
            let Gist { word, detail, .. } = Gist::of(event);
            format!("{word} {detail}").trim_end().to_owned()
        },
    );
    json!({
        "id": sighting.entry.to_string(),
        "at": timestamp(sighting.entry.ms).map(|at| at.to_string()),
        "type": sighting.event_type.as_str(), "subject": sighting.subject(), "message": message,
        "detail": { "eventId": sighting.event_id() },
    })
}
