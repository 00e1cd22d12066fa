//! The places that an entry can be in, seen from one of its readers, and the reason each stands for.
//!
//! Pure. A new place is a variant here, its way of being found in `locate`, and its words.

use printery_events::topology::Worker;
use printery_fleet::controls::Hold;
use printery_fleet::dead_letters::DeadLetter;
use printery_streams::{EntryId, History, Keys};

use crate::cli::explain::facts::{FleetFacts, Look};
use crate::cli::explain::reason::Reason;
use crate::cli::explain::search::Item;
use crate::cli::explain::traces::{PutAway, Settlement};

/// The code with which a handler says that a circuit breaker is open.
const BREAKER_OPEN: &str = "breaker_open";

/// Where an entry is, seen from one reader.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// The reader's group does not exist on the stream.
    NoGroup,
    /// It has not been given to anybody.
    Waiting {
        /// Entries before it.
        ahead: usize,
    },
    /// Somebody works on it.
    Running(Held),
    /// Its owner has been silent for longer than the lease.
    Expired(Held),
    /// It waits for its next attempt.
    Delayed {
        /// Its token in the delay index.
        token: String,
        /// When it is due, the server's milliseconds.
        due_ms: u64,
    },
    /// It waits behind an older entry of its deployment.
    InLine(Line),
    /// It was given up.
    Dead(Box<DeadLetter>),
    /// It was given up, and somebody has decided that it stays so.
    PutAway(Box<PutAway>),
    /// It was settled; the log says how.
    Done(Settlement),
    /// Another entry with the same event id was settled.
    Duplicate(Settlement),
    /// It was settled; the log does not say how any more.
    Settled,
    /// It is not in its stream any more, and has left no trace.
    Trimmed {
        /// Whether the reader's group has come past it.
        passed: bool,
    },
}

/// An entry in somebody's hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    /// The consumer.
    pub(crate) owner: String,
    /// Host and process, where there is a record of it, and whether it beats.
    pub(crate) process: Option<(String, u32, bool)>,
    /// Since it was delivered or its lease renewed, milliseconds.
    pub(crate) idle_ms: u64,
    /// How often it was delivered.
    pub(crate) deliveries: u64,
    /// Whether its body is still in the stream.
    pub(crate) body: Body,
}

/// Whether the body of an entry is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// It is.
    There,
    /// Somebody has deleted or trimmed it.
    Gone,
}

/// A place in a deployment's line.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// The deployment.
    pub(crate) subject: String,
    /// Entries that wait before it, the head not counted.
    pub(crate) ahead: usize,
    /// What is at the head; none when that has been settled just now.
    pub(crate) head: Option<Box<Finding>>,
}

/// What is true of a reader whatever the entry.
#[derive(Debug, Clone)]
pub(crate) struct Circumstances {
    /// Names of the partition's keys, for the lines by hand.
    pub(crate) keys: Keys,
    /// Names of the fleet's keys.
    pub(crate) home: Keys,
    /// Processes of the reader that beat.
    pub(crate) readers: usize,
    /// Why they take nothing new.
    pub(crate) hold: Option<Hold>,
    /// The server's time, milliseconds.
    pub(crate) now_ms: u64,
    /// How long an entry stays with a silent owner, milliseconds.
    pub(crate) lease_ms: u64,
    /// How often silent owners' entries are looked for, milliseconds.
    pub(crate) sweep_ms: u64,
    /// Failed attempts after which an entry is dead.
    pub(crate) max_attempts: u32,
}

impl Circumstances {
    /// Those of a worker in a partition.
    pub(crate) fn of(look: &Look<'_>, worker: &Worker) -> Self {
        let FleetFacts { home, now_ms, lease_ms, sweep_ms, max_attempts, .. } = look.fleet;
        Self {
            keys: look.keys.clone(),
            home: home.clone(),
            readers: look.fleet.readers(worker),
            hold: look.fleet.hold(worker),
            now_ms: *now_ms,
            lease_ms: *lease_ms,
            sweep_ms: *sweep_ms,
            max_attempts: *max_attempts,
        }
    }
}

