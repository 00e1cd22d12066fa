//! What the collector found in Redis: the half of a snapshot that no process of ours knows.
//!
//! Written by the collector, joined with the rest by [`crate::snapshot::assemble`]. It asks nobody
//! for anything.

use jiff::Timestamp;

use crate::snapshot::{GroupView, InstanceView, LeaderView, QueueView, RedisView};
use crate::totals::PartitionView;

/// What is said of a Redis before it has been asked.
pub(crate) const NOT_ASKED: &str = "not asked yet";

/// What the collector found in Redis. Written by the collector, read by everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Observation {
    /// Redis itself.
    pub(crate) redis: RedisView,
    /// Streams and groups; the last known while Redis is away.
    pub(crate) groups: Vec<GroupView>,
    /// Inboxes, delayed entries and dead letters.
    pub(crate) queues: Vec<QueueView>,
    /// The partitions of which those are the sums; one at least once Redis has been asked.
    pub(crate) partitions: Vec<PartitionView>,
    /// Processes by worker.
    pub(crate) instances: Vec<(String, InstanceView)>,
    /// Which manager leads.
    pub(crate) leader: Option<LeaderView>,
}

impl Observation {
    /// What is known before Redis has been asked.
    pub(crate) fn unknown(address: &str, now: Timestamp) -> Self {
        let redis = RedisView {
            address: address.to_owned(),
            up: false,
            groups_exist: false,
            problem: Some(NOT_ASKED.to_owned()),
            down_since: Some(now),
        };
        let (groups, queues) = (Vec::new(), Vec::new());
        let (partitions, instances) = (Vec::new(), Vec::new());
        Self { redis, groups, queues, partitions, instances, leader: None }
    }
}
