//! Pending lists and consumers: bodies that are gone, owners that are gone.
//!
//! Reads every pending list in pages, each row together with whether its entry has a body.

use printery_streams::audit::{Row, Sieve, rows};
use printery_streams::inspect::PendingEntry;
use printery_streams::{EntryId, Error, group};

use crate::cli::audit::finding::{Finding, Findings, Kind, Mend};
use crate::cli::audit::scene::{Scene, words};
use crate::cli::times::span;
use crate::groups::Subscription;

/// What the pending lists hold.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// What is wrong for certain.
    pub(crate) findings: Findings,
    /// What looks stuck and may just be moving: to be looked at again.
    pub(crate) suspects: Vec<Finding>,
    /// Entries of inboxes that are pending, by worker.
    pub(crate) inboxes: Vec<(&'static str, EntryId)>,
    /// The other pending entries by worker, as numbers: see [`origin`].
    pub(crate) held: Vec<(&'static str, u64)>,
}

/// The number of an entry by where it was first read.
pub(crate) fn origin(stream: &str, entry: EntryId) -> u64 {
    let (ms, seq) = (entry.ms.to_be_bytes(), entry.seq.to_be_bytes());
    Sieve::number(&[stream.as_bytes(), &ms, &seq])
}

/// Reads every pending list.
pub(crate) async fn read(scene: &mut Scene<'_>) -> Result<Pending, Error> {
    let mut pending = Pending::default();
    for one in scene.subscriptions.clone() {
        consumers(scene, &one, &mut pending.findings).await?;
        let mut from = EntryId::default();
        loop {
            let page = rows(&mut scene.session, &one.key, &one.group, from).await?;
            let Some(last) = page.last() else { break };
            from = last.pending.entry.next();
            for row in page {
                judge(scene, &one, row, &mut pending);
            }
        }
    }
    Ok(pending)
}

async fn consumers(
    scene: &mut Scene<'_>,
    one: &Subscription,
    findings: &mut Findings,
) -> Result<(), Error> {
    let known = match group::consumers(&mut scene.session, &one.key, &one.group).await {
        Err(error) if error.kind == printery_streams::ErrorKind::Refused => Vec::new(),
        other => other?,
    };
    for consumer in known {
        let quiet = consumer.idle_ms > scene.living.patience_ms;
        if consumer.pending > 0 || !quiet || scene.living.beats(&consumer.name) {
            continue;
        }
        let text = format!("{} is gone and holds nothing", consumer.name);
        let mut finding = scene.finding(Kind::DeadConsumer, one.worker.name, &one.key, text);
        finding.redis = words(["XINFO", "CONSUMERS", &one.key, &one.group]);
        finding.id.clone_from(&consumer.name);
        finding.mend = Some(Mend::Retire(consumer.name));
        finding.count = 0;
        findings.add(finding);
    }
    Ok(())
}

fn judge(scene: &Scene<'_>, one: &Subscription, row: Row, pending: &mut Pending) {
    let (worker, held) = (one.worker.name, row.pending);
    if one.key == scene.keys().inbox(worker) {
        pending.inboxes.push((worker, held.entry));
    } else {
        pending.held.push((worker, origin(&one.key, held.entry)));
    }
    if !row.has_body {
        let text = "it was trimmed or deleted while it was pending".to_owned();
        let mut finding = about(scene, one, Kind::LostBody, &held, text);
        finding.mend = Some(Mend::BuryLost(held.entry));
        pending.findings.add(finding);
        return;
    }
    let readers = scene.living.readers(worker);
    let (beats, idle) = (scene.living.beats(&held.consumer), held.idle_ms);
    let patience = scene.living.patience_for(held.deliveries);
    // A live owner renews; one that does not is given up by its own process first.
    let patience = if beats { patience.saturating_mul(6) } else { patience };
    if idle <= patience || readers.held {
        return;
    }
    let silent = format!("{} has been silent for {}", held.consumer, span(idle));
    let (kind, text) = if readers.count > 0 {
        (Kind::StuckPending, format!("{silent}, and no living {worker} has taken it over"))
    } else {
        (Kind::OrphanedPending, format!("{silent}, and no {worker} runs that could take it over"))
    };
    let mut finding = about(scene, one, kind, &held, text);
    finding.mend = (!beats).then_some(Mend::HandOver(held));
    pending.suspects.push(finding);
}

fn about(
    scene: &Scene<'_>,
    one: &Subscription,
    kind: Kind,
    held: &PendingEntry,
    text: String,
) -> Finding {
    let id = held.entry.to_string();
    let mut finding = scene.finding(kind, one.worker.name, &one.key, text);
    finding.redis = words(["XPENDING", &one.key, &one.group, &id, &id, "1"]);
    finding.id = id;
    finding
}
