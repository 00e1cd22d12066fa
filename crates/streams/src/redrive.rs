//! The ways of a dead letter out of the dead letters, each in one step.
//!
//! Called by `printery-fleet`, which knows what a dead letter's fields mean. Nothing here decides
//! which of them goes where.

use redis::{Value, cmd};

use crate::connection::Session;
use crate::error::{Error, ErrorKind};
use crate::names::{EntryId, Fields};
use crate::reply::Origin;
use crate::script::{Script, script};
use crate::settle::WIDEST_VERBATIM;

/// Pairs that a script can pass on to one command: Lua's stack holds 8,000 values, and `write.lua`
/// leaves 100 of them free.
pub const WIDEST: usize = 3_950;

static REDRIVE: Script = script!("redrive", ["fence.lua", "write.lua", "redrive.lua"]);
static PUT_AWAY: Script = script!("put away", ["fence.lua", "write.lua", "put_away.lua"]);

/// Adds `fields` to `to` and removes the dead letter; none when it is not there any more.
///
/// # Shapes and units
/// `fields`: at most [`WIDEST`] pairs.
/// # Errors
/// [`ErrorKind::Refused`]: the destination does not take it; nothing was changed.
/// # Redis
/// One script call; two people who do it at the same time do it once.
pub async fn move_dead_letter(
    session: &mut Session,
    dead_letters: &str,
    entry: EntryId,
    to: &str,
    fields: &Fields,
) -> Result<Option<EntryId>, Error> {
    let mut call = REDRIVE.call(&[dead_letters, to]);
    call.arg(entry.to_string());
    for (name, value) in fields {
        call.bytes(name).bytes(value);
    }
    moved(Origin { operation: "redrive", key: dead_letters }, session.run(&call).await?)
}

/// Where a letter that was decided on goes, and what is noted with it.
#[derive(Debug, Clone, Copy)]
pub struct MoveOut<'a> {
    /// The dead letters.
    pub from: &'a str,
    /// The processed ones.
    pub to: &'a str,
    /// Its new `status`.
    pub status: &'a str,
    /// Its `resolution_notes`.
    pub notes: &'a str,
    /// Its `actor`.
    pub actor: &'a str,
}

/// Moves a dead letter with all its bytes to the processed ones; none when it is not there any
/// more.
///
/// # Errors
/// [`ErrorKind::Refused`]: the destination does not take it; nothing was changed.
/// # Redis
/// One script call; two people who do it at the same time do it once.
pub async fn put_away_dead_letter(
    session: &mut Session,
    entry: EntryId,
    out: &MoveOut<'_>,
) -> Result<Option<EntryId>, Error> {
    let mut call = PUT_AWAY.call(&[out.from, out.to]);
    call.arg(entry.to_string()).arg(out.status).arg(out.notes).arg(out.actor);
    call.arg(WIDEST_VERBATIM);
    moved(Origin { operation: "put away", key: out.from }, session.run(&call).await?)
}

/// Removes entries; tells how many were there.
///
/// # Redis
/// `XDEL`, `O(entries)`.
pub async fn remove(
    session: &mut Session,
    stream: &str,
    entries: &[EntryId],
) -> Result<u64, Error> {
    if entries.is_empty() {
        return Ok(0);
    }
    let mut command = cmd("XDEL");
    command.arg(stream);
    for entry in entries {
        command.arg(entry.to_string());
    }
    let removed = session.query("remove", stream, &command).await?;
    Origin { operation: "remove", key: stream }.count(&removed)
}

/// `{id}`, `{false}` when it was gone, or `{false, why}`.
fn moved(origin: Origin<'_>, reply: Value) -> Result<Option<EntryId>, Error> {
    let mut parts = origin.array(reply)?.into_iter();
    match (parts.next(), parts.next()) {
        (Some(Value::Nil), Some(why)) => {
            Err(Error::new(ErrorKind::Refused, origin.operation, origin.key, origin.text(why)?))
        }
        (Some(id), None) if id != Value::Nil => origin.id(id).map(Some),
        (Some(_) | None, _) => Ok(None),
    }
}
