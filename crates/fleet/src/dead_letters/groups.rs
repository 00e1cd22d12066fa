//! Dead letters summed up by what they have in common: worker and fingerprint.
//!
//! Fed letter by letter; pure. However many letters and fingerprints there are, its size is bounded.

use std::collections::HashMap;

use serde::Serialize;

use crate::dead_letters::DeadLetter;

/// Groups that are told apart: some MB. A fleet with more kinds of failures has another problem.
const MOST: usize = 10_000;

/// Equal failures of one worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The worker.
    pub worker: String,
    /// What they have in common.
    pub fingerprint: String,
    /// How many there are.
    pub count: u64,
    /// When the first one was buried, the server's milliseconds.
    pub first_ms: u64,
    /// When the last one was buried, the server's milliseconds.
    pub last_ms: u64,
    /// The last one's entry.
    pub sample: String,
    /// The last one's event, or empty.
    pub sample_event_id: String,
    /// The last one's reason.
    pub reason: String,
    /// The last one's event type, or empty.
    pub event_type: String,
}

/// The sums so far.
#[derive(Debug, Clone, Default)]
pub struct Groups {
    of: HashMap<(String, String), Group>,
    letters: u64,
    /// Letters of groups that there was no room for.
    beyond: u64,
}

impl Groups {
    /// Counts a letter of `worker`.
    pub fn add(&mut self, worker: &str, letter: &DeadLetter) {
        self.letters += 1;
        let key = (worker.to_owned(), letter.fingerprint.clone());
        let full = self.of.len() >= MOST;
        match self.of.get_mut(&key) {
            Some(group) => group.add(letter),
            None if full => self.beyond += 1,
            None => {
                let group = Group::of(worker, letter);
                self.of.insert(key, group);
            }
        }
    }

    /// How many letters were counted.
    pub fn letters(&self) -> u64 {
        self.letters
    }

    /// How many of them are in no group, because there are too many groups.
    pub fn beyond(&self) -> u64 {
        self.beyond
    }

    /// The groups, the largest first; equally large ones by what was buried last.
    pub fn largest_first(self) -> Vec<Group> {
        let mut groups: Vec<Group> = self.of.into_values().collect();
        groups.sort_by(|a, b| {
            let order = |one: &Group| (one.count, one.last_ms);
            let names = |one: &Group| (one.worker.clone(), one.fingerprint.clone());
            order(b).cmp(&order(a)).then_with(|| names(a).cmp(&names(b)))
        });
        groups
    }
}

impl Group {
    fn of(worker: &str, letter: &DeadLetter) -> Self {
        Self {
            worker: worker.to_owned(),
            fingerprint: letter.fingerprint.clone(),
            count: 1,
            first_ms: letter.id.ms,
            last_ms: letter.id.ms,
            sample: letter.entry.clone(),
            sample_event_id: letter.event_id.clone(),
            reason: letter.failure_reason.clone(),
            event_type: letter.event_type.clone(),
        }
    }

    fn add(&mut self, letter: &DeadLetter) {
        self.count += 1;
        self.first_ms = self.first_ms.min(letter.id.ms);
        if letter.id.ms >= self.last_ms {
            let (count, first_ms) = (self.count, self.first_ms);
            *self = Self { count, first_ms, ..Self::of(&self.worker, letter) };
        }
    }
}

#[cfg(test)]
mod tests {
    use printery_streams::EntryId;
    use printery_streams::browse::Entry;

    use super::*;

    fn letter(ms: u64, fingerprint: &str) -> DeadLetter {
        let field = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let fields = vec![field("fingerprint", fingerprint), field("event_id", &format!("e-{ms}"))];
        DeadLetter::read(&Entry { id: EntryId::at(ms), fields })
    }

    #[test]
    fn a_group_has_its_first_and_last_and_the_largest_stands_first() {
        let mut groups = Groups::default();
        for (worker, ms, fingerprint) in [
            ("validator", 5, "a"),
            ("notifier", 3, "a"),
            ("validator", 9, "a"),
            ("validator", 1, "a"),
            ("notifier", 4, "b"),
        ] {
            groups.add(worker, &letter(ms, fingerprint));
        }
        assert_eq!((groups.letters(), groups.beyond()), (5, 0));
        let found: Vec<_> = groups
            .largest_first()
            .into_iter()
            .map(|one| {
                (one.worker, one.fingerprint, one.count, one.first_ms, one.last_ms, one.sample)
            })
            .collect();
        let group = |worker: &str, fingerprint: &str, count, first, last, sample: &str| {
            (worker.to_owned(), fingerprint.to_owned(), count, first, last, sample.to_owned())
        };
        assert_eq!(
            found,
            [
                group("validator", "a", 3, 1, 9, "9-0"),
                group("notifier", "b", 1, 4, 4, "4-0"),
                group("notifier", "a", 1, 3, 3, "3-0"),
            ]
        );
    }

    #[test]
    fn groups_beyond_the_bound_are_counted_together() {
        let mut groups = Groups::default();
        for n in 0..MOST + 5 {
            groups.add("validator", &letter(1, &n.to_string()));
        }
        groups.add("validator", &letter(2, "0"));
        assert_eq!((groups.beyond(), groups.letters()), (5, 10_006));
        assert_eq!(groups.largest_first().len(), MOST);
    }
}
