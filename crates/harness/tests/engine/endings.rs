//! Every way an execution can end, and what Redis looks like afterwards.

use std::time::Duration;

use printery_testkit::{World, eventually};

use crate::stage::{COMPLETED, DEAD, INBOX, PREFIX, SOON, STARTED, Stage, plays};

#[tokio::test]
async fn a_finished_event_is_published_once_and_acknowledged() {
    let stage = Stage::set().await;
    let _worker = stage.worker(&[]).await;
    let entry = stage.play("e-1", "ok").await;
    stage.settles(1, 0).await;
    let results = stage.redis.entries(COMPLETED).await;
    assert_eq!(results[0].text("causationid"), "e-1");
    assert_eq!(results[0].text("correlationid"), "e-1");
    assert_eq!(results[0].text("subject"), "d-e-1");
    let log = stage.redis.entries("t:printery:log:rehearsal").await;
    assert_eq!((log[0].text("entry"), log[0].text("outcome")), (entry, "done".to_owned()));
}

#[tokio::test]
async fn a_failing_handler_is_retried_and_then_dead_lettered() {
    let stage = Stage::set().await;
    let worker = stage.worker(&["--max-attempts", "2"]).await;
    let entry = stage.play("e-1", "fail").await;
    stage.settles(0, 1).await;
    assert_eq!(plays(&worker, "d-e-1"), 2);
    let dead = &stage.redis.entries(DEAD).await[0];
    assert_eq!(dead.text("failure_reason"), "max_attempts");
    assert_eq!(dead.text("failure_detail"), "played: it was told to fail");
    assert_eq!(dead.text("attempt_count"), "2");
    assert_eq!(dead.text("event_id"), "e-1");
    assert_eq!(dead.text("deployment_id"), "d-e-1");
    assert_eq!(
        (dead.text("original_stream"), dead.text("original_entry")),
        (STARTED.to_owned(), entry)
    );
}

#[tokio::test]
async fn an_event_that_fails_at_first_is_done_in_the_end() {
    let stage = Stage::set().await;
    let worker = stage.worker(&[]).await;
    stage.play("e-1", "fail:1").await;
    stage.settles(1, 0).await;
    assert_eq!(plays(&worker, "d-e-1"), 2);
}

#[tokio::test]
async fn a_rejected_event_is_dead_lettered_at_once() {
    let stage = Stage::set().await;
    let worker = stage.worker(&[]).await;
    stage.play("e-1", "reject").await;
    stage.settles(0, 1).await;
    assert_eq!(plays(&worker, "d-e-1"), 1);
    assert_eq!(stage.redis.entries(DEAD).await[0].text("failure_reason"), "bad_order");
}

#[tokio::test]
async fn waiting_as_asked_uses_no_attempt() {
    let stage = Stage::set().await;
    let worker = stage.worker(&["--max-attempts", "1"]).await;
    stage.play("e-1", "later:50").await;
    stage.settles(1, 0).await;
    assert!(worker.lines().iter().all(|line| !line.contains("attempt 2")));
}

#[tokio::test]
async fn a_panic_is_a_failed_attempt_and_the_process_survives() {
    let stage = Stage::set().await;
    let worker = stage.worker(&["--max-attempts", "1"]).await;
    stage.play("e-1", "panic").await;
    stage.play("e-2", "ok").await;
    stage.settles(1, 1).await;
    assert_eq!(worker.ended(), None);
    let dead = &stage.redis.entries(DEAD).await[0];
    assert_eq!(dead.text("failure_detail"), "panic: the handler panicked: it was told to panic");
}

#[tokio::test]
async fn an_undecodable_entry_is_dead_lettered_with_its_bytes() {
    let stage = Stage::set().await;
    let _worker = stage.worker(&[]).await;
    stage.redis.add(STARTED, &[("id", "e-1"), ("data", "{\"deployment_id\":")]).await;
    stage.play("e-2", "ok").await;
    stage.settles(1, 1).await;
    let dead = &stage.redis.entries(DEAD).await[0];
    assert_eq!(dead.text("data"), "{\"deployment_id\":");
    assert!(dead.text("failure_reason").starts_with("invalid_event: "), "{dead:?}");
}

#[tokio::test]
async fn a_repeated_event_is_acknowledged_and_publishes_nothing() {
    let stage = Stage::set().await;
    let worker = stage.worker(&[]).await;
    stage.play("e-1", "ok").await;
    stage.settles(1, 0).await;
    stage.play("e-1", "ok").await;
    stage.settles(1, 0).await;
    eventually("the repetition is counted", SOON, async || {
        let ledger = stage.redis.texts(&["HGETALL", "t:printery:ledger:rehearsal"]).await;
        ledger.contains(&format!("{STARTED}|duplicate")).then_some(())
    })
    .await;
    assert_eq!(plays(&worker, "d-e-1"), 1);
}

#[tokio::test]
async fn an_entry_of_the_inbox_is_worked_on_like_any_other() {
    let stage = Stage::set().await;
    let _worker = stage.worker(&[]).await;
    let data = r#"{"deployment_id":"d-1","version":"ok","environment":"x","services":[]}"#;
    stage.redis.add(INBOX, &[("id", "e-1"), ("type", "deployment:started"), ("data", data)]).await;
    stage.settles(1, 0).await;
}

#[tokio::test]
async fn more_events_than_slots_are_all_done_once() {
    let stage = Stage::set().await;
    let _worker = stage.worker(&["--concurrency", "1"]).await;
    for n in 0..200 {
        stage.play(&format!("e-{n}"), "ok").await;
    }
    stage.settles(200, 0).await;
    let causes = stage.causes().await;
    let mut distinct = causes.clone();
    distinct.dedup();
    assert_eq!(causes, distinct);
}

#[tokio::test]
async fn a_retry_waits_for_its_time() {
    let stage = Stage::set().await;
    let _worker = stage.worker(&[]).await;
    stage.play("e-1", "fail:1").await;
    eventually("it is delayed", SOON, async || {
        let world = World::snapshot(&stage.redis, PREFIX).await;
        if world.delayed() == 1 { Ok(()) } else { Err(world) }
    })
    .await;
    stage.settles(1, 0).await;
    let log = &stage.redis.entries("t:printery:log:rehearsal").await[0];
    let failed_at: u64 =
        stage.redis.entries(INBOX).await[0].text("first_failure_at").parse().unwrap();
    let started: u64 = log.text("started").parse().unwrap();
    let waited = Duration::from_millis(started - failed_at);
    assert!(waited >= Duration::from_millis(790), "{waited:?}");
}
