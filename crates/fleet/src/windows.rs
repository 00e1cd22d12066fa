//! What was seen while something was watched for a time: a window that outlives its watcher.
//!
//! Whoever watches opens the window of an event, adds every sight as soon as it has it, and closes
//! the window with its verdict. Nothing here judges, and nothing here knows what was watched.
//!
//! # One window, many owners
//! The window begins with its first entry, by the server's clock, and whoever takes the event over
//! finds that entry and goes on from there. Each sight has a place; the first one of a place
//! stands, so that two owners who overlap see the same window.

use std::collections::BTreeSet;
use std::time::Duration;

use printery_streams::browse::{self, Entry};
use printery_streams::{EntryId, Error, ErrorKind, Keys, Session};
use redis::{Pipeline, pipe};

use crate::records::Records;

/// Field of an entry that says where in the window it belongs.
const PLACE: &str = "place";
/// Field of an entry that says what was seen there.
const SEEN: &str = "seen";
/// The place of the first entry, whose id is the moment at which the window began.
const BEGAN: &str = "began";

/// How long a closed window is kept: long enough for a successor to find it where its owner died
/// between the verdict and the commit (20 s by default), short enough that a redrive watches anew.
const CLOSED: Duration = Duration::from_secs(60);

/// Sights that one call adds at most: bounds a round trip.
const AT_ONCE: usize = 500;

/// What was seen at one place of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// Where in the window, such as `api/health/17`; the first sight of a place stands.
    pub place: String,
    /// What, as the watcher writes it.
    pub seen: String,
}

/// A window as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// When it began, the server's milliseconds.
    pub began_ms: u64,
    /// What was seen so far, oldest first.
    pub sights: Vec<Sight>,
    /// Whether somebody else had begun it.
    pub resumed: Resumed,
}

/// Whether a window was there before its opener came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumed {
    /// It begins now.
    No,
    /// Somebody has watched before, and may have left gaps.
    Yes,
}

/// The window of one event, held by whoever works on that event.
#[derive(Debug)]
pub struct Window {
    session: Session,
    key: String,
    /// When the record ends by itself, the server's milliseconds.
    ends_ms: u64,
}

impl Window {
    /// Opens the window of an event: begins it, or finds it where it was left.
    ///
    /// # Shapes and units
    /// `now_ms`: the server's time, milliseconds. `keep`: how long the record is kept from now on.
    /// # Errors
    /// Those of any command; the window may have begun.
    /// # Cancel safety
    /// Not cancel safe: the window may have begun.
    /// # Redis
    /// `XRANGE` in pages; where there was none `XADD`, `PEXPIREAT` and `XRANGE` again.
    pub async fn open(
        records: &Records,
        event_id: &str,
        now_ms: u64,
        keep: Duration,
    ) -> Result<(Self, Found), Error> {
        let key = key(records.keys(), event_id);
        let ends_ms = now_ms.saturating_add(millis(keep));
        let mut window = Self { session: records.session(), key, ends_ms };
        let found = window.read().await?;
        if let Some(found) = found {
            return Ok((window, Found { resumed: Resumed::Yes, ..found }));
        }
        let began = Sight { place: BEGAN.to_owned(), seen: String::new() };
        window.add(&[began]).await?;
        // Somebody else may have begun it in the same moment: the first entry stands.
        let found = window.read().await?.ok_or_else(|| {
            let gone = "the window was deleted as it began";
            Error::new(ErrorKind::Unavailable, "open a window", &window.key, gone)
        })?;
        Ok((window, found))
    }

    /// Adds what was seen.
    ///
    /// # Errors
    /// [`ErrorKind::Unknown`]: it may be there; added again, it stands once.
    /// # Redis
    /// One `XADD` each and a `PEXPIREAT`, at most 500 in one round trip.
    pub async fn add(&mut self, sights: &[Sight]) -> Result<(), Error> {
        for some in sights.chunks(AT_ONCE) {
            let mut all = pipe();
            for Sight { place, seen } in some {
                all.cmd("XADD").arg(&self.key).arg("*").arg(PLACE).arg(place).arg(SEEN).arg(seen);
            }
            self.until(&mut all, self.ends_ms);
            self.session.pipeline("add to a window", &self.key, &all).await?;
        }
        Ok(())
    }

    /// Says that the window has been judged: whoever opens it soon finds it as it is, whoever comes
    /// later begins another one.
    ///
    /// # Redis
    /// `PEXPIREAT`.
    pub async fn close(&mut self, now_ms: u64) -> Result<(), Error> {
        let mut one = pipe();
        self.ends_ms = self.ends_ms.min(now_ms.saturating_add(millis(CLOSED)));
        self.until(&mut one, self.ends_ms);
        self.session.pipeline("close a window", &self.key, &one).await.map(drop)
    }

    fn until(&self, pipeline: &mut Pipeline, ends_ms: u64) {
        pipeline.cmd("PEXPIREAT").arg(&self.key).arg(ends_ms);
    }

    /// Reads the window; none where it has not begun.
    async fn read(&mut self) -> Result<Option<Found>, Error> {
        let mut pages = browse::Pages::new(&self.key, None);
        let mut found: Option<Found> = None;
        let mut places: BTreeSet<String> = BTreeSet::new();
        loop {
            let page = pages.next(&mut self.session).await?;
            let Some(first) = page.first() else { return Ok(found) };
            let began =
                |id: EntryId| Found { began_ms: id.ms, sights: Vec::new(), resumed: Resumed::No };
            let found = found.get_or_insert_with(|| began(first.id));
            let sights = page.iter().filter_map(sight);
            found.sights.extend(sights.filter(|sight| places.insert(sight.place.clone())));
        }
    }
}

/// Reads a sight; none for the entry with which the window began, and for what is not ours.
fn sight(entry: &Entry) -> Option<Sight> {
    let place = entry.text(PLACE).filter(|place| *place != BEGAN)?;
    Some(Sight { place: place.to_owned(), seen: entry.text(SEEN)?.to_owned() })
}

/// Stream of what was seen for one event. Written by the worker that holds the event; expires.
fn key(keys: &Keys, event_id: &str) -> String {
    format!("{}:printery:window:{event_id}", keys.prefix())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
