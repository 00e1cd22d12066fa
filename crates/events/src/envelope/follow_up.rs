//! Owns [`FollowUp`]: what a worker still has to do about an event that it has settled.
//! A worker makes one, puts it into its own delayed entries and finds it again when it is due.
//! It never leaves the worker: no other one reads it, and it stands in no event's stream.

use crate::envelope::Event;
use crate::envelope::attributes::Attribute;
use crate::ids::derived_id;
use crate::invalid::{Invalid, quoted};

/// What stands for the output's type in the derived id of a follow-up.
const DERIVED_AS: &str = "follow-up";

/// How many characters a purpose or an order may have: a deployment's id, a receiver's name and room.
const MAX_CHARS: usize = 256;

/// Says what an event is still to be done for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowUp {
    /// What is to be done, in the worker's own words: `tell chat`.
    pub purpose: String,
    /// What stands in line together: of these, one is worked on at a time, oldest first.
    pub order: String,
}

impl FollowUp {
    /// Takes a purpose and what stands in line together, `[A-Za-z0-9_.:@-]`.
    ///
    /// # Errors
    /// One of them is too long or has other characters.
    pub fn try_new(purpose: &str, order: &str) -> Result<Self, Invalid> {
        let fits = |text: &str| !text.is_empty() && text.chars().count() <= MAX_CHARS;
        if !fits(purpose) || purpose.chars().any(char::is_control) {
            let problem = format!("must be 1 to {MAX_CHARS} characters, not {}", quoted(purpose));
            return Err(Invalid::new(Attribute::FollowUp.name(), problem));
        }
        let ordinary = |c: char| c.is_ascii_alphanumeric() || "_.:@-".contains(c);
        if !fits(order) || !order.chars().all(ordinary) {
            let rule = format!("[A-Za-z0-9_.:@-]{{1,{MAX_CHARS}}}");
            let problem = format!("must be {rule}, not {}", quoted(order));
            return Err(Invalid::new(Attribute::Order.name(), problem));
        }
        Ok(Self { purpose: purpose.to_owned(), order: order.to_owned() })
    }
}

impl Event {
    /// The same event once more, for what is still to be done about it; its id is the same however often it is made.
    ///
    /// Of a follow-up, another one of the event that it follows.
    #[must_use]
    pub fn followed_up(&self, worker: &str, follow_up: FollowUp) -> Self {
        let origin = self.origin_id().to_owned();
        Self {
            id: derived_id(&origin, worker, DERIVED_AS, &follow_up.purpose),
            source: Some(format!("/printery/{worker}")),
            causation_id: Some(origin),
            follow_up: Some(follow_up),
            ..self.clone()
        }
    }

    /// The id of the event that happened: its own, or of a follow-up that of the event it follows.
    pub fn origin_id(&self) -> &str {
        match (&self.follow_up, &self.causation_id) {
            (Some(_), Some(origin)) => origin,
            (Some(_) | None, _) => &self.id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::FollowUp;
    use crate::encoding::Encoding;
    use crate::envelope::Event;
    use crate::event_type::EventType;

    const AT: jiff::Timestamp = jiff::Timestamp::UNIX_EPOCH;

    fn event() -> Event {
        let field = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let data = r#"{"deployment_id":"d-1","reason":"r","failed_stage":"s"}"#;
        let failed = EventType::parse("deployment:failed").unwrap();
        Event::decode(Some(&failed), &[field("id", "e-1"), field("data", data)]).unwrap()
    }

    #[test]
    fn a_follow_up_is_the_event_under_an_id_of_its_own_and_survives_the_wire() {
        let event = event();
        let tell = FollowUp::try_new("tell chat", "d-1@chat").unwrap();
        let first = event.followed_up("notifier", tell.clone());
        assert_eq!(first, event.followed_up("notifier", tell), "it is the same each time");
        let read = Event::decode(None, &first.encode(Encoding::MessagePack)).unwrap();
        assert_eq!(read, first);
        assert_eq!((read.origin_id(), &read.payload), ("e-1", &event.payload));
        assert_ne!(read.id, event.id);
        let other = FollowUp::try_new("tell bus", "d-1@bus").unwrap();
        let second = read.followed_up("notifier", other);
        assert_eq!(second.origin_id(), "e-1", "it follows the event, not the other one");
        assert_ne!(second.id, read.id);
        let result = |of: &Event| Event::derived(of, "notifier", of.payload.clone(), "chat", AT);
        assert_eq!(result(&second), result(&event), "what comes of it comes of the event");
    }

    #[test]
    fn what_no_worker_wrote_is_refused() {
        for (purpose, order) in [("", "d"), ("a\nb", "d"), ("a", ""), ("a", "d e"), ("a", "d\0")] {
            assert!(FollowUp::try_new(purpose, order).is_err(), "{purpose:?} {order:?}");
        }
        let mut fields = event().encode(Encoding::Json);
        fields.push((b"printeryfollowup".to_vec(), b"tell chat".to_vec()));
        let invalid = Event::decode(None, &fields).unwrap_err();
        assert_eq!(invalid.to_string(), "printeryorder: is missing");
    }
}
