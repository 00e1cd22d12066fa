//! A worker crashes just before and just after each step it takes in Redis; every event has its outcome exactly once.
//!
//! Proves the contract's G1 and G2 at every point at which a process can die, instead of at random ones.

use printery_testkit::{Ended, eventually};

use crate::site::{SOON, stream};
use crate::stage::{COMPLETED, GROUP, Stage, played, rehearsal};

/// What an aborted process ends with.
const ABORTED: Ended = Ended::Signal(6);

/// What crashes, and what plays until it does.
struct Point {
    /// `before_…` or `after_…` a script of the engine.
    at: &'static str,
    plays: &'static [(&'static str, &'static str)],
    /// Events that end as dead letters.
    dead: &'static [&'static str],
}

const EACH: &[(&str, &str)] = &[("done", "ok"), ("again", "fail:1"), ("bad", "reject")];

const POINTS: [Point; 10] = [
    Point { at: "after_read:2", plays: EACH, dead: &["bad"] },
    Point { at: "before_commit", plays: EACH, dead: &["bad"] },
    Point { at: "after_commit", plays: EACH, dead: &["bad"] },
    Point { at: "before_defer", plays: EACH, dead: &["bad"] },
    Point { at: "after_defer", plays: EACH, dead: &["bad"] },
    Point { at: "before_bury", plays: EACH, dead: &["bad"] },
    Point { at: "after_bury", plays: EACH, dead: &["bad"] },
    Point { at: "before_promote", plays: EACH, dead: &["bad"] },
    Point { at: "after_promote", plays: EACH, dead: &["bad"] },
    Point { at: "after_renew", plays: &[("long", "sleep:1500")], dead: &[] },
];

async fn survives(point: &Point) {
    let mut stage = Stage::set().await;
    for id in point.dead {
        stage.must_die(id);
    }
    let doomed = stage.prepared().env("PRINTERY_CRASH_AT", point.at).start();
    for (id, version) in point.plays {
        stage.play(id, version).await;
    }
    assert_eq!(doomed.wait(SOON).await, ABORTED, "{}: {}", point.at, doomed.report());
    stage.history.fault(format!("crashed {}", point.at));
    let _heir = stage.rehearsal(&[]).await;
    stage.judge().await;
}

#[tokio::test]
async fn a_crash_before_or_after_any_step_neither_loses_nor_doubles() {
    // Built once, before everybody waits for it.
    rehearsal();
    for point in &POINTS {
        eprintln!("crash {}", point.at);
        survives(point).await;
    }
}

#[tokio::test]
async fn a_crash_while_handing_back_neither_loses_nor_doubles() {
    for at in ["before_release", "after_release"] {
        let stage = Stage::set().await;
        let launch = stage.prepared().env("PRINTERY_CRASH_AT", at);
        let doomed = launch.args(["--shutdown-timeout", "100ms"]).start();
        stage.play("e-1", "sleep:1000").await;
        played(&doomed, "e-1", 1).await;
        doomed.sigterm();
        assert_eq!(doomed.wait(SOON).await, ABORTED, "{at}: {}", doomed.report());
        let _heir = stage.rehearsal(&[]).await;
        stage.judge().await;
    }
}

#[tokio::test]
async fn a_crash_right_after_taking_over_neither_loses_nor_doubles() {
    let stage = Stage::set().await;
    let first = stage.rehearsal(&[]).await;
    stage.play("e-1", "sleep:1000").await;
    played(&first, "e-1", 1).await;
    first.kill9();
    // A sweep looks at the inbox first and at the events then; it finds nothing while the lease lasts.
    let second = loop {
        let second = stage.prepared().env("PRINTERY_CRASH_AT", "after_reclaim:2").start();
        assert_eq!(second.wait(SOON).await, ABORTED, "{}", second.report());
        let question = ["XPENDING", &stream("deployment:started"), GROUP, "-", "+", "1"];
        let owner = stage.site.conn.texts(&question).await;
        if owner.iter().any(|row| row.contains(&format!("-{}-", second.pid()))) {
            break second;
        }
    };
    stage.history.fault(format!("{} crashed as the owner", second.pid()));
    let _third = stage.rehearsal(&[]).await;
    stage.judge().await;
    assert_eq!(stage.site.results(COMPLETED).await.get("e-1"), Some(&1));
}

#[tokio::test]
async fn crashes_again_and_again_are_worked_off() {
    let stage = Stage::set().await;
    for n in 0..30 {
        stage.play(&format!("e-{n}"), "ok").await;
    }
    for nth in 1..=6 {
        let at = ["before_commit", "after_commit"][nth % 2];
        let launch = stage.prepared().env("PRINTERY_CRASH_AT", format!("{at}:{}", 1 + nth % 3));
        let doomed = launch.args(["--concurrency", "2", "--lease", "300ms"]).start();
        let ended = eventually("it crashes, or has nothing left to do", SOON, async || {
            let idle = stage.site.world().await;
            let idle = idle.pending() + idle.undelivered() == 0;
            if idle { Some(None) } else { doomed.ended().map(Some) }
        })
        .await;
        if ended.is_none() {
            break;
        }
    }
    let _heir = stage.rehearsal(&["--lease", "300ms"]).await;
    stage.judge().await;
}
