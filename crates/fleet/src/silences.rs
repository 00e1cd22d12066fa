//! What people asked not to be told about for a while.
//!
//! The command line writes silences, the notifier asks for those that hold. Nothing here knows what
//! an event is: a silence names words, and whoever asks compares them.

use std::collections::BTreeMap;
use std::time::Duration;

use printery_streams::{Clock, Error, ErrorKind, Keys, Session};
use redis::cmd;
use serde::{Deserialize, Serialize};

use crate::records::Records;

/// Silences that may hold at once: each is compared with every event.
pub const MOST: usize = 100;

/// A silence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// What tells it apart, short enough to be typed.
    pub id: String,
    /// What an event must be, by the words of routes: `service` → `cart*`. All of them must hold.
    pub matches: BTreeMap<String, String>,
    /// When it was asked for, the server's milliseconds.
    pub since_ms: u64,
    /// When it is over, the server's milliseconds.
    pub until_ms: u64,
    /// Who asked for it.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// Adds a silence that holds from now on; returns it as it stands.
///
/// # Errors
/// There are [`MOST`] already (refused); else those of any command.
/// # Redis
/// `TIME`, `HVALS` and `HSET`.
pub async fn add(
    session: &mut Session,
    keys: &Keys,
    silence: Silence,
    lasting: Duration,
) -> Result<Silence, Error> {
    let clock = Clock::default();
    clock.read(session).await?;
    let since_ms = clock.now_ms();
    let lasting = u64::try_from(lasting.as_millis()).unwrap_or(u64::MAX);
    let silence = Silence { since_ms, until_ms: since_ms.saturating_add(lasting), ..silence };
    let key = key(keys);
    let standing = list(session, keys).await?;
    if standing.iter().filter(|one| one.until_ms > since_ms).count() >= MOST {
        let why = format!("there are {MOST} silences already");
        return Err(Error::new(ErrorKind::Refused, "silence", &key, why));
    }
    for over in standing.iter().filter(|one| one.until_ms <= since_ms) {
        remove(session, keys, &over.id).await?;
    }
    let record = serde_json::to_string(&silence)
        .map_err(|error| Error::new(ErrorKind::Malformed, "silence", &key, error.to_string()))?;
    let mut command = cmd("HSET");
    command.arg(&key).arg(&silence.id).arg(record);
    session.query("silence", &key, &command).await?;
    Ok(silence)
}

/// Ends a silence; false when there was none of that id.
///
/// # Redis
/// `HDEL`.
pub async fn remove(session: &mut Session, keys: &Keys, id: &str) -> Result<bool, Error> {
    let key = key(keys);
    let mut command = cmd("HDEL");
    command.arg(&key).arg(id);
    session.query("end a silence", &key, &command).await.map(|reply| reply == redis::Value::Int(1))
}

/// Lists all silences, those that are over included, by their end; one that cannot be read is left out.
///
/// # Redis
/// `HVALS`; at most [`MOST`] and those that are over.
pub async fn list(session: &mut Session, keys: &Keys) -> Result<Vec<Silence>, Error> {
    let key = key(keys);
    let mut command = cmd("HVALS");
    command.arg(&key);
    let reply = session.query("read silences", &key, &command).await?;
    let records: Vec<Vec<u8>> = redis::from_redis_value(reply).map_err(|_shape| {
        Error::new(ErrorKind::Malformed, "read silences", &key, "not a hash of silences")
    })?;
    let mut silences: Vec<Silence> =
        records.iter().filter_map(|record| serde_json::from_slice(record).ok()).collect();
    silences.sort_by(|a, b| (a.until_ms, &a.id).cmp(&(b.until_ms, &b.id)));
    Ok(silences)
}

/// Lists the silences that hold at a moment of the server's clock.
///
/// # Redis
/// As [`list`].
pub async fn holding(records: &Records, now_ms: u64) -> Result<Vec<Silence>, Error> {
    let mut silences = list(&mut records.session(), records.keys()).await?;
    silences.retain(|silence| silence.until_ms > now_ms);
    Ok(silences)
}

/// Hash of silences, id → record; the same in every partition. Written by people, read by the
/// notifiers; those that are over go with the next one that is added.
fn key(keys: &Keys) -> String {
    format!("{}:printery:silences", keys.prefix())
}
