//! Whether a worker may be started once more after its starts failed: a circuit for each kind.
//!
//! Managers report how starts went; whoever wants a start asks first, so that all managers together
//! leave a broken program alone. It is the circuit of [`crate::destinations`], whose time is longer
//! after each failure. Nothing here starts anything.

use std::fmt;
use std::time::Duration;

use printery_streams::{Clock, Error, ErrorKind, Keys, Partition, Session};
use redis::{Value, cmd};
use serde::{Deserialize, Serialize};

use crate::destinations::{Circuit, Destination, Fared, Leave, Place, Standing};
use crate::records::Records;

/// Starts that fail in a row before nobody tries for a while. 3, P-064.
const FAILURES: u32 = 3;
/// For how long nobody tries then; doubled by each failure after that. 60 s, P-064.
const FIRST: Duration = Duration::from_secs(60);
/// For how long at most. 10 min, P-064.
const LONGEST: Duration = Duration::from_secs(600);

/// First part of the name of a worker's circuit among those of receivers, whose names have no colon.
const START: &str = "start:";
/// First part of the control that asks for a worker to be started.
pub(crate) const WISH: &str = "start:";

/// That a worker is not to be started now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cooldown {
    /// The worker.
    pub worker: String,
    /// Its failures in a row.
    pub failures: u64,
    /// How long that lasts.
    pub left: Duration,
}

impl Cooldown {
    /// How long that lasts, in whole seconds, at least one.
    pub fn seconds(&self) -> u64 {
        u64::try_from(self.left.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1)
    }
}

impl fmt::Display for Cooldown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { worker, failures, .. } = self;
        let left = self.seconds();
        write!(f, "{worker} is in cooldown after {failures} failures. Retry in {left}s")
    }
}

/// The last start of a worker that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedStart {
    /// When, the server's milliseconds.
    pub at_ms: u64,
    /// Why.
    pub message: String,
}

/// The circuit of a worker's starts.
#[derive(Debug)]
pub struct Starts {
    circuit: Destination,
    worker: String,
}

impl Starts {
    /// Names it; connects to nothing yet.
    pub fn of(home: &Partition, worker: &str) -> Self {
        let records = Records::of(home, home);
        let circuit = Destination::of(&records, &format!("{START}{worker}"));
        Self { circuit, worker: worker.to_owned() }
    }

    /// Asks for leave to start it: after a cooldown one at a time gets it.
    ///
    /// # Redis
    /// One script call; `HMGET` where it is refused.
    pub async fn ask(&mut self) -> Result<Option<Cooldown>, Error> {
        match self.circuit.ask(Duration::ZERO, Place::None).await? {
            Leave::Open(left) => self.cooldown(left).await.map(Some),
            Leave::Go | Leave::Busy(_) | Leave::Paced(_) => Ok(None),
        }
    }

    /// Looks whether it may be started at a moment of the server's clock, milliseconds.
    ///
    /// # Redis
    /// `HMGET`.
    pub async fn look(&mut self, now_ms: u64) -> Result<Option<Cooldown>, Error> {
        let standing = self.circuit.standing().await?;
        let until = standing.open_until_ms.filter(|until| *until > now_ms);
        Ok(until.map(|until| Cooldown {
            worker: self.worker.clone(),
            failures: standing.failures,
            left: Duration::from_millis(until - now_ms),
        }))
    }

    /// Reads how its circuit stands.
    ///
    /// # Redis
    /// `HMGET`.
    pub async fn standing(&mut self) -> Result<Standing, Error> {
        self.circuit.standing().await
    }

    /// Reports a start that failed; gives the cooldown that follows.
    ///
    /// # Redis
    /// `HMGET` and one script call.
    pub async fn failed(&mut self) -> Result<Option<Cooldown>, Error> {
        self.report(FAILURES).await
    }

    /// Reports that it crashed too often, however well it started.
    ///
    /// # Redis
    /// As [`Starts::failed`].
    pub async fn crashed_often(&mut self) -> Result<Option<Cooldown>, Error> {
        self.report(1).await
    }

    /// Reports a start that went well: whoever wants one may start it.
    ///
    /// # Redis
    /// One script call.
    pub async fn went_well(&mut self) -> Result<(), Error> {
        let circuit = Circuit { failures: FAILURES, open: FIRST };
        self.circuit.report(Fared::Answered, circuit).await.map(drop)
    }

