//! Keeps Redis tidy: trims what everybody has settled, forgets processes that are gone.
//!
//! One task per manager, of which the leader's tidies; what it writes carries the leader's epoch. It
//! never removes an entry that any group has not settled, nor a consumer that still owns one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use printery_events::topology::{ON_DEMAND, Worker};
use printery_fleet::instances;
use printery_fleet::locks::{self, Cleared, Epoch, LEADER};
use printery_streams::trim::{Keep, Readers, Trimmed, trim, trim_for};
use printery_streams::{Clock, EntryId, Error, Partition, Partitions, Session, group};

use crate::groups::PartitionStreams;
use crate::leadership::Lead;

/// How often it tidies. 60 s: nothing waits for it.
const EVERY: Duration = Duration::from_secs(60);
/// How long a process must have been silent before its record and its consumers are removed, in
/// milliseconds. 10 min: long after its entries have been reclaimed, and dead ones cost little.
const GONE_MS: u64 = 600_000;
/// How long resolved and abandoned dead letters are kept. 24 h, contract §1.
const PROCESSED_KEPT: Duration = Duration::from_secs(24 * 3600);

/// What is kept of streams whose entries are settled: the longer of the two.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    /// Entries younger than this stay.
    pub(crate) age: Duration,
    /// So many of the youngest stay.
    pub(crate) entries: u64,
}

/// The task that tidies.
#[derive(Debug)]
pub(crate) struct Janitor {
    /// Has the records of processes.
    home: Partition,
    /// What there is to tidy, the home partition first.
    places: Vec<PartitionStreams>,
    retention: Retention,
    lead: Lead,
}

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tidied {
    /// Entries removed.
    pub(crate) trimmed: u64,
    /// Consumers removed.
    pub(crate) retired: u64,
}

impl Tidied {
    fn add(&mut self, more: Self) {
        self.trimmed += more.trimmed;
        self.retired += more.retired;
    }
}

impl Janitor {
    /// Prepares to tidy the streams of a fleet with these stages; asks nothing yet.
    pub(crate) fn new(
        partitions: &Partitions,
        stages: &[String],
        retention: Retention,
        lead: Lead,
    ) -> Self {
        let places = PartitionStreams::of_all(partitions, stages);
        Self { home: partitions.home().clone(), places, retention, lead }
    }

    /// Tidies once a minute while this manager leads; dropped at the end of the process.
    pub(crate) async fn run(self) {
        loop {
            // Spread, so that the leaders of many fleets do not tidy in the same second.
            tokio::time::sleep(EVERY.mul_f64(rand::random_range(0.8..1.2))).await;
            let Some(epoch) = self.lead.epoch() else { continue };
            let (tidied, failed) = self.tidy_once(epoch).await;
            if tidied != Tidied::default() {
                let Tidied { trimmed, retired } = tidied;
                tracing::info!(trimmed, retired, "streams tidied");
            }
            for error in failed {
                tracing::debug!(%error, "not tidied, next time again");
            }
        }
    }

    /// Trims every stream and retires dead consumers; one partition that cannot be reached keeps
    /// none of the others waiting. Gives what went wrong beside what was done.
    ///
    /// # Redis
    /// In each partition one script per stream, `XINFO CONSUMERS` per group, one script per dead
    /// consumer; a connection is kept for as long as it takes.
    pub(crate) async fn tidy_once(&self, epoch: Epoch) -> (Tidied, Vec<Error>) {
        let (mut tidied, mut failed) = (Tidied::default(), Vec::new());
        let living = match self.forget_the_dead(epoch).await {
            Ok(Some(living)) => Some(living),
            Ok(None) => return (tidied, failed),
            Err(error) => {
                failed.push(error);
                None
            }
        };
        for place in &self.places {
            let mut visit = Visit {
                place,
                session: place.partition.redis.session(),
                clock: Clock::default(),
                retention: self.retention,
                abandoned: living.as_ref().map(abandoned).unwrap_or_default(),
            };
            // Without a list of those who live nobody is retired.
            match visit.tidy(epoch, living.as_ref(), &mut tidied).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => failed.push(error),
            }
        }
        (tidied, failed)
    }

    /// Removes the records of processes that are gone; gives the names of the others, or none where
    /// a later leader has been there.
    async fn forget_the_dead(&self, epoch: Epoch) -> Result<Option<BTreeSet<String>>, Error> {
        let (mut session, clock) = (self.home.redis.session(), Clock::default());
        clock.read(&mut session).await?;
        let records = instances::list(&mut session, &self.home.keys).await?;
        let now_ms = clock.now_ms();
        let (gone, living): (Vec<_>, Vec<_>) =
            records.into_iter().partition(|one| now_ms.saturating_sub(one.beat_ms) >= GONE_MS);
        let gone: Vec<_> = gone.into_iter().map(|one| (one.instance, one.beat_ms)).collect();
        if !locks::pass(&mut session, &self.home.keys, LEADER, epoch).await?
            || instances::forget(&mut session, &self.home.keys, epoch, &gone).await?
                == Cleared::Deposed
        {
            return Ok(None);
        }
        Ok(Some(living.into_iter().map(|one| one.instance).collect()))
    }
}

