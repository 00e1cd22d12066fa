//! Rows in a file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Error, ToSql, params_from_iter};

use crate::database::{Cell, Database, Statement};

/// How long a person with a shell of their own may hold the file up. 2 s.
const BUSY: Duration = Duration::from_secs(2);

/// A file of SQLite's.
#[derive(Debug)]
pub(crate) struct Sqlite {
    connection: Connection,
    path: PathBuf,
}

impl Sqlite {
    /// Opens the file, or makes it.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let failed = |error: Error| format!("{} cannot be opened: {error}", path.display());
        let connection = Connection::open(path).map_err(failed)?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        // Readers do not stop the writer; a power cut costs the last rows, which are mirrored anew.
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
            .map_err(failed)?;
        Ok(Self { connection, path: path.to_owned() })
    }

    fn told(&self, error: &Error) -> String {
        format!("{}: {error}", self.path.display())
    }

    fn transact(&mut self, statements: &[Statement]) -> Result<(), Error> {
        let transaction = self.connection.transaction()?;
        for Statement { sql, values } in statements {
            transaction.prepare(sql)?.execute(params_from_iter(values))?;
        }
        transaction.commit()
    }

    fn query(&self, Statement { sql, values }: &Statement) -> Result<Vec<Vec<Cell>>, Error> {
        let mut statement = self.connection.prepare(sql)?;
        let columns = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| -> Result<Vec<Cell>, Error> {
            (0..columns).map(|at| row.get_ref(at).map(cell)).collect()
        };
        statement.query_map(params_from_iter(values), row)?.collect()
    }
}

impl Database for Sqlite {
    async fn execute(&mut self, statements: &[Statement]) -> Result<(), String> {
        self.transact(statements).map_err(|error| self.told(&error))
    }

    async fn rows(&mut self, statement: &Statement) -> Result<Vec<Vec<Cell>>, String> {
        self.query(statement).map_err(|error| self.told(&error))
    }
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Integer(number) => Cell::Int(Some(number)),
        ValueRef::Text(text) => Cell::text(String::from_utf8_lossy(text)),
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => Cell::Text(None),
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Text(Some(text)) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Int(Some(number)) => ToSqlOutput::Owned(Value::Integer(*number)),
            Self::Text(None) | Self::Int(None) => ToSqlOutput::Owned(Value::Null),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables;

    #[tokio::test]
    async fn what_ended_long_ago_is_forgotten_and_what_did_not_end_is_not() {
        let mut file = Sqlite::open(Path::new(":memory:")).unwrap();
        file.execute(&tables::schema()).await.unwrap();
        for (id, ended) in [("old", "1000"), ("new", "2000"), ("open", "NULL")] {
            let sql = format!(
                "INSERT INTO jobs (id, pipeline_id, status, created_at, seq, completed_at, \
                 attempts, stream) VALUES ('{id}', 'validator', 'completed', 1, 0, {ended}, 1, 's')"
            );
            file.execute(&[Statement { sql, values: Vec::new() }]).await.unwrap();
        }
        file.execute(&[tables::forget(2000)]).await.unwrap();
        let sql = "SELECT id FROM jobs ORDER BY id".to_owned();
        let rows = file.rows(&Statement { sql, values: Vec::new() }).await.unwrap();
        assert_eq!(rows, [[Cell::text("new")], [Cell::text("open")]]);
    }
}
