//! Reading dead letters: one, the youngest, or page by page up to what is there now.
//!
//! Called by everything that shows or moves them; never writes, and never reads more than a page.

use printery_streams::browse::{self, Entry};
use printery_streams::{EntryId, Error, Keys, Session};

use crate::dead_letters::{DeadLetter, Filter};

/// Dead letters that are read at once. 64: an entry may have 1 MiB.
pub const PAGE: usize = 64;

/// Lists a worker's dead letters, youngest first, beginning below `before`.
///
/// # Redis
/// `XREVRANGE`.
pub async fn list(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    before: Option<EntryId>,
    count: usize,
) -> Result<Vec<DeadLetter>, Error> {
    let entries = browse::latest(session, &keys.dead_letters(worker), before, count).await?;
    Ok(entries.iter().map(DeadLetter::read).collect())
}

/// Reads one dead letter.
///
/// # Redis
/// `XRANGE`.
pub async fn get(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    entry: EntryId,
) -> Result<Option<DeadLetter>, Error> {
    let stream = keys.dead_letters(worker);
    let entries = browse::range(session, &stream, entry, Some(entry), 1).await?;
    Ok(entries.first().map(DeadLetter::read))
}

/// A worker's dead letters, oldest first, page by page, up to the youngest there was at the
/// beginning: what is buried meanwhile is not among them.
#[derive(Debug, Clone)]
pub struct Pages {
    stream: String,
    /// Where the next page begins; none at the end.
    next: Option<EntryId>,
    until: EntryId,
}

impl Pages {
    /// Begins where the filter's time begins, and notes where the dead letters end now.
    ///
    /// # Redis
    /// `XINFO STREAM`.
    pub async fn begin(
        session: &mut Session,
        keys: &Keys,
        worker: &str,
        filter: &Filter,
    ) -> Result<Self, Error> {
        let stream = keys.dead_letters(worker);
        let last = browse::last_id(session, &stream).await?;
        let until = last.unwrap_or_default().min(filter.last());
        let next = (last.is_some() && filter.first() <= until).then_some(filter.first());
        Ok(Self { stream, next, until })
    }

    /// Reads the next page; empty at the end.
    ///
    /// # Redis
    /// `XRANGE`.
    pub async fn next(&mut self, session: &mut Session) -> Result<Vec<Entry>, Error> {
        let Some(from) = self.next else { return Ok(Vec::new()) };
        let page = browse::range(session, &self.stream, from, Some(self.until), PAGE).await?;
        let more = page.last().filter(|last| page.len() == PAGE && last.id < self.until);
        self.next = more.map(|last| last.id.next());
        Ok(page)
    }
}
