//! Looks at one partition: its streams, its groups, and what waits beside them.
//!
//! The collector has one for each partition. It gives groups back that have vanished where it is
//! told to, and otherwise changes nothing; what the partitions come to is for [`crate::totals`].

use std::collections::BTreeMap;
use std::time::Duration;

use printery_events::topology::WORKERS;
use printery_fleet::instances::{self, Instance};
use printery_fleet::locks::{self, LEADER};
use printery_streams::{Clock, EntryId, Error, Session, inspect};

use crate::groups::{self, PartitionStreams, Subscription};
use crate::snapshot::{GroupView, InstanceView, LeaderView, QueueView};
use crate::totals::PartitionView;

/// How far an id may lie in the future and still be of this moment, in milliseconds. 1 s: this
/// process carries the server's time on by itself between two readings.
const CLOCK_SLACK_MS: u64 = 1_000;

/// What to do about groups that are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Make them.
    Make,
    /// Only show them.
    Show,
}

/// Looks at one partition.
#[derive(Debug)]
pub(crate) struct Observer {
    place: PartitionStreams,
    clock: Clock,
    session: Session,
}

impl Observer {
    /// Prepares to look at a partition; asks nothing yet.
    pub(crate) fn new(place: PartitionStreams) -> Self {
        let session = place.partition.redis.session();
        Self { place, clock: Clock::default(), session }
    }

    /// The server that has the partition.
    pub(crate) fn address(&self) -> &str {
        self.place.partition.redis.address()
    }

    /// Gives the connection back until it is needed again.
    pub(crate) fn rest(&mut self) {
        self.session = self.place.partition.redis.session();
    }

    /// Asks whether the server is there.
    ///
    /// # Redis
    /// `TIME`.
    pub(crate) async fn pulse(&mut self) -> Result<Duration, Error> {
        self.clock.read(&mut self.session).await
    }

    /// Looks at everything once.
    ///
    /// # Redis
    /// About forty short commands in about twenty round trips, whatever the streams hold.
    pub(crate) async fn look(&mut self, missing: Missing) -> Result<PartitionView, Error> {
        self.pulse().await?;
        let mut groups = self.groups().await?;
        if missing == Missing::Make && groups.iter().any(|group| !group.exists) {
            let made = self.make_groups().await?;
            let partition = self.place.partition.keys.prefix();
            tracing::info!(partition, made, "consumer groups were missing and have been made");
            groups = self.groups().await?;
        }
        let queues = self.queues(&groups).await?;
        let prefix = self.place.partition.keys.prefix().to_owned();
        Ok(PartitionView { prefix, address: self.address().to_owned(), groups, queues })
    }

    /// Makes the groups that are missing; gives how many.
    ///
    /// # Redis
    /// One `XGROUP CREATE` for each group.
    pub(crate) async fn make_groups(&mut self) -> Result<usize, Error> {
        groups::ensure(&mut self.session, &self.place.subscriptions).await
    }

    /// Who lives, by worker. Only the home partition has their records.
    ///
    /// # Redis
    /// `HVALS`.
    pub(crate) async fn instances(&mut self) -> Result<Vec<(String, InstanceView)>, Error> {
        let instances = instances::list(&mut self.session, &self.place.partition.keys).await?;
        let now_ms = self.clock.now_ms();
        Ok(instances
            .into_iter()
            .map(|one| (one.worker.clone(), instance_view(one, now_ms)))
            .collect())
    }

    /// Which manager leads. Only the home partition has the lock.
    ///
    /// # Redis
    /// `GET` and `PTTL`.
    pub(crate) async fn leader(&mut self) -> Result<Option<LeaderView>, Error> {
        let keys = &self.place.partition.keys;
        let holder = locks::holder(&mut self.session, keys, LEADER).await?;
        Ok(holder.map(|one| LeaderView { name: one.name, epoch: one.epoch.number() }))
    }

    async fn groups(&mut self) -> Result<Vec<GroupView>, Error> {
        let mut streams = BTreeMap::new();
        for subscription in &self.place.subscriptions {
            if !streams.contains_key(&subscription.key) {
                let view = inspect::stream(&mut self.session, &subscription.key).await?;
                streams.insert(subscription.key.clone(), view);
            }
        }
        let now_ms = self.clock.now_ms();
        let view = |one: &Subscription| {
            group_view(one, streams.get(&one.key).and_then(Option::as_ref), now_ms)
        };
        Ok(self.place.subscriptions.iter().map(view).collect())
    }

    async fn queues(&mut self, groups: &[GroupView]) -> Result<Vec<QueueView>, Error> {
        let mut queues = Vec::new();
        for worker in WORKERS {
            let label = format!("inbox:{}", worker.name);
            let inbox = groups.iter().find(|group| group.stream == label);
            let keys = &self.place.partition.keys;
            let waiting = inspect::waiting(&mut self.session, keys, worker.name).await?;
            queues.push(QueueView {
                worker: worker.name.to_owned(),
                inbox: inbox.map_or(0, |inbox| inbox.pending + inbox.lag.unwrap_or_default()),
                delayed: waiting.delayed,
                in_line: waiting.in_line,
                dead_letters: waiting.dead_letters,
            });
        }
        Ok(queues)
    }
}

fn instance_view(instance: Instance, now_ms: u64) -> InstanceView {
    InstanceView {
        alive: instance.is_alive(now_ms),
        beat_age_ms: now_ms.saturating_sub(instance.beat_ms),
        instance: instance.instance,
        phase: instance.phase,
        host: instance.host,
        pid: instance.pid,
        version: instance.version,
        concurrency: instance.concurrency,
        in_flight: instance.in_flight,
        settled: instance.settled,
        failed: instance.failed,
        http: instance.http,
        partitions: instance.partitions,
        hold: instance.hold,
    }
}

fn group_view(one: &Subscription, stream: Option<&inspect::StreamView>, now_ms: u64) -> GroupView {
    let group = stream.and_then(|view| view.groups.iter().find(|group| group.group == one.group));
    GroupView {
        worker: one.worker.name.to_owned(),
        stream: one.label.clone(),
        group: one.group.clone(),
        exists: group.is_some(),
        length: stream.map_or(0, |view| view.length),
        lag: group.and_then(|group| group.lag),
        pending: group.map_or(0, |group| group.pending),
        oldest_pending_ms: group.and_then(|group| age(group.oldest_pending?, now_ms)),
        oldest_waiting_ms: group.and_then(|group| age(group.oldest_waiting?, now_ms)),
        consumers: group.map_or(0, |group| group.consumers),
    }
}

/// How long an entry has been there, by the server's clock.
///
/// None where its id lies further in the future than readings differ: the clock was set back, or
/// somebody wrote the id; a made-up age would be worse than none.
fn age(entry: EntryId, now_ms: u64) -> Option<u64> {
    let future = entry.ms.saturating_sub(now_ms);
    (future <= CLOCK_SLACK_MS).then(|| now_ms.saturating_sub(entry.ms))
}