    /// Forgets its failures. Tells whether there were any.
    ///
    /// # Redis
    /// `HDEL`.
    pub async fn reset(&mut self) -> Result<bool, Error> {
        self.circuit.reset().await
    }

    async fn report(&mut self, failures: u32) -> Result<Option<Cooldown>, Error> {
        let before = self.circuit.standing().await?.failures;
        let circuit = Circuit { failures, open: cooldown_after(before.saturating_add(1)) };
        let left = self.circuit.report(Fared::Failed, circuit).await?;
        if left.is_zero() { Ok(None) } else { self.cooldown(left).await.map(Some) }
    }

    async fn cooldown(&mut self, left: Duration) -> Result<Cooldown, Error> {
        let failures = self.circuit.standing().await?.failures;
        Ok(Cooldown { worker: self.worker.clone(), failures, left })
    }
}

/// How long nobody tries after so many failures in a row.
fn cooldown_after(failures: u64) -> Duration {
    let doublings = failures.saturating_sub(u64::from(FAILURES)).min(8);
    let doublings = u32::try_from(doublings).unwrap_or(8);
    FIRST.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST)
}

/// Asks for a worker to be started by whichever manager has it for whoever needs it.
///
/// # Redis
/// `HSET`.
pub async fn wish(session: &mut Session, keys: &Keys, worker: &str) -> Result<(), Error> {
    let key = keys.controls();
    let mut command = cmd("HSET");
    command.arg(&key).arg(format!("{WISH}{worker}")).arg("1");
    session.query("wish for a start", &key, &command).await.map(drop)
}

/// Takes it upon itself to fulfil a wish; false when somebody else was faster.
///
/// # Redis
/// `HDEL`.
pub async fn take(session: &mut Session, keys: &Keys, worker: &str) -> Result<bool, Error> {
    let key = keys.controls();
    let mut command = cmd("HDEL");
    command.arg(&key).arg(format!("{WISH}{worker}"));
    session.query("take a start", &key, &command).await.map(|reply| reply == Value::Int(1))
}

/// Remembers why a worker's last start failed.
///
/// # Redis
/// `TIME`, `HSET`.
pub async fn note(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    message: &str,
) -> Result<(), Error> {
    let clock = Clock::default();
    clock.read(session).await?;
    let key = key(keys);
    let failed = FailedStart { at_ms: clock.now_ms(), message: message.to_owned() };
    let record = serde_json::to_string(&failed)
        .map_err(|error| Error::new(ErrorKind::Malformed, "note", &key, error.to_string()))?;
    let mut command = cmd("HSET");
    command.arg(&key).arg(worker).arg(record);
    session.query("note a failed start", &key, &command).await.map(drop)
}

/// Reads why a worker's last start failed; none where none did.
///
/// # Redis
/// `HGET`.
pub async fn last_failure(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
) -> Result<Option<FailedStart>, Error> {
    let key = key(keys);
    let mut command = cmd("HGET");
    command.arg(&key).arg(worker);
    let reply = session.query("read a failed start", &key, &command).await?;
    let text: Option<Vec<u8>> = redis::from_redis_value(reply).map_err(|_shape| {
        Error::new(ErrorKind::Malformed, "read a failed start", &key, "not a record")
    })?;
    Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
}

/// Hash of the last start of each worker that failed. Written by managers; it stays.
fn key(keys: &Keys) -> String {
    format!("{}:printery:starts", keys.prefix())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cooldown_doubles_up_to_ten_minutes() {
        let seconds = |failures| cooldown_after(failures).as_secs();
        assert_eq!([1, 3, 4, 5, 6, 7, 1000].map(seconds), [60, 60, 120, 240, 480, 600, 600]);
    }

    #[test]
    fn a_cooldown_says_who_why_and_for_how_long() {
        let left = Duration::from_millis(56_001);
        let cooldown = Cooldown { worker: "notifier".to_owned(), failures: 3, left };
        let expected = "notifier is in cooldown after 3 failures. Retry in 57s";
        assert_eq!(cooldown.to_string(), expected);
    }
}
