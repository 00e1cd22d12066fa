//! Which processes ended without having been asked to, and whether they were started again.
//!
//! Written by managers about their children, read by people. Capped; nothing is decided by it.

use printery_streams::append::append;
use printery_streams::browse;
use printery_streams::{Error, Keys, Session};
use serde::{Deserialize, Serialize};

/// Records that are kept, roughly: a year of a fleet that restarts ten times a day.
const CAP: u64 = 5_000;

/// A process that ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// When it was written, the server's milliseconds.
    pub at_ms: u64,
    /// The worker kind.
    pub worker: String,
    /// What the process was called; empty where it never beat.
    pub process: String,
    /// The host of its manager.
    pub host: String,
    /// Which restart in a row it is; 0 where there is none.
    pub attempt: u32,
    /// How long its manager waits before it, in milliseconds.
    pub delay_ms: u64,
    /// How the process ended.
    pub reason: String,
    /// `restart`, or why there is none.
    pub result: String,
}

/// Puts one on record; its time is left to the log.
///
/// # Redis
/// One script call.
pub async fn record(session: &mut Session, keys: &Keys, restart: &Restart) -> Result<(), Error> {
    let (attempt, delay) = (restart.attempt.to_string(), restart.delay_ms.to_string());
    let fields = [
        ("worker", restart.worker.as_str()),
        ("process", &restart.process),
        ("host", &restart.host),
        ("attempt", &attempt),
        ("delay_ms", &delay),
        ("reason", &restart.reason),
        ("result", &restart.result),
    ];
    append(session, &key(keys), CAP, &fields).await.map(drop)
}

/// Reads the youngest `count`, the oldest of them first.
///
/// # Redis
/// `XREVRANGE`.
pub async fn latest(
    session: &mut Session,
    keys: &Keys,
    count: usize,
) -> Result<Vec<Restart>, Error> {
    let rows = browse::latest(session, &key(keys), None, count).await?;
    Ok(rows
        .iter()
        .rev()
        .map(|row| {
            let text = |name: &str| row.text(name).unwrap_or_default().to_owned();
            Restart {
                at_ms: row.id.ms,
                worker: text("worker"),
                process: text("process"),
                host: text("host"),
                attempt: text("attempt").parse().unwrap_or_default(),
                delay_ms: text("delay_ms").parse().unwrap_or_default(),
                reason: text("reason"),
                result: text("result"),
            }
        })
        .collect())
}

/// Stream of restarts, capped; in the home partition. Written by managers.
fn key(keys: &Keys) -> String {
    format!("{}:printery:restarts", keys.prefix())
}
