//! Owns [`Event`], one entry of a stream understood: the CloudEvents attributes and the `data`.
//! The harness decodes every delivery into one and encodes every result from one; producers build them with [`Event::new`].
//! It never touches Redis: an entry is a list of field names and values.

pub(crate) mod attributes;
mod decode;
mod encode;
mod follow_up;
mod moment;
mod trace;

use jiff::Timestamp;

use crate::event_type::EventType;
use crate::ids::derived_id;
use crate::kinds::Payload;

pub use follow_up::FollowUp;
pub use trace::Trace;

/// How many bytes an entry may have, names and values together: 1 MiB, the contract's limit.
pub const MAX_ENTRY_BYTES: usize = 1 << 20;

/// How many fields an entry may have. The envelope has thirteen; the rest is room for extensions.
pub const MAX_FIELDS: usize = 1000;

/// How many bytes a field's name may have.
pub const MAX_FIELD_NAME_BYTES: usize = 256;

/// Holds one event: what happened, to which deployment, and how it hangs together with others.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The identity by which repetitions are recognised.
    pub id: String,
    /// Who wrote it: `/printery/<worker>` for the fleet's own.
    pub source: Option<String>,
    /// What happened.
    pub event_type: EventType,
    /// The deployment.
    pub subject: String,
    /// When it happened, as the author says.
    pub time: Option<Timestamp>,
    /// What all events of one story share: the `id` of the first.
    pub correlation_id: String,
    /// The `id` of the event this one was derived from.
    pub causation_id: Option<String>,
    /// The W3C trace it belongs to.
    pub trace: Option<Trace>,
    /// Whether everything outside the fleet is left alone: checks run, nobody is told, nothing is rolled back.
    pub dry_run: bool,
    /// What it is still to be done for, where a worker put an event aside for itself.
    pub follow_up: Option<FollowUp>,
    /// The facts.
    pub payload: Payload,
}

impl Event {
    /// Begins a story: an event that no other event caused.
    pub fn new(
        id: impl Into<String>,
        source: impl Into<String>,
        payload: Payload,
        at: Timestamp,
    ) -> Self {
        let id = id.into();
        Self {
            correlation_id: id.clone(),
            id,
            source: Some(source.into()),
            event_type: payload.event_type(),
            subject: payload.deployment_id().to_owned(),
            time: Some(at),
            causation_id: None,
            trace: None,
            dry_run: false,
            follow_up: None,
            payload,
        }
    }

    /// Continues a story: a result of `input`, whose id is the same however often it is derived.
    ///
    /// `key` tells several results of one type apart and is empty for the only one; see [`derived_id`]. A result of a
    /// follow-up is one of the event that it follows.
    pub fn derived(input: &Self, worker: &str, payload: Payload, key: &str, at: Timestamp) -> Self {
        let event_type = payload.event_type();
        Self {
            id: derived_id(input.origin_id(), worker, event_type.as_str(), key),
            source: Some(format!("/printery/{worker}")),
            event_type,
            subject: payload.deployment_id().to_owned(),
            time: Some(at),
            correlation_id: input.correlation_id.clone(),
            causation_id: Some(input.origin_id().to_owned()),
            trace: input.trace.clone(),
            dry_run: input.dry_run,
            follow_up: None,
            payload,
        }
    }
}
