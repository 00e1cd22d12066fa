//! The shield listener's part of the job: one event in, the deployment's record brought up to date.
//!
//! Reads the record, applies the event, puts the new record in the old one's place, and begins
//! anew where somebody else was faster: five handlers here and any number elsewhere may work on one
//! deployment at once, in any order.

use std::sync::Arc;

use jiff::Timestamp;
use printery_config::Fleet;
use printery_events::Event;
use printery_events::status::Record;
use printery_fleet::deployments::{Change, Replaced, read_own, replace};
use printery_harness::{Context, Effects, Handler, Outcome, Refusal};

/// How often a record is made anew because somebody else was faster. Of n writers one wins each
/// round, so that 32 are more than the handlers of six replicas can lose.
const ROUNDS: usize = 32;

/// Keeps the records.
#[derive(Debug)]
pub(crate) struct Listener {
    fleet: Arc<Fleet>,
}

impl Listener {
    /// Goes by the stages of a fleet.
    pub(crate) fn new(fleet: &Arc<Fleet>) -> Self {
        Self { fleet: Arc::clone(fleet) }
    }
}

impl Handler for Listener {
    async fn handle(&self, event: &Event, context: &Context) -> Outcome {
        let now = i64::try_from(context.started_ms).unwrap_or_default();
        let now = Timestamp::from_millisecond(now).unwrap_or_default();
        for _ in 0..ROUNDS {
            let before = read_own(&context.records, &event.subject).await;
            let before = before.map_err(|error| unavailable(&error))?;
            let mut record = parsed(before.as_deref(), &event.subject);
            if !record.apply(event, now, &self.fleet.stages) {
                return Ok(Effects::none());
            }
            let after = written(&record)?;
            let change = Change {
                deployment: &event.subject,
                before: before.as_deref(),
                after: &after,
                event: (&event.id, event.event_type.as_str()),
            };
            match replace(&context.records, &change).await.map_err(|error| unavailable(&error))? {
                Replaced::Done => return Ok(Effects::none()),
                Replaced::Overtaken => {}
            }
        }
        let sentence = format!("others changed the record of {} {ROUNDS} times", event.subject);
        Err(Refusal::retry("contended", sentence))
    }
}

/// The record that stands, or a new one: what somebody else wrote there is no record of ours, and
/// dashboards are better served by what the events say.
fn parsed(text: Option<&str>, deployment: &str) -> Record {
    let Some(text) = text else { return Record::new(deployment) };
    serde_json::from_str(text).unwrap_or_else(|error| {
        tracing::warn!(deployment_id = deployment, %error, "an unreadable record is begun anew");
        Record::new(deployment)
    })
}

fn written(record: &Record) -> Result<String, Refusal> {
    serde_json::to_string(record)
        .map_err(|error| Refusal::reject("unwritable", format!("the record: {error}")))
}

fn unavailable(error: &impl std::fmt::Display) -> Refusal {
    Refusal::without_redis(format!("the deployment's record: {error}"))
}

#[cfg(test)]
#[path = "handler_tests.rs"]
mod tests;
