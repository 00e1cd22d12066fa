//! Jobs: what each worker has been given to do, as pipelines' users see it.
//!
//! A job is an entry seen from one of its readers. Nothing is written for it: its state is derived
//! from streams, pending lists, dead letters and the settlement log, with the same eyes as `explain`.
//! API and command line share every function here.

mod change;
mod find;
mod name;
mod older;
mod trigger;

use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::explain::place::{Finding, Place};
use crate::cli::explain::search::Item;
use crate::cli::sighting::Sighting;
use crate::cli::times::timestamp;
use crate::jobs::name::JobName;

pub(crate) use change::{Refusal, cancel, retry};
pub(crate) use find::{Page, get};
pub(crate) use older::{get_whole, list_whole, stats};
pub(crate) use trigger::{NotTriggered, trigger};

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// It waits: for a process, for its time, for its turn.
    Queued,
    /// It waits, and its worker is told to take nothing new.
    Paused,
    /// A process works on it.
    Running,
    /// It was done.
    Completed,
    /// It was given up.
    Failed,
    /// Somebody took it back before anybody had begun.
    Cancelled,
}

impl Status {
    /// All of them, as they are spelt.
    pub(crate) const ALL: [(Self, &'static str); 6] = [
        (Self::Queued, "queued"),
        (Self::Paused, "paused"),
        (Self::Running, "running"),
        (Self::Completed, "completed"),
        (Self::Failed, "failed"),
        (Self::Cancelled, "cancelled"),
    ];

    /// Reads a word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, name)| *name == word).map(|(status, _)| status)
    }

    /// Its word.
    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(status, _)| *status == self).map_or("", |(_, name)| name)
    }

    fn of(finding: &Finding) -> Self {
        match &finding.place {
            Place::NoGroup | Place::Waiting { .. } if finding.around.hold.is_some() => Self::Paused,
            // Nobody works on what a silent owner holds: it is taken over and begun again.
            Place::NoGroup
            | Place::Waiting { .. }
            | Place::Expired(_)
            | Place::Delayed { .. }
            | Place::InLine(_) => Self::Queued,
            Place::Running(_) => Self::Running,
            Place::Dead(_) | Place::PutAway(_) => Self::Failed,
            Place::Done(line) if line.outcome == "dead" => Self::Failed,
            Place::Done(line) if line.outcome == "cancelled" => Self::Cancelled,
            Place::Done(_) | Place::Duplicate(_) | Place::Settled | Place::Trimmed { .. } => {
                Self::Completed
            }
        }
    }
}

/// A job.
#[derive(Debug)]
pub(crate) struct Job {
    /// Its id.
    pub(crate) id: String,
    /// Where it stands.
    pub(crate) status: Status,
    /// What its worker has made of it.
    pub(crate) finding: Finding,
    /// Its entry.
    pub(crate) item: Item,
}

impl Job {
    fn new(item: Item, finding: Finding) -> Self {
        let id = JobName::of(finding.worker, &item).to_string();
        Self { id, status: Status::of(&finding), finding, item }
    }

    /// For programs: every name is there, what is not known is null.
    pub(crate) fn to_json(&self) -> Value {
        let finding = &self.finding;
        let history = finding.history.as_ref();
        let (mut started, mut finished, mut attempts, mut worker, mut error, mut published) =
            (None, None, history.map_or(0, |it| u64::from(it.failures)), None, None, None);
        match &finding.place {
            Place::Done(line) | Place::Duplicate(line) => {
                (started, finished) = (Some(line.started_ms), Some(line.finished_ms));
                (attempts, worker) = (line.attempts, Some(line.instance.clone()));
                (error, published) = (line.reason.clone(), Some(line.results));
            }
            Place::Dead(letter) => {
                (finished, attempts) =
                    (Some(letter.last_failure_at), u64::from(letter.attempt_count));
                (worker, error) =
                    (Some(letter.instance.clone()), Some(letter.failure_reason.clone()));
            }
            Place::PutAway(away) => {
                (finished, attempts) = (Some(away.id.ms), u64::from(away.letter.attempt_count));
                error = Some(away.letter.failure_reason.clone());
            }
            Place::Running(held) | Place::Expired(held) => {
                worker = Some(held.owner.clone());
                started = Some(finding.around.now_ms.saturating_sub(held.idle_ms));
                attempts += 1;
            }
            Place::NoGroup
            | Place::Waiting { .. }
            | Place::Delayed { .. }
            | Place::InLine(_)
            | Place::Settled
            | Place::Trimmed { .. } => {}
        }
        let event = self.item.sighting.as_ref().and_then(Sighting::event);
        let data = event.map(|event| json!(event.payload));
        let git = data.as_ref().and_then(|data| data.get("git")).cloned();
        let at = |ms: Option<u64>| ms.and_then(timestamp).map(|at| at.to_string());
        let last_error = history.map(|it| it.last_error.clone()).filter(|text| !text.is_empty());
        json!({
            "id": self.id,
            "pipelineId": finding.worker.name,
            "status": self.status.as_str(),
            "reason": finding.reason().as_str(),
            "createdAt": at(Some(self.item.entry.ms)),
            "startedAt": at(started),
            "completedAt": at(finished),
            "durationMs": started.zip(finished).map(|(from, to)| to.saturating_sub(from)),
            "data": data,
            "result": published.map(|events| json!({ "published": events })),
            "error": error.or(last_error),
            "git": git,
            "attempts": attempts,
            "retryPending": matches!(finding.place, Place::Delayed { .. }),
            "workerId": worker,
            "eventId": self.item.event_id,
            "eventType": self.item.event_type_name(),
            "deploymentId": self.item.subject(),
            "correlationId": event.map(|event| event.correlation_id.clone()),
            "triggeredBy": if JobName::is_manual(&self.id) { "manual" } else { "event" },
            "stream": finding.stream,
            "entry": finding.entry.to_string(),
        })
    }
}
