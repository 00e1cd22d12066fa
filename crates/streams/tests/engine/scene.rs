//! What the tests share: a private Redis with one worker's keys, and deliveries to settle.
//!
//! Set up by every test; deliveries are made with plain commands, not with the code under test.

use std::sync::Arc;
use std::time::Duration;

use printery_streams::fetch::Fetcher;
use printery_streams::settle::{Bury, Commit, Defer, Publication, Release, Settler};
use printery_streams::{Delivery, EntryId, Error, Fence, Fields, Keys, Member, Redis, Session};
use printery_testkit::acl::{self, User};
use printery_testkit::{Connection, RedisServer, eventually};
use redis::Value;

use crate::contents::Contents;

pub(crate) const WORKER: &str = "validator";
pub(crate) const GROUP: &str = "printery-validator";
pub(crate) const EVENT_TYPE: &str = "deployment:started";
pub(crate) const SOURCE: &str = "t:events:deployment:deployment:started";
pub(crate) const RESULTS: &str = "t:events:deployment:validation:completed";
pub(crate) const OTHERS: &str = "t:events:deployment:deployment:failed";
pub(crate) const INBOX: &str = "t:events:deployment:inbox:validator";
pub(crate) const DEAD: &str = "t:events:deployment:dlq:validator";
pub(crate) const LOG: &str = "t:printery:log:validator";
pub(crate) const LEDGER: &str = "t:printery:ledger:validator";
pub(crate) const DELAY: &str = "t:printery:delay:validator";
pub(crate) const BODIES: &str = "t:printery:delaybody:validator";
pub(crate) const ORDER: &str = "t:printery:order:validator";
pub(crate) const LINE: &str = "t:printery:line:validator";

/// The consumer that most tests settle for, and one that competes with it.
pub(crate) const ME: &str = "me";
pub(crate) const OTHER: &str = "other";

pub(crate) const LEASE: Duration = Duration::from_secs(15);
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A dedupe window whose generation changes once in thirty years, so that tests never meet it.
pub(crate) const WINDOW_MS: u64 = 1_000_000_000_000;

/// An id greater than that of any entry.
pub(crate) const EXHAUSTED: &str = "18446744073709551615-18446744073709551615";

/// A private Redis, the engine's handle on it, and a plain connection to look and meddle.
///
/// The engine is a user with the rights that `deploy/acl` gives to any of the fleet's, and no other; a command that it was
/// refused fails the test in the end.
pub(crate) struct Scene {
    pub(crate) server: RedisServer,
    user: User,
    pub(crate) db: Connection,
    pub(crate) redis: Redis,
    pub(crate) session: Session,
    pub(crate) keys: Keys,
}

impl Scene {
    pub(crate) async fn set() -> Self {
        Self::on(RedisServer::start().await).await
    }

    pub(crate) async fn on(server: RedisServer) -> Self {
        let url = server.url();
        Self::at(server, &url, SOON).await
    }

    /// Reaches the server by another address, or gives commands less time.
    pub(crate) async fn at(server: RedisServer, url: &str, timeout: Duration) -> Self {
        let db = server.connect().await;
        let shipped = acl::shipped_users(&server, "t").await;
        let user = User::merged("t-engine", &shipped.into_values().collect::<Vec<_>>());
        user.install(&db).await;
        let redis = Redis::try_new(&user.at(url), timeout).unwrap();
        let session = redis.session();
        Self { server, user, db, redis, session, keys: Keys::new("t") }
    }

    /// The same server by another address, or with another patience.
    pub(crate) fn redis_at(&self, url: &str, timeout: Duration) -> Redis {
        Redis::try_new(&self.user.at(url), timeout).unwrap()
    }

    /// Lets the server refuse every write that needs memory.
    pub(crate) async fn fill_memory(&self) {
        self.db.cmd(&["CONFIG", "SET", "maxmemory", "1"]).await;
    }

    pub(crate) fn settler(&self, consumer: &str) -> Settler {
        self.settler_within(consumer, 0)
    }

    pub(crate) fn settler_within(&self, consumer: &str, dedupe_ms: u64) -> Settler {
        Settler::new(self.keys.clone(), member(consumer), dedupe_ms, 15_000)
    }

    /// Adds entries and lets the consumer read them.
    pub(crate) async fn deliver(&self, consumer: &str, count: usize) -> Vec<Fence> {
        self.deliver_from(SOURCE, consumer, count).await
    }

    pub(crate) async fn deliver_from(
        &self,
        stream: &str,
        consumer: &str,
        count: usize,
    ) -> Vec<Fence> {
        self.ensure_group(stream).await;
        let mut fences = Vec::new();
        for number in 0..count {
            let entry = self.db.add(stream, &[("data", format!("body {number}"))]).await;
            fences.push(fence(stream, &entry, 1));
        }
        self.read(stream, consumer).await;
        fences
    }

