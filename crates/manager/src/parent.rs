//! Tells the manager's own service manager how it is, by the `sd_notify` protocol.
//!
//! The supervisor's loop calls it on every turn, so that a watchdog ping proves that loop alive.
//! Without a `NOTIFY_SOCKET` nothing is said; children never inherit that socket.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::roll::Roll;

/// The service manager above this process, such as systemd with `Type=notify`.
#[derive(Debug)]
pub(crate) struct Parent {
    ping_every: Option<Duration>,
    next_ping: Option<Instant>,
    said: Said,
    status: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Nothing,
    Ready,
    Stopping,
}

impl Parent {
    /// Reads from the environment what the service manager wants to hear.
    pub(crate) fn from_environment(now: Instant) -> Self {
        // Half of the limit is what sd_watchdog_enabled(3) recommends.
        let ping_every = sd_notify::watchdog_enabled().map(|limit| limit / 2);
        Self {
            ping_every,
            next_ping: ping_every.map(|_| now),
            said: Said::Nothing,
            status: String::new(),
        }
    }

    /// When [`Parent::tell`] must be called at the latest.
    pub(crate) fn next_ping(&self) -> Option<Instant> {
        self.next_ping
    }

    /// Says what is new: ready, stopping, a changed status, or just being alive.
    pub(crate) fn tell(&mut self, roll: &Roll, now: Instant) {
        let status = roll.sentence();
        let mut news = Vec::new();
        if self.said < Said::Ready && roll.start_is_over() {
            news.push(NotifyState::Ready);
            self.said = Said::Ready;
        }
        if self.said < Said::Stopping && roll.draining {
            news.push(NotifyState::Stopping);
            self.said = Said::Stopping;
        }
        if self.next_ping.is_some_and(|due| now >= due) {
            news.push(NotifyState::Watchdog);
            self.next_ping = self.ping_every.map(|every| now + every);
        }
        if status != self.status {
            news.push(NotifyState::Status(&status));
        }
        if !news.is_empty()
            && let Err(error) = sd_notify::notify(&news)
        {
            tracing::debug!(%error, "service manager not told");
        }
        self.status = status;
    }
}
