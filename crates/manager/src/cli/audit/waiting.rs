//! What waits beside the streams: due times, lines, their bodies, and the heads of lines.
//!
//! A page is read at one instant; what two pages disagree about is looked at again before it is
//! reported.

use std::collections::{BTreeMap, BTreeSet};

use printery_streams::audit::{self, Parked, Place, Sieve, Waits};
use printery_streams::{EntryId, Error};

use crate::cli::audit::books::Aside;
use crate::cli::audit::finding::{Finding, Findings, Kind, Mend};
use crate::cli::audit::pending::origin;
use crate::cli::audit::scene::{Scene, words};
use crate::cli::times::span;

/// How long after its due time an entry may still be where it was, in milliseconds. 10 s: every
/// process of its worker promotes many times in between.
const OVERDUE_MS: u64 = 10_000;

/// What waits.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// What is wrong for certain.
    pub(crate) findings: Findings,
    /// What may just be moving: to be looked at again.
    pub(crate) suspects: Vec<(Finding, Place)>,
    /// How many, by worker and the stream whose delivery was put off.
    pub(crate) aside: BTreeMap<(&'static str, String), Aside>,
    /// Where they were first read, as numbers, by worker.
    pub(crate) origins: Vec<(&'static str, u64)>,
    /// Deliveries that were put off, as numbers, by worker.
    pub(crate) deliveries: Vec<(&'static str, u64)>,
}

/// Takes a token apart: the stream and the entry of the delivery that was put off. With a due time
/// it ends with the delivery's count, in line it does not.
pub(crate) fn delivery_of(token: &str) -> Option<(&str, EntryId)> {
    let (rest, last) = token.rsplit_once('|')?;
    if let Ok(entry) = last.parse() {
        return Some((rest, entry));
    }
    let (stream, entry) = rest.rsplit_once('|')?;
    Some((stream, entry.parse().ok()?))
}

/// Reads what waits for every audited worker.
pub(crate) async fn read(scene: &mut Scene<'_>) -> Result<Waiting, Error> {
    let mut waiting = Waiting::default();
    for worker in scene.workers() {
        let worker = worker.name;
        if !right_types(scene, worker, &mut waiting.findings).await? {
            continue;
        }
        // Bodies first: one that is seen now, is led to by nothing later, and is there still, is
        // an orphan; a token is never used again.
        let kept = bodies(scene, worker).await?;
        let (mut led_to, mut lines) = (BTreeSet::new(), BTreeMap::new());
        for waits in [Waits::Due, Waits::InLine] {
            let mut cursor = "0".to_owned();
            loop {
                let keys = scene.partition.keys.clone();
                let session = &mut scene.session;
                let (next, page) = audit::parked(session, &keys, worker, waits, &cursor).await?;
                for one in &page {
                    led_to.insert(Sieve::number(&[one.token.as_bytes()]));
                    judge(scene, worker, waits, one, &mut waiting);
                    if let (Waits::InLine, Some(subject)) = (waits, subject_of(&one.member)) {
                        lines.insert(subject, one.member.clone());
                    }
                }
                if next == "0" {
                    break;
                }
                cursor = next;
            }
        }
        orphans(scene, worker, kept, &led_to, &mut waiting).await?;
        blocked(scene, worker, lines, &mut waiting).await?;
    }
    Ok(waiting)
}

/// The deployment of a member of a line: `<subject>`, a zero byte, and the rest.
fn subject_of(member: &[u8]) -> Option<String> {
    let end = member.iter().position(|byte| *byte == 0)?;
    String::from_utf8(member.get(..end)?.to_vec()).ok()
}

/// Whether the keys are what they should be; those that are not are reported.
async fn right_types(
    scene: &mut Scene<'_>,
    worker: &'static str,
    findings: &mut Findings,
) -> Result<bool, Error> {
    let keys = scene.keys().clone();
    let expected = [
        (keys.delay(worker), "zset"),
        (keys.line(worker), "zset"),
        (keys.delay_bodies(worker), "hash"),
        (keys.order(worker), "hash"),
        (keys.settlements(worker), "stream"),
        (keys.dead_letters(worker), "stream"),
    ];
    let mut right = true;
    for (key, kind) in expected {
        // The account of a key begins with its type.
        let ledger = keys.ledger(worker);
        let found = audit::account(&mut scene.session, &key, "", &ledger).await?.kind;
        if found != "none" && found != kind {
            let text = format!("{key} is a {found}, not a {kind}; nobody can use it");
            let mut finding = scene.finding(Kind::WrongType, worker, &key, text);
            finding.redis = words(["TYPE", &key]);
            findings.add(finding);
            right = false;
        }
    }
    Ok(right)
}

/// Tokens of bodies that no due time led to when they were seen.
async fn bodies(scene: &mut Scene<'_>, worker: &str) -> Result<Vec<String>, Error> {
    let (mut cursor, mut kept) = ("0".to_owned(), Vec::new());
    let keys = scene.keys().clone();
    loop {
        let (next, page) = audit::bodies(&mut scene.session, &keys, worker, &cursor).await?;
        kept.extend(page.into_iter().filter(|body| !body.is_delayed).map(|body| body.token));
        if next == "0" {
            return Ok(kept);
        }
        cursor = next;
    }
}

fn judge(
    scene: &Scene<'_>,
    worker: &'static str,
    waits: Waits,
    one: &Parked,
    waiting: &mut Waiting,
) {
    let key = waits.key(scene.keys(), worker);
    if let Some((stream, entry)) = delivery_of(&one.token) {
        let aside = waiting.aside.entry((worker, stream.to_owned())).or_default();
        match waits {
            Waits::Due => aside.delayed += 1,
            Waits::InLine => aside.in_line += 1,
        }
        waiting.deliveries.push((worker, origin(stream, entry)));
    }
    if let Some((stream, entry)) = &one.origin {
        waiting.origins.push((worker, origin(stream, *entry)));
    }
    if !one.has_body {
        let text = "it waits and its body is gone".to_owned();
        let mut finding = scene.finding(Kind::BodilessWait, worker, &key, text);
        finding.id.clone_from(&one.token);
        let (member, token) = (one.member.clone(), one.token.clone());
        finding.mend = Some(Mend::BuryToken { member, token: token.clone() });
        finding.redis = words(["HEXISTS", &scene.keys().delay_bodies(worker), &token]);
        waiting.findings.add(finding);
        return;
    }
    let readers = scene.living.readers(worker);
    let late = scene.living.now_ms.saturating_sub(one.due_ms);
    if waits == Waits::Due && late > OVERDUE_MS && readers.count > 0 && !readers.held {
        let text = format!("it was due {} ago, and {worker} has not moved it", span(late));
        let mut finding = scene.finding(Kind::Overdue, worker, &key, text);
        finding.id.clone_from(&one.token);
        finding.mend = Some(Mend::Promote);
        finding.redis = words(["ZSCORE", &key, &one.token]);
        waiting.suspects.push((finding, Place::Member { key, member: one.member.clone() }));
    }
}

async fn orphans(
    scene: &mut Scene<'_>,
    worker: &'static str,
    kept: Vec<String>,
    led_to: &BTreeSet<u64>,
    waiting: &mut Waiting,
) -> Result<(), Error> {
    let suspects: BTreeSet<String> = kept
        .into_iter()
        .filter(|token| !led_to.contains(&Sieve::number(&[token.as_bytes()])))
        .collect();
    if suspects.is_empty() {
        return Ok(());
    }
    let key = scene.keys().delay_bodies(worker);
    for token in bodies(scene, worker).await?.into_iter().filter(|it| suspects.contains(it)) {
        let text = "its body is kept, and neither a due time nor a line leads to it".to_owned();
        let mut finding = scene.finding(Kind::OrphanedBody, worker, &key, text);
        finding.redis = words(["HEXISTS", &key, &token]);
        finding.id.clone_from(&token);
        finding.mend = Some(Mend::Rescue(token));
        waiting.findings.add(finding);
    }
    Ok(())
}

/// Lines that stand still for ever: nothing has the turn, or what has it is nowhere.
async fn blocked(
    scene: &mut Scene<'_>,
    worker: &'static str,
    lines: BTreeMap<String, Vec<u8>>,
    waiting: &mut Waiting,
) -> Result<(), Error> {
    if lines.is_empty() {
        return Ok(());
    }
    let (keys, group) = (scene.keys().clone(), format!("printery-{worker}"));
    let (line, delay, order) = (keys.line(worker), keys.delay(worker), keys.order(worker));
    let before = heads(scene, worker).await?;
    let mut stale = Vec::new();
    for (subject, member) in lines {
        let head = before.get(&subject);
        let place = head.map(|place| place_of(place, &delay));
        let there = match &place {
            Some(place) => audit::still_there(&mut scene.session, &group, slice(place)).await?,
            None => vec![false],
        };
        if there != [true] {
            stale.push((subject, member, head.cloned()));
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    // A turn moves with its entry, in one step: what is the same before and after has not moved in
    // between, where it was seen to be nowhere.
    let after = heads(scene, worker).await?;
    for (subject, member, head) in stale {
        let waits = Place::Member { key: line.clone(), member };
        let still = audit::still_there(&mut scene.session, &group, &[waits]).await?;
        if still != [true] || after.get(&subject) != head.as_ref() {
            continue;
        }
        let text = match head {
            Some(head) => format!("entries of {subject} wait in line behind {head}, which is gone"),
            None => format!("entries of {subject} wait in line, and nothing has the turn"),
        };
        let mut finding = scene.finding(Kind::BlockedLine, worker, &order, text);
        finding.redis = words(["HGET", &order, &format!("s{subject}")]);
        finding.id = subject;
        finding.mend = Some(Mend::PassTurn);
        waiting.findings.add(finding);
    }
    Ok(())
}

fn slice(place: &Place) -> &[Place] {
    std::slice::from_ref(place)
}

/// Where the turn of each deployment is.
async fn heads(scene: &mut Scene<'_>, worker: &str) -> Result<BTreeMap<String, String>, Error> {
    let (mut cursor, mut all) = ("0".to_owned(), BTreeMap::new());
    let keys = scene.keys().clone();
    loop {
        let (next, page) = audit::heads(&mut scene.session, &keys, worker, &cursor).await?;
        all.extend(page.into_iter().map(|head| (head.subject, head.place)));
        if next == "0" {
            return Ok(all);
        }
        cursor = next;
    }
}

fn place_of(head: &str, delay: &str) -> Place {
    let nowhere = || Place::Member { key: delay.to_owned(), member: head.into() };
    if let Some(token) = head.strip_prefix("delay|") {
        return Place::Member { key: delay.to_owned(), member: token.into() };
    }
    let parsed = head.rsplit_once('|');
    let entry = parsed.and_then(|(stream, entry)| Some((stream.to_owned(), entry.parse().ok()?)));
    entry.map_or_else(nowhere, |(stream, entry)| Place::Entry { stream, entry })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_the_delivery_that_was_put_off() {
        let entry = EntryId { ms: 5, seq: 1 };
        assert_eq!(delivery_of("a:b|5-1|2"), Some(("a:b", entry)));
        assert_eq!(delivery_of("a|b|5-1|2"), Some(("a|b", entry)));
        assert_eq!(delivery_of("a|b|5-1"), Some(("a|b", entry)), "in line");
        assert_eq!((delivery_of("a|5|2"), delivery_of("")), (None, None));
    }

    #[test]
    fn a_head_is_in_a_stream_or_delayed() {
        let member = |text: &str| Place::Member { key: "z".to_owned(), member: text.into() };
        let entry = Place::Entry { stream: "a|b".to_owned(), entry: EntryId::at(5) };
        assert_eq!(place_of("a|b|5-0", "z"), entry);
        assert_eq!(place_of("delay|a|5-0|1", "z"), member("a|5-0|1"));
        assert_eq!(place_of("nonsense", "z"), member("nonsense"));
    }
}
