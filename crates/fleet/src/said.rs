//! What a receiver was told last of one group of notices, and when.
//!
//! The notifier writes it after a message and asks before the next, to keep its distance and not to
//! say the same twice. Nothing here knows the words: it keeps a digest of them.

use std::time::Duration;

use printery_streams::{Error, ErrorKind, Keys};
use redis::{cmd, pipe};

use crate::records::Records;

/// What was said last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// When, the server's milliseconds.
    pub at_ms: u64,
    /// A digest of the words.
    pub digest: String,
}

/// Reads what was said last to a group's receiver.
///
/// # Redis
/// `HMGET`.
pub async fn read(records: &Records, order: &str) -> Result<Option<Said>, Error> {
    let key = key(records.keys(), order);
    let mut command = cmd("HMGET");
    command.arg(&key).arg("at_ms").arg("digest");
    let reply = records.session().query("read what was said", &key, &command).await?;
    let (at_ms, digest): (Option<u64>, Option<String>) =
        redis::from_redis_value(reply).map_err(|_shape| {
            Error::new(ErrorKind::Malformed, "read what was said", &key, "not a time and a digest")
        })?;
    Ok(at_ms.zip(digest).map(|(at_ms, digest)| Said { at_ms, digest }))
}

/// Writes what was said, for as long as anybody goes by it.
///
/// # Redis
/// `HSET` and `PEXPIRE` in one round trip.
pub async fn write(
    records: &Records,
    order: &str,
    said: &Said,
    kept: Duration,
) -> Result<(), Error> {
    let key = key(records.keys(), order);
    let kept = u64::try_from(kept.as_millis()).unwrap_or(u64::MAX).max(1);
    let mut both = pipe();
    both.cmd("HSET").arg(&key).arg("at_ms").arg(said.at_ms).arg("digest").arg(&said.digest);
    both.cmd("PEXPIRE").arg(&key).arg(kept);
    records.session().pipeline("write what was said", &key, &both).await.map(drop)
}

/// Hash of what one receiver was told last of one group. Written and read by the notifiers; gone
/// when nobody goes by it any more.
fn key(keys: &Keys, order: &str) -> String {
    format!("{}:printery:said:{order}", keys.prefix())
}
