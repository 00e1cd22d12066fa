//! A fleet for the audit: groups that exist, entries that a validator has settled, and ways to tamper.
//!
//! Written with plain commands, not with the code under test.

use serde_json::{Value, json};

use crate::shell::{STARTED, Shell, stream};

pub(crate) const GROUP: &str = "printery-validator";
pub(crate) const LOG: &str = "materi:printery:log:validator";
pub(crate) const LEDGER: &str = "materi:printery:ledger:validator";
pub(crate) const DELAY: &str = "materi:printery:delay:validator";
pub(crate) const LINE: &str = "materi:printery:line:validator";
pub(crate) const BODIES: &str = "materi:printery:delaybody:validator";
pub(crate) const ORDER: &str = "materi:printery:order:validator";
pub(crate) const INBOX: &str = "materi:events:deployment:inbox:validator";
pub(crate) const DEAD: &str = "materi:events:deployment:dlq:validator";

/// A fleet whose groups exist and whose validator has settled entries 1-0 … 5-0 of `started`.
pub(crate) struct Fleet {
    pub(crate) shell: Shell,
    pub(crate) started: String,
    pub(crate) completed: String,
}

impl Fleet {
    pub(crate) async fn new() -> Self {
        let shell = Shell::open().await;
        let made = shell.typed(&["audit", "--repair", "--yes"]);
        assert_eq!(made.code, 0, "{made:?}");
        let (started, completed) = (stream("deployment:started"), stream("validation:completed"));
        let fleet = Self { shell, started, completed };
        for n in 1..=5 {
            fleet.add(n).await;
            fleet.read().await;
            fleet.settle(n).await;
        }
        fleet
    }

    pub(crate) async fn cmd(&self, words: &[&str]) {
        self.shell.conn.cmd(words).await;
    }

    pub(crate) async fn add(&self, n: u64) {
        let (entry, id) = (format!("{n}-0"), format!("e-{n}"));
        self.cmd(&["XADD", &self.started, &entry, "id", &id, "data", STARTED]).await;
        // The other reader of the stream has done its part.
        let read = ["XREADGROUP", "GROUP", "printery-notifier", "c", "STREAMS", &self.started, ">"];
        self.cmd(&read).await;
        self.cmd(&["XACK", &self.started, "printery-notifier", &entry]).await;
        let counter = format!("{}|done", self.started);
        self.cmd(&["HINCRBY", "materi:printery:ledger:notifier", &counter, "1"]).await;
    }

    pub(crate) async fn read(&self) {
        let read = ["XREADGROUP", "GROUP", GROUP, "gone", "STREAMS", &self.started, ">"];
        self.cmd(&read).await;
    }

    /// Does what a commit does.
    pub(crate) async fn settle(&self, n: u64) {
        let (entry, id) = (format!("{n}-0"), format!("e-{n}"));
        self.result(&format!("r-{n}"), &id, &entry).await;
        self.cmd(&[
            "XADD",
            LOG,
            "*",
            "stream",
            &self.started,
            "entry",
            &entry,
            "event_id",
            &id,
            "event_type",
            "deployment:started",
            "outcome",
            "done",
            "results",
            &entry,
        ])
        .await;
        self.cmd(&["HINCRBY", LEDGER, &format!("{}|done", self.started), "1"]).await;
        self.cmd(&["XACK", &self.started, GROUP, &entry]).await;
    }

    pub(crate) async fn result(&self, id: &str, cause: &str, entry: &str) {
        self.cmd(&[
            "XADD",
            &self.completed,
            entry,
            "id",
            id,
            "source",
            "/printery/validator",
            "causationid",
            cause,
        ])
        .await;
        for worker in ["dependency-checker", "notifier"] {
            let group = format!("printery-{worker}");
            self.cmd(&["XREADGROUP", "GROUP", &group, "c", "STREAMS", &self.completed, ">"]).await;
            self.cmd(&["XACK", &self.completed, &group, entry]).await;
            let ledger = format!("materi:printery:ledger:{worker}");
            self.cmd(&["HINCRBY", &ledger, &format!("{}|done", self.completed), "1"]).await;
        }
    }

    /// Puts an entry aside as `defer` does, due in the far future.
    pub(crate) async fn defer(&self, n: u64) -> String {
        let token = format!("{}|{n}-0|1", self.started);
        self.add(n).await;
        self.read().await;
        let script = "redis.call('ZADD', KEYS[1], 99999999999999, ARGV[1])
            redis.call('HSET', KEYS[2], ARGV[1], cmsgpack.pack({'printery-inbox', '1', 'origin_stream',
              ARGV[2], 'origin_entry', ARGV[3], 'event_id', '', 'failures', '1', 'deaths', '0',
              'first_failure_at', '1', 'last_error', 'x', 'replays', '0', 'id', ARGV[4], 'data', '{}'}))";
        let (entry, id) = (format!("{n}-0"), format!("e-{n}"));
        let args = [&token, &self.started, &entry, &id].map(String::as_str);
        self.cmd(&[&["EVAL", script, "2", DELAY, BODIES], &args[..]].concat()).await;
        self.cmd(&["HINCRBY", LEDGER, &format!("{}|deferred", self.started), "1"]).await;
        self.cmd(&["XACK", &self.started, GROUP, &entry]).await;
        token
    }

    pub(crate) fn audit(&self, words: &[&str]) -> (i32, Value) {
        let said = self.shell.typed(&[&["audit", "--json"], words].concat());
        assert!(said.err.is_empty(), "{said:?}");
        (said.code, said.json())
    }

    /// What is found, as `kind id`; notes are left out.
    pub(crate) fn wrong(&self) -> Vec<String> {
        names(&self.audit(&[]).1)
    }

    /// Repairs, and asserts that a second repair has nothing to do.
    pub(crate) fn repair(&self) -> (Value, Vec<String>) {
        let (code, first) = self.audit(&["--repair", "--yes"]);
        let (again, second) = self.audit(&["--repair", "--yes"]);
        assert_eq!((code, names(&first)), (again, names(&second)), "{first:#} {second:#}");
        assert_eq!(second["changes"], json!([]), "it is idempotent: {second:#}");
        let left = names(&second);
        assert_eq!(again, i32::from(!left.is_empty()), "{second:#}");
        (first, left)
    }
}

pub(crate) fn names(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    let wrong = findings.iter().filter(|finding| finding["level"] == "wrong");
    let name = |finding: &Value| {
        let text = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        for part in ["text", "partition"] {
            assert!(!text(part).is_empty(), "{finding}");
        }
        assert!(
            finding["redis_cli"].as_array().is_some_and(|words| !words.is_empty()),
            "{finding}"
        );
        format!("{} {}", text("kind"), text("id"))
    };
    wrong.map(name).collect()
}
