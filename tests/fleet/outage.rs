//! Redis dies, is emptied and is operated on; the fleet goes on by itself.
//!
//! Proves the contract's G8 and G9: nothing exits, nothing is lost that Redis kept, and what somebody else removed is reported.

use std::time::Duration;

use printery_testkit::{
    Answer, Ended, HttpService, Process, RedisServer, eventually, free_port, get,
};

use crate::site::{SOON, Site, fleet_file, started, stream};

const RESULT: &str = "validation:completed";

/// Publishes like a producer that must not lose: the same event again until Redis has said yes.
pub(crate) async fn publish_surely(site: &Site, n: usize) -> String {
    let id = format!("e-{n}");
    let started_stream = stream("deployment:started");
    let [(id_name, _), (data_name, data)] = started(n, &id);
    let words = ["XADD", &started_stream, "*", id_name, &id, data_name, &data];
    eventually("the event is published", SOON, async || site.conn.try_cmd(&words).await).await;
    id
}

pub(crate) fn assert_running(processes: &[Process]) {
    for process in processes {
        assert!(process.is_running(), "{}", process.report());
    }
}

#[tokio::test]
async fn redis_is_killed_four_times_under_load_and_every_result_is_there_once() {
    const EVENTS: usize = 250;
    let service = HttpService::start().await;
    service.answer(Answer::Slow(Duration::from_millis(2)));
    let options = RedisServer::options().append_only();
    let site = Site::on(options, &fleet_file(&service.url())).await;
    let validator = || site.worker("validator").args(["--concurrency", "4"]).start();
    let workers = [validator(), validator(), site.worker("dependency-checker").start()];
    let mut ids = Vec::new();
    for n in 0..EVENTS {
        ids.push(publish_surely(&site, n).await);
        if n % 50 == 49 && n < 200 {
            site.redis.kill9();
            site.redis.restart().await;
        }
    }
    site.wait_for_results(RESULT, EVENTS, 2 * SOON).await;
    site.wait_for_results("dependency:check:completed", EVENTS, 2 * SOON).await;
    site.wait_until_idle(SOON).await;
    assert_running(&workers);
    site.assert_exactly_once(RESULT, &ids).await;
    let validated = site.conn.entries(&stream(RESULT)).await;
    let validated: Vec<String> = validated.iter().map(|entry| entry.text("id")).collect();
    site.assert_exactly_once("dependency:check:completed", &validated).await;
}

/// Operates on the data while events flow; whatever is published afterwards has its result once.
async fn survives(surgery: &[&str]) {
    let service = HttpService::start().await;
    service.answer(Answer::Slow(Duration::from_millis(2)));
    let site = Site::new(&fleet_file(&service.url())).await;
    let workers = [site.worker("validator").start(), site.worker("validator").start()];
    for n in 0..40 {
        site.start_deployment(n).await;
    }
    site.wait_for_results(RESULT, 10, SOON).await;
    site.conn.cmd(surgery).await;
    let mut after = Vec::new();
    for n in 100..140 {
        after.push(site.start_deployment(n).await);
    }
    eventually("what came later has its results", SOON, async || {
        let results = site.results(RESULT).await;
        if after.iter().all(|id| results.contains_key(id)) {
            Ok(())
        } else {
            Err(site.world().await)
        }
    })
    .await;
    site.wait_until_idle(SOON).await;
    assert_running(&workers);
    let results = site.results(RESULT).await;
    assert!(results.values().all(|times| *times == 1), "{results:?}");
    let world = site.world().await;
    assert_eq!(world.dead_letters(), 0, "{world}");
}

#[tokio::test]
async fn a_flushed_redis_gets_its_groups_back() {
    survives(&["FLUSHALL"]).await;
}

#[tokio::test]
async fn a_deleted_stream_gets_its_group_back() {
    survives(&["DEL", &stream("deployment:started")]).await;
}

#[tokio::test]
async fn a_destroyed_group_comes_back_and_repeats_nothing() {
    survives(&["XGROUP", "DESTROY", &stream("deployment:started"), "printery-validator"]).await;
}

#[tokio::test]
async fn a_pending_entry_that_somebody_deleted_is_reported_and_not_looked_for_for_ever() {
    let service = HttpService::start().await;
    service.answer(Answer::Hold);
    let site = Site::new(&fleet_file(&service.url())).await;
    let owner = site.worker("validator").start();
    let id = site.start_deployment(1).await;
    eventually("the handler runs", SOON, async || service.in_flight() == 1).await;
    owner.kill9();
    let entries = site.conn.entries(&stream("deployment:started")).await;
    let lost = entries[0].id.clone();
    site.conn.cmd(&["XDEL", &stream("deployment:started"), &lost]).await;
    service.answer(Answer::Healthy);

    let addr = format!("127.0.0.1:{}", free_port());
    let _successor = site.worker("validator").env("PRINTERY_HTTP_ADDR", &addr).start();
    eventually("the loss is dead-lettered", SOON, async || {
        site.dead_letters("validator").await.len() == 1
    })
    .await;
    site.wait_until_idle(SOON).await;
    let dead = &site.dead_letters("validator").await[0];
    assert_eq!(
        (dead.text("failure_reason"), dead.text("original_entry")),
        ("lost_body".into(), lost)
    );
    eventually("the loss is counted", SOON, async || {
        let metrics =
            get(&addr, "/metrics").await.map_or_else(|error| error.to_string(), |found| found.body);
        let counted = metrics
            .lines()
            .any(|line| line.starts_with("printery_events_lost_total{") && line.ends_with(" 1"));
        if counted { Ok(()) } else { Err(metrics) }
    })
    .await;
    // The worker goes on: the next event has its result, and the loss is not reported again.
    let next = site.start_deployment(2).await;
    site.wait_for_results(RESULT, 1, SOON).await;
    assert_eq!(site.results(RESULT).await, [(next, 1)].into(), "{id} has none");
    assert_eq!(site.dead_letters("validator").await.len(), 1);
}

#[tokio::test]
async fn a_worker_that_starts_before_redis_waits_for_it() {
    let service = HttpService::start().await;
    let options = RedisServer::options().append_only();
    let site = Site::on(options, &fleet_file(&service.url())).await;
    let id = site.start_deployment(1).await;
    site.redis.kill9();
    let worker = site.worker("validator").start();
    eventually("it says what it waits for", SOON, async || {
        if worker.lines().is_empty() { Err(worker.report()) } else { Ok(()) }
    })
    .await;
    site.redis.restart().await;
    site.wait_for_results(RESULT, 1, SOON).await;
    assert_running(&[worker]);
    site.assert_exactly_once(RESULT, &[id]).await;
}

#[tokio::test]
async fn a_worker_can_be_stopped_while_redis_is_away() {
    let service = HttpService::start().await;
    service.answer(Answer::Hold);
    let options = RedisServer::options().append_only();
    let site = Site::on(options, &fleet_file(&service.url())).await;
    let worker = site.worker("validator").args(["--shutdown-timeout", "500ms"]).start();
    let id = site.start_deployment(1).await;
    eventually("the handler runs", SOON, async || service.in_flight() == 1).await;
    site.redis.kill9();
    service.answer(Answer::Healthy);
    worker.sigterm();
    // What it could not commit is not done, and it says so.
    assert_eq!(worker.wait(SOON).await, Ended::Code(75), "{}", worker.report());
    site.redis.restart().await;
    let _successor = site.worker("validator").start();
    site.wait_for_results(RESULT, 1, SOON).await;
    site.wait_until_idle(SOON).await;
    site.assert_exactly_once(RESULT, &[id]).await;
}