    /// Adds entries that nobody reads, and gives their ids.
    pub(crate) async fn add_waiting(&self, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for number in 0..count {
            ids.push(self.db.add(SOURCE, &[("data", format!("waits {number}"))]).await);
        }
        ids
    }

    /// Does something as soon as a client waits in a blocking read.
    pub(crate) async fn when_blocked(&self, act: impl AsyncFnOnce()) {
        self.blocked_clients(1).await;
        act().await;
    }

    /// Waits until so many clients wait in blocking reads.
    pub(crate) async fn blocked_clients(&self, count: u32) {
        eventually("so many reads are blocked", SOON, async || {
            let clients = self.db.text(&["INFO", "clients"]).await.unwrap();
            let wanted = format!("blocked_clients:{count}\r\n");
            if clients.contains(&wanted) { Ok(()) } else { Err(clients) }
        })
        .await;
    }

    /// Adds one entry with exactly these fields and gives its id.
    pub(crate) async fn add_fields(&self, stream: &str, fields: &Fields) -> String {
        let mut words: Vec<&[u8]> = vec![b"XADD", stream.as_bytes(), b"*"];
        words.extend(fields.iter().flat_map(|(name, value)| [name.as_slice(), value.as_slice()]));
        self.db.text(&words).await.unwrap()
    }

    /// Adds one entry with exactly these fields and lets the consumer read it.
    pub(crate) async fn deliver_fields(&self, consumer: &str, fields: &Fields) -> Fence {
        self.ensure_group(SOURCE).await;
        let entry = self.add_fields(SOURCE, fields).await;
        self.read(SOURCE, consumer).await;
        fence(SOURCE, &entry, 1)
    }

    async fn read(&self, stream: &str, consumer: &str) {
        self.db.cmd(&["XREADGROUP", "GROUP", GROUP, consumer, "STREAMS", stream, ">"]).await;
    }

    pub(crate) async fn ensure_group(&self, stream: &str) {
        let create = ["XGROUP", "CREATE", stream, GROUP, "0", "MKSTREAM"];
        if let Err(error) = self.db.try_cmd(&create).await {
            assert_eq!(error.code(), Some("BUSYGROUP"), "{error}");
        }
    }

    /// Makes a pending row belong to `owner`, delivered `count` times and silent for a minute.
    pub(crate) async fn silence(&self, fence: &Fence, owner: &str, count: u64) {
        let (entry, count) = (fence.entry.to_string(), count.to_string());
        let claim = ["XCLAIM", &fence.stream, GROUP, owner, "0", &entry];
        let aged = ["IDLE", "60000", "RETRYCOUNT", &count, "JUSTID"];
        self.db.cmd(&[&claim[..], &aged[..]].concat()).await;
    }

    /// Lets somebody else take an entry over; its old fence is void from then on.
    pub(crate) async fn take_over(&self, fence: &Fence, owner: &str) {
        let entry = fence.entry.to_string();
        self.db.cmd(&["XCLAIM", &*fence.stream, GROUP, owner, "0", &entry]).await;
    }

    /// Removes an entry's body and leaves it pending.
    pub(crate) async fn delete_body(&self, fence: &Fence) {
        let removed = self.db.int(&["XDEL", &*fence.stream, &fence.entry.to_string()]).await;
        assert_eq!(removed, 1);
    }

    /// Fills a stream's id space: nothing can be added to it any more.
    pub(crate) async fn exhaust(&self, stream: &str) {
        self.db.cmd(&["XADD", stream, EXHAUSTED, "last", "one"]).await;
    }

    /// Milliseconds since the pending entry was delivered or renewed.
    pub(crate) async fn idle_ms(&self, fence: &Fence) -> u64 {
        let id = fence.entry.to_string();
        let rows = self.db.cmd(&["XPENDING", &*fence.stream, GROUP, &id, &id, "1"]).await;
        let rows: Vec<(String, String, u64, u64)> = redis::from_redis_value(rows).unwrap();
        rows.first().unwrap().2
    }

    /// The server's time in milliseconds.
    pub(crate) async fn now_ms(&self) -> u64 {
        let time: (u64, u64) = redis::from_redis_value(self.db.cmd(&["TIME"]).await).unwrap();
        time.0 * 1000 + time.1 / 1000
    }

    /// Everything in Redis, as one value to compare.
    pub(crate) async fn contents(&self) -> Contents {
        Contents::read(&self.db).await
    }

    /// Runs a script of the test's own, for set-ups of thousands of entries.
    pub(crate) async fn eval(&self, script: &str) -> Value {
        self.db.cmd(&["EVAL", script, "0"]).await
    }
}

