//! Puts right what can be put right, round by round, until an audit finds nothing more to do.
//!
//! Every change looks again in the step that makes it, so that a second run, or a second person,
//! does nothing twice. What nothing brings back is written off last, when all else is mended.

use std::sync::Arc;

use printery_streams::audit::mend::{self, Mended};
use printery_streams::{Error, Keys, Member, Session, delay, group, order};

use crate::cli::audit::examine::{Report, examine};
use crate::cli::audit::finding::{Finding, Mend};
use crate::cli::target::Target;
use crate::groups::subscriptions;

/// Rounds at most; each mends some thousands of each kind.
const ROUNDS: usize = 1_000;

/// A change that was tried.
#[derive(Debug)]
pub(crate) struct Change {
    /// What it was about.
    pub(crate) finding: Finding,
    /// Whether it was made, or why not.
    pub(crate) done: Result<Mended, String>,
}

/// Mends what a report found, and what shows only when that is mended.
///
/// # Errors
/// Redis went away; what was mended stays so.
pub(crate) async fn repair(
    target: &Target,
    worker: Option<&str>,
    mut report: Report,
) -> Result<(Report, Vec<Change>), Error> {
    let mut changes: Vec<Change> = Vec::new();
    for _ in 0..ROUNDS {
        let before = changes.len();
        round(target, &report, &mut changes).await?;
        let made = |change: &Change| change.done == Ok(Mended::Done);
        if !changes.iter().skip(before).any(made) {
            break;
        }
        report = examine(target, worker).await?;
    }
    Ok((report, changes))
}

/// Applies what one report asks for; writes off only where nothing else is left to do.
async fn round(target: &Target, report: &Report, changes: &mut Vec<Change>) -> Result<(), Error> {
    let is_last = |mend: &Mend| matches!(mend, Mend::WriteOff { .. });
    let open = report.findings.named.iter().filter(|finding| finding.mend.is_some());
    let tried = |finding: &Finding| {
        changes.iter().any(|change| change.finding == *finding && change.done.is_err())
    };
    let open: Vec<Finding> = open.filter(|finding| !tried(finding)).cloned().collect();
    let (last, first): (Vec<_>, Vec<_>) =
        open.into_iter().partition(|finding| finding.mend.as_ref().is_some_and(is_last));
    for partition in target.partitions.all() {
        let mut session = partition.redis.session();
        let due = if first.is_empty() { &last } else { &first };
        for finding in due.iter().filter(|it| it.partition == partition.keys.prefix()) {
            let Some(mend) = &finding.mend else { continue };
            let streams = streams_of(target, &partition.keys, finding.worker);
            let what = (finding, mend);
            let done = match apply(&mut session, &partition.keys, what, &streams).await {
                Ok(done) => Ok(done),
                // A person must act; the others are mended all the same.
                Err(error) if error.kind == printery_streams::ErrorKind::Refused => {
                    Err(error.to_string())
                }
                Err(error) => return Err(error),
            };
            changes.push(Change { finding: finding.clone(), done });
        }
    }
    Ok(())
}

async fn apply(
    session: &mut Session,
    keys: &Keys,
    (finding, how): (&Finding, &Mend),
    streams: &[Arc<str>],
) -> Result<Mended, Error> {
    let (worker, key) = (finding.worker, finding.key.as_str());
    let group = format!("printery-{worker}");
    let member = (worker, group.as_str());
    let when = |done: bool| if done { Mended::Done } else { Mended::Gone };
    match how {
        Mend::EnsureGroup => group::ensure_group(session, key, &group).await.map(when),
        Mend::Persist => mend::persist(session, key).await,
        Mend::BuryLost(entry) => mend::bury_lost(session, keys, member, key, *entry).await,
        Mend::BuryToken { member, token } => {
            mend::bury_token(session, keys, worker, key, member, token).await
        }
        Mend::Rescue(token) => mend::rescue(session, keys, worker, token).await,
        Mend::HandOver(held) => mend::hand_over(session, keys, member, key, held).await,
        Mend::Retire(consumer) => group::retire(session, key, &group, consumer).await.map(when),
        Mend::SetPosition { from, to } => {
            mend::set_position(session, key, &group, *from, *to).await
        }
        Mend::Requeue(entry) => mend::requeue(session, keys, member, key, *entry).await,
        Mend::WriteOff { counter, was, by } => {
            mend::write_off(session, &keys.ledger(worker), counter, *was, *by).await
        }
        Mend::DropDelayed(token) => mend::drop_delayed(session, keys, worker, token).await,
        Mend::PassTurn => pass_turns(session, keys, finding, streams).await,
        Mend::Promote => {
            let promoted = delay::promote(session, keys, worker).await?;
            Ok(when(promoted.moved > 0 || !promoted.bodiless.is_empty()))
        }
    }
}

/// Passes on every turn of a worker that nobody can end.
async fn pass_turns(
    session: &mut Session,
    keys: &Keys,
    finding: &Finding,
    streams: &[Arc<str>],
) -> Result<Mended, Error> {
    let (worker, group) = (finding.worker.to_owned(), format!("printery-{}", finding.worker));
    let member = Member { worker, group, consumer: String::new(), ordered: true };
    let (mut cursor, mut passed) = (String::new(), 0);
    loop {
        let (next, mended) = order::mend(session, keys, &member, streams, &cursor).await?;
        passed += mended.len();
        if next.is_empty() {
            return Ok(if passed > 0 { Mended::Done } else { Mended::Gone });
        }
        cursor = next;
    }
}

/// Everything that a worker reads.
fn streams_of(target: &Target, keys: &Keys, worker: &str) -> Vec<Arc<str>> {
    let all = subscriptions(keys, &target.fleet.stages).into_iter();
    all.filter(|one| one.worker.name == worker).map(|one| Arc::from(one.key)).collect()
}
