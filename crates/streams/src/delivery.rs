//! One entry handed to this consumer, and the fence that gives the right to settle it.
//!
//! Made by fetch, reclaim and adopt; consumed by the harness. Nothing here talks to Redis.

use std::sync::Arc;

use crate::inbox::History;
use crate::names::{EntryId, Fields};

/// The right to settle: void as soon as somebody else has taken the entry over.
///
/// The consumer is the process' own and therefore not part of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fence {
    /// The stream the entry pends in.
    pub stream: Arc<str>,
    /// The entry.
    pub entry: EntryId,
    /// How often it has been delivered; every take-over adds one.
    pub count: u64,
}

/// An entry that was handed to this consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The right to settle it.
    pub fence: Fence,
    /// What happened to it before.
    pub history: History,
    /// The entry's own fields as they came; none when somebody deleted the body.
    pub fields: Option<Fields>,
}

impl Delivery {
    /// Builds a delivery from what a read returned.
    pub(crate) fn new(
        stream: Arc<str>,
        entry: EntryId,
        count: u64,
        fields: Option<Fields>,
        is_inbox: bool,
    ) -> Self {
        let (envelope, fields) = match fields {
            Some(fields) if is_inbox => {
                let (envelope, fields) = History::open(fields);
                (envelope, Some(fields))
            }
            other => (None, other),
        };
        let mut history = envelope.unwrap_or_else(|| History::fresh(&stream, entry));
        // Every delivery after the first means that an owner died or fell silent.
        let take_overs = u32::try_from(count.saturating_sub(1)).unwrap_or(u32::MAX);
        history.deaths = history.deaths.saturating_add(take_overs);
        Self { fence: Fence { stream, entry, count }, history, fields }
    }
}
