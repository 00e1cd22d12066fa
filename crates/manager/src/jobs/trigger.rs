//! Asking one worker for a job by hand: parameters become its input event, in its inbox.
//!
//! What is not said is made up so that `{}` asks for everything that is configured. The event is
//! judged as the worker will judge it, before anything is written.

use jiff::Timestamp;
use printery_events::topology::Worker;
use printery_events::{Event, EventType, Family};
use printery_streams::browse;
use printery_streams::trigger::trigger as enqueue;
use printery_streams::{Clock, EntryId, Fields, Partition, inspect};
use serde_json::{Map, Value, json};

use crate::cli::failure::Failure;
use crate::cli::target::Target;
use crate::jobs::name::JobName;

/// Triggers of one worker that may wait at once: a person who asks for more has not seen that
/// nothing takes them.
pub(crate) const MOST_WAITING: usize = 10;

/// Names that are tried in one millisecond.
const NAMES: u32 = 1_000;

/// A job that was asked for.
#[derive(Debug)]
pub(crate) struct Triggered {
    /// Its name, the event's id.
    pub(crate) job_id: String,
    /// Its entry in the inbox.
    pub(crate) entry: EntryId,
}

/// Why a job was not taken.
#[derive(Debug)]
pub(crate) enum NotTriggered {
    /// The parameters make no event.
    Invalid(String),
    /// Too many wait already.
    Full,
    /// Redis.
    Failed(Failure),
}

impl From<Failure> for NotTriggered {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<printery_streams::Error> for NotTriggered {
    fn from(error: printery_streams::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Asks for a job.
pub(crate) async fn trigger(
    target: &mut Target,
    worker: &'static Worker,
    parameters: &Map<String, Value>,
    by: &str,
) -> Result<Triggered, NotTriggered> {
    let clock = Clock::default();
    clock.read(&mut target.session).await?;
    let now = Timestamp::now();
    for again in 0..NAMES {
        let job_id = JobName::manual(worker, clock.now_ms(), again).to_string();
        let (event, fields) = event(target, worker, parameters, (&job_id, by), now)?;
        let Partition { keys, redis } = target.partitions.of(&event.subject);
        let mut session = redis.session();
        if again == 0 && waiting(&mut session, keys, worker).await? >= MOST_WAITING {
            return Err(NotTriggered::Full);
        }
        let added = enqueue(&mut session, keys, worker.name, &job_id, &fields).await?;
        if !added.deduplicated {
            return Ok(Triggered { job_id, entry: added.entry });
        }
    }
    Err(Failure::failed("too many jobs were asked for in one millisecond").into())
}

/// Triggers in the inbox that nobody has been handed.
async fn waiting(
    session: &mut printery_streams::Session,
    keys: &printery_streams::Keys,
    worker: &Worker,
) -> Result<usize, NotTriggered> {
    let inbox = keys.inbox(worker.name);
    let Some(view) = inspect::stream(session, &inbox).await? else { return Ok(0) };
    let group = view.groups.iter().find(|one| one.group == worker.group());
    let from = group.map_or_else(EntryId::default, |group| group.last_delivered.next());
    let entries = browse::range(session, &inbox, from, None, 1_000).await?;
    Ok(entries.iter().filter(|entry| entry.text("id").is_some_and(JobName::is_manual)).count())
}

/// The worker's input event, and the fields it is written as.
fn event(
    target: &Target,
    worker: &Worker,
    parameters: &Map<String, Value>,
    (id, by): (&str, &str),
    now: Timestamp,
) -> Result<(Event, Fields), NotTriggered> {
    let inputs = worker.streams(&target.fleet.stages);
    let event_type = match parameters.get("type") {
        None => inputs.first().cloned(),
        Some(said) => inputs.iter().find(|one| said == one.as_str()).cloned(),
    };
    let Some(event_type) = event_type else {
        let known: Vec<&str> = inputs.iter().map(EventType::as_str).collect();
        let problem = format!("type: must be one of {}", known.join(", "));
        return Err(NotTriggered::Invalid(problem));
    };
    let mut data = made_up(target, &event_type, id);
    let given = parameters.iter().filter(|(name, _)| *name != "type");
    data.extend(given.map(|(name, value)| (name.clone(), value.clone())));
    let data = Value::Object(data).to_string();
    let (time, source) = (now.to_string(), format!("/printery-workers/trigger/{by}"));
    let fields: Fields = [
        ("id", id),
        ("source", &source),
        ("type", event_type.as_str()),
        ("time", &time),
        ("datacontenttype", "application/json"),
        ("data", &data),
    ]
    .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
    .into();
    let event = Event::decode(None, &fields)
        .map_err(|invalid| NotTriggered::Invalid(format!("parameters: {invalid}")))?;
    let mut fields = event.encode(target.settings.encoding);
    fields.push((b"triggeredby".to_vec(), by.as_bytes().to_vec()));
    Ok((event, fields))
}

/// What an event has that nobody said anything of: everything that is configured, and nothing
/// found wrong so far.
fn made_up(target: &Target, event_type: &EventType, id: &str) -> Map<String, Value> {
    let services: Vec<&String> = target.fleet.services.keys().collect();
    let environment = &target.settings.environment;
    let data = match event_type.family() {
        Family::ValidationCompleted => json!({
            "version": "manual", "environment": environment, "services": services,
            "phase": "pre-deploy", "result": "PASSED", "checks": [], "duration_ms": 0,
            "config_digest": "", "summary": "asked for by hand",
        }),
        Family::DependencyCheckCompleted => json!({
            "services": services, "environment": environment, "version": "manual",
            "phase": "pre-deploy", "result": "ALL_HEALTHY", "statuses": [], "root_causes": [],
            "impaired": [], "duration_ms": 0, "summary": "asked for by hand",
        }),
        Family::StageCompleted => json!({
            "stage": event_type.stage(), "status": "success", "services": services,
            "environment": environment, "version": "manual",
        }),
        Family::DeploymentStarted => json!({
            "version": "manual", "environment": environment, "services": services,
        }),
        Family::StageStarted
        | Family::DeploymentCompleted
        | Family::DeploymentFailed
        | Family::RollbackInitiated
        | Family::RollbackCompleted
        | Family::ValidationStarted
        | Family::DependencyCheckStarted
        | Family::HealthCheckStarted
        | Family::HealthCheckCompleted
        | Family::NotificationSent
        | Family::NotificationFailed => json!({}),
    };
    let mut data = if let Value::Object(data) = data { data } else { Map::new() };
    data.insert("deployment_id".to_owned(), json!(id));
    data
}
