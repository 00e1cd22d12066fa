//! What a worker implements: one event in, effects or a refusal out.
//!
//! A worker crate writes a [`Handler`]; the executor calls it once per attempt and turns what it
//! says into one write. A handler never acknowledges, retries or publishes by itself.

use std::future::Future;
use std::time::Duration;

use printery_events::{Event, Payload};
use printery_fleet::Records;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a handler rests that Redis does not serve. 1 s: an outage is mostly over by then, and a
/// longer one costs a look a second.
const WITHOUT_REDIS: Duration = Duration::from_secs(1);

/// A worker's own part of the job.
pub trait Handler: Send + Sync + 'static {
    /// Whether it never blocks its thread, not even for a moment: it is then begun where its entry
    /// was read, and needs no task of its own unless it waits. One that blocks all the same delays
    /// every other entry of its process, and the process' end.
    const PROMPT: bool = false;

    /// Names the event that says an attempt begins; published once per attempt, before
    /// [`Handler::handle`] is called, and not bound to its outcome.
    fn announce(&self, event: &Event, attempt: u32) -> Option<Payload> {
        let _ = (event, attempt);
        None
    }

    /// Does the worker's job for one event.
    ///
    /// # Cancel safety
    /// The future is dropped when the attempt's time is over, when another process has taken the
    /// entry, and when the shutdown deadline has passed; what it holds must survive that.
    fn handle(&self, event: &Event, context: &Context) -> impl Future<Output = Outcome> + Send;
}

/// What the handler says: what is to be published, or why it cannot be done.
pub type Outcome = Result<Effects, Refusal>;

/// What one attempt may know about itself.
#[derive(Debug, Clone)]
pub struct Context {
    /// How often a handler has been started for this entry; the first is 1.
    pub attempt: u32,
    /// When the attempt is cut off and counts as failed.
    pub deadline: Instant,
    /// Fires when the work is no longer wanted; the future is dropped right after.
    pub cancelled: CancellationToken,
    /// The server's time when the attempt began, milliseconds since the epoch.
    pub started_ms: u64,
    /// How the attempt's own process is called: the consumer's name.
    pub instance: String,
    /// The way to the records in Redis that belong to the event's deployment.
    pub records: Records,
}

/// What a commit publishes together with the acknowledgement.
#[derive(Debug, Default)]
pub struct Effects {
    pub(crate) publications: Vec<(Payload, String)>,
}

impl Effects {
    /// Acknowledges and publishes nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Publishes one event.
    pub fn publish(payload: impl Into<Payload>) -> Self {
        Self::none().and(payload)
    }

    /// Publishes one more event; two of one type need [`Effects::and_keyed`].
    #[must_use]
    pub fn and(self, payload: impl Into<Payload>) -> Self {
        self.and_keyed(payload, "")
    }

    /// Publishes one more event whose id also depends on `key`, such as the receiver's name.
    #[must_use]
    pub fn and_keyed(mut self, payload: impl Into<Payload>, key: impl Into<String>) -> Self {
        self.publications.push((payload.into(), key.into()));
        self
    }

    /// The events to publish, for tests of handlers.
    pub fn payloads(&self) -> impl Iterator<Item = &Payload> {
        self.publications.iter().map(|(payload, _)| payload)
    }
}

/// Why a handler could not do its job. A failed *check* is not a refusal but a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// A short stable word for metrics and fingerprints, such as `redis_unavailable`.
    pub code: &'static str,
    /// One sentence for people.
    pub sentence: String,
    /// What is to happen with the entry.
    pub wish: Wish,
}

/// What the handler wants to happen after a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Try again after the policy's backoff; uses an attempt.
    Retry,
    /// Try again after the time that the other side asked for; uses no attempt.
    RetryAfter(Duration),
    /// Never try again: it goes to the dead letters at once.
    Reject,
}

impl Refusal {
    /// Asks for another attempt after the backoff.
    pub fn retry(code: &'static str, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into(), wish: Wish::Retry }
    }

    /// Says that a record in Redis could not be read or written: not the event's fault, so it is
    /// tried again in a second and uses no attempt.
    pub fn without_redis(sentence: impl Into<String>) -> Self {
        Self::retry_after("redis_unavailable", sentence, WITHOUT_REDIS)
    }

    /// Asks for another attempt after a time that the other side named; uses no attempt.
    pub fn retry_after(code: &'static str, sentence: impl Into<String>, after: Duration) -> Self {
        Self { code, sentence: sentence.into(), wish: Wish::RetryAfter(after) }
    }

    /// Says that no attempt can ever succeed.
    pub fn reject(code: &'static str, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into(), wish: Wish::Reject }
    }
}
