//! Moves delayed entries to the inbox when they fall due.
//!
//! Called by every worker process for its own worker; two at once do it once.

use std::time::Duration;

use crate::connection::Session;
use crate::error::Error;
use crate::inbox::History;
use crate::keys::Keys;
use crate::names::Fields;
use crate::reply::Origin;
use crate::script::{Script, script};

/// Entries moved in one call: bounds the time the server is busy with it.
const PAGE: usize = 128;

static PEEK: Script = script!("look at a delayed entry", ["peek.lua"]);
static PROMOTE: Script = script!("promote", ["fence.lua", "write.lua", "turns.lua", "promote.lua"]);

/// What one look at the due times found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promoted {
    /// Entries that are in the inbox now.
    pub moved: u64,
    /// How long until the next is due; none when nothing is delayed.
    pub next: Option<Duration>,
    /// Delayed entries without a body that the inbox can take; they are in the dead letters.
    pub bodiless: Vec<String>,
}

/// Moves what fell due, at most one page.
///
/// # Redis
/// One script call.
pub async fn promote(session: &mut Session, keys: &Keys, worker: &str) -> Result<Promoted, Error> {
    let (dead_letters, turns) = (keys.dead_letters(worker), keys.turns(worker));
    let mut call_keys = vec![dead_letters.as_str()];
    call_keys.extend(turns.iter().map(String::as_str));
    let mut call = PROMOTE.call(&call_keys);
    call.arg(worker).arg(PAGE);
    let delay = keys.delay(worker);
    let origin = Origin { operation: "promote", key: &delay };
    let [moved, wait, bodiless] = origin.exactly(session.run(&call).await?)?;
    let bodiless = origin.array(bodiless)?.into_iter().map(|token| origin.text(token));
    Ok(Promoted {
        moved: origin.count(&moved)?,
        next: u64::try_from(origin.int(&wait)?).ok().map(Duration::from_millis),
        bodiless: bodiless.collect::<Result<_, _>>()?,
    })
}

/// What happened to a delayed entry so far; none when it is not delayed any more.
///
/// # Shapes and units
/// `token`: as [`crate::inspect::delayed_tokens`] lists it.
/// # Redis
/// One script call, which writes nothing.
pub async fn history(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    token: &str,
) -> Result<Option<History>, Error> {
    let fields = body(session, keys, worker, token).await?;
    Ok(fields.and_then(|fields| History::open(fields).0))
}

/// The body of an entry that is delayed or in line; none when it is neither any more.
pub(crate) async fn body(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    token: &str,
) -> Result<Option<Fields>, Error> {
    let bodies = keys.delay_bodies(worker);
    let mut call = PEEK.call(&[&bodies]);
    call.arg(token);
    let origin = Origin { operation: "look at a delayed entry", key: &bodies };
    origin.fields(session.run(&call).await?)
}
