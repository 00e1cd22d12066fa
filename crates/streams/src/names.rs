//! Names with a meaning of their own: entry ids and a consumer's place in a group.
//!
//! Parsed once at the Redis edge and trusted inside; nothing here talks to Redis.

use std::fmt;
use std::str::FromStr;

/// Field names and values of an entry, as bytes, in order and with duplicates.
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// The id of an entry: milliseconds of the server that added it, and a sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct EntryId {
    /// Milliseconds since the epoch, by the server's clock.
    pub ms: u64,
    /// Counts entries of the same millisecond.
    pub seq: u64,
}

impl EntryId {
    /// The smallest id of a millisecond.
    pub const fn at(ms: u64) -> Self {
        Self { ms, seq: 0 }
    }

    /// The id right after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        match self.seq.checked_add(1) {
            Some(seq) => Self { ms: self.ms, seq },
            None => Self { ms: self.ms.saturating_add(1), seq: 0 },
        }
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// The text is not `<milliseconds>-<sequence>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnEntryId;

impl fmt::Display for NotAnEntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an entry id looks like 1732251600000-0")
    }
}

impl std::error::Error for NotAnEntryId {}

impl FromStr for EntryId {
    type Err = NotAnEntryId;

    fn from_str(text: &str) -> Result<Self, NotAnEntryId> {
        let (ms, seq) = text.split_once('-').ok_or(NotAnEntryId)?;
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(ms) || !digits(seq) {
            return Err(NotAnEntryId);
        }
        let (Ok(ms), Ok(seq)) = (ms.parse(), seq.parse()) else { return Err(NotAnEntryId) };
        Ok(Self { ms, seq })
    }
}

/// A consumer of a group: who reads, renews and settles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The worker's name, such as `validator`; names its inbox, dead letters and log.
    pub worker: String,
    /// The consumer group, such as `printery-validator`.
    pub group: String,
    /// The consumer: one per process start, never used again.
    pub consumer: String,
    /// Whether the worker handles the entries of one deployment one at a time, oldest first.
    pub ordered: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_and_print_alike() {
        for text in ["0-0", "1732251600000-12", "18446744073709551615-18446744073709551615"] {
            assert_eq!(text.parse::<EntryId>().unwrap().to_string(), text);
        }
        for text in ["", "1", "-", "1-", "-1", "+1-0", "1-0-0", "18446744073709551616-0", "a-b"] {
            assert_eq!(text.parse::<EntryId>(), Err(NotAnEntryId), "{text}");
        }
    }

    #[test]
    fn ids_order_by_time_then_sequence() {
        let id = |text: &str| text.parse::<EntryId>().unwrap();
        assert!(id("9-1") < id("10-0"));
        assert!(id("10-2") < id("10-10"));
        assert_eq!(id("5-18446744073709551615").next(), id("6-0"));
    }
}
