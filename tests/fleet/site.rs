//! One test's installation of the fleet.
//!
//! Owns a private Redis, the fleet file and the way programs are started on them; every test makes one.
//! It never shares anything with another test, and everything it started ends with it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use printery_testkit::{Connection, Launch, Process, RedisOptions, RedisServer, World, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binaries::program;

/// How long anything that should happen soon may take on a loaded machine with two cores.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The prefix every test uses; each has its own Redis.
pub(crate) const PREFIX: &str = "materi";

/// How long a silent owner keeps its entries; a take-over is seen within a few seconds.
const LEASE: &str = "1s";

/// A signing key of the least length that webhooks allow.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A Redis, a fleet file, and the programs on them.
pub(crate) struct Site {
    pub(crate) redis: RedisServer,
    /// For assertions; goes straight to the server.
    pub(crate) conn: Connection,
    dir: TempDir,
}

impl Site {
    /// Installs the fleet on a Redis without persistence, with this fleet file.
    pub(crate) async fn new(fleet_file: &Value) -> Self {
        Self::on(RedisServer::options(), fleet_file).await
    }

    /// Installs the fleet on a Redis with these options.
    pub(crate) async fn on(options: RedisOptions, fleet_file: &Value) -> Self {
        let redis = options.start().await;
        let conn = redis.connect().await;
        let dir = TempDir::with_prefix("printery-site-").expect("a temporary folder");
        // YAML 1.2 contains JSON.
        fs::write(dir.path().join("fleet.yaml"), fleet_file.to_string())
            .expect("a writable folder");
        Self { redis, conn, dir }
    }

    /// Writes another fleet file in place of the one that is there.
    pub(crate) fn rewrite(&self, text: &str) {
        let (new, path) = (self.dir.path().join("new.yaml"), self.dir.path().join("fleet.yaml"));
        fs::write(&new, text).and_then(|()| fs::rename(&new, path)).expect("a writable folder");
    }

    /// Prepares one worker with a short lease, listening nowhere.
    pub(crate) fn worker(&self, kind: &str) -> Launch {
        let launch = self.launch(&format!("printery-{kind}"));
        launch.env("PRINTERY_LEASE", LEASE).env("PRINTERY_HTTP_ADDR", "off")
    }

    /// Prepares the manager with a short lease for its workers, listening on `addr`.
    pub(crate) fn manager(&self, addr: &str) -> Launch {
        let launch = self.launch("printery-workers");
        launch.env("PRINTERY_LEASE", LEASE).env("PRINTERY_HTTP_ADDR", addr)
    }

    /// Prepares any program with this site's Redis and fleet file; what it publishes is JSON.
    pub(crate) fn launch(&self, name: &str) -> Launch {
        self.prepare(&program(name))
    }

    /// Prepares a program that is no part of the fleet in the same way.
    pub(crate) fn prepare(&self, program: &Path) -> Launch {
        Process::of(program)
            .env("REDIS_URL", self.redis.url())
            .env("PRINTERY_CONFIG", self.dir.path().join("fleet.yaml"))
            .env("PRINTERY_ENCODING", "json")
            .env("LOG_LEVEL", "info")
    }

    /// Publishes `deployment:started` number `n` in the short form that redis-cli can write.
    pub(crate) async fn start_deployment(&self, n: usize) -> String {
        let id = format!("e-{n}");
        self.conn.add(&stream("deployment:started"), &started(n, &id)).await;
        id
    }

    /// Publishes an event with JSON data and returns its entry id.
    pub(crate) async fn publish(&self, event_type: &str, id: &str, data: &Value) -> String {
        let data = data.to_string();
        self.conn.add(&stream(event_type), &[("id", id), ("data", &data)]).await
    }

    /// Returns the data of every retained event of that type.
    pub(crate) async fn data(&self, event_type: &str) -> Vec<Value> {
        let entries = self.conn.entries(&stream(event_type)).await;
        entries.iter().map(|entry| parsed(&entry.text("data"))).collect()
    }

