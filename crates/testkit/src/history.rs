//! What happened in one run, in the order it was seen: what producers were told, what came out, what was done to the fleet.
//!
//! Owns the record that [`check`](crate::check) judges and the file that a failing test leaves behind; called by tests and by the soak.
//! It never judges: a fact is noted as it was seen.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::connection::{Connection, Entry};

/// Something that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A producer began to publish an event about this subject.
    Attempted {
        /// The event's id.
        event: String,
        /// What it is about; events of one subject are handled in order.
        subject: String,
    },
    /// Redis told the producer that it has the event.
    Acknowledged {
        /// The event's id.
        event: String,
        /// Where it is, `<ms>-<seq>`.
        entry: String,
    },
    /// A handler was started for the event.
    Delivered {
        /// The event's id.
        event: String,
    },
    /// A result was found.
    Result {
        /// The result's own id.
        id: String,
        /// The event that it is the result of.
        cause: String,
    },
    /// A dead letter was found.
    Buried {
        /// The event's id, empty when it could not be read.
        event: String,
        /// Why.
        reason: String,
    },
    /// A line of the settlement log was found.
    Settled(Settlement),
    /// Something was done to the fleet on purpose.
    Fault(String),
}

/// One line of the settlement log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The entry's stream.
    pub stream: String,
    /// The entry.
    pub entry: String,
    /// The event's id.
    pub event: String,
    /// `done` or why it was put away.
    pub outcome: String,
    /// Who did it.
    pub instance: String,
    /// When the last attempt began, the server's milliseconds.
    pub started: u64,
    /// When it was settled, the server's milliseconds.
    pub finished: u64,
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attempted { event, subject } => write!(f, "attempted {event} about {subject}"),
            Self::Acknowledged { event, entry } => write!(f, "acknowledged {event} as {entry}"),
            Self::Delivered { event } => write!(f, "delivered {event}"),
            Self::Result { id, cause } => write!(f, "result {id} of {cause}"),
            Self::Buried { event, reason } => write!(f, "buried {event}: {reason}"),
            Self::Settled(line) => write!(
                f,
                "settled {} {} {} {} by {}, {}..{}",
                line.stream,
                line.entry,
                line.event,
                line.outcome,
                line.instance,
                line.started,
                line.finished
            ),
            Self::Fault(what) => write!(f, "FAULT {what}"),
        }
    }
}

/// The keys that one kind of worker reads from and writes to, as far as a history is about them.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The stream of its results.
    pub results: String,
    /// The stream that tells when a handler began; none = the results and the log must do.
    pub begun: Option<String>,
    /// Its dead letters.
    pub dead_letters: String,
    /// Its settlement log.
    pub log: String,
}

impl Watched {
    /// Names the keys of a worker by the contract's key table.
    pub fn of(prefix: &str, worker: &str, result: &str, begun: Option<&str>) -> Self {
        let events = format!("{prefix}:events:deployment");
        Self {
            results: format!("{events}:{result}"),
            begun: begun.map(|kind| format!("{events}:{kind}")),
            dead_letters: format!("{events}:dlq:{worker}"),
            log: format!("{prefix}:printery:log:{worker}"),
        }
    }
}

/// A recording, its times monotonic since it began.
#[derive(Debug)]
pub struct History {
    began: Instant,
    facts: Mutex<Vec<(Duration, Fact)>>,
}

impl Default for History {
    fn default() -> Self {
        Self { began: Instant::now(), facts: Mutex::default() }
    }
}

impl History {
    /// Notes a fact with the time of this moment.
    pub fn note(&self, fact: Fact) {
        let at = self.began.elapsed();
        self.facts.lock().expect("no holder panics").push((at, fact));
    }

    /// Notes that a producer begins to publish.
    pub fn attempted(&self, event: &str, subject: &str) {
        self.note(Fact::Attempted { event: event.to_owned(), subject: subject.to_owned() });
    }

    /// Notes that Redis has the event.
    pub fn acknowledged(&self, event: &str, entry: &str) {
        self.note(Fact::Acknowledged { event: event.to_owned(), entry: entry.to_owned() });
    }

    /// Notes what is done to the fleet.
    pub fn fault(&self, what: impl Into<String>) {
        self.note(Fact::Fault(what.into()));
    }

    /// Returns how long it has been recording.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Returns everything noted so far, oldest first.
    pub fn facts(&self) -> Vec<(Duration, Fact)> {
        self.facts.lock().expect("no holder panics").clone()
    }

    /// Returns the ids of all events that Redis said it has.
    pub fn acknowledgements(&self) -> BTreeSet<String> {
        let facts = self.facts.lock().expect("no holder panics");
        let told = facts.iter().filter_map(|(_, fact)| match fact {
            Fact::Acknowledged { event, .. } => Some(event.clone()),
            Fact::Attempted { .. }
            | Fact::Delivered { .. }
            | Fact::Result { .. }
            | Fact::Buried { .. }
            | Fact::Settled(_)
            | Fact::Fault(_) => None,
        });
        told.collect()
    }

    /// Returns this history with everything that has come out by now; this one stays as it is.
    pub async fn with(&self, connection: &Connection, watched: &[Watched]) -> Self {
        let whole = Self { began: self.began, facts: Mutex::new(self.facts()) };
        for watched in watched {
            whole.gather(connection, watched).await;
        }
        whole
    }

    /// Notes results, dead letters, begun handlers and the settlement log.
    async fn gather(&self, connection: &Connection, watched: &Watched) {
        for entry in connection.entries(&watched.results).await {
            self.note(Fact::Result { id: entry.text("id"), cause: entry.text("causationid") });
        }
        if let Some(begun) = &watched.begun {
            for entry in connection.entries(begun).await {
                self.note(Fact::Delivered { event: entry.text("causationid") });
            }
        }
        for entry in connection.entries(&watched.dead_letters).await {
            let reason = entry.text("failure_reason");
            self.note(Fact::Buried { event: entry.text("event_id"), reason });
        }
        for entry in connection.entries(&watched.log).await {
            self.note(Fact::Settled(settlement(&entry)));
        }
    }

    /// Writes one line per fact, `<seconds> <fact>`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let mut text = String::new();
        for (at, fact) in self.facts() {
            writeln!(text, "{:12.6} {fact}", at.as_secs_f64()).map_err(std::io::Error::other)?;
        }
        std::fs::write(path, text)
    }

    /// Writes it to a new file that stays, and returns where.
    pub fn keep(&self) -> PathBuf {
        let (_, path) = tempfile::Builder::new()
            .prefix("printery-history-")
            .suffix(".txt")
            .tempfile()
            .and_then(|file| file.keep().map_err(Into::into))
            .expect("a temporary file");
        self.write(&path).expect("a writable file");
        path
    }
}

fn settlement(entry: &Entry) -> Settlement {
    let number = |name: &str| entry.text(name).parse().unwrap_or_default();
    Settlement {
        stream: entry.text("stream"),
        entry: entry.text("entry"),
        event: entry.text("event_id"),
        outcome: entry.text("outcome"),
        instance: entry.text("instance"),
        started: number("started"),
        finished: number("finished"),
    }
}
