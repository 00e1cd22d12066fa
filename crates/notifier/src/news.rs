//! One event on its way to its receivers.
//!
//! Owns what every step with a receiver goes by: the event, its facts, the attempt and its clock.
//! The handler makes it. Never tells anybody.

use printery_events::ids::derived_id;
use printery_events::topology::NOTIFIER;
use printery_events::{Event, Family};
use printery_fleet::notices::Ledger;
use printery_harness::Context;
use printery_notices::{Facts, Telling};

use crate::teller::Now;

/// One event on its way to its receivers.
#[derive(Clone, Copy)]
pub(crate) struct News<'a> {
    /// The event, or a follow-up of it.
    pub(crate) event: &'a Event,
    pub(crate) facts: &'a Facts<'a>,
    pub(crate) context: &'a Context,
    pub(crate) now: Now,
}

impl<'a> News<'a> {
    /// Tells it for the first time; whoever tells it again says so.
    pub(crate) fn telling(&self, id: &'a str) -> Telling<'a> {
        let timestamp = self.now.ms() / 1000;
        Telling::new(self.event, self.facts, id, timestamp)
    }

    /// What is known about telling it.
    pub(crate) fn ledger(&self) -> Ledger {
        ledger_of(self.event, self.context)
    }

    /// The identity of telling it to a receiver, whatever is repeated.
    pub(crate) fn identity(&self, entry: &str) -> String {
        let sent = Family::NotificationSent.pattern();
        derived_id(self.event.origin_id(), NOTIFIER.name, sent, entry)
    }
}

/// What is known about telling an event, or the event that a follow-up follows.
pub(crate) fn ledger_of(event: &Event, context: &Context) -> Ledger {
    Ledger::of(&context.records, event.event_type.as_str(), event.origin_id())
}
