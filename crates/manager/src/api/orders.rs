//! `POST /api/workers/:id/stop|restart|drain|pause|resume`: the same as `worker` and `group` do.
//!
//! `:id` is a worker or an instance. The order is on record and in Redis when it is answered; what
//! follows shows in `GET /api/workers`.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use jiff::Timestamp;
use printery_fleet::controls;
use printery_fleet::orders::Verb;
use serde::Deserialize;
use serde_json::json;

use crate::api::Api;
use crate::api::access::Caller;
use crate::api::error::{ApiError, json_body};
use crate::steering::{self, Whom};

/// Who orders it, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct By {
    actor: Option<String>,
    #[serde(default)]
    reason: String,
}

/// Answers `POST /api/workers/:id/:verb`.
pub(crate) async fn order(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path((id, verb)): Path<(String, String)>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let by: By = json_body(&body)?;
    let actor = caller.actor(by.actor.as_deref());
    let whom = Whom::read(&id);
    let mut target = api.desk.target();
    let meant = steering::living(&mut target, &whom).await?;
    if matches!(whom, Whom::One(_)) && meant.is_empty() {
        return Err(ApiError::not_found(format!("there is no worker and no process {id:?}")));
    }
    let order = match verb.as_str() {
        "stop" => Verb::Stop,
        "drain" => Verb::Drain,
        "restart" => Verb::Restart,
        "pause" | "resume" => {
            let Whom::Kind(worker) = whom else {
                return Err(ApiError::invalid("only a worker as a whole is paused and resumed"));
            };
            let (session, keys) = (&mut target.session, &target.keys);
            if verb == "pause" {
                controls::pause(session, keys, worker.name, &actor, &by.reason).await?;
            } else {
                controls::resume(session, keys, worker.name, &actor).await?;
            }
            return Ok(accepted(&id, &verb, &[]));
        }
        _ => {
            return Err(ApiError::not_found(
                "a worker takes stop, restart, drain, pause or resume",
            ));
        }
    };
    steering::order(&mut target, &whom, &meant, order, &actor).await?;
    let names: Vec<&str> = meant.iter().map(|one| one.instance.as_str()).collect();
    Ok(accepted(&id, &verb, &names))
}

fn accepted(id: &str, verb: &str, instances: &[&str]) -> Response {
    let answer = json!({
        "success": true, "id": id, "order": verb, "instances": instances,
        "timestamp": Timestamp::now(),
    });
    (StatusCode::ACCEPTED, Json(answer)).into_response()
}
