//! Which dead letters are meant.
//!
//! Made from flags and parameters, asked for each letter; pure.

use std::fmt;

use printery_streams::EntryId;

use crate::dead_letters::DeadLetter;

/// What a dead letter must be like; what is none does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Its reason, or the part of it before a colon: `invalid_event` stands for all of them.
    pub reason: Option<String>,
    /// Its fingerprint.
    pub fingerprint: Option<String>,
    /// Its deployment.
    pub deployment: Option<String>,
    /// Its event type.
    pub event_type: Option<String>,
    /// Buried then or later, the server's milliseconds.
    pub since_ms: Option<u64>,
    /// Buried then or earlier, the server's milliseconds.
    pub until_ms: Option<u64>,
}

impl Filter {
    /// Whether a letter is meant.
    pub fn matches(&self, letter: &DeadLetter) -> bool {
        let equal = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        let of_reason = self.reason.as_deref().is_none_or(|wanted| {
            letter
                .failure_reason
                .strip_prefix(wanted)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        });
        of_reason
            && equal(&self.fingerprint, &letter.fingerprint)
            && equal(&self.deployment, &letter.deployment_id)
            && equal(&self.event_type, &letter.event_type)
            && (self.first()..=self.last()).contains(&letter.id)
    }

    /// The first entry that its time allows.
    pub fn first(&self) -> EntryId {
        EntryId::at(self.since_ms.unwrap_or(0))
    }

    /// The last entry that its time allows.
    pub fn last(&self) -> EntryId {
        EntryId { ms: self.until_ms.unwrap_or(u64::MAX), seq: u64::MAX }
    }

    /// Whether every letter is meant.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |ms: Option<u64>| ms.map(|ms| ms.to_string());
        let parts = [
            ("reason", self.reason.clone()),
            ("fingerprint", self.fingerprint.clone()),
            ("deployment", self.deployment.clone()),
            ("type", self.event_type.clone()),
            ("since", number(self.since_ms)),
            ("until", number(self.until_ms)),
        ];
        let mut gap = "";
        for (name, value) in parts {
            if let Some(value) = value {
                write!(f, "{gap}{name} {value}")?;
                gap = ", ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use printery_streams::browse::Entry;

    use super::*;
    use crate::dead_letters::Epitaph;

    fn letter() -> DeadLetter {
        let epitaph = Epitaph {
            reason: "invalid_event: data: missing".into(),
            event_type: "deployment:started".into(),
            deployment_id: "d-1".into(),
            ..Epitaph::default()
        };
        let fields = epitaph.fields(&[], None);
        DeadLetter::read(&Entry { id: EntryId { ms: 100, seq: 7 }, fields })
    }

    #[test]
    fn each_condition_must_hold() {
        let some = |text: &str| Some(text.to_owned());
        let table = [
            (Filter::default(), true),
            (Filter { reason: some("invalid_event: data: missing"), ..Filter::default() }, true),
            (Filter { reason: some("invalid_event"), ..Filter::default() }, true),
            (Filter { reason: some("invalid"), ..Filter::default() }, false),
            (Filter { reason: some("poison"), ..Filter::default() }, false),
            (Filter { deployment: some("d-1"), ..Filter::default() }, true),
            (Filter { deployment: some("d-11"), ..Filter::default() }, false),
            (Filter { event_type: some("deployment:failed"), ..Filter::default() }, false),
            (Filter { fingerprint: some(&letter().fingerprint), ..Filter::default() }, true),
            (Filter { fingerprint: some(""), ..Filter::default() }, false),
            (Filter { since_ms: Some(100), until_ms: Some(100), ..Filter::default() }, true),
            (Filter { since_ms: Some(101), ..Filter::default() }, false),
            (Filter { until_ms: Some(99), ..Filter::default() }, false),
        ];
        for (filter, expected) in table {
            assert_eq!(filter.matches(&letter()), expected, "{filter}");
        }
    }

    #[test]
    fn a_filter_says_what_it_means() {
        let filter =
            Filter { reason: Some("poison".into()), since_ms: Some(5), ..Filter::default() };
        assert_eq!(filter.to_string(), "reason poison, since 5");
        assert!(Filter::default().is_all() && !filter.is_all());
    }
}
