//! Looks at streams without taking part: ranges, and following what is added.
//!
//! Called by the command line, the status page and the demo; never writes.

use std::time::Duration;

use redis::{Value, cmd};

use crate::connection::{Reader, Session};
use crate::error::{Error, ErrorKind};
use crate::names::{EntryId, Fields};
use crate::reply::Origin;

/// An entry as it stands in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: EntryId,
    /// Its fields, verbatim.
    pub fields: Fields,
}

impl Entry {
    /// The last value of a field as text, where it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        let value = self.fields.iter().rev().find(|(found, _)| found == name.as_bytes());
        value.and_then(|(_, value)| std::str::from_utf8(value).ok())
    }
}

/// Reads entries from `from` to `to`, oldest first, at most `count`.
///
/// # Redis
/// `XRANGE`.
pub async fn range(
    session: &mut Session,
    stream: &str,
    from: EntryId,
    to: Option<EntryId>,
    count: usize,
) -> Result<Vec<Entry>, Error> {
    let to = to.map_or_else(|| "+".to_owned(), |id| id.to_string());
    let mut command = cmd("XRANGE");
    command.arg(stream).arg(from.to_string()).arg(to).arg("COUNT").arg(count);
    entries(stream, session.query("browse", stream, &command).await?)
}

/// Bytes that a page of [`Pages`] should have: few round trips, and memory that stays small.
const PAGE_BYTES: usize = 1 << 20;
/// Entries that a page of [`Pages`] has at most: bounds the time the server is busy with it.
const PAGE_ENTRIES: usize = 1_000;
/// Entries of the first page, before anything is known of their size.
const FIRST_PAGE: usize = 64;

/// Reads a stream from its oldest entry to its youngest, in pages of about the same size.
#[derive(Debug, Clone)]
pub struct Pages {
    stream: String,
    next: Option<EntryId>,
    to: Option<EntryId>,
    count: usize,
}

impl Pages {
    /// Begins at the oldest entry and ends with `to`, or with what is youngest then.
    pub fn new(stream: impl Into<String>, to: Option<EntryId>) -> Self {
        Self { stream: stream.into(), next: Some(EntryId::default()), to, count: FIRST_PAGE }
    }

    /// The next page; empty at the end.
    ///
    /// # Redis
    /// `XRANGE` of at most 1,000 entries and, going by those before, about 1 MiB.
    pub async fn next(&mut self, session: &mut Session) -> Result<Vec<Entry>, Error> {
        let Some(from) = self.next else { return Ok(Vec::new()) };
        let page = range(session, &self.stream, from, self.to, self.count).await?;
        self.next = page.last().filter(|_| page.len() == self.count).map(|last| last.id.next());
        self.count = count_for(self.count, &page);
        Ok(page)
    }
}

/// How many entries the next page should have: never more than twice as many at once, because a
/// few small ones say little about what follows.
fn count_for(count: usize, page: &[Entry]) -> usize {
    let size = |entry: &Entry| -> usize {
        entry.fields.iter().map(|(name, value)| name.len() + value.len() + 16).sum()
    };
    let bytes: usize = page.iter().map(size).sum();
    let fitting = PAGE_BYTES.saturating_mul(page.len()).checked_div(bytes).unwrap_or(PAGE_ENTRIES);
    fitting.clamp(1, (count * 2).min(PAGE_ENTRIES))
}

/// Reads the youngest entries, youngest first, at most `count`, beginning below `before`.
///
/// # Redis
/// `XREVRANGE`.
pub async fn latest(
    session: &mut Session,
    stream: &str,
    before: Option<EntryId>,
    count: usize,
) -> Result<Vec<Entry>, Error> {
    let from = before.map_or_else(|| "+".to_owned(), |id| format!("({id}"));
    let mut command = cmd("XREVRANGE");
    command.arg(stream).arg(from).arg("-").arg("COUNT").arg(count);
    entries(stream, session.query("browse", stream, &command).await?)
}

/// Waits for entries after the given ids; empty when nothing came within `block`.
///
/// # Shapes and units
/// `positions`: stream and the last id seen in it; none = only what comes from now on.
/// # Errors
/// After any error open another reader.
/// # Redis
/// `XREAD BLOCK` on a connection of its own.
pub async fn follow(
    reader: &mut Reader,
    positions: &[(String, Option<EntryId>)],
    count: usize,
    block: Duration,
) -> Result<Vec<(String, Entry)>, Error> {
    let mut command = cmd("XREAD");
    command.arg("COUNT").arg(count).arg("BLOCK").arg(block.as_millis().max(1).to_string());
    command.arg("STREAMS");
    for (stream, _) in positions {
        command.arg(stream);
    }
    for (_, last) in positions {
        command.arg(last.map_or_else(|| "$".to_owned(), |id| id.to_string()));
    }
    let reply = match reader.query("follow", "", &command).await {
        Ok(reply) => reply,
        // A followed stream was deleted meanwhile: nothing new came.
        Err(error) if error.kind == ErrorKind::Missing => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let origin = Origin { operation: "follow", key: "" };
    let mut out = Vec::new();
    for (stream, rows) in origin.streams(reply)? {
        let stream = String::from_utf8_lossy(&stream).into_owned();
        for row in rows {
            let (id, fields) = origin.entry(row)?;
            out.push((stream.clone(), Entry { id, fields: fields.unwrap_or_default() }));
        }
    }
    Ok(out)
}

/// The id of the youngest entry ever added; none when the stream does not exist.
///
/// # Redis
/// `XINFO STREAM`.
pub async fn last_id(session: &mut Session, stream: &str) -> Result<Option<EntryId>, Error> {
    let mut command = cmd("XINFO");
    command.arg("STREAM").arg(stream);
    let reply = match session.query("browse", stream, &command).await {
        Ok(reply) => reply,
        Err(error) if error.kind == ErrorKind::Missing => return Ok(None),
        Err(error) => return Err(error),
    };
    let origin = Origin { operation: "browse", key: stream };
    for (name, value) in origin.map(reply)? {
        if name == "last-generated-id" {
            return origin.id(value).map(Some);
        }
    }
    Ok(None)
}

fn entries(stream: &str, reply: Value) -> Result<Vec<Entry>, Error> {
    let origin = Origin { operation: "browse", key: stream };
    let parse = |row| {
        let (id, fields) = origin.entry(row)?;
        Ok(Entry { id, fields: fields.unwrap_or_default() })
    };
    origin.array(reply)?.into_iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(entries: usize, bytes: usize) -> Vec<Entry> {
        let entry = || Entry { id: EntryId::at(1), fields: vec![(Vec::new(), vec![b'x'; bytes])] };
        (0..entries).map(|_| entry()).collect()
    }

    #[test]
    fn pages_are_as_long_as_their_entries_are_small() {
        assert_eq!(count_for(64, &page(64, 100)), 128, "not more than twice as many");
        assert_eq!(count_for(1_000, &page(1_000, 100)), 1_000);
        assert_eq!(count_for(64, &page(64, 1 << 20)), 1);
        assert_eq!(count_for(1, &page(1, 1 << 30)), 1, "one at least");
        assert_eq!(count_for(500, &page(0, 0)), 1_000);
    }
}
