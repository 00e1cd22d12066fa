//! What becomes of letters that were put back: done, or dead once more.
//!
//! A redrive in steps asks it until a step is over. It reads the worker's settlement log and what
//! joins its dead letters, from where they ended when it began; it never writes.

use std::collections::HashMap;

use printery_streams::browse::{self, Entry};
use printery_streams::{EntryId, Error, Keys, Session};

use crate::dead_letters::DeadLetter;

/// Rows read at once: those of the log are small, dead letters are not.
const ROWS: usize = 256;

/// How many ended in which way since they were asked for last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// Settled.
    pub done: u64,
    /// Among the dead letters again.
    pub failed: u64,
}

/// Letters of one worker that were put back and are not settled yet.
#[derive(Debug)]
pub struct Following {
    worker: String,
    inbox: String,
    /// The last rows seen.
    log_seen: EntryId,
    dead_seen: EntryId,
    open: Open,
}

impl Following {
    /// Begins now: what is put back after this is followed from its first moment.
    ///
    /// # Redis
    /// `XINFO STREAM` twice.
    pub async fn begin(session: &mut Session, keys: &Keys, worker: &str) -> Result<Self, Error> {
        let log_seen = browse::last_id(session, &keys.settlements(worker)).await?;
        let dead_seen = browse::last_id(session, &keys.dead_letters(worker)).await?;
        Ok(Self {
            worker: worker.to_owned(),
            inbox: keys.inbox(worker),
            log_seen: log_seen.unwrap_or_default(),
            dead_seen: dead_seen.unwrap_or_default(),
            open: Open::default(),
        })
    }

    /// Follows a letter that was put back as this entry of the inbox.
    pub fn add(&mut self, inbox_entry: EntryId, letter: &DeadLetter) {
        self.open.add(inbox_entry, letter);
    }

    /// How many are not settled yet.
    pub fn open(&self) -> usize {
        self.open.letters.len()
    }

    /// Looks what happened since it looked last.
    ///
    /// # Redis
    /// `XRANGE` over the new rows of the log and the new dead letters.
    pub async fn look(&mut self, session: &mut Session, keys: &Keys) -> Result<Verdicts, Error> {
        let mut verdicts = Verdicts::default();
        let log = keys.settlements(&self.worker);
        loop {
            let rows = browse::range(session, &log, self.log_seen.next(), None, ROWS).await?;
            for row in &rows {
                self.log_seen = row.id;
                verdicts.done += u64::from(self.open.settles(&self.inbox, row));
            }
            if rows.len() < ROWS {
                break;
            }
        }
        let dead = keys.dead_letters(&self.worker);
        let page = crate::dead_letters::PAGE;
        loop {
            let rows = browse::range(session, &dead, self.dead_seen.next(), None, page).await?;
            for row in &rows {
                self.dead_seen = row.id;
                verdicts.failed += u64::from(self.open.dies(&DeadLetter::read(row)));
            }
            if rows.len() < page {
                return Ok(verdicts);
            }
        }
    }
}

/// Names a letter under which it can be met again: what is merely retried has another entry in the
/// inbox each time, but the same event and the same origin.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Name {
    Inbox(EntryId),
    Event(String),
    Origin(String, String),
}

/// The letters that are not settled, by each of their names.
#[derive(Debug, Default)]
struct Open {
    letters: HashMap<u64, Vec<Name>>,
    names: HashMap<Name, Vec<u64>>,
    next: u64,
}

impl Open {
    fn add(&mut self, inbox_entry: EntryId, letter: &DeadLetter) {
        let mut names = vec![
            Name::Inbox(inbox_entry),
            Name::Origin(letter.original_stream.clone(), letter.original_entry.clone()),
        ];
        if !letter.event_id.is_empty() {
            names.push(Name::Event(letter.event_id.clone()));
        }
        for name in &names {
            self.names.entry(name.clone()).or_default().push(self.next);
        }
        self.letters.insert(self.next, names);
        self.next += 1;
    }

