//! One trouble with Redis from its first error to its end: how long to wait, what to say.
//!
//! Used by the worker loop; says the same thing once per step of the wait, not once per try.

use std::time::Duration;

use printery_streams::{Backoff, Error};
use tokio::time::Instant;

use crate::telemetry;

/// Work must resume at the latest 5 s after Redis answers again; one second is well below.
const WAIT: Backoff = Backoff { base: Duration::from_millis(50), cap: Duration::from_secs(1) };

/// A trouble that may or may not be on.
#[derive(Debug)]
pub(crate) struct Outage {
    worker: &'static str,
    since: Option<Instant>,
    tries: u32,
}

impl Outage {
    pub(crate) fn new(worker: &'static str) -> Self {
        Self { worker, since: None, tries: 0 }
    }

    /// How long to wait before the next try.
    pub(crate) fn next_wait(&mut self, error: &Error) -> Duration {
        self.since.get_or_insert_with(Instant::now);
        self.tries += 1;
        // Powers of two: one line for each step while the wait grows, then ever fewer.
        if self.tries.is_power_of_two() {
            tracing::warn!(%error, tries = self.tries, "Redis does not do what is asked; waiting");
        }
        WAIT.jittered(self.tries)
    }

    /// Notes that everything works again.
    pub(crate) fn over(&mut self) {
        if let Some(since) = self.since.take() {
            self.tries = 0;
            let seconds = since.elapsed().as_secs_f64();
            tracing::info!(seconds, "Redis does what is asked again");
            telemetry::reconnected(self.worker);
        }
    }
}
