//! The name of every Redis key that the fleet uses, one function per key.
//!
//! Everyone who touches Redis asks here; no other file spells a key. Nothing here talks to Redis.

/// The keys below one prefix.
///
/// On Redis Cluster the prefix carries a hash tag (`{materi}`), so that all keys share a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    prefix: String,
}

impl Keys {
    /// Names the keys below `prefix`.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// The prefix itself.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Stream of one event type. Written by producers and commits, trimmed by the janitor.
    pub fn events(&self, event_type: &str) -> String {
        format!("{}:events:deployment:{event_type}", self.prefix)
    }

    /// The event type of an event stream's key; none for inboxes, dead letters and other keys.
    pub fn event_type<'a>(&self, key: &'a str) -> Option<&'a str> {
        let event_type = key.strip_prefix(&self.prefix)?.strip_prefix(":events:deployment:")?;
        let private = event_type.starts_with("inbox:") || event_type.starts_with("dlq:");
        (!private).then_some(event_type)
    }

    /// Stream of entries for one worker alone. Written by redrives, triggers and what fell due.
    pub fn inbox(&self, worker: &str) -> String {
        format!("{}:events:deployment:inbox:{worker}", self.prefix)
    }

    /// Stream of one worker's dead letters; never trimmed by the fleet.
    pub fn dead_letters(&self, worker: &str) -> String {
        format!("{}:events:deployment:dlq:{worker}", self.prefix)
    }

    /// Stream of dead letters that were resolved or abandoned; kept 24 h.
    pub fn dead_letters_processed(&self) -> String {
        format!("{}:events:deployment:dlq:processed", self.prefix)
    }

    /// Sorted set of delayed entries, scored by the server's due time in milliseconds.
    pub fn delay(&self, worker: &str) -> String {
        format!("{}:printery:delay:{worker}", self.prefix)
    }

    /// Hash of delayed entries' bodies, by the same token as in [`Keys::delay`].
    pub fn delay_bodies(&self, worker: &str) -> String {
        format!("{}:printery:delaybody:{worker}", self.prefix)
    }

    /// Hash of turns of an ordered worker: which entry of a deployment is worked on, and where it is.
    pub fn order(&self, worker: &str) -> String {
        format!("{}:printery:order:{worker}", self.prefix)
    }

    /// Sorted set of entries that wait until an older one of their deployment is settled; their
    /// bodies are with the delayed ones.
    pub fn line(&self, worker: &str) -> String {
        format!("{}:printery:line:{worker}", self.prefix)
    }

    /// What every script takes that moves entries of a worker between its places, in this order.
    pub(crate) fn turns(&self, worker: &str) -> [String; 5] {
        [
            self.order(worker),
            self.line(worker),
            self.delay_bodies(worker),
            self.delay(worker),
            self.inbox(worker),
        ]
    }

    /// Stream of settlements, capped. Written by commit and bury, read by people and audit.
    pub fn settlements(&self, worker: &str) -> String {
        format!("{}:printery:log:{worker}", self.prefix)
    }

    /// Hash that counts settlements by stream and outcome, for as long as the prefix lives.
    pub fn ledger(&self, worker: &str) -> String {
        format!("{}:printery:ledger:{worker}", self.prefix)
    }

    /// The three hashes of events settled within the dedupe window, `type|id` → server's ms.
    ///
    /// A script picks among them by the server's clock: one is written, the one before it is still
    /// read, the third has expired by then.
    pub fn settled_ids(&self, worker: &str) -> [String; 3] {
        [0, 1, 2].map(|slot| format!("{}:printery:seen:{worker}:{slot}", self.prefix))
    }

    /// Id of the entry under which an event was published, for 24 h: makes publishing idempotent.
    pub fn published(&self, event_type: &str, event_id: &str) -> String {
        format!("{}:printery:published:{event_type}:{event_id}", self.prefix)
    }

    /// Stream of what people did to the fleet, capped; in the home partition only.
    pub fn operator_log(&self) -> String {
        format!("{}:printery:operator-log", self.prefix)
    }

    /// Stream of what happens in the fleet, capped; in the home partition only.
    pub fn activity(&self) -> String {
        format!("{}:printery:activity", self.prefix)
    }

    /// Hash of instance records, consumer name → record. Written by beats, cleaned by the janitor.
    pub fn instances(&self) -> String {
        format!("{}:printery:instances", self.prefix)
    }

    /// Hash of what people told the workers: `pause:<worker>`, `owner:<worker>`. Written by the
    /// command line, read with every beat.
    pub fn controls(&self) -> String {
        format!("{}:printery:controls", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_contract() {
        let keys = Keys::new("materi");
        assert_eq!(
            keys.events("deployment:started"),
            "materi:events:deployment:deployment:started"
        );
        assert_eq!(keys.inbox("validator"), "materi:events:deployment:inbox:validator");
        assert_eq!(keys.dead_letters("notifier"), "materi:events:deployment:dlq:notifier");
        assert_eq!(keys.dead_letters_processed(), "materi:events:deployment:dlq:processed");
        assert_eq!(keys.delay_bodies("validator"), "materi:printery:delaybody:validator");
    }

    #[test]
    fn only_event_streams_imply_a_type() {
        let keys = Keys::new("{materi}");
        let started = keys.events("deployment:started");
        assert_eq!(keys.event_type(&started), Some("deployment:started"));
        assert_eq!(keys.event_type(&keys.inbox("validator")), None);
        assert_eq!(keys.event_type(&keys.dead_letters("validator")), None);
        assert_eq!(keys.event_type("materi:other"), None);
    }
}
