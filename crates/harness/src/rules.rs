//! How deliveries are owned, retried and given up, and what follows from it.
//!
//! Read by every loop of a worker process; made by [`crate::settings`], changed by nobody.

use std::time::Duration;

use printery_streams::Backoff;
use printery_streams::reclaim::ReclaimPolicy;

/// How deliveries are owned, retried and given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliverySettings {
    /// How long an entry stays with a silent owner.
    pub lease: Duration,
    /// How often leases are renewed.
    pub renew_every: Duration,
    /// How often abandoned entries are looked for.
    pub sweep_every: Duration,
    /// How long one attempt may take.
    pub handler_timeout: Duration,
    /// Failed attempts before an entry is dead-lettered.
    pub max_attempts: u32,
    /// Wait between attempts.
    pub backoff: Backoff,
    /// How long a settled event id is remembered; zero = not at all.
    pub dedupe_window: Duration,
    /// Deaths of owners after which an entry is not run again.
    pub poison_after: u32,
}

impl DeliverySettings {
    /// How long a short Redis command may take: several must fit into a lease.
    pub fn command_timeout(&self) -> Duration {
        (self.lease / 4).clamp(Duration::from_millis(200), Duration::from_secs(2))
    }

    /// How long a settled event id is remembered, in milliseconds, as the scripts take it.
    pub fn dedupe_ms(&self) -> u64 {
        millis(self.dedupe_window)
    }

    /// The lease in milliseconds, as the scripts take it.
    pub fn lease_ms(&self) -> u64 {
        millis(self.lease)
    }

    /// How long before the lease's end a worker stops trusting it: one command and 5 % of drift.
    pub fn margin(&self) -> Duration {
        (self.command_timeout() + self.lease / 20).min(self.lease / 2)
    }

    /// When an entry counts as abandoned, suspect and poison.
    pub fn reclaim_policy(&self) -> ReclaimPolicy {
        ReclaimPolicy {
            lease: self.lease,
            // An entry whose owner died twice runs alone from then on, so that a poisonous one
            // cannot take its neighbours with it.
            suspect_at: u64::from(self.poison_after.saturating_sub(1).max(1)),
            poison_at: u64::from(self.poison_after),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
