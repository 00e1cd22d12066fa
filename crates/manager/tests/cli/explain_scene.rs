//! A validator in the hands of a test: it takes and settles with the engine's own scripts.
//!
//! Owns the private Redis, the groups and the one consumer; the tests of `explain` bring entries
//! into every state with it.

use std::time::Duration;

use printery_fleet::dead_letters::Epitaph;
use printery_fleet::instances::{self, Instance};
use printery_streams::fetch::Fetcher;
use printery_streams::settle::{Bury, Commit, Defer, Publication, Release, Settled, Settler};
use printery_streams::trim::{Trimmed, trim};
use printery_streams::{Clock, Delivery, EntryId, History, Keys, Member, Redis, Session};

use crate::shell::{STARTED, Said, Shell};

/// How long a command may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// An hour: nothing falls due while a test runs.
const LATER: Duration = Duration::from_secs(3_600);
/// A day, in milliseconds: settled events are remembered.
const WINDOW_MS: u64 = 86_400_000;

/// A Redis with a validator's groups, and the validator.
pub(crate) struct Scene {
    pub(crate) shell: Shell,
    pub(crate) keys: Keys,
    pub(crate) session: Session,
    fetcher: Fetcher,
    settler: Settler,
}

impl Scene {
    /// Makes the groups of validator and notifier.
    pub(crate) async fn set() -> Self {
        Self::at("materi").await
    }

    /// The same below another prefix.
    pub(crate) async fn at(prefix: &str) -> Self {
        let shell = Shell::open().await;
        let keys = Keys::new(prefix);
        let member = Member {
            worker: "validator".to_owned(),
            group: "printery-validator".to_owned(),
            consumer: "validator-h-7-x".to_owned(),
            ordered: true,
        };
        let redis = Redis::try_new(&shell.redis.url(), PATIENCE).expect("an address");
        let mut session = redis.session();
        let started = keys.events("deployment:started");
        let mut fetcher =
            Fetcher::new(redis, &keys, member.clone(), std::slice::from_ref(&started));
        fetcher.ensure_groups(&mut session).await.expect("Redis answers");
        let notifier = ["XGROUP", "CREATE", &started, "printery-notifier", "0"];
        shell.conn.cmd(&notifier).await;
        let settler = Settler::new(keys.clone(), member, WINDOW_MS, 15_000);
        Self { shell, keys, session, fetcher, settler }
    }

    /// The stream of what the validator reads.
    pub(crate) fn started(&self) -> String {
        self.keys.events("deployment:started")
    }

    /// Lets the server keep every entry in a node of its own, because only whole nodes are trimmed.
    pub(crate) async fn keep_entries_apart(&self) {
        self.shell.conn.cmd(&["CONFIG", "SET", "stream-node-max-entries", "1"]).await;
    }

    /// Publishes a deployment's beginning.
    pub(crate) async fn publish(&mut self, id: &str, deployment: &str) -> String {
        let data = STARTED.replace("d-1", deployment);
        self.shell.conn.add(&self.started(), &[("id", id), ("data", &data)]).await
    }

    /// Writes the record of the validator's process.
    pub(crate) async fn beat(&mut self) {
        let clock = Clock::default();
        clock.read(&mut self.session).await.expect("Redis answers");
        let record = serde_json::json!({
            "instance": "validator-h-7-x", "worker": "validator", "host": "h", "pid": 7,
            "version": "1", "phase": "running", "started_ms": clock.now_ms(),
            "beat_ms": clock.now_ms(), "concurrency": 1, "in_flight": 0, "settled": 0,
            "failed": 0, "http": null,
        });
        let record: Instance = serde_json::from_value(record).expect("a record");
        instances::beat(&mut self.session, &self.keys, &record).await.expect("Redis answers");
    }

    /// Takes whatever the validator may take now.
    pub(crate) async fn take(&mut self) -> Vec<Delivery> {
        self.fetcher.take(&mut self.session, 8).await.expect("Redis answers")
    }

    /// Puts a delivery off for an hour.
    pub(crate) async fn defer(&mut self, delivery: &Delivery, failures: u32, error: &str) {
        let history =
            History { failures, last_error: error.to_owned(), ..delivery.history.clone() };
        let fields = history.seal(delivery.fields.as_deref().expect("a body"));
        let defer = Defer { fence: delivery.fence.clone(), delay: LATER, fields };
        let settled = self.settler.defer(&mut self.session, &[&defer]).await;
        assert_eq!(settled.expect("Redis answers"), [Settled::Done]);
    }

