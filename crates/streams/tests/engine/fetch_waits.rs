//! Waiting: hands nothing out, misses nothing that came meanwhile, and never runs in circles.

use std::time::{Duration, Instant};

use printery_streams::fetch::LONGEST_WAIT;
use printery_testkit::FaultProxy;

use crate::contents::row;
use crate::scene::{
    GROUP, INBOX, ME, OTHER, OTHERS, RESULTS, Reading, SOON, SOURCE, Scene, member, ordered,
};

const BLOCK: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(30);

async fn reading(scene: &Scene) -> Reading {
    Reading::of(scene, member(ME), &[SOURCE, RESULTS, OTHERS]).await
}

/// How often the server executed a command since its statistics were reset.
async fn calls_of(scene: &Scene, command: &str) -> u64 {
    let stats = scene.db.text(&["INFO", "commandstats"]).await.unwrap();
    let begin = format!("cmdstat_{command}:calls=");
    let line = stats.lines().find_map(|line| line.strip_prefix(&begin));
    line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn a_wait_for_nothing_ends_after_its_time() {
    let scene = Scene::set().await;
    let mut reading = reading(&scene).await;
    assert_eq!(reading.take(8).await.unwrap(), []);
    let began = Instant::now();
    let block = Duration::from_millis(150);
    assert!(!reading.wait(block).await.unwrap());
    assert!(began.elapsed() >= block, "{:?}", began.elapsed());
}

#[tokio::test]
async fn no_wait_is_longer_than_the_longest() {
    let scene = Scene::set().await;
    let mut reading = reading(&scene).await;
    let began = Instant::now();
    assert!(!reading.wait(Duration::from_secs(3600)).await.unwrap());
    assert!(began.elapsed() >= LONGEST_WAIT, "{:?}", began.elapsed());
    // And none of no length at all, which would mean for ever.
    assert!(!reading.wait(Duration::ZERO).await.unwrap());
}

#[tokio::test]
async fn a_wait_ends_as_soon_as_something_comes_and_hands_nothing_out() {
    for member in [member(ME), ordered(ME)] {
        let scene = Scene::set().await;
        let mut reading = Reading::of(&scene, member, &[SOURCE, RESULTS, OTHERS]).await;
        for stream in [OTHERS, INBOX] {
            assert_eq!(reading.take(8).await.unwrap(), []);
            let act = async || drop(scene.db.add(stream, &[("data", "x")]).await);
            let (waited, ()) = tokio::join!(reading.wait(BLOCK), scene.when_blocked(act));
            assert!(waited.unwrap(), "{stream}");
            assert_eq!(scene.contents().await.pending(stream), []);
            assert_eq!(reading.take(8).await.unwrap().len(), 1, "{stream}");
        }
    }
}

#[tokio::test]
async fn what_came_between_the_last_take_and_the_wait_is_not_waited_for() {
    for member in [member(ME), ordered(ME)] {
        let scene = Scene::set().await;
        let mut reading = Reading::of(&scene, member, &[SOURCE, RESULTS, OTHERS]).await;
        for stream in [RESULTS, INBOX, RESULTS] {
            assert_eq!(reading.take(8).await.unwrap(), []);
            scene.db.add(stream, &[("data", "x")]).await;
            // Nothing comes during the wait: it can only be true by what was there before.
            assert!(reading.wait(BLOCK).await.unwrap(), "{stream}");
            assert_eq!(reading.take(8).await.unwrap().len(), 1, "{stream}");
        }
        assert!(!reading.wait(SHORT).await.unwrap());
    }
}

#[tokio::test]
async fn a_wait_without_a_take_before_sees_the_backlog() {
    let scene = Scene::set().await;
    let mut reading = reading(&scene).await;
    scene.db.add(SOURCE, &[("data", "x")]).await;
    assert!(reading.wait(BLOCK).await.unwrap());
    assert!(reading.wait(BLOCK).await.unwrap(), "it is still there");
    assert_eq!(reading.take(8).await.unwrap().len(), 1);
    assert!(!reading.wait(SHORT).await.unwrap());
}

#[tokio::test]
async fn a_wait_that_is_dropped_costs_nobody_anything() {
    let scene = Scene::set().await;
    let mut reading = reading(&scene).await;
    assert_eq!(reading.take(8).await.unwrap(), []);
    for round in 1..=3 {
        tokio::select! {
            waited = reading.wait(BLOCK) => panic!("there was nothing: {waited:?}"),
            () = scene.when_blocked(async || ()) => {}
        }
        let entry = scene.db.add(SOURCE, &[("data", "x")]).await;
        scene.blocked_clients(0).await;
        assert_eq!(scene.contents().await.pending(SOURCE).len(), round - 1, "not handed out");
        assert!(reading.wait(BLOCK).await.unwrap(), "the next wait sees it");
        let taken = reading.take(8).await.unwrap();
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0].fence.entry.to_string(), entry);
    }
}

