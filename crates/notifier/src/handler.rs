//! The notifier's part of the job: one event in, everybody told who should be.
//!
//! Owns the order of things (route, remember, tell, conclude). The harness calls it for each
//! event. Never publishes for a dry run, never notifies about a notification, and never waits:
//! whoever is still owed is told when the event comes again.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use jiff::Timestamp;
use printery_config::{Fleet, Notifier as Policy};
use printery_events::ids::derived_id;
use printery_events::payload::Channel;
use printery_events::topology::NOTIFIER;
use printery_events::{Event, Family};
use printery_fleet::destinations::Circuit;
use printery_fleet::notices::{Ledger, Notice, State};
use printery_fleet::silences;
use printery_harness::{Context, Effects, Handler, Outcome, Problems, Refusal, Wish};
use printery_notices::{Facts, Receiver, Telling, Ways};

use crate::conclusion::{Concluded, effects, refusal};
use crate::schedule::{Step, after, again};
use crate::teller::{Now, Teller};

/// Tells receivers about events.
#[derive(Debug)]
pub(crate) struct Notifier {
    fleet: Arc<Fleet>,
    receivers: BTreeMap<String, Receiver>,
    policy: Policy,
}

/// One event on its way to its receivers.
#[derive(Clone, Copy)]
struct News<'a> {
    event: &'a Event,
    facts: &'a Facts<'a>,
    context: &'a Context,
    now: Now,
}

impl<'a> News<'a> {
    /// Tells it for the first time; whoever tells it again says so.
    fn telling(&self, id: &'a str) -> Telling<'a> {
        let timestamp = self.now.ms() / 1000;
        Telling { event: self.event, facts: self.facts, id, timestamp, memory: None, tries: 0 }
    }
}

impl Notifier {
    /// Makes the receivers of the fleet file usable.
    ///
    /// # Errors
    /// The egress rules of the fleet file cannot be read, or there is no TLS.
    pub(crate) fn try_new(fleet: &Arc<Fleet>) -> Result<Self, Problems> {
        let ways = Ways::try_new(fleet)?;
        let usable = |(name, receiver): (&String, &printery_config::Receiver)| {
            (name.clone(), Receiver::new(receiver, fleet.notifier.retry, ways.clone()))
        };
        Ok(Self {
            fleet: Arc::clone(fleet),
            receivers: fleet.receivers.iter().map(usable).collect(),
            policy: fleet.notifier.clone(),
        })
    }

    /// Returns the receivers that are to be told.
    fn chosen(&self, facts: &Facts<'_>, now: Timestamp) -> Vec<&Receiver> {
        let routing = printery_notices::route(&self.fleet, facts, now);
        for (place, why) in &routing.unclear {
            let (line, event_type) = (place + 1, facts.event_type);
            tracing::warn!(route = line, event_type, why, "a route's condition cannot be judged");
        }
        for (receiver, window) in &routing.muted {
            let (deployment_id, event_type) = (facts.deployment_id, facts.event_type);
            tracing::info!(receiver, window, deployment_id, event_type, "muted: it is not told");
        }
        routing
            .told
            .into_iter()
            .filter_map(|name| self.receivers.get(name))
            .filter(|receiver| receiver.wants(facts))
            .collect()
    }
}

impl Handler for Notifier {
    async fn handle(&self, event: &Event, context: &Context) -> Outcome {
        if matches!(event.payload.family(), Family::NotificationSent | Family::NotificationFailed) {
            return Ok(Effects::none());
        }
        let facts = Facts::of(event);
        let at = i64::try_from(context.started_ms).unwrap_or_default();
        let at = Timestamp::from_millisecond(at).unwrap_or_default();
        let chosen = self.chosen(&facts, at);
        if event.dry_run {
            for receiver in chosen {
                let (name, target) = (&receiver.name, receiver.target());
                tracing::info!(
                    receiver = name,
                    target_address = target,
                    deployment_id = facts.deployment_id,
                    event_type = facts.event_type,
                    "dry run: nobody is told"
                );
            }
            return Ok(Effects::none());
        }
        let now = Now::new(context.started_ms);
        let news = News { event, facts: &facts, context, now };
        // The log can be written at any time and twice; it waits until it is clear that the event
        // does not come again.
        let (logs, remote): (Vec<&Receiver>, Vec<&Receiver>) =
            chosen.into_iter().partition(|receiver| receiver.channel() == Channel::Log);
        let mut concluded = self.tell_remote(&remote, news).await?;
        if let Some(refusal) = refusal(&concluded, now.ms()) {
            if refusal.wish == Wish::Retry {
                forget(&concluded, news).await;
            }
            return Err(refusal);
        }
        for receiver in logs {
            concluded.push(log(receiver, news).await);
        }
        Ok(effects(&concluded, event, facts.severity))
    }
}

impl Notifier {
    /// Tells all receivers at once that are not concluded yet, and then the fallback about those
    /// that were given up.
    async fn tell_remote<'a>(
        &'a self,
        receivers: &[&'a Receiver],
        news: News<'_>,
    ) -> Result<Vec<Concluded<'a>>, Refusal> {
        if receivers.is_empty() {
            return Ok(Vec::new());
        }
        let fallback = self.policy.fallback.as_ref().and_then(|name| self.receivers.get(name));
        let aside = fallback.map(|receiver| (receiver, format!("{} (fallback)", receiver.name)));
        let mut entries: Vec<&str> = receivers.iter().map(|one| one.name.as_str()).collect();
        entries.extend(aside.as_ref().map(|(_, entry)| entry.as_str()));
        let event = news.event;
        let mut ledger = Ledger::of(&news.context.records, event.event_type.as_str(), &event.id);
        let known = ledger.read(&entries).await;
        let known = known.map_err(|error| {
            let sentence = format!("who was told already cannot be read: {error}");
            Refusal::without_redis(sentence)
        })?;
        // What has begun is finished: a silence only keeps it from beginning.
        if known.is_empty() && is_silenced(news).await {
            return Ok(Vec::new());
        }
        let told = receivers.iter().map(|receiver| {
            self.see_to(receiver, &receiver.name, news, known.get(&*receiver.name))
        });
        let mut concluded = join_all(told).await;
        if let Some((receiver, entry)) = &aside {
            let lost: Vec<String> = concluded
                .iter()
                .filter(|one| one.notice.state == State::GivenUp)
                .filter(|one| one.receiver.name != receiver.name)
                .map(|one| format!("`{}` could not be told: {}", one.entry, one.notice.why))
                .collect();
            if !lost.is_empty() {
                let facts = Facts { note: Some(lost.join("; ")), ..news.facts.clone() };
                let news = News { facts: &facts, ..news };
                let known = known.get(entry.as_str());
                concluded.push(self.see_to(receiver, entry, news, known).await);
            }
        }
        Ok(concluded)
    }

