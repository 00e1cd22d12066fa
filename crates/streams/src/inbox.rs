//! The envelope of an inbox entry: where it came from and what has happened to it.
//!
//! Written by defer, release and redrive, read by [`crate::delivery`]. The original fields follow
//! verbatim; an inbox entry without the envelope is a plain entry that somebody added by hand.

use crate::names::{EntryId, Fields};

/// The first field of an enveloped entry; its value is the form's version.
const MARK: (&[u8], &[u8]) = (b"printery-inbox", b"1");

/// Text of a last error is kept to this many characters.
const ERROR_CHARS: usize = 1024;

/// What is known of an entry from before its present delivery.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// The stream that the entry was first read from.
    pub origin_stream: String,
    /// Its id there.
    pub origin_entry: EntryId,
    /// The event's id, or empty while it is unknown.
    pub event_id: String,
    /// Attempts that failed explicitly so far.
    pub failures: u32,
    /// Owners that died or fell silent since the last explicit outcome.
    pub deaths: u32,
    /// When the first failure happened, the server's milliseconds; 0 = none yet.
    pub first_failure_ms: u64,
    /// Why the last attempt failed.
    pub last_error: String,
    /// How often a person redrove it.
    pub replays: u32,
}

impl History {
    /// The history of an entry that is read for the first time.
    pub fn fresh(stream: &str, entry: EntryId) -> Self {
        Self { origin_stream: stream.to_owned(), origin_entry: entry, ..Self::default() }
    }

    /// Whether a person asked for it again, so that it is no duplicate.
    pub fn is_replay(&self) -> bool {
        self.replays > 0
    }

    /// Puts the envelope before the original fields.
    pub fn seal(&self, original: &[(Vec<u8>, Vec<u8>)]) -> Fields {
        let pair = |name: &str, value: String| (name.as_bytes().to_vec(), value.into_bytes());
        let last_error = self.last_error.chars().filter(|c| !c.is_control()).take(ERROR_CHARS);
        let mut fields = vec![
            (MARK.0.to_vec(), MARK.1.to_vec()),
            pair("origin_stream", self.origin_stream.clone()),
            pair("origin_entry", self.origin_entry.to_string()),
            pair("event_id", self.event_id.clone()),
            pair("failures", self.failures.to_string()),
            pair("deaths", self.deaths.to_string()),
            pair("first_failure_at", self.first_failure_ms.to_string()),
            pair("last_error", last_error.collect()),
            pair("replays", self.replays.to_string()),
        ];
        fields.extend_from_slice(original);
        fields
    }

    /// Takes the envelope off; gives the fields back as they are when there is none.
    pub fn open(mut fields: Fields) -> (Option<Self>, Fields) {
        match Self::read(&fields) {
            Some((history, length)) => {
                fields.drain(..length);
                (Some(history), fields)
            }
            None => (None, fields),
        }
    }

    /// The envelope is positional: a name out of place means that this is no envelope.
    fn read(fields: &[(Vec<u8>, Vec<u8>)]) -> Option<(Self, usize)> {
        let mut fields = fields.iter();
        let mut length = 0;
        let mut take = |name: &[u8]| {
            length += 1;
            let (found, value) = fields.next()?;
            (found == name).then_some(())?;
            std::str::from_utf8(value).ok()
        };
        (take(MARK.0)?.as_bytes() == MARK.1).then_some(())?;
        let history = Self {
            origin_stream: take(b"origin_stream")?.to_owned(),
            origin_entry: take(b"origin_entry")?.parse().ok()?,
            event_id: take(b"event_id")?.to_owned(),
            failures: take(b"failures")?.parse().ok()?,
            deaths: take(b"deaths")?.parse().ok()?,
            first_failure_ms: take(b"first_failure_at")?.parse().ok()?,
            last_error: take(b"last_error")?.to_owned(),
            replays: take(b"replays")?.parse().ok()?,
        };
        Some((history, length))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_fields() -> impl Strategy<Value = Fields> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..12);
        proptest::collection::vec((bytes(), bytes()), 0..6)
    }

    /// Fields that look like an envelope, whole or nearly.
    fn envelope_like() -> impl Strategy<Value = Fields> {
        let value = prop_oneof![
            Just(b"1".to_vec()),
            Just(b"1-0".to_vec()),
            Just(b"4294967296".to_vec()),
            Just(Vec::new()),
            Just(b"\xff".to_vec()),
        ];
        let odd = (any::<prop::sample::Index>(), 0..3_u8, value);
        (proptest::collection::vec(odd, 0..3), any_fields()).prop_map(|(odd, rest)| {
            let mut fields = History::fresh("s", EntryId::at(1)).seal(&rest);
            for (at, how, value) in odd {
                let at = at.index(fields.len());
                match how {
                    0 => fields[at].1 = value,
                    1 => fields[at].0 = value,
                    _ => drop(fields.remove(at)),
                }
            }
            fields
        })
    }

    fn any_history() -> impl Strategy<Value = History> {
        let numbers = (any::<u32>(), any::<u32>(), any::<u32>(), any::<u64>());
        let texts = ("[ -~é🚀]{0,12}", "[ -~é🚀]{0,12}", "\\PC{0,12}");
        (numbers, texts, any::<u64>(), any::<u64>()).prop_map(|(numbers, texts, ms, seq)| {
            let (failures, deaths, replays, first_failure_ms) = numbers;
            let (origin_stream, event_id, last_error) = texts;
            let last_error = last_error.chars().filter(|c| !c.is_control()).collect();
            let origin_entry = EntryId { ms, seq };
            History {
                origin_stream,
                origin_entry,
                event_id,
                failures,
                deaths,
                first_failure_ms,
                last_error,
                replays,
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_unchanged(original in any_fields(), history in any_history()) {
            let (opened, fields) = History::open(history.seal(&original));
            prop_assert_eq!(opened, Some(history));
            prop_assert_eq!(fields, original);
        }

        #[test]
        fn an_entry_that_looks_like_an_envelope_is_sealed_and_opened_like_any_other(
            original in envelope_like(),
            history in any_history(),
        ) {
            let (opened, fields) = History::open(history.seal(&original));
            prop_assert_eq!(opened, Some(history));
            prop_assert_eq!(fields, original);
        }

        #[test]
        fn what_looks_like_an_envelope_is_one_or_stays_as_it_is(fields in envelope_like()) {
            match History::open(fields.clone()) {
                (None, rest) => prop_assert_eq!(rest, fields),
                (Some(history), rest) => prop_assert_eq!(history.seal(&rest).len(), fields.len()),
            }
        }

        #[test]
        fn fields_without_an_envelope_stay_as_they_are(original in any_fields()) {
            let (history, fields) = History::open(original.clone());
            prop_assert_eq!(history, None);
            prop_assert_eq!(fields, original);
        }

        #[test]
        fn a_last_error_of_any_text_becomes_one_short_line(last_error in any::<String>()) {
            let history = History { last_error, ..History::default() };
            let (opened, _) = History::open(history.seal(&[]));
            let kept = opened.unwrap().last_error;
            prop_assert!(!kept.chars().any(char::is_control));
            prop_assert!(kept.chars().count() <= ERROR_CHARS);
        }
    }

    #[test]
    fn a_damaged_envelope_is_a_plain_entry() {
        let mut fields = History::fresh("s", EntryId::at(1)).seal(&[]);
        fields.swap(2, 3);
        assert_eq!(History::open(fields.clone()), (None, fields));
    }
}
