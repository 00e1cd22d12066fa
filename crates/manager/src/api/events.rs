//! `POST /api/events`, `/api/ingest/github` and `/api/ingest/alertmanager`: the ways in over HTTP.
//!
//! Reads what was sent with [`crate::ingest`] and publishes it once per event id. A batch is taken
//! whole or not at all, so that whoever sent it may simply send it again.

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use jiff::Timestamp;
use printery_events::Event;
use printery_fleet::activity::{self, Happening};
use printery_harness::args::{environment, secret_from_file};
use printery_streams::{Partition, publish};
use serde_json::{Value, json};

use crate::api::Api;
use crate::api::access::Caller;
use crate::api::error::{ApiError, json_body};
use crate::cli::target::Target;
use crate::ingest::{Received, Refused, binary, github, structured};

/// Events of a batch at most: what a producer gathers in a second, and one answer can list.
const LARGEST_BATCH: usize = 1_000;

/// The form in which events were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Binary,
    Structured,
    Batch,
    /// Whatever the JSON turns out to be.
    Json,
}

impl Form {
    fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
        match media_type.trim().to_ascii_lowercase().as_str() {
            "application/cloudevents+json" => Ok(Self::Structured),
            "application/cloudevents-batch+json" => Ok(Self::Batch),
            _ if binary::is_one(headers) => Ok(Self::Binary),
            "application/json" => Ok(Self::Json),
            other => Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "UNSUPPORTED_MEDIA_TYPE",
                format!(
                    "Content-Type {other:?} is none of application/json, \
                     application/cloudevents+json, application/cloudevents-batch+json, and no ce- \
                     headers say that it is a CloudEvent in binary mode"
                ),
            )),
        }
    }
}

/// Answers `POST /api/events`.
pub(crate) async fn publish(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let form = Form::of(&headers)?;
    let body = whole(body)?;
    let now = Timestamp::now();
    let target = api.desk.target();
    if form == Form::Binary {
        let received = binary::read(&headers, &body, now).map_err(|refused| refuse(&refused))?;
        permit(&caller, &received, "")?;
        return Ok(accepted(&add(&target, received).await?));
    }
    let sent: Value = json_body(&body)?;
    if let (Some(events), true) = (sent.as_array(), form != Form::Structured) {
        return batch((&target, &caller), events, now).await;
    }
    if form == Form::Batch {
        return Err(ApiError::invalid("body: a batch is a JSON array"));
    }
    let received = structured::read(&sent, now).map_err(|refused| refuse(&refused))?;
    permit(&caller, &received, "")?;
    Ok(accepted(&add(&target, received).await?))
}

/// Answers `OPTIONS /api/events`: whoever delivers webhooks asks whether it may.
///
/// # Source
/// CloudEvents, HTTP 1.1 Web Hooks, §4.
pub(crate) async fn handshake(headers: HeaderMap) -> Response {
    const ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
    let mut answer = StatusCode::OK.into_response();
    let own = answer.headers_mut();
    own.insert(axum::http::header::ALLOW, HeaderValue::from_static("POST, OPTIONS"));
    if let Some(origin) = headers.get(ORIGIN) {
        own.insert(HeaderName::from_static("webhook-allowed-origin"), origin.clone());
        own.insert(HeaderName::from_static("webhook-allowed-rate"), HeaderValue::from_static("*"));
    }
    answer
}

/// Answers `POST /api/ingest/github`.
pub(crate) async fn from_github(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    const VARIABLE: &str = "PRINTERY_GITHUB_SECRET";
    let body = whole(body)?;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let secret = match secret_from_file(VARIABLE) {
        Ok(from_file) => environment(VARIABLE).or(from_file),
        Err(problem) => {
            return Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "MISCONFIGURED", problem));
        }
    };
    let unsigned = |why: &str| ApiError::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", why);
    let secret = secret.ok_or_else(|| unsigned("PRINTERY_GITHUB_SECRET is not set"))?;
    let signature = text("x-hub-signature-256").unwrap_or_default();
    if !github::is_signed(&secret, &body, signature) {
        return Err(unsigned("X-Hub-Signature-256 is not that of this body"));
    }
    let named = |name: &str| {
        let missing = || ApiError::invalid(format!("the header {name} is missing"));
        text(name).ok_or_else(missing)
    };
    let (delivery, event) = (named("x-github-delivery")?, named("x-github-event")?);
    let sent: Value = json_body(&body)?;
    let received = github::read(delivery, event, &sent, Timestamp::now());
    let received = received.map_err(|refused| refuse(&refused))?;
    Ok(accepted(&add(&api.desk.target(), received).await?))
}

