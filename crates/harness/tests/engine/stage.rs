//! What the tests share: a private Redis, rehearsal workers, and questions to ask.

use std::path::PathBuf;
use std::time::Duration;

use printery_testkit::{Connection, Process, RedisServer, World, eventually};

pub(crate) const PREFIX: &str = "t";
pub(crate) const STARTED: &str = "t:events:deployment:deployment:started";
pub(crate) const COMPLETED: &str = "t:events:deployment:deployment:completed";
pub(crate) const INBOX: &str = "t:events:deployment:inbox:rehearsal";
pub(crate) const DEAD: &str = "t:events:deployment:dlq:rehearsal";
pub(crate) const GROUP: &str = "printery-rehearsal";
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A Redis and who asks it.
pub(crate) struct Stage {
    pub(crate) server: RedisServer,
    pub(crate) redis: Connection,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let server = RedisServer::options().append_only().start().await;
        let redis = server.connect().await;
        Self { server, redis }
    }

    /// Starts a worker with more flags than the usual ones, and waits until it reads.
    pub(crate) async fn worker(&self, flags: &[&str]) -> Process {
        self.worker_at(&self.server.url(), flags).await
    }

    pub(crate) async fn worker_at(&self, url: &str, flags: &[&str]) -> Process {
        let worker = start(url, flags);
        eventually("the worker reads", SOON, async || {
            worker.lines().iter().any(|line| line.contains("ready")).then_some(())
        })
        .await;
        worker
    }

    /// Starts a worker and does not wait.
    pub(crate) fn start(&self, flags: &[&str]) -> Process {
        start(&self.server.url(), flags)
    }

    /// Publishes an event that plays `version`.
    pub(crate) async fn play(&self, id: &str, version: &str) -> String {
        let data = format!(
            r#"{{"deployment_id":"d-{id}","version":"{version}","environment":"staging","services":["api"]}}"#
        );
        self.redis.add(STARTED, &[("id", id), ("data", &data)]).await
    }

    /// Waits until so many results and dead letters are there and nothing is left to do.
    pub(crate) async fn settles(&self, results: i64, dead: i64) {
        eventually("everything is settled", SOON, async || {
            let world = World::snapshot(&self.redis, PREFIX).await;
            let done = world.events("deployment:completed") == results
                && world.dead_letters() == dead
                && world.pending() == 0
                && world.undelivered() == 0
                && world.delayed() == 0;
            if done { Ok(()) } else { Err(world) }
        })
        .await;
    }

    /// The ids of the events that the results were derived from, sorted.
    pub(crate) async fn causes(&self) -> Vec<String> {
        let results = self.redis.entries(COMPLETED).await;
        let mut causes: Vec<String> = results.iter().map(|e| e.text("causationid")).collect();
        causes.sort();
        causes
    }
}

fn start(url: &str, flags: &[&str]) -> Process {
    Process::of(&rehearsal())
        .args(["--redis-url", url, "--prefix", PREFIX, "--log-format", "text"])
        .args(flags)
        .start()
}

/// How often a worker's handler was started for a deployment.
pub(crate) fn plays(worker: &Process, deployment: &str) -> usize {
    let mark = format!(" of {deployment} attempt ");
    worker.lines().iter().filter(|line| line.starts_with("plays ") && line.contains(&mark)).count()
}

/// The example that cargo builds beside this test.
fn rehearsal() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let target =
        test.parent().and_then(|deps| deps.parent()).expect("a test lies in target/…/deps");
    let path = target.join("examples").join("rehearsal");
    assert!(path.exists(), "{} is built by `cargo test -p printery-harness`", path.display());
    path
}
