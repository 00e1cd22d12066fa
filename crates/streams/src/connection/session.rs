//! The connections that the owner of a loop keeps: a pooled one for short commands, and a bare one
//! for scripts and reads, which is where all deliveries pass.
//!
//! Replaced when they break and when the server moved. Nothing here repeats a command by itself:
//! whether a lost reply may be asked for again is the caller's matter.

use std::sync::Arc;

use deadpool_redis::Connection;
use redis::{Cmd, Pipeline, RedisError, Value, cmd};

use super::Redis;
use super::node::Node;
use super::wire::{Wire, decoded};
use crate::error::{Error, ErrorKind};
use crate::reply::Origin;
use crate::script::Call;

/// Names the operation of errors that say that a write is not confirmed.
const CONFIRM: &str = "confirm";

/// Connections that their owner keeps, replaced when they break; each made when first needed.
///
/// Keeping the pooled one saves the pool's check (two commands) before every single call.
#[derive(Debug)]
pub struct Session {
    redis: Redis,
    kept: Option<Kept>,
    wired: Option<Wired>,
}

/// What came back, if anything.
type Reply = Result<Value, RedisError>;

/// The bare connection; none while a question is on it, so that no dropped question's reply is
/// taken for the next one's.
struct Wired {
    wire: Wire,
    node: Arc<Node>,
}

impl std::fmt::Debug for Wired {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wired")
    }
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
        Self { redis, kept: None, wired: None }
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
        let node = Arc::clone(&kept.node);
        let reply = cmd.query_async::<Value>(&mut kept.connection).await;
        #[cfg(feature = "faults")]
        crate::faults::crash_at("after", operation);
        self.judge(&node, operation, key, reply)
    }

    /// Sends several commands in one round trip; a failing one fails the call.
    pub async fn pipeline(
        &mut self,
        operation: &'static str,
        key: &str,
        pipeline: &Pipeline,
    ) -> Result<Vec<Value>, Error> {
        let kept = self.kept().await?;
        let node = Arc::clone(&kept.node);
        let reply = pipeline.query_async::<Vec<Value>>(&mut kept.connection).await;
        self.judge(&node, operation, key, reply)
    }

    /// Sends one encoded command on the bare connection.
    ///
    /// Errors and cancel safety are those of [`Session::query`].
    pub(crate) async fn ask(
        &mut self,
        operation: &'static str,
        key: &str,
        command: &[u8],
    ) -> Result<Value, Error> {
        let (node, reply) = self.exchange(command).await?;
        #[cfg(feature = "faults")]
        crate::faults::crash_at("after", operation);
        self.judge(&node, operation, key, reply)
    }

    /// Runs a script by its digest, loading it where the server does not know it.
    pub(crate) async fn run(&mut self, call: &Call) -> Result<Value, Error> {
        #[cfg(feature = "faults")]
        crate::faults::crash_at("before", call.operation());
        let command = call.encoded();
        let (mut node, mut reply) = self.exchange(&command).await?;
        if reply.as_ref().is_err_and(|error| error.code() == Some("NOSCRIPT")) {
            (node, reply) = match self.exchange(&call.load()).await? {
                (_, Ok(_digest)) => self.exchange(&command).await?,
                failed => failed,
            };
        }
        #[cfg(feature = "faults")]
        crate::faults::crash_at("after", call.operation());
        self.judge(&node, call.operation(), call.key(), reply)
    }

    /// One question on the bare connection, or on the pooled one where there can be no other: what
    /// was answered, and by which server. Fails when there is no connection.
    async fn exchange(&mut self, command: &[u8]) -> Result<(Arc<Node>, Reply), Error> {
        if !self.redis.is_wired() {
            let kept = self.kept().await?;
            let reply = decoded(command).query_async(&mut kept.connection).await;
            return Ok((Arc::clone(&kept.node), reply));
        }
        let wired = self.wired.take().filter(|wired| self.redis.uses(&wired.node));
        let mut wired = if let Some(wired) = wired {
            wired
        } else {
            let (node, wire) = self.redis.wire().await?;
            Wired { wire, node }
        };
        let reply = wired.wire.ask(command).await;
        let node = Arc::clone(&wired.node);
        self.wired = Some(wired);
        Ok((node, reply))
    }

    /// Waits until what this session wrote last has come as far as the fleet's durability asks
    /// for; does nothing where it asks for nothing.
    ///
    /// # Errors
    /// The write stands in Redis, but was not confirmed in time; [`Error::is_unconfirmed`].
    /// # Cancel safety
    /// Cancel safe: nothing is written.
    /// # Redis
    /// `WAIT` or `WAITAOF`, once for everything that scripts wrote on this connection so far. Blocks the
    /// session for the durability's timeout at most, and never longer than a command may take.
    pub async fn confirm(&mut self) -> Result<(), Error> {
        let Some(durability) = self.redis.durability() else { return Ok(()) };
        let unconfirmed = |why: String| {
            let why = format!("written, but not known to have reached {durability}: {why}");
            Error::new(ErrorKind::Unknown, CONFIRM, "", why)
        };
        // Another connection would answer for its own writes only, which are none.
        let redis = self.redis.clone();
        let wired = self.wired.as_ref().map(|wired| &wired.node).filter(|_| redis.is_wired());
        let pooled = self.kept.as_ref().map(|kept| &kept.node).filter(|_| !redis.is_wired());
        if !wired.or(pooled).is_some_and(|node| redis.uses(node)) {
            return Err(unconfirmed("the connection was lost".to_owned()));
        }
        let wait = durability.timeout.min(redis.command_timeout() * 3 / 4).as_millis().max(1);
        let wait = wait.to_string();
        let question = if durability.fsync {
            cmd("WAITAOF").arg(1).arg(durability.replicas).arg(wait).to_owned()
        } else {
            cmd("WAIT").arg(durability.replicas).arg(wait).to_owned()
        };
        let reply = self.ask(CONFIRM, "", &question.get_packed_command()).await;
        let reply = reply.map_err(|error| unconfirmed(error.code))?;
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

    /// Tells what the reply says about the server, and gives broken connections up, so that the
    /// next call makes new ones: what broke one has mostly broken the other.
    fn judge<T>(
        &mut self,
        node: &Node,
        operation: &'static str,
        key: &str,
        reply: Result<T, RedisError>,
    ) -> Result<T, Error> {
        self.redis.observe(node, &reply);
        let reply = reply.map_err(|error| Error::redis(operation, key, &error));
        if reply.as_ref().is_err_and(Error::breaks_connection) {
            self.wired = None;
            if let Some(kept) = self.kept.take() {
                drop(Connection::take(kept.connection));
            }
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
