//! Removes old entries that every group has settled.
//!
//! Called by the manager's janitor; the script is safe when two run it.

use crate::connection::Session;
use crate::error::{Error, ErrorKind};
use crate::names::EntryId;
use crate::reply::Origin;
use crate::script::{Script, script};

/// Entries removed in one call at most: bounds the time the server is busy with it.
const LIMIT: u64 = 10_000;

static TRIM: Script = script!("trim", ["ids.lua", "groups.lua", "trim.lua"]);

/// What one call did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trimmed {
    /// So many entries were removed.
    Removed(u64),
    /// The stream is shorter than what is kept anyway.
    Short,
    /// A group that must have read the stream is not there; nothing was removed.
    MissingGroup(String),
    /// A group's position lies behind its own pending entries; nothing was removed.
    OddGroup(String),
}

/// Removes entries beyond both retentions that all groups have passed and settled.
///
/// # Shapes and units
/// `keep_entries`: so many of the youngest stay. `keep_from`: this id and younger ones stay.
/// `required`: groups without which nothing may be removed.
/// # Redis
/// One script call; removes whole nodes of the stream only, so some more may stay.
pub async fn trim(
    session: &mut Session,
    stream: &str,
    keep_entries: u64,
    keep_from: EntryId,
    required: &[String],
) -> Result<Trimmed, Error> {
    let keep = Keep { entries: keep_entries, from: keep_from };
    trim_for(session, stream, keep, &Readers { required, abandoned: &[] }).await
}

/// What stays although everybody has settled it.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// So many of the youngest.
    pub entries: u64,
    /// This id and younger ones.
    pub from: EntryId,
}

/// Groups that are known by name.
#[derive(Debug, Clone, Copy)]
pub struct Readers<'a> {
    /// Without these nothing may be removed.
    pub required: &'a [String],
    /// Nobody reads for these, and nobody is to: nothing waits for them.
    pub abandoned: &'a [String],
}

/// As [`trim`], and past groups that nobody reads for any more.
///
/// # Redis
/// As [`trim`].
pub async fn trim_for(
    session: &mut Session,
    stream: &str,
    keep: Keep,
    readers: &Readers<'_>,
) -> Result<Trimmed, Error> {
    let mut call = TRIM.call(&[stream]);
    call.arg(keep.entries).arg(keep.from.to_string()).arg(LIMIT);
    call.arg(u64::try_from(readers.required.len()).unwrap_or(u64::MAX));
    for group in readers.required.iter().chain(readers.abandoned) {
        call.arg(group);
    }
    let origin = Origin { operation: "trim", key: stream };
    let reply = match session.run(&call).await {
        Ok(reply) => reply,
        Err(error) if error.kind == ErrorKind::Missing => return Ok(Trimmed::Short),
        Err(error) => return Err(error),
    };
    let [code, removed, detail] = origin.exactly(reply)?;
    match origin.text(code)?.as_str() {
        "OK" => Ok(Trimmed::Removed(origin.count(&removed)?)),
        "SHORT" => Ok(Trimmed::Short),
        "MISSING" => Ok(Trimmed::MissingGroup(origin.text(detail)?)),
        "ODD" => Ok(Trimmed::OddGroup(origin.name(detail)?)),
        _ => Err(origin.bad("an unknown answer")),
    }
}
