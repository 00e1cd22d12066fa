//! What the notifier still has to do about an event, as a follow-up of it says.
//!
//! Owns the words of a follow-up's purpose and what stands in line together; pure. The handler
//! writes them and reads them back. Never decides whether anything is put aside.

use std::time::Duration;

use printery_config::Grouping;
use printery_events::ids::derived_id;
use printery_events::topology::NOTIFIER;
use printery_events::{Event, FollowUp};
use printery_notices::Facts;

/// Something to be done about an event after the event itself is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// A receiver is still owed it.
    Tell(String),
    /// Others are to be told when nobody has done anything about it for a time.
    Escalate {
        /// How long.
        after: Duration,
        /// Who.
        to: Vec<String>,
    },
}

impl Errand {
    /// Reads what a follow-up is for; none where the event itself has come, an error where nobody
    /// can know any more.
    pub(crate) fn of(event: &Event) -> Result<Option<Self>, String> {
        let Some(FollowUp { purpose, .. }) = &event.follow_up else { return Ok(None) };
        Self::parse(purpose)
            .map(Some)
            .ok_or_else(|| format!("{purpose:?} is nothing that the notifier does"))
    }

    fn parse(purpose: &str) -> Option<Self> {
        match purpose.split_once(' ')? {
            ("tell", receiver) => Some(Self::Tell(receiver.to_owned())),
            ("escalate", rest) => {
                let (ms, names) = rest.split_once(' ')?;
                let after = Duration::from_millis(ms.strip_suffix("ms")?.parse().ok()?);
                Some(Self::Escalate { after, to: names.split(',').map(str::to_owned).collect() })
            }
            _ => None,
        }
    }

    /// The words that a follow-up carries.
    pub(crate) fn purpose(&self) -> String {
        match self {
            Self::Tell(receiver) => format!("tell {receiver}"),
            Self::Escalate { after, to } => {
                format!("escalate {}ms {}", after.as_millis(), to.join(","))
            }
        }
    }

    /// The event once more, with this still to be done; `order` is what it stands in line by.
    pub(crate) fn follow_up(&self, event: &Event, order: &str) -> Result<Event, String> {
        let follow_up = FollowUp::try_new(&self.purpose(), order);
        Ok(event.followed_up(NOTIFIER.name, follow_up.map_err(|invalid| invalid.to_string())?))
    }
}

/// What an escalation stands in line by: it is alone.
pub(crate) fn escalation_order(event: &Event, purpose: &str) -> String {
    let id = derived_id(event.origin_id(), NOTIFIER.name, "escalation", purpose);
    order(&id, "escalation")
}

/// What stands in line by a receiver: of one group, the oldest is told first.
pub(crate) fn order(group: &str, receiver: &str) -> String {
    format!("{group}@{receiver}")
}

/// The name of the group that an event belongs to: its deployment's, or one made of the words that
/// the fleet file groups by.
pub(crate) fn group_of(facts: &Facts<'_>, group: Option<&Grouping>) -> String {
    let deployment = || facts.deployment_id.to_owned();
    let Some(group) = group else { return deployment() };
    if group.is_by_deployment() {
        return deployment();
    }
    let variables = facts.variables();
    let value = |word: &String| variables.get(word).map(ToString::to_string).unwrap_or_default();
    let values: Vec<String> = group.by.iter().map(value).collect();
    derived_id(&values.join("\n"), NOTIFIER.name, "group", "")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use printery_config::Grouping;
    use printery_events::{Event, FollowUp};
    use printery_notices::Facts;

    use super::{Errand, group_of, order};
    use crate::sample;

    #[test]
    fn an_errand_reads_as_it_was_written() {
        let event = sample::started();
        assert_eq!(Errand::of(&event), Ok(None));
        let after = Duration::from_millis(1500);
        let to = vec!["oncall".to_owned(), "team".to_owned()];
        for errand in [Errand::Tell("chat".to_owned()), Errand::Escalate { after, to }] {
            let later = errand.follow_up(&event, &order("d-1", "chat")).unwrap();
            assert_eq!(Errand::of(&later), Ok(Some(errand)));
            assert_eq!(later.follow_up.as_ref().unwrap().order, "d-1@chat");
        }
        for odd in ["dance", "escalate", "escalate 5 oncall", "escalate xms oncall"] {
            let follow_up = Some(FollowUp::try_new(odd, "d-1").unwrap());
            let event = Event { follow_up, ..event.clone() };
            assert!(Errand::of(&event).unwrap_err().contains(odd));
        }
    }

    #[test]
    fn who_groups_by_other_words_groups_over_deployments() {
        let by = |words: &[&str]| Grouping {
            by: words.iter().map(|word| (*word).to_owned()).collect(),
            ..Grouping::default()
        };
        let other = Event { subject: "d-2".to_owned(), ..sample::failed() };
        let (one, two) = (sample::started(), other);
        let (one, two) = (Facts::of(&one), Facts::of(&two));
        assert_eq!(group_of(&one, None), "d-1");
        assert_eq!(group_of(&one, Some(&by(&["deployment_id"]))), "d-1");
        let severity = by(&["severity"]);
        assert_ne!(group_of(&one, Some(&severity)), group_of(&two, Some(&severity)));
        let nothing = by(&["labels"]);
        assert_eq!(group_of(&one, Some(&nothing)), group_of(&two, Some(&nothing)));
    }
}
