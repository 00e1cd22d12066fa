//! Redis and the network misbehave: nothing exits, nothing is lost, nothing is doubled.

use printery_testkit::{FaultProxy, Mode, World, eventually};

use crate::stage::{COMPLETED, DEAD, GROUP, PREFIX, SOON, STARTED, Stage, plays};

const LEASE: [&str; 2] = ["--lease", "1s"];

#[tokio::test]
async fn a_reply_lost_after_commit_does_not_publish_twice() {
    let stage = Stage::set().await;
    let proxy = FaultProxy::start(&stage.server).await;
    let worker = stage.worker_at(&proxy.url(), &[]).await;
    proxy.swallow_reply_to(&["EVALSHA", "deployment:completed"]);
    stage.play("e-1", "ok").await;
    eventually("a reply is swallowed", SOON, async || {
        (proxy.traffic().swallowed == 1).then_some(())
    })
    .await;
    stage.play("e-2", "ok").await;
    stage.settles(2, 0).await;
    assert_eq!(stage.causes().await, ["e-1", "e-2"]);
    assert_eq!(plays(&worker, "d-e-1"), 1);
}

#[tokio::test]
async fn entries_of_a_lost_read_are_found_again_without_a_death() {
    let stage = Stage::set().await;
    let proxy = FaultProxy::start(&stage.server).await;
    let worker = stage.worker_at(&proxy.url(), &LEASE).await;
    proxy.swallow_reply_to(&["XREADGROUP"]);
    stage.play("e-1", "ok").await;
    stage.settles(1, 0).await;
    assert!(worker.lines().iter().any(|line| line.ends_with("of d-e-1 attempt 1")));
}

#[tokio::test]
async fn work_resumes_when_redis_comes_back() {
    let stage = Stage::set().await;
    let worker = stage.worker(&LEASE).await;
    stage.play("e-1", "sleep:300").await;
    eventually("it runs", SOON, async || (plays(&worker, "d-e-1") == 1).then_some(())).await;
    stage.server.kill9();
    stage.server.restart().await;
    // Our own connection died with the server: the first command replaces it.
    let _broken = stage.redis.try_cmd(&["PING"]).await.is_err();
    stage.play("e-2", "ok").await;
    stage.settles(2, 0).await;
    assert_eq!(worker.ended(), None);
    assert_eq!(stage.causes().await, ["e-1", "e-2"]);
}

#[tokio::test]
async fn a_network_that_stalls_stops_work_that_somebody_else_may_own() {
    let stage = Stage::set().await;
    let proxy = FaultProxy::start(&stage.server).await;
    let stalled = stage.worker_at(&proxy.url(), &LEASE).await;
    stage.play("e-1", "sleep:1500").await;
    eventually("it runs", SOON, async || (plays(&stalled, "d-e-1") == 1).then_some(())).await;
    proxy.set(Mode::Stall);
    let _heir = stage.worker(&LEASE).await;
    eventually("its own clock stops it", SOON, async || {
        stalled.lines().iter().any(|line| line.contains("lease lost")).then_some(())
    })
    .await;
    stage.settles(1, 0).await;
    proxy.set(Mode::Pass);
    stage.play("e-2", "ok").await;
    stage.settles(2, 0).await;
    assert_eq!(stage.causes().await, ["e-1", "e-2"]);
}

#[tokio::test]
async fn a_flushed_redis_gets_its_groups_back() {
    let stage = Stage::set().await;
    let _worker = stage.worker(&[]).await;
    for _ in 0..3 {
        stage.redis.cmd(&["FLUSHALL"]).await;
        stage.play("e-1", "ok").await;
        stage.settles(1, 0).await;
    }
}

#[tokio::test]
async fn a_destroyed_group_begins_again_and_settled_events_stay_settled() {
    let stage = Stage::set().await;
    let worker = stage.worker(&[]).await;
    stage.play("e-1", "ok").await;
    stage.settles(1, 0).await;
    stage.redis.cmd(&["XGROUP", "DESTROY", STARTED, GROUP]).await;
    stage.play("e-2", "ok").await;
    stage.settles(2, 0).await;
    assert_eq!(plays(&worker, "d-e-1"), 1);
}

#[tokio::test]
async fn an_entry_deleted_while_it_pends_is_reported() {
    let stage = Stage::set().await;
    let doomed = stage.worker(&LEASE).await;
    let entry = stage.play("e-1", "hang").await;
    eventually("it runs", SOON, async || (plays(&doomed, "d-e-1") == 1).then_some(())).await;
    doomed.kill9();
    stage.redis.cmd(&["XDEL", STARTED, &entry]).await;
    let _heir = stage.worker(&LEASE).await;
    stage.settles(0, 1).await;
    let dead = &stage.redis.entries(DEAD).await[0];
    assert_eq!(dead.text("failure_reason"), "lost_body");
    assert_eq!(dead.text("original_entry"), entry);
}

#[tokio::test]
async fn a_destination_of_the_wrong_type_holds_back_only_its_own() {
    let stage = Stage::set().await;
    let worker = stage.worker(&LEASE).await;
    stage.redis.cmd(&["SET", COMPLETED, "not a stream"]).await;
    stage.play("e-1", "ok").await;
    stage.play("e-2", "reject").await;
    eventually("the other one is settled", SOON, async || {
        let world = World::snapshot(&stage.redis, PREFIX).await;
        if world.dead_letters() == 1 { Ok(()) } else { Err(world) }
    })
    .await;
    stage.redis.cmd(&["DEL", COMPLETED]).await;
    stage.settles(1, 1).await;
    assert_eq!(plays(&worker, "d-e-1"), 1);
}

#[tokio::test]
async fn settling_works_when_redis_is_full() {
    let stage = Stage::set().await;
    let worker = stage.worker(&[]).await;
    stage.play("e-1", "sleep:500").await;
    eventually("it runs", SOON, async || (plays(&worker, "d-e-1") == 1).then_some(())).await;
    stage.redis.cmd(&["CONFIG", "SET", "maxmemory", "1"]).await;
    stage.settles(1, 0).await;
}

#[tokio::test]
async fn a_server_that_freezes_loses_and_doubles_nothing() {
    let stage = Stage::set().await;
    let worker = stage.worker(&LEASE).await;
    for n in 0..20 {
        stage.play(&format!("e-{n}"), "sleep:100").await;
    }
    eventually("some run", SOON, async || (plays(&worker, "d-e-0") == 1).then_some(())).await;
    stage.server.freeze();
    eventually("it is noticed", SOON, async || {
        worker.lines().iter().any(|line| line.contains("waiting")).then_some(())
    })
    .await;
    stage.server.thaw();
    stage.settles(20, 0).await;
    let causes = stage.causes().await;
    let mut distinct = causes.clone();
    distinct.dedup();
    assert_eq!(causes, distinct);
    assert_eq!(worker.ended(), None);
}
