//! What an audit can find: a closed list, and what is said of each.
//!
//! Pure. A new finding is a variant here, its line in [`Kind::facts`], and its way of being found
//! in one of the files beside this one.

use std::collections::BTreeMap;

use printery_streams::EntryId;
use printery_streams::inspect::PendingEntry;
use serde::Serialize;
use serde_json::{Value, json};

/// Findings of one kind on one key that are named one by one; more are only counted.
const NAMED: usize = 1_000;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// Worth knowing; the audit still passes.
    Note,
    /// Something is wrong.
    Wrong,
}

/// What can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A pending entry whose body somebody deleted or trimmed.
    LostBody,
    /// A delayed entry, or one in line, without a body.
    BodilessWait,
    /// A body that no due time and no line leads to.
    OrphanedBody,
    /// An entry that its group has passed and nobody has settled.
    PassedOver,
    /// Entries that the books lack and nobody can name.
    MissingEntries,
    /// Entries that left a stream to wait and are nowhere.
    Vanished,
    /// More was settled than was added.
    Surplus,
    /// A result that exists twice.
    DoubledResult,
    /// An entry that waits or runs in two places.
    DoubledEntry,
    /// A result that the log tells of and that its stream does not have.
    MissingResult,
    /// A pending entry of an owner that is gone, which no living worker takes over.
    StuckPending,
    /// A pending entry of an owner that is gone, while no worker lives that could take it over.
    OrphanedPending,
    /// A delayed entry that is due and does not move.
    Overdue,
    /// Entries that wait undelivered while every worker is idle.
    Unread,
    /// A deployment's line behind an entry that is nowhere.
    BlockedLine,
    /// A subscribed stream without its group.
    NoGroup,
    /// A group that stands beyond the end of its stream.
    SetAhead,
    /// A group that stands before entries it was given.
    SetBack,
    /// A stream that will expire.
    Expires,
    /// A key that holds something else.
    WrongType,
    /// A stream whose ids lie in the server's future.
    FutureId,
    /// A stream that can take no more entries.
    ExhaustedId,
    /// A consumer of a process that is gone, without entries.
    DeadConsumer,
    /// A loss that has been reported to the dead letters.
    LossReported,
}

impl Kind {
    /// Every kind, for documents and tests.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 24] = [
        Self::LostBody,
        Self::BodilessWait,
        Self::OrphanedBody,
        Self::PassedOver,
        Self::MissingEntries,
        Self::Vanished,
        Self::Surplus,
        Self::DoubledResult,
        Self::DoubledEntry,
        Self::MissingResult,
        Self::StuckPending,
        Self::OrphanedPending,
        Self::Overdue,
        Self::Unread,
        Self::BlockedLine,
        Self::NoGroup,
        Self::SetAhead,
        Self::SetBack,
        Self::Expires,
        Self::WrongType,
        Self::FutureId,
        Self::ExhaustedId,
        Self::DeadConsumer,
        Self::LossReported,
    ];

    /// Its name, which stays the same, its class, and how bad it is.
    fn facts(self) -> (&'static str, &'static str, Level) {
        match self {
            Self::LostBody => ("lost_body", "lost", Level::Wrong),
            Self::BodilessWait => ("bodiless_wait", "lost", Level::Wrong),
            Self::OrphanedBody => ("orphaned_body", "lost", Level::Wrong),
            Self::PassedOver => ("passed_over", "lost", Level::Wrong),
            Self::MissingEntries => ("missing_entries", "lost", Level::Wrong),
            Self::Vanished => ("vanished", "lost", Level::Wrong),
            Self::Surplus => ("surplus", "doubled", Level::Wrong),
            Self::DoubledResult => ("doubled_result", "doubled", Level::Wrong),
            Self::DoubledEntry => ("doubled_entry", "doubled", Level::Wrong),
            Self::MissingResult => ("missing_result", "lost", Level::Wrong),
            Self::StuckPending => ("stuck_pending", "stuck", Level::Wrong),
            Self::OrphanedPending => ("orphaned_pending", "orphaned", Level::Wrong),
            Self::Overdue => ("overdue", "stuck", Level::Wrong),
            Self::Unread => ("unread", "stuck", Level::Wrong),
            Self::BlockedLine => ("blocked_line", "stuck", Level::Wrong),
            Self::NoGroup => ("no_group", "orphaned", Level::Wrong),
            Self::SetAhead => ("set_ahead", "orphaned", Level::Wrong),
            Self::SetBack => ("set_back", "orphaned", Level::Wrong),
            Self::Expires => ("expires", "orphaned", Level::Wrong),
            Self::WrongType => ("wrong_type", "orphaned", Level::Wrong),
            Self::FutureId => ("future_id", "orphaned", Level::Wrong),
            Self::ExhaustedId => ("exhausted_id", "orphaned", Level::Wrong),
            Self::DeadConsumer => ("dead_consumer", "orphaned", Level::Note),
            Self::LossReported => ("loss_reported", "lost", Level::Note),
        }
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        self.facts().0
    }

    /// `lost`, `doubled`, `stuck` or `orphaned`.
    pub(crate) fn class(self) -> &'static str {
        self.facts().1
    }

    /// How bad it is.
    pub(crate) fn level(self) -> Level {
        self.facts().2
    }
}

