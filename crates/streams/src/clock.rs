//! The server's time as this process knows it, without asking for every event.
//!
//! Read from Redis now and then, carried on by the monotonic clock in between. The host's own
//! clock is never asked: hosts may disagree, and clocks may step.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::cmd;

use crate::connection::Session;
use crate::error::Error;
use crate::reply::Origin;

/// The server's clock. Cheap to clone; all clones agree.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    last: Arc<Mutex<Option<Reading>>>,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    server_ms: u64,
    at: Instant,
}

impl Clock {
    /// The server's time, milliseconds since the epoch; 0 before the first reading.
    pub fn now_ms(&self) -> u64 {
        self.reading().map_or(0, |reading| reading.at_instant(Instant::now()))
    }

    /// Reads the server's time; tells by how much it differs from what was expected.
    ///
    /// # Errors
    /// Those of any command; the clock goes on as before.
    /// # Redis
    /// `TIME`.
    pub async fn read(&self, session: &mut Session) -> Result<Duration, Error> {
        let before = Instant::now();
        let reply = session.query("read the time", "", &cmd("TIME")).await?;
        let origin = Origin { operation: "read the time", key: "" };
        let [seconds, micros] = origin.exactly(reply)?;
        let (seconds, micros) = (origin.count(&seconds)?, origin.count(&micros)?);
        // The reply was true somewhere between sending and receiving.
        let at = before + before.elapsed() / 2;
        Ok(self.observe(seconds.saturating_mul(1000).saturating_add(micros / 1000), at))
    }

    /// Takes a reading; gives the step against the previous one.
    fn observe(&self, server_ms: u64, at: Instant) -> Duration {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let step = last.map_or(0, |last| last.at_instant(at).abs_diff(server_ms));
        *last = Some(Reading { server_ms, at });
        Duration::from_millis(step)
    }

    fn reading(&self) -> Option<Reading> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading {
    fn at_instant(self, at: Instant) -> u64 {
        let elapsed = at.saturating_duration_since(self.at).as_millis();
        self.server_ms.saturating_add(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_server_is_noticed_and_followed() {
        let clock = Clock::default();
        let start = Instant::now();
        assert_eq!(clock.observe(1_000_000, start), Duration::ZERO);
        let later = start + Duration::from_secs(5);
        assert_eq!(clock.observe(1_005_000, later), Duration::ZERO);
        let hour = 3_600_000;
        let stepped = clock.observe(1_010_000 + hour, later + Duration::from_secs(5));
        assert_eq!(stepped, Duration::from_millis(hour));
        assert!(clock.now_ms() >= 1_010_000 + hour);
    }
}
