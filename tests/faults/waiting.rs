//! Entries that wait for their time, while everybody who could work on them is away.
//!
//! Cases 17, 19 and 21 of the protocol.

use printery_testkit::eventually;

use crate::site::{PREFIX, SOON};
use crate::stage::{COMPLETED, Stage, played};

/// Returns the server's time, ms.
async fn now_ms(stage: &Stage) -> u64 {
    let time = stage.site.conn.texts(&["TIME"]).await;
    let part = |at: usize| time[at].parse::<u64>().expect("TIME answers two numbers");
    part(0) * 1000 + part(1) / 1000
}

#[tokio::test]
async fn what_falls_due_while_nobody_is_there_runs_once_when_somebody_is() {
    let stage = Stage::set().await;
    let first = stage.rehearsal(&[]).await;
    for n in 0..10 {
        stage.play(&format!("e-{n}"), "fail:1").await;
    }
    eventually("one of them waits for its time", SOON, async || {
        let world = stage.site.world().await;
        if world.delayed() > 0 { Ok(()) } else { Err(world) }
    })
    .await;
    first.kill9();
    let due = stage.site.conn.texts(&["ZRANGE", &key("delay"), "-1", "-1", "WITHSCORES"]).await;
    let due: u64 = due.last().and_then(|score| score.parse().ok()).unwrap_or_default();
    eventually("all are due", SOON, async || now_ms(&stage).await > due).await;
    stage.history.fault("nobody was there when they fell due");
    let _later = stage.rehearsal(&[]).await;
    stage.judge().await;
}

#[tokio::test]
async fn a_retry_comes_neither_early_nor_much_too_late() {
    let stage = Stage::set().await;
    let worker = stage.rehearsal(&[]).await;
    stage.play("e-1", "fail:2").await;
    played(&worker, "e-1", 3).await;
    stage.judge().await;
    let log = stage.site.conn.entries(&format!("{PREFIX}:printery:log:rehearsal")).await;
    let last = &log[0];
    let number = |name: &str| last.text(name).parse::<u64>().expect("a number");
    assert_eq!(last.text("attempts"), "3");
    let inbox = stage.site.conn.entries(&crate::site::stream("inbox:rehearsal")).await;
    let first: u64 = inbox[0].text("first_failure_at").parse().expect("epoch milliseconds");
    // 50 ms and 100 ms, 20 % less at the least; and no more than a loaded machine needs.
    let waited = number("started") - first;
    assert!((120..10_000).contains(&waited), "{waited} ms");
}

#[tokio::test]
async fn a_redis_that_dies_while_entries_fall_due_has_each_of_them_in_one_place() {
    let stage = Stage::set().await;
    let workers = [stage.rehearsal(&[]).await, stage.rehearsal(&[]).await];
    for round in 0..4 {
        for n in 0..40 {
            stage.play(&format!("e-{round}-{n}"), "fail:1").await;
        }
        eventually("some fall due", SOON, async || {
            let done = stage.site.results(COMPLETED).await.len();
            if done > round * 40 { Ok(()) } else { Err(stage.site.world().await) }
        })
        .await;
        stage.site.redis.kill9();
        stage.history.fault("Redis was killed");
        stage.site.redis.restart().await;
    }
    stage.judge().await;
    for worker in &workers {
        assert!(worker.is_running(), "{}", worker.report());
    }
    assert_eq!(stage.site.conn.int(&["HLEN", &key("delaybody")]).await, 0);
}

fn key(of: &str) -> String {
    format!("{PREFIX}:printery:{of}:rehearsal")
}
