//! A fleet that is wrong on purpose is found out.
//!
//! Each scenario is played twice: by the engine as it is, which the checker must find clean, and with one fault built in, which
//! it must find guilty, of what that fault costs. A checker that cannot fail proves nothing.

use std::time::{Duration, Instant};

use printery_testkit::{FaultProxy, History, Mode, Verdict, eventually};

use crate::site::{SOON, stream};
use crate::stage::{COMPLETED, Stage, played, ready};

/// How long a mutant may take to do what it never does; the engine as it is gets far longer.
const NEVER: Duration = Duration::from_secs(8);

/// How long a scenario may take to drain.
fn patience(fault: Option<&str>) -> Duration {
    if fault.is_some() { NEVER } else { 3 * SOON }
}

/// Asserts that the fault is seen, and that without it all is well.
async fn is_found_out(
    fault: &str,
    scenario: impl AsyncFn(Option<&str>) -> (Verdict, History),
    guilty: impl FnOnce(&Verdict) -> bool,
) {
    let (verdict, history) = scenario(None).await;
    verdict.assert_clean(&history);
    let (verdict, _history) = scenario(Some(fault)).await;
    assert!(guilty(&verdict), "{fault} was not found out:\n{verdict}");
}

/// A commit is on its way while its sender loses the entry to another, and arrives when that one has published.
async fn a_late_commit(fault: Option<&str>) -> (Verdict, History) {
    let stage = Stage::with_fault(fault).await;
    let proxy = FaultProxy::start(&stage.site.redis).await;
    let late = ready(stage.prepared().env("REDIS_URL", proxy.url()).start()).await;
    proxy.hold_request(&["EVALSHA", COMPLETED]);
    stage.play("e-1", "ok").await;
    eventually("its commit is on its way", SOON, async || proxy.traffic().held == 1).await;
    proxy.set(Mode::Stall);
    let heir = stage.rehearsal(&[]).await;
    stage.site.wait_for_results(COMPLETED, 1, SOON).await;
    heir.kill9();
    proxy.set(Mode::Pass);
    proxy.let_go();
    // The late one works again, and whatever it had to say has been said.
    stage.play("e-2", "ok").await;
    played(&late, "e-2", 1).await;
    stage.verdict(patience(fault)).await
}

#[tokio::test]
async fn without_the_fence_a_late_commit_is_found_out() {
    is_found_out("fence_off", a_late_commit, |verdict| !verdict.duplicated.is_empty()).await;
}

/// A result cannot be published, and its worker dies before anybody mends that.
async fn a_death_before_publishing(fault: Option<&str>) -> (Verdict, History) {
    let stage = Stage::with_fault(fault).await;
    stage.site.conn.cmd(&["SET", &stream(COMPLETED), "in the way"]).await;
    let doomed = stage.rehearsal(&[]).await;
    stage.play("e-1", "ok").await;
    eventually("it cannot publish", SOON, async || {
        let said = doomed.lines().iter().any(|line| line.contains("not a stream"));
        if said { Ok(()) } else { Err(doomed.report()) }
    })
    .await;
    doomed.kill9();
    stage.site.conn.cmd(&["DEL", &stream(COMPLETED)]).await;
    let _heir = stage.rehearsal(&[]).await;
    stage.verdict(patience(fault)).await
}

#[tokio::test]
async fn acknowledging_before_publishing_is_found_out() {
    let guilty = |verdict: &Verdict| !verdict.lost.is_empty();
    is_found_out("ack_before_publish", a_death_before_publishing, guilty).await;
}

/// A worker dies whose entries stand behind more busy ones than one look at the pending list sees.
async fn a_death_behind_many(fault: Option<&str>) -> (Verdict, History) {
    const BUSY: usize = 600;
    let stage = Stage::with_fault(fault).await;
    let lease = ["--lease", "3s"];
    let busy = stage.prepared().args(lease).args(["--concurrency", &BUSY.to_string()]).start();
    for n in 0..BUSY {
        stage.play_unnoted(&format!("busy-{n}"), "hang").await;
    }
    played(&busy, &format!("busy-{}", BUSY - 1), 1).await;
    let doomed = stage.rehearsal(&lease).await;
    stage.play("e-1", "sleep:2000").await;
    played(&doomed, "e-1", 1).await;
    doomed.kill9();
    let heir = stage.rehearsal(&lease).await;
    let inherited = Instant::now();
    eventually("it is done, or never will be", patience(fault) + SOON, async || {
        let done = stage.site.results(COMPLETED).await.len() == 1;
        let waited = inherited.elapsed() > patience(fault);
        if done || waited { Ok(()) } else { Err(heir.report()) }
    })
    .await;
    stage.verdict(Duration::ZERO).await
}

#[tokio::test]
async fn a_sweep_that_always_begins_at_the_start_is_found_out() {
    let guilty = |verdict: &Verdict| !verdict.lost.is_empty();
    is_found_out("claim_without_cursor", a_death_behind_many, guilty).await;
}

/// Replies to reads are lost again and again while entries are worked on.
async fn lost_replies(fault: Option<&str>) -> (Verdict, History) {
    let stage = Stage::with_fault(fault).await;
    let proxy = FaultProxy::start(&stage.site.redis).await;
    let _worker = ready(stage.prepared().env("REDIS_URL", proxy.url()).start()).await;
    for n in 0..8 {
        let swallowed = proxy.traffic().swallowed;
        proxy.swallow_reply_to(&["XREADGROUP"]);
        stage.play(&format!("e-{n}"), "sleep:600").await;
        eventually("a reply is lost", SOON, async || proxy.traffic().swallowed > swallowed).await;
    }
    stage.verdict(patience(fault)).await
}

#[tokio::test]
async fn looking_for_own_entries_by_reading_them_again_is_found_out() {
    let guilty = |verdict: &Verdict| !verdict.is_clean();
    is_found_out("history_read_at_start", lost_replies, guilty).await;
}

/// An event kills every worker that takes it.
async fn a_poison(fault: Option<&str>) -> (Verdict, History) {
    let mut stage = Stage::with_fault(fault).await;
    stage.must_die("poison");
    stage.play("poison", "abort").await;
    for _ in 0..5 {
        let worker = stage.prepared().args(["--lease", "300ms"]).start();
        let ended = eventually("it dies, or the poison is put away", 2 * SOON, async || {
            let dead = stage.site.world().await.dead_letters() == 1;
            if dead { Some(false) } else { worker.ended().map(|_| true) }
        })
        .await;
        if !ended {
            break;
        }
    }
    stage.verdict(Duration::ZERO).await
}

#[tokio::test]
async fn deaths_that_are_not_counted_are_found_out() {
    let guilty = |verdict: &Verdict| verdict.lost == ["poison"];
    is_found_out("take_over_uncounted", a_poison, guilty).await;
}

#[test]
fn what_is_shipped_has_no_fault_built_in() {
    let folder = crate::binaries::folder();
    let marks: [&[u8]; 2] = [b"PRINTERY_FAULT", b"PRINTERY_CRASH_AT"];
    let has = |path: &std::path::Path, mark: &[u8]| {
        let bytes = std::fs::read(path).expect("a program of the fleet is a file");
        bytes.windows(mark.len()).any(|window| window == mark)
    };
    let programs = ["printery-workers", "printery-validator", "printery-notifier"];
    for program in programs.map(|name| folder.join(name)) {
        assert!(marks.iter().all(|mark| !has(&program, mark)), "{}", program.display());
    }
    let rehearsal = crate::stage::rehearsal();
    assert!(marks.iter().all(|mark| has(rehearsal, mark)), "{}", rehearsal.display());
}
