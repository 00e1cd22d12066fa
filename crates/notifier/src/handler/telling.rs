//! One receiver, and the fallback where it was given up.
//!
//! Owns who is told at all in one step. Never puts anything aside and never concludes an event.

use printery_fleet::destinations::Circuit;
use printery_fleet::notices::{Notice, State};
use printery_notices::{Facts, Receiver};

use super::{Notifier, fallback_entry, is_lost, log};
use crate::conclusion::Concluded;
use crate::known::Known;
use crate::news::News;
use crate::teller::Teller;

impl Notifier {
    /// Tells a receiver, unless that is over or not due yet, and then the fallback that it was
    /// given up.
    pub(super) async fn conclude<'a>(
        &'a self,
        receiver: &'a Receiver,
        entry: &str,
        known: &Known,
        news: News<'_>,
    ) -> Vec<Concluded<'a>> {
        let first = self.see_to(receiver, entry, news, known.get(entry)).await;
        let fallback = self.policy.fallback.as_ref().and_then(|name| self.receivers.get(name));
        let fallback = fallback.filter(|one| one.name != receiver.name && is_lost(&first));
        let Some(fallback) = fallback else { return vec![first] };
        let entry = fallback_entry(&fallback.name, &first.entry);
        let lost = format!("`{}` could not be told: {}", first.entry, first.notice.why);
        let note = news.facts.note.iter().chain([&lost]).map(String::as_str).collect::<Vec<_>>();
        let facts = Facts { note: Some(note.join("; ")), ..news.facts.clone() };
        let news = News { facts: &facts, ..news };
        let second = self.see_to(fallback, &entry, news, known.get(&entry)).await;
        vec![first, second]
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
            State::Told | State::GivenUp | State::Withheld => true,
            State::Owed => notice.due_ms > news.now.ms(),
        };
        let notice = match known.filter(waits) {
            Some(notice) => notice.clone(),
            None if receiver.is_log() => log(receiver, news).await.notice,
            None => {
                let circuit = self.policy.circuit;
                let teller = Teller {
                    receiver,
                    entry,
                    records: &news.context.records,
                    circuit: Circuit { failures: circuit.failures, open: circuit.open },
                    now: news.now,
                };
                let id = news.identity(entry);
                teller.step(news.telling(&id), known).await
            }
        };
        Concluded { receiver, entry: entry.to_owned(), notice }
    }
}
