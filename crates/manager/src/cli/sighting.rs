//! An entry of an event stream as somebody sees it from outside: understood, or why not.
//!
//! Built by everything that lists or follows events. Looking changes nothing: whether an entry is
//! dead-lettered is its worker's decision.

use jiff::Timestamp;
use printery_events::{Encoding, Event, EventType, Family, Invalid, salvage};
use printery_streams::EntryId;
use printery_streams::browse::Entry;
use serde_json::{Map, Value, json};

use crate::cli::times::timestamp;

/// Every event type of a fleet with these stages, in the order of the contract.
pub(crate) fn event_types(stages: &[String]) -> Vec<EventType> {
    let of_family = |family: &Family| -> Vec<EventType> {
        if !family.is_staged() {
            return vec![EventType::of(*family)];
        }
        let begins = *family == Family::StageStarted;
        let of_stage = |stage: &String| {
            if begins { EventType::stage_started(stage) } else { EventType::stage_completed(stage) }
        };
        stages.iter().map(of_stage).collect()
    };
    Family::ALL.iter().flat_map(of_family).collect()
}

/// An entry that was seen in an event stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sighting {
    /// The entry.
    pub(crate) entry: EntryId,
    /// The event type of its stream.
    pub(crate) event_type: EventType,
    /// The event, or what is known of an entry that is none.
    pub(crate) content: Result<Event, Unreadable>,
}

/// What is known of an entry that is no event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// Why it is none.
    pub(crate) why: Invalid,
    /// Its id, where one can be recognised.
    pub(crate) event_id: Option<String>,
    /// Its deployment, where one can be recognised.
    pub(crate) subject: Option<String>,
}

impl Sighting {
    /// Reads an entry of the stream of an event type.
    pub(crate) fn read(event_type: &EventType, entry: &Entry) -> Self {
        let content = Event::decode(Some(event_type), &entry.fields).map_err(|why| {
            let left = salvage(&entry.fields);
            Unreadable { why, event_id: left.event_id, subject: left.subject }
        });
        Self { entry: entry.id, event_type: event_type.clone(), content }
    }

    /// What to sort by across streams, whose entry ids say nothing about each other within a
    /// millisecond.
    pub(crate) fn order(&self) -> (u64, Option<Timestamp>, u64) {
        (self.entry.ms, self.event().and_then(|event| event.time), self.entry.seq)
    }

    /// The event, where it is one.
    pub(crate) fn event(&self) -> Option<&Event> {
        self.content.as_ref().ok()
    }

    /// The event's id.
    pub(crate) fn event_id(&self) -> Option<&str> {
        match &self.content {
            Ok(event) => Some(&event.id),
            Err(unreadable) => unreadable.event_id.as_deref(),
        }
    }

    /// The deployment.
    pub(crate) fn subject(&self) -> Option<&str> {
        match &self.content {
            Ok(event) => Some(&event.subject),
            Err(unreadable) => unreadable.subject.as_deref(),
        }
    }

    /// Everything about it, for programs.
    pub(crate) fn to_json(&self) -> Value {
        let mut shown = Map::new();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                shown.insert(name.to_owned(), value);
            }
        };
        put("entry", json!(self.entry.to_string()));
        put("published_at", json!(timestamp(self.entry.ms).map(|at| at.to_string())));
        put("type", json!(self.event_type.as_str()));
        put("id", json!(self.event_id()));
        put("subject", json!(self.subject()));
        match &self.content {
            Ok(event) => {
                put("source", json!(event.source));
                put("time", json!(event.time.map(|time| time.to_string())));
                put("correlationid", json!(event.correlation_id));
                put("causationid", json!(event.causation_id));
                put("dryrun", if event.dry_run { json!(true) } else { Value::Null });
                put("data", json!(event.payload));
            }
            Err(unreadable) => put("invalid", json!(unreadable.why.to_string())),
        }
        Value::Object(shown)
    }
}

/// The fields of an entry as people read them: `data` as JSON whatever it is encoded in.
pub(crate) fn readable_fields(
    event_type: &EventType,
    fields: &[(Vec<u8>, Vec<u8>)],
) -> Vec<(String, String)> {
    let event = Event::decode(Some(event_type), fields).ok();
    let as_json = event.map(|event| event.encode(Encoding::Json));
    let data = as_json.and_then(|fields| fields.into_iter().find(|(name, _)| name == b"data"));
    let shown = |(name, value): &(Vec<u8>, Vec<u8>)| {
        let value = match &data {
            Some((_, json)) if name == b"data" || name == b"payload" => json,
            Some(_) | None => value,
        };
        (text(name), text(value))
    };
    fields.iter().map(shown).collect()
}

/// Bytes as text; what is not printable is escaped.
pub(crate) fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') => {
            text.to_owned()
        }
        Ok(_) | Err(_) => bytes.escape_ascii().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(fields: &[(&str, &str)]) -> Entry {
        let pair =
            |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        Entry {
            id: EntryId { ms: 1_732_251_600_000, seq: 2 },
            fields: fields.iter().map(pair).collect(),
        }
    }

    #[test]
    fn the_short_form_is_understood() {
        let data = r#"{"deployment_id":"d-1","version":"1","environment":"e","services":[]}"#;
        let started = EventType::of(Family::DeploymentStarted);
        let seen = Sighting::read(&started, &entry(&[("id", "1"), ("data", data)]));
        assert_eq!((seen.event_id(), seen.subject()), (Some("1"), Some("d-1")));
        let json = seen.to_json();
        assert_eq!(json["entry"], "1732251600000-2");
        assert_eq!(json["data"]["version"], "1");
        assert!(json.get("dryrun").is_none() && json.get("invalid").is_none(), "{json}");
    }

    #[test]
    fn what_is_no_event_says_why_and_keeps_what_can_be_recognised() {
        let started = EventType::of(Family::DeploymentStarted);
        let seen = Sighting::read(
            &started,
            &entry(&[("id", "1"), ("data", r#"{"deployment_id":"d-1"}"#)]),
        );
        assert_eq!((seen.event_id(), seen.subject()), (Some("1"), Some("d-1")));
        assert!(seen.to_json()["invalid"].as_str().unwrap().starts_with("data"), "{seen:?}");
    }

    #[test]
    fn every_stage_has_its_two_types() {
        let types = event_types(&["a".to_owned(), "b".to_owned()]);
        assert_eq!(types.len(), Family::ALL.len() + 2);
        assert!(types.contains(&EventType::stage_completed("b")));
    }

    #[test]
    fn bytes_that_are_no_text_are_escaped() {
        assert_eq!(text(b"a\xff\x1b"), r"a\xff\x1b");
        assert_eq!(text("é\n".as_bytes()), "é\n");
    }
}
