//! The fleet on a Redis that a test has set up by itself: a cluster, sentinels, TLS.
//!
//! Owns the fleet file, the environment that leads to Redis, and the reading of what was written there, wherever its parts
//! are. It starts no server and shares nothing with another test.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use printery_testkit::{Connection, Ended, Launch, Process, World, eventually, free_port, get};
use serde_json::Value;
use tempfile::TempDir;

use crate::binaries::program;
use crate::site::{SOON, started};

/// Programs with what leads them to their Redis.
pub(crate) struct Crew {
    /// Holds the fleet file; gone with the test.
    _dir: TempDir,
    environment: Vec<(String, String)>,
}

impl Crew {
    /// Prepares programs for the Redis at `url`; what they publish is JSON.
    pub(crate) fn new(url: &str, prefix: &str, fleet_file: &Value) -> Self {
        let dir = TempDir::with_prefix("printery-crew-").expect("a temporary folder");
        let file = dir.path().join("fleet.yaml");
        fs::write(&file, fleet_file.to_string()).expect("a writable folder");
        let crew = Self { _dir: dir, environment: Vec::new() };
        crew.with("REDIS_URL", url)
            .with("PRINTERY_PREFIX", prefix)
            .with("PRINTERY_CONFIG", &file.display().to_string())
            .with("PRINTERY_ENCODING", "json")
            .with("PRINTERY_LEASE", "2s")
            .with("PRINTERY_HTTP_ADDR", "off")
    }

    /// Adds a variable for every program.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn launch(&self, name: &str) -> Launch {
        let launch = Process::of(&program(name));
        self.environment.iter().fold(launch, |launch, (name, value)| launch.env(name, value))
    }

    pub(crate) fn worker(&self, kind: &str) -> Process {
        self.launch(&format!("printery-{kind}")).start()
    }

    /// The manager with all four workers, which it starts again when they die.
    pub(crate) async fn fleet(&self) -> Process {
        let addr = format!("127.0.0.1:{}", free_port());
        let manager = self
            .launch("printery-workers")
            .env("PRINTERY_HTTP_ADDR", &addr)
            .env("SUPERVISED_MODE", "true")
            .env("RESTART_BACKOFF_MS", "50")
            .start();
        eventually("the fleet is ready", 2 * SOON, async || match get(&addr, "/ready").await {
            Ok(response) if response.status == 200 => Ok(()),
            other => Err(format!("{other:?}\n{}", manager.report())),
        })
        .await;
        manager
    }

    /// Runs a command of the manager to its end.
    pub(crate) async fn command(&self, words: &[&str]) -> (Ended, Process) {
        let process = self.launch("printery-workers").args(words).start();
        (process.wait(SOON).await, process)
    }

    /// Publishes deployment `n` as a producer that must not lose does: the same event again until it is confirmed.
    pub(crate) async fn publish_surely(&self, n: usize) -> String {
        let id = format!("e-{n}");
        let [_, (_, data)] = started(n, &id);
        eventually("the event is published", 3 * SOON, async || {
            let words = ["publish", "deployment:started", "--id", &id, "--data", &data];
            let (ended, process) = self.command(&words).await;
            if ended == Ended::Code(0) { Ok(()) } else { Err(process.report()) }
        })
        .await;
        id
    }
}

/// Where parts of a fleet's keys are: prefix and server of each.
pub(crate) struct Parts(pub(crate) Vec<(String, Connection)>);

impl Parts {
    /// Counts the results of that type by the event that caused them, over all parts.
    pub(crate) async fn results(&self, event_type: &str) -> BTreeMap<String, usize> {
        let mut results = BTreeMap::new();
        for (prefix, conn) in &self.0 {
            for entry in conn.entries(&format!("{prefix}:events:deployment:{event_type}")).await {
                *results.entry(entry.text("causationid")).or_default() += 1;
            }
        }
        results
    }

    /// Waits until every one of these events has a result of that type.
    pub(crate) async fn wait_for_results(
        &self,
        event_type: &str,
        ids: &[String],
        within: Duration,
    ) {
        let what = format!("{} events have {event_type}", ids.len());
        eventually(&what, within, async || {
            let results = self.results(event_type).await;
            let left: Vec<_> = ids.iter().filter(|id| !results.contains_key(*id)).collect();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?} {}", self.shown().await)) }
        })
        .await;
    }

    /// Waits until every one of these has flowed through all four workers, and returns the results of the validator.
    pub(crate) async fn wait_for_flow(
        &self,
        ids: &[String],
        within: Duration,
    ) -> BTreeMap<String, usize> {
        let steps =
            ["validation:completed", "dependency:check:completed", "health:check:completed"];
        let mut causes = ids.to_vec();
        for event_type in steps {
            self.wait_for_results(event_type, &causes, within).await;
            causes = self.ids(event_type, &causes).await;
        }
        eventually("people are told", within, async || {
            let mut told = Vec::new();
            for (prefix, conn) in &self.0 {
                let key = format!("{prefix}:events:deployment:notification:sent");
                told.extend(conn.entries(&key).await.iter().map(|entry| entry.text("causationid")));
            }
            let left: Vec<_> = causes.iter().filter(|id| !told.contains(id)).collect();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?} {}", self.shown().await)) }
        })
        .await;
        self.results("validation:completed").await
    }

    /// The ids of the events of that type that these caused.
    async fn ids(&self, event_type: &str, causes: &[String]) -> Vec<String> {
        let mut ids = Vec::new();
        for (prefix, conn) in &self.0 {
            let entries = conn.entries(&format!("{prefix}:events:deployment:{event_type}")).await;
            let results =
                entries.iter().filter(|entry| causes.contains(&entry.text("causationid")));
            ids.extend(results.map(|entry| entry.text("id")));
        }
        ids
    }

    /// Waits until nothing is waiting, pending or delayed any more.
    pub(crate) async fn wait_until_idle(&self, within: Duration) {
        eventually("nothing waits and nothing is pending", within, async || {
            for (prefix, conn) in &self.0 {
                let world = World::snapshot(conn, prefix).await;
                let open = world.pending() + world.undelivered() + world.delayed();
                if open > 0 || world.dead_letters() > 0 {
                    return Err(world);
                }
            }
            Ok(())
        })
        .await;
    }

    async fn shown(&self) -> String {
        let mut shown = String::new();
        for (prefix, conn) in &self.0 {
            shown.push_str(&World::snapshot(conn, prefix).await.to_string());
        }
        shown
    }
}
