//! How long to wait before the next try: doubling, capped, with jitter.
//!
//! Pure but for the dice; used for failed deliveries and for reconnecting.

use std::time::Duration;

use rand::RngExt;

/// Share of a delay by which it varies, so that many who failed together come back apart.
const JITTER: f64 = 0.2;

/// A doubling delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The delay after the first failure.
    pub base: Duration,
    /// The longest delay.
    pub cap: Duration,
}

impl Backoff {
    /// The delay after `failures` failures, without jitter; the first failure is 1.
    pub fn delay(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(30);
        self.base.saturating_mul(1 << doublings).min(self.cap)
    }

    /// The delay after `failures` failures, ±20 %.
    pub fn jittered(&self, failures: u32) -> Duration {
        let factor = rand::rng().random_range(1.0 - JITTER..=1.0 + JITTER);
        self.delay(failures).mul_f64(factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap() {
        let backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(60) };
        let seconds: Vec<u64> = (1..=8).map(|n| backoff.delay(n).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff.delay(u32::MAX), Duration::from_secs(60));
        assert_eq!(backoff.delay(0), Duration::from_secs(1));
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        let backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(60) };
        for _ in 0..200 {
            let delay = backoff.jittered(2).as_secs_f64();
            assert!((1.6..=2.4).contains(&delay), "{delay}");
        }
    }
}
