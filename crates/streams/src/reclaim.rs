//! Finds entries that nobody works on: those of silent owners, and our own that we never saw.
//!
//! Called by the harness' worker loop, which starts what it returns; bounded by pages and by free
//! slots, and never touches a delivery that this process runs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::Value;

use crate::connection::Session;
use crate::delivery::Delivery;
use crate::error::Error;
use crate::keys::Keys;
use crate::names::{EntryId, Member};
use crate::reply::Origin;
use crate::script::{Script, script};

/// Rows of a pending list that one call looks at: bounds the time the server is busy with it.
const PAGE: usize = 128;

/// Pages of one stream that one sweep looks at. 100,000 pending entries are seen through in a
/// minute of sweeps, while no sweep costs more than a few milliseconds.
const PAGES_PER_SWEEP: usize = 64;

static RECLAIM: Script = script!("reclaim", ["fence.lua", "write.lua", "turns.lua", "reclaim.lua"]);
static ADOPT: Script = script!("adopt", ["fence.lua", "adopt.lua"]);

/// When an entry counts as abandoned, suspect and poison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReclaimPolicy {
    /// Silence after which an owner has lost its entries.
    pub lease: Duration,
    /// Deliveries from which an entry is taken by an idle process only, to run alone.
    pub suspect_at: u64,
    /// Deliveries from which it is not run any more: each ended with its owner's death.
    pub poison_at: u64,
}

impl ReclaimPolicy {
    /// Whether a delivery is a suspect, which nothing may run beside.
    pub fn runs_alone(&self, delivery: &Delivery) -> bool {
        u64::from(delivery.history.deaths) >= self.suspect_at
    }
}

/// What one sweep over a worker's streams found.
#[derive(Debug, Default)]
pub struct Reclaimed {
    /// Entries that are ours now.
    pub deliveries: Vec<Delivery>,
    /// Ids of entries whose body was gone; they are in the dead letters.
    pub lost: Vec<(Arc<str>, EntryId)>,
    /// Entries left for a process that has nothing else to do.
    pub suspects: u64,
}

/// Rows of others that were of no age in every look since they were first seen so.
///
/// A row is of no age in the millisecond in which it is delivered or renewed, or for as long as the
/// server's clock has not caught up with what it was when that happened. The latter stays so; then
/// only our own clock can tell that nobody renews it.
#[derive(Debug, Default)]
struct Ageless {
    rows: HashMap<(EntryId, u64), Instant>,
}

impl Ageless {
    /// Takes in the ageless rows of a look at all of them; the others have aged.
    fn observe(&mut self, now_ageless: Vec<(EntryId, u64)>) {
        let before = std::mem::take(&mut self.rows);
        let since = |row: &(EntryId, u64)| before.get(row).copied().unwrap_or_else(Instant::now);
        self.rows = now_ageless.into_iter().map(|row| (row, since(&row))).collect();
    }

    /// The rows that have not aged for longer than `silence`; at most a page of them.
    fn unmoved(&self, silence: Duration) -> impl Iterator<Item = (EntryId, u64)> + '_ {
        let unmoved = move |since: &Instant| since.elapsed() > silence;
        self.rows.iter().filter(move |(_, since)| unmoved(since)).map(|(row, _)| *row).take(PAGE)
    }
}

/// Sweeps the pending lists of a worker's streams, page by page, and remembers how far it came.
#[derive(Debug)]
pub struct Reclaimer {
    keys: Keys,
    member: Member,
    policy: ReclaimPolicy,
    /// How far each stream was swept; starting over each time would never see the far end.
    cursors: HashMap<Arc<str>, String>,
    /// Rows of each stream that were of no age whenever it was swept.
    ageless: HashMap<Arc<str>, Ageless>,
}

impl Reclaimer {
    /// Sweeps for `member` by `policy`.
    pub fn new(keys: Keys, member: Member, policy: ReclaimPolicy) -> Self {
        Self { keys, member, policy, cursors: HashMap::new(), ageless: HashMap::new() }
    }

    /// Claims entries of one stream whose owner has been silent for longer than the lease.
    ///
    /// # Shapes and units
    /// `limit`: free slots. `running`: deliveries that this process works on now; a suspect is only
    /// taken when that is 0, and then alone.
    /// # Errors
    /// [`crate::ErrorKind::Unknown`]: entries may have been claimed; they are adopted later.
    /// # Cancel safety
    /// Not cancel safe: dropping the future may leave entries claimed but not run.
    /// # Redis
    /// One script call per page of at most 128 rows, at most 64 pages.
    pub async fn reclaim_due(
        &mut self,
        session: &mut Session,
        stream: &Arc<str>,
        limit: usize,
        running: usize,
    ) -> Result<Reclaimed, Error> {
        let mut found = Reclaimed::default();
        let from_start = self.cursors.get(stream).is_none_or(|cursor| cursor == "-");
        let mut ageless = Vec::new();
        for _ in 0..PAGES_PER_SWEEP {
            let free = limit.saturating_sub(found.deliveries.len());
            if free == 0 {
                break;
            }
            let busy = running + found.deliveries.len();
            let at_end = self.page(session, stream, free, busy, &mut found, &mut ageless).await?;
            // Only a look at all rows tells which of them have aged since the last one.
            if at_end && from_start {
                self.ageless.entry(Arc::clone(stream)).or_default().observe(ageless);
                break;
            }
            let took_suspect =
                found.deliveries.iter().any(|delivery| self.policy.runs_alone(delivery));
            if at_end || took_suspect {
                break;
            }
        }
        Ok(found)
    }

