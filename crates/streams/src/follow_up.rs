//! Entries that an ordered worker puts aside for itself: done later, and in no other entry's way.
//!
//! A handler does it before its own entry is settled, under a token that is the same each time: a
//! crash in between repeats it, and does it once. Nothing here knows what is to be done.

use std::time::Duration;

use crate::connection::Session;
use crate::delay::body;
use crate::error::Error;
use crate::inbox::History;
use crate::keys::Keys;
use crate::names::Fields;
use crate::order::{turn_of, waiting_of};
use crate::reply::Origin;
use crate::script::{Script, script};

static PUT_ASIDE: Script =
    script!("put aside", ["fence.lua", "write.lua", "ids.lua", "turns.lua", "follow_up.lua"]);

/// Something to be done later.
#[derive(Debug, Clone, Copy)]
pub struct FollowUp<'a> {
    /// Tells it apart; the same when it is put aside again.
    pub token: &'a str,
    /// What it stands in line by: of these, one is worked on at a time, oldest first.
    pub order: &'a str,
    /// How long until it is due; one that finds others before it is due when they are over.
    pub delay: Duration,
    /// The entry.
    pub fields: &'a Fields,
}

/// Puts an entry aside; false when it is put aside already and has not been due.
///
/// # Errors
/// [`crate::ErrorKind::Unknown`]: it may have been done; doing it again is safe until it is due.
/// # Redis
/// One script call.
pub async fn put_aside(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    follow_up: FollowUp<'_>,
) -> Result<bool, Error> {
    let (ledger, turns) = (keys.ledger(worker), keys.turns(worker));
    let mut call_keys = vec![ledger.as_str()];
    call_keys.extend(turns.iter().map(String::as_str));
    let mut call = PUT_ASIDE.call(&call_keys);
    let delay = u64::try_from(follow_up.delay.as_millis()).unwrap_or(u64::MAX);
    call.arg(delay).arg(follow_up.token).arg(follow_up.order);
    for (name, value) in follow_up.fields {
        call.bytes(name).bytes(value);
    }
    let delayed = keys.delay(worker);
    let origin = Origin { operation: "put aside", key: &delayed };
    Ok(origin.int(&session.run(&call).await?)? == 1)
}

/// Tells whether somebody of an order is at work, delayed or still to come.
///
/// # Redis
/// `HGET`.
pub async fn is_taken(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    order: &str,
) -> Result<bool, Error> {
    Ok(turn_of(session, keys, worker, order).await?.is_some())
}

/// Reads the entries of an order that wait in line, oldest first.
///
/// # Redis
/// `ZRANGEBYLEX`, and one script call for each, which writes nothing.
pub async fn in_line(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    order: &str,
    most: usize,
) -> Result<Vec<Fields>, Error> {
    let mut found = Vec::new();
    for waiting in waiting_of(session, keys, worker, order, most).await? {
        // One without a body is somebody else's finding.
        if let Some(fields) = body(session, keys, worker, &waiting.token).await? {
            found.push(History::open(fields).1);
        }
    }
    Ok(found)
}
