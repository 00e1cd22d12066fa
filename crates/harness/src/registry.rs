//! What this process holds: every fence from the moment it is received until it is settled.
//!
//! The worker loop puts fences in, the lease keeper renews them, and their [`Holding`] takes them
//! out when it is dropped. One entry is never held twice by one process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use printery_streams::{EntryId, Fence};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Everything this process holds. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registry {
    held: Arc<Mutex<Holdings>>,
}

/// By stream and entry.
type Holdings = BTreeMap<(Arc<str>, EntryId), Held>;

#[derive(Debug)]
struct Held {
    count: u64,
    /// Until when nobody else can own it, by this process' own clock.
    safe_until: Instant,
    lost: CancellationToken,
}

impl Registry {
    /// Puts a fence in; none when its entry is held already.
    pub(crate) fn hold(&self, fence: &Fence, safe_until: Instant) -> Option<Holding> {
        let place = (Arc::clone(&fence.stream), fence.entry);
        let mut held = self.lock();
        if held.contains_key(&place) {
            return None;
        }
        let lost = CancellationToken::new();
        held.insert(place, Held { count: fence.count, safe_until, lost: lost.clone() });
        Some(Holding { registry: self.clone(), fence: fence.clone(), lost })
    }

    /// How many fences are held.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// The entries of a stream that are held.
    pub(crate) fn entries_of(&self, stream: &str) -> Vec<EntryId> {
        let held = self.lock();
        held.keys().filter(|(key, _)| **key == *stream).map(|(_, entry)| *entry).collect()
    }

    /// The fences of these streams, grouped by stream and ascending within it.
    pub(crate) fn fences(&self, streams: &[String]) -> Vec<Vec<Fence>> {
        let mut groups: Vec<Vec<Fence>> = Vec::new();
        for ((stream, entry), held) in self.lock().iter() {
            if !streams.iter().any(|known| **known == **stream) {
                continue;
            }
            let fence = Fence { stream: Arc::clone(stream), entry: *entry, count: held.count };
            match groups.last_mut() {
                Some(group) if group.first().is_some_and(|first| first.stream == *stream) => {
                    group.push(fence);
                }
                _ => groups.push(vec![fence]),
            }
        }
        groups
    }

    /// Notes that a lease was renewed.
    pub(crate) fn renewed(&self, fence: &Fence, safe_until: Instant) {
        let place = (Arc::clone(&fence.stream), fence.entry);
        if let Some(held) = self.lock().get_mut(&place) {
            held.safe_until = safe_until;
        }
    }

    /// Notes that somebody else owns an entry: whoever works on it stops.
    pub(crate) fn lost(&self, fence: &Fence) {
        let place = (Arc::clone(&fence.stream), fence.entry);
        if let Some(held) = self.lock().get(&place) {
            held.lost.cancel();
        }
    }

    /// Stops work on everything that somebody else may own by now; gives how many there were.
    pub(crate) fn expire(&self, now: Instant) -> usize {
        let held = self.lock();
        let expired =
            held.values().filter(|held| held.safe_until <= now && !held.lost.is_cancelled());
        expired.map(|held| held.lost.cancel()).count()
    }

    fn lock(&self) -> MutexGuard<'_, Holdings> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Holds one fence; dropping it lets go.
#[derive(Debug)]
pub(crate) struct Holding {
    registry: Registry,
    fence: Fence,
    lost: CancellationToken,
}

impl Holding {
    /// Fires when somebody else owns the entry, or may.
    pub(crate) fn lost(&self) -> &CancellationToken {
        &self.lost
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let place = (Arc::clone(&self.fence.stream), self.fence.entry);
        self.registry.lock().remove(&place);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn fence(stream: &str, ms: u64) -> Fence {
        Fence { stream: stream.into(), entry: EntryId::at(ms), count: 1 }
    }

    #[test]
    fn an_entry_is_never_held_twice() {
        let registry = Registry::default();
        let until = Instant::now() + Duration::from_secs(1);
        let holding = registry.hold(&fence("s", 1), until).unwrap();
        let again = Fence { count: 2, ..fence("s", 1) };
        assert!(registry.hold(&again, until).is_none());
        drop(holding);
        assert!(registry.hold(&again, until).is_some());
    }

    #[test]
    fn an_expired_lease_stops_its_work_once() {
        let registry = Registry::default();
        let now = Instant::now();
        let early = registry.hold(&fence("s", 1), now).unwrap();
        let late = registry.hold(&fence("s", 2), now + Duration::from_secs(9)).unwrap();
        assert_eq!(registry.expire(now), 1);
        assert_eq!(registry.expire(now), 0);
        assert!(early.lost().is_cancelled() && !late.lost().is_cancelled());
    }

    #[test]
    fn fences_come_by_stream_and_ascending() {
        let registry = Registry::default();
        let until = Instant::now();
        let _held: Vec<_> = [("b", 2), ("a", 9), ("b", 1), ("other lane", 3)]
            .map(|(stream, ms)| registry.hold(&fence(stream, ms), until))
            .into();
        let groups = registry.fences(&["a".to_owned(), "b".to_owned()]);
        let shown: Vec<Vec<u64>> =
            groups.iter().map(|group| group.iter().map(|f| f.entry.ms).collect()).collect();
        assert_eq!(shown, [vec![9], vec![1, 2]]);
    }
}
