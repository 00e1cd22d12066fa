//! What a receiver said about a deployment that later messages go by, such as a thread's id.
//!
//! The notifier keeps it for a receiver and hands it back with the deployment's next event. Nothing
//! here knows what it means.

use std::time::Duration;

use printery_streams::{Error, ErrorKind, Keys};
use redis::{cmd, pipe};

use crate::records::Records;

/// How long it is kept after the last word. 7 days.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The one field of the hash.
const SAID: &str = "said";

/// Reads what a receiver said about a deployment.
///
/// # Redis
/// `HMGET`.
pub async fn read(
    records: &Records,
    receiver: &str,
    deployment: &str,
) -> Result<Option<String>, Error> {
    let key = key(records.keys(), receiver, deployment);
    let mut command = cmd("HMGET");
    command.arg(&key).arg(SAID);
    let reply = records.session().query("read a thread", &key, &command).await?;
    let (said,): (Option<String>,) = redis::from_redis_value(reply)
        .map_err(|_shape| Error::new(ErrorKind::Malformed, "read a thread", &key, "not a text"))?;
    Ok(said)
}

/// Writes what a receiver said about a deployment.
///
/// # Redis
/// `HSET` and `PEXPIRE` in one round trip.
pub async fn write(
    records: &Records,
    receiver: &str,
    deployment: &str,
    said: &str,
) -> Result<(), Error> {
    let key = key(records.keys(), receiver, deployment);
    let kept = u64::try_from(KEPT.as_millis()).unwrap_or(u64::MAX);
    let mut both = pipe();
    both.cmd("HSET").arg(&key).arg(SAID).arg(said);
    both.cmd("PEXPIRE").arg(&key).arg(kept);
    records.session().pipeline("write a thread", &key, &both).await.map(drop)
}

/// Hash of what one receiver said about one deployment. Written and read by the notifiers; gone
/// seven days after the last word.
fn key(keys: &Keys, receiver: &str, deployment: &str) -> String {
    format!("{}:printery:thread:{receiver}:{deployment}", keys.prefix())
}
