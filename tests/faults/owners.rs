//! Owners that stall, block, or are asked to leave: who works on what, and how often.
//!
//! Cases 6, 8 and 14 of the protocol; the others about owners are the fleet's and the harness' own tests.

use std::time::{Duration, Instant};

use printery_testkit::{Answer, Ended, Launch, Value, eventually};

use crate::run::{GROUP, Run, STARTED};
use crate::site::{SOON, stream};
use crate::stage::{COMPLETED, Stage, played, plays};

#[tokio::test]
async fn a_stall_shorter_than_the_lease_costs_nothing() {
    let mut run = Run::new().await;
    run.service.answer(Answer::Hold);
    let lease = |launch: Launch| launch.env("PRINTERY_LEASE", "20s").start();
    let stalled = lease(run.prepared());
    run.publish(1).await;
    run.handlers(1).await;
    let _other = lease(run.prepared());
    stalled.sigstop();
    run.fault("a stall of less than a lease");
    run.service.answer(Answer::Healthy);
    stalled.sigcont();
    run.judge().await;
    assert_eq!(run.service.requests().len(), 1, "nobody else was asked to do it again");
}

#[tokio::test]
async fn a_handler_that_cannot_be_stopped_holds_up_nobody_but_itself() {
    let stage = Stage::set().await;
    // More than there are threads: even the process' own loops get no turn.
    let blocked = stage.rehearsal(&["--concurrency", "8"]).await;
    for n in 0..8 {
        stage.play(&format!("e-{n}"), "block:900").await;
    }
    eventually("some are blocked", SOON, async || {
        blocked.lines().iter().any(|line| line.starts_with("plays "))
    })
    .await;
    // Nobody renews: the leases end, and somebody else does it as well. One of the two publishes.
    let _heir = stage.prepared().args(["--concurrency", "8"]).start();
    stage.history.fault("every thread is blocked");
    stage.judge().await;
}

#[tokio::test]
async fn a_process_whose_handler_cannot_be_stopped_still_ends() {
    let stage = Stage::set().await;
    let blocked = stage.rehearsal(&["--shutdown-timeout", "200ms"]).await;
    stage.play("e-1", "block:600000").await;
    played(&blocked, "e-1", 1).await;
    blocked.sigterm();
    // The deadline, and then the time that handing back may take.
    let ended = blocked.wait(SOON).await;
    assert_eq!(ended, Ended::Code(75), "{}", blocked.report());
}

#[tokio::test]
async fn what_is_handed_back_is_worked_on_within_a_second_and_leaves_no_consumer() {
    let stage = Stage::set().await;
    let patient = ["--lease", "10m", "--shutdown-timeout", "100ms"];
    let leaving = stage.rehearsal(&patient).await;
    for n in 0..4 {
        stage.play(&format!("e-{n}"), "sleep:1000").await;
        played(&leaving, &format!("e-{n}"), 1).await;
    }
    let heir = stage.rehearsal(&patient).await;
    leaving.sigterm();
    let ended = leaving.wait(SOON).await;
    let began = Instant::now();
    assert_eq!(ended, Ended::Code(75), "{}", leaving.report());
    for n in 0..4 {
        played(&heir, &format!("e-{n}"), 1).await;
    }
    let took = began.elapsed();
    // A second is what is promised; a loaded machine gets a few, and a lease would be ten minutes.
    assert!(took < Duration::from_secs(5), "{took:?}");
    stage.judge().await;
    assert_eq!((0..4).map(|n| plays(&heir, &format!("e-{n}"))).sum::<usize>(), 4);
    let consumers =
        stage.site.conn.cmd(&["XINFO", "CONSUMERS", &stream(STARTED), "printery-rehearsal"]).await;
    let Value::Array(consumers) = consumers else { panic!("{consumers:?}") };
    assert!(consumers.len() <= 1, "who left is retired: {consumers:?}");
    assert_eq!(stage.site.results(COMPLETED).await.len(), 4);
}

#[tokio::test]
async fn an_entry_that_somebody_else_acknowledged_is_no_loss_and_no_result() {
    let mut run = Run::new().await;
    run.service.answer(Answer::Hold);
    let validator = run.validator();
    run.publish(2).await;
    run.handlers(2).await;
    // A person settles the first by hand: its owner finds it gone, and publishes nothing.
    let first = run.site.conn.entries(&stream(STARTED)).await[0].id.clone();
    run.site.conn.cmd(&["XACK", &stream(STARTED), GROUP, &first]).await;
    run.service.answer(Answer::Healthy);
    run.results(1).await;
    run.site.wait_until_idle(SOON).await;
    assert_eq!(run.site.results(crate::run::RESULT).await, [("e-2".to_owned(), 1)].into());
    assert!(validator.is_running(), "{}", validator.report());
}
