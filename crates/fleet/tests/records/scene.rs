//! A worker's dead letters in a private Redis, buried as the harness buries them.

use std::time::Duration;

use printery_fleet::dead_letters::{DeadLetter, Epitaph, Redriven, list, redrive};
use printery_streams::fetch::Fetcher;
use printery_streams::settle::{Bury, Settled, Settler};
use printery_streams::{Delivery, Fence, Fields, Keys, Member, Redis, Session};
use printery_testkit::{Connection, RedisServer};

pub(crate) const WORKER: &str = "validator";
pub(crate) const SOURCE: &str = "t:events:deployment:deployment:started";
pub(crate) const DEAD: &str = "t:events:deployment:dlq:validator";
pub(crate) const INBOX: &str = "t:events:deployment:inbox:validator";
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) struct Scene {
    _server: RedisServer,
    pub(crate) db: Connection,
    pub(crate) redis: Redis,
    pub(crate) session: Session,
    pub(crate) keys: Keys,
    pub(crate) fetcher: Fetcher,
}

pub(crate) fn member(consumer: &str) -> Member {
    let group = "printery-validator".to_owned();
    Member { worker: WORKER.into(), group, consumer: consumer.into(), ordered: false }
}

pub(crate) fn pair(name: &[u8], value: &[u8]) -> (Vec<u8>, Vec<u8>) {
    (name.to_vec(), value.to_vec())
}

/// Fields that a careless reader would change: not UTF-8, empty, twice, named like our own.
pub(crate) fn awkward_fields() -> Fields {
    vec![
        pair(b"original_msgpack", b"not packed at all"),
        pair(b"\xff\xfe", b"\x00\xff"),
        pair(b"data", b"{not json"),
        pair(b"worker", b"mallory"),
        pair(b"original_fields", b"99"),
        pair(b"data", b"twice"),
        pair(b"", b""),
    ]
}

pub(crate) fn many_fields(count: usize) -> Fields {
    let mut fields = awkward_fields();
    fields.extend((fields.len()..count).map(|n| pair(n.to_string().as_bytes(), b"\xfe")));
    fields
}

impl Scene {
    pub(crate) async fn set() -> Self {
        let server = RedisServer::start().await;
        let db = server.connect().await;
        let redis = Redis::try_new(&server.url(), SOON).unwrap();
        let mut session = redis.session();
        let keys = Keys::new("t");
        let mut fetcher = Fetcher::new(redis.clone(), &keys, member("me"), &[SOURCE.into()]);
        fetcher.ensure_groups(&mut session).await.unwrap();
        Self { _server: server, db, redis, session, keys, fetcher }
    }

    /// Buries an entry with these fields as the harness does.
    pub(crate) async fn bury(&mut self, original: &Fields, reason: &str) -> (Fence, Settled) {
        let mut words: Vec<&[u8]> = vec![b"XADD", SOURCE.as_bytes(), b"*"];
        words.extend(original.iter().flat_map(|(name, value)| [&**name, &**value]));
        self.db.cmd(&words).await;
        let delivery = self.fetcher.take(&mut self.session, 8).await.unwrap().remove(0);
        assert_eq!(delivery.fields.as_ref(), Some(original));
        let settled = self.bury_delivery(&delivery, reason).await;
        (delivery.fence, settled)
    }

    /// Buries what was delivered.
    pub(crate) async fn bury_delivery(&mut self, delivery: &Delivery, reason: &str) -> Settled {
        let original = delivery.fields.as_ref().unwrap();
        let epitaph = Epitaph {
            id: "letter-1".into(),
            event_id: "e-1".into(),
            event_type: "deployment:started".into(),
            deployment_id: "d-1".into(),
            correlation_id: "c-1".into(),
            original_stream: delivery.history.origin_stream.clone(),
            original_entry: delivery.history.origin_entry.to_string(),
            worker: WORKER.into(),
            reason: reason.into(),
            detail: "no answer\r\nin time".into(),
            attempts: 3,
            first_failure_ms: 5,
            last_failure_ms: 9,
            datacontenttype: "application/json".into(),
            replays: 1,
            instance: "me".into(),
        };
        let dead = Bury {
            fence: delivery.fence.clone(),
            event_id: "e-1".into(),
            event_type: "deployment:started".into(),
            attempt: 3,
            started_ms: 1,
            reason: reason.into(),
            original: original.clone(),
            meta: epitaph.fields(original, None),
        };
        let settler = Settler::new(self.keys.clone(), member("me"), 0, 15_000);
        let verdicts = settler.bury(&mut self.session, &[&dead]).await.unwrap();
        verdicts[0].clone()
    }

    pub(crate) async fn letters(&mut self) -> Vec<DeadLetter> {
        list(&mut self.session, &self.keys, WORKER, None, 100).await.unwrap()
    }

    pub(crate) async fn redrive(&mut self, letter: &DeadLetter) -> Redriven {
        let entry = letter.entry.parse().unwrap();
        redrive(&mut self.session, &self.keys, WORKER, entry).await.unwrap()
    }
}
