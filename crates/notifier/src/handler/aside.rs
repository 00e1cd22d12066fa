//! Who is not told at once: put aside, in a line of its own.
//!
//! Owns the choice between telling now and later. What is put aside holds up nothing but what the
//! same receiver is still to be told of the same group. Never waits for it.

use std::time::Duration;

use printery_config::Grouping;
use printery_events::Encoding;
use printery_events::topology::NOTIFIER;
use printery_fleet::follow_ups;
use printery_fleet::notices::{Notice, State};
use printery_harness::Refusal;
use printery_notices::Receiver;

use super::{CROWDED, Notifier};
use crate::conclusion::Concluded;
use crate::errand::{Errand, group_of, order};
use crate::known::Known;
use crate::news::News;

/// What came of beginning with a receiver.
pub(super) enum Begun<'a> {
    /// It is over, for it and for the fallback that heard of it.
    Concluded(Vec<Concluded<'a>>),
    /// A follow-up will say what becomes of it.
    Aside,
}

impl Notifier {
    /// Tells a receiver for the first time, or puts it aside: because others are before it, because
    /// it waits for others, or because it could not be told.
    pub(super) async fn begin<'a>(
        &'a self,
        receiver: &'a Receiver,
        known: &Known,
        news: News<'_>,
    ) -> Result<Begun<'a>, Refusal> {
        let before = known.get(&receiver.name);
        let people = self.grouping(receiver);
        let wait = people.map_or(Duration::ZERO, |group| group.wait);
        let is_aside = before.is_some_and(|notice| notice.aside);
        let is_new = !is_aside && !known.is_over(&receiver.name);
        if is_aside || is_new && (people.is_some() || self.is_behind(receiver, news).await) {
            let notice = before.cloned().unwrap_or_else(|| Notice::new(news.now.ms()));
            return self.put_aside(receiver, notice, wait, news).await;
        }
        let Ok(_place) = self.place(receiver).await else {
            let notice = before.cloned().unwrap_or_else(|| Notice::new(news.now.ms()));
            return self.put_aside(receiver, notice, CROWDED, news).await;
        };
        let concluded = self.conclude(receiver, &receiver.name, known, news).await;
        let owed = concluded.iter().filter(|one| one.notice.state == State::Owed);
        let Some(due_ms) = owed.map(|one| one.notice.due_ms).min() else {
            return Ok(Begun::Concluded(concluded));
        };
        let wait = Duration::from_millis(due_ms.saturating_sub(news.now.ms()));
        let notice = concluded.into_iter().next().map(|one| one.notice);
        let notice = notice.unwrap_or_else(|| Notice::new(news.now.ms()));
        self.put_aside(receiver, notice, wait, news).await
    }

    /// How notices to this receiver are grouped, if they are.
    pub(super) fn grouping(&self, receiver: &Receiver) -> Option<&Grouping> {
        self.policy.group.as_ref().filter(|_| receiver.is_read_by_people())
    }

    /// What stands in line with an event for a receiver.
    pub(super) fn group(&self, receiver: &Receiver, news: News<'_>) -> String {
        group_of(news.facts, self.grouping(receiver))
    }

    /// Tells whether the receiver is still owed something older; what cannot be read is not waited
    /// for.
    async fn is_behind(&self, receiver: &Receiver, news: News<'_>) -> bool {
        let order = order(&self.group(receiver, news), &receiver.name);
        let any = follow_ups::any(&news.context.records, NOTIFIER.name, &order).await;
        any.unwrap_or_else(|error| {
            tracing::warn!(%error, order, "who is told first cannot be read");
            false
        })
    }

    /// Leaves a receiver to a follow-up. The ledger says so first: whoever sees to the event after a
    /// crash puts the same one aside again, and says nothing about the receiver.
    async fn put_aside<'a>(
        &self,
        receiver: &Receiver,
        notice: Notice,
        wait: Duration,
        news: News<'_>,
    ) -> Result<Begun<'a>, Refusal> {
        let notice = Notice { aside: true, ..notice };
        let written = news.ledger().write(&receiver.name, &notice).await;
        written.map_err(|error| {
            let name = &receiver.name;
            Refusal::without_redis(format!("{name} cannot be put aside: {error}"))
        })?;
        let order = order(&self.group(receiver, news), &receiver.name);
        self.leave(&Errand::Tell(receiver.name.clone()), &order, wait, news).await?;
        Ok(Begun::Aside)
    }

    /// Leaves something to a follow-up of the event.
    pub(super) async fn leave(
        &self,
        errand: &Errand,
        order: &str,
        wait: Duration,
        news: News<'_>,
    ) -> Result<(), Refusal> {
        let later = errand.follow_up(news.event, order);
        let later = later.map_err(|why| Refusal::reject("unknown_errand", why))?;
        let (fields, records) = (later.encode(Encoding::MessagePack), &news.context.records);
        let put = follow_ups::put(records, NOTIFIER.name, &later.id, (order, wait), &fields).await;
        put.map(drop).map_err(|error| {
            let purpose = errand.purpose();
            Refusal::without_redis(format!("{purpose:?} cannot be put aside: {error}"))
        })
    }
}
