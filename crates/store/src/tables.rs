//! The tables and every statement about them.
//!
//! In the words that SQLite and PostgreSQL share; each `$n` occurs first in the order of its value.

use printery_streams::EntryId;

use crate::database::{Cell, Statement};
use crate::job::Job;
use crate::questions::Retained;

/// What makes the tables where they are missing.
const SCHEMA: [&str; 6] = [
    "CREATE TABLE IF NOT EXISTS jobs (\
     id TEXT PRIMARY KEY, pipeline_id TEXT NOT NULL, status TEXT NOT NULL, \
     created_at BIGINT NOT NULL, seq BIGINT NOT NULL, started_at BIGINT, completed_at BIGINT, \
     attempts BIGINT NOT NULL, data TEXT, result TEXT, error TEXT, worker_id TEXT, event_id TEXT, \
     event_type TEXT, deployment_id TEXT, correlation_id TEXT, stream TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS jobs_by_pipeline ON jobs (pipeline_id, created_at)",
    "CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (pipeline_id, status, created_at)",
    "CREATE INDEX IF NOT EXISTS jobs_by_age ON jobs (created_at)",
    "CREATE INDEX IF NOT EXISTS jobs_by_deployment ON jobs (deployment_id)",
    "CREATE TABLE IF NOT EXISTS positions (log TEXT PRIMARY KEY, entry TEXT NOT NULL)",
];

/// The columns of a job, in the order of [`Job::cells`].
const COLUMNS: &str = "id, pipeline_id, status, created_at, seq, started_at, completed_at, \
     attempts, data, result, error, worker_id, event_id, event_type, deployment_id, \
     correlation_id, stream";

/// Makes the tables.
pub(crate) fn schema() -> Vec<Statement> {
    SCHEMA.map(|sql| Statement { sql: sql.to_owned(), values: Vec::new() }).into()
}

/// Keeps a job; what is known later of the same one replaces what was known before.
pub(crate) fn keep(job: &Job) -> Statement {
    let names = COLUMNS.split(", ").skip(1);
    let later: Vec<String> = names.map(|name| format!("{name} = excluded.{name}")).collect();
    let values = job.cells();
    let places: Vec<String> = (1..=values.len()).map(|n| format!("${n}")).collect();
    let sql = format!(
        "INSERT INTO jobs ({COLUMNS}) VALUES ({}) ON CONFLICT (id) DO UPDATE SET {}",
        places.join(", "),
        later.join(", ")
    );
    Statement { sql, values }
}

/// Forgets the jobs that ended before a moment, milliseconds since the epoch.
pub(crate) fn forget(before_ms: u64) -> Statement {
    Statement {
        sql: "DELETE FROM jobs WHERE completed_at < $1".to_owned(),
        values: vec![Cell::int(before_ms)],
    }
}

/// Remembers how far a log was mirrored.
pub(crate) fn remember(log: &str, entry: EntryId) -> Statement {
    Statement {
        sql: "INSERT INTO positions (log, entry) VALUES ($1, $2) \
              ON CONFLICT (log) DO UPDATE SET entry = excluded.entry"
            .to_owned(),
        values: vec![Cell::text(log), Cell::text(entry.to_string())],
    }
}

/// How far a log was mirrored.
pub(crate) fn position(log: &str) -> Statement {
    Statement {
        sql: "SELECT entry FROM positions WHERE log = $1".to_owned(),
        values: vec![Cell::text(log)],
    }
}

/// One job.
pub(crate) fn get(id: &str) -> Statement {
    Statement {
        sql: format!("SELECT {COLUMNS} FROM jobs WHERE id = $1"),
        values: vec![Cell::text(id)],
    }
}

/// How many of a pipeline stand how, and when the last one was begun.
pub(crate) fn stats(pipeline: &str) -> Statement {
    Statement {
        sql: "SELECT status, COUNT(*), MAX(created_at) FROM jobs WHERE pipeline_id = $1 \
              GROUP BY status ORDER BY status"
            .to_owned(),
        values: vec![Cell::text(pipeline)],
    }
}

/// Which jobs: of a pipeline, in a status, and no longer in Redis.
fn which(pipeline: &str, status: Option<&str>, retained: &[Retained]) -> Statement {
    let mut sql = vec!["pipeline_id = $1".to_owned()];
    let mut values = vec![Cell::text(pipeline)];
    let mut place = |cell: Cell| {
        values.push(cell);
        values.len()
    };
    if let Some(status) = status {
        sql.push(format!("status = ${}", place(Cell::text(status))));
    }
    for Retained { stream, ms, seq } in retained {
        let (stream, ms, seq) =
            (place(Cell::text(stream)), place(Cell::int(*ms)), place(Cell::int(*seq)));
        // What is cancelled leaves its stream at once.
        let in_redis = format!("stream = ${stream} AND (created_at, seq) >= (${ms}, ${seq})");
        sql.push(format!("NOT ({in_redis} AND status <> 'cancelled')"));
    }
    Statement { sql: sql.join(" AND "), values }
}

/// How many jobs.
pub(crate) fn count(pipeline: &str, status: Option<&str>, retained: &[Retained]) -> Statement {
    let Statement { sql, values } = which(pipeline, status, retained);
    Statement { sql: format!("SELECT COUNT(*) FROM jobs WHERE {sql}"), values }
}

/// A part of the list, the youngest first.
pub(crate) fn list(
    pipeline: &str,
    status: Option<&str>,
    retained: &[Retained],
    (limit, offset): (u32, u64),
) -> Statement {
    let Statement { sql, values } = which(pipeline, status, retained);
    let sql = format!(
        "SELECT {COLUMNS} FROM jobs WHERE {sql} ORDER BY created_at DESC, seq DESC, id \
         LIMIT {limit} OFFSET {offset}"
    );
    Statement { sql, values }
}
