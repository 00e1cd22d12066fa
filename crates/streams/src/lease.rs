//! Keeps the leases of running deliveries young.
//!
//! Called by the harness' lease keeper; never takes an entry back that somebody else owns.

use redis::Value;

use crate::connection::Session;
use crate::delivery::Fence;
use crate::error::Error;
use crate::names::Member;
use crate::reply::Origin;
use crate::script::{Script, script};

static RENEW: Script = script!("renew", ["fence.lua", "renew.lua"]);

/// What a renewal found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// The lease is young again.
    Renewed,
    /// Somebody else owns the entry now, or it is not pending any more.
    Lost,
    /// It is still ours, but its body was deleted, and such a lease cannot be renewed.
    Bodiless,
}

/// Renews deliveries of one stream.
///
/// # Shapes and units
/// `fences`: not empty, of one stream, ascending by entry. One answer per fence.
/// # Redis
/// One script call.
pub async fn renew(
    session: &mut Session,
    member: &Member,
    fences: &[Fence],
) -> Result<Vec<Renewal>, Error> {
    let Some(first) = fences.first() else { return Ok(Vec::new()) };
    let mut call = RENEW.call(&[&first.stream]);
    call.arg(&member.group).arg(&member.consumer).arg(fences.len());
    for fence in fences {
        call.arg(fence.entry.to_string()).arg(fence.count);
    }
    let origin = Origin { operation: "renew", key: &first.stream };
    let answers = origin.array(session.run(&call).await?)?;
    if answers.len() != fences.len() {
        return Err(origin.bad("an answer per delivery was expected"));
    }
    answers.iter().map(|answer| renewal(origin, answer)).collect()
}

fn renewal(origin: Origin<'_>, answer: &Value) -> Result<Renewal, Error> {
    match origin.int(answer)? {
        1 => Ok(Renewal::Renewed),
        0 => Ok(Renewal::Lost),
        2 => Ok(Renewal::Bodiless),
        _ => Err(origin.bad("an unknown answer")),
    }
}
