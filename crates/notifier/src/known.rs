//! Who has been told about an event, as the ledger says at the beginning of an attempt.
//!
//! Owns the questions that are asked of it. The handler reads it once for each attempt. Never
//! changes while the attempt goes on.

use std::collections::BTreeMap;

use printery_fleet::notices::{Notice, State};
use printery_harness::Refusal;

use crate::conclusion::Concluded;
use crate::news::News;
use crate::schedule::again;

/// What is known of each receiver, by what tells it apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known(BTreeMap<String, Notice>);

impl Known {
    /// Reads what is known of these.
    pub(crate) async fn read(entries: &[String], news: News<'_>) -> Result<Self, Refusal> {
        let asked: Vec<&str> = entries.iter().map(String::as_str).collect();
        let mut ledger = news.ledger();
        let found = ledger.read(&asked).await.map_err(|error| {
            let sentence = format!("who was told already cannot be read: {error}");
            Refusal::without_redis(sentence)
        })?;
        let owned = found.into_iter().map(|(entry, notice)| (entry.to_owned(), notice));
        Ok(Self(owned.collect()))
    }

    pub(crate) fn get(&self, entry: &str) -> Option<&Notice> {
        self.0.get(entry)
    }

    /// Whether nobody was seen to yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether nothing is to be done for this one any more.
    pub(crate) fn is_over(&self, entry: &str) -> bool {
        self.get(entry).is_some_and(Notice::is_over)
    }

    /// Whether everybody but these was given up without having heard of it.
    pub(crate) fn others_in_vain(&self, concluded: &[Concluded<'_>]) -> bool {
        let others =
            self.0.iter().filter(|(entry, _)| !concluded.iter().any(|one| one.entry == **entry));
        others.into_iter().all(|(_, notice)| is_in_vain(notice))
    }
}

/// Whether it was given up, and another round might do.
pub(crate) fn is_in_vain(notice: &Notice) -> bool {
    notice.state == State::GivenUp && !notice.lasting
}

/// Lets everybody be tried anew when the event comes again: as another attempt, or brought back by
/// a person from the dead letters.
pub(crate) async fn forget(concluded: &[Concluded<'_>], news: News<'_>) {
    let mut ledger = news.ledger();
    for one in concluded {
        let anew = again(&one.notice, news.now.ms());
        if let Err(error) = ledger.write(&one.entry, &anew).await {
            tracing::warn!(%error, receiver = one.entry, "a receiver may not be tried anew");
        }
    }
}
