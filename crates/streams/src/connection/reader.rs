//! A connection of its own for reads that block.
//!
//! Opened by the fetcher and used by nobody else: a command behind a blocked read would wait for it.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Value};

use super::Redis;
use super::node::Node;
use crate::error::{Error, ErrorKind};

/// A connection that blocks; used by one fetcher and never shared.
pub struct Reader {
    connection: MultiplexedConnection,
    redis: Redis,
    node: Arc<Node>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reader({:?})", self.redis)
    }
}

impl Reader {
    /// Opens it.
    ///
    /// # Redis
    /// Behind sentinels `ROLE`.
    pub(super) async fn open(redis: &Redis, block: Duration) -> Result<Self, Error> {
        // The server's timer follows its wall clock, which may step: two seconds past the promised
        // end the connection is given up.
        let (node, connection) = redis.dial(block + Duration::from_secs(2)).await?;
        Ok(Self { connection, redis: redis.clone(), node })
    }

    /// Sends one command that may block.
    ///
    /// # Errors
    /// [`ErrorKind::Unknown`]: it may have been executed. After any error that breaks a connection
    /// the reader is of no use any more.
    /// # Cancel safety
    /// Not cancel safe: a dropped future's command may still be executed.
    pub(crate) async fn query(
        &mut self,
        operation: &'static str,
        key: &str,
        cmd: &Cmd,
    ) -> Result<Value, Error> {
        if !self.redis.uses(&self.node) {
            let why = "the server has moved";
            return Err(Error::new(ErrorKind::Unavailable, operation, key, why));
        }
        let reply = cmd.query_async::<Value>(&mut self.connection).await;
        self.redis.observe(&self.node, &reply);
        reply.map_err(|error| Error::redis(operation, key, &error))
    }
}
