//! Rows in a server of PostgreSQL's.
//!
//! Connects when it is first needed and again after a break. Without TLS: the server is on this
//! machine, in this network, or behind a tunnel of one's own.

use std::fmt::Display;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_postgres::config::Host;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, Row};

use crate::database::{Cell, Database, Statement};

/// How long connecting may take, and each question: somebody waits. 3 s.
const PATIENCE: Duration = Duration::from_secs(3);
const PORT: u16 = 5432;

/// A database of a server.
#[derive(Debug)]
pub(crate) struct Postgres {
    config: Config,
    client: Option<Client>,
    connection: JoinSet<()>,
}

impl Postgres {
    /// Reads the address; connects to nothing yet.
    pub(crate) fn try_new(url: &str) -> Result<Self, String> {
        let config = url.parse().map_err(|error| format!("--store-url (STORE_URL): {error}"))?;
        Ok(Self { config, client: None, connection: JoinSet::new() })
    }

    async fn client(&mut self) -> Result<&mut Client, String> {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            self.connection.abort_all();
            let port = self.config.get_ports().first().copied().unwrap_or(PORT);
            let client = match self.config.get_hosts().first() {
                Some(Host::Tcp(host)) => {
                    let stream = TcpStream::connect((host.as_str(), port)).await.map_err(told)?;
                    let (client, connection) =
                        self.config.connect_raw(stream, NoTls).await.map_err(told)?;
                    self.connection.spawn(async move {
                        note(connection.await);
                    });
                    client
                }
                Some(Host::Unix(folder)) => {
                    let socket = folder.join(format!(".s.PGSQL.{port}"));
                    let stream = UnixStream::connect(socket).await.map_err(told)?;
                    let (client, connection) =
                        self.config.connect_raw(stream, NoTls).await.map_err(told)?;
                    self.connection.spawn(async move {
                        note(connection.await);
                    });
                    client
                }
                None => return Err("--store-url (STORE_URL) names no host".to_owned()),
            };
            self.client = Some(client);
        }
        self.client.as_mut().ok_or_else(|| "PostgreSQL is not connected".to_owned())
    }

    async fn transact(&mut self, statements: &[Statement]) -> Result<(), String> {
        let transaction = self.client().await?.transaction().await.map_err(told)?;
        for Statement { sql, values } in statements {
            transaction.execute(sql.as_str(), &parameters(values)).await.map_err(told)?;
        }
        transaction.commit().await.map_err(told)
    }

    async fn query(&mut self, statement: &Statement) -> Result<Vec<Row>, String> {
        let client = self.client().await?;
        let values = parameters(&statement.values);
        client.query(statement.sql.as_str(), &values).await.map_err(told)
    }
}

impl Database for Postgres {
    async fn execute(&mut self, statements: &[Statement]) -> Result<(), String> {
        timeout(PATIENCE, self.transact(statements)).await.map_err(late)?
    }

    async fn rows(&mut self, statement: &Statement) -> Result<Vec<Vec<Cell>>, String> {
        let rows = timeout(PATIENCE, self.query(statement)).await.map_err(late)??;
        rows.iter().map(cells).collect()
    }
}

fn cells(row: &Row) -> Result<Vec<Cell>, String> {
    let one = |(at, column): (usize, &tokio_postgres::Column)| {
        if *column.type_() == Type::INT8 {
            row.try_get(at).map(Cell::Int)
        } else {
            row.try_get(at).map(Cell::Text)
        }
    };
    row.columns().iter().enumerate().map(one).collect::<Result<_, _>>().map_err(told)
}

fn parameters(values: &[Cell]) -> Vec<&(dyn ToSql + Sync)> {
    fn one(cell: &Cell) -> &(dyn ToSql + Sync) {
        match cell {
            Cell::Text(text) => text,
            Cell::Int(number) => number,
        }
    }
    values.iter().map(one).collect()
}

/// The whole chain: the server's own sentence is behind "db error".
fn told(error: impl std::error::Error) -> String {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("PostgreSQL: {error}{cause}")
}

fn late(_elapsed: tokio::time::error::Elapsed) -> String {
    format!("PostgreSQL did not answer within {} s", PATIENCE.as_secs())
}

fn note(ended: Result<(), impl Display>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "the connection to PostgreSQL ended");
    }
}
