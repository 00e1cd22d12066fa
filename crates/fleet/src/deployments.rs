//! The status record of each deployment, which dashboards read: one JSON text, and its changes.
//!
//! The shield listener writes it, the API and whoever likes reads it. Nothing here knows what the
//! text says; [`replace`] only makes sure that nobody's change is lost.
//!
//! Source: contract §1 and §7.

use std::time::Duration;

use printery_streams::{Error, ErrorKind, Keys, Session};
use redis::cmd;

use crate::records::Records;
use crate::script::{Script, script};

/// How long a record and its changes are kept after the last one. 24 h, contract §1.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Changes of one deployment that are kept: more than its events can make, so that a producer who
/// repeats itself under new ids fills nothing. 1,000.
const CHANGES: u64 = 1_000;
/// Deployments that are listed as recent. 10,000, some 500 kB.
const RECENT: u64 = 10_000;

static REPLACE: Script = script!("replace a status record", "replace_deployment.lua");

/// A record's text before and after an event.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// The deployment.
    pub deployment: &'a str,
    /// The text that it was made from; none where there was none.
    pub before: Option<&'a str>,
    /// The text that takes its place.
    pub after: &'a str,
    /// The event that made the difference: its id and its type.
    pub event: (&'a str, &'a str),
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    /// It stands, and everybody who follows was told.
    Done,
    /// Somebody else was faster; it is to be made anew from what stands now.
    Overtaken,
}

/// Reads a deployment's record.
///
/// # Redis
/// `GET`.
pub async fn read(
    session: &mut Session,
    keys: &Keys,
    deployment: &str,
) -> Result<Option<String>, Error> {
    let key = record(keys, deployment);
    let mut command = cmd("GET");
    command.arg(&key);
    let reply = session.query("read a status record", &key, &command).await?;
    redis::from_redis_value(reply)
        .map_err(|_shape| Error::new(ErrorKind::Malformed, "read a status record", &key, "no text"))
}

/// Reads a deployment's record, for a handler.
///
/// # Redis
/// `GET`.
pub async fn read_own(records: &Records, deployment: &str) -> Result<Option<String>, Error> {
    read(&mut records.session(), records.keys(), deployment).await
}

/// Puts a record in the place of the one that it was made from, and tells everybody who follows.
///
/// # Errors
/// [`ErrorKind::Unknown`]: it may stand; made again it is found to be the same.
/// # Redis
/// One script call.
pub async fn replace(records: &Records, change: &Change<'_>) -> Result<Replaced, Error> {
    let keys = records.keys();
    let (key, changes) = (record(keys, change.deployment), changes(keys, change.deployment));
    let kept = KEPT.as_millis().to_string();
    let (event_id, event_type) = change.event;
    let arguments = [
        change.before.unwrap_or_default(),
        change.after,
        &kept,
        change.deployment,
        event_id,
        event_type,
        &CHANGES.to_string(),
        &RECENT.to_string(),
    ]
    .map(str::to_owned);
    let all = [key.as_str(), &changes, &recent(keys)];
    let reply = REPLACE.run_over(&mut records.session(), &all, &arguments).await?;
    let stands: bool = redis::from_redis_value(reply).map_err(|_shape| {
        Error::new(ErrorKind::Malformed, "replace a status record", &key, "no yes or no")
    })?;
    Ok(if stands { Replaced::Done } else { Replaced::Overtaken })
}

/// JSON text: how a deployment stands. Written by the shield listener; gone 24 h after the last change.
fn record(keys: &Keys, deployment: &str) -> String {
    format!("{}:deployment:unified:{deployment}", keys.prefix())
}

/// Stream of the changes of a deployment's record. Written and gone with it.
fn changes(keys: &Keys, deployment: &str) -> String {
    format!("{}:notifications:shield:deployment:{deployment}", keys.prefix())
}

/// Sorted set of the deployments that have a record, by the server's milliseconds of its last change.
fn recent(keys: &Keys) -> String {
    format!("{}:printery:deployments", keys.prefix())
}
