//! What puts right what an audit found, one script per change.
//!
//! Called by the manager's `audit --repair`. Every change looks again in the step that makes it:
//! what was put right meanwhile, by the fleet or by another person, is left alone.

use std::sync::Arc;

use redis::cmd;

use crate::browse;
use crate::connection::Session;
use crate::delivery::Delivery;
use crate::error::{Error, ErrorKind};
use crate::inbox::History;
use crate::inspect::PendingEntry;
use crate::keys::Keys;
use crate::names::{EntryId, Member};
use crate::reply::Origin;
use crate::script::{Call, Script, script};
use crate::settle::{Release, Settled, Settler};

static BURY_LOST: Script =
    script!("bury a lost entry", ["fence.lua", "write.lua", "bury_lost.lua"]);
static BURY_TOKEN: Script =
    script!("bury a lost entry", ["fence.lua", "write.lua", "bury_token.lua"]);
static REQUEUE: Script = script!("requeue", ["fence.lua", "write.lua", "requeue.lua"]);
static RESCUE: Script = script!("rescue a body", ["fence.lua", "write.lua", "rescue.lua"]);
static DROP: Script = script!("drop a copy", ["fence.lua", "write.lua", "drop.lua"]);
static WRITE_OFF: Script = script!("write off", ["write_off.lua"]);
static SET_POSITION: Script = script!("set the position", ["set_position.lua"]);

/// Whether a change was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mended {
    /// It was made.
    Done,
    /// There was nothing to do any more.
    Gone,
}

impl Mended {
    fn when(done: bool) -> Self {
        if done { Self::Done } else { Self::Gone }
    }
}

async fn ask(session: &mut Session, call: &Call) -> Result<Mended, Error> {
    let origin = Origin { operation: call.operation(), key: call.key() };
    let reply = session.run(call).await?;
    Ok(Mended::when(origin.int(&reply)? > 0))
}

/// Dead-letters a pending row whose body is gone.
pub async fn bury_lost(
    session: &mut Session,
    keys: &Keys,
    member: (&str, &str),
    stream: &str,
    entry: EntryId,
) -> Result<Mended, Error> {
    let (worker, group) = member;
    let (dead, ledger) = (keys.dead_letters(worker), keys.ledger(worker));
    let mut call = BURY_LOST.call(&[stream, &dead, &ledger]);
    call.arg(group).arg(worker).arg(entry.to_string());
    ask(session, &call).await
}

/// Dead-letters an entry that waits and has no body; `index` is due times or a line.
pub async fn bury_token(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    index: &str,
    member: &[u8],
    token: &str,
) -> Result<Mended, Error> {
    let (bodies, dead) = (keys.delay_bodies(worker), keys.dead_letters(worker));
    let mut call = BURY_TOKEN.call(&[index, &bodies, &dead]);
    call.bytes(member).arg(token).arg(worker);
    ask(session, &call).await
}

/// Puts an entry that its group passed over into the worker's inbox.
///
/// Should it have been settled after all, the dedupe window acknowledges it as a duplicate.
pub async fn requeue(
    session: &mut Session,
    keys: &Keys,
    member: (&str, &str),
    stream: &str,
    entry: EntryId,
) -> Result<Mended, Error> {
    let (worker, group) = member;
    let found = browse::range(session, stream, entry, Some(entry), 1).await?;
    let Some(found) = found.into_iter().next() else { return Ok(Mended::Gone) };
    let inbox = keys.inbox(worker);
    let (history, fields) = match History::open(found.fields) {
        (Some(history), fields) if *stream == *inbox => (history, fields),
        (_, fields) => (History::fresh(stream, entry), fields),
    };
    let ledger = keys.ledger(worker);
    let mut call = REQUEUE.call(&[stream, &inbox, &ledger]);
    call.arg(group).arg(entry.to_string());
    for (name, value) in history.seal(&fields) {
        call.bytes(&name).bytes(&value);
    }
    ask(session, &call).await
}

