//! What was told and may be the cause of what follows.
//!
//! The notifier writes what it told and asks before it tells of new trouble. Nothing here knows
//! what causes what: it keeps what was said of each, and who heard it.

use std::time::Duration;

use printery_streams::{Error, ErrorKind, Keys};
use redis::{cmd, pipe};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::records::Records;

/// How long something counts as the cause of others: longer than the checks of a deployment take,
/// shorter than anybody forgets it. 1 h.
pub const LASTS: Duration = Duration::from_secs(60 * 60);

/// Causes that are kept: each is compared with news of trouble.
const MOST: usize = 200;

/// Something that was told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// The event that was told.
    pub event_id: String,
    /// Its deployment.
    pub deployment_id: String,
    /// When it was, the server's milliseconds.
    pub at_ms: u64,
    /// What was said of it, by the names that conditions use.
    pub variables: Value,
    /// Who was told.
    pub receivers: Vec<String>,
}

/// Lists the causes that still count, youngest first; one that cannot be read is left out.
///
/// # Redis
/// `HVALS`, of at most a few hundred.
pub async fn list(records: &Records, now_ms: u64) -> Result<Vec<Cause>, Error> {
    let mut causes = all(records).await?;
    causes.retain(|cause| counts(cause, now_ms));
    Ok(causes)
}

/// Adds a cause; what does not count any more goes, and the oldest of too many.
///
/// # Redis
/// `HVALS`, then `HSET`, `HDEL` and `PEXPIRE` in one round trip.
pub async fn add(records: &Records, cause: &Cause) -> Result<(), Error> {
    let key = key(records.keys());
    let known = all(records).await?;
    let over = |(place, one): &(usize, &Cause)| *place + 1 >= MOST || !counts(one, cause.at_ms);
    let over: Vec<&str> =
        known.iter().enumerate().filter(over).map(|(_, one)| one.event_id.as_str()).collect();
    let record = serde_json::to_string(cause).map_err(|error| {
        Error::new(ErrorKind::Malformed, "write a cause", &key, error.to_string())
    })?;
    let kept = u64::try_from(LASTS.as_millis()).unwrap_or(u64::MAX);
    let mut both = pipe();
    if !over.is_empty() {
        both.cmd("HDEL").arg(&key).arg(&over);
    }
    both.cmd("HSET").arg(&key).arg(&cause.event_id).arg(record);
    both.cmd("PEXPIRE").arg(&key).arg(kept);
    records.session().pipeline("write a cause", &key, &both).await.map(drop)
}

/// Forgets the causes of a deployment: its trouble is over.
///
/// # Redis
/// `HVALS`, and `HDEL` where there were any.
pub async fn forget(records: &Records, deployment_id: &str) -> Result<(), Error> {
    let key = key(records.keys());
    let known = all(records).await?;
    let over: Vec<&str> = known
        .iter()
        .filter(|cause| cause.deployment_id == deployment_id)
        .map(|cause| cause.event_id.as_str())
        .collect();
    if over.is_empty() {
        return Ok(());
    }
    let mut command = cmd("HDEL");
    command.arg(&key).arg(&over);
    records.session().query("forget causes", &key, &command).await.map(drop)
}

/// Reads all there are, youngest first.
async fn all(records: &Records) -> Result<Vec<Cause>, Error> {
    let key = key(records.keys());
    let mut command = cmd("HVALS");
    command.arg(&key);
    let reply = records.session().query("read causes", &key, &command).await?;
    let found: Vec<Vec<u8>> = redis::from_redis_value(reply).map_err(|_shape| {
        Error::new(ErrorKind::Malformed, "read causes", &key, "not a hash of causes")
    })?;
    let mut causes: Vec<Cause> =
        found.iter().filter_map(|record| serde_json::from_slice(record).ok()).collect();
    causes.sort_by(|a, b| (b.at_ms, &b.event_id).cmp(&(a.at_ms, &a.event_id)));
    Ok(causes)
}

fn counts(cause: &Cause, now_ms: u64) -> bool {
    let lasts = u64::try_from(LASTS.as_millis()).unwrap_or(u64::MAX);
    cause.at_ms.saturating_add(lasts) > now_ms
}

/// Hash of what was told lately and may cause more, event id → record. Written and read by the
/// notifiers; gone an hour after the last of it.
fn key(keys: &Keys) -> String {
    format!("{}:printery:causes", keys.prefix())
}