    /// Looks at one page; true when the end of the pending list was reached.
    async fn page(
        &mut self,
        session: &mut Session,
        stream: &Arc<str>,
        limit: usize,
        running: usize,
        found: &mut Reclaimed,
        ageless: &mut Vec<(EntryId, u64)>,
    ) -> Result<bool, Error> {
        let dead_letters = self.keys.dead_letters(&self.member.worker);
        let ledger = self.keys.ledger(&self.member.worker);
        let cursor = self.cursors.get(stream).map_or("-", String::as_str);
        let turns = self.keys.turns(&self.member.worker);
        let mut keys: Vec<&str> = vec![stream, &dead_letters, &ledger];
        keys.extend(turns.iter().map(String::as_str));
        let mut call = RECLAIM.call(&keys);
        call.arg(&self.member.group).arg(&self.member.consumer).arg(&self.member.worker);
        call.arg(self.policy.lease.as_millis().to_string()).arg(self.policy.poison_at);
        call.arg(PAGE).arg(cursor).arg(limit).arg(self.policy.suspect_at).arg(running);
        call.arg(u8::from(self.member.ordered));
        let frozen = self.ageless.get(stream);
        for (id, count) in frozen.into_iter().flat_map(|rows| rows.unmoved(self.policy.lease * 2)) {
            call.arg(id.to_string()).arg(count);
        }
        let origin = Origin { operation: "reclaim", key: stream };
        let [cursor, taken, lost, suspects, rows] = origin.exactly(session.run(&call).await?)?;
        let mut rows = origin.array(rows)?.into_iter();
        while let (Some(id), Some(count)) = (rows.next(), rows.next()) {
            ageless.push((origin.id(id)?, origin.count(&count)?));
        }
        let inbox = self.keys.inbox(&self.member.worker);
        for row in origin.array(taken)? {
            let [id, count, _owner, fields] = origin.exactly(row)?;
            found.deliveries.push(Delivery::new(
                Arc::clone(stream),
                origin.id(id)?,
                origin.count(&count)?,
                origin.fields(fields)?,
                **stream == *inbox,
            ));
        }
        for id in origin.array(lost)? {
            found.lost.push((Arc::clone(stream), origin.id(id)?));
        }
        found.suspects += origin.count(&suspects)?;
        let cursor = origin.text(cursor)?;
        let at_end = cursor == "-";
        self.cursors.insert(Arc::clone(stream), cursor);
        Ok(at_end)
    }
}

/// Takes up entries that were delivered to this consumer in a reply it never saw.
///
/// # Shapes and units
/// `known`: entries of this stream that are running or about to be settled. `limit`: free slots.
/// # Redis
/// One script call; reads at most `known` + one page of rows.
pub async fn adopt(
    session: &mut Session,
    keys: &Keys,
    member: &Member,
    stream: &Arc<str>,
    known: &[EntryId],
    limit: usize,
) -> Result<Vec<Delivery>, Error> {
    let mut call = ADOPT.call(&[stream]);
    call.arg(&member.group).arg(&member.consumer).arg(known.len() + PAGE).arg(limit);
    for id in known {
        call.arg(id.to_string());
    }
    let origin = Origin { operation: "adopt", key: stream };
    let inbox = keys.inbox(&member.worker);
    let parse = |row: Value| {
        let [id, count, fields] = origin.exactly(row)?;
        let (id, count) = (origin.id(id)?, origin.count(&count)?);
        let fields = origin.fields(fields)?;
        Ok(Delivery::new(Arc::clone(stream), id, count, fields, **stream == *inbox))
    };
    origin.array(session.run(&call).await?)?.into_iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_ages_once_is_renewed_by_somebody() {
        let row = (EntryId::at(1), 1);
        let mut ageless = Ageless::default();
        ageless.observe(vec![row]);
        let since = ageless.rows[&row];
        ageless.observe(vec![row, (EntryId::at(2), 1)]);
        assert_eq!(ageless.rows[&row], since, "of no age ever since");
        assert_eq!(ageless.unmoved(Duration::ZERO).count(), 2);
        assert_eq!(ageless.unmoved(Duration::from_secs(60)).count(), 0);
        ageless.observe(vec![]);
        ageless.observe(vec![row]);
        assert!(ageless.rows[&row] > since, "it has aged meanwhile");
        // A take-over is another row.
        ageless.observe(vec![(row.0, 2)]);
        assert!(!ageless.rows.contains_key(&row));
    }
}
