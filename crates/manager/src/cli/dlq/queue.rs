//! Dead letters one after the other, however many there are.
//!
//! Everything that goes over chosen letters takes them from here: page by page, so that memory does
//! not grow with their number. It only reads, and reads nothing that came after it was made.

use std::collections::VecDeque;

use printery_fleet::dead_letters::{Filter, Pages};
use printery_streams::Session;
use printery_streams::browse::Entry;

use crate::cli::dlq::choice::Found;
use crate::cli::dlq::scope::Source;
use crate::cli::failure::Failure;

/// Letters still to come.
#[derive(Debug)]
pub(crate) struct Queue {
    named: VecDeque<Found>,
    /// The pages of each place; the first one is being read.
    pages: VecDeque<Pages>,
    filter: Filter,
    page: VecDeque<Entry>,
    /// The place that `page` is of.
    source: usize,
    session: Option<Session>,
}

impl Queue {
    /// Letters that were read already.
    pub(crate) fn of(named: Vec<Found>) -> Self {
        Self { named: named.into(), ..Self::over(Vec::new(), Filter::default()) }
    }

    /// Letters of these pages, one for each place, as the filter wants them.
    pub(crate) fn over(pages: Vec<Pages>, filter: Filter) -> Self {
        Self {
            named: VecDeque::new(),
            pages: pages.into(),
            filter,
            page: VecDeque::new(),
            source: 0,
            session: None,
        }
    }

    /// The next one; none at the end.
    ///
    /// # Errors
    /// A page could not be read; the next call tries it again.
    pub(crate) async fn next(&mut self, sources: &[Source]) -> Result<Option<Found>, Failure> {
        if let Some(found) = self.named.pop_front() {
            return Ok(Some(found));
        }
        loop {
            while let Some(entry) = self.page.pop_front() {
                let found = Found::read(self.source, entry);
                if self.filter.matches(&found.letter) {
                    return Ok(Some(found));
                }
            }
            let (Some(pages), Some(source)) = (self.pages.front_mut(), sources.get(self.source))
            else {
                return Ok(None);
            };
            let session = self.session.get_or_insert_with(|| source.session());
            self.page = pages.next(session).await?.into();
            if self.page.is_empty() {
                self.pages.pop_front();
                self.source += 1;
                self.session = None;
            }
        }
    }
}
