//! The rehearsal: a worker that plays what an event tells it to, from a build that has faults built in.
//!
//! Owns that build, the events and the judgement; made by the tests of crash points and of mutants.
//! It never uses the programs that are shipped: those have no faults built in.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use printery_testkit::{
    History, Launch, Process, RedisServer, Rules, Verdict, Watched, check, eventually,
};
use serde_json::json;
use tokio::time::timeout;

use crate::site::{PREFIX, SOON, Site, stream};

/// What a rehearsal answers with.
pub(crate) const COMPLETED: &str = "deployment:completed";

/// The group that reads for rehearsals.
pub(crate) const GROUP: &str = "printery-rehearsal";

/// The example of the harness that has faults built in.
const NAME: &str = "rehearsal_with_faults";

/// A Redis that keeps everything, rehearsals on it, and what is known of every event.
pub(crate) struct Stage {
    pub(crate) site: Site,
    pub(crate) history: History,
    rules: Rules,
    /// Variables of every rehearsal that is started.
    pub(crate) variables: Vec<(&'static str, String)>,
}

impl Stage {
    /// Sets the stage; retries come soon, and events are not recognised as repeated, so that nothing but the fence is left
    /// to keep results single.
    pub(crate) async fn set() -> Self {
        let file = json!({ "version": 1, "fleet": "test", "engine": {
            "dedupe_window": "0s", "backoff": { "base": "50ms", "cap": "200ms" },
        } });
        let site = Site::on(RedisServer::options().append_only(), &file).await;
        Self { site, history: History::default(), rules: Rules::default(), variables: Vec::new() }
    }

    /// The same with a fault in every rehearsal; none = as it should be.
    pub(crate) async fn with_fault(fault: Option<&str>) -> Self {
        let mut stage = Self::set().await;
        stage.variables.extend(fault.map(|fault| ("PRINTERY_FAULT", fault.to_owned())));
        stage
    }

    /// Prepares a rehearsal with a lease of one second.
    pub(crate) fn prepared(&self) -> Launch {
        let launch = self.site.prepare(rehearsal());
        let launch = launch.env("PRINTERY_LEASE", "1s").env("PRINTERY_HTTP_ADDR", "off");
        let variables = self.variables.iter();
        variables.fold(launch, |launch, (name, value)| launch.env(name, value))
    }

    /// Starts a rehearsal and waits until it reads.
    pub(crate) async fn rehearsal(&self, flags: &[&str]) -> Process {
        ready(self.prepared().args(flags).start()).await
    }

    /// Publishes an event that plays `version`.
    pub(crate) async fn play(&self, id: &str, version: &str) {
        self.history.attempted(id, id);
        let entry = self.play_unnoted(id, version).await;
        self.history.acknowledged(id, &entry);
    }

    /// The same for an event that only is in the way and is not judged.
    pub(crate) async fn play_unnoted(&self, id: &str, version: &str) -> String {
        let data = json!({ "deployment_id": id, "version": version, "environment": "e",
                           "services": ["api"] })
        .to_string();
        self.site.conn.add(&stream("deployment:started"), &[("id", id), ("data", &data)]).await
    }

    /// Says that this event must be dead in the end.
    pub(crate) fn must_die(&mut self, id: &str) {
        self.rules.dead.insert(id.to_owned());
    }

    /// Waits until nothing is left to do, or for so long, and judges; gives what it judged by as well.
    pub(crate) async fn verdict(&self, within: Duration) -> (Verdict, History) {
        let patience = within + SOON;
        // What is left when the time is over has no outcome, and the checker says so.
        let _drained = timeout(within, self.drained(patience)).await.is_ok();
        let watched = Watched::of(PREFIX, "rehearsal", COMPLETED, None);
        let history = self.history.with(&self.site.conn, &[watched]).await;
        (check(&history.facts(), &self.rules), history)
    }

    async fn drained(&self, within: Duration) {
        eventually("every event has an outcome", within, async || {
            let results = self.site.results(COMPLETED).await;
            let dead = self.site.dead_letters("rehearsal").await.len();
            let open =
                self.history.acknowledgements().difference(&results.into_keys().collect()).count();
            if open <= dead { Ok(()) } else { Err(format!("{open}; {}", self.site.world().await)) }
        })
        .await;
        self.site.wait_until_idle(within).await;
    }

    /// Drains and asserts that every promise was kept.
    pub(crate) async fn judge(&self) {
        let (verdict, history) = self.verdict(3 * SOON).await;
        verdict.assert_clean(&history);
    }
}

/// Waits until a rehearsal reads.
pub(crate) async fn ready(worker: Process) -> Process {
    eventually("the rehearsal reads", SOON, async || {
        let reads = worker.lines().iter().any(|line| line.contains("ready"));
        if reads { Ok(()) } else { Err(worker.report()) }
    })
    .await;
    worker
}

/// Returns how often a rehearsal has begun to play an event.
pub(crate) fn plays(worker: &Process, id: &str) -> usize {
    let mark = format!(" of {id} attempt ");
    worker.lines().iter().filter(|line| line.starts_with("plays ") && line.contains(&mark)).count()
}

/// Waits until a rehearsal plays the event for the `times`th time.
pub(crate) async fn played(worker: &Process, id: &str, times: usize) {
    eventually(&format!("{id} is played {times} times"), SOON, async || {
        if plays(worker, id) >= times { Ok(()) } else { Err(worker.report()) }
    })
    .await;
}

/// Returns the rehearsal that has faults built in, built on the first call.
///
/// It lies beside the programs under test, under a name of its own: what everybody else starts stays without faults. Not built
/// when the folder of prepared programs has it, too.
pub(crate) fn rehearsal() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let prepared = crate::binaries::given().map(|folder| folder.join(NAME));
        if let Some(prepared) = prepared.filter(|path| path.is_file()) {
            return prepared;
        }
        let test = std::env::current_exe().expect("this test is a file");
        let folder =
            test.parent().and_then(Path::parent).expect("a test is in target/<profile>/deps");
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--locked", "-p", "printery-harness"]);
        build.args(["--example", NAME, "--features", "faults"]);
        if folder.ends_with("release") {
            build.arg("--release");
        }
        let status = build.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo starts");
        assert!(status.success(), "{build:?} failed");
        folder.join("examples").join(NAME)
    })
}
