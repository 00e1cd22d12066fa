//! The server's clock as one attempt sees it.
//!
//! Owns the translation between the server's milliseconds and this process' own moments. Made once
//! per attempt, when the window is opened; it never asks anybody for the time.

use std::time::Duration;

use printery_harness::Context;
use printery_harness::fleet::windows::{Found, Resumed};
use tokio::time::Instant;

/// The time of a window, counted from its beginning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Time {
    /// When the window began, the server's milliseconds.
    pub began_ms: u64,
    /// A moment of this process …
    known: Instant,
    /// … and how far the window was then.
    elapsed: Duration,
}

impl Time {
    /// Reads off a window that was just opened how far it is; `began`: when the attempt did.
    pub(crate) fn of(found: &Found, began: Instant, context: &Context) -> Self {
        let elapsed = match found.resumed {
            Resumed::No => Duration::ZERO,
            Resumed::Yes => {
                let at_start =
                    Duration::from_millis(context.started_ms.saturating_sub(found.began_ms));
                at_start + began.elapsed()
            }
        };
        Self { began_ms: found.began_ms, known: Instant::now(), elapsed }
    }

    /// Returns how far the window is now.
    pub(crate) fn now(&self) -> Duration {
        self.elapsed + self.known.elapsed()
    }

    /// Returns the server's time now, milliseconds since the epoch.
    pub(crate) fn now_ms(&self) -> u64 {
        self.began_ms.saturating_add(u64::try_from(self.now().as_millis()).unwrap_or(u64::MAX))
    }

    /// Returns the moment of this process at which the window is so far; the present for the past.
    pub(crate) fn instant(&self, at: Duration) -> Instant {
        self.known + at.saturating_sub(self.elapsed)
    }
}