/// What `--repair` does about a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mend {
    /// Makes the group, at the beginning of the stream.
    EnsureGroup,
    /// Takes the expiry away.
    Persist,
    /// Dead-letters the row as `lost_body`.
    BuryLost(EntryId),
    /// Dead-letters the member as `lost_body`.
    BuryToken { member: Vec<u8>, token: String },
    /// Puts the body into the inbox.
    Rescue(String),
    /// Puts the entry into the inbox in its owner's name.
    HandOver(PendingEntry),
    /// Removes the consumer.
    Retire(String),
    /// Moves the group.
    SetPosition { from: EntryId, to: EntryId },
    /// Puts the entry into the inbox.
    Requeue(EntryId),
    /// Adjusts the books.
    WriteOff { counter: String, was: Option<i64>, by: i64 },
    /// Removes the delayed copy.
    DropDelayed(String),
    /// Moves what is due.
    Promote,
    /// Lets the next one in line go.
    PassTurn,
}

impl Mend {
    /// What it does, in words.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::EnsureGroup => "make the group, reading from the beginning".to_owned(),
            Self::Persist => "take the expiry away".to_owned(),
            Self::BuryLost(_) | Self::BuryToken { .. } => {
                "dead-letter what is known of it as lost_body".to_owned()
            }
            Self::Rescue(_) => "put the body into the inbox".to_owned(),
            Self::HandOver(_) => "hand it over through the inbox".to_owned(),
            Self::Retire(_) => "remove the consumer".to_owned(),
            Self::SetPosition { to, .. } => format!("set the group to {to}"),
            Self::Requeue(_) => "put it into the inbox".to_owned(),
            Self::WriteOff { by, .. } => {
                format!("write {by} off in the ledger; nothing brings them back")
            }
            Self::DropDelayed(_) => "remove the delayed copy".to_owned(),
            Self::Promote => "move it to the inbox".to_owned(),
            Self::PassTurn => "let the oldest one in line go".to_owned(),
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What it is.
    pub(crate) kind: Kind,
    /// First part of the partition's keys.
    pub(crate) partition: String,
    /// The worker that it concerns; empty for a stream that several read.
    pub(crate) worker: &'static str,
    /// The key that it is about.
    pub(crate) key: String,
    /// The entry, token, consumer or deployment; empty where the whole key is meant.
    pub(crate) id: String,
    /// How many entries it concerns.
    pub(crate) count: u64,
    /// What is wrong, in a sentence.
    pub(crate) text: String,
    /// What `--repair` does about it; none where nothing can be done from here.
    pub(crate) mend: Option<Mend>,
    /// The words that ask redis-cli the same.
    pub(crate) redis: Vec<String>,
}

impl Finding {
    /// For programs.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "kind": self.kind.name(),
            "class": self.kind.class(),
            "level": self.kind.level(),
            "partition": self.partition,
            "worker": self.worker,
            "key": self.key,
            "id": self.id,
            "count": self.count,
            "text": self.text,
            "repair": self.mend.as_ref().map(Mend::words),
            "redis_cli": self.redis,
        })
    }
}

/// Findings, each kind of a key up to a bound.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Those that are named.
    pub(crate) named: Vec<Finding>,
    /// By kind and key, how many there are.
    counts: BTreeMap<(Kind, String), usize>,
}

impl Findings {
    /// Adds a finding, or only counts it.
    pub(crate) fn add(&mut self, finding: Finding) {
        let count = self.counts.entry((finding.kind, finding.key.clone())).or_default();
        *count += 1;
        if *count <= NAMED {
            self.named.push(finding);
        }
    }

    /// Takes over another's.
    pub(crate) fn extend(&mut self, other: Self) {
        self.named.extend(other.named);
        for (key, count) in other.counts {
            *self.counts.entry(key).or_default() += count;
        }
    }

    /// Kinds and keys of which more were found than are named, and how many more.
    pub(crate) fn unnamed(&self) -> impl Iterator<Item = (Kind, &str, usize)> {
        self.counts.iter().filter_map(|((kind, key), count)| {
            let more = count.saturating_sub(NAMED);
            (more > 0).then_some((*kind, key.as_str(), more))
        })
    }

    /// How many of a level there are.
    pub(crate) fn count(&self, level: Level) -> usize {
        self.counts.iter().filter(|((kind, _), _)| kind.level() == level).map(|(_, n)| n).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn finding(kind: Kind, id: &str) -> Finding {
        Finding {
            kind,
            partition: "materi".to_owned(),
            worker: "validator",
            key: "s".to_owned(),
            id: id.to_owned(),
            count: 1,
            text: "it is gone".to_owned(),
            mend: None,
            redis: Vec::new(),
        }
    }

    #[test]
    fn every_kind_has_a_name_of_its_own_and_a_known_class() {
        let mut names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            assert!(["lost", "doubled", "stuck", "orphaned"].contains(&kind.class()), "{kind:?}");
        }
    }

    #[test]
    fn what_is_too_much_to_name_is_counted() {
        let mut findings = Findings::default();
        for n in 0..1_500 {
            findings.add(finding(Kind::LostBody, &n.to_string()));
        }
        findings.add(finding(Kind::DeadConsumer, "c"));
        assert_eq!(findings.named.len(), 1_001);
        assert_eq!(findings.unnamed().collect::<Vec<_>>(), [(Kind::LostBody, "s", 500)]);
        assert_eq!((findings.count(Level::Wrong), findings.count(Level::Note)), (1_500, 1));
    }
}
