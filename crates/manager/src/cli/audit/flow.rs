//! What left a stream to wait must be somewhere: delayed, in line, or in the inbox; and losses that
//! were reported to the dead letters.
//!
//! Read at one instant per worker. What people add to the inbox hides as much of a loss: the number
//! is a lower bound.

use printery_streams::audit::{self, Flow};
use printery_streams::browse::Pages;
use printery_streams::{Error, Keys};

use crate::cli::audit::books::WRITTEN_OFF;
use crate::cli::audit::finding::{Findings, Kind, Mend};
use crate::cli::audit::scene::{Scene, words};

/// Looks at every worker's flow.
pub(crate) async fn find(scene: &mut Scene<'_>) -> Result<Findings, Error> {
    let mut findings = Findings::default();
    for worker in scene.workers() {
        let (worker, keys) = (worker.name, scene.keys().clone());
        let from_waiting = dead_letters(scene, worker, &mut findings).await?;
        let Some(flow) = audit::flow(&mut scene.session, &keys, worker).await? else { continue };
        let gone = vanished(&flow, &keys, worker, from_waiting);
        if gone <= 0 {
            continue;
        }
        let key = keys.delay(worker);
        let text = format!(
            "{gone} entries at least were put off or handed back, and neither wait nor came through \
             the inbox: due times, bodies, a line or the inbox were deleted"
        );
        let mut finding = scene.finding(Kind::Vanished, worker, &key, text);
        finding.count = gone.unsigned_abs();
        let counter = format!("{key}|{WRITTEN_OFF}");
        let was = flow.ledger.iter().find(|(name, _)| *name == counter).map(|(_, count)| *count);
        finding.mend = Some(Mend::WriteOff { counter, was, by: gone });
        finding.redis = words(["HGETALL", &keys.ledger(worker)]);
        findings.add(finding);
    }
    Ok(findings)
}

/// How many went to wait and are not accounted for.
fn vanished(flow: &Flow, keys: &Keys, worker: &str, from_waiting: u64) -> i64 {
    let aside = [keys.delay(worker), keys.line(worker)];
    let (mut went, mut came) = (0_i64, 0_i64);
    for (name, count) in &flow.ledger {
        let Some((of, outcome)) = name.rsplit_once('|') else { continue };
        if aside.iter().any(|key| key == of) {
            came = came.saturating_add(*count);
        } else if !matches!(
            outcome,
            "done" | "duplicate" | "dead" | "lost" | "undone" | WRITTEN_OFF
        ) {
            went = went.saturating_add(*count);
        }
    }
    // Dead letters that somebody has taken away since may have been of those that waited.
    let taken = flow.dead_added.saturating_sub(flow.dead);
    let there = [flow.delayed, flow.in_line, flow.inbox_added, from_waiting, taken];
    let there: u64 = there.iter().fold(0, |sum, one| sum.saturating_add(*one));
    went.saturating_sub(came).saturating_sub(i64::try_from(there).unwrap_or(i64::MAX))
}

/// Notes losses that were reported; counts the letters of entries that waited.
async fn dead_letters(
    scene: &mut Scene<'_>,
    worker: &'static str,
    findings: &mut Findings,
) -> Result<u64, Error> {
    let keys = scene.keys().clone();
    let key = keys.dead_letters(worker);
    let aside = [keys.delay(worker), keys.line(worker), keys.delay_bodies(worker)];
    let mut pages = match audit::account(&mut scene.session, &key, "", &keys.ledger(worker)).await?
    {
        account if account.kind == "stream" => Pages::new(&key, None),
        _ => return Ok(0),
    };
    let mut from_waiting = 0;
    loop {
        let page = pages.next(&mut scene.session).await?;
        if page.is_empty() {
            return Ok(from_waiting);
        }
        for letter in &page {
            let stream = letter.text("original_stream").unwrap_or_default();
            if aside.iter().any(|key| key == stream) {
                from_waiting += 1;
            }
            if letter.text("failure_reason") != Some("lost_body") {
                continue;
            }
            let id = letter.id.to_string();
            let entry = letter.text("original_entry").unwrap_or_default();
            let text =
                format!("{entry} of {stream} was lost and reported; it waits for a decision");
            let mut finding = scene.finding(Kind::LossReported, worker, &key, text);
            finding.redis = words(["XRANGE", &key, &id, &id]);
            finding.id = id;
            findings.add(finding);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_to_wait_is_somewhere() {
        let keys = Keys::new("m");
        let count = |of: &str, outcome: &str, count| (format!("{of}|{outcome}"), count);
        let ledger = vec![
            count("s", "done", 90),
            count("s", "deferred", 5),
            count("s", "released", 3),
            count("m:printery:delay:w", "dropped", 1),
        ];
        let flow = Flow { ledger, delayed: 2, inbox_added: 3, ..Flow::default() };
        assert_eq!(vanished(&flow, &keys, "w", 1), 1);
        assert_eq!(vanished(&flow, &keys, "w", 2), 0);
        let more = Flow { inbox_added: 30, ..flow };
        assert!(vanished(&more, &keys, "w", 0) < 0, "people add to the inbox");
    }
}
