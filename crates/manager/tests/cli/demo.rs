//! `demo`: it leaves nothing behind, on a Redis of its own and on a given one.

use std::process::Command;

use printery_testkit::{RedisServer, eventually};

use crate::programs;
use crate::shell::{program, run};

fn demo(words: &[&str], folder: &tempfile::TempDir) -> Command {
    programs::built();
    let mut command = program();
    command.arg("demo").args(words).env("TMPDIR", folder.path());
    command
}

/// Where the demo of one test has its files.
fn folder() -> tempfile::TempDir {
    tempfile::TempDir::with_prefix("d").expect("a temporary folder")
}

fn assert_empty(folder: &tempfile::TempDir) {
    let left = std::fs::read_dir(folder.path()).expect("a readable folder").count();
    assert_eq!(left, 0, "{}", folder.path().display());
}

#[tokio::test]
async fn a_given_redis_is_left_running_with_every_event_below_one_prefix() {
    let (folder, redis) = (folder(), RedisServer::start().await);
    let mut command = demo(&["--services", "1"], &folder);
    command.env("REDIS_URL", redis.url());
    let said = run(command);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(!said.out.contains('\x1b'), "no colour without a terminal: {said:?}");
    let keys = redis.connect().await.keys("*").await;
    assert!(!keys.is_empty() && keys.iter().all(|key| key.starts_with("demo-")), "{keys:?}");
    assert_empty(&folder);
}

#[tokio::test]
async fn ctrl_c_ends_everything_that_was_started() {
    let folder = folder();
    programs::built();
    let launch = printery_testkit::Process::of(env!("CARGO_BIN_EXE_printery-workers").as_ref());
    let demo = launch.args(["demo", "--keep"]).env("TMPDIR", folder.path()).start();
    let soon = std::time::Duration::from_secs(60);
    eventually("the demo is over and keeps running", soon, async || {
        let lines = demo.lines();
        lines.iter().any(|line| line.contains("until Ctrl-C")).then_some(()).ok_or(demo.report())
    })
    .await;
    assert!(!demo.children().is_empty(), "{}", demo.report());
    demo.sigint();
    assert_eq!(demo.wait(soon).await, printery_testkit::Ended::Code(0), "{}", demo.report());
    assert_empty(&folder);
}
