//! Events that are still retained, youngest first.
//!
//! For whoever needs to know how something came about: the event with which a deployment began, how
//! an earlier one ended. It reads fields as they came; what they mean is the reader's matter.

use printery_streams::browse;
use printery_streams::{EntryId, Error, Fields};

use crate::records::Records;

/// Entries of one round trip.
const PAGE: usize = 200;

/// Entries that are looked through at most: as many as are retained by default.
const MOST: usize = 10_000;

/// Walks back through the events of one type, in the deployment's own partition.
#[derive(Debug)]
pub struct Past {
    records: Records,
    stream: String,
    before: Option<EntryId>,
    seen: usize,
}

impl Past {
    /// Begins at the youngest event of a type.
    pub fn of(records: &Records, event_type: &str) -> Self {
        let stream = records.keys().events(event_type);
        Self { records: records.clone(), stream, before: None, seen: 0 }
    }

    /// Returns the next events, youngest first; none at the end, or after ten thousand.
    ///
    /// # Redis
    /// `XREVRANGE` of at most 200 entries.
    pub async fn earlier(&mut self) -> Result<Vec<Fields>, Error> {
        if self.seen >= MOST {
            return Ok(Vec::new());
        }
        let mut session = self.records.session();
        let page = browse::latest(&mut session, &self.stream, self.before, PAGE).await?;
        self.seen += page.len();
        self.before = page.last().map(|entry| entry.id).or(self.before);
        Ok(page.into_iter().map(|entry| entry.fields).collect())
    }
}
