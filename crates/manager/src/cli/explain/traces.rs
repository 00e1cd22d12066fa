//! What an entry leaves behind once it has left its stream, read back.
//!
//! Tokens of delayed entries, lines of the settlement log, dead letters that were decided on; pure.

use printery_fleet::dead_letters::DeadLetter;
use printery_streams::EntryId;
use printery_streams::browse::Entry;

/// Names a delayed entry: `<stream>|<entry>|<count>` of the delivery that was put off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// The whole text.
    pub(crate) text: String,
    /// The stream and the entry in it.
    pub(crate) place: Option<(String, EntryId)>,
}

impl Token {
    /// Takes a token apart, and the place of an entry (`<stream>|<entry>`) as well.
    pub(crate) fn read(text: String) -> Self {
        let of = |text: &str| {
            let (stream, entry) = text.rsplit_once('|')?;
            Some((stream.to_owned(), entry.parse().ok()?))
        };
        let place = of(&text).or_else(|| of(text.rsplit_once('|')?.0));
        Self { text, place }
    }

    /// Whether it names one of these deliveries.
    pub(crate) fn is_of(&self, deliveries: &[(&str, EntryId)]) -> bool {
        let place = self.place.as_ref();
        place.is_some_and(|(stream, entry)| deliveries.contains(&(stream.as_str(), *entry)))
    }
}

/// One line of a settlement log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settlement {
    /// Its id in the log.
    pub(crate) id: EntryId,
    /// The stream of the delivery.
    pub(crate) stream: String,
    /// The entry of the delivery.
    pub(crate) entry: Option<EntryId>,
    /// The event.
    pub(crate) event_id: String,
    /// Its type.
    pub(crate) event_type: String,
    /// `done` or `dead`.
    pub(crate) outcome: String,
    /// Attempts used.
    pub(crate) attempts: u64,
    /// Who settled it.
    pub(crate) instance: String,
    /// When its last attempt began, the server's milliseconds.
    pub(crate) started_ms: u64,
    /// When it was settled, the server's milliseconds.
    pub(crate) finished_ms: u64,
    /// How many events it published.
    pub(crate) results: usize,
    /// Why it was given up.
    pub(crate) reason: Option<String>,
}

impl Settlement {
    /// Reads a line of the log.
    pub(crate) fn read(line: &Entry) -> Self {
        let text = |name: &str| line.text(name).unwrap_or_default().to_owned();
        let number = |name: &str| line.text(name).and_then(|text| text.parse().ok()).unwrap_or(0);
        Self {
            id: line.id,
            stream: text("stream"),
            entry: line.text("entry").and_then(|entry| entry.parse().ok()),
            event_id: text("event_id"),
            event_type: text("event_type"),
            outcome: text("outcome"),
            attempts: number("attempts"),
            instance: text("instance"),
            started_ms: number("started"),
            finished_ms: number("finished"),
            results: text("results").split_whitespace().count(),
            reason: line.text("reason").map(ToOwned::to_owned),
        }
    }

    /// Whether it settled this very entry of a stream.
    pub(crate) fn settles(&self, stream: &str, entry: EntryId) -> bool {
        self.stream == stream && self.entry == Some(entry)
    }

    /// Whether it settled this event.
    pub(crate) fn is_of_event(&self, event_id: &str, event_type: Option<&str>) -> bool {
        let same_type =
            self.event_type.is_empty() || event_type.is_none_or(|it| it == self.event_type);
        !event_id.is_empty() && self.event_id == event_id && same_type
    }
}

/// A dead letter that somebody has decided on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PutAway {
    /// Its id among the processed ones.
    pub(crate) id: EntryId,
    /// The letter.
    pub(crate) letter: DeadLetter,
    /// `resolved` or `abandoned`.
    pub(crate) status: String,
    /// Who decided.
    pub(crate) actor: String,
    /// Why; may be empty.
    pub(crate) notes: String,
}

impl PutAway {
    /// Reads an entry of the processed ones.
    pub(crate) fn read(entry: &Entry) -> Self {
        let text = |name: &str| entry.text(name).unwrap_or_default().to_owned();
        Self {
            id: entry.id,
            letter: DeadLetter::read(entry),
            status: text("status"),
            actor: text("actor"),
            notes: text("resolution_notes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_the_delivery_that_was_put_off() {
        let place = |text: &str| Token::read(text.to_owned()).place;
        assert_eq!(place("a:b|5-1|2"), Some(("a:b".to_owned(), EntryId { ms: 5, seq: 1 })));
        assert_eq!(place("a|b|5-1|2"), Some(("a|b".to_owned(), EntryId { ms: 5, seq: 1 })));
        assert_eq!(place("a:b|5-1"), Some(("a:b".to_owned(), EntryId { ms: 5, seq: 1 })));
        assert_eq!(place("a|5|2"), None);
        assert_eq!(place(""), None);
    }

    #[test]
    fn an_event_is_its_id_and_its_type() {
        let field = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let fields = vec![field("event_id", "e"), field("event_type", "a")];
        let line = Settlement::read(&Entry { id: EntryId::at(1), fields });
        assert!(line.is_of_event("e", Some("a")) && line.is_of_event("e", None));
        assert!(!line.is_of_event("e", Some("b")) && !line.is_of_event("", None));
    }
}
