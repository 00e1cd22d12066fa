//! The books of one stream and one group, read at one instant.
//!
//! Every script that takes an entry out of a pending list counts it in the ledger in the same
//! step. So at any instant, however busy the fleet is, what was added to a stream is what the
//! ledger counts for it, what is pending, and what was not delivered.

use redis::Value;

use crate::backlog;
use crate::connection::Session;
use crate::error::Error;
use crate::keys::Keys;
use crate::names::EntryId;
use crate::reply::Origin;
use crate::script::{Script, script};

static ACCOUNT: Script = script!("account", ["account.lua"]);
static FLOW: Script = script!("account", ["flow.lua"]);

/// A stream, a group and the ledger at one instant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// The key's type: `stream`, `none`, or another one that does not belong there.
    pub kind: String,
    /// Until the key expires; none = it does not.
    pub expires_ms: Option<u64>,
    /// Entries in the stream now.
    pub length: u64,
    /// Entries ever added to it.
    pub added: u64,
    /// The id of the youngest entry ever added.
    pub last_id: EntryId,
    /// The greatest id that was ever deleted by name.
    pub deleted_id: EntryId,
    /// The id of the oldest entry in it; 0-0 when it is empty.
    pub first_id: EntryId,
    /// The group's place; none when the group does not exist.
    pub position: Option<Position>,
    /// The type of the ledger's key: `hash` or `none`, or another one that does not belong there.
    pub ledger_kind: String,
    /// Every counter of the worker's ledger, as `<stream>|<outcome>`.
    pub ledger: Vec<(String, i64)>,
}

/// A group's place in a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    /// The last entry delivered.
    pub last_delivered: EntryId,
    /// Entries delivered and not settled.
    pub pending: u64,
    /// The oldest of those.
    pub oldest_pending: Option<EntryId>,
    /// The youngest of those.
    pub youngest_pending: Option<EntryId>,
    /// The server's own lag, as it came: may be nil, and may be nonsense.
    pub lag: Option<i64>,
    /// How many entries the server believes were read; may be nil, and may be nonsense.
    pub entries_read: Option<i64>,
}

impl Account {
    /// What the ledger counts for a stream, by outcome.
    pub fn outcomes<'a>(&'a self, stream: &'a str) -> impl Iterator<Item = (&'a str, i64)> {
        self.ledger.iter().filter_map(move |(name, count)| {
            let (of, outcome) = name.rsplit_once('|')?;
            (of == stream).then_some((outcome, *count))
        })
    }

    /// What the server says waits, where that can be true; else it has to be counted.
    pub fn plausible_lag(&self) -> Option<u64> {
        let position = self.position.as_ref()?;
        let lag = u64::try_from(position.lag?).ok()?;
        let done = position.last_delivered >= self.last_id;
        (lag <= self.length && (lag == 0) == done).then_some(lag)
    }
}

/// Reads the books of one stream and one group.
///
/// # Shapes and units
/// `ledger`: the key of the worker's ledger, see [`Keys::ledger`].
/// # Redis
/// One script call, which writes nothing.
pub async fn account(
    session: &mut Session,
    stream: &str,
    group: &str,
    ledger: &str,
) -> Result<Account, Error> {
    let mut call = ACCOUNT.call(&[stream, ledger]);
    call.arg(group);
    let origin = Origin { operation: "account", key: stream };
    let [kind, expires, facts, position, pending, ledger_kind, counts] =
        origin.exactly(session.run(&call).await?)?;
    let mut account = Account {
        kind: origin.text(kind)?,
        expires_ms: u64::try_from(origin.int(&expires)?).ok(),
        ledger_kind: origin.text(ledger_kind)?,
        ledger: counters(origin, counts)?,
        ..Account::default()
    };
    for (name, value) in origin.map(facts)? {
        match name.as_str() {
            "length" => account.length = origin.count(&value)?,
            "entries-added" => account.added = origin.count(&value)?,
            "last-generated-id" => account.last_id = origin.id(value)?,
            "max-deleted-entry-id" => account.deleted_id = origin.id(value)?,
            "recorded-first-entry-id" => account.first_id = origin.id(value)?,
            _ => {}
        }
    }
    account.position = place(origin, position, pending)?;
    Ok(account)
}

fn place(origin: Origin<'_>, facts: Value, pending: Value) -> Result<Option<Position>, Error> {
    let facts = origin.map(facts)?;
    if facts.is_empty() {
        return Ok(None);
    }
    let [count, oldest, youngest] = origin.exactly(pending)?;
    let mut position = Position {
        pending: origin.count(&count)?,
        oldest_pending: origin.id(oldest).ok(),
        youngest_pending: origin.id(youngest).ok(),
        ..Position::default()
    };
    for (name, value) in facts {
        match name.as_str() {
            "last-delivered-id" => position.last_delivered = origin.id(value)?,
            "lag" => position.lag = origin.int(&value).ok(),
            "entries-read" => position.entries_read = origin.int(&value).ok(),
            _ => {}
        }
    }
    Ok(Some(position))
}

