//! What is in each partition, and what all of them come to.
//!
//! Pure. The collector builds the views; status, metrics and the API show the sums, and the single
//! partitions where there are several.

use serde::{Deserialize, Serialize};

use crate::snapshot::{GroupView, QueueView};

/// One partition as its server described it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartitionView {
    /// First part of its keys.
    pub(crate) prefix: String,
    /// The server that has it, without credentials.
    pub(crate) address: String,
    /// Every subscribed stream, as each of its groups sees it.
    #[serde(rename = "streams")]
    pub(crate) groups: Vec<GroupView>,
    /// What waits for each worker outside the event streams.
    pub(crate) queues: Vec<QueueView>,
}

/// What is open in one partition, over all workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Open {
    /// Entries that groups have not been given yet; none where Redis does not know.
    pub(crate) lag: Option<u64>,
    /// Entries that are given and not settled.
    pub(crate) pending: u64,
    /// Age of the oldest of those.
    pub(crate) oldest_pending_ms: Option<u64>,
    /// Entries that wait for their due time.
    pub(crate) delayed: u64,
    /// Entries that wait behind an older one of their deployment.
    pub(crate) in_line: u64,
    /// Dead letters that wait for a decision.
    pub(crate) dead_letters: u64,
}

impl PartitionView {
    /// What is open here.
    pub(crate) fn open(&self) -> Open {
        let mut open = Open { lag: Some(0), ..Open::default() };
        for group in &self.groups {
            open.lag = open.lag.zip(group.lag).map(|(sum, lag)| sum.saturating_add(lag));
            open.pending += group.pending;
            open.oldest_pending_ms = open.oldest_pending_ms.max(group.oldest_pending_ms);
        }
        for queue in &self.queues {
            open.delayed += queue.delayed;
            open.in_line += queue.in_line;
            open.dead_letters += queue.dead_letters;
        }
        open
    }
}

/// The partitions where there are several of them; one is what the sums say already.
pub(crate) fn several(partitions: &[PartitionView]) -> Vec<PartitionView> {
    if partitions.len() > 1 { partitions.to_vec() } else { Vec::new() }
}

/// Each group of each stream, over all partitions, in the order of the first one.
pub(crate) fn groups(partitions: &[PartitionView]) -> Vec<GroupView> {
    let mut totals: Vec<GroupView> = Vec::new();
    for one in partitions.iter().flat_map(|partition| &partition.groups) {
        let same =
            |total: &&mut GroupView| total.worker == one.worker && total.stream == one.stream;
        match totals.iter_mut().find(same) {
            Some(total) => add_group(total, one),
            None => totals.push(one.clone()),
        }
    }
    totals
}

/// What waits for each worker, over all partitions.
pub(crate) fn queues(partitions: &[PartitionView]) -> Vec<QueueView> {
    let mut totals: Vec<QueueView> = Vec::new();
    for one in partitions.iter().flat_map(|partition| &partition.queues) {
        let Some(total) = totals.iter_mut().find(|total| total.worker == one.worker) else {
            totals.push(one.clone());
            continue;
        };
        total.inbox += one.inbox;
        total.delayed += one.delayed;
        total.in_line += one.in_line;
        total.dead_letters += one.dead_letters;
    }
    totals
}

fn add_group(total: &mut GroupView, one: &GroupView) {
    total.exists &= one.exists;
    total.length += one.length;
    // A sum of which one part is unknown is unknown: nobody may scale on half of it.
    total.lag = total.lag.zip(one.lag).map(|(sum, lag)| sum.saturating_add(lag));
    total.pending += one.pending;
    total.oldest_pending_ms = total.oldest_pending_ms.max(one.oldest_pending_ms);
    total.oldest_waiting_ms = total.oldest_waiting_ms.max(one.oldest_waiting_ms);
    // Each process has one consumer in every partition.
    total.consumers = total.consumers.max(one.consumers);
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A partition with one group and one queue.
    pub(crate) fn partition(prefix: &str, lag: Option<u64>, pending: u64) -> PartitionView {
        let worker = || "validator".to_owned();
        let group = GroupView {
            worker: worker(),
            stream: "deployment:started".to_owned(),
            group: "printery-validator".to_owned(),
            exists: true,
            length: 10,
            lag,
            pending,
            oldest_pending_ms: (pending > 0).then_some(pending * 1000),
            oldest_waiting_ms: lag,
            consumers: 2,
        };
        let queue =
            QueueView { worker: worker(), inbox: 0, delayed: 1, in_line: pending, dead_letters: 3 };
        let (groups, queues) = (vec![group], vec![queue]);
        PartitionView { prefix: prefix.to_owned(), address: "h:1".to_owned(), groups, queues }
    }

    #[test]
    fn a_sum_is_the_sum_of_its_partitions() {
        let [a, b] = [partition("{m.0}", Some(2), 0), partition("{m.1}", Some(3), 7)];
        let totals = groups(&[a.clone(), b.clone()]);
        let expected = GroupView {
            length: 20,
            lag: Some(5),
            pending: 7,
            oldest_pending_ms: Some(7_000),
            oldest_waiting_ms: Some(3),
            ..a.groups[0].clone()
        };
        assert_eq!(totals, [expected]);
        let worker = "validator".to_owned();
        let expected = QueueView { worker, inbox: 0, delayed: 2, in_line: 7, dead_letters: 6 };
        assert_eq!(queues(&[a.clone(), b]), [expected]);
        let alone = std::slice::from_ref(&a);
        assert_eq!((groups(alone), queues(alone)), (a.groups.clone(), a.queues.clone()));
    }

    #[test]
    fn what_one_partition_does_not_know_nobody_knows() {
        let [a, mut b] = [partition("{m.0}", Some(2), 0), partition("{m.1}", None, 0)];
        b.groups[0].exists = false;
        let totals = groups(&[a.clone(), b.clone()]);
        assert_eq!((totals[0].lag, totals[0].exists), (None, false));
        assert_eq!((a.open().lag, b.open().lag), (Some(2), None));
    }
}