    /// Whether a row of the log settles one of them.
    fn settles(&mut self, inbox: &str, row: &Entry) -> bool {
        let from_inbox = row.text("stream") == Some(inbox);
        if !from_inbox || row.text("outcome") == Some("dead") {
            // How it failed stands in its dead letter, also where no log is written of it.
            return false;
        }
        let entry = row.text("entry").and_then(|entry| entry.parse().ok()).map(Name::Inbox);
        let event = row.text("event_id").filter(|id| !id.is_empty()).map(ToOwned::to_owned);
        entry.is_some_and(|name| self.take(&name))
            || event.is_some_and(|id| self.take(&Name::Event(id)))
    }

    /// Whether a new dead letter is one of them.
    fn dies(&mut self, letter: &DeadLetter) -> bool {
        let (stream, entry) = (letter.original_stream.clone(), letter.original_entry.clone());
        self.take(&Name::Origin(stream, entry))
    }

    /// Takes one letter of that name out.
    fn take(&mut self, name: &Name) -> bool {
        let Some(letter) = self.names.get(name).and_then(|of| of.first().copied()) else {
            return false;
        };
        for name in self.letters.remove(&letter).unwrap_or_default() {
            if let Some(of) = self.names.get_mut(&name) {
                of.retain(|other| *other != letter);
                if of.is_empty() {
                    self.names.remove(&name);
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INBOX: &str = "t:inbox";

    fn entry(id: u64, fields: &[(&str, &str)]) -> Entry {
        let pair =
            |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        Entry { id: EntryId::at(id), fields: fields.iter().map(pair).collect() }
    }

    fn letter(event_id: &str, origin: &str) -> DeadLetter {
        let fields = [("event_id", event_id), ("original_stream", "s"), ("original_entry", origin)];
        DeadLetter::read(&entry(1, &fields))
    }

    fn row(stream: &str, at: &str, event_id: &str, outcome: &str) -> Entry {
        let fields =
            [("stream", stream), ("entry", at), ("event_id", event_id), ("outcome", outcome)];
        entry(2, &fields)
    }

    #[test]
    fn a_letter_is_settled_under_its_entry_or_its_event_and_only_once() {
        let mut open = Open::default();
        open.add(EntryId::at(10), &letter("e-1", "1-0"));
        open.add(EntryId::at(11), &letter("e-2", "2-0"));
        open.add(EntryId::at(12), &letter("", "3-0"));
        assert!(!open.settles(INBOX, &row("t:events", "10-0", "e-1", "done")), "another stream");
        assert!(!open.settles(INBOX, &row(INBOX, "10-0", "e-1", "dead")), "it says how elsewhere");
        assert!(!open.settles(INBOX, &row(INBOX, "77-0", "", "done")), "somebody else's");
        assert!(open.settles(INBOX, &row(INBOX, "10-0", "e-1", "done")));
        assert!(!open.settles(INBOX, &row(INBOX, "10-0", "e-1", "done")), "once");
        assert!(open.settles(INBOX, &row(INBOX, "99-0", "e-2", "duplicate")), "after a retry");
        assert!(open.settles(INBOX, &row(INBOX, "12-0", "", "done")), "without an event id");
        assert_eq!((open.letters.len(), open.names.len()), (0, 0));
    }

    #[test]
    fn a_letter_that_dies_again_is_known_by_where_it_came_from() {
        let mut open = Open::default();
        open.add(EntryId::at(10), &letter("e-1", "1-0"));
        open.add(EntryId::at(11), &letter("e-1", "1-0"));
        assert!(!open.dies(&letter("e-1", "9-0")));
        assert!(open.dies(&letter("e-1", "1-0")));
        assert_eq!(open.letters.len(), 1, "the other one of the same origin is still out");
        assert!(open.dies(&letter("", "1-0")));
        assert!(!open.dies(&letter("e-1", "1-0")));
    }
}
