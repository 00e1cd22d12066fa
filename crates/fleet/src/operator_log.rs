//! What people did to the fleet: who, what, to how many, and how it ended.
//!
//! Every command and every request that changes something writes here; `dlq log` reads it. It
//! never holds an event's contents, and nothing is decided by it.
//!
//! # No change without a record
//! The log is in the fleet's home partition and a change often is not, so that the two cannot be
//! one step. The record therefore comes first: [`begin`] writes that somebody is about to do it,
//! and whoever gets no answer does not do it. [`Begun::end`] adds a second record with the outcome.
//! A beginning without an end is a change that was cut short: how far it came, the keys
//! themselves tell. [`record`] is for changes that are over in one command, written before it too.

use printery_streams::append::append;
use printery_streams::browse::{self, Entry as Row};
use printery_streams::{EntryId, Error, Keys, Session};
use serde::Serialize;

/// Records that are kept, roughly: years of a fleet's decisions, a few MB.
const CAP: u64 = 20_000;

/// A text is kept to this many characters.
const TEXT_CHARS: usize = 2_048;

/// The outcome of a record that was written before the change.
pub const BEGUN: &str = "begun";

/// What somebody does, or did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Who: `user@host`, or what they called themselves.
    pub actor: String,
    /// What, as it would be typed: `dlq redrive`, `group pause`.
    pub action: String,
    /// To what: a worker, ids, a fingerprint.
    pub subject: String,
    /// How many it concerns: before the change how many it may be, after it how many it was.
    pub count: u64,
    /// [`BEGUN`], or how it ended in a word: `done`, `failed`, `cancelled`.
    pub outcome: String,
    /// The rest, in a sentence; may be empty.
    pub detail: String,
    /// The record of its beginning, where this one is its end.
    pub of: Option<EntryId>,
}

impl Entry {
    /// Describes a change of one thing that is over in one command.
    pub fn of_one(actor: &str, action: &str, subject: &str) -> Self {
        Self {
            actor: actor.to_owned(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            count: 1,
            outcome: "done".to_owned(),
            ..Self::default()
        }
    }
}

/// A record as it is read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Its own id; its milliseconds are the server's.
    pub entry: String,
    /// When it was written, the server's milliseconds.
    pub at_ms: u64,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To what.
    pub subject: String,
    /// How many.
    pub count: u64,
    /// How it ended, or [`BEGUN`].
    pub outcome: String,
    /// The rest.
    pub detail: String,
    /// The record of its beginning, or empty.
    pub of: String,
}

/// A change that stands in the log and may be made now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "without its end the log says that it was cut short"]
pub struct Begun {
    entry: Entry,
    id: EntryId,
}

impl Begun {
    /// The record of the beginning.
    pub fn id(&self) -> EntryId {
        self.id
    }

    /// Writes how it ended.
    ///
    /// # Errors
    /// The change is made and its beginning is on record; only its end is not.
    pub async fn end(
        self,
        session: &mut Session,
        keys: &Keys,
        count: u64,
        outcome: &str,
        detail: &str,
    ) -> Result<EntryId, Error> {
        let (outcome, detail) = (outcome.to_owned(), detail.to_owned());
        let end = Entry { count, outcome, detail, of: Some(self.id), ..self.entry };
        record(session, keys, &end).await
    }
}

/// Writes that a change is about to be made; without an answer it must not be.
///
/// # Shapes and units
/// `keys`: those of the home partition. `entry.outcome` is not looked at.
/// # Errors
/// As [`record`].
pub async fn begin(session: &mut Session, keys: &Keys, entry: Entry) -> Result<Begun, Error> {
    let entry = Entry { outcome: BEGUN.to_owned(), ..entry };
    let id = record(session, keys, &entry).await?;
    Ok(Begun { entry, id })
}

/// Writes one record; `keys` are those of the home partition.
///
/// # Errors
/// [`printery_streams::ErrorKind::Unknown`]: it may be there. A change that waits for it is not
/// made after any error.
/// # Redis
/// One script call; works in a Redis that is out of memory, because what makes room is logged too.
pub async fn record(session: &mut Session, keys: &Keys, entry: &Entry) -> Result<EntryId, Error> {
    let (count, of) = (entry.count.to_string(), entry.of.map(|id| id.to_string()));
    let texts = [&entry.actor, &entry.action, &entry.subject, &entry.outcome, &entry.detail]
        .map(|text| shortened(text));
    let [actor, action, subject, outcome, detail] = &texts;
    let mut fields = vec![
        ("actor", actor.as_str()),
        ("action", action),
        ("subject", subject),
        ("count", &count),
        ("outcome", outcome),
    ];
    fields.extend((!detail.is_empty()).then_some(("detail", detail.as_str())));
    fields.extend(of.as_deref().map(|of| ("of", of)));
    append(session, &keys.operator_log(), CAP, &fields).await
}

/// Lists records, youngest first, beginning below `before`.
///
/// # Redis
/// `XREVRANGE`.
pub async fn list(
    session: &mut Session,
    keys: &Keys,
    before: Option<EntryId>,
    count: usize,
) -> Result<Vec<Record>, Error> {
    let rows = browse::latest(session, &keys.operator_log(), before, count).await?;
    Ok(rows.iter().map(Record::read).collect())
}

impl Record {
    /// Reads a record back; what it lacks is empty.
    fn read(row: &Row) -> Self {
        let text = |name: &str| row.text(name).unwrap_or_default().to_owned();
        Self {
            entry: row.id.to_string(),
            at_ms: row.id.ms,
            actor: text("actor"),
            action: text("action"),
            subject: text("subject"),
            count: row.text("count").and_then(|count| count.parse().ok()).unwrap_or(0),
            outcome: text("outcome"),
            detail: text("detail"),
            of: text("of"),
        }
    }
}

/// One line, and not a long one: texts come from command lines and requests.
fn shortened(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_line_of_bounded_length() {
        assert_eq!(shortened("a\nb\x1b[2J"), "a b [2J");
        assert_eq!(shortened(&"é".repeat(9_999)).chars().count(), TEXT_CHARS);
    }

    #[test]
    fn a_record_that_somebody_added_by_hand_is_read_as_far_as_it_goes() {
        let fields = vec![(b"actor".to_vec(), b"ann".to_vec()), (b"count".to_vec(), b"x".to_vec())];
        let record = Record::read(&Row { id: EntryId::at(7), fields });
        assert_eq!((record.actor.as_str(), record.count, record.at_ms), ("ann", 0, 7));
    }
}
