//! Counts the entries of a stream between two ids, without their bodies leaving the server.
//!
//! Called by [`crate::inspect`] and the audit where a group's lag is unknown or not to be
//! trusted; only reads.

use redis::Value;

use crate::connection::Session;
use crate::error::Error;
use crate::names::EntryId;
use crate::reply::Origin;
use crate::script::{Script, script};

/// Entries counted in one call: bounds the time the server is busy with it.
const PAGE: u64 = 256;

static BACKLOG: Script = script!("count waiting entries", ["backlog.lua"]);

/// Entries behind an id, as far as one call counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Backlog {
    /// How many.
    pub(crate) count: u64,
    /// The first of them.
    pub(crate) first: Option<EntryId>,
    /// The last of them.
    pub(crate) last: Option<EntryId>,
}

/// Counts entries after `after` up to `to`, at most `limit`.
pub(crate) async fn page(
    session: &mut Session,
    key: &str,
    after: EntryId,
    to: Option<EntryId>,
    limit: u64,
) -> Result<Backlog, Error> {
    let mut call = BACKLOG.call(&[key]);
    call.arg(after.to_string()).arg(limit);
    call.arg(to.map_or_else(|| "+".to_owned(), |id| id.to_string()));
    let origin = Origin { operation: "count waiting entries", key };
    let [count, first, last] = origin.exactly(session.run(&call).await?)?;
    let id = |value| if value == Value::Nil { Ok(None) } else { origin.id(value).map(Some) };
    Ok(Backlog { count: origin.count(&count)?, first: id(first)?, last: id(last)? })
}

/// Counts entries after `after` up to `to`; none when there are more than `pages` pages of them.
///
/// # Redis
/// One script call per 256 entries.
pub(crate) async fn count(
    session: &mut Session,
    key: &str,
    mut after: EntryId,
    to: Option<EntryId>,
    pages: u32,
) -> Result<Option<u64>, Error> {
    let mut counted = 0_u64;
    for _ in 0..pages {
        let page = page(session, key, after, to, PAGE).await?;
        counted = counted.saturating_add(page.count);
        match page.last {
            Some(last) if page.count >= PAGE => after = last,
            Some(_) | None => return Ok(Some(counted)),
        }
    }
    Ok(None)
}
