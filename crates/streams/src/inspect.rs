//! How full streams, groups and delays are: what status, metrics and explain show.
//!
//! Called by the collector and the command line; only reads, and never a whole stream.

use redis::{Value, cmd, pipe};

use crate::backlog::{self, Backlog};
use crate::connection::Session;
use crate::error::{Error, ErrorKind};
use crate::keys::Keys;
use crate::names::EntryId;
use crate::reply::Origin;

/// Entries behind a group's position that every look counts: what is counted to its end is right
/// whatever the server says. Bounds the time the server is busy with it.
const PROBED: u64 = 64;

/// Pages of the backlog counted where the server does not know a group's lag; a group further
/// behind has none that a look could tell.
const PAGES: u32 = 8;

/// A stream and its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamView {
    /// The stream's key.
    pub stream: String,
    /// Entries in it now.
    pub length: u64,
    /// Its groups.
    pub groups: Vec<GroupView>,
}

/// A group's place in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupView {
    /// The group's name.
    pub group: String,
    /// Consumers it knows, dead ones included.
    pub consumers: u64,
    /// Entries delivered and not settled.
    pub pending: u64,
    /// Entries not delivered yet; none when neither the server nor a bounded count can tell. Who
    /// scales does not scale on none.
    pub lag: Option<u64>,
    /// The last entry delivered.
    pub last_delivered: EntryId,
    /// The oldest entry that was delivered and not settled.
    pub oldest_pending: Option<EntryId>,
    /// The oldest entry that was not delivered.
    pub oldest_waiting: Option<EntryId>,
}

/// One row of a pending list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingEntry {
    /// The entry.
    pub entry: EntryId,
    /// Who owns it.
    pub consumer: String,
    /// Milliseconds since it was delivered or its lease renewed.
    pub idle_ms: u64,
    /// How often it was delivered.
    pub deliveries: u64,
}

/// Looks at one stream; none when it does not exist or is of another type.
///
/// A group's lag is counted where few entries wait, and where the server's own is nil or cannot be:
/// negative or beyond the stream after a wrong `ENTRIESREAD`, 1 on a stream trimmed to nothing.
///
/// # Redis
/// `XLEN`, `XINFO GROUPS`; for each group `XPENDING` where something is pending, and a script that
/// counts what waits: once, and up to 8 times more where the server does not know.
pub async fn stream(session: &mut Session, key: &str) -> Result<Option<StreamView>, Error> {
    let mut both = pipe();
    both.cmd("XLEN").arg(key).cmd("XINFO").arg("GROUPS").arg(key);
    let reply = match session.pipeline("inspect", key, &both).await {
        Ok(reply) => reply,
        Err(error) if matches!(error.kind, ErrorKind::Missing | ErrorKind::Refused) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let origin = Origin { operation: "inspect", key };
    let [length, infos] = origin.exactly(Value::Array(reply))?;
    let mut view =
        StreamView { stream: key.to_owned(), length: origin.count(&length)?, groups: Vec::new() };
    for info in origin.array(infos)? {
        let mut group = group_view(origin, info)?;
        complete(session, key, view.length, &mut group).await?;
        view.groups.push(group);
    }
    Ok(Some(view))
}

fn group_view(origin: Origin<'_>, info: Value) -> Result<GroupView, Error> {
    let mut view = GroupView {
        group: String::new(),
        consumers: 0,
        pending: 0,
        lag: None,
        last_delivered: EntryId::default(),
        oldest_pending: None,
        oldest_waiting: None,
    };
    for (name, value) in origin.map(info)? {
        match name.as_str() {
            "name" => view.group = origin.name(value)?,
            "consumers" => view.consumers = origin.count(&value)?,
            "pending" => view.pending = origin.count(&value)?,
            "last-delivered-id" => view.last_delivered = origin.id(value)?,
            // Nil after deletions; negative after a wrong ENTRIESREAD.
            "lag" => view.lag = origin.int(&value).ok().and_then(|lag| u64::try_from(lag).ok()),
            _ => {}
        }
    }
    Ok(view)
}

/// Adds what `XINFO GROUPS` does not tell, and puts right what it tells wrong.
async fn complete(
    session: &mut Session,
    key: &str,
    length: u64,
    view: &mut GroupView,
) -> Result<(), Error> {
    let origin = Origin { operation: "inspect", key };
    if view.pending > 0 {
        let mut pending = cmd("XPENDING");
        pending.arg(key).arg(&view.group);
        let summary = match session.query("inspect", key, &pending).await {
            // The group was removed since it was listed.
            Err(error) if error.kind == ErrorKind::Missing => Value::Nil,
            other => other?,
        };
        let oldest = origin.array(summary)?.into_iter().nth(1);
        view.oldest_pending = oldest.and_then(|oldest| origin.id(oldest).ok());
    }
    let probe = match length {
        0 => Backlog::default(),
        _ => backlog::page(session, key, view.last_delivered, None, PROBED).await?,
    };
    view.oldest_waiting = probe.first;
    let told = view.lag.filter(|lag| (probe.count..=length).contains(lag));
    view.lag = match probe.last {
        None => Some(0),
        Some(_) if probe.count < PROBED => Some(probe.count),
        Some(last) if told.is_none() => {
            let more = backlog::count(session, key, last, None, PAGES).await?;
            more.map(|more| more.saturating_add(probe.count))
        }
        Some(_) => told,
    };
    Ok(())
}

/// Length of a stream, 0 when it does not exist.
pub async fn length(session: &mut Session, key: &str) -> Result<u64, Error> {
    let mut command = cmd("XLEN");
    command.arg(key);
    Origin { operation: "inspect", key }.count(&session.query("inspect", key, &command).await?)
}

/// What waits for a worker outside of streams that groups read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Entries that wait for their due time.
    pub delayed: u64,
    /// Entries that wait in line behind an older one of their deployment.
    pub in_line: u64,
    /// Dead letters that wait for a decision.
    pub dead_letters: u64,
}

