//! Who has been told about an event, and who still is to be.
//!
//! The notifier writes what came of each receiver as soon as it knows, so that whoever handles the
//! event next tells only the others. It never holds what was said.

use std::collections::BTreeMap;
use std::time::Duration;

use printery_streams::{Error, ErrorKind, Keys, Session};
use redis::{cmd, pipe};
use serde::{Deserialize, Serialize};

use crate::records::Records;

/// How long it is remembered: longer than any event is put off or redriven by habit. 7 days.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What came of one receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It has it.
    Told,
    /// It is to be tried again.
    Owed,
    /// It was given up.
    GivenUp,
    /// It was kept from it on purpose: `why` says by what.
    Withheld,
}

/// Why a receiver is still owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It could not be reached, or said that it is broken.
    ReceiverUnavailable,
    /// It asked for a wait.
    ReceiverBusy,
    /// Its circuit is open: it failed with so many events that it is left alone.
    BreakerOpen,
    /// Its pace: others are before this event, whose place is kept.
    ReceiverPaced,
    /// Others of its group are waited for.
    ReceiverGrouped,
    /// It has kept others waiting for long.
    ReceiverCrowded,
}

impl Cause {
    /// The code of a refusal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReceiverUnavailable => "receiver_unavailable",
            Self::ReceiverBusy => "receiver_busy",
            Self::BreakerOpen => "breaker_open",
            Self::ReceiverPaced => "receiver_paced",
            Self::ReceiverGrouped => "receiver_grouped",
            Self::ReceiverCrowded => "receiver_crowded",
        }
    }
}

/// What is known about telling one receiver about one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What came of it.
    pub state: State,
    /// Why it is still owed.
    #[serde(default)]
    pub cause: Option<Cause>,
    /// Requests made, without those after which the receiver itself asked for a wait.
    pub tries: u32,
    /// When it was first tried, the server's milliseconds; waits that it asked for are not counted.
    pub since_ms: u64,
    /// When it is tried again, the server's milliseconds.
    #[serde(default)]
    pub due_ms: u64,
    /// Why it could not be told, one clause.
    #[serde(default)]
    pub why: String,
    /// Tries before the event was put off as a whole; they are not counted against the schedule.
    #[serde(default)]
    pub earlier: u32,
    /// It was given up because it will never take it; otherwise another round may try again.
    #[serde(default)]
    pub lasting: bool,
    /// What becomes of it is said by a follow-up, not by the event itself.
    #[serde(default)]
    pub aside: bool,
}

impl Notice {
    /// Nothing is known yet, as of the server's milliseconds.
    pub fn new(now_ms: u64) -> Self {
        Self {
            state: State::Owed,
            cause: None,
            tries: 0,
            since_ms: now_ms,
            due_ms: now_ms,
            why: String::new(),
            earlier: 0,
            lasting: false,
            aside: false,
        }
    }

    /// Whether nothing is to be done for it any more.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Told | State::GivenUp | State::Withheld)
    }
}

/// What is known about telling people about one event.
#[derive(Debug)]
pub struct Ledger {
    session: Session,
    key: String,
}

impl Ledger {
    /// Names it; connects to nothing yet.
    pub fn of(records: &Records, event_type: &str, event_id: &str) -> Self {
        Self { session: records.session(), key: key(records.keys(), event_type, event_id) }
    }

    /// Reads what is known about these receivers; one that cannot be read counts as unknown.
    ///
    /// # Redis
    /// `HMGET`.
    pub async fn read<'a>(
        &mut self,
        receivers: &[&'a str],
    ) -> Result<BTreeMap<&'a str, Notice>, Error> {
        if receivers.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut command = cmd("HMGET");
        command.arg(&self.key).arg(receivers);
        let reply = self.session.query("read notices", &self.key, &command).await?;
        let found: Vec<Option<Vec<u8>>> = redis::from_redis_value(reply).map_err(|_shape| {
            Error::new(ErrorKind::Malformed, "read notices", &self.key, "not a hash of notices")
        })?;
        let known = |(name, bytes): (&&'a str, &Option<Vec<u8>>)| {
            Some((*name, serde_json::from_slice(bytes.as_deref()?).ok()?))
        };
        Ok(receivers.iter().zip(&found).filter_map(known).collect())
    }

    /// Writes what is known about one receiver.
    ///
    /// # Errors
    /// It may have been written; it can be written again.
    /// # Redis
    /// `HSET` and `PEXPIRE` in one round trip.
    pub async fn write(&mut self, receiver: &str, notice: &Notice) -> Result<(), Error> {
        let record = serde_json::to_string(notice).map_err(|error| {
            Error::new(ErrorKind::Malformed, "write a notice", &self.key, error.to_string())
        })?;
        let kept = u64::try_from(KEPT.as_millis()).unwrap_or(u64::MAX);
        let mut both = pipe();
        both.cmd("HSET").arg(&self.key).arg(receiver).arg(record);
        both.cmd("PEXPIRE").arg(&self.key).arg(kept);
        self.session.pipeline("write a notice", &self.key, &both).await.map(drop)
    }
}

/// Hash of what came of each receiver of an event. Written and read by the notifiers; gone after
/// seven days.
fn key(keys: &Keys, event_type: &str, event_id: &str) -> String {
    format!("{}:printery:told:{event_type}:{event_id}", keys.prefix())
}
