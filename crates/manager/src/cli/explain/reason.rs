//! The closed list of answers to "why is it not done?".
//!
//! A word of this list is what programs and people rely on; the places that an entry can be in are
//! finer and may grow. Pure.

/// Why an entry is where it is, seen from one of its readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// No process has read it yet.
    Undelivered,
    /// A process works on it.
    Running,
    /// Its owner has been silent for longer than the lease.
    LeaseExpired,
    /// It waits for its next attempt.
    Delayed,
    /// It waits in its worker's inbox: a retry that fell due, handed back, redriven or triggered.
    InTheInbox,
    /// Its worker is paused.
    Paused,
    /// Somebody else's implementation runs its worker kind.
    OwnedElsewhere,
    /// An older entry of its deployment is not settled.
    BlockedByOrder,
    /// What it needs has failed so often that it is left alone for a while.
    BreakerOpen,
    /// It was given up.
    Dead,
    /// It was settled.
    Done,
    /// Another entry with the same event id was settled.
    Deduplicated,
    /// Its entry is not retained any more.
    Trimmed,
    /// Nobody here has seen it.
    Unknown,
}

impl Reason {
    /// The word, which stays the same.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Undelivered => "undelivered",
            Self::Running => "running",
            Self::LeaseExpired => "lease_expired",
            Self::Delayed => "delayed",
            Self::InTheInbox => "in_the_inbox",
            Self::Paused => "paused",
            Self::OwnedElsewhere => "owned_elsewhere",
            Self::BlockedByOrder => "blocked_by_order",
            Self::BreakerOpen => "breaker_open",
            Self::Dead => "dead",
            Self::Done => "done",
            Self::Deduplicated => "deduplicated",
            Self::Trimmed => "trimmed",
            Self::Unknown => "unknown",
        }
    }
}
