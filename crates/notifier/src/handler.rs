//! The notifier's part of the job: one event in, everybody told who should be.
//!
//! Owns the order of things (route, remember, tell, put aside). The harness calls it for each
//! event and for each follow-up of one. Never publishes for a dry run, never notifies about a
//! notification, and never waits: who is still owed is put aside, so that nobody else is held up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use printery_config::{Escalate, Fleet, Notifier as Policy};
use printery_events::{Event, Family};
use printery_fleet::notices::{Cause, State};
use printery_fleet::silences;
use printery_harness::{Context, Effects, Handler, Outcome, Problems, Refusal};
use printery_notices::{Facts, Receiver, Ways};

use crate::conclusion::{Concluded, effects, nobody, owed};
use crate::crowd::{Crowd, Place};
use crate::errand::Errand;
use crate::known::{Known, forget};
use crate::news::News;
use crate::schedule::{Step, after};
use crate::teller::Now;

mod aside;
mod escalation;
mod gathering;
mod hiding;
mod telling;

use aside::Begun;

/// Tells receivers about events.
#[derive(Debug)]
pub(crate) struct Notifier {
    fleet: Arc<Fleet>,
    receivers: BTreeMap<String, Receiver>,
    crowds: BTreeMap<String, Crowd>,
    policy: Policy,
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
            crowds: fleet.receivers.keys().map(|name| (name.clone(), Crowd::default())).collect(),
            policy: fleet.notifier.clone(),
        })
    }

    /// Returns the receivers that are to be told, and what follows where nobody does anything.
    fn chosen(&self, news: News<'_>) -> (Vec<&Receiver>, Vec<&Escalate>) {
        let facts = news.facts;
        let at = i64::try_from(news.context.started_ms).unwrap_or_default();
        let at = Timestamp::from_millisecond(at).unwrap_or_default();
        let routing = printery_notices::route(&self.fleet, facts, at);
        for (place, why) in &routing.unclear {
            let (line, event_type) = (place + 1, facts.event_type);
            tracing::warn!(route = line, event_type, why, "a route's condition cannot be judged");
        }
        for (receiver, window) in &routing.muted {
            let (deployment_id, event_type) = (facts.deployment_id, facts.event_type);
            tracing::info!(receiver, window, deployment_id, event_type, "muted: it is not told");
        }
        let told = routing
            .told
            .into_iter()
            .filter_map(|name| self.receivers.get(name))
            .filter(|receiver| receiver.wants(facts))
            .collect();
        (told, routing.escalating)
    }
}

impl Handler for Notifier {
    async fn handle(&self, event: &Event, context: &Context) -> Outcome {
        if matches!(event.payload.family(), Family::NotificationSent | Family::NotificationFailed) {
            return Ok(Effects::none());
        }
        let (facts, now) = (Facts::of(event), Now::new(context.started_ms));
        let news = News { event, facts: &facts, context, now };
        let errand = Errand::of(event).map_err(|why| Refusal::reject("unknown_errand", why))?;
        match errand {
            None => self.first(news).await,
            Some(Errand::Tell(receiver)) => self.later(&receiver, news).await,
            Some(Errand::Escalate { after, to }) => self.escalate(after, &to, news).await,
        }
    }
}

impl Notifier {
    /// Sees to an event that has just happened: whoever can be told at once is, the others are put
    /// aside.
    async fn first(&self, news: News<'_>) -> Outcome {
        let (chosen, escalations) = self.chosen(news);
        if news.event.dry_run {
            for receiver in chosen {
                not_told(receiver, news);
            }
            return Ok(Effects::none());
        }
        let (logs, remote): (Vec<&Receiver>, Vec<&Receiver>) =
            chosen.into_iter().partition(|receiver| receiver.is_log());
        let mut concluded = Vec::new();
        let mut is_aside = false;
        if !remote.is_empty() {
            let known = self.known(news).await?;
            // What has begun is finished: a silence only keeps it from beginning.
            if !known.is_empty() || !is_silenced(news).await {
                let told = self.not_hidden(remote, &known, news).await;
                let begun = told.iter().map(|receiver| self.begin(receiver, &known, news));
                for begun in join_all(begun).await {
                    match begun? {
                        Begun::Concluded(all) => concluded.extend(all),
                        Begun::Aside => is_aside = true,
                    }
                }
            }
        }
        if let Some(refusal) = nobody(&concluded).filter(|_| !is_aside) {
            forget(&concluded, news).await;
            return Err(refusal);
        }
        self.mind(&escalations, news).await?;
        // The log can be written at any time and twice; it waits until it is clear that the event
        // does not come again.
        for receiver in logs {
            concluded.push(log(receiver, news).await);
        }
        Ok(effects(&concluded, news))
    }

