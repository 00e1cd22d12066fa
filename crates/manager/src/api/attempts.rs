//! Counts tokens that were wrong, so that guessing is slow.
//!
//! The guard tells it of every failure and asks it before it looks at a token. It is kept in
//! memory, bounded, and forgets by itself.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Wrong tokens that an address may send within [`WINDOW`]. 10: a person who mistypes needs three.
const ALLOWED: u32 = 10;
/// How long failures count. 60 s: guessing is down to ten a minute, and who waits is let in again.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are remembered; beyond them the oldest is forgotten. 1,024, some 100 kB.
const REMEMBERED: usize = 1_024;

/// Failures by address.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    failures: Mutex<HashMap<IpAddr, (u32, Instant)>>,
}

impl Attempts {
    /// How long an address is still to wait; none when it may try.
    pub(crate) fn barred(&self, peer: IpAddr, now: Instant) -> Option<Duration> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, since) = failures.get(&peer)?;
        let left = (*since + WINDOW).saturating_duration_since(now);
        (*count >= ALLOWED && !left.is_zero()).then_some(left)
    }

    /// Notes a wrong token.
    pub(crate) fn failed(&self, peer: IpAddr, now: Instant) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|_, (_, since)| now < *since + WINDOW);
        if failures.len() >= REMEMBERED && !failures.contains_key(&peer) {
            let oldest = failures.iter().min_by_key(|(_, (_, since))| *since);
            let oldest = oldest.map(|(peer, _)| *peer);
            oldest.and_then(|peer| failures.remove(&peer));
        }
        let (count, _) = failures.entry(peer).or_insert((0, now));
        *count = count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_wrong_tokens_bar_their_address_for_a_minute() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap());
        for _ in 0..ALLOWED {
            assert_eq!(attempts.barred(one, now), None);
            attempts.failed(one, now);
        }
        assert_eq!(attempts.barred(one, now), Some(WINDOW));
        assert_eq!(attempts.barred(other, now), None);
        assert_eq!(attempts.barred(one, now + WINDOW), None);
        attempts.failed(one, now + WINDOW);
        assert_eq!(attempts.barred(one, now + WINDOW), None, "the count began anew");
    }

    #[test]
    fn addresses_without_number_are_not_remembered() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for n in 0..5_000_u32 {
            attempts.failed(IpAddr::from(n.to_be_bytes()), now);
        }
        assert_eq!(attempts.failures.lock().unwrap().len(), REMEMBERED);
    }
}
