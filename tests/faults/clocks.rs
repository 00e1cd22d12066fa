//! Clocks step and run fast: the server's, and a worker's.
//!
//! Cases 75, 77 and 78 of the protocol, with libfaketime. Leases are the server's time, so a step of its clock makes all of
//! them look expired, or none of them for an hour.

use printery_testkit::{Answer, RedisServer, WallClock, eventually};

use crate::run::{Run, says};
use crate::site::SOON;

const HOUR: i64 = 3600;

async fn under(clock: &WallClock) -> Run {
    Run::on(RedisServer::options().clock(clock)).await
}

/// Steps the server's clock while handlers run, beside somebody who could take their entries over.
async fn takes_nothing_over_after(step: i64) {
    let clock = WallClock::default();
    let mut run = under(&clock).await;
    run.service.answer(Answer::Hold);
    let owner = run.validator();
    run.publish(4).await;
    run.handlers(4).await;
    let other = run.validator();
    says(&other, "ready").await;
    clock.step(step);
    run.fault("the server's clock stepped");
    // Two more, which the other takes: it works, and it has had its time to take the others' as well.
    run.publish(2).await;
    run.handlers(6).await;
    let began = run.history.elapsed();
    eventually("three leases pass", SOON, async || {
        run.history.elapsed() > began + std::time::Duration::from_secs(3)
    })
    .await;
    run.service.answer(Answer::Healthy);
    run.judge().await;
    assert_eq!(run.service.requests().len(), 6, "each was worked on once");
    run.recovers(&[owner, other]).await;
}

#[tokio::test]
async fn a_server_clock_that_jumps_ahead_ends_no_lease() {
    takes_nothing_over_after(HOUR).await;
}

#[tokio::test]
async fn a_server_clock_that_falls_back_ends_no_lease() {
    takes_nothing_over_after(-HOUR).await;
}

#[tokio::test]
async fn entries_of_an_owner_that_died_before_the_server_clock_fell_back_are_taken_over() {
    let clock = WallClock::default();
    let mut run = under(&clock).await;
    run.service.answer(Answer::Hold);
    let doomed = run.validator();
    run.publish(2).await;
    run.handlers(2).await;
    doomed.kill9();
    // By the server's new clock, nobody has been silent for longer than nothing, until it has caught up; by the heir's
    // own nobody has renewed for two leases.
    clock.step(-HOUR);
    run.fault("the server's clock fell back an hour");
    run.service.answer(Answer::Healthy);
    let heir = run.validator();
    run.publish(2).await;
    run.results(4).await;
    run.recovers(&[heir]).await;
}

#[tokio::test]
async fn clocks_that_step_under_load_lose_and_double_nothing() {
    let clock = WallClock::default();
    let mut run = under(&clock).await;
    let workers = [run.validator(), run.validator()];
    for (round, step) in [HOUR, 0, -HOUR, 2 * HOUR, 0].into_iter().enumerate() {
        run.publish(10).await;
        run.results(round * 10 + 1).await;
        clock.step(step);
        run.fault("the server's clock stepped");
    }
    run.recovers(&workers).await;
}

#[tokio::test]
async fn a_server_clock_that_runs_fast_or_slow_changes_nothing() {
    let clock = WallClock::default();
    let mut run = under(&clock).await;
    let workers = [run.validator(), run.validator()];
    for factor in [1.05, 0.95] {
        clock.slew(factor);
        run.publish(20).await;
    }
    run.recovers(&workers).await;
}

#[tokio::test]
async fn a_worker_whose_own_clock_is_an_hour_off_is_like_any_other() {
    let (ahead, behind) = (WallClock::default(), WallClock::default());
    ahead.step(HOUR);
    behind.step(-HOUR);
    let mut run = Run::new().await;
    run.service.answer(Answer::Hold);
    let doomed = run.prepared().clock(&ahead).start();
    run.publish(4).await;
    run.handlers(4).await;
    doomed.kill9();
    run.service.answer(Answer::Healthy);
    let workers = [run.prepared().clock(&behind).start(), run.prepared().clock(&ahead).start()];
    run.results(4).await;
    behind.step(HOUR);
    run.fault("a worker's clock stepped");
    run.publish(20).await;
    run.recovers(&workers).await;
}
