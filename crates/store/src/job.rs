//! A job as it is kept: what a line of a settlement log says, and what its entry said.
//!
//! It is shown with the names of `GET /api/jobs/:id`, so that nobody sees where a job comes from.

use jiff::Timestamp;
use printery_events::{Event, EventType, salvage};
use printery_fleet::jobs::{is_manual, of_event};
use printery_streams::browse::Entry;
use printery_streams::inbox::History;
use printery_streams::{EntryId, Fields};
use serde_json::{Value, json};

use crate::database::Cell;

/// What a line of a settlement log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Where the entry stood.
    pub(crate) stream: String,
    /// The entry.
    pub(crate) entry: EntryId,
    status: &'static str,
    event_id: String,
    event_type: String,
    attempts: u64,
    instance: String,
    started: u64,
    finished: u64,
    published: usize,
    reason: Option<String>,
}

impl Line {
    /// Reads a line; none where it settles no job.
    pub(crate) fn read(line: &Entry) -> Option<Self> {
        let text = |name: &str| line.text(name).unwrap_or_default().to_owned();
        let number = |name: &str| line.text(name).and_then(|text| text.parse().ok()).unwrap_or(0);
        let status = match line.text("outcome")? {
            "done" => "completed",
            "dead" => "failed",
            "cancelled" => "cancelled",
            _ => return None,
        };
        Some(Self {
            stream: text("stream"),
            entry: line.text("entry")?.parse().ok()?,
            status,
            event_id: text("event_id"),
            event_type: text("event_type"),
            attempts: number("attempts"),
            instance: text("instance"),
            started: number("started"),
            finished: number("finished"),
            published: text("results").split_whitespace().count(),
            reason: line.text("reason").map(ToOwned::to_owned),
        })
    }
}

/// A job that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    id: String,
    worker: &'static str,
    stream: String,
    entry: EntryId,
    line: Line,
    deployment: Option<String>,
    correlation: Option<String>,
    data: Option<String>,
}

impl Job {
    /// Puts a job together; `fields` are its entry's, where it was still there.
    pub(crate) fn new(worker: &'static str, line: Line, fields: Option<Fields>) -> Self {
        let (history, fields) = fields.map_or((None, None), |fields| {
            let (history, fields) = History::open(fields);
            (history, Some(fields))
        });
        let (stream, entry) = history.map_or_else(
            || (line.stream.clone(), line.entry),
            |history| (history.origin_stream, history.origin_entry),
        );
        let event_type = EventType::parse(&line.event_type).ok();
        let event = fields.as_ref().and_then(|it| Event::decode(event_type.as_ref(), it).ok());
        let deployment = match (&event, &fields) {
            (Some(event), _) => Some(event.subject.clone()),
            (None, Some(fields)) => salvage(fields).subject,
            (None, None) => None,
        };
        let id = if is_manual(worker, &line.event_id) {
            line.event_id.clone()
        } else {
            of_event(worker, deployment.as_deref().unwrap_or_default(), entry)
        };
        Self {
            id,
            worker,
            stream,
            entry,
            line,
            deployment,
            correlation: event.as_ref().map(|event| event.correlation_id.clone()),
            data: event.and_then(|event| serde_json::to_string(&event.payload).ok()),
        }
    }

    /// Its row, in the order of the table's columns.
    pub(crate) fn cells(&self) -> Vec<Cell> {
        let Line { status, event_id, event_type, attempts, instance, reason, .. } = &self.line;
        let published = (*status == "completed")
            .then(|| json!({ "published": self.line.published }).to_string());
        vec![
            Cell::text(&self.id),
            Cell::text(self.worker),
            Cell::text(*status),
            Cell::int(self.entry.ms),
            Cell::int(self.entry.seq),
            Cell::int(self.line.started),
            Cell::int(self.line.finished),
            Cell::int(*attempts),
            Cell::Text(self.data.clone()),
            Cell::Text(published),
            Cell::Text(reason.clone()),
            Cell::text(instance),
            Cell::text(event_id),
            Cell::text(event_type),
            Cell::Text(self.deployment.clone()),
            Cell::Text(self.correlation.clone()),
            Cell::text(&self.stream),
        ]
    }

