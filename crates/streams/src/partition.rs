//! The partitions of a fleet: which keys a deployment's events live under, and on which server.
//!
//! Made once at start by processes and commands, which then work on every partition alike. An
//! unpartitioned fleet is one partition under the plain prefix. Nothing here talks to Redis.

use std::time::Duration;

use crate::connection::{Bus, Redis};
use crate::error::Error;
use crate::keys::Keys;

/// The keys of one partition, and where they are.
#[derive(Debug, Clone)]
pub struct Partition {
    /// The names of its keys.
    pub keys: Keys,
    /// The server that has them.
    pub redis: Redis,
}

/// All partitions of a fleet; at least one.
#[derive(Debug, Clone)]
pub struct Partitions {
    home: Partition,
    others: Vec<Partition>,
}

impl Partitions {
    /// Names the partitions and where they are; connects to nothing yet.
    ///
    /// # Shapes and units
    /// `partitions`: none is a fleet under the plain prefix; 3 is one under `{prefix.0}`,
    /// `{prefix.1}` and `{prefix.2}`.
    /// # Errors
    /// As [`Redis::try_new`].
    pub fn try_new(
        bus: impl Into<Bus>,
        prefix: &str,
        partitions: Option<u16>,
        command_timeout: Duration,
    ) -> Result<Self, Error> {
        let redis = Redis::try_new(bus, command_timeout)?;
        let mut all = prefixes(prefix, partitions).into_iter().map(|prefix| {
            let keys = Keys::new(prefix);
            redis.holding(&keys).map(|redis| Partition { keys, redis })
        });
        let home = match all.next() {
            Some(home) => home?,
            None => Partition { keys: Keys::new(prefix), redis: redis.clone() },
        };
        Ok(Self { home, others: all.collect::<Result<_, _>>()? })
    }

    /// Every partition, the first one first.
    pub fn all(&self) -> impl ExactSizeIterator<Item = &Partition> {
        Chained { first: Some(&self.home), rest: self.others.iter() }
    }

    /// The partition with what belongs to the fleet as a whole: instances, controls, records of
    /// what people did.
    pub fn home(&self) -> &Partition {
        &self.home
    }

    /// The partition that all events of a deployment live in.
    pub fn of(&self, subject: &str) -> &Partition {
        let place = place(subject, self.others.len() + 1);
        place.checked_sub(1).and_then(|index| self.others.get(index)).unwrap_or(&self.home)
    }
}

/// The home partition and then the others; knows how many they are.
struct Chained<'a> {
    first: Option<&'a Partition>,
    rest: std::slice::Iter<'a, Partition>,
}

impl<'a> Iterator for Chained<'a> {
    type Item = &'a Partition;

    fn next(&mut self) -> Option<Self::Item> {
        self.first.take().or_else(|| self.rest.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::from(self.first.is_some()) + self.rest.len();
        (left, Some(left))
    }
}

impl ExactSizeIterator for Chained<'_> {}

/// The prefixes of a fleet's partitions; a hash tag that the prefix carries already is kept.
pub fn prefixes(prefix: &str, partitions: Option<u16>) -> Vec<String> {
    let Some(partitions) = partitions else { return vec![prefix.to_owned()] };
    let bare = prefix.trim_start_matches('{').trim_end_matches('}');
    (0..partitions).map(|index| format!("{{{bare}.{index}}}")).collect()
}

/// Which of `partitions` a deployment lives in: CRC-32 of its id, modulo their number. Part of the
/// contract with producers that write to Redis themselves (`zlib.crc32(id) % n`).
pub fn place(subject: &str, partitions: usize) -> usize {
    let sum = usize::try_from(crc32(subject.as_bytes())).unwrap_or(0);
    sum.checked_rem(partitions).unwrap_or(0)
}

/// CRC-32 as of ISO-HDLC (zlib, PNG, Ethernet); ids are short, so no table is worth its memory.
fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            let carry = sum & 1;
            sum = (sum >> 1) ^ (0xEDB8_8320 & carry.wrapping_neg());
        }
    }
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unpartitioned_fleet_keeps_its_prefix() {
        assert_eq!(prefixes("materi", None), ["materi"]);
        assert_eq!(prefixes("{materi}", None), ["{materi}"]);
    }

    #[test]
    fn partitions_have_the_hash_tags_of_the_contract() {
        for prefix in ["materi", "{materi}"] {
            assert_eq!(prefixes(prefix, Some(3)), ["{materi.0}", "{materi.1}", "{materi.2}"]);
        }
        assert_eq!(prefixes("materi", Some(1)), ["{materi.0}"]);
    }

    #[test]
    fn a_deployment_is_placed_as_every_crc32_places_it() {
        // The check value of CRC-32/ISO-HDLC, and two from Python's zlib.
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
        assert_eq!(crc32(b"d-1"), 3_245_072_443);
        assert_eq!(place("d-1", 3), 1);
    }

    #[test]
    fn every_partition_is_found_by_some_deployment_and_always_the_same() {
        let fleet =
            Partitions::try_new("redis://localhost", "materi", Some(3), Duration::from_secs(1))
                .unwrap();
        let named = |subject: &str| fleet.of(subject).keys.prefix().to_owned();
        let mut seen: Vec<String> = (0..50).map(|n| named(&format!("d-{n}"))).collect();
        assert_eq!(named("d-7"), named("d-7"));
        seen.sort();
        seen.dedup();
        assert_eq!(seen, ["{materi.0}", "{materi.1}", "{materi.2}"]);
        assert_eq!(fleet.all().len(), 3);
        assert_eq!(fleet.home().keys.prefix(), "{materi.0}");
    }
}
