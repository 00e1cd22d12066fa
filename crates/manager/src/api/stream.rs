//! `GET /api/events/stream`: events, jobs and processes as they happen, as server-sent events.
//!
//! Every message carries the id of the entry that it comes from. Whoever comes back with it in
//! `Last-Event-ID` misses nothing; what was added within the same millisecond may come again, under
//! the same id. Jobs are derived from the events: nothing is written for them.
//!
//! Source: WHATWG HTML, "Server-sent events".

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Sse;
use axum::response::sse::{Event as Message, KeepAlive};
use futures_util::stream::{Stream, unfold};
use printery_events::{Event, Payload};
use printery_fleet::activity::{self, Activity};
use printery_fleet::jobs::of_event;
use printery_streams::{Clock, EntryId, Keys, Session};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::api::Api;
use crate::api::error::ApiError;
use crate::cli::explain::search::readers;
use crate::cli::follower::Follower;
use crate::cli::sighting::{Sighting, event_types};

/// Clients at once: each waits on connections of its own.
const CLIENTS: usize = 16;
/// Inputs of jobs that are remembered for each client, so that what follows has their name.
const REMEMBERED: usize = 2_000;
/// How long one look waits for events before it looks at the activity feed. 1 s.
const WAIT: Duration = Duration::from_secs(1);
/// Happenings of one look.
const PAGE: usize = 100;

static PLACES: std::sync::LazyLock<Arc<Semaphore>> =
    std::sync::LazyLock::new(|| Arc::new(Semaphore::new(CLIENTS)));

/// Answers `GET /api/events/stream`.
pub(crate) async fn stream(
    State(api): State<Api>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Message, Infallible>>>, ApiError> {
    let full = || {
        let message = format!("{CLIENTS} clients follow already");
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "TOO_MANY_CLIENTS", message)
    };
    let place = Arc::clone(&PLACES).try_acquire_owned().map_err(|_full| full())?;
    let last: Option<EntryId> = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .map(|text| {
            let wrong = |wrong| ApiError::invalid(format!("Last-Event-ID {text:?}: {wrong}"));
            text.parse().map_err(wrong)
        })
        .transpose()?;
    let feed = Feed::begin(&api, last, place).await?;
    let messages = unfold(feed, |mut feed| async move {
        let message = feed.next().await;
        Some((Ok(message), feed))
    });
    Ok(Sse::new(messages).keep_alive(KeepAlive::default()))
}

/// What one client follows.
struct Feed {
    follower: Follower,
    session: Session,
    keys: Keys,
    stages: Vec<String>,
    /// The last happening of the activity feed that was told.
    told: EntryId,
    /// The entries of events that are jobs' inputs, by id, and which of them is the oldest.
    inputs: HashMap<String, EntryId>,
    order: VecDeque<String>,
    /// What is to be sent.
    ready: VecDeque<Message>,
    _place: OwnedSemaphorePermit,
}

impl Feed {
    async fn begin(
        api: &Api,
        last: Option<EntryId>,
        place: OwnedSemaphorePermit,
    ) -> Result<Self, ApiError> {
        let target = api.desk.target();
        let (mut session, keys) = (target.session, target.keys);
        let stages = api.desk.stages().to_vec();
        let types = event_types(&stages);
        let (follower, told) = if let Some(last) = last {
            let from = EntryId::at(last.ms);
            (Follower::from_entry(target.partitions.all(), &types, from), from)
        } else {
            let clock = Clock::default();
            clock.read(&mut session).await?;
            let follower = Follower::from_now(target.partitions.all(), &types).await?;
            (follower, EntryId::at(clock.now_ms()))
        };
        Ok(Self {
            follower,
            session,
            keys,
            stages,
            told,
            inputs: HashMap::new(),
            order: VecDeque::new(),
            ready: VecDeque::new(),
            _place: place,
        })
    }

    /// The next message; woken by events, and once a second for the activity feed.
    async fn next(&mut self) -> Message {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return message;
            }
            match self.follower.next(WAIT).await {
                Ok(seen) => seen.iter().for_each(|sighting| self.tell(sighting)),
                // It is back within seconds, or the client goes.
                Err(_away) => tokio::time::sleep(WAIT).await,
            }
            let (session, keys) = (&mut self.session, &self.keys);
            let happened =
                activity::since(session, keys, self.told, PAGE).await.unwrap_or_default();
            for one in happened {
                self.told = one.id.parse().unwrap_or(self.told);
                self.ready.push_back(message(&one.kind, &one.id, &happening(&one)));
            }
        }
    }

    /// An event, and what it means for jobs.
    fn tell(&mut self, sighting: &Sighting) {
        let id = sighting.entry.to_string();
        self.ready.push_back(message(sighting.event_type.as_str(), &id, &sighting.to_json()));
        let Some(event) = sighting.event() else { return };
        for (kind, job) in self.jobs(event, sighting.entry) {
            self.ready.push_back(message(kind, &id, &job));
        }
    }

    /// What an event says of jobs: of the one that it is the result of, then of those it asks for.
    fn jobs(&mut self, event: &Event, entry: EntryId) -> Vec<(&'static str, Value)> {
        let mut told = Vec::new();
        if let Some((kind, worker)) = outcome(&event.payload) {
            let input = event.causation_id.as_ref().and_then(|id| self.inputs.get(id));
            let job = json!({
                "jobId": input.map(|input| of_event(worker, &event.subject, *input)),
                "pipelineId": worker, "deploymentId": event.subject,
                "eventId": event.causation_id, "correlationId": event.correlation_id,
            });
            told.push((kind, job));
        }
        let readers = readers(&event.event_type, &self.stages);
        if !readers.is_empty() {
            self.remember(&event.id, entry);
        }
        for worker in readers {
            let job = json!({
                "jobId": of_event(worker.name, &event.subject, entry), "pipelineId": worker.name,
                "deploymentId": event.subject, "eventId": event.id,
                "correlationId": event.correlation_id,
            });
            told.push(("job:created", job));
        }
        told
    }

    fn remember(&mut self, id: &str, entry: EntryId) {
        self.inputs.insert(id.to_owned(), entry);
        self.order.push_back(id.to_owned());
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.inputs.remove(&oldest);
        }
    }
}

/// Which step of whose job an event is.
fn outcome(payload: &Payload) -> Option<(&'static str, &'static str)> {
    Some(match payload {
        Payload::ValidationStarted(_) => ("job:started", "validator"),
        Payload::ValidationCompleted(_) => ("job:completed", "validator"),
        Payload::DependencyCheckStarted(_) => ("job:started", "dependency-checker"),
        Payload::DependencyCheckCompleted(_) => ("job:completed", "dependency-checker"),
        Payload::HealthCheckStarted(_) => ("job:started", "health-monitor"),
        Payload::HealthCheckCompleted(_) => ("job:completed", "health-monitor"),
        Payload::NotificationSent(_) => ("job:completed", "notifier"),
        Payload::NotificationFailed(_) => ("job:failed", "notifier"),
        Payload::DeploymentStarted(_)
        | Payload::StageStarted(_)
        | Payload::StageCompleted(_)
        | Payload::DeploymentCompleted(_)
        | Payload::DeploymentFailed(_)
        | Payload::RollbackInitiated(_)
        | Payload::RollbackCompleted(_) => return None,
    })
}

fn happening(one: &Activity) -> Value {
    json!({
        "at_ms": one.at_ms, "subject": one.subject, "message": one.sentence, "detail": one.detail,
    })
}

fn message(kind: &str, id: &str, data: &Value) -> Message {
    Message::default().event(kind).id(id).data(data.to_string())
}