    /// A row as the API shows a job; none where it is no row of a job.
    pub(crate) fn shown(row: &[Cell]) -> Option<Value> {
        let [
            id,
            pipeline,
            status,
            Cell::Int(Some(ms)),
            Cell::Int(seq),
            Cell::Int(started),
            Cell::Int(finished),
            Cell::Int(attempts),
            data,
            result,
            error,
            instance,
            event_id,
            event_type,
            deployment,
            correlation,
            stream,
        ] = row
        else {
            return None;
        };
        let data = parsed(data);
        let (id, pipeline) = (words(id)?, words(pipeline)?);
        Some(json!({
            "id": id,
            "pipelineId": pipeline,
            "status": words(status),
            "reason": "remembered",
            "createdAt": at(Some(*ms)),
            "startedAt": at(*started),
            "completedAt": at(*finished),
            "durationMs": started.zip(*finished).map(|(from, to)| to.saturating_sub(from).max(0)),
            "git": data.get("git"),
            "data": data,
            "result": parsed(result),
            "error": words(error),
            "attempts": attempts,
            "retryPending": false,
            "workerId": words(instance),
            "eventId": words(event_id),
            "eventType": words(event_type),
            "deploymentId": words(deployment),
            "correlationId": words(correlation),
            "triggeredBy": if is_manual(pipeline, id) { "manual" } else { "event" },
            "stream": words(stream),
            "entry": format!("{ms}-{}", seq.unwrap_or(0)),
        }))
    }
}

fn words(cell: &Cell) -> Option<&str> {
    match cell {
        Cell::Text(text) => text.as_deref().filter(|text| !text.is_empty()),
        Cell::Int(_) => None,
    }
}

fn parsed(cell: &Cell) -> Value {
    words(cell).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn at(ms: Option<i64>) -> Option<String> {
    Timestamp::from_millisecond(ms?).ok().map(|at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        pairs
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect()
    }

    fn line(outcome: &str, stream: &str, event_id: &str) -> Option<Line> {
        let fields = fields(&[
            ("stream", stream),
            ("entry", "17-3"),
            ("event_id", event_id),
            ("event_type", "deployment:started"),
            ("outcome", outcome),
            ("attempts", "2"),
            ("instance", "validator-a-1"),
            ("started", "1000"),
            ("finished", "1250"),
            ("results", "20-0 20-1"),
        ]);
        Line::read(&Entry { id: EntryId::default(), fields })
    }

    #[test]
    fn a_row_is_shown_as_the_job_it_was() {
        let data =
            r#"{"deployment_id":"d-1","version":"1","environment":"staging","services":["api"]}"#;
        let entry = fields(&[("id", "e-1"), ("data", data)]);
        let job = Job::new("validator", line("done", "s", "e-1").unwrap(), Some(entry));
        let shown = Job::shown(&job.cells()).unwrap();
        assert_eq!(
            (&shown["id"], &shown["status"], &shown["durationMs"], &shown["attempts"]),
            (&json!("validator-d-1-17-3"), &json!("completed"), &json!(250), &json!(2))
        );
        assert_eq!(shown["result"], json!({ "published": 2 }));
        assert_eq!(shown["data"]["services"], json!(["api"]));
        assert_eq!((&shown["git"], &shown["entry"]), (&Value::Null, &json!("17-3")));
    }

    #[test]
    fn a_job_whose_entry_is_gone_is_still_one() {
        let id = "validator-manual-17";
        let job = Job::new("validator", line("cancelled", "inbox", id).unwrap(), None);
        let shown = Job::shown(&job.cells()).unwrap();
        assert_eq!((&shown["id"], &shown["data"]), (&json!(id), &Value::Null));
        assert_eq!(shown["triggeredBy"], "manual");
    }

    #[test]
    fn what_settles_no_job_is_none() {
        assert_eq!(line("undone", "s", "e-1"), None);
    }
}
