//! Order among the entries of one deployment: one at a time, oldest first, on whichever replica.
//!
//! The fetcher of an ordered worker takes entries here, the sweeper mends lines that stand still,
//! people's commands look at who waits. Turns pass on in the settling scripts, nowhere else.

use std::sync::Arc;

use redis::{Value, cmd};

use crate::connection::Session;
use crate::delivery::Delivery;
use crate::error::Error;
use crate::fetch::Source;
use crate::keys::Keys;
use crate::names::{EntryId, Member};
use crate::reply::Origin;
use crate::script::{Script, script};

/// Entries that one take looks at: bounds the time the server is busy when most have to wait.
const SCAN: usize = 256;

/// Deployments that one mending looks at.
const PAGE: usize = 64;

static TAKE: Script = script!(
    "take",
    ["fence.lua", "write.lua", "ids.lua", "groups.lua", "turns.lua", "deployment.lua", "take.lua"]
);
static MEND: Script =
    script!("mend", ["fence.lua", "write.lua", "ids.lua", "groups.lua", "turns.lua", "mend.lua"]);

/// Takes up to `limit` entries, each together with its deployment's turn.
///
/// Entries of deployments whose turn is taken are put in line on the way.
///
/// # Redis
/// One script call.
pub(crate) async fn take(
    session: &mut Session,
    keys: &Keys,
    member: &Member,
    sources: &mut [&mut Source],
    limit: usize,
) -> Result<Vec<Delivery>, Error> {
    let inbox = keys.inbox(&member.worker);
    let (ledger, turns) = (keys.ledger(&member.worker), keys.turns(&member.worker));
    let mut call_keys = vec![inbox.as_str(), &ledger];
    call_keys.extend(turns.iter().map(String::as_str));
    let events = sources.iter().filter(|source| !source.is_inbox);
    let events: Vec<Arc<str>> = events.map(|source| Arc::clone(&source.key)).collect();
    let first_events = call_keys.len() + 1;
    call_keys.extend(events.iter().map(|key| &**key));
    let mut call = TAKE.call(&call_keys);
    let without_inbox = !sources.iter().any(|source| source.is_inbox);
    call.arg(&member.group).arg(&member.consumer).arg(limit).arg(SCAN);
    call.arg(u8::from(without_inbox));

    let origin = Origin { operation: "take", key: &inbox };
    let [taken, passed] = origin.exactly(session.run(&call).await?)?;
    let mut passed = origin.array(passed)?.into_iter();
    let inbox_passed = passed.next().map(|id| origin.id(id)).transpose()?;
    for source in sources.iter_mut().filter(|source| source.is_inbox) {
        source.passed = inbox_passed;
    }
    for source in sources.iter_mut().filter(|source| !source.is_inbox) {
        source.passed = passed.next().map(|id| origin.id(id)).transpose()?;
    }
    let inbox_key = Arc::<str>::from(inbox.as_str());
    let mut deliveries = Vec::new();
    for row in origin.array(taken)? {
        let [index, id, fields] = origin.exactly(row)?;
        let index = usize::try_from(origin.count(&index)?).unwrap_or(0);
        let event = index.checked_sub(first_events).and_then(|index| events.get(index));
        let stream = event.unwrap_or(&inbox_key);
        deliveries.push(Delivery::new(
            Arc::clone(stream),
            origin.id(id)?,
            1,
            origin.fields(fields)?,
            event.is_none(),
        ));
    }
    Ok(deliveries)
}

/// Passes on the turns of one page of deployments whose entry nobody can settle any more; gives
/// where to go on, empty at the end, and the deployments.
///
/// # Shapes and units
/// `streams`: all that the worker reads. `cursor`: empty at the beginning.
/// # Redis
/// One script call.
pub async fn mend(
    session: &mut Session,
    keys: &Keys,
    member: &Member,
    streams: &[Arc<str>],
    cursor: &str,
) -> Result<(String, Vec<String>), Error> {
    let turns = keys.turns(&member.worker);
    let mut call_keys: Vec<&str> = turns.iter().map(String::as_str).collect();
    call_keys.extend(streams.iter().map(|key| &**key));
    let mut call = MEND.call(&call_keys);
    call.arg(&member.group).arg(cursor).arg(PAGE);
    let line = keys.line(&member.worker);
    let origin = Origin { operation: "mend the line", key: &line };
    let [cursor, mended] = origin.exactly(session.run(&call).await?)?;
    let mended = origin.array(mended)?.into_iter().map(|name| origin.text(name));
    Ok((origin.text(cursor)?, mended.collect::<Result<_, _>>()?))
}

/// An entry that waits until an older one of its deployment is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The deployment.
    pub deployment: String,
    /// The id of the entry where it was first read: what decides whose turn is next.
    pub origin_entry: EntryId,
    /// Which of the worker's streams that was; of the same millisecond the one listed first goes
    /// first.
    pub place: u16,
    /// Names its body among the delayed ones; `<stream>|<entry>` of where it was put in line.
    pub token: String,
}

/// Lists entries in line, by deployment and age.
///
/// # Shapes and units
/// `after`: the last one of the page before; none at the beginning.
/// # Redis
/// `ZRANGEBYLEX`.
pub async fn waiting(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    after: Option<&Waiting>,
    page: usize,
) -> Result<Vec<Waiting>, Error> {
    let from = after.map_or_else(|| "-".to_owned(), |last| format!("({}", member_of(last)));
    in_line(session, keys, worker, &from, "+", page).await
}

