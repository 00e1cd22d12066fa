//! Telling one receiver, with a few repetitions.
//!
//! Owns the loop around `Receiver::tell`, bounded in number and time. The handler runs one for
//! each receiver at once. Never decides what an event as a whole has come to.

use std::time::Duration;

use printery_config::Notifier as Policy;
use printery_notices::{Receiver, Telling, Verdict};
use tokio::time::{Instant, sleep};

/// What telling one receiver has come to.
#[derive(Debug)]
pub(crate) struct Sending<'a> {
    pub(crate) receiver: &'a Receiver,
    pub(crate) verdict: Verdict,
    /// Requests made.
    pub(crate) tries: u32,
}

/// Tells one receiver, and again while it says "later", within the policy and the deadline.
///
/// `now_ms` is the time at which the call begins, by the server's clock.
/// # Cancel safety
/// As cancel safe as one request: the receiver may have it although nobody heard the answer.
pub(crate) async fn send<'a>(
    receiver: &'a Receiver,
    telling: Telling<'_>,
    policy: &Policy,
    now_ms: u64,
    deadline: Instant,
) -> Sending<'a> {
    let begun = Instant::now();
    let mut tries = 0;
    loop {
        tries += 1;
        let elapsed = u64::try_from(begun.elapsed().as_millis()).unwrap_or_default();
        let timestamp = now_ms.saturating_add(elapsed) / 1000;
        let verdict = receiver.tell(Telling { timestamp, ..telling }).await;
        let after = match &verdict {
            Verdict::Later { after, .. } => *after,
            Verdict::Told | Verdict::Never { .. } => return Sending { receiver, verdict, tries },
        };
        match pause(tries, after, policy) {
            // A request that the deadline would cut off is better left to the next attempt.
            Some(wait) if Instant::now() + wait + policy.timeout < deadline => sleep(wait).await,
            Some(_) | None => return Sending { receiver, verdict, tries },
        }
    }
}

/// Returns how long to wait before the next request, or `None` when it is not repeated here.
fn pause(tries: u32, after: Option<Duration>, policy: &Policy) -> Option<Duration> {
    if tries >= policy.attempts {
        return None;
    }
    match after {
        Some(asked) if asked > policy.backoff_cap => None,
        Some(asked) => Some(asked),
        None => {
            let doubled = 1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX);
            Some(policy.backoff_base.saturating_mul(doubled).min(policy.backoff_cap))
        }
    }
}
