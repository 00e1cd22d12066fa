//! Adds events to streams, outside of any delivery.
//!
//! Called by producers: the command line, the demo, later the HTTP API.

use std::time::Duration;

use crate::connection::Session;
use crate::error::Error;
use crate::keys::Keys;
use crate::names::{EntryId, Fields};
use crate::reply::Origin;
use crate::script::{Script, script};

/// How long an event id is remembered, so that repeating a publication does nothing. 24 h.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

static ENQUEUE: Script = script!("publish", plain["enqueue.lua"]);

/// Where an event was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The entry's id.
    pub entry: EntryId,
    /// Whether the event had been published before and nothing was added now.
    pub deduplicated: bool,
}

/// Publishes an event once per event id.
///
/// # Errors
/// [`crate::ErrorKind::Unknown`]: it may have been published; publishing it again is safe. With
/// [`Error::is_unconfirmed`] it has been, but did not come as far as the fleet's durability asks.
/// # Redis
/// One script call; where durability is asked for, one wait.
pub async fn publish(
    session: &mut Session,
    keys: &Keys,
    event_type: &str,
    event_id: &str,
    fields: &Fields,
) -> Result<Published, Error> {
    let (stream, memory) = (keys.events(event_type), keys.published(event_type, event_id));
    enqueue(session, (&stream, &memory), REMEMBERED, event_id, fields).await
}

/// Adds an entry to a stream unless the memory knows its event already.
pub(crate) async fn enqueue(
    session: &mut Session,
    (stream, memory): (&str, &str),
    remembered: Duration,
    event_id: &str,
    fields: &Fields,
) -> Result<Published, Error> {
    let mut call = ENQUEUE.call(&[stream, memory]);
    call.arg(remembered.as_millis().to_string());
    call.arg(u8::from(session.redis().durability().is_some()));
    for (name, value) in fields {
        call.bytes(name).bytes(value);
    }
    let origin = Origin { operation: "publish", key: stream };
    let [entry, before] = origin.exactly(session.run(&call).await?)?;
    let entry = origin.id(entry)?;
    session.confirm().await.map_err(|mut error| {
        stream.clone_into(&mut error.key);
        error.code = format!(
            "{event_id} is {} as {entry}; publishing it again under the same id is safe",
            error.code
        );
        error
    })?;
    Ok(Published { entry, deduplicated: origin.int(&before)? == 1 })
}