/// Lists the entries of one deployment that are in line, oldest first.
///
/// # Redis
/// `ZRANGEBYLEX`.
pub async fn waiting_of(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    deployment: &str,
    page: usize,
) -> Result<Vec<Waiting>, Error> {
    let (from, till) = (format!("[{deployment}\0"), format!("({deployment}\x01"));
    in_line(session, keys, worker, &from, &till, page).await
}

async fn in_line(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    from: &str,
    till: &str,
    page: usize,
) -> Result<Vec<Waiting>, Error> {
    let line = keys.line(worker);
    let mut range = cmd("ZRANGEBYLEX");
    range.arg(&line).arg(from).arg(till).arg("LIMIT").arg(0).arg(page);
    let origin = Origin { operation: "look at the line", key: &line };
    let members = origin.array(session.query("look at the line", &line, &range).await?)?;
    members.into_iter().map(|member| read_member(origin, member)).collect()
}

/// Counts the entries in line.
///
/// # Redis
/// `ZCARD`.
pub async fn count_waiting(session: &mut Session, keys: &Keys, worker: &str) -> Result<u64, Error> {
    let line = keys.line(worker);
    let count = session.query("count the line", &line, cmd("ZCARD").arg(&line)).await?;
    Origin { operation: "count the line", key: &line }.count(&count)
}

/// Where the entry is that has a deployment's turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Pending in this stream, or in the inbox and still to be taken.
    At {
        /// The stream.
        stream: String,
        /// The entry.
        entry: EntryId,
    },
    /// Delayed until its next attempt, under this token.
    Delayed(String),
}

/// Who has a deployment's turn; none when nobody works on it.
///
/// # Redis
/// `HGET`.
pub async fn turn_of(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    deployment: &str,
) -> Result<Option<Turn>, Error> {
    let order = keys.order(worker);
    let mut get = cmd("HGET");
    get.arg(&order).arg(format!("s{deployment}"));
    let place = session.query("ask whose turn it is", &order, &get).await?;
    if place == Value::Nil {
        return Ok(None);
    }
    let origin = Origin { operation: "ask whose turn it is", key: &order };
    let place = origin.text(place)?;
    Turn::parse(&place).map(Some).ok_or_else(|| origin.bad("expected a place"))
}

impl Turn {
    /// Reads a place as the scripts write it.
    fn parse(place: &str) -> Option<Self> {
        if let Some(token) = place.strip_prefix("delay|") {
            return Some(Self::Delayed(token.to_owned()));
        }
        let (stream, entry) = place.rsplit_once('|')?;
        Some(Self::At { stream: stream.to_owned(), entry: entry.parse().ok()? })
    }
}

fn member_of(waiting: &Waiting) -> String {
    let (EntryId { ms, seq }, place) = (waiting.origin_entry, waiting.place);
    format!("{}\0{ms:020}-{place:03}-{seq:020}\0{}", waiting.deployment, waiting.token)
}

fn read_member(origin: Origin<'_>, member: Value) -> Result<Waiting, Error> {
    let member = origin.text(member)?;
    let mut parts = member.splitn(3, '\0');
    let (Some(deployment), Some(age), Some(token)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(origin.bad("expected a place in line"));
    };
    let (origin_entry, place) = read_age(age).ok_or_else(|| origin.bad("expected an age"))?;
    Ok(Waiting { deployment: deployment.to_owned(), origin_entry, place, token: token.to_owned() })
}

/// Reads milliseconds, the stream's place and the sequence number.
fn read_age(age: &str) -> Option<(EntryId, u16)> {
    let mut parts = age.splitn(3, '-');
    let (ms, place, seq) = (parts.next()?, parts.next()?, parts.next()?);
    // Somebody's own inbox entry may claim an origin beyond any id; it is the last in line.
    let number = |digits: &str| digits.parse().unwrap_or(u64::MAX);
    Some((EntryId { ms: number(ms), seq: number(seq) }, place.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Origin<'static> = Origin { operation: "test", key: "line" };

    #[test]
    fn a_member_of_the_line_reads_as_it_is_written() {
        let waiting = Waiting {
            deployment: "d-1".to_owned(),
            origin_entry: EntryId { ms: 1_732_251_600_000, seq: 3 },
            place: 2,
            token: "materi:events:deployment:deployment:started|1732251600000-3".to_owned(),
        };
        let member = Value::BulkString(member_of(&waiting).into_bytes());
        assert_eq!(read_member(HERE, member).unwrap(), waiting);
        assert!(read_member(HERE, Value::BulkString(b"d-1".to_vec())).is_err());
    }

    #[test]
    fn a_place_is_a_stream_and_an_entry_or_a_token() {
        let at = Turn::At { stream: "t:in".to_owned(), entry: EntryId::at(5) };
        assert_eq!(Turn::parse("t:in|5-0"), Some(at));
        assert_eq!(Turn::parse("delay|t:in|5-0|1"), Some(Turn::Delayed("t:in|5-0|1".to_owned())));
        assert_eq!(Turn::parse("nowhere"), None);
    }
}
