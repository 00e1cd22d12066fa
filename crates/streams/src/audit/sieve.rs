//! Finds what occurs more than once among millions, in memory that does not grow.
//!
//! Pure. A Bloom filter: what it has not seen is new for certain, what it says to have seen is a
//! suspect that a second reading clears or confirms.

/// Bits of one sieve: 16 MiB. Of eight million different values at most 0.3 % are suspected.
const BITS: u64 = 1 << 27;

/// Places that one value marks.
const MARKS: u64 = 4;

/// A set that may take a new value for one it has seen, and never the other way round.
#[derive(Debug)]
pub struct Sieve {
    words: Vec<u64>,
}

impl Default for Sieve {
    fn default() -> Self {
        Self { words: vec![0; usize::try_from(BITS / 64).unwrap_or(0)] }
    }
}

impl Sieve {
    /// Different values of which one sieve suspects few; more are read in several passes.
    pub const CAPACITY: u64 = 8_000_000;

    /// A value's number; equal for equal values, and as good as never for others.
    pub fn number(parts: &[&[u8]]) -> u64 {
        // FNV-1a, then a mix that spreads it over all bits: ids often differ in their last digits
        // only. No standard hasher is promised to stay the same.
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for part in parts {
            for byte in part.iter().chain(&[0xff]) {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        mix(hash)
    }

    /// Remembers a number; true when it may have been there before.
    pub fn insert(&mut self, number: u64) -> bool {
        let (mut at, step) = (number, mix(number ^ 0x9e37_79b9_7f4a_7c15) | 1);
        let mut all = true;
        for _ in 0..MARKS {
            let bit = at % BITS;
            if let Some(word) = usize::try_from(bit / 64).ok().and_then(|i| self.words.get_mut(i)) {
                let mask = 1 << (bit % 64);
                all &= *word & mask != 0;
                *word |= mask;
            }
            at = at.wrapping_add(step);
        }
        all
    }

    /// Forgets everything and keeps its memory.
    pub fn clear(&mut self) {
        self.words.fill(0);
    }
}

/// The finaliser of `SplitMix64`.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_always_suspected_and_what_was_not_hardly_ever() {
        let number = |n: u32| Sieve::number(&[format!("id-{n}").as_bytes()]);
        let mut sieve = Sieve::default();
        let suspected = (0..200_000).filter(|n| sieve.insert(number(*n))).count();
        assert!(suspected < 5, "{suspected} of 200,000 different ids");
        assert!((0..200_000).step_by(97).all(|n| sieve.insert(number(n))));
        sieve.clear();
        assert!(!sieve.insert(number(7)));
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(Sieve::number(&[b"ab", b"c"]), Sieve::number(&[b"a", b"bc"]));
        assert_eq!(Sieve::number(&[b"ab", b"c"]), Sieve::number(&[b"ab", b"c"]));
    }
}
