//! Work that people ask one worker for: into its inbox, and out again while nobody has it.
//!
//! Called by the command line and the API. A trigger is a plain entry without a history, so that
//! the worker takes it like any other; it never touches what a process works on.

use std::time::Duration;

use crate::connection::Session;
use crate::error::Error;
use crate::keys::Keys;
use crate::names::{EntryId, Fields};
use crate::publish::{Published, enqueue};
use crate::reply::Origin;
use crate::script::{Script, script};
use crate::settle::LOG_CAP;

/// How long a trigger's id is remembered. 1 h: its id carries the millisecond, and nobody asks for
/// the same one twice but in the same instant.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);

static CANCEL: Script =
    script!("cancel", ["ids.lua", "fence.lua", "write.lua", "groups.lua", "cancel.lua"]);

/// Adds an event to one worker's inbox, once per event id.
///
/// # Errors
/// [`crate::ErrorKind::Unknown`]: it may be there; asking again under the same id is safe.
/// # Redis
/// One script call; where durability is asked for, one wait.
pub async fn trigger(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    event_id: &str,
    fields: &Fields,
) -> Result<Published, Error> {
    let (inbox, memory) =
        (keys.inbox(worker), keys.published(&format!("inbox:{worker}"), event_id));
    enqueue(session, (&inbox, &memory), REMEMBERED, event_id, fields).await
}

/// An entry of an inbox that is not to be run.
#[derive(Debug, Clone, Copy)]
pub struct Unwanted<'a> {
    /// The worker whose inbox it is in.
    pub worker: &'a str,
    /// Its group.
    pub group: &'a str,
    /// The entry.
    pub entry: EntryId,
    /// Its event's id.
    pub event_id: &'a str,
    /// Its event's type.
    pub event_type: &'a str,
    /// Who does not want it.
    pub actor: &'a str,
}

/// Takes an entry out of an inbox that nobody was handed yet; tells whether it was there.
///
/// # Redis
/// One script call, which writes the settlement log in the same step.
pub async fn cancel(
    session: &mut Session,
    keys: &Keys,
    unwanted: &Unwanted<'_>,
) -> Result<bool, Error> {
    let Unwanted { worker, group, entry, event_id, event_type, actor } = unwanted;
    let inbox = keys.inbox(worker);
    let mut call = CANCEL.call(&[&inbox, &keys.settlements(worker), &keys.ledger(worker)]);
    call.arg(group).arg(entry.to_string()).arg(event_id).arg(event_type).arg(actor).arg(LOG_CAP);
    let origin = Origin { operation: "cancel", key: &inbox };
    Ok(origin.int(&session.run(&call).await?)? == 1)
}
