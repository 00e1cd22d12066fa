//! Consumer groups: made where they are missing, and freed of consumers that are gone.
//!
//! Called by the manager at start, and by every worker for its own streams; never moves a group's
//! position.

use redis::{Value, cmd};

use crate::connection::Session;
use crate::error::{Error, ErrorKind};
use crate::reply::Origin;
use crate::script::{Script, script};

static RETIRE: Script = script!("retire", ["retire.lua"]);

/// Makes sure that a consumer group exists on a stream; true when it was made just now.
///
/// # Errors
/// [`ErrorKind::Refused`]: the key is not a stream. [`ErrorKind::Unavailable`]: also when the group
/// is missing and Redis has no memory for it.
/// # Redis
/// `XGROUP CREATE <stream> <group> 0 MKSTREAM`. At 0, because a group that begins at `$` would
/// pass over what was published before it.
pub async fn ensure_group(session: &mut Session, stream: &str, group: &str) -> Result<bool, Error> {
    let mut create = cmd("XGROUP");
    create.arg("CREATE").arg(stream).arg(group).arg(0).arg("MKSTREAM");
    let Err(error) = session.query("ensure the group", stream, &create).await else {
        return Ok(true);
    };
    if error.kind == ErrorKind::Refused && error.code.starts_with("BUSYGROUP") {
        return Ok(false);
    }
    // A full server refuses before it looks; who cannot start cannot finish what fills it either.
    if error.code.starts_with("OOM") && exists(session, stream, group).await {
        return Ok(false);
    }
    Err(error)
}

async fn exists(session: &mut Session, stream: &str, group: &str) -> bool {
    let mut pending = cmd("XPENDING");
    pending.arg(stream).arg(group);
    session.query("ensure the group", stream, &pending).await.is_ok()
}

/// A consumer as the server sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerInfo {
    /// Its name.
    pub name: String,
    /// Entries it owns.
    pub pending: u64,
    /// Milliseconds since it last asked for anything. Not a sign of life: see the beats.
    pub idle_ms: u64,
}

/// Lists the consumers of a group; none when stream or group do not exist.
pub async fn consumers(
    session: &mut Session,
    stream: &str,
    group: &str,
) -> Result<Vec<ConsumerInfo>, Error> {
    let mut info = cmd("XINFO");
    info.arg("CONSUMERS").arg(stream).arg(group);
    let reply = match session.query("list consumers", stream, &info).await {
        Ok(reply) => reply,
        Err(error) if error.kind == ErrorKind::Missing => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let origin = Origin { operation: "list consumers", key: stream };
    origin.array(reply)?.into_iter().map(|row| consumer(origin, row)).collect()
}

fn consumer(origin: Origin<'_>, row: Value) -> Result<ConsumerInfo, Error> {
    let mut info = ConsumerInfo { name: String::new(), pending: 0, idle_ms: 0 };
    for (name, value) in origin.map(row)? {
        match name.as_str() {
            "name" => info.name = origin.name(value)?,
            "pending" => info.pending = origin.count(&value)?,
            "idle" => info.idle_ms = origin.count(&value)?,
            _ => {}
        }
    }
    Ok(info)
}

/// Removes a consumer if it has nothing pending; false when it has.
///
/// Only for consumers whose process is known to be gone: one that still reads would come back.
///
/// # Redis
/// One script, which looks and removes in the same step.
pub async fn retire(
    session: &mut Session,
    stream: &str,
    group: &str,
    consumer: &str,
) -> Result<bool, Error> {
    let mut call = RETIRE.call(&[stream]);
    call.arg(group).arg(consumer);
    let removed = session.run(&call).await?;
    Ok(Origin { operation: "retire", key: stream }.int(&removed)? == 1)
}
