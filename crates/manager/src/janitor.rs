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
mod tests {
    use printery_events::topology::DEFAULT_STAGES;
    use printery_testkit::{Connection, RedisServer};

    use super::*;
    use crate::groups::ensure;
    use crate::leadership::tests::lead;

    const FIRST: Epoch = Epoch::new(7);
    const STARTED: &str = "materi:events:deployment:deployment:started";

    /// A server that trims entry by entry, so that few entries prove something.
    async fn server() -> RedisServer {
        RedisServer::options().arg("--stream-node-max-entries", "1").start().await
    }

    async fn janitor(server: &RedisServer) -> Janitor {
        partitioned(server, None).await
    }

    async fn partitioned(server: &RedisServer, count: Option<u16>) -> Janitor {
        let second = Duration::from_secs(5);
        let partitions = Partitions::try_new(&server.url(), "materi", count, second).unwrap();
        let stages = DEFAULT_STAGES.map(str::to_owned);
        for place in PartitionStreams::of_all(&partitions, &stages) {
            ensure(&mut place.partition.redis.session(), &place.subscriptions).await.unwrap();
        }
        let retention = Retention { age: Duration::ZERO, entries: 0 };
        Janitor::new(&partitions, &stages, retention, lead(FIRST.number()))
    }

    async fn tidied(janitor: &Janitor) -> Tidied {
        let (tidied, failed) = janitor.tidy_once(FIRST).await;
        assert!(failed.is_empty(), "{failed:?}");
        tidied
    }

    async fn read(connection: &Connection, group: &str, count: &str) {
        let words =
            ["XREADGROUP", "GROUP", group, "reader", "COUNT", count, "STREAMS", STARTED, ">"];
        connection.cmd(&words).await;
    }

    #[tokio::test]
    async fn only_what_every_group_has_settled_is_trimmed() {
        let server = server().await;
        let janitor = janitor(&server).await;
        let connection = server.connect().await;
        let mut ids = Vec::new();
        for n in 0..4 {
            ids.push(connection.add(STARTED, &[("id", n.to_string())]).await);
        }
        assert_eq!(tidied(&janitor).await.trimmed, 0, "nobody has read anything");
        for group in ["printery-validator", "printery-notifier"] {
            read(&connection, group, "3").await;
            connection.cmd(&["XACK", STARTED, group, &ids[0], &ids[1]]).await;
        }
        assert_eq!(tidied(&janitor).await.trimmed, 2);
        let left: Vec<_> =
            connection.entries(STARTED).await.into_iter().map(|entry| entry.id).collect();
        assert_eq!(left, ids[2..], "one is pending, one was never read");
    }

    #[tokio::test]
    async fn a_missing_group_keeps_everything() {
        let server = server().await;
        let janitor = janitor(&server).await;
        let connection = server.connect().await;
        let id = connection.add(STARTED, &[("id", "1")]).await;
        read(&connection, "printery-validator", "1").await;
        connection.cmd(&["XACK", STARTED, "printery-validator", &id]).await;
        connection.cmd(&["XGROUP", "DESTROY", STARTED, "printery-notifier"]).await;
        assert_eq!(tidied(&janitor).await.trimmed, 0);
    }

    #[tokio::test]
    async fn a_stream_that_nobody_reads_does_not_grow_for_ever() {
        let server = server().await;
        let janitor = janitor(&server).await;
        let connection = server.connect().await;
        let sent = "materi:events:deployment:notification:sent";
        connection.cmd(&["XADD", sent, "1000-0", "id", "old"]).await;
        assert_eq!(tidied(&janitor).await.trimmed, 1);
    }

    #[tokio::test]
    async fn processed_dead_letters_go_after_a_day() {
        let server = server().await;
        let janitor = janitor(&server).await;
        let connection = server.connect().await;
        let processed = "materi:events:deployment:dlq:processed";
        connection.cmd(&["XADD", processed, "1000-0", "id", "old"]).await;
        connection.add(processed, &[("id", "young")]).await;
        assert_eq!(tidied(&janitor).await.trimmed, 1);
        assert_eq!(connection.entries(processed).await[0].text("id"), "young");
    }

    #[tokio::test]
    async fn a_process_that_is_gone_is_forgotten_and_a_quiet_one_is_not() {
        let server = server().await;
        let janitor = janitor(&server).await;
        let connection = server.connect().await;
        let record = |name: &str, beat_ms: u64| {
            let fields = "\"worker\":\"notifier\",\"host\":\"h\",\"pid\":1,\"version\":\"1\",\
                \"phase\":\"running\",\"started_ms\":1,\"concurrency\":1,\"in_flight\":0,\
                \"settled\":0,\"failed\":0,\"http\":null";
            format!("{{\"instance\":\"{name}\",\"beat_ms\":{beat_ms},{fields}}}")
        };
        let instances = "materi:printery:instances";
        connection.cmd(&["HSET", instances, "gone", &record("gone", 1)]).await;
        connection.cmd(&["HSET", instances, "quiet", &record("quiet", u64::MAX)]).await;
        tidied(&janitor).await;
        assert_eq!(connection.texts(&["HKEYS", instances]).await, ["quiet"]);
    }

    #[tokio::test]
    async fn a_leader_of_the_past_tidies_nothing() {
        let server = server().await;
        let janitor = janitor(&server).await;
        let connection = server.connect().await;
        let sent = "materi:events:deployment:notification:sent";
        connection.cmd(&["XADD", sent, "1000-0", "id", "old"]).await;
        connection.cmd(&["SET", "materi:printery:epoch:MANAGER", "8"]).await;
        assert_eq!(tidied(&janitor).await, Tidied::default());
        let (tidied, failed) = janitor.tidy_once(Epoch::new(8)).await;
        assert!(failed.is_empty(), "{failed:?}");
        assert_eq!(tidied.trimmed, 1);
    }

    #[tokio::test]
    async fn every_partition_is_tidied_and_the_living_are_those_of_the_home() {
        let server = server().await;
        let janitor = partitioned(&server, Some(3)).await;
        let connection = server.connect().await;
        let group = "printery-notifier";
        for n in 0..3 {
            let sent = format!("{{materi.{n}}}:events:deployment:notification:sent");
            connection.cmd(&["XADD", &sent, "1000-0", "id", "old"]).await;
            let completed = format!("{{materi.{n}}}:events:deployment:validation:completed");
            for id in ["1000-0", "1001-0"] {
                connection.cmd(&["XADD", &completed, id, "id", "old"]).await;
            }
            for group in [group, "printery-dependency-checker"] {
                connection
                    .cmd(&["XREADGROUP", "GROUP", group, "c", "STREAMS", &completed, ">"])
                    .await;
                connection.cmd(&["XACK", &completed, group, "1000-0", "1001-0"]).await;
            }
        }
        assert_eq!(tidied(&janitor).await, Tidied { trimmed: 6, retired: 0 });
        assert_eq!(tidied(&janitor).await, Tidied::default());
    }
}
