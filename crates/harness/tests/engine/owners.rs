//! Owners that die, stall or leave: who works on their entries afterwards, and how often.

use std::time::Duration;

use printery_testkit::{Ended, World, eventually};

use crate::stage::{DEAD, GROUP, PREFIX, SOON, STARTED, Stage, plays};

const LEASE: [&str; 2] = ["--lease", "1s"];

#[tokio::test]
async fn the_entries_of_a_killed_worker_are_done_by_another() {
    let stage = Stage::set().await;
    let doomed = stage.worker(&LEASE).await;
    for n in 0..4 {
        stage.play(&format!("e-{n}"), "sleep:300").await;
    }
    eventually("all run", SOON, async || (doomed.lines().len() >= 5).then_some(())).await;
    doomed.kill9();
    let _heir = stage.worker(&LEASE).await;
    stage.settles(4, 0).await;
    assert_eq!(stage.causes().await, ["e-0", "e-1", "e-2", "e-3"]);
}

#[tokio::test]
async fn a_live_owner_keeps_an_entry_for_longer_than_its_lease() {
    // Long enough that a loaded machine renews it in time.
    const LEASE: [&str; 2] = ["--lease", "3s"];
    let stage = Stage::set().await;
    let owner = stage.worker(&LEASE).await;
    let other = stage.worker(&LEASE).await;
    stage.play("e-1", "sleep:8000").await;
    stage.settles(1, 0).await;
    assert_eq!(plays(&owner, "d-e-1") + plays(&other, "d-e-1"), 1);
}

#[tokio::test]
async fn a_stalled_owner_is_fenced() {
    let stage = Stage::set().await;
    let stalled = stage.worker(&LEASE).await;
    stage.play("e-1", "sleep:600").await;
    eventually("it runs", SOON, async || (plays(&stalled, "d-e-1") == 1).then_some(())).await;
    stalled.sigstop();
    let heir = stage.worker(&LEASE).await;
    stage.settles(1, 0).await;
    stalled.sigcont();
    stage.play("e-2", "ok").await;
    stage.settles(2, 0).await;
    assert_eq!(stage.causes().await, ["e-1", "e-2"]);
    assert_eq!(plays(&heir, "d-e-1"), 1);
}

#[tokio::test]
async fn a_poisonous_entry_is_dead_lettered_and_its_neighbours_are_not() {
    let stage = Stage::set().await;
    stage.play("poison", "abort").await;
    for n in 0..6 {
        stage.play(&format!("e-{n}"), "sleep:50").await;
    }
    let mut deaths = 0;
    let worker = loop {
        let worker = stage.start(&LEASE);
        let ended = eventually("it dies or the poison is buried", SOON, async || {
            let world = World::snapshot(&stage.redis, PREFIX).await;
            if world.dead_letters() == 1 { Some(None) } else { worker.ended().map(Some) }
        })
        .await;
        if ended.is_none() {
            break worker;
        }
        deaths += 1;
        assert!(deaths <= 3, "the poison was run too often");
    };
    stage.settles(6, 1).await;
    assert_eq!(deaths, 3);
    assert_eq!(worker.ended(), None);
    let dead = &stage.redis.entries(DEAD).await[0];
    assert_eq!(
        (dead.text("failure_reason"), dead.text("attempt_count")),
        ("poison".to_owned(), "3".to_owned())
    );
    assert_eq!(dead.text("event_id"), "poison");
}

#[tokio::test]
async fn a_draining_worker_finishes_what_it_runs() {
    let stage = Stage::set().await;
    let worker = stage.worker(&[]).await;
    stage.play("e-1", "sleep:700").await;
    eventually("it runs", SOON, async || (plays(&worker, "d-e-1") == 1).then_some(())).await;
    worker.sigterm();
    assert_eq!(worker.wait(SOON).await, Ended::Code(0));
    stage.settles(1, 0).await;
    let consumers = stage.redis.cmd(&["XINFO", "CONSUMERS", STARTED, GROUP]).await;
    assert_eq!(consumers, printery_testkit::Value::Array(vec![]), "its consumer is retired");
}

#[tokio::test]
async fn what_a_worker_cannot_finish_is_handed_back_without_using_an_attempt() {
    let stage = Stage::set().await;
    let worker = stage.worker(&["--shutdown-timeout", "200ms", "--max-attempts", "1"]).await;
    stage.play("e-1", "sleep:1500").await;
    eventually("it runs", SOON, async || (plays(&worker, "d-e-1") == 1).then_some(())).await;
    let heir = stage.worker(&["--max-attempts", "1"]).await;
    worker.sigterm();
    assert_eq!(worker.wait(SOON).await, Ended::Code(75));
    // Long before the lease of 15 s is over.
    eventually("the successor runs it", Duration::from_secs(2), async || {
        (plays(&heir, "d-e-1") == 1).then_some(())
    })
    .await;
    stage.settles(1, 0).await;
    assert!(heir.lines().iter().any(|line| line.ends_with("of d-e-1 attempt 1")));
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    let stage = Stage::set().await;
    let worker = stage.worker(&LEASE).await;
    stage.play("e-1", "hang").await;
    eventually("it runs", SOON, async || (plays(&worker, "d-e-1") == 1).then_some(())).await;
    worker.sigterm();
    eventually("it drains", SOON, async || {
        worker.lines().iter().any(|line| line.contains("no new work")).then_some(())
    })
    .await;
    worker.sigterm();
    assert_eq!(worker.wait(Duration::from_secs(2)).await, Ended::Code(75));
}
