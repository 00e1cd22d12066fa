//! Looks at Redis now and then, and publishes what it found.
//!
//! One task asks; everybody else reads the last answer or waits for the next. It asks seldom while
//! nothing moves, at once (but once a second at most) while somebody looks, and it gives groups
//! back that have vanished. It decides nothing about workers.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use printery_streams::{Error, Partitions};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::groups::PartitionStreams;
use crate::layout;
use crate::observer::{Missing, Observer};
use crate::snapshot::{NOT_ASKED, Observation, RedisView};
use crate::telemetry;
use crate::totals::{self, PartitionView};

/// How often Redis is asked whether it is there (one command). 2 s: an outage is seen in time for
/// `/health`, and costs nothing.
const PULSE: Duration = Duration::from_secs(2);
/// How often everything is looked at while something moves. 5 s.
const BUSY: Duration = Duration::from_secs(5);
/// How often everything is looked at while nothing moves: about forty commands for
/// each partition. 15 s.
const IDLE: Duration = Duration::from_secs(15);
/// Youngest age at which a look is repeated for somebody who asks. 1 s.
const FRESH: Duration = Duration::from_secs(1);
/// How long somebody who asks waits for a fresh look before taking the last one. 2 s.
const PATIENCE: Duration = Duration::from_secs(2);
/// Partitions that are looked at at the same time. 4: a look at 64 partitions waits for about 300
/// round trips then, and no server is asked by one manager more than so many things at once.
const AT_ONCE: usize = 4;

/// The task that looks at Redis.
#[derive(Debug)]
pub(crate) struct Collector {
    /// Looks at the home partition.
    home: Observer,
    /// Look at the other partitions.
    others: Vec<Observer>,
    /// Which partition was last asked whether it is there.
    pulsed: usize,
    /// What was last said about processes that know another number of partitions.
    disagreement: Option<String>,
    published: watch::Sender<Observation>,
    asked: mpsc::Receiver<()>,
    /// When everything was last looked at, or tried to be.
    looked_at: Option<Instant>,
}

/// Where others read what the collector found.
#[derive(Debug, Clone)]
pub(crate) struct Collected {
    published: watch::Receiver<Observation>,
    ask: mpsc::Sender<()>,
}

impl Collected {
    /// The last observation.
    pub(crate) fn last(&self) -> Observation {
        self.published.borrow().clone()
    }

    /// An observation not much older than a second, or the last one while Redis is slow or away.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn fresh(&mut self) -> Observation {
        self.published.mark_unchanged();
        // A full channel means that somebody has asked already; a closed one, that we are stopping.
        let asked = !matches!(self.ask.try_send(()), Err(mpsc::error::TrySendError::Closed(())));
        if asked {
            let changed = tokio::time::timeout(PATIENCE, self.published.changed()).await;
            if changed.is_err() {
                tracing::debug!("no fresh look at Redis in time");
            }
        }
        self.last()
    }
}

impl Collector {
    /// Prepares to look at the streams of a fleet with these stages; asks nothing yet.
    pub(crate) fn new(partitions: &Partitions, stages: &[String]) -> (Self, Collected) {
        let home = partitions.home();
        let first = Observation::unknown(home.redis.address(), Timestamp::now());
        let published = watch::Sender::new(first);
        let (ask, asked) = mpsc::channel(1);
        let collected = Collected { published: published.subscribe(), ask };
        let observer = |partition| Observer::new(PartitionStreams::new(partition, stages));
        let collector = Self {
            home: observer(home),
            others: partitions.all().skip(1).map(observer).collect(),
            pulsed: 0,
            disagreement: None,
            published,
            asked,
            looked_at: None,
        };
        (collector, collected)
    }

