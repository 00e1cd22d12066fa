//! Telling one receiver, with a few repetitions.
//!
//! Owns the loop around `Receiver::tell`, bounded in number and time. The handler runs one for
//! each receiver at once. Never decides what an event as a whole has come to.

use printery_config::Notifier as Policy;
use tokio::time::{Instant, sleep};

use crate::receiver::{Receiver, Telling};
use crate::verdict::{Verdict, pause};

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
