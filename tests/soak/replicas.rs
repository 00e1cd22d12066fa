//! The processes of a soak: two of each worker, each behind a network of its own.
//!
//! Owns them, whatever they said before they died, and what is kept when a promise was broken; used by the plan and by the
//! measurements. It never decides what happens to them.

use std::path::PathBuf;
use std::time::Duration;

use printery_events::topology::WORKERS;
use printery_testkit::{Ended, FaultProxy, History, Mode, Process};

use crate::site::Site;

/// How long a worker that was asked to leave may finish what it runs.
const PATIENCE: &str = "300ms";

struct Replica {
    kind: &'static str,
    proxy: FaultProxy,
    process: Process,
}

/// Two processes of every worker.
pub(crate) struct Replicas {
    all: Vec<Replica>,
    lease: Duration,
    /// What those said that are no more.
    reports: Vec<String>,
}

impl Replicas {
    /// Starts them.
    pub(crate) async fn start(site: &Site, lease: Duration) -> Self {
        let mut all = Vec::new();
        for worker in WORKERS.iter().chain(&WORKERS) {
            let proxy = FaultProxy::start(&site.redis).await;
            let process = launch(site, worker.name, &proxy, lease);
            all.push(Replica { kind: worker.name, proxy, process });
        }
        Self { all, lease, reports: Vec::new() }
    }

    /// Returns how many there are.
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// Returns how long an entry stays with one that is silent.
    pub(crate) fn lease(&self) -> Duration {
        self.lease
    }

    /// Returns the one process.
    pub(crate) fn process(&self, who: usize) -> &Process {
        &self.all[who].process
    }

    /// Returns the network of the one process.
    pub(crate) fn proxy(&self, who: usize) -> &FaultProxy {
        &self.all[who].proxy
    }

    /// Returns the places of the replicas of that worker.
    pub(crate) fn of(&self, kind: &str) -> Vec<usize> {
        (0..self.all.len()).filter(|who| self.all[*who].kind == kind).collect()
    }

    /// Kills one.
    pub(crate) fn kill(&self, who: usize) {
        self.all[who].process.kill9();
    }

    /// Asks one to leave; one that was stopped goes on first.
    pub(crate) fn leave(&self, who: usize) {
        self.all[who].process.sigterm();
        self.all[who].process.sigcont();
    }

    /// Starts a successor in the place of one that was killed or asked to leave.
    pub(crate) async fn restart(&mut self, site: &Site, who: usize) {
        let replica = &mut self.all[who];
        // One that takes too long is not waited for: its supervisor would kill it, too.
        if replica.process.is_running() {
            replica.process.kill9();
        }
        let ended = replica.process.wait(Duration::from_secs(20)).await;
        let expected = [Ended::Signal(9), Ended::Code(0), Ended::Code(75)];
        // 69: it gave up waiting for Redis, as it is told to.
        assert!(
            expected.contains(&ended) || ended == Ended::Code(69),
            "{}",
            replica.process.report()
        );
        self.reports.push(replica.process.lines().join("\n"));
        replica.process = launch(site, replica.kind, &replica.proxy, self.lease);
    }

    /// Mends what is broken: everybody runs, everything flows.
    pub(crate) async fn mend(&mut self, site: &Site) {
        if !site.redis.is_running() {
            site.redis.restart().await;
        }
        site.redis.thaw();
        drop(site.conn.try_cmd(&["CONFIG", "SET", "maxmemory", "0"]).await);
        for who in 0..self.all.len() {
            self.all[who].proxy.set(Mode::Pass);
            self.all[who].proxy.let_go();
            self.all[who].process.sigcont();
            if !self.all[who].process.is_running() {
                self.restart(site, who).await;
            }
        }
    }

    /// Waits until nothing is left to do; tells whether that came.
    pub(crate) async fn drain(&self, site: &Site) -> bool {
        let patience = Duration::from_secs(120);
        let idle = site.wait_until_idle(2 * patience);
        tokio::time::timeout(patience, idle).await.is_ok()
    }

    /// Writes down everything there is to know, in a folder that stays.
    pub(crate) async fn keep(
        &self,
        history: &History,
        site: &Site,
        seed: u64,
        manager: &Process,
    ) -> PathBuf {
        let folder = tempfile::Builder::new()
            .prefix(&format!("printery-soak-{seed}-"))
            .tempdir()
            .expect("a temporary folder")
            .keep();
        let write = |name: &str, text: String| {
            std::fs::write(folder.join(name), text).expect("a writable folder");
        };
        history.write(&folder.join("history.txt")).expect("a writable folder");
        write("world.txt", site.world().await.to_string());
        write("redis.log", site.redis.log_tail());
        write("manager.log", manager.lines().join("\n"));
        write("ended.log", self.reports.join("\n"));
        for (who, replica) in self.all.iter().enumerate() {
            write(&format!("{who}-{}.log", replica.kind), replica.process.lines().join("\n"));
        }
        folder
    }
}

fn launch(site: &Site, kind: &str, proxy: &FaultProxy, lease: Duration) -> Process {
    let lease_ms = format!("{}ms", lease.as_millis());
    site.worker(kind)
        .env("REDIS_URL", proxy.url())
        .env("PRINTERY_LEASE", lease_ms)
        .args(["--concurrency", "4", "--shutdown-timeout", PATIENCE])
        .start()
}
