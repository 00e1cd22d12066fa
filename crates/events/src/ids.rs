//! Owns the identities that appear in events: how new ones are made, how derived ones repeat, which texts may be one.
//! Sources make time-ordered ids, the harness derives the ids of results, decoding and configuration check names.
//! It never reads a clock: the caller says what time it is.

use jiff::Timestamp;
use uuid::{NoContext, Uuid};

/// The namespace of all derived event ids. It was drawn once at random and must never change: an id that is
/// derived again after an upgrade has to be the same id, or a repeated result would be taken for a new one.
const DERIVED: Uuid = Uuid::from_u128(0x6f0e_4b1c_94d3_5a78_8d2e_b7a1_03c5_f942);

/// How many characters an event's `id`, `correlationid` or `causationid` may have.
pub const MAX_ID_CHARS: usize = 128;

/// How many characters a deployment's id may have.
pub const MAX_DEPLOYMENT_ID_CHARS: usize = 128;

/// How many characters a stage's name may have; it is part of a Redis key.
pub const MAX_STAGE_CHARS: usize = 64;

/// Makes the id of an event that starts something: a UUID version 7, so that ids sort by time.
pub fn new_id(at: Timestamp) -> String {
    let since_epoch = at.duration_since(Timestamp::UNIX_EPOCH);
    let seconds = u64::try_from(since_epoch.as_secs()).unwrap_or_default();
    let nanos = u32::try_from(since_epoch.subsec_nanos()).unwrap_or_default();
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanos)).to_string()
}

/// Derives the id of a result: a UUID version 5, the same however often the same input is worked on.
///
/// `key` tells several results of one type apart (a receiver's name, an attempt's number); it is empty for the only one.
pub fn derived_id(input_id: &str, worker: &str, output_type: &str, key: &str) -> String {
    // An id, a worker's name and an event type hold no control characters, so that the parts cannot run together.
    let name = [input_id, worker, output_type, key].join("\n");
    Uuid::new_v5(&DERIVED, name.as_bytes()).to_string()
}

/// Tells whether a text may be an event's id: 1 to [`MAX_ID_CHARS`] characters, none of them a control character.
pub fn is_event_id(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= MAX_ID_CHARS && !text.chars().any(char::is_control)
}

/// Tells whether a text may be a deployment's id: `[A-Za-z0-9_.:-]{1,128}`.
pub fn is_deployment_id(text: &str) -> bool {
    (1..=MAX_DEPLOYMENT_ID_CHARS).contains(&text.len())
        && text.bytes().all(|byte| is_name_byte(byte) || byte == b':')
}

/// Tells whether a text may be a stage's name: `[A-Za-z0-9_.-]{1,64}`.
pub fn is_stage_name(text: &str) -> bool {
    (1..=MAX_STAGE_CHARS).contains(&text.len()) && text.bytes().all(is_name_byte)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_id_never_changes() {
        let id = derived_id("0192f0c1", "validator", "validation:completed", "");
        assert_eq!(id, "d199e91b-3158-5e6d-ba2f-43a15aea8c0c");
        assert_eq!(id, derived_id("0192f0c1", "validator", "validation:completed", ""));
    }

    #[test]
    fn every_part_of_a_derived_id_counts() {
        let ids = [
            derived_id("a", "notifier", "notification:sent", "slack"),
            derived_id("b", "notifier", "notification:sent", "slack"),
            derived_id("a", "validator", "notification:sent", "slack"),
            derived_id("a", "notifier", "notification:failed", "slack"),
            derived_id("a", "notifier", "notification:sent", "mail"),
        ];
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
    }

    #[test]
    fn new_ids_sort_by_time_and_differ() {
        let early = Timestamp::from_millisecond(1_700_000_000_000).unwrap();
        let late = Timestamp::from_millisecond(1_700_000_000_001).unwrap();
        assert!(new_id(early) < new_id(late));
        assert_ne!(new_id(early), new_id(early));
        let uuid = Uuid::parse_str(&new_id(early)).unwrap();
        assert_eq!(uuid.get_version_num(), 7);
        assert_eq!(uuid.get_timestamp().unwrap().to_unix().0, 1_700_000_000);
    }

    #[test]
    fn names_are_checked_by_their_alphabet_and_length() {
        for good in ["d-1", "A_b.c:9-", &"x".repeat(128)] {
            assert!(is_deployment_id(good), "{good}");
        }
        for bad in ["", "d 1", "d/1", "d\n", "dé", "{d}", &"x".repeat(129)] {
            assert!(!is_deployment_id(bad), "{bad}");
        }
        assert!(is_event_id("order #7 für Zoë") && is_event_id(&"é".repeat(128)));
        assert!(!is_event_id("") && !is_event_id("a\0b") && !is_event_id(&"é".repeat(129)));
        assert!(is_stage_name("vercel") && !is_stage_name("a:b") && !is_stage_name(""));
    }
}
