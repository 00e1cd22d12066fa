//! Who is told when nobody does anything about it.
//!
//! Owns when that is put aside, and what is asked before it is told. An escalation stands in no
//! line: whatever else is told of the deployment passes it. Never escalates good news.

use std::time::Duration;

use printery_config::Escalate;
use printery_events::payload::NotificationSeverity as Severity;
use printery_fleet::eased;
use printery_fleet::notices::Notice;
use printery_harness::{Effects, Outcome, Refusal};
use printery_notices::{Facts, Receiver, can_be_hidden};

use super::{Notifier, crowded, is_silenced, not_told};
use crate::conclusion::{effects, nobody, owed};
use crate::errand::{Errand, escalation_order};
use crate::known::{Known, forget};
use crate::news::News;

impl Notifier {
    /// Notes what ends trouble, and puts aside what is to be told when nothing does.
    pub(super) async fn mind(
        &self,
        escalations: &[&Escalate],
        news: News<'_>,
    ) -> Result<(), Refusal> {
        if self.fleet.routes.iter().all(|route| route.escalate.is_none()) {
            return Ok(());
        }
        let (records, facts, now_ms) = (&news.context.records, news.facts, news.now.ms());
        let good = match facts.severity {
            _ if facts.concludes_well() => Some(None),
            Severity::Success => Some(Some(facts.event_type)),
            Severity::Info | Severity::Warning | Severity::Critical => None,
        };
        if let Some(of) = good {
            let noted = eased::is_well(records, facts.deployment_id, of, now_ms).await;
            return noted.map_err(|error| {
                Refusal::without_redis(format!("that it is well cannot be written: {error}"))
            });
        }
        if !can_be_hidden(facts) {
            return Ok(());
        }
        for escalate in escalations {
            let errand = Errand::Escalate { after: escalate.after, to: escalate.to.clone() };
            let entry = errand.purpose();
            let known = Known::read(std::slice::from_ref(&entry), news).await?;
            if known.is_empty() {
                let began = news.ledger().write(&entry, &Notice::new(now_ms)).await;
                began.map_err(|error| {
                    Refusal::without_redis(format!("{entry} cannot be written: {error}"))
                })?;
            }
            let order = escalation_order(news.event, &entry);
            self.leave(&errand, &order, escalate.after, news).await?;
        }
        Ok(())
    }

    /// Tells those who are told when nobody did anything, unless somebody did.
    pub(super) async fn escalate(&self, after: Duration, to: &[String], news: News<'_>) -> Outcome {
        let facts = news.facts;
        let entry = Errand::Escalate { after, to: to.to_vec() }.purpose();
        let began = Known::read(std::slice::from_ref(&entry), news).await?;
        let began_ms = began.get(&entry).map_or(0, |notice| notice.since_ms);
        let eased = eased::read(&news.context.records, facts.deployment_id, facts.event_type).await;
        let eased = eased.map_err(|error| {
            Refusal::without_redis(format!("who has it cannot be read: {error}"))
        })?;
        let (deployment_id, event_type) = (facts.deployment_id, facts.event_type);
        if let Some(why) = eased.since(began_ms) {
            tracing::info!(deployment_id, event_type, why, "not escalated");
            return Ok(Effects::none());
        }
        if is_silenced(news).await {
            return Ok(Effects::none());
        }
        let minutes = after.as_secs().div_ceil(60);
        let note = format!("nobody has resolved or acknowledged it for {minutes} min");
        let facts = Facts { note: Some(note), ..facts.clone() };
        let news = News { facts: &facts, ..news };
        let receivers: Vec<&Receiver> = to
            .iter()
            .filter_map(|name| self.receivers.get(name))
            .filter(|receiver| receiver.wants(&facts))
            .collect();
        if news.event.dry_run {
            for receiver in receivers {
                not_told(receiver, news);
            }
            return Ok(Effects::none());
        }
        let entries: Vec<String> = receivers
            .iter()
            .map(|receiver| escalated_entry(&receiver.name))
            .flat_map(|entry| [self.fallback_for(&entry), Some(entry)])
            .flatten()
            .collect();
        let known = Known::read(&entries, news).await?;
        let mut concluded = Vec::new();
        for receiver in receivers {
            let entry = escalated_entry(&receiver.name);
            let _place = self.place(receiver).await.map_err(|()| crowded(receiver))?;
            concluded.extend(self.conclude(receiver, &entry, &known, news).await);
        }
        if let Some(refusal) = owed(&concluded, news.now.ms()) {
            return Err(refusal);
        }
        if let Some(refusal) = nobody(&concluded) {
            forget(&concluded, news).await;
            return Err(refusal);
        }
        Ok(effects(&concluded, news))
    }
}

/// What the ledger calls a receiver where it is told because nobody did anything.
fn escalated_entry(receiver: &str) -> String {
    format!("{receiver} (escalated)")
}
