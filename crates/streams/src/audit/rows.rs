//! Pages of a pending list, each row with whether its entry still has a body.

use redis::Value;

use crate::audit::PAGE;
use crate::connection::Session;
use crate::error::Error;
use crate::inspect::PendingEntry;
use crate::names::EntryId;
use crate::reply::Origin;
use crate::script::{Script, script};

static ROWS: Script = script!("list pending rows", ["rows.lua"]);

/// A row of a pending list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Who holds it, and since when.
    pub pending: PendingEntry,
    /// Whether the entry is still in the stream.
    pub has_body: bool,
}

/// Reads a page of a pending list from `from` on; a page that is not full is the last one.
///
/// # Redis
/// One script call, which writes nothing; none when stream or group do not exist.
pub async fn rows(
    session: &mut Session,
    stream: &str,
    group: &str,
    from: EntryId,
) -> Result<Vec<Row>, Error> {
    let mut call = ROWS.call(&[stream]);
    call.arg(group).arg(from.to_string()).arg(PAGE);
    let origin = Origin { operation: "list pending rows", key: stream };
    let parse = |row: Value| {
        let [entry, consumer, idle, deliveries, body] = origin.exactly(row)?;
        let pending = PendingEntry {
            entry: origin.id(entry)?,
            consumer: origin.name(consumer)?,
            idle_ms: origin.count(&idle)?,
            deliveries: origin.count(&deliveries)?,
        };
        Ok(Row { pending, has_body: origin.int(&body)? == 1 })
    };
    origin.array(session.run(&call).await?)?.into_iter().map(parse).collect()
}
