//! One audit from beginning to end: every partition, in an order that no moving entry escapes.
//!
//! Pending lists before waiting places, those before inboxes, logs last: an entry only moves that
//! way, so that one that was missed at its first place is met at its next.

use printery_streams::Error;

use crate::cli::audit::books::{self, Row};
use crate::cli::audit::finding::{Findings, Level};
use crate::cli::audit::patience::{self, Suspects};
use crate::cli::audit::scene::{Living, Scene};
use crate::cli::audit::{copies, flow, passed, pending, results, waiting};
use crate::cli::target::Target;
use crate::groups::PartitionStreams;

/// What one audit found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// The books, by partition.
    pub(crate) partitions: Vec<(String, Vec<Row>)>,
    /// What is wrong.
    pub(crate) findings: Findings,
}

impl Report {
    /// Whether nothing is wrong.
    pub(crate) fn is_well(&self) -> bool {
        self.findings.count(Level::Wrong) == 0
    }
}

/// Audits every partition, for one worker or for all.
pub(crate) async fn examine(target: &Target, worker: Option<&str>) -> Result<Report, Error> {
    let mut report = Report::default();
    for place in PartitionStreams::of_all(&target.partitions, &target.fleet.stages) {
        let living = living(target).await?;
        let mut subscriptions = place.subscriptions;
        subscriptions.retain(|one| worker.is_none_or(|name| one.worker.name == name));
        let session = place.partition.redis.session();
        let partition = &place.partition;
        let mut scene = Scene { partition, session, subscriptions, living: &living };
        let rows = partition_of(target, &mut scene, &mut report.findings).await?;
        report.partitions.push((partition.keys.prefix().to_owned(), rows));
    }
    Ok(report)
}

async fn living(target: &Target) -> Result<Living, Error> {
    let home = target.partitions.home();
    Living::ask(&mut home.redis.session(), &home.keys, &target.settings).await
}

async fn partition_of(
    target: &Target,
    scene: &mut Scene<'_>,
    findings: &mut Findings,
) -> Result<Vec<Row>, Error> {
    let mut books = books::read(scene).await?;
    findings.extend(books::judge(scene, &books));
    scene.subscriptions.retain(|one| {
        let book = books.iter().find(|book| book.one.key == one.key);
        book.is_none_or(|book| matches!(book.account.kind.as_str(), "stream" | "none"))
    });
    let mut pending = pending::read(scene).await?;
    let waiting = waiting::read(scene).await?;
    let inboxes = copies::inboxes(scene, &books, &pending).await?;
    findings.extend(copies::find(scene, &pending, &waiting, &inboxes).await?);
    findings.extend(passed::find(scene, &books, &pending, &waiting, &inboxes).await?);
    findings.extend(flow::find(scene).await?);
    findings.extend(results::find(scene).await?);
    let suspects = Suspects {
        pending: std::mem::take(&mut pending.suspects),
        unread: patience::unread(scene, &books).await?,
        overdue: waiting.suspects,
    };
    if !suspects.is_empty() {
        patience::pause().await;
        let later = living(target).await?;
        findings.extend(patience::confirm(scene, suspects, &later).await?);
    }
    findings.extend(pending.findings);
    findings.extend(waiting.findings);
    books::complete(&mut books, &waiting.aside);
    Ok(books.into_iter().map(|book| book.row).collect())
}
