//! The connection that the owner of a loop keeps for its short commands.
//!
//! Replaced when it breaks and when the server moved. Nothing here repeats a command by itself:
//! whether a lost reply may be asked for again is the caller's matter.

use std::sync::Arc;

use deadpool_redis::Connection;
use redis::{Cmd, Pipeline, RedisError, Value, cmd};

use super::Redis;
use super::node::Node;
use crate::error::{Error, ErrorKind};
use crate::reply::Origin;
use crate::script::Call;

/// Names the operation of errors that say that a write is not confirmed.
const CONFIRM: &str = "confirm";

/// A pooled connection that its owner keeps, replaced when it breaks.
///
/// Keeping it saves the pool's check (two commands) before every single call.
#[derive(Debug)]
pub struct Session {
    redis: Redis,
    kept: Option<Kept>,
}

struct Kept {
    connection: Connection,
    node: Arc<Node>,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept")
    }
}

impl Session {
    pub(super) fn new(redis: Redis) -> Self {
        Self { redis, kept: None }
    }

    /// The server this session talks to.
    pub fn redis(&self) -> &Redis {
        &self.redis
    }

    /// Sends one command.
    ///
    /// # Errors
    /// [`ErrorKind::Unknown`]: it may have been executed; only repeat what is idempotent.
    /// # Cancel safety
    /// Not cancel safe: a dropped future's command may still be executed.
    pub async fn query(
        &mut self,
        operation: &'static str,
        key: &str,
        cmd: &Cmd,
    ) -> Result<Value, Error> {
        let kept = self.kept().await?;
        let reply = cmd.query_async::<Value>(&mut kept.connection).await;
        #[cfg(feature = "faults")]
        crate::faults::crash_at("after", operation);
        self.judge(operation, key, reply)
    }

    /// Sends several commands in one round trip; a failing one fails the call.
    pub async fn pipeline(
        &mut self,
        operation: &'static str,
        key: &str,
        pipeline: &Pipeline,
    ) -> Result<Vec<Value>, Error> {
        let kept = self.kept().await?;
        let reply = pipeline.query_async::<Vec<Value>>(&mut kept.connection).await;
        self.judge(operation, key, reply)
    }

    /// Runs a script by its digest, loading it where the server does not know it.
    pub(crate) async fn run(&mut self, call: &Call) -> Result<Value, Error> {
        #[cfg(feature = "faults")]
        crate::faults::crash_at("before", call.operation());
        let connection = &mut self.kept().await?.connection;
        let mut reply = call.command().query_async::<Value>(connection).await;
        if reply.as_ref().is_err_and(|error| error.code() == Some("NOSCRIPT")) {
            reply = match call.load().query_async::<Value>(connection).await {
                Ok(_digest) => call.command().query_async::<Value>(connection).await,
                Err(error) => Err(error),
            };
        }
        #[cfg(feature = "faults")]
        crate::faults::crash_at("after", call.operation());
        self.judge(call.operation(), call.key(), reply)
    }

    /// Waits until what this session wrote last has come as far as the fleet's durability asks
    /// for; does nothing where it asks for nothing.
    ///
    /// # Errors
    /// The write stands in Redis, but was not confirmed in time; [`Error::is_unconfirmed`].
    /// # Cancel safety
    /// Cancel safe: nothing is written.
    /// # Redis
    /// `WAIT` or `WAITAOF`, once for everything written on this connection so far. Blocks the
    /// session for the durability's timeout at most, and never longer than a command may take.
    pub async fn confirm(&mut self) -> Result<(), Error> {
        let Some(durability) = self.redis.durability() else { return Ok(()) };
        let unconfirmed = |why: String| {
            let why = format!("written, but not known to have reached {durability}: {why}");
            Error::new(ErrorKind::Unknown, CONFIRM, "", why)
        };
        // Another connection would answer for its own writes only, which are none.
        let redis = self.redis.clone();
        let Some(kept) = self.kept.as_mut().filter(|kept| redis.uses(&kept.node)) else {
            return Err(unconfirmed("the connection was lost".to_owned()));
        };
        let wait = durability.timeout.min(redis.command_timeout() * 3 / 4).as_millis().max(1);
        let wait = wait.to_string();
        let question = if durability.fsync {
            cmd("WAITAOF").arg(1).arg(durability.replicas).arg(wait).to_owned()
        } else {
            cmd("WAIT").arg(durability.replicas).arg(wait).to_owned()
        };
        let reply = question.query_async::<Value>(&mut kept.connection).await;
        let reply = self.judge(CONFIRM, "", reply).map_err(|error| unconfirmed(error.code))?;
        let origin = Origin { operation: CONFIRM, key: "" };
        let (disk, replicas) = if durability.fsync {
            let [disk, replicas] = origin.exactly(reply)?;
            (origin.int(&disk)?, origin.int(&replicas)?)
        } else {
            (1, origin.int(&reply)?)
        };
        if disk >= 1 && replicas >= i64::from(durability.replicas) {
            return Ok(());
        }
        let on_disk = if disk >= 1 { "" } else { "the server's disk did not, and " };
        Err(unconfirmed(format!("{on_disk}{replicas} replica(s) did in time")))
    }

    async fn kept(&mut self) -> Result<&mut Kept, Error> {
        let kept = self.kept.take().filter(|kept| self.redis.uses(&kept.node));
        let kept = if let Some(kept) = kept {
            kept
        } else {
            let (node, connection) = self.redis.connect().await?;
            Kept { connection, node }
        };
        Ok(self.kept.insert(kept))
    }

    /// Tells what the reply says about the server, and gives a broken connection up, so that the
    /// next call makes a new one.
    fn judge<T>(
        &mut self,
        operation: &'static str,
        key: &str,
        reply: Result<T, RedisError>,
    ) -> Result<T, Error> {
        if let Some(kept) = &self.kept {
            self.redis.observe(&kept.node, &reply);
        }
        let reply = reply.map_err(|error| Error::redis(operation, key, &error));
        if reply.as_ref().is_err_and(Error::breaks_connection)
            && let Some(kept) = self.kept.take()
        {
            drop(Connection::take(kept.connection));
        }
        reply
    }
}

impl Error {
    /// Whether a write stands in Redis and only its confirmation is missing.
    pub fn is_unconfirmed(&self) -> bool {
        self.operation == CONFIRM
    }
}
