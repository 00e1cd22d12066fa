//! Who need not hear of it, because they heard of its cause.
//!
//! Owns what is kept in mind of what was told. What cannot be read hides nothing: rather a message
//! too many than none. Never hides anything that was begun to be told.

use printery_fleet::causes;
use printery_fleet::notices::{Notice, State};
use printery_notices::{Cause, Receiver, can_be_hidden, hiding, is_cause};

use super::Notifier;
use crate::known::Known;
use crate::news::News;

impl Notifier {
    /// Leaves out the receivers that heard of the cause, and keeps in mind that the others hear of
    /// this.
    pub(super) async fn not_hidden<'a>(
        &self,
        receivers: Vec<&'a Receiver>,
        known: &Known,
        news: News<'_>,
    ) -> Vec<&'a Receiver> {
        let (records, facts) = (&news.context.records, news.facts);
        if facts.concludes_well() {
            let forgotten = causes::forget(records, facts.deployment_id).await;
            forgotten.unwrap_or_else(|error| unread(&error));
        }
        let told =
            if can_be_hidden(facts) { self.told(receivers, known, news).await } else { receivers };
        if !told.is_empty() && is_cause(&self.fleet.inhibit, facts) {
            let cause = causes::Cause {
                event_id: facts.event_id.to_owned(),
                deployment_id: facts.deployment_id.to_owned(),
                at_ms: news.now.ms(),
                variables: facts.variables(),
                receivers: told.iter().map(|receiver| receiver.name.clone()).collect(),
            };
            causes::add(records, &cause).await.unwrap_or_else(|error| unread(&error));
        }
        told
    }

    /// Asks for each receiver whether it heard of a cause; writes down that this is kept from it.
    async fn told<'a>(
        &self,
        receivers: Vec<&'a Receiver>,
        known: &Known,
        news: News<'_>,
    ) -> Vec<&'a Receiver> {
        let kept = causes::list(&news.context.records, news.now.ms()).await;
        let kept = kept.unwrap_or_else(|error| {
            unread(&error);
            Vec::new()
        });
        let causes: Vec<Cause<'_>> = kept
            .iter()
            .map(|cause| Cause {
                event_id: &cause.event_id,
                deployment_id: &cause.deployment_id,
                variables: &cause.variables,
                receivers: &cause.receivers,
            })
            .collect();
        let mut told = Vec::new();
        for receiver in receivers {
            let name = &receiver.name;
            let hiding = hiding(&self.fleet.inhibit, &causes, news.facts, name);
            for (place, why) in &hiding.unclear {
                tracing::warn!(rule = place + 1, why, "an inhibition cannot be judged");
            }
            let Some(why) = hiding.why.filter(|_| known.get(name).is_none()) else {
                told.push(receiver);
                continue;
            };
            let (deployment_id, event_type) = (news.facts.deployment_id, news.facts.event_type);
            tracing::info!(
                receiver = name,
                why,
                deployment_id,
                event_type,
                "hidden: it is not told"
            );
            let notice = Notice { state: State::Withheld, why, ..Notice::new(news.now.ms()) };
            if let Err(error) = news.ledger().write(name, &notice).await {
                unread(&error);
            }
        }
        told
    }
}

fn unread(error: &dyn std::fmt::Display) {
    tracing::warn!(%error, "what causes what could not be used");
}
