//! What may be asked, and how answers look.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::database::{Cell, Database};
use crate::job::Job;
use crate::mirror::Mirror;
use crate::tables;

/// From where on Redis still has a stream; what is older is asked for here.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Retained {
    /// The stream's key.
    pub(crate) stream: String,
    /// Its oldest entry: milliseconds.
    pub(crate) ms: u64,
    /// Its oldest entry: number within the millisecond.
    pub(crate) seq: u64,
}

/// A question: one line of JSON.
#[derive(Debug, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Question {
    /// Jobs of a pipeline that are not in Redis any more, the youngest first.
    List {
        /// The worker.
        pipeline: String,
        /// Only those that stand so.
        status: Option<String>,
        /// So many.
        limit: u32,
        /// After so many.
        offset: u64,
        /// What Redis has itself.
        retained: Vec<Retained>,
    },
    /// One job.
    Get {
        /// Its id.
        id: String,
    },
    /// Counts of all jobs of a pipeline that were ever settled.
    Stats {
        /// The worker.
        pipeline: String,
    },
}

/// Answers a line.
pub(crate) async fn answer<D: Database>(mirror: &mut Mirror<D>, line: &str) -> Value {
    let answered = match serde_json::from_str(line) {
        Ok(question) => {
            mirror.catch_up().await;
            ask(mirror, question).await
        }
        Err(error) => Err(format!("no question: {error}")),
    };
    let mut answer = answered.unwrap_or_else(|error| json!({ "error": error }));
    if let Value::Object(fields) = &mut answer {
        fields.insert("fleet".to_owned(), json!(mirror.fleet()));
        fields.insert("problem".to_owned(), json!(mirror.problem()));
    }
    answer
}

async fn ask<D: Database>(mirror: &mut Mirror<D>, question: Question) -> Result<Value, String> {
    let database = mirror.database();
    match question {
        Question::List { pipeline, status, limit, offset, retained } => {
            let status = status.as_deref();
            let counted = database.rows(&tables::count(&pipeline, status, &retained)).await?;
            let part = tables::list(&pipeline, status, &retained, (limit, offset));
            let rows = database.rows(&part).await?;
            let jobs: Vec<Value> = rows.iter().filter_map(|row| Job::shown(row)).collect();
            let total = counted.first().and_then(|row| row.first()).map_or(Value::Null, value);
            Ok(json!({ "jobs": jobs, "total": total }))
        }
        Question::Get { id } => {
            let rows = database.rows(&tables::get(&id)).await?;
            Ok(json!({ "job": rows.first().and_then(|row| Job::shown(row)) }))
        }
        Question::Stats { pipeline } => {
            let rows = database.rows(&tables::stats(&pipeline)).await?;
            let (mut counts, mut last) = (serde_json::Map::new(), None);
            for row in &rows {
                if let [Cell::Text(Some(status)), count, Cell::Int(at)] = row.as_slice() {
                    counts.insert(status.clone(), value(count));
                    last = last.max(*at);
                }
            }
            Ok(json!({ "counts": counts, "lastJobMs": last }))
        }
    }
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Text(text) => json!(text),
        Cell::Int(number) => json!(number),
    }
}
