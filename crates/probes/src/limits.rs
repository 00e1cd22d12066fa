//! How long a probe may take and how often it may try; the nesting of its deadlines.
//!
//! Workers fill it from the fleet file; the retry loop and the protocol files read it. It owns no clock.

use std::time::Duration;

use printery_config::{IpFamily, RetryOn};

use crate::retry;

/// Time limits of one check, each of which contains the next, and what is tried again and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The whole check with its retries and waits. 10 s.
    pub check: Duration,
    /// One attempt, from the first packet to the last byte of the answer. 5 s.
    pub attempt: Duration,
    /// Reaching the target within an attempt: name and TCP handshake. 2 s.
    pub connect: Duration,
    /// Attempts at most, 1..=3; only transient trouble is tried again. 3.
    pub attempts: u32,
    /// Which of a name's addresses are asked. Any.
    pub ip: IpFamily,
    /// Final answers that are tried again like transient trouble. None.
    pub retry_on: RetryOn,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            check: Duration::from_secs(10),
            attempt: Duration::from_secs(5),
            connect: Duration::from_secs(2),
            attempts: 3,
            ip: IpFamily::Any,
            retry_on: RetryOn::NONE,
        }
    }
}

impl Limits {
    /// Makes limits from those of one attempt; the whole check gets room for all of them and the waits between.
    pub fn new(attempt: Duration, connect: Duration, attempts: u32) -> Self {
        let check = attempt.saturating_mul(attempts.max(1)) + retry::longest_waits(attempts);
        let connect = connect.min(attempt);
        Self { check, attempt, connect, attempts, ..Self::default() }
    }

    /// Returns the same limits for one attempt only, as a sampler that repeats by itself wants it.
    #[must_use]
    pub fn once(self) -> Self {
        Self { attempts: 1, ..self }
    }

    /// Returns the same limits, none of them longer than what remains for the caller.
    #[must_use]
    pub fn within(self, remaining: Duration) -> Self {
        let check = self.check.min(remaining);
        let attempt = self.attempt.min(check);
        Self { check, attempt, connect: self.connect.min(attempt), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_nest_whatever_remains() {
        for remaining in [0, 1, 1_500, 4_000, 60_000].map(Duration::from_millis) {
            let limits = Limits::default().within(remaining);
            assert!(limits.connect <= limits.attempt);
            assert!(limits.attempt <= limits.check);
            assert!(limits.check <= remaining);
        }
    }
}
