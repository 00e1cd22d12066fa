//! Gathers what is finished and settles it: one call per stream and verb, never waiting for more.
//!
//! One per lane, fed by the executors. A lost reply is asked for again: the fences make the
//! scripts idempotent. It keeps each entry held until its verdict is known.

use std::sync::Arc;
use std::time::Duration;

use printery_streams::settle::{Settled, Settler};
use printery_streams::{Backoff, Error, ErrorKind, Session};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::engine::Tally;
use crate::settlement::{Act, Settlement};
use crate::shutdown::{Phase, Shutdown};
use crate::telemetry::{self, DeliverySettled};

/// Deliveries settled in one call at most; more gain nothing (the script's work is linear).
const LARGEST_CALL: usize = 128;

/// Bytes sent in one call at most: bounds how long the server is busy with it.
const LARGEST_BYTES: usize = 4 << 20;

/// How long a settlement rests that only a person can make possible.
const REFUSED_REST: Duration = Duration::from_secs(1);

const RESEND: Backoff =
    Backoff { base: Duration::from_millis(20), cap: Duration::from_millis(500) };

/// Settles for one lane.
pub(crate) struct Committer {
    pub(crate) worker: &'static str,
    pub(crate) settler: Settler,
    pub(crate) session: Session,
    pub(crate) settlements: mpsc::Receiver<Settlement>,
    pub(crate) shutdown: Shutdown,
    pub(crate) tally: Arc<Tally>,
    /// Whether what was settled last came as far as the durability asks.
    pub(crate) confirmed: bool,
    /// Settlements that were refused and are tried again.
    pub(crate) refused: Vec<Settlement>,
}

impl Committer {
    /// Settles until every executor is gone; ended early only by an abort.
    pub(crate) async fn run(mut self) {
        let mut batch = Vec::with_capacity(LARGEST_CALL);
        let mut rested = Instant::now();
        loop {
            let rest = !self.refused.is_empty();
            // Whoever is about to finish does so now, and shares the call; nobody is waited for.
            tokio::task::yield_now().await;
            tokio::select! {
                taken = self.settlements.recv_many(&mut batch, LARGEST_CALL) => {
                    if taken == 0 {
                        break;
                    }
                }
                () = tokio::time::sleep_until(rested), if rest => {}
            }
            if rested <= Instant::now() {
                batch.append(&mut self.refused);
                rested = Instant::now() + REFUSED_REST;
            }
            for group in groups(std::mem::take(&mut batch)) {
                self.settle(group).await;
            }
            self.confirm().await;
        }
        // What a person would have to mend first stays pending, for whoever comes next.
        let last = std::mem::take(&mut self.refused);
        for group in groups(last) {
            self.settle(group).await;
        }
        self.confirm().await;
    }

    /// Waits once for the whole batch until it came as far as the durability asks. What did not is
    /// settled all the same: after a failover that forgot it, it would be done again.
    async fn confirm(&mut self) {
        let before = self.confirmed;
        let result = self.session.confirm().await;
        self.confirmed = result.is_ok();
        if let Err(error) = result {
            telemetry::unconfirmed(self.worker);
            if before {
                tracing::warn!(%error, "settlements are not confirmed; the work goes on");
            }
        } else if !before {
            tracing::info!("settlements are confirmed again");
        }
    }