    /// Looks until nobody can ask any more; dropped at the end of the process.
    ///
    /// Woken by its own pace and by whoever asks.
    pub(crate) async fn run(mut self) {
        let mut next_look = Instant::now();
        let mut next_pulse = next_look + PULSE;
        loop {
            let pulse_due = Instant::now() >= next_pulse;
            if Instant::now() >= next_look || (pulse_due && self.came_back().await) {
                self.looked_at = Some(Instant::now());
                let moved = self.look_once().await;
                next_look = Instant::now() + if moved { BUSY } else { IDLE };
            }
            if Instant::now() >= next_pulse {
                next_pulse = Instant::now() + PULSE;
            }
            tokio::select! {
                () = tokio::time::sleep_until(next_look.min(next_pulse)) => {}
                Some(()) = self.asked.recv() => {
                    if self.looked_at.is_some_and(|at| at.elapsed() < FRESH) {
                        // Somebody waits for a change: what is known is fresh enough.
                        self.published.send_modify(|_| ());
                    } else {
                        next_look = Instant::now();
                    }
                }
            }
        }
    }

    /// Looks at everything once; says whether anything has moved since the last time.
    async fn look_once(&mut self) -> bool {
        match self.observe(Missing::Make).await {
            Ok(found) => {
                telemetry::observed(&found);
                self.compare_layouts(&found);
                let mut moved = false;
                self.published.send_modify(|last| {
                    moved = last.partitions != found.partitions;
                    *last = found;
                });
                moved
            }
            Err(error) => {
                self.failed(&error);
                false
            }
        }
    }

    /// Asks whether Redis is there; says whether it answers for the first time after an outage.
    ///
    /// Then everything has to be looked at: it may have come back without its groups.
    async fn came_back(&mut self) -> bool {
        match self.pulse().await {
            Ok(()) => !self.published.borrow().redis.up,
            Err(error) => {
                self.failed(&error);
                false
            }
        }
    }

    /// Asks for one partition after the other, so that many of them cost no more than one.
    async fn pulse(&mut self) -> Result<(), Error> {
        let count = 1 + self.others.len();
        self.pulsed = (self.pulsed + 1) % count;
        let pulsed = self.pulsed;
        match self.observers().nth(pulsed) {
            Some(observer) => observer.pulse().await.map(drop),
            None => Ok(()),
        }
    }

    /// Warns, once, when processes do not agree about the partitions of this fleet.
    fn compare_layouts(&mut self, found: &Observation) {
        let count = 1 + self.others.len();
        let problem = layout::disagreement(count, found.instances.iter().map(|(_, one)| one));
        if problem != self.disagreement {
            if let Some(problem) = &problem {
                tracing::warn!("{problem}");
            }
            self.disagreement = problem;
        }
    }

    fn failed(&self, error: &Error) {
        telemetry::redis_failed(error.kind.as_str());
        self.published.send_modify(|last| {
            if std::mem::replace(&mut last.redis.up, false) {
                tracing::warn!(%error, "redis does not answer");
            }
            last.redis.problem = Some(error.to_string());
            last.redis.down_since.get_or_insert_with(Timestamp::now);
        });
    }

    /// Looks at everything once and changes nothing, not even where a group is missing: what the
    /// commands that show the fleet call.
    pub(crate) async fn only_look(&mut self) -> Result<Observation, Error> {
        self.observe(Missing::Show).await
    }

    async fn observe(&mut self, missing: Missing) -> Result<Observation, Error> {
        let looks: Vec<BoxFuture<'_, _>> =
            self.observers().map(|observer| observer.look(missing).boxed()).collect();
        let looks = stream::iter(looks).buffered(AT_ONCE);
        let partitions: Vec<PartitionView> = looks.try_collect().await?;
        let instances = self.home.instances().await?;
        let leader = self.home.leader().await?;
        // The janitor takes turns with us on the same connections.
        self.others.iter_mut().for_each(Observer::rest);
        let groups = totals::groups(&partitions);
        let last = self.published.borrow().redis.clone();
        if !last.up && last.problem.as_deref() != Some(NOT_ASKED) && missing == Missing::Make {
            tracing::info!(address = last.address, "redis answers again");
        }
        let redis = RedisView {
            up: true,
            groups_exist: groups.iter().all(|group| group.exists),
            problem: None,
            down_since: None,
            ..last
        };
        let queues = totals::queues(&partitions);
        Ok(Observation { redis, groups, queues, partitions, instances, leader })
    }

    fn observers(&mut self) -> impl Iterator<Item = &mut Observer> {
        std::iter::once(&mut self.home).chain(&mut self.others)
    }
}

#[cfg(test)]
#[path = "collector_tests.rs"]
mod tests;
