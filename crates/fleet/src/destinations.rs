//! How each place fares that is told things: whether its circuit is open, and whose turn it is.
//!
//! The notifier asks before it tells somebody and reports how it went, so that all its replicas
//! leave a dead receiver alone together and keep to its pace. Nothing here sends anything.

use std::time::Duration;

use printery_streams::{Error, ErrorKind, Keys, Session};
use redis::{Value, cmd};

use crate::records::Records;
use crate::script::{Script, script};

/// How long one trial of an open circuit may take before the next one: a request's own 15 s and
/// what comes before and after it.
const TRIAL: Duration = Duration::from_secs(20);

static ASK: Script = script!("ask a destination", "ask_destination.lua");
static REPORT: Script = script!("report a destination", "report_destination.lua");

/// When a circuit opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circuit {
    /// Failures in a row that open it.
    pub failures: u32,
    /// How long nobody asks then; after that one at a time may try.
    pub open: Duration,
}

/// Whether somebody may be told now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// Yes.
    Go,
    /// Its circuit is open.
    Open(Duration),
    /// It asked to be left alone.
    Busy(Duration),
    /// Others are before us; a place is kept after this time.
    Paced(Duration),
}

/// Whether a place in line was given out to this message before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It asks for the first time.
    None,
    /// It waited for the place that it was given.
    Kept,
}

/// How telling somebody went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fared {
    /// There was an answer, whatever it said.
    Answered,
    /// There was none, or one that says that the place is broken.
    Failed,
    /// It asked to be left alone for a time.
    Busy(Duration),
}

/// One place that is told things.
#[derive(Debug)]
pub struct Destination {
    session: Session,
    key: String,
}

impl Destination {
    /// Names it; connects to nothing yet.
    pub fn of(records: &Records, receiver: &str) -> Self {
        Self { session: records.session(), key: key(records.keys(), receiver) }
    }

    /// Asks whether it may be told now, `pace` after the message before.
    ///
    /// # Redis
    /// One script call.
    pub async fn ask(&mut self, pace: Duration, kept: Place) -> Result<Leave, Error> {
        let kept = if kept == Place::Kept { "1" } else { "0" };
        let arguments = [millis(pace), millis(TRIAL), kept.to_owned()];
        let reply = ASK.run(&mut self.session, &self.key, &arguments).await?;
        let (word, wait): (String, u64) = self.read("ask a destination", reply)?;
        let wait = Duration::from_millis(wait);
        Ok(match word.as_str() {
            "open" => Leave::Open(wait),
            "busy" => Leave::Busy(wait),
            "paced" => Leave::Paced(wait),
            _ => Leave::Go,
        })
    }

    /// Reports how it went; tells for how long its circuit is open now, zero being closed.
    ///
    /// # Redis
    /// One script call.
    pub async fn report(&mut self, fared: Fared, circuit: Circuit) -> Result<Duration, Error> {
        let (word, open) = match fared {
            Fared::Answered => ("answered", circuit.open),
            Fared::Failed => ("failed", circuit.open),
            Fared::Busy(asked) => ("busy", asked),
        };
        let arguments = [word.to_owned(), circuit.failures.to_string(), millis(open)];
        let reply = REPORT.run(&mut self.session, &self.key, &arguments).await?;
        let (_failures, open): (u64, u64) = self.read("report a destination", reply)?;
        Ok(Duration::from_millis(open))
    }

    /// Reads how it stands: failures in a row, and until when its circuit is open.
    ///
    /// # Redis
    /// `HMGET`.
    pub async fn standing(&mut self) -> Result<Standing, Error> {
        let mut command = cmd("HMGET");
        command.arg(&self.key).arg("failures").arg("open_until");
        let reply = self.session.query("read a destination", &self.key, &command).await?;
        let (failures, open_until_ms): (Option<u64>, Option<u64>) =
            self.read("read a destination", reply)?;
        Ok(Standing { failures: failures.unwrap_or(0), open_until_ms })
    }

    /// Forgets its failures: whoever asks next may try. Tells whether there were any.
    ///
    /// # Redis
    /// `HDEL`.
    pub async fn reset(&mut self) -> Result<bool, Error> {
        let mut command = cmd("HDEL");
        command.arg(&self.key).arg("failures").arg("open_until").arg("trial_until");
        let reply = self.session.query("reset a destination", &self.key, &command).await?;
        Ok(reply != Value::Int(0))
    }

    fn read<T: redis::FromRedisValue>(
        &self,
        operation: &'static str,
        reply: Value,
    ) -> Result<T, Error> {
        redis::from_redis_value(reply).map_err(|_shape| {
            Error::new(ErrorKind::Malformed, operation, &self.key, "not a destination")
        })
    }
}

/// How a destination stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Failures in a row.
    pub failures: u64,
    /// Until when nobody asks it, the server's milliseconds; none where its circuit is closed.
    pub open_until_ms: Option<u64>,
}

/// Where a circuit stands, what is best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CircuitState {
    /// Everybody may ask.
    Closed,
    /// It was open, and the next one may try.
    HalfOpen,
    /// Nobody asks.
    Open,
}

impl CircuitState {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half-open",
            Self::Open => "open",
        }
    }
}

impl Standing {
    /// Where the circuit stands at a moment of the server's clock, milliseconds.
    pub fn circuit(&self, now_ms: u64) -> CircuitState {
        match self.open_until_ms {
            None => CircuitState::Closed,
            Some(until) if until > now_ms => CircuitState::Open,
            Some(_) => CircuitState::HalfOpen,
        }
    }
}

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

/// Hash of one destination: `failures`, `open_until`, `trial_until`, `busy_until`, `next_free`. Written by the
/// notifiers, read by them and by people; gone seven days after the last failure.
fn key(keys: &Keys, receiver: &str) -> String {
    format!("{}:printery:destination:{receiver}", keys.prefix())
}
