//! Several notices as one message.
//!
//! Owns when a group is told and what is said once. The oldest of a group that is due speaks for
//! those in line behind it, which find in the ledger that they were told. Never keeps anything in
//! this process.

use std::time::Duration;

use printery_config::Grouping;
use printery_events::Event;
use printery_events::ids::derived_id;
use printery_events::topology::NOTIFIER;
use printery_fleet::notices::{Cause, Notice, State};
use printery_fleet::said::Said;
use printery_fleet::{follow_ups, said};
use printery_harness::Refusal;
use printery_notices::{Facts, Receiver, gathered, words};

use super::Notifier;
use crate::conclusion::Concluded;
use crate::errand::{Errand, order};
use crate::known::Known;
use crate::news::{News, ledger_of};

/// Notices that one message speaks for; the others are in the next one.
const MOST: usize = 100;

impl Notifier {
    /// Tells a receiver of an event and of all of its group that wait behind it.
    ///
    /// # Errors
    /// The last message of the group is too young, or the group cannot be read.
    pub(super) async fn gather<'a>(
        &'a self,
        receiver: &'a Receiver,
        group: &Grouping,
        known: &Known,
        news: News<'_>,
    ) -> Result<Vec<Concluded<'a>>, Refusal> {
        let (records, now_ms) = (&news.context.records, news.now.ms());
        let order = order(&self.group(receiver, news), &receiver.name);
        let before = said::read(records, &order).await.unwrap_or_else(|error| {
            tracing::warn!(%error, order, "what was said last cannot be read");
            None
        });
        let rest = |said: &Said| left(said.at_ms, group.interval, now_ms);
        if let Some(rest) = before.as_ref().and_then(rest) {
            let why = format!("{}: the last message of its group is too young", receiver.name);
            return Err(Refusal::retry_after(Cause::ReceiverGrouped.as_str(), why, rest));
        }
        let others = self.behind(receiver, &order, news).await;
        let all: Vec<Facts<'_>> =
            std::iter::once(news.facts.clone()).chain(others.iter().map(Facts::of)).collect();
        let facts = gathered(&all).unwrap_or_else(|| news.facts.clone());
        let digest = derived_id(&words(&facts), NOTIFIER.name, "said", "");
        let same = before.filter(|said| said.digest == digest);
        if let Some(said) = same.filter(|said| left(said.at_ms, group.repeat, now_ms).is_some()) {
            let ago = Duration::from_millis(now_ms.saturating_sub(said.at_ms)).as_secs();
            let why = format!("the same was said {ago} s ago");
            tracing::info!(receiver = receiver.name, order, why, "not repeated");
            let notice = Notice { state: State::Withheld, why, ..Notice::new(now_ms) };
            write(receiver, std::iter::once(news.event).chain(&others), &notice, news).await;
            return Ok(vec![Concluded { receiver, entry: receiver.name.clone(), notice }]);
        }
        let concluded =
            self.conclude(receiver, &receiver.name, known, News { facts: &facts, ..news }).await;
        let told = concluded.first().filter(|one| one.notice.state == State::Told);
        if let Some(told) = told {
            write(receiver, others.iter(), &told.notice, news).await;
            let said = Said { at_ms: news.now.ms(), digest };
            let kept = group.interval.max(group.repeat);
            if let Err(error) = said::write(records, &order, &said, kept).await {
                tracing::warn!(%error, order, "what was said last cannot be written");
            }
        }
        Ok(concluded)
    }

    /// Reads the events in line that the receiver is still to be told; what cannot be read is told
    /// by itself.
    async fn behind(&self, receiver: &Receiver, order: &str, news: News<'_>) -> Vec<Event> {
        let records = &news.context.records;
        let waiting = follow_ups::behind(records, NOTIFIER.name, order, MOST - 1).await;
        let waiting = waiting.unwrap_or_else(|error| {
            tracing::warn!(%error, order, "who waits behind cannot be read");
            Vec::new()
        });
        let mut events = Vec::new();
        for fields in &waiting {
            let Ok(event) = Event::decode(None, fields) else { continue };
            let is_ours = Errand::of(&event) == Ok(Some(Errand::Tell(receiver.name.clone())));
            if !is_ours || event.dry_run {
                continue;
            }
            let known = ledger_of(&event, news.context).read(&[&receiver.name]).await;
            let is_over = known.is_ok_and(|known| known.values().any(Notice::is_over));
            if !is_over {
                events.push(event);
            }
        }
        events
    }
}

/// Writes for each event what came of telling them together.
async fn write<'a>(
    receiver: &Receiver,
    events: impl Iterator<Item = &'a Event>,
    notice: &Notice,
    news: News<'_>,
) {
    for event in events {
        let notice = Notice { aside: true, ..notice.clone() };
        let written = ledger_of(event, news.context).write(&receiver.name, &notice).await;
        if let Err(error) = written {
            let (receiver, event) = (&receiver.name, event.origin_id());
            tracing::warn!(%error, receiver, event, "a receiver may be told of an event twice");
        }
    }
}

/// How much is left of a time that began then.
fn left(began_ms: u64, lasts: Duration, now_ms: u64) -> Option<Duration> {
    let ends = began_ms.saturating_add(u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX));
    (ends > now_ms).then(|| Duration::from_millis(ends - now_ms))
}
