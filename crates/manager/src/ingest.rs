//! From what producers send over HTTP to events of this fleet.
//!
//! Pure: bodies and headers in, events or refusals out. It is as strict as CloudEvents 1.0 where an
//! event claims to be one, and judges `data` exactly as a worker will.

pub(crate) mod binary;
pub(crate) mod cdevents;
pub(crate) mod github;
pub(crate) mod structured;

use jiff::{SignedDuration, Timestamp};
use printery_events::{Event, Invalid};
use serde_json::{Value, json};

/// How far ahead of us a producer's clock may be. 5 min.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// What became of one thing that was sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Received {
    /// An event of this fleet.
    Event(Box<Event>),
    /// Well formed, and nothing that this fleet acts on.
    Ignored {
        /// Its own id.
        id: String,
        /// Why, in a sentence.
        why: String,
    },
}

/// Why something that was sent is no event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Whether it is well formed, but says what no event may say.
    pub(crate) understood: bool,
    /// Where, as a JSON pointer.
    pub(crate) pointer: String,
    /// What is wrong there.
    pub(crate) problem: String,
}

impl Refused {
    /// It is not well formed.
    pub(crate) fn malformed(pointer: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { understood: false, pointer: pointer.into(), problem: problem.into() }
    }

    /// It is well formed, and no event of this fleet.
    pub(crate) fn unfit(pointer: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { understood: true, pointer: pointer.into(), problem: problem.into() }
    }

    /// For programs.
    pub(crate) fn to_json(&self) -> Value {
        json!({ "pointer": self.pointer, "problem": self.problem })
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.pointer.is_empty() {
            return f.write_str(&self.problem);
        }
        write!(f, "{}: {}", self.pointer, self.problem)
    }
}

impl From<Invalid> for Refused {
    fn from(invalid: Invalid) -> Self {
        // Fields are named `data.checks[2].name`.
        let dotted = invalid.field.replace('[', ".").replace(']', "");
        Self::unfit(format!("/{}", dotted.replace('.', "/")), invalid.problem)
    }
}

/// Reads an entry's fields as a worker will, and its time as nobody else does.
fn judge(fields: &[(Vec<u8>, Vec<u8>)], now: Timestamp) -> Result<Event, Refused> {
    let event = Event::decode(None, fields)?;
    match event.time {
        Some(time) if time.duration_since(now) > AHEAD => {
            Err(Refused::unfit("/time", format!("{time} is more than 5 minutes from now")))
        }
        Some(_) | None => Ok(event),
    }
}

#[cfg(test)]
mod tests;
