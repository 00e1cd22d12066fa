//! What lies below prefixes that this fleet would have with another number of partitions.
//!
//! The manager asks at start and the doctor when it is called: entries there are read by nobody
//! who has these settings. It only looks.

use printery_events::topology::WORKERS;
use printery_fleet::instances;
use printery_harness::settings::Settings;
use printery_streams::{Clock, Error, ErrorKind, Keys, Partition, Partitions, Redis, inspect};

use crate::groups::PartitionStreams;
use crate::layout;
use crate::observer::{Missing, Observer};
use crate::totals::Open;

/// Streams whose existence shows that a fleet works or worked below a prefix, or that a producer
/// writes there.
const TELLING: [&str; 3] = ["deployment:started", "deployment:completed", "validation:completed"];

/// Another prefix with streams of a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leftover {
    /// The prefix.
    pub(crate) prefix: String,
    /// What is open there.
    pub(crate) open: Open,
    /// Processes that work there.
    pub(crate) alive: Vec<String>,
}

impl Leftover {
    /// Whether nobody works there and nothing waits there.
    pub(crate) fn is_settled(&self) -> bool {
        self.alive.is_empty() && self.unread() == Some(0) && self.open.dead_letters == 0
    }

    /// Entries that are not settled; none where Redis does not know.
    fn unread(&self) -> Option<u64> {
        let Open { lag, pending, delayed, in_line, .. } = self.open;
        lag.map(|lag| lag + pending + delayed + in_line)
    }

    /// What is wrong.
    pub(crate) fn sentence(&self) -> String {
        let prefix = &self.prefix;
        if let Some(first) = self.alive.first() {
            let count = self.alive.len();
            return format!(
                "processes alive under another prefix, {prefix}: {count}, such as {first}"
            );
        }
        if self.is_settled() {
            return format!("{prefix} has streams of other settings; everything there is settled");
        }
        let unread = self.unread().map_or_else(|| "many".to_owned(), |count| count.to_string());
        let dead_letters = self.open.dead_letters;
        format!(
            "{prefix} has what nobody with these settings reads: entries {unread}, dead letters {dead_letters}"
        )
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> String {
        let how = layout::how_to_read(&self.prefix);
        if !self.alive.is_empty() {
            let rule =
                "give every process and producer the same --partitions (PRINTERY_PARTITIONS)";
            return format!("{rule}; those there have {how} or more");
        }
        if self.is_settled() {
            return "delete them when no producer writes there any more".to_owned();
        }
        format!("start workers with {how} until all is settled there")
    }
}

/// Looks below every prefix that the settings might have meant and do not.
///
/// # Errors
/// Redis cannot be reached; a prefix that this user may not read is passed over.
/// # Redis
/// A few `EXISTS` for each of 65 prefixes; the streams below those that exist.
pub(crate) async fn find(
    partitions: &Partitions,
    settings: &Settings,
    stages: &[String],
) -> Result<Vec<Leftover>, Error> {
    let mut found = Vec::new();
    for prefix in layout::neighbours(&settings.prefix, settings.partitions) {
        match look(&partitions.home().redis, prefix, stages).await {
            Ok(leftover) => found.extend(leftover),
            Err(error) if error.kind == ErrorKind::Refused => {
                tracing::debug!(%error, "not looked below another prefix");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

async fn look(redis: &Redis, prefix: String, stages: &[String]) -> Result<Option<Leftover>, Error> {
    let keys = Keys::new(prefix.clone());
    let redis = redis.holding(&keys)?;
    let mut session = redis.session();
    let mut telling: Vec<String> = TELLING.iter().map(|kind| keys.events(kind)).collect();
    telling.extend(WORKERS.iter().map(|worker| keys.inbox(worker.name)));
    telling.extend(WORKERS.iter().map(|worker| keys.dead_letters(worker.name)));
    if !inspect::exist(&mut session, &telling).await?.contains(&true) {
        return Ok(None);
    }
    let clock = Clock::default();
    clock.read(&mut session).await?;
    let records = instances::list(&mut session, &keys).await?;
    let alive = records.into_iter().filter(|one| one.is_alive(clock.now_ms()));
    let alive = alive.map(|one| one.instance).collect();
    let mut observer = Observer::new(PartitionStreams::new(&Partition { keys, redis }, stages));
    let mut view = observer.look(Missing::Show).await?;
    // A group that never was has not read anything: what is there waits for it.
    for group in view.groups.iter_mut().filter(|group| !group.exists) {
        group.lag = Some(group.length);
    }
    Ok(Some(Leftover { prefix, open: view.open(), alive }))
}
