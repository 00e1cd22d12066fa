//! The way to the records that belong to one partition's deployments.
//!
//! The harness makes one per lane and lends it to handlers, which hand it to the files beside this
//! one. It never shows the connection itself: a handler writes records, and nothing else.

use std::time::Duration;

use printery_streams::{Error, Keys, Redis, Session};

/// How long a command may take where nobody says: that of a fleet with the default lease.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(2);

/// Where the records of a deployment are.
#[derive(Debug, Clone)]
pub struct Records {
    keys: Keys,
    redis: Redis,
}

impl Records {
    /// Names the partition; connects to nothing yet.
    pub fn new(keys: Keys, redis: Redis) -> Self {
        Self { keys, redis }
    }

    /// Names the partition by its address and prefix, as tools and tests know it.
    ///
    /// # Errors
    /// As [`Redis::try_new`]; connects to nothing yet.
    pub fn try_new(url: &str, prefix: &str) -> Result<Self, Error> {
        Ok(Self::new(Keys::new(prefix), Redis::try_new(url, COMMAND_TIMEOUT)?))
    }

    /// The names of its keys.
    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Opens a session; it connects when it is first used.
    pub(crate) fn session(&self) -> Session {
        self.redis.session()
    }
}
