//! Follows the settlement logs of every worker in every partition, and keeps what they say.
//!
//! Asked for before each answer and once a second besides. Rows and positions are written in one
//! transaction: whatever dies, the next turn goes on where the last one ended.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use printery_events::topology::WORKERS;
use printery_streams::{EntryId, Error, Partition, Partitions, browse};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::database::{Cell, Database};
use crate::job::{Job, Line};
use crate::tables;

/// Between two looks while nobody asks: a log holds 100,000 lines, so none is cut off unseen.
const EVERY: Duration = Duration::from_secs(1);
/// How long catching up may keep a question waiting; the rest follows. 1 s.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two times that old jobs are forgotten. 1 h: nobody counts the days by the minute.
const TIDY: Duration = Duration::from_secs(3600);
/// Lines of one transaction.
const PAGE: usize = 256;

/// One worker's log in one partition.
#[derive(Debug)]
struct Source {
    partition: Partition,
    worker: &'static str,
    log: String,
    seen: EntryId,
}

/// The logs, and the database that they are mirrored into.
#[derive(Debug)]
pub(crate) struct Mirror<D> {
    database: D,
    sources: Vec<Source>,
    fleet: String,
    problem: Option<String>,
    /// How long a job that ended is remembered, where there is an end to it.
    keep: Option<Duration>,
    /// When the old ones were last forgotten.
    tidied: Option<Instant>,
}

impl<D: Database> Mirror<D> {
    /// Makes the tables and finds out where it ended.
    pub(crate) async fn begin(
        database: D,
        partitions: &Partitions,
        keep: Option<Duration>,
    ) -> Result<Self, String> {
        let of = |partition: &Partition| {
            let partition = partition.clone();
            WORKERS.iter().map(move |worker| Source {
                partition: partition.clone(),
                worker: worker.name,
                log: partition.keys.settlements(worker.name),
                seen: EntryId::default(),
            })
        };
        let home = partitions.home();
        let mut mirror = Self {
            database,
            sources: partitions.all().flat_map(of).collect(),
            fleet: format!("{} {}", home.redis.address(), home.keys.prefix()),
            problem: None,
            keep,
            tidied: None,
        };
        mirror.prepare().await?;
        Ok(mirror)
    }

    async fn prepare(&mut self) -> Result<(), String> {
        self.database.execute(&tables::schema()).await?;
        for source in &mut self.sources {
            let rows = self.database.rows(&tables::position(&source.log)).await?;
            if let Some([Cell::Text(Some(entry))]) = rows.first().map(Vec::as_slice) {
                source.seen = entry.parse().unwrap_or_default();
            }
        }
        Ok(())
    }

    /// Mirrors what is new, for as long as a question may wait; what fails is tried again later.
    pub(crate) async fn catch_up(&mut self) {
        let until = Instant::now() + PATIENCE;
        let problem = self.catch_up_until(until).await.err();
        if let Some(problem) = &problem
            && self.problem.as_ref() != Some(problem)
        {
            tracing::warn!(problem, "the history is not up to date");
        }
        self.problem = problem;
    }

    async fn catch_up_until(&mut self, until: Instant) -> Result<(), String> {
        for source in &mut self.sources {
            while Instant::now() < until {
                let (jobs, seen) =
                    source.news().await.map_err(|error| format!("Redis: {error}"))?;
                if seen == source.seen {
                    break;
                }
                let mut statements: Vec<_> = jobs.iter().map(tables::keep).collect();
                statements.push(tables::remember(&source.log, seen));
                self.database.execute(&statements).await?;
                source.seen = seen;
            }
        }
        self.forget().await
    }

    /// Forgets, now and then, the jobs that ended longer ago than they are remembered.
    async fn forget(&mut self) -> Result<(), String> {
        let Some(keep) = self.keep else { return Ok(()) };
        if self.tidied.is_some_and(|at| at.elapsed() < TIDY) {
            return Ok(());
        }
        let now_ms = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
        let keep_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
        self.database.execute(&[tables::forget(now_ms.saturating_sub(keep_ms))]).await?;
        self.tidied = Some(Instant::now());
        Ok(())
    }

    /// Where rows are asked for.
    pub(crate) fn database(&mut self) -> &mut D {
        &mut self.database
    }

    /// Whose history it is.
    pub(crate) fn fleet(&self) -> &str {
        &self.fleet
    }

    /// Why it is not up to date.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }
}

impl Source {
    /// The next jobs that ended, and how far the log was read for them.
    async fn news(&self) -> Result<(Vec<Job>, EntryId), Error> {
        let mut session = self.partition.redis.session();
        let rows = browse::range(&mut session, &self.log, self.seen.next(), None, PAGE).await?;
        let seen = rows.last().map_or(self.seen, |row| row.id);
        let mut jobs = Vec::with_capacity(rows.len());
        for line in rows.iter().filter_map(Line::read) {
            let entry = line.entry;
            let found =
                browse::range(&mut session, &line.stream, entry, Some(entry), 1).await?.pop();
            jobs.push(Job::new(self.worker, line, found.map(|entry| entry.fields)));
        }
        Ok((jobs, seen))
    }
}

/// Mirrors once a second until it is dropped.
pub(crate) async fn follow<D: Database>(mirror: Arc<Mutex<Mirror<D>>>) {
    loop {
        mirror.lock().await.catch_up().await;
        tokio::time::sleep(EVERY).await;
    }
}