    /// Tells one receiver, unless that is over or not due yet.
    async fn see_to<'a>(
        &self,
        receiver: &'a Receiver,
        entry: &str,
        news: News<'_>,
        known: Option<&Notice>,
    ) -> Concluded<'a> {
        let waits = |notice: &&Notice| match notice.state {
            State::Told | State::GivenUp => true,
            State::Owed => notice.due_ms > news.now.ms(),
        };
        let notice = match known.filter(waits) {
            Some(notice) => notice.clone(),
            None if receiver.channel() == Channel::Log => log(receiver, news).await.notice,
            None => {
                let circuit = self.policy.circuit;
                let teller = Teller {
                    receiver,
                    entry,
                    records: &news.context.records,
                    circuit: Circuit { failures: circuit.failures, open: circuit.open },
                    now: news.now,
                };
                let id = identity(news.event, entry);
                teller.step(news.telling(&id), known).await
            }
        };
        Concluded { receiver, entry: entry.to_owned(), notice }
    }
}

/// Tells whether people asked for silence about this; logs are written all the same, and a silence
/// that cannot be read is none.
async fn is_silenced(news: News<'_>) -> bool {
    let facts = news.facts;
    let holding = silences::holding(&news.context.records, news.now.ms()).await;
    let holding = holding.unwrap_or_else(|error| {
        tracing::warn!(%error, "what is silenced cannot be read");
        Vec::new()
    });
    let silence = holding.iter().find(|one| printery_notices::silences(&one.matches, facts));
    let Some(silence) = silence else { return false };
    let (id, actor, reason) = (&silence.id, &silence.actor, &silence.reason);
    let (deployment_id, event_type) = (facts.deployment_id, facts.event_type);
    tracing::info!(silence = id, actor, reason, deployment_id, event_type, "silenced");
    true
}

/// Lets everybody be tried anew when the event comes again: as another attempt, or brought back by
/// a person from the dead letters.
async fn forget(concluded: &[Concluded<'_>], news: News<'_>) {
    let event = news.event;
    let mut ledger = Ledger::of(&news.context.records, event.event_type.as_str(), &event.id);
    for one in concluded {
        let anew = again(&one.notice, news.now.ms());
        if let Err(error) = ledger.write(&one.entry, &anew).await {
            tracing::warn!(%error, receiver = one.entry, "a receiver may not be tried anew");
        }
    }
}

/// Writes to a log, which nobody has to remember.
async fn log<'a>(receiver: &'a Receiver, news: News<'_>) -> Concluded<'a> {
    let id = identity(news.event, &receiver.name);
    let verdict = receiver.tell(news.telling(&id)).await.verdict;
    let notice = after(None, Step::Answered(verdict), news.now.ms(), &receiver.retry);
    Concluded { receiver, entry: receiver.name.clone(), notice }
}

/// The same id as that of the `notification:sent` it leads to, whatever is repeated.
fn identity(event: &Event, entry: &str) -> String {
    derived_id(&event.id, NOTIFIER.name, Family::NotificationSent.pattern(), entry)
}

#[cfg(test)]
mod tests;