    /// Sees to one receiver that is still owed an event.
    async fn later(&self, receiver: &str, news: News<'_>) -> Outcome {
        let Some(receiver) = self.receivers.get(receiver) else {
            let why = format!("{receiver}: the fleet file names no such receiver any more");
            return Err(Refusal::reject("receiver_unknown", why));
        };
        if news.event.dry_run {
            not_told(receiver, news);
            return Ok(Effects::none());
        }
        let known = self.known(news).await?;
        let _place = self.place(receiver).await.map_err(|()| crowded(receiver))?;
        let concluded = match &self.policy.group {
            Some(group) if receiver.is_read_by_people() && !known.is_over(&receiver.name) => {
                self.gather(receiver, group, &known, news).await?
            }
            Some(_) | None => self.conclude(receiver, &receiver.name, &known, news).await,
        };
        if let Some(refusal) = owed(&concluded, news.now.ms()) {
            return Err(refusal);
        }
        if let Some(refusal) = nobody(&concluded).filter(|_| known.others_in_vain(&concluded)) {
            forget(&concluded, news).await;
            return Err(refusal);
        }
        Ok(effects(&concluded, news))
    }

    /// Takes a place in front of a receiver, where there is one.
    async fn place(&self, receiver: &Receiver) -> Result<Option<Place<'_>>, ()> {
        match self.crowds.get(&receiver.name).filter(|_| !receiver.is_log()) {
            Some(crowd) => crowd.enter().await.map(Some).ok_or(()),
            None => Ok(None),
        }
    }

    /// Reads who was told already, and what came of it.
    async fn known(&self, news: News<'_>) -> Result<Known, Refusal> {
        let mut entries: Vec<String> = self.receivers.keys().cloned().collect();
        let fallback = self.receivers.keys().filter_map(|lost| self.fallback_for(lost));
        let fallback: Vec<String> = fallback.collect();
        entries.extend(fallback);
        Known::read(&entries, news).await
    }

    /// What the ledger calls the fallback where it hears of this one, if there is a fallback.
    fn fallback_for(&self, lost: &str) -> Option<String> {
        self.policy.fallback.as_ref().map(|fallback| fallback_entry(fallback, lost))
    }
}

/// What the ledger calls the fallback where it hears of one that was lost.
fn fallback_entry(fallback: &str, lost: &str) -> String {
    format!("{fallback} (fallback for {lost})")
}

/// How long one is left alone that has kept others waiting. 1 s: its circuit decides soon.
const CROWDED: Duration = Duration::from_secs(1);

/// Says that others wait for the receiver's answer and have waited long.
fn crowded(receiver: &Receiver) -> Refusal {
    let why = format!("{}: it keeps others waiting", receiver.name);
    Refusal::retry_after(Cause::ReceiverCrowded.as_str(), why, CROWDED)
}

fn not_told(receiver: &Receiver, news: News<'_>) {
    let (name, target, facts) = (&receiver.name, receiver.target(), news.facts);
    tracing::info!(
        receiver = name,
        target_address = target,
        deployment_id = facts.deployment_id,
        event_type = facts.event_type,
        "dry run: nobody is told"
    );
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

/// Writes to a log, which nobody has to remember.
async fn log<'a>(receiver: &'a Receiver, news: News<'_>) -> Concluded<'a> {
    let id = news.identity(&receiver.name);
    let verdict = receiver.tell(news.telling(&id)).await.verdict;
    let notice = after(None, Step::Answered(verdict), news.now.ms(), &receiver.retry);
    Concluded { receiver, entry: receiver.name.clone(), notice }
}

/// Whether a receiver was given up.
fn is_lost(one: &Concluded<'_>) -> bool {
    one.notice.state == State::GivenUp
}

#[cfg(test)]
mod tests;