    /// Hands a delivery back.
    pub(crate) async fn release(&mut self, delivery: &Delivery) {
        let fields = delivery.history.seal(delivery.fields.as_deref().expect("a body"));
        let release = Release { fence: delivery.fence.clone(), fields };
        let settled = self.settler.release(&mut self.session, &[&release]).await;
        assert_eq!(settled.expect("Redis answers"), [Settled::Done]);
    }

    /// Settles a delivery with one result; what it turned out to be.
    pub(crate) async fn commit(&mut self, delivery: &Delivery) -> Settled {
        let result = Publication {
            stream: self.keys.events("validation:completed"),
            fields: vec![(b"id".to_vec(), b"r-1".to_vec())],
        };
        self.settle(delivery, vec![result]).await
    }

    /// Settles a delivery with these results; what it turned out to be.
    pub(crate) async fn settle(
        &mut self,
        delivery: &Delivery,
        results: Vec<Publication>,
    ) -> Settled {
        let fields = delivery.fields.iter().flatten();
        let id = fields.clone().find(|(name, _)| name == b"id").map(|(_, id)| id.clone());
        let commit = Commit {
            fence: delivery.fence.clone(),
            event_id: String::from_utf8(id.expect("an id")).expect("text"),
            event_type: "deployment:started".to_owned(),
            replay: delivery.history.is_replay(),
            attempt: 1,
            started_ms: delivery.fence.entry.ms,
            results,
        };
        let settled = self.settler.commit(&mut self.session, &[&commit]).await;
        settled.expect("Redis answers").remove(0)
    }

    /// Gives a delivery up.
    pub(crate) async fn bury(&mut self, delivery: &Delivery) {
        let original = delivery.fields.clone().expect("a body");
        let epitaph = Epitaph {
            id: "letter-1".to_owned(),
            event_id: "e-1".to_owned(),
            event_type: "deployment:started".to_owned(),
            deployment_id: "d-1".to_owned(),
            original_stream: delivery.history.origin_stream.clone(),
            original_entry: delivery.history.origin_entry.to_string(),
            worker: "validator".to_owned(),
            reason: "max_attempts".to_owned(),
            detail: "timeout: the handler took longer than 60s".to_owned(),
            attempts: 3,
            ..Epitaph::default()
        };
        let bury = Bury {
            fence: delivery.fence.clone(),
            event_id: "e-1".to_owned(),
            event_type: "deployment:started".to_owned(),
            attempt: 3,
            started_ms: delivery.fence.entry.ms,
            reason: "max_attempts".to_owned(),
            meta: epitaph.fields(&original, None),
            original,
        };
        let settled = self.settler.bury(&mut self.session, &[&bury]).await;
        assert_eq!(settled.expect("Redis answers"), [Settled::Done]);
    }

    /// Lets the notifier read and settle everything, so that it may be trimmed.
    pub(crate) async fn settle_for_notifier(&mut self) {
        let (started, group) = (self.started(), "printery-notifier");
        let read = ["XREADGROUP", "GROUP", group, "notifier-h-8-x", "STREAMS", &started, ">"];
        self.shell.conn.cmd(&read).await;
        for entry in self.shell.conn.entries(&started).await {
            self.shell.conn.cmd(&["XACK", &started, group, &entry.id]).await;
        }
    }

    /// Trims everything that every group has settled.
    pub(crate) async fn trim(&mut self) {
        let started = self.started();
        let last = EntryId { ms: u64::MAX, seq: u64::MAX };
        let trimmed = trim(&mut self.session, &started, 0, last, &[]).await;
        assert_eq!(trimmed.expect("Redis answers"), Trimmed::Removed(1));
    }

    /// What is explained of an id.
    pub(crate) fn explain(&self, id: &str) -> Said {
        self.shell.typed(&["explain", id])
    }
}

/// An entry id that is a day younger.
pub(crate) fn later(entry: &str) -> String {
    let entry: EntryId = entry.parse().expect("an entry id");
    EntryId::at(entry.ms + WINDOW_MS).to_string()
}
