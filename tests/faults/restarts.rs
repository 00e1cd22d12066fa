//! The fleet, or its Redis, is started again and again under load.
//!
//! Cases 16, 48 to 50, 52 and 63 of the protocol.

use std::time::Duration;

use printery_events::topology::WORKERS;
use printery_testkit::{
    Ended, History, Process, RedisOptions, RedisServer, Rules, Watched, check, eventually,
};

use crate::run::{GROUP, RESULT, Run, STARTED, says};
use crate::site::{PREFIX, SOON, stream};

/// What each worker answers with, in the order of the chain.
const CHAIN: [(&str, &str); 3] = [
    ("validator", RESULT),
    ("dependency-checker", "dependency:check:completed"),
    ("health-monitor", "health:check:completed"),
];

#[tokio::test]
async fn twenty_restarts_of_the_whole_fleet_under_load_lose_and_double_nothing() {
    const RESTARTS: usize = 20;
    let mut run = Run::new().await;
    let start = |run: &Run| -> Vec<Process> {
        WORKERS.iter().map(|worker| run.site.worker(worker.name).start()).collect()
    };
    for restart in 0..RESTARTS {
        let fleet = start(&run);
        // Until it listens for signals, SIGTERM ends a process as it ends any other.
        for process in &fleet {
            says(process, "ready").await;
        }
        run.publish(5).await;
        // They are at work, and have more waiting, when they are told to leave; every third time they are not even told.
        run.results(restart * 5 + 1).await;
        for process in &fleet {
            if restart % 3 == 2 { process.kill9() } else { process.sigterm() }
        }
        for process in &fleet {
            let ended = process.wait(2 * SOON).await;
            let expected = if restart % 3 == 2 { Ended::Signal(9) } else { Ended::Code(0) };
            assert_eq!(ended, expected, "{}", process.report());
        }
        run.fault("the whole fleet was restarted");
    }
    let _fleet = start(&run);
    run.results(5 * RESTARTS).await;
    let world = run.site.wait_until_idle(2 * SOON).await;
    let mut causes: Vec<String> = (1..=5 * RESTARTS).map(|n| format!("e-{n}")).collect();
    for (worker, result) in CHAIN {
        let history = History::default();
        for (n, id) in causes.iter().enumerate() {
            history.attempted(id, id);
            history.acknowledged(id, &format!("{n}-0"));
        }
        let watched = Watched::of(PREFIX, worker, result, None);
        let history = history.with(&run.site.conn, &[watched]).await;
        check(&history.facts(), &Rules::default()).assert_clean(&history);
        let results = run.site.conn.entries(&stream(result)).await;
        causes = results.iter().map(|entry| entry.text("id")).collect();
    }
    // Of those that were killed, their successors' managers would clear the names away; nothing else may be left.
    let killed = RESTARTS / 3;
    for (name, state) in &world.streams {
        for (group, state) in &state.groups {
            let most = i64::try_from(killed + 1).expect("a few");
            assert!(state.consumers <= most, "{group} on {name}: {world}");
        }
    }
}

/// Kills and starts Redis under load; what it acknowledged is not lost, unless it kept nothing.
async fn survives_kills(options: RedisOptions) {
    let mut run = Run::on(options).await;
    let workers = [run.validator(), run.validator()];
    for _ in 0..3 {
        run.publish(30).await;
        run.site.redis.kill9();
        run.fault("Redis was killed");
        run.site.redis.restart().await;
    }
    run.recovers(&workers).await;
}

#[tokio::test]
async fn a_redis_that_writes_always_is_killed_and_nothing_is_lost() {
    survives_kills(RedisServer::options().append_only()).await;
}

#[tokio::test]
async fn a_redis_that_writes_every_second_is_killed_and_nothing_is_lost() {
    // The process dies, the machine does not: what was written is in its memory.
    let options = RedisServer::options().arg("--appendonly", "yes");
    survives_kills(options.arg("--appendfsync", "everysec")).await;
}

#[tokio::test]
async fn a_redis_that_keeps_nothing_is_worked_on_again_and_its_loss_is_reported() {
    let mut run = Run::new().await;
    let workers = [run.validator()];
    run.publish(10).await;
    run.results(5).await;
    run.site.redis.kill9();
    run.site.redis.restart().await;
    // What was published before is gone with everything else; what comes now is a new run.
    run.history = History::default();
    run.fault("Redis came back empty");
    run.publish(10).await;
    says(&workers[0], "came back without its consumer group").await;
    run.recovers(&workers).await;
}

#[tokio::test]
async fn a_redis_that_is_shut_down_without_saving_loses_nothing_that_it_wrote() {
    let mut run = Run::kept().await;
    let workers = [run.validator()];
    run.publish(20).await;
    run.results(5).await;
    let gone = run.site.conn.try_cmd(&["SHUTDOWN", "NOSAVE"]).await;
    eventually("the server is gone", SOON, async || run.site.redis.has_ended()).await;
    run.fault(&format!("SHUTDOWN NOSAVE: {gone:?}"));
    run.site.redis.restart().await;
    run.recovers(&workers).await;
}

#[tokio::test]
async fn a_redis_that_is_loading_is_waited_for() {
    // 10 ms for each of 300 keys, and an answer to everybody who asks meanwhile.
    let options = RedisServer::options().append_only().arg("--key-load-delay", "10000");
    let options = options.arg("--loading-process-events-interval-bytes", "1024");
    let mut run = Run::on(options.arg("--rdbcompression", "no")).await;
    for n in 0..300 {
        run.site.conn.cmd(&["SET", &format!("other:{n}"), &"x".repeat(1100)]).await;
    }
    // Only the snapshot at the beginning of the file is loaded with answers in between.
    run.site.conn.cmd(&["BGREWRITEAOF"]).await;
    eventually("the snapshot is written", SOON, async || {
        let info = run.site.conn.text(&["INFO", "persistence"]).await.unwrap_or_default();
        let idle = ["aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0"];
        if idle.iter().all(|word| info.contains(word)) { Ok(()) } else { Err(info) }
    })
    .await;
    let workers = [run.validator()];
    run.publish(3).await;
    run.results(3).await;
    run.site.redis.kill9();
    let told = says(&workers[0], "LOADING");
    tokio::join!(run.site.redis.restart(), told);
    run.fault("Redis was loading");
    run.recovers(&workers).await;
}

#[tokio::test]
async fn a_group_that_is_missing_at_the_start_is_made_and_sees_what_was_before() {
    let mut run = Run::new().await;
    run.publish(5).await;
    assert!(run.site.conn.try_cmd(&["XPENDING", &stream(STARTED), GROUP]).await.is_err());
    let workers = [run.validator()];
    eventually("it is made", Duration::from_secs(20), async || {
        run.site.conn.try_cmd(&["XPENDING", &stream(STARTED), GROUP]).await.is_ok()
    })
    .await;
    run.recovers(&workers).await;
    assert_eq!(run.site.results(RESULT).await.len(), 10);
}
