//! More than can be done: backlogs, slow handlers, two managers.
//!
//! Cases 81, 82 and 87 of the protocol.

use std::time::Duration;

use printery_testkit::Answer;
use serde_json::json;

use crate::run::{GROUP, Run, STARTED, says};
use crate::site::{started, stream};

/// Memory that a process holds, MiB.
fn resident_mib(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it holds memory");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("kB");
    kib / 1024
}

#[tokio::test]
async fn a_large_backlog_is_left_where_it_is() {
    const BACKLOG: u64 = 300_000;
    let mut run = Run::new().await;
    run.service.answer(Answer::Hold);
    let validator = run.validator();
    run.publish(4).await;
    run.handlers(4).await;
    let before = resident_mib(validator.pid());
    let [_, (_, data)] = started(1, "x");
    let add = "for i = 1, 10000 do redis.call('XADD', KEYS[1], '*', 'id', ARGV[1] .. i, 'data', ARGV[2]) end";
    for block in 0..BACKLOG / 10_000 {
        run.site
            .conn
            .cmd(&["EVAL", add, "1", &stream(STARTED), &format!("b-{block}-"), &data])
            .await;
    }
    run.service.answer(Answer::Slow(Duration::from_millis(1)));
    run.results(200).await;
    let after = resident_mib(validator.pid());
    assert!(after < before + 32, "{before} MiB, and {after} MiB with {BACKLOG} waiting");
    let pending = run.site.conn.pending(&stream(STARTED), GROUP).await;
    assert!(pending <= 8, "{pending} were taken, more than there are slots and calls under way");
    assert!(validator.is_running(), "{}", validator.report());
}

#[tokio::test]
async fn two_managers_do_what_one_does() {
    let mut run = Run::with(printery_testkit::RedisServer::options(), |file| {
        file["engine"] = json!({ "retention": { "age": "0s", "entries": 10 } });
    })
    .await;
    let managers = [0, 1].map(|_| run.site.manager("off").args(["--worker", "none"]).start());
    for manager in &managers {
        says(manager, "the fleet starts").await;
    }
    let workers = [run.validator(), run.validator()];
    // The groups of the others exist, too: whoever manages a fleet makes all of them.
    let others = ["dependency-checker", "health-monitor", "notifier"];
    let others = others.map(|worker| run.site.worker(worker).start());
    run.publish(60).await;
    run.results(5).await;
    // Killed, so that both find the same name to clear away.
    workers[0].kill9();
    run.fault("a worker was killed beside two managers");
    run.results(60).await;
    run.judge().await;
    for process in managers.iter().chain(&others).chain(&workers[1..]) {
        assert!(process.is_running(), "{}", process.report());
    }
}