#[tokio::test]
async fn entries_that_others_took_are_not_waited_on_in_circles() {
    let scene = Scene::set().await;
    let mut reading = reading(&scene).await;
    let mut rival = Reading::of(&scene, member(OTHER), &[SOURCE, RESULTS, OTHERS]).await;
    assert_eq!(reading.take(8).await.unwrap(), []);
    assert!(!reading.wait(SHORT).await.unwrap());
    for _ in 0..50 {
        scene.db.add(SOURCE, &[("data", "x")]).await;
        scene.db.add(INBOX, &[("data", "x")]).await;
    }
    assert_eq!(rival.take(200).await.unwrap().len(), 100);
    scene.db.cmd(&["CONFIG", "RESETSTAT"]).await;
    assert!(reading.wait(BLOCK).await.unwrap(), "a false promise");
    assert_eq!(reading.take(8).await.unwrap(), []);
    for _ in 0..5 {
        assert!(!reading.wait(SHORT).await.unwrap(), "and no second one");
        assert_eq!(reading.take(8).await.unwrap(), []);
    }
    assert_eq!(calls_of(&scene, "xread").await, 6);
    assert_eq!(calls_of(&scene, "xreadgroup").await, 6);
    // The script is sent once more when the server does not know it yet.
    assert!(calls_of(&scene, "evalsha").await <= 2);
    // What comes next is seen all the same.
    scene.db.add(SOURCE, &[("data", "y")]).await;
    assert!(reading.wait(BLOCK).await.unwrap());
    assert_eq!(reading.take(8).await.unwrap().len(), 1);
}

#[tokio::test]
async fn rivals_that_take_everything_cost_one_look_each_time() {
    let scene = Scene::set().await;
    let mut ordered_one = Reading::of(&scene, ordered(ME), &[SOURCE, OTHERS]).await;
    let mut rival = Reading::of(&scene, ordered(OTHER), &[SOURCE, OTHERS]).await;
    assert_eq!(ordered_one.take(8).await.unwrap(), []);
    for _ in 0..5 {
        scene.db.add(SOURCE, &[("data", "x")]).await;
        assert_eq!(rival.take(8).await.unwrap().len(), 1);
        assert!(ordered_one.wait(BLOCK).await.unwrap());
        assert_eq!(ordered_one.take(8).await.unwrap(), []);
        assert!(!ordered_one.wait(SHORT).await.unwrap());
    }
}

#[tokio::test]
async fn a_group_that_is_set_back_is_read_from_there() {
    let scene = Scene::set().await;
    let mut reading = reading(&scene).await;
    scene.db.add(SOURCE, &[("data", "x")]).await;
    let first = reading.take(8).await.unwrap();
    assert!(!reading.wait(SHORT).await.unwrap());
    scene.db.cmd(&["XACK", SOURCE, GROUP, &first[0].fence.entry.to_string()]).await;
    scene.db.cmd(&["XGROUP", "SETID", SOURCE, GROUP, "0"]).await;
    // Whether the wait sees that or not: the take after it does.
    reading.wait(SHORT).await.unwrap();
    assert_eq!(reading.take(8).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_wait_whose_reply_is_lost_is_just_asked_again() {
    let scene = Scene::set().await;
    let proxy = FaultProxy::start(&scene.server).await;
    let through = scene.redis_at(&proxy.url(), SOON);
    let mut reading = Reading::at(&through, member(ME), &[SOURCE, RESULTS, OTHERS]);
    reading.make_groups().await;
    assert!(!reading.wait(SHORT).await.unwrap());
    let entry = scene.db.add(SOURCE, &[("data", "x")]).await;
    proxy.swallow_reply_to(&["XREAD\r\n"]);
    assert!(reading.wait(BLOCK).await.is_err());
    assert_eq!(scene.contents().await.pending(SOURCE), []);
    assert!(reading.wait(BLOCK).await.unwrap());
    assert_eq!(reading.take(8).await.unwrap().len(), 1);
    assert_eq!(scene.contents().await.pending(SOURCE), [row(&entry, ME, 1)]);
}
