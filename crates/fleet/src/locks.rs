//! Locks that one process of the whole fleet holds at a time, by name, for as long as it renews.
//!
//! Managers elect their leader by one, and whoever does something large takes one before it. Time is
//! the server's alone. Nothing here does what a lock is for, and nothing waits longer than it is told.
//!
//! # Fencing
//! A holder may be asleep when its time is over. Each holder therefore has an [`Epoch`], higher than
//! that of all before it; scripts that only a holder may run carry it and do nothing once a higher
//! one has been seen, in whichever partition.

use std::fmt;
use std::time::{Duration, Instant};

use printery_streams::{Error, ErrorKind, Keys, Partition, Session};
use redis::{Value, cmd};

use crate::script::{Script, script};

/// Who leads the managers: does what one of them does for all.
pub const LEADER: &str = "MANAGER";
/// Asking for a rollback: one at a time.
pub const ROLLBACK: &str = "DEPLOYMENT_ROLLBACK";

/// How often somebody asks again who waits for a lock. 5 s, P-032.
const AGAIN: Duration = Duration::from_secs(5);

static HOLD: Script = script!("hold a lock", "hold_lock.lua");
static FREE: Script = script!("free a lock", "free_lock.lua");
static PASS: Script = script!("pass a fence", "fenced.lua", "pass_fence.lua");
static TAKE_AWAY: Script = script!("take records away", "fenced.lua", "take_away.lua");

/// The number of a holder of a lock; whoever holds it later has a higher one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(u64);

impl Epoch {
    /// Names it as it stands in Redis.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number itself.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The name that it gave; whatever a person put there by hand is a name as well.
    pub name: String,
    /// Its epoch; 0 where a person put it there.
    pub epoch: Epoch,
    /// How long it holds it without renewing it; none where it does so for ever.
    pub left: Option<Duration>,
}

/// How asking for a lock went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is ours, until this moment of our own clock at the least.
    Ours(Epoch, Instant),
    /// Somebody else has it.
    Theirs(Holder),
}

/// One lock as one process asks for it.
#[derive(Debug)]
pub struct Lock {
    session: Session,
    key: String,
    fence: String,
    holder: String,
    time: Duration,
}

impl Lock {
    /// Names a lock of the fleet, who asks for it and how long it is held without renewal; asks
    /// nothing yet.
    pub fn new(home: &Partition, name: &str, holder: &str, time: Duration) -> Self {
        Self {
            session: home.redis.session(),
            key: key(&home.keys, name),
            fence: fence(&home.keys, name),
            holder: holder.to_owned(),
            time,
        }
    }

    /// Takes it, or renews it; ask three times in the time that it is held.
    ///
    /// # Errors
    /// It must not be believed to be ours.
    /// # Redis
    /// One script call.
    pub async fn hold(&mut self) -> Result<Claim, Error> {
        // Counted from before the question: the server cannot have begun earlier.
        let asked = Instant::now();
        let arguments = [self.holder.clone(), self.time.as_millis().to_string()];
        let keys = [self.key.as_str(), self.fence.as_str()];
        let reply = HOLD.run_over(&mut self.session, &keys, &arguments).await?;
        let (word, epoch, name, left): (String, u64, String, i64) = redis::from_redis_value(reply)
            .map_err(|_shape| {
                Error::new(ErrorKind::Malformed, "hold a lock", &self.key, "not a lock")
            })?;
        let epoch = Epoch(epoch);
        if word == "held" {
            return Ok(Claim::Ours(epoch, asked + self.time));
        }
        let left = u64::try_from(left).ok().map(Duration::from_millis);
        Ok(Claim::Theirs(Holder { name, epoch, left }))
    }

    /// Waits until it is ours, asking every five seconds; an error counts as not acquired.
    ///
    /// # Errors
    /// Nobody freed it in time: what the last question found.
    /// # Cancel safety
    /// Not cancel safe: it may be ours; it is free again when its time is over.
    pub async fn hold_within<S>(
        &mut self,
        patience: Duration,
        sleep: impl Fn(Duration) -> S,
    ) -> Result<Epoch, String>
    where
        S: Future<Output = ()>,
    {
        let until = Instant::now() + patience;
        loop {
            let found = match self.hold().await {
                Ok(Claim::Ours(epoch, _)) => return Ok(epoch),
                Ok(Claim::Theirs(holder)) => format!("{} holds {}", holder.name, self.key),
                Err(error) => error.to_string(),
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(found);
            }
            sleep(AGAIN.min(left)).await;
        }
    }

