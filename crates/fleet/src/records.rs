//! The way to the records that belong to one partition's deployments, and to the fleet's own.
//!
//! The harness makes one per lane and lends it to handlers, which hand it to the files beside this
//! one. It never shows the connection itself: a handler writes records, and nothing else.

use std::time::Duration;

use printery_streams::{Error, Keys, Partition, Redis, Session};

/// How long a command may take where nobody says: that of a fleet with the default lease.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(2);

/// Where the records of a deployment are, and those of the fleet as a whole.
#[derive(Debug, Clone)]
pub struct Records {
    own: Partition,
    home: Partition,
}

impl Records {
    /// Names the deployment's partition and the fleet's; connects to nothing yet.
    pub fn of(own: &Partition, home: &Partition) -> Self {
        Self { own: own.clone(), home: home.clone() }
    }

    /// Names the one partition of a fleet by its address and prefix, as tools and tests know it.
    ///
    /// # Errors
    /// As [`Redis::try_new`]; connects to nothing yet.
    pub fn try_new(url: &str, prefix: &str) -> Result<Self, Error> {
        let keys = Keys::new(prefix);
        let only = Partition { keys, redis: Redis::try_new(url, COMMAND_TIMEOUT)? };
        Ok(Self::of(&only, &only))
    }

    /// The names of the deployment's keys.
    pub(crate) fn keys(&self) -> &Keys {
        &self.own.keys
    }

    /// Opens a session to the deployment's records; it connects when it is first used.
    pub(crate) fn session(&self) -> Session {
        self.own.redis.session()
    }

    /// The names of the fleet's own keys.
    pub(crate) fn home_keys(&self) -> &Keys {
        &self.home.keys
    }

    /// Opens a session to the fleet's own records; it connects when it is first used.
    pub(crate) fn home_session(&self) -> Session {
        self.home.redis.session()
    }
}
