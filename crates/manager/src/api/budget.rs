//! `GET /api/budget` and `POST /api/budget/set|recalc|reset`: the same as `budget` on the command line.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use printery_fleet::budget::{self, Change};
use printery_fleet::operator_log;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::Api;
use crate::api::access::Caller;
use crate::api::error::{ApiError, json_body};
use crate::cli::budget::{level, recalculation};

/// What is wanted, and by whom.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    actor: Option<String>,
    total: Option<u64>,
}

/// Answers `GET /api/budget`.
pub(crate) async fn show(State(api): State<Api>) -> Result<Json<Value>, ApiError> {
    let mut target = api.desk.target();
    let budget = budget::read(&mut target.session, &target.keys).await?;
    Ok(Json(json!({
        "total": budget.total, "spent": budget.spent, "available": budget.available,
        "used": budget.total.saturating_sub(budget.available), "level": level(&budget),
        "shares": budget.shares,
    })))
}

/// Answers `POST /api/budget/:verb`.
pub(crate) async fn change(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(verb): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let wanted: Wanted = json_body(&body)?;
    let mut target = api.desk.target();
    let change = match (verb.as_str(), wanted.total) {
        ("set", Some(total)) => Change::Total(total),
        ("set", None) => return Err(ApiError::invalid("total is missing: tokens of a day")),
        ("recalc", _) => recalculation(&mut target).await?,
        ("reset", _) => Change::Reset,
        _ => return Err(ApiError::not_found("the budget takes set, recalc or reset")),
    };
    let actor = caller.actor(wanted.actor.as_deref());
    let (session, keys) = (&mut target.session, &target.keys);
    let entry = operator_log::Entry {
        detail: wanted.total.map(|total| total.to_string()).unwrap_or_default(),
        ..operator_log::Entry::of_one(&actor, &format!("budget {verb}"), "budget")
    };
    operator_log::record(session, keys, &entry).await?;
    let changed = budget::change(session, keys, &change).await?;
    Ok(Json(json!({ "success": true, "budget": changed })))
}