/// Counts what waits for a worker outside of streams that groups read.
///
/// # Redis
/// `ZCARD`, `ZCARD`, `XLEN` in one round trip.
pub async fn waiting(session: &mut Session, keys: &Keys, worker: &str) -> Result<Waiting, Error> {
    let (key, line, dead) = (keys.delay(worker), keys.line(worker), keys.dead_letters(worker));
    let mut all = pipe();
    all.cmd("ZCARD").arg(&key).cmd("ZCARD").arg(line).cmd("XLEN").arg(dead);
    let origin = Origin { operation: "inspect", key: &key };
    let reply = session.pipeline("inspect", &key, &all).await?;
    let [delayed, in_line, dead_letters] = origin.exactly(Value::Array(reply))?;
    Ok(Waiting {
        delayed: origin.count(&delayed)?,
        in_line: origin.count(&in_line)?,
        dead_letters: origin.count(&dead_letters)?,
    })
}

/// Which of some keys exist, in their order.
///
/// # Redis
/// One `EXISTS` each in one round trip.
pub async fn exist(session: &mut Session, keys: &[String]) -> Result<Vec<bool>, Error> {
    let mut all = pipe();
    for key in keys {
        all.cmd("EXISTS").arg(key);
    }
    let origin = Origin { operation: "inspect", key: "" };
    let reply = session.pipeline("inspect", "", &all).await?;
    reply.iter().map(|one| Ok(origin.count(one)? > 0)).collect()
}

/// Delayed entries of a worker: how many, and when the first is due (the server's ms).
///
/// # Redis
/// `ZCARD`, `ZRANGE 0 0`.
pub async fn delayed(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
) -> Result<(u64, Option<u64>), Error> {
    let key = keys.delay(worker);
    let mut both = pipe();
    both.cmd("ZCARD").arg(&key).cmd("ZRANGE").arg(&key).arg(0).arg(0).arg("WITHSCORES");
    let origin = Origin { operation: "inspect", key: &key };
    let [count, first] =
        origin.exactly(Value::Array(session.pipeline("inspect", &key, &both).await?))?;
    let score = origin.array(first)?.into_iter().nth(1);
    let due = match score {
        Some(score) => origin.text(score)?.parse::<u64>().ok(),
        None => None,
    };
    Ok((origin.count(&count)?, due))
}

/// The delayed entries of a worker, soonest first, at most `count`: token and due time (the
/// server's ms).
pub async fn delayed_tokens(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    count: usize,
) -> Result<Vec<(String, u64)>, Error> {
    let key = keys.delay(worker);
    let mut command = cmd("ZRANGE");
    command.arg(&key).arg("-inf").arg("+inf").arg("BYSCORE");
    command.arg("LIMIT").arg(0).arg(count).arg("WITHSCORES");
    let origin = Origin { operation: "inspect", key: &key };
    let rows = origin.map(session.query("inspect", &key, &command).await?)?;
    rows.into_iter()
        .map(|(token, due)| Ok((token, origin.text(due)?.parse().unwrap_or(0))))
        .collect()
}

/// Rows of a group's pending list beginning with `from`, at most `count`.
///
/// # Redis
/// `XPENDING` with a range; none when stream or group do not exist.
pub async fn pending(
    session: &mut Session,
    stream: &str,
    group: &str,
    from: EntryId,
    count: usize,
) -> Result<Vec<PendingEntry>, Error> {
    let mut command = cmd("XPENDING");
    command.arg(stream).arg(group).arg(from.to_string()).arg("+").arg(count);
    let reply = match session.query("inspect", stream, &command).await {
        Ok(reply) => reply,
        Err(error) if error.kind == ErrorKind::Missing => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let origin = Origin { operation: "inspect", key: stream };
    let parse = |row| {
        let [entry, consumer, idle, deliveries] = origin.exactly(row)?;
        Ok(PendingEntry {
            entry: origin.id(entry)?,
            consumer: origin.name(consumer)?,
            idle_ms: origin.count(&idle)?,
            deliveries: origin.count(&deliveries)?,
        })
    };
    origin.array(reply)?.into_iter().map(parse).collect()
}

/// The ledger of a worker: `<stream>|<outcome>` → how many.
pub async fn ledger(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
) -> Result<Vec<(String, u64)>, Error> {
    let key = keys.ledger(worker);
    let mut command = cmd("HGETALL");
    command.arg(&key);
    let origin = Origin { operation: "inspect", key: &key };
    let rows = origin.map(session.query("inspect", &key, &command).await?)?;
    rows.into_iter().map(|(name, count)| Ok((name, origin.count(&count)?))).collect()
}
