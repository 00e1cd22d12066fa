//! A dead letter as people and programs see it, with the bytes of the entry it was.
//!
//! Read from the entries of the dead-letter streams; pure. What somebody added there by hand is
//! read as far as it goes.

use printery_streams::browse::Entry;
use printery_streams::settle::WIDEST_VERBATIM;
use printery_streams::{EntryId, Fields, History};
use serde::Serialize;
use serde_bytes::ByteBuf;

/// A dead letter as it is read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// Its id in the dead-letter stream, the same as `entry`.
    #[serde(skip)]
    pub id: EntryId,
    /// The entry of the dead-letter stream.
    pub entry: String,
    /// The event's id, or empty.
    pub event_id: String,
    /// The event's type, or empty.
    pub event_type: String,
    /// The deployment, or empty.
    pub deployment_id: String,
    /// The stream it was first read from.
    pub original_stream: String,
    /// Its id there.
    pub original_entry: String,
    /// The worker that gave up.
    pub worker: String,
    /// Why, in a few words.
    pub failure_reason: String,
    /// Why, in a sentence.
    pub failure_detail: String,
    /// Attempts used.
    pub attempt_count: u32,
    /// First failure, the server's milliseconds.
    pub first_failure_at: u64,
    /// Last failure, the server's milliseconds.
    pub last_failure_at: u64,
    /// Groups equal failures.
    pub fingerprint: String,
    /// How often it was redriven.
    pub replay_count: u32,
    /// The process that gave up.
    pub instance: String,
    /// The entry's own fields, verbatim; none when its body was gone.
    #[serde(skip)]
    pub original: Option<Fields>,
}

impl DeadLetter {
    /// Reads a dead letter back from its entry.
    pub fn read(entry: &Entry) -> Self {
        let text = |name: &str| entry.text(name).unwrap_or_default().to_owned();
        let number = |name: &str| entry.text(name).and_then(|text| text.parse().ok()).unwrap_or(0);
        Self {
            id: entry.id,
            entry: entry.id.to_string(),
            event_id: text("event_id"),
            event_type: text("event_type"),
            deployment_id: text("deployment_id"),
            original_stream: text("original_stream"),
            original_entry: text("original_entry"),
            worker: text("worker"),
            failure_reason: text("failure_reason"),
            failure_detail: text("failure_detail"),
            attempt_count: u32::try_from(number("attempt_count")).unwrap_or(u32::MAX),
            first_failure_at: number("first_failure_at"),
            last_failure_at: number("last_failure_at"),
            fingerprint: text("fingerprint"),
            replay_count: u32::try_from(number("replay_count")).unwrap_or(u32::MAX),
            instance: text("instance"),
            original: original(entry),
        }
    }

    /// The inbox entry that gives it another chance: attempts at zero, the event's id kept.
    pub(crate) fn revived(&self) -> Option<Fields> {
        let history = History {
            origin_stream: self.original_stream.clone(),
            origin_entry: self.original_entry.parse().ok()?,
            event_id: self.event_id.clone(),
            replays: self.replay_count.saturating_add(1),
            ..History::default()
        };
        Some(history.seal(self.original.as_deref()?))
    }
}

/// The entry's own pairs: the first ones, or unpacked where there were too many to pass on.
fn original(entry: &Entry) -> Option<Fields> {
    let count: usize = entry.text("original_fields")?.parse().ok()?;
    // The count tells which form it is: an entry may have a field of that name itself.
    if count > WIDEST_VERBATIM {
        let (_, packed) = entry.fields.first().filter(|(name, _)| name == b"original_msgpack")?;
        let flat: Vec<ByteBuf> = rmp_serde::from_slice(packed).ok()?;
        let mut flat = flat.into_iter().map(ByteBuf::into_vec);
        let mut fields = Fields::with_capacity(count);
        while let (Some(name), Some(value)) = (flat.next(), flat.next()) {
            fields.push((name, value));
        }
        return (fields.len() == count).then_some(fields);
    }
    entry.fields.get(..count).map(<[_]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letters::Epitaph;

    fn pair(name: &[u8], value: &[u8]) -> (Vec<u8>, Vec<u8>) {
        (name.to_vec(), value.to_vec())
    }

    #[test]
    fn the_original_fields_come_back_verbatim() {
        let own =
            vec![pair(b"id", b"1"), pair(b"\xff", b"\x00"), pair(b"id", b"2"), pair(b"", b"")];
        let epitaph = Epitaph {
            original_entry: "5-0".to_owned(),
            reason: "invalid_event: id: twice".to_owned(),
            ..Epitaph::default()
        };
        let mut fields = own.clone();
        fields.extend(epitaph.fields(&own, Some(b"bytes")));
        let letter = DeadLetter::read(&Entry { id: EntryId::at(9), fields });
        assert_eq!(letter.original, Some(own));
        assert_eq!(letter.failure_reason, "invalid_event: id: twice");
        assert!(letter.revived().is_some());
    }

    #[test]
    fn our_words_win_over_the_entry_s_own_of_the_same_name() {
        let own = vec![pair(b"worker", b"mallory"), pair(b"data", b"{}")];
        let epitaph = Epitaph { worker: "validator".to_owned(), ..Epitaph::default() };
        let mut fields = own.clone();
        fields.extend(epitaph.fields(&own, None));
        let entry = Entry { id: EntryId::at(9), fields };
        assert_eq!(entry.text("worker"), Some("validator"));
        assert_eq!(entry.text("data"), Some("{}"));
    }
}
