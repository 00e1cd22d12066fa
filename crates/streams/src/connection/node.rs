//! One server that was found: how it is dialled, and the pool of connections to it.
//!
//! Made by [`super::Redis`] when a server is found and dropped, with all its connections, when it
//! turns out to be the wrong one. Knows nothing of how servers are found.

use std::time::Duration;

use deadpool_redis::{Connection, Manager, Pool, PoolError, Runtime, TimeoutType};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo};

use super::place::Place;
use super::wire::Wire;
use crate::error::{Error, ErrorKind};

/// Connections of the pool. Owners keep theirs, so it is as large as a process has loops.
const POOL_SIZE: usize = 16;

/// A server and the connections to it.
pub(super) struct Node {
    /// Which finding it belongs to; connections of an earlier one are not used any more.
    pub(super) epoch: u64,
    /// Where it is; none for a socket.
    pub(super) place: Option<Place>,
    client: Client,
    pool: Pool,
    command_timeout: Duration,
}

impl Node {
    pub(super) fn try_new(
        info: ConnectionInfo,
        place: Option<Place>,
        epoch: u64,
        command_timeout: Duration,
    ) -> Result<Self, Error> {
        let client = open_client(info.clone())?;
        let config = connection_config(command_timeout, command_timeout);
        let manager = Manager::new_with_config(info, config)
            .map_err(|error| Error::redis("read the address", "", &error))?;
        let pool = Pool::builder(manager)
            .max_size(POOL_SIZE)
            .wait_timeout(Some(command_timeout))
            .create_timeout(Some(command_timeout))
            .recycle_timeout(Some(command_timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Refused, "read the address", "", error.to_string())
            })?;
        Ok(Self { epoch, place, client, pool, command_timeout })
    }

    /// Takes a connection out of the pool, or opens one.
    ///
    /// # Errors
    /// With the error, whether the server itself was at fault.
    pub(super) async fn connect(&self) -> Result<Connection, (Error, Fault)> {
        let unavailable = |why| Error::new(ErrorKind::Unavailable, "connect", "", why);
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => {
                let fault = if error.is_io_error() { Fault::Server } else { Fault::Ours };
                (connect_error(&error), fault)
            }
            PoolError::Timeout(TimeoutType::Wait) => (unavailable("timed out"), Fault::Ours),
            PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => {
                (unavailable("timed out"), Fault::Server)
            }
            // Closed by whoever found that the server is somewhere else now.
            PoolError::Closed => (unavailable("another server is looked for"), Fault::Ours),
            PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
                let why = "the pool cannot be used";
                (Error::new(ErrorKind::Refused, "connect", "", why), Fault::Ours)
            }
        })
    }

    /// Opens a bare connection.
    ///
    /// # Errors
    /// With the error, whether the server itself was at fault.
    pub(super) async fn wire(&self) -> Result<Wire, (Error, Fault)> {
        let opened = Wire::open(self.client.get_connection_info(), self.command_timeout).await;
        opened.map_err(|error| {
            let fault = if error.is_io_error() { Fault::Server } else { Fault::Ours };
            (connect_error(&error), fault)
        })
    }

    /// Opens a connection outside of the pool, whose replies may take so long.
    pub(super) async fn dial(&self, response: Duration) -> Result<MultiplexedConnection, Error> {
        dial(&self.client, self.command_timeout, response).await
    }

    /// Closes what is idle; connections in use end with their owners.
    pub(super) fn close(&self) {
        self.pool.close();
    }
}

/// Whose fault it is that there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The server does not answer.
    Server,
    /// It answered, or was not even asked.
    Ours,
}

/// Opens one connection for a question or two.
pub(super) async fn dial_once(
    info: ConnectionInfo,
    timeout: Duration,
) -> Result<MultiplexedConnection, Error> {
    dial(&open_client(info)?, timeout, timeout).await
}

async fn dial(
    client: &Client,
    connect: Duration,
    response: Duration,
) -> Result<MultiplexedConnection, Error> {
    let config = connection_config(connect, response);
    let connection = client.get_multiplexed_async_connection_with_config(&config).await;
    connection.map_err(|error| connect_error(&error))
}

/// Nothing was asked yet when connecting fails, so it is never `Unknown`.
fn connect_error(error: &redis::RedisError) -> Error {
    let mut error = Error::redis("connect", "", error);
    if error.kind == ErrorKind::Unknown {
        error.kind = ErrorKind::Unavailable;
    }
    error
}

fn connection_config(connect: Duration, response: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(connect))
        .set_response_timeout(Some(response))
}

#[expect(clippy::disallowed_methods, reason = "the one place where clients are made")]
fn open_client(info: ConnectionInfo) -> Result<Client, Error> {
    Client::open(info).map_err(|error| Error::redis("read the address", "", &error))
}