    /// Settles one group, for as long as it takes Redis to answer.
    async fn settle(&mut self, group: Vec<Settlement>) {
        let mut tries = 0;
        let verdicts = loop {
            match call(&self.settler, &mut self.session, &group).await {
                Ok(verdicts) => break verdicts,
                Err(error) => {
                    telemetry::redis_error(self.worker, error.kind);
                    if tries == 0 {
                        tracing::warn!(%error, deliveries = group.len(), "settling goes on when Redis answers");
                    }
                    // After the hand-over phase nobody waits any longer: the lease sees to it.
                    if self.shutdown.phase() >= Phase::Aborting || hopeless(&error, tries) {
                        return;
                    }
                    tries += 1;
                    tokio::time::sleep(RESEND.jittered(tries)).await;
                }
            }
        };
        let mut counts: Vec<(String, &'static str, u64)> = Vec::new();
        for (settlement, verdict) in group.into_iter().zip(verdicts) {
            let Some((event_type, outcome)) = self.report(settlement, verdict, tries > 0) else {
                continue;
            };
            match counts.iter_mut().find(|(of, it, _)| *of == event_type && *it == outcome) {
                Some((_, _, count)) => *count += 1,
                None => counts.push((event_type, outcome, 1)),
            }
        }
        for (event_type, outcome, count) in &counts {
            let (worker, event_type) = (self.worker, event_type.as_str());
            self.tally.count_settled(*count);
            telemetry::deliveries_settled(&DeliverySettled { worker, event_type, outcome }, *count);
        }
    }

    /// Tells what a person should know, and lets go of what is settled: its type, and what it
    /// counts as. What was refused is kept.
    fn report(
        &mut self,
        settlement: Settlement,
        verdict: Settled,
        resent: bool,
    ) -> Option<(String, &'static str)> {
        let entry = settlement.act.fence().entry;
        let outcome = match verdict {
            Settled::Done => settlement.act.outcome(),
            Settled::Duplicate => "duplicate",
            // Ours, in a reply that was lost, or somebody else's: either way it is settled.
            Settled::Gone if resent => settlement.act.outcome(),
            Settled::Gone => "gone",
            Settled::Lost => {
                let stream = &settlement.act.fence().stream;
                tracing::error!(%entry, %stream, "deleted by somebody while it was running");
                "lost"
            }
            Settled::Fenced => {
                tracing::warn!(%entry, "fenced: its new owner settles it");
                "fenced"
            }
            Settled::Refused(why) => {
                tracing::error!(%entry, why, "cannot be settled until a person mends it");
                self.refused.push(settlement);
                return None;
            }
        };
        // Only now may the entry be taken up again, by us or by a redelivery.
        drop(settlement.holding);
        Some((settlement.event_type, outcome))
    }
}

/// Whether trying again cannot help: the call itself is at fault, not Redis.
fn hopeless(error: &Error, tries: u32) -> bool {
    error.kind == ErrorKind::Malformed && tries > 3
}

async fn call(
    settler: &Settler,
    session: &mut Session,
    group: &[Settlement],
) -> Result<Vec<Settled>, Error> {
    match group.first().map(|settlement| &settlement.act) {
        None => Ok(Vec::new()),
        Some(Act::Commit(_)) => {
            let commits =
                only(group, |act| if let Act::Commit(it) = act { Some(it) } else { None });
            settler.commit(session, &commits).await
        }
        Some(Act::Defer(_)) => {
            let defers = only(group, |act| if let Act::Defer(it) = act { Some(it) } else { None });
            settler.defer(session, &defers).await
        }
        Some(Act::Release(_)) => {
            let releases =
                only(group, |act| if let Act::Release(it) = act { Some(it) } else { None });
            settler.release(session, &releases).await
        }
        Some(Act::Bury(_)) => {
            let burials = only(group, |act| if let Act::Bury(it) = act { Some(it) } else { None });
            settler.bury(session, &burials).await
        }
    }
}

/// The acts of one verb, which a group consists of.
fn only<T>(group: &[Settlement], pick: impl Fn(&Act) -> Option<&T>) -> Vec<&T> {
    group.iter().filter_map(|settlement| pick(&settlement.act)).collect()
}

/// Sorts settlements into calls: one stream, one verb, ascending entries, bounded size.
fn groups(mut settlements: Vec<Settlement>) -> Vec<Vec<Settlement>> {
    settlements.sort_by(|a, b| place(a).cmp(&place(b)));
    let mut groups: Vec<Vec<Settlement>> = Vec::new();
    let mut bytes = 0;
    for settlement in settlements {
        let size = settlement.act.size();
        let fits = groups.last().and_then(|group| group.last()).is_some_and(|last| {
            let (stream, verb, _) = place(last);
            (stream, verb) == (place(&settlement).0, place(&settlement).1)
        });
        bytes = if fits { bytes + size } else { size };
        match groups.last_mut() {
            Some(group) if fits && bytes <= LARGEST_BYTES && group.len() < LARGEST_CALL => {
                group.push(settlement);
            }
            _ => {
                bytes = size;
                groups.push(vec![settlement]);
            }
        }
    }
    groups
}

fn place(settlement: &Settlement) -> (&str, &'static str, printery_streams::EntryId) {
    let fence = settlement.act.fence();
    (&fence.stream, settlement.act.outcome(), fence.entry)
}