/// What one reader has made of an entry.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    /// The reader.
    pub(crate) worker: &'static Worker,
    /// The stream it is in now: its own, or the reader's inbox.
    pub(crate) stream: String,
    /// Its id there.
    pub(crate) entry: EntryId,
    /// What has happened to it before, where it came through the inbox.
    pub(crate) history: Option<History>,
    /// Where it is.
    pub(crate) place: Place,
    /// What is true of the reader.
    pub(crate) around: Circumstances,
}

impl Finding {
    /// Begins with nothing known.
    pub(crate) fn new(worker: &'static Worker, item: &Item, around: Circumstances) -> Self {
        let (stream, entry, place) = (item.stream.clone(), item.entry, Place::Settled);
        Self { worker, stream, entry, history: None, place, around }
    }

    /// Whether something is still to happen with it.
    pub(crate) fn is_open(&self) -> bool {
        match &self.place {
            Place::NoGroup
            | Place::Waiting { .. }
            | Place::Running(_)
            | Place::Expired(_)
            | Place::Delayed { .. }
            | Place::InLine(_)
            | Place::Dead(_) => true,
            Place::PutAway(_)
            | Place::Done(_)
            | Place::Duplicate(_)
            | Place::Settled
            | Place::Trimmed { .. } => false,
        }
    }

    /// Whether it is in the reader's inbox.
    pub(crate) fn in_inbox(&self) -> bool {
        self.stream == self.around.keys.inbox(self.worker.name)
    }

    /// Why it is there, from the closed list.
    pub(crate) fn reason(&self) -> Reason {
        match &self.place {
            Place::NoGroup | Place::Waiting { .. } => match &self.around.hold {
                Some(Hold::Paused(_) | Hold::Guarded { .. }) => Reason::Paused,
                Some(Hold::OwnedElsewhere { .. }) => Reason::OwnedElsewhere,
                None if self.in_inbox() => Reason::InTheInbox,
                None => Reason::Undelivered,
            },
            Place::Running(_) => Reason::Running,
            Place::Expired(_) => Reason::LeaseExpired,
            Place::Delayed { .. } if self.breaker_is_open() => Reason::BreakerOpen,
            Place::Delayed { .. } => Reason::Delayed,
            Place::InLine(_) => Reason::BlockedByOrder,
            Place::Dead(_) | Place::PutAway(_) => Reason::Dead,
            Place::Done(line) if line.outcome == "dead" => Reason::Dead,
            Place::Done(_) | Place::Settled => Reason::Done,
            Place::Duplicate(_) => Reason::Deduplicated,
            Place::Trimmed { .. } => Reason::Trimmed,
        }
    }

    /// The place's own name, finer than the reason.
    pub(crate) fn code(&self) -> &'static str {
        match &self.place {
            Place::NoGroup => "no_group",
            Place::Waiting { .. } if self.in_inbox() => "inbox",
            Place::Waiting { .. } => "undelivered",
            Place::Running(_) => "running",
            Place::Expired(_) => "lease_expired",
            Place::Delayed { .. } => "delayed",
            Place::InLine(_) => "in_line",
            Place::Dead(_) => "dead",
            Place::PutAway(_) => "put_away",
            Place::Done(line) if line.outcome == "dead" => "dead_letter_taken",
            Place::Done(_) => "done",
            Place::Duplicate(_) => "duplicate",
            Place::Settled => "settled",
            Place::Trimmed { .. } => "trimmed",
        }
    }

    /// Whether its last attempt was refused by an open circuit breaker.
    fn breaker_is_open(&self) -> bool {
        let error = self.history.as_ref().map_or("", |history| history.last_error.as_str());
        error.split(':').next() == Some(BREAKER_OPEN)
    }

    /// The attempt that comes next, or runs.
    pub(crate) fn attempt(&self) -> u32 {
        self.history.as_ref().map_or(0, |history| history.failures).saturating_add(1)
    }
}