/// Counters that somebody broke count as nothing: what they counted then shows as missing.
fn counters(origin: Origin<'_>, counts: Value) -> Result<Vec<(String, i64)>, Error> {
    let counts = origin.map(counts)?;
    Ok(counts.into_iter().map(|(name, count)| (name, origin.int(&count).unwrap_or(0))).collect())
}

/// Counts the entries that an account's group had not been given at its instant.
///
/// Entries are only ever added behind the last one, so that a count made later is still that of
/// the instant; only what was deleted in between is missing from it.
///
/// # Redis
/// One script call per 256 entries.
pub async fn undelivered(
    session: &mut Session,
    stream: &str,
    account: &Account,
) -> Result<u64, Error> {
    let Some(position) = &account.position else { return Ok(account.length) };
    if account.length == 0 || position.last_delivered >= account.last_id {
        return Ok(0);
    }
    let to = Some(account.last_id);
    let counted = backlog::count(session, stream, position.last_delivered, to, u32::MAX).await?;
    Ok(counted.unwrap_or(account.length))
}

/// What came to wait beside a worker's streams, and what went on, at one instant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flow {
    /// Every counter of the worker's ledger.
    pub ledger: Vec<(String, i64)>,
    /// Entries that wait for their due time.
    pub delayed: u64,
    /// Entries that wait in line.
    pub in_line: u64,
    /// Entries ever added to the inbox.
    pub inbox_added: u64,
    /// Dead letters ever added.
    pub dead_added: u64,
    /// Dead letters that are there.
    pub dead: u64,
}

/// Reads what flows through a worker's waiting places; none where one of them is of another type.
///
/// # Redis
/// One script call, which writes nothing.
pub async fn flow(session: &mut Session, keys: &Keys, worker: &str) -> Result<Option<Flow>, Error> {
    let ledger = keys.ledger(worker);
    let (delay, line) = (keys.delay(worker), keys.line(worker));
    let (inbox, dead) = (keys.inbox(worker), keys.dead_letters(worker));
    let call = FLOW.call(&[&ledger, &delay, &line, &inbox, &dead]);
    let origin = Origin { operation: "account", key: &ledger };
    let [counts, delayed, in_line, inbox_added, dead_added, dead] =
        origin.exactly(session.run(&call).await?)?;
    let sizes = [delayed, in_line, inbox_added, dead_added, dead];
    let mut counted = Vec::with_capacity(sizes.len());
    for size in &sizes {
        counted.push(u64::try_from(origin.int(size)?).ok());
    }
    let [Some(delayed), Some(in_line), Some(inbox_added), Some(dead_added), Some(dead)] =
        counted.as_slice()
    else {
        return Ok(None);
    };
    Ok(Some(Flow {
        ledger: counters(origin, counts)?,
        delayed: *delayed,
        in_line: *in_line,
        inbox_added: *inbox_added,
        dead_added: *dead_added,
        dead: *dead,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lag: Option<i64>, last_delivered: u64) -> Account {
        let last_delivered = EntryId::at(last_delivered);
        let position = Position { last_delivered, lag, ..Position::default() };
        let (last_id, length) = (EntryId::at(9), 9);
        Account { last_id, length, position: Some(position), ..Account::default() }
    }

    #[test]
    fn a_lag_that_cannot_be_is_not_taken() {
        assert_eq!(at(Some(3), 6).plausible_lag(), Some(3));
        assert_eq!(at(Some(0), 9).plausible_lag(), Some(0));
        for (lag, last_delivered) in [
            (None, 6),
            (Some(-49), 6),
            (Some(10), 6),
            (Some(0), 6),
            (Some(1), 9),
            (Some(i64::MIN), 9),
        ] {
            assert_eq!(at(lag, last_delivered).plausible_lag(), None, "{lag:?} {last_delivered}");
        }
    }

    #[test]
    fn counters_belong_to_the_stream_before_the_last_bar() {
        let ledger = vec![("s|done".to_owned(), 2), ("s|x|done".to_owned(), 3), ("s".into(), 9)];
        let account = Account { ledger, ..Account::default() };
        assert_eq!(account.outcomes("s").collect::<Vec<_>>(), [("done", 2)]);
        assert_eq!(account.outcomes("s|x").collect::<Vec<_>>(), [("done", 3)]);
    }
}