/// One round in one partition.
struct Visit<'a> {
    place: &'a PartitionStreams,
    session: Session,
    clock: Clock,
    retention: Retention,
    /// Groups of workers on demand that nobody runs: nothing waits for them.
    abandoned: Vec<String>,
}

impl Visit<'_> {
    /// Tidies the partition; false when a later leader has been there, and nothing was done. Each step
    /// after that is safe whoever takes it: trimming and retiring look and write in one script.
    async fn tidy(
        &mut self,
        epoch: Epoch,
        living: Option<&BTreeSet<String>>,
        tidied: &mut Tidied,
    ) -> Result<bool, Error> {
        let keys = &self.place.partition.keys;
        if !locks::pass(&mut self.session, keys, LEADER, epoch).await? {
            return Ok(false);
        }
        self.clock.read(&mut self.session).await?;
        let trimmed = self.trim_events().await?;
        tidied.add(Tidied { trimmed, retired: 0 });
        let trimmed = self.trim_processed().await?;
        tidied.add(Tidied { trimmed, retired: 0 });
        if let Some(living) = living {
            let retired = self.retire_consumers(living).await?;
            tidied.add(Tidied { trimmed: 0, retired });
        }
        Ok(true)
    }

    async fn trim_events(&mut self) -> Result<u64, Error> {
        let unread = self.place.events.iter().map(|key| (key.as_str(), Vec::new()));
        let mut required: BTreeMap<&str, Vec<String>> = unread.collect();
        for one in &self.place.subscriptions {
            required.entry(&one.key).or_default().push(one.group.clone());
        }
        let keep_from = before(&self.clock, self.retention.age);
        let mut removed = 0;
        for (key, groups) in required {
            let keep = Keep { entries: self.retention.entries, from: keep_from };
            let readers = Readers { required: &groups, abandoned: &self.abandoned };
            match trim_for(&mut self.session, key, keep, &readers).await? {
                Trimmed::Removed(count) => removed += count,
                Trimmed::Short => {}
                Trimmed::MissingGroup(group) => {
                    tracing::warn!(stream = key, group, "not trimmed: the group is missing");
                }
                Trimmed::OddGroup(group) => {
                    tracing::warn!(stream = key, group, "not trimmed: the group was set back");
                }
            }
        }
        Ok(removed)
    }

    async fn trim_processed(&mut self) -> Result<u64, Error> {
        let key = self.place.partition.keys.dead_letters_processed();
        let keep_from = before(&self.clock, PROCESSED_KEPT);
        match trim(&mut self.session, &key, 0, keep_from, &[]).await? {
            Trimmed::Removed(count) => Ok(count),
            Trimmed::Short | Trimmed::MissingGroup(_) | Trimmed::OddGroup(_) => Ok(0),
        }
    }

    async fn retire_consumers(&mut self, living: &BTreeSet<String>) -> Result<u64, Error> {
        let mut retired = 0;
        for one in &self.place.subscriptions {
            for consumer in group::consumers(&mut self.session, &one.key, &one.group).await? {
                let gone = consumer.idle_ms >= GONE_MS && !living.contains(&consumer.name);
                if gone
                    && consumer.pending == 0
                    && group::retire(&mut self.session, &one.key, &one.group, &consumer.name)
                        .await?
                {
                    retired += 1;
                }
            }
        }
        Ok(retired)
    }
}

/// The groups of workers on demand of which no process lives; an instance is called by its worker
/// and a dash.
fn abandoned(living: &BTreeSet<String>) -> Vec<String> {
    let runs = |worker: &&Worker| {
        let begins = format!("{}-", worker.name);
        living.iter().any(|instance| instance.starts_with(&begins))
    };
    ON_DEMAND.into_iter().filter(|worker| !runs(worker)).map(Worker::group).collect()
}

/// The first id of the server's `age` ago.
fn before(clock: &Clock, age: Duration) -> EntryId {
    let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    EntryId::at(clock.now_ms().saturating_sub(age_ms))
}

#[cfg(test)]
#[path = "janitor_tests.rs"]
mod tests;