    /// Counts the retained events of that type by the event that caused them.
    pub(crate) async fn results(&self, event_type: &str) -> BTreeMap<String, usize> {
        let mut results = BTreeMap::new();
        for entry in self.conn.entries(&stream(event_type)).await {
            *results.entry(entry.text("causationid")).or_default() += 1;
        }
        results
    }

    /// Reads everything the fleet has written.
    pub(crate) async fn world(&self) -> World {
        World::snapshot(&self.conn, PREFIX).await
    }

    /// Waits until there are results of that type for `count` different events.
    pub(crate) async fn wait_for_results(&self, event_type: &str, count: usize, within: Duration) {
        let what = format!("{count} events have {event_type}");
        eventually(&what, within, async || {
            let results = self.results(event_type).await.len();
            if results >= count {
                Ok(())
            } else {
                Err(format!("{results}; {}", self.world().await))
            }
        })
        .await;
    }

    /// Waits until nothing is waiting, pending or delayed any more, and returns what is then there.
    pub(crate) async fn wait_until_idle(&self, within: Duration) -> World {
        eventually("nothing waits and nothing is pending", within, async || {
            let world = self.world().await;
            let open = world.pending() + world.undelivered() + world.delayed() + world.in_line();
            if open == 0 { Ok(world) } else { Err(world) }
        })
        .await
    }

    /// Asserts that each event has exactly one result of that type, and that nothing was dead-lettered.
    pub(crate) async fn assert_exactly_once(&self, event_type: &str, ids: &[String]) {
        let expected: BTreeMap<String, usize> = ids.iter().map(|id| (id.clone(), 1)).collect();
        let results = self.results(event_type).await;
        let world = self.world().await;
        let wrong: Vec<_> = results.iter().filter(|(id, n)| expected.get(*id) != Some(n)).collect();
        let lost: Vec<_> = expected.keys().filter(|id| !results.contains_key(*id)).collect();
        assert!(
            wrong.is_empty() && lost.is_empty(),
            "not once: {wrong:?}; lost: {lost:?}; {world}"
        );
        assert_eq!(world.dead_letters(), 0, "{world}");
    }

    /// Returns the dead letters of one worker.
    pub(crate) async fn dead_letters(&self, worker: &str) -> Vec<printery_testkit::Entry> {
        self.conn.entries(&stream(&format!("dlq:{worker}"))).await
    }
}

/// Returns the key of an event type's stream.
pub(crate) fn stream(event_type: &str) -> String {
    format!("{PREFIX}:events:deployment:{event_type}")
}

/// Returns the fields of `deployment:started` number `n`.
pub(crate) fn started(n: usize, id: &str) -> [(&'static str, String); 2] {
    let data = json!({
        "deployment_id": format!("d-{n}"), "version": "1.2.0", "environment": "staging", "services": ["api"],
    });
    [("id", id.to_owned()), ("data", data.to_string())]
}

/// Reads JSON that the fleet wrote.
pub(crate) fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Returns a fleet file whose one service needs only this URL: the validator checks it, `api` has it as endpoint, and
/// health is sampled there for a moment.
pub(crate) fn fleet_file(url: &str) -> Value {
    json!({
        "version": 1,
        "fleet": "test",
        "egress": { "allow_loopback": true },
        "checks": { "probe": { "kind": "http", "url": url, "timeout": "60s" } },
        "validator": { "checks": ["probe"], "deadline": "120s" },
        "endpoints": { "backend": { "http": url, "timeout": "60s" } },
        "services": { "api": { "url": url, "requires": ["backend"] } },
        "health_monitor": { "defaults": {
            "warmup": "0s", "window": "60ms", "interval": "20ms", "timeout": "5s", "min_samples": 1,
            "baseline": { "samples": 2 },
        } },
        "receivers": { "log": "log" },
        "routes": [{ "to": ["log"] }],
    })
}
