//! Follows event streams as they grow, in one partition or in all.
//!
//! `events tail`, `deploy` and the demo wait with it for what happens. It reads on connections of
//! its own, one for each partition, takes part in no group and changes nothing.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use printery_events::EventType;
use printery_streams::browse::{self, Entry};
use printery_streams::connection::Reader;
use printery_streams::{EntryId, Error, Partition, Redis};
use tokio::time::{Instant, timeout_at};

use crate::cli::sighting::Sighting;

/// Longest time that one read may wait; the connection is given up two seconds after it. 1 s.
const BLOCK: Duration = Duration::from_secs(1);
/// Entries of one read. Bounds memory, not what is seen: the next read goes on.
const PAGE: usize = 256;

/// Reads what is added to some event streams.
pub(crate) struct Follower {
    lanes: Vec<Lane>,
    /// Reads that wait; each gives its lane's place back.
    reads: FuturesUnordered<BoxFuture<'static, Read>>,
}

/// The streams of one partition, which one read waits for.
struct Lane {
    redis: Redis,
    state: State,
    /// Each stream's key and event type, and the last entry seen there.
    streams: Vec<(String, EventType, EntryId)>,
}

enum State {
    /// Nobody reads; the connection of the last read, where it is still good.
    Idle(Option<Reader>),
    /// A read waits, with the connection.
    Reading,
}

/// How a read of a lane ended.
struct Read {
    lane: usize,
    result: Result<(Reader, Vec<(String, Entry)>), Error>,
}

impl Follower {
    /// Begins behind the last entry of each stream.
    pub(crate) async fn from_now(
        partitions: impl IntoIterator<Item = &Partition>,
        types: &[EventType],
    ) -> Result<Self, Error> {
        let mut lanes = Vec::new();
        for partition in partitions {
            let mut session = partition.redis.session();
            let mut lane = Lane::new(partition, types, EntryId::default());
            for (key, _, last) in &mut lane.streams {
                // A stream that does not exist yet is followed from its beginning.
                *last = browse::last_id(&mut session, key).await?.unwrap_or_default();
            }
            lanes.push(lane);
        }
        Ok(Self { lanes, reads: FuturesUnordered::new() })
    }

    /// Begins with the entry `from` or the first after it.
    pub(crate) fn from_entry<'a>(
        partitions: impl IntoIterator<Item = &'a Partition>,
        types: &[EventType],
        from: EntryId,
    ) -> Self {
        let lane = |partition| Lane::new(partition, types, before(from));
        let lanes = partitions.into_iter().map(lane).collect();
        Self { lanes, reads: FuturesUnordered::new() }
    }

    /// Goes back to the entry `from` or the first after it, in every stream.
    pub(crate) fn rewind(&mut self, from: EntryId) {
        // With their connections: what they are about to give is read again.
        self.reads.clear();
        for lane in &mut self.lanes {
            lane.state = State::Idle(None);
            lane.streams.iter_mut().for_each(|(_, _, last)| *last = before(from));
        }
    }

    /// Waits up to `block` (1 s at most) for entries; gives what has come in the order of its
    /// being added. Between partitions that order holds for what one call gives.
    ///
    /// # Errors
    /// Those of a read; the next call opens another connection and goes on where this one was.
    /// # Cancel safety
    /// Cancel safe: what was not returned is read again.
    pub(crate) async fn next(&mut self, block: Duration) -> Result<Vec<Sighting>, Error> {
        let until = Instant::now() + block.min(BLOCK);
        loop {
            self.begin_reads();
            let Ok(Some(first)) = timeout_at(until, self.reads.next()).await else {
                return Ok(Vec::new());
            };
            let (mut seen, mut failed) = (Vec::new(), None);
            let mut ended = Some(first);
            // From here on nothing waits, so nothing that was taken can be lost.
            while let Some(read) = ended {
                failed = self.take(read, &mut seen).err().or(failed);
                ended = self.reads.next().now_or_never().flatten();
            }
            if !seen.is_empty() {
                seen.sort_by_key(Sighting::order);
                return Ok(seen);
            }
            if let Some(error) = failed {
                return Err(error);
            }
        }
    }

    fn begin_reads(&mut self) {
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            if let State::Idle(reader) = std::mem::replace(&mut lane.state, State::Reading) {
                let (redis, streams) = (lane.redis.clone(), &lane.streams);
                let positions: Vec<_> =
                    streams.iter().map(|(key, _, last)| (key.clone(), Some(*last))).collect();
                self.reads.push(Box::pin(async move {
                    Read { lane: index, result: read(redis, reader, &positions).await }
                }));
            }
        }
    }

    /// Takes what a read gave; its lane may be read again.
    fn take(&mut self, read: Read, seen: &mut Vec<Sighting>) -> Result<(), Error> {
        let Some(lane) = self.lanes.get_mut(read.lane) else { return Ok(()) };
        lane.state = State::Idle(None);
        let (reader, entries) = read.result?;
        // Only now: a connection that failed is not used again.
        lane.state = State::Idle(Some(reader));
        for (stream, entry) in entries {
            let place = lane.streams.iter_mut().find(|(key, _, _)| *key == stream);
            if let Some((_, event_type, last)) = place {
                *last = entry.id;
                seen.push(Sighting::read(event_type, &entry));
            }
        }
        Ok(())
    }
}

impl Lane {
    fn new(partition: &Partition, types: &[EventType], last: EntryId) -> Self {
        let stream = |event_type: &EventType| {
            (partition.keys.events(event_type.as_str()), event_type.clone(), last)
        };
        Self {
            redis: partition.redis.clone(),
            state: State::Idle(None),
            streams: types.iter().map(stream).collect(),
        }
    }
}

async fn read(
    redis: Redis,
    reader: Option<Reader>,
    positions: &[(String, Option<EntryId>)],
) -> Result<(Reader, Vec<(String, Entry)>), Error> {
    let mut reader = match reader {
        Some(reader) => reader,
        None => redis.reader(BLOCK).await?,
    };
    let entries = browse::follow(&mut reader, positions, PAGE, BLOCK).await?;
    Ok((reader, entries))
}

/// The position right before an entry: a read gives what comes behind a position.
fn before(entry: EntryId) -> EntryId {
    match entry {
        EntryId { ms: 0, seq: 0 } => EntryId::default(),
        EntryId { ms, seq: 0 } => EntryId { ms: ms - 1, seq: u64::MAX },
        EntryId { ms, seq } => EntryId { ms, seq: seq - 1 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_lies_right_before_its_entry() {
        for ms in [0, 1, 5] {
            for seq in [0, 1, 5] {
                let entry = EntryId { ms, seq };
                let position = before(entry);
                assert!(position < entry || entry == EntryId::default(), "{position} {entry}");
                assert!(position.next() == entry || seq == 0, "{position} {entry}");
            }
        }
    }
}