/// Answers `POST /api/ingest/alertmanager`: each alert is told to the activity feed.
pub(crate) async fn from_alertmanager(
    State(api): State<Api>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let sent: Value = json_body(&whole(body)?)?;
    let missing = || ApiError::invalid("body: alerts is missing: this is no Alertmanager webhook");
    let alerts = sent.get("alerts").and_then(Value::as_array).ok_or_else(missing)?;
    let mut target = api.desk.target();
    for alert in alerts.iter().take(LARGEST_BATCH) {
        let text = |pointer: &str| alert.pointer(pointer).and_then(Value::as_str);
        let name = text("/labels/alertname").unwrap_or("alert");
        let status = text("/status").unwrap_or("firing");
        let summary = text("/annotations/summary").unwrap_or(name);
        let happening = Happening {
            kind: format!("alert:{status}"),
            subject: text("/labels/service").unwrap_or(name).to_owned(),
            sentence: format!("{summary} ({status})"),
            detail: json!({ "labels": alert["labels"], "startsAt": alert["startsAt"] }),
        };
        activity::tell(&mut target.session, &target.keys, &happening).await?;
    }
    Ok((StatusCode::ACCEPTED, Json(json!({ "accepted": alerts.len() }))).into_response())
}

fn whole(body: Result<Bytes, BytesRejection>) -> Result<Bytes, ApiError> {
    body.map_err(|rejected| match rejected.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "PAYLOAD_TOO_LARGE",
            "the body is larger than 1 MiB",
        ),
        _ => ApiError::invalid(rejected.body_text()),
    })
}

/// Whether the event is about an environment that its sender may speak for.
fn permit(caller: &Caller, received: &Received, pointer: &str) -> Result<(), ApiError> {
    let Received::Event(event) = received else { return Ok(()) };
    let data = serde_json::to_value(&event.payload).unwrap_or_default();
    let environment = data.get("environment").and_then(Value::as_str);
    if caller.may_emit_in(environment) {
        return Ok(());
    }
    let allowed = caller.environments.join(", ");
    let named = environment.map_or_else(|| "no environment".to_owned(), |it| format!("{it:?}"));
    let message = format!("the token of {} is for {allowed}; the event names {named}", caller.name);
    let details = json!({ "pointer": format!("{pointer}/data/environment"), "environments": caller.environments });
    Err(ApiError::new(StatusCode::FORBIDDEN, "FOREIGN_ENVIRONMENT", message).with_details(details))
}

async fn batch(
    (target, caller): (&Target, &Caller),
    sent: &[Value],
    now: Timestamp,
) -> Result<Response, ApiError> {
    if sent.len() > LARGEST_BATCH {
        return Err(ApiError::invalid(format!(
            "a batch has at most {LARGEST_BATCH} events, this one has {}",
            sent.len()
        )));
    }
    let (mut good, mut bad) = (Vec::with_capacity(sent.len()), Vec::new());
    for (index, one) in sent.iter().enumerate() {
        match structured::read(one, now) {
            Ok(received) => good.push(received),
            Err(Refused { pointer, problem, understood }) => {
                bad.push(Refused { pointer: format!("/{index}{pointer}"), problem, understood });
            }
        }
    }
    if let Some(first) = bad.first() {
        let message = format!(
            "{} of {} events are refused and nothing was published; {first}",
            bad.len(),
            sent.len()
        );
        let status = if bad.iter().all(|one| one.understood) {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::BAD_REQUEST
        };
        let items: Vec<Value> = bad.iter().map(Refused::to_json).collect();
        return Err(ApiError::new(status, "INVALID_EVENT", message)
            .with_details(json!({ "errors": items })));
    }
    for (index, received) in good.iter().enumerate() {
        permit(caller, received, &format!("/{index}"))?;
    }
    let mut events = Vec::with_capacity(good.len());
    for received in good {
        events.push(add(target, received).await?);
    }
    Ok(accepted(&json!({ "accepted": events.len(), "events": events })))
}

/// Publishes an event; tells its id, and whether it had been published before.
async fn add(target: &Target, received: Received) -> Result<Value, ApiError> {
    let event: Box<Event> = match received {
        Received::Event(event) => event,
        Received::Ignored { id, why } => {
            return Ok(json!({ "id": id, "deduplicated": false, "ignored": why }));
        }
    };
    let Partition { keys, redis } = target.partitions.of(&event.subject);
    let fields = event.encode(target.settings.encoding);
    let event_type = event.event_type.as_str();
    let session = &mut redis.session();
    let published = publish::publish(session, keys, event_type, &event.id, &fields).await?;
    Ok(json!({
        "id": event.id, "deduplicated": published.deduplicated, "type": event_type,
        "subject": event.subject, "entry": published.entry.to_string(),
    }))
}

fn accepted(answer: &Value) -> Response {
    (StatusCode::ACCEPTED, Json(answer)).into_response()
}

fn refuse(refused: &Refused) -> ApiError {
    let status =
        if refused.understood { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::BAD_REQUEST };
    ApiError::new(status, "INVALID_EVENT", refused.to_string())
        .with_details(json!({ "errors": [refused.to_json()] }))
}
