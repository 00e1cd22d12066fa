//! What waits, as a snapshot shows it: on the event streams, and beside them.
//!
//! Made by the observer of each partition and summed by [`crate::totals`]. Values only.

use serde::{Deserialize, Serialize};

/// One stream as one group sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupView {
    /// The worker whose group it is.
    pub(crate) worker: String,
    /// The event type, or `inbox:<worker>`.
    pub(crate) stream: String,
    /// The consumer group.
    pub(crate) group: String,
    /// Whether the group exists there.
    pub(crate) exists: bool,
    /// Entries in the stream.
    pub(crate) length: u64,
    /// Entries not given to the group yet; none where Redis does not know.
    pub(crate) lag: Option<u64>,
    /// Entries given to its consumers and not settled.
    pub(crate) pending: u64,
    /// Age of the oldest of those, by its id and the server's clock; none where nothing is pending
    /// or an id lies in the server's future.
    pub(crate) oldest_pending_ms: Option<u64>,
    /// Age of the oldest entry not given to the group yet; none as above.
    pub(crate) oldest_waiting_ms: Option<u64>,
    /// Its consumers, in the partition that has the most.
    pub(crate) consumers: u64,
}

/// What waits for one worker outside the event streams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QueueView {
    /// The worker.
    pub(crate) worker: String,
    /// Entries in its inbox that are not settled.
    pub(crate) inbox: u64,
    /// Entries that wait for their due time.
    pub(crate) delayed: u64,
    /// Entries that wait in line behind an older one of their deployment.
    #[serde(default)]
    pub(crate) in_line: u64,
    /// Dead letters that wait for a decision.
    pub(crate) dead_letters: u64,
}