/// A fetcher and the session that it takes entries with.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) fetcher: Fetcher,
    pub(crate) session: Session,
}

impl Reading {
    /// Reads the inbox and these streams as `member`; makes no groups.
    pub(crate) fn at(redis: &Redis, member: Member, events: &[&str]) -> Self {
        let events: Vec<String> = events.iter().map(|&key| key.to_owned()).collect();
        let fetcher = Fetcher::new(redis.clone(), &Keys::new("t"), member, &events);
        Self { fetcher, session: redis.session() }
    }

    /// The same, with its groups.
    pub(crate) async fn of(scene: &Scene, member: Member, events: &[&str]) -> Self {
        let mut reading = Self::at(&scene.redis, member, events);
        reading.make_groups().await;
        reading
    }

    pub(crate) async fn make_groups(&mut self) {
        self.fetcher.ensure_groups(&mut self.session).await.unwrap();
    }

    pub(crate) async fn take(&mut self, free: usize) -> Result<Vec<Delivery>, Error> {
        self.fetcher.take(&mut self.session, free).await
    }

    pub(crate) async fn wait(&mut self, block: Duration) -> Result<bool, Error> {
        self.fetcher.wait(&mut self.session, block).await
    }

    /// Takes; where there is nothing, waits and takes again.
    pub(crate) async fn fetch(
        &mut self,
        free: usize,
        block: Duration,
    ) -> Result<Vec<Delivery>, Error> {
        let taken = self.take(free).await?;
        if !taken.is_empty() {
            return Ok(taken);
        }
        self.wait(block).await?;
        self.take(free).await
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let refused = acl::refused_at(self.server.socket());
            assert!(!refused.contains(&self.user.name), "deploy/acl lacks a right: {refused}");
        }
    }
}

pub(crate) fn member(consumer: &str) -> Member {
    Member { worker: WORKER.into(), group: GROUP.into(), consumer: consumer.into(), ordered: false }
}

/// The same consumer of a worker that keeps the order among a deployment's entries.
pub(crate) fn ordered(consumer: &str) -> Member {
    Member { ordered: true, ..member(consumer) }
}

pub(crate) fn fence(stream: &str, entry: &str, count: u64) -> Fence {
    Fence { stream: Arc::from(stream), entry: id(entry), count }
}

pub(crate) fn id(text: &str) -> EntryId {
    text.parse().unwrap()
}

pub(crate) fn fields(pairs: &[(&str, &str)]) -> Fields {
    pairs.iter().map(|(name, value)| (name.as_bytes().into(), value.as_bytes().into())).collect()
}

/// Fields that a careless reader would change: not UTF-8, empty, twice, in no order.
pub(crate) fn awkward_fields() -> Fields {
    let pair = |name: &[u8], value: &[u8]| (name.to_vec(), value.to_vec());
    vec![
        pair(b"z", b"last first"),
        pair(b"\xff\xfe", b"\x00\x01\xff"),
        pair(b"twice", b"1"),
        pair(b"", b"no name"),
        pair(b"twice", b"2"),
        pair(b"no value", b""),
        pair(b"", b""),
        pair(b"line\r\nbreak", b"$5\r\nhello\r\n"),
    ]
}

/// As many different fields as asked for.
pub(crate) fn many_fields(count: usize) -> Fields {
    (0..count).map(|n| (format!("f{n}").into_bytes(), format!("{n}").into_bytes())).collect()
}

pub(crate) fn publication(stream: &str, data: &str) -> Publication {
    Publication { stream: stream.into(), fields: fields(&[("data", data)]) }
}

pub(crate) fn commit(fence: &Fence, event_id: &str, results: Vec<Publication>) -> Commit {
    Commit {
        fence: fence.clone(),
        event_id: event_id.into(),
        event_type: EVENT_TYPE.into(),
        replay: false,
        attempt: 1,
        started_ms: 7,
        results,
    }
}

pub(crate) fn defer(fence: &Fence, delay: Duration, body: &Fields) -> Defer {
    Defer { fence: fence.clone(), delay, fields: body.clone() }
}

pub(crate) fn release(fence: &Fence, body: &Fields) -> Release {
    Release { fence: fence.clone(), fields: body.clone() }
}

pub(crate) fn bury(fence: &Fence, event_id: &str, original: &Fields) -> Bury {
    let original_count = original.len().to_string();
    Bury {
        fence: fence.clone(),
        event_id: event_id.into(),
        event_type: EVENT_TYPE.into(),
        attempt: 3,
        started_ms: 7,
        reason: "max_attempts".into(),
        original: original.clone(),
        meta: fields(&[("worker", WORKER), ("original_fields", &original_count)]),
    }
}