    /// Gives it back; false when it was not ours any more.
    ///
    /// # Redis
    /// One script call.
    pub async fn free(&mut self) -> Result<bool, Error> {
        let reply =
            FREE.run(&mut self.session, &self.key, std::slice::from_ref(&self.holder)).await?;
        Ok(reply == Value::Int(1))
    }
}

/// Reads who holds a lock; none where nobody does.
///
/// # Redis
/// `GET`, and `PTTL` where it is held.
pub async fn holder(
    session: &mut Session,
    keys: &Keys,
    name: &str,
) -> Result<Option<Holder>, Error> {
    let key = key(keys, name);
    let malformed =
        |_shape| Error::new(ErrorKind::Malformed, "read a lock", key.as_str(), "not a lock");
    let mut command = cmd("GET");
    command.arg(&key);
    let reply = session.query("read a lock", &key, &command).await?;
    let Some(stands) = redis::from_redis_value::<Option<String>>(reply).map_err(malformed)? else {
        return Ok(None);
    };
    let mut command = cmd("PTTL");
    command.arg(&key);
    let reply = session.query("read a lock", &key, &command).await?;
    let left: i64 = redis::from_redis_value(reply).map_err(malformed)?;
    let (epoch, name) = read(&stands);
    let left = u64::try_from(left).ok().map(Duration::from_millis);
    Ok(Some(Holder { name: name.to_owned(), epoch, left }))
}

/// Shows an epoch to a partition; false when a later holder has been there, and nothing may be done.
///
/// # Redis
/// One script call.
pub async fn pass(
    session: &mut Session,
    keys: &Keys,
    name: &str,
    epoch: Epoch,
) -> Result<bool, Error> {
    let reply = PASS.run(session, &fence(keys, name), &[epoch.to_string()]).await?;
    Ok(reply == Value::Int(1))
}

/// What a leader's script says where a later leader has been.
const DEPOSED: i64 = -1;

/// How many records a leader took away, or that it leads no more and took none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleared {
    /// So many.
    Gone(u64),
    /// A later leader has been there.
    Deposed,
}

/// Takes fields with JSON records out of a hash as the leader, where `number` in a record is still
/// what it was when it was judged.
pub(crate) async fn take_away(
    session: &mut Session,
    keys: &Keys,
    hash: &str,
    epoch: Epoch,
    (number, judged): (&str, &[(String, u64)]),
) -> Result<Cleared, Error> {
    if judged.is_empty() {
        return Ok(Cleared::Gone(0));
    }
    let mut arguments = vec![epoch.to_string(), number.to_owned()];
    arguments.extend(judged.iter().flat_map(|(field, seen)| [field.clone(), seen.to_string()]));
    let fence = fence(keys, LEADER);
    let reply = TAKE_AWAY.run_over(session, &[&fence, hash], &arguments).await?;
    let count: i64 = redis::from_redis_value(reply).map_err(|_shape| {
        Error::new(ErrorKind::Malformed, "take records away", hash, "not a number")
    })?;
    Ok(match count {
        DEPOSED => Cleared::Deposed,
        count => Cleared::Gone(u64::try_from(count).unwrap_or(0)),
    })
}

fn read(stands: &str) -> (Epoch, &str) {
    let parts = stands.split_once(' ').and_then(|(epoch, name)| Some((epoch.parse().ok()?, name)));
    parts.map_or((Epoch(0), stands), |(epoch, name)| (Epoch(epoch), name))
}

/// A lock: epoch and name of its holder, gone when its time is over. Written by holders.
fn key(keys: &Keys, name: &str) -> String {
    format!("{}:printery:lock:{name}", keys.prefix())
}

/// The highest epoch of a lock's holders that a partition has seen. Written with every script that
/// only the holder may run; it stays, so that nobody comes back from the past.
pub(crate) fn fence(keys: &Keys, name: &str) -> String {
    format!("{}:printery:epoch:{name}", keys.prefix())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_writes_by_hand_holds_a_lock_as_well() {
        for (stands, epoch, name) in
            [("17 manager-h-1", 17, "manager-h-1"), ("me", 0, "me"), ("by hand", 0, "by hand")]
        {
            assert_eq!(read(stands), (Epoch(epoch), name), "{stands}");
        }
    }
}