/// Puts a body that nothing leads to into the worker's inbox, or into the dead letters where the
/// inbox cannot take it.
pub async fn rescue(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    token: &str,
) -> Result<Mended, Error> {
    let (bodies, delay) = (keys.delay_bodies(worker), keys.delay(worker));
    let (inbox, dead) = (keys.inbox(worker), keys.dead_letters(worker));
    let mut call = RESCUE.call(&[&bodies, &delay, &inbox, &dead]);
    call.arg(token).arg(worker);
    ask(session, &call).await
}

/// Hands an entry of an owner that is gone to the worker's inbox, in that owner's name.
///
/// The fence is the owner's: should it live after all and settle first, nothing happens here.
pub async fn hand_over(
    session: &mut Session,
    keys: &Keys,
    member: (&str, &str),
    stream: &str,
    held: &PendingEntry,
) -> Result<Mended, Error> {
    let (worker, group) = (member.0.to_owned(), member.1.to_owned());
    let found = browse::range(session, stream, held.entry, Some(held.entry), 1).await?;
    let Some(found) = found.into_iter().next() else { return Ok(Mended::Gone) };
    let is_inbox = *stream == *keys.inbox(&worker);
    // This delivery ended with its owner's death as well.
    let deliveries = held.deliveries.saturating_add(1);
    let key: Arc<str> = Arc::from(stream);
    let mut delivery = Delivery::new(key, held.entry, deliveries, Some(found.fields), is_inbox);
    delivery.fence.count = held.deliveries;
    let fields = delivery.history.seal(&delivery.fields.unwrap_or_default());
    let release = Release { fence: delivery.fence, fields };
    // Where nobody has the turn of this place, an ordered release is like any other.
    let owner = Member { worker, group, consumer: held.consumer.clone(), ordered: true };
    let settler = Settler::new(keys.clone(), owner, 0, 0);
    let settled = settler.release(session, &[&release]).await?;
    Ok(Mended::when(settled.first() == Some(&Settled::Done)))
}

/// Takes one of two copies of a delayed entry away; the other is somewhere else.
pub async fn drop_delayed(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    token: &str,
) -> Result<Mended, Error> {
    let (delay, bodies) = (keys.delay(worker), keys.delay_bodies(worker));
    let ledger = keys.ledger(worker);
    let mut call = DROP.call(&[&delay, &bodies, &ledger]);
    call.arg(token);
    ask(session, &call).await
}

/// Adds to a counter of the ledger, if it still has the value it was read with.
///
/// What cannot be found again is written off, so that the next difference is seen.
pub async fn write_off(
    session: &mut Session,
    ledger: &str,
    counter: &str,
    was: Option<i64>,
    by: i64,
) -> Result<Mended, Error> {
    let mut call = WRITE_OFF.call(&[ledger]);
    call.arg(counter).arg(was.map(|was| was.to_string()).unwrap_or_default()).arg(by);
    ask(session, &call).await
}

/// Moves a group's position from where it was seen.
///
/// # Errors
/// [`ErrorKind::Refused`]: also where this user may not; the lines of `deploy/acl` say who may.
pub async fn set_position(
    session: &mut Session,
    stream: &str,
    group: &str,
    from: EntryId,
    to: EntryId,
) -> Result<Mended, Error> {
    let mut call = SET_POSITION.call(&[stream]);
    call.arg(group).arg(from.to_string()).arg(to.to_string());
    match ask(session, &call).await {
        Err(error) if error.kind == ErrorKind::Missing => Ok(Mended::Gone),
        other => other,
    }
}

/// Lets a key stay that would expire.
pub async fn persist(session: &mut Session, key: &str) -> Result<Mended, Error> {
    let mut command = cmd("PERSIST");
    command.arg(key);
    let reply = session.query("persist", key, &command).await?;
    Ok(Mended::when(Origin { operation: "persist", key }.int(&reply)? == 1))
}
