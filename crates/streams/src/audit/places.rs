//! Whether entries are still where they were seen: all asked in one step.

use redis::{Value, pipe};

use crate::connection::Session;
use crate::error::Error;
use crate::keys::Keys;
use crate::names::EntryId;
use crate::reply::Origin;
use crate::script::{Script, script};

static PLACES: Script = script!("look again", ["places.lua"]);

/// A place where an entry was seen waiting or being worked on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A member of a sorted set: due times or a line.
    Member {
        /// The key.
        key: String,
        /// The member.
        member: Vec<u8>,
    },
    /// An entry of a stream that its group has not settled: pending, or not delivered yet.
    Entry {
        /// The stream.
        stream: String,
        /// The entry.
        entry: EntryId,
    },
}

impl Place {
    fn key(&self) -> &str {
        match self {
            Self::Member { key, .. } => key,
            Self::Entry { stream, .. } => stream,
        }
    }
}

/// Which of the places are still true, all at one instant; at most 64 of them.
///
/// # Redis
/// One script call, which writes nothing.
pub async fn still_there(
    session: &mut Session,
    group: &str,
    places: &[Place],
) -> Result<Vec<bool>, Error> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<&str> = places.iter().map(Place::key).collect();
    let mut call = PLACES.call(&keys);
    call.arg(group);
    for place in places {
        match place {
            Place::Member { member, .. } => call.arg("member").bytes(member),
            Place::Entry { entry, .. } => call.arg("entry").arg(entry.to_string()),
        };
    }
    let key = keys.first().copied().unwrap_or_default();
    let origin = Origin { operation: "look again", key };
    let replies = origin.array(session.run(&call).await?)?;
    if replies.len() != places.len() {
        return Err(origin.bad("an answer per place was expected"));
    }
    replies.iter().map(|reply| Ok(origin.int(reply)? == 1)).collect()
}

/// Which events, as `<type>|<id>`, a worker remembers to have settled; at most a few hundred.
///
/// # Redis
/// Three `HMGET` in one round trip.
pub async fn remembered(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    events: &[String],
) -> Result<Vec<bool>, Error> {
    let mut found = vec![false; events.len()];
    if events.is_empty() {
        return Ok(found);
    }
    let slots = keys.settled_ids(worker);
    let mut all = pipe();
    for slot in &slots {
        all.cmd("HMGET").arg(slot).arg(events);
    }
    let key = slots.first().map(String::as_str).unwrap_or_default();
    let origin = Origin { operation: "look again", key };
    for reply in session.pipeline("look again", key, &all).await? {
        for (known, value) in found.iter_mut().zip(origin.array(reply)?) {
            *known |= value != Value::Nil;
        }
    }
    Ok(found)
}
