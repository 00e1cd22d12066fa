//! Appends records to a capped log.
//!
//! Called by `printery-fleet` for what people did; it knows nothing of what a record means, and
//! never reads one.

use crate::connection::Session;
use crate::error::Error;
use crate::names::EntryId;
use crate::reply::Origin;
use crate::script::{Script, script};

static APPEND: Script = script!("append", ["append.lua"]);

/// Appends a record, also to a Redis that is out of memory, and cuts the oldest ones off.
///
/// # Shapes and units
/// `cap`: so many records are kept, and some more. `record`: at least one name and value.
/// # Errors
/// [`crate::ErrorKind::Unknown`]: it may be there; sent again, it is there twice.
/// # Redis
/// One script call.
pub async fn append(
    session: &mut Session,
    log: &str,
    cap: u64,
    record: &[(&str, &str)],
) -> Result<EntryId, Error> {
    let mut call = APPEND.call(&[log]);
    call.arg(cap);
    for (name, value) in record {
        call.arg(*name).arg(*value);
    }
    Origin { operation: "append", key: log }.id(session.run(&call).await?)
}
