//! The operator log: a beginning, then its end; no room in Redis does not keep it from being kept.

use std::time::Duration;

use printery_fleet::operator_log::{BEGUN, Entry, begin, list, record};
use printery_streams::{ErrorKind, Keys, Redis, Session};
use printery_testkit::{Connection, RedisServer};

async fn open() -> (RedisServer, Connection, Session, Keys) {
    let server = RedisServer::start().await;
    let db = server.connect().await;
    let session = Redis::try_new(&server.url(), Duration::from_secs(10)).unwrap().session();
    (server, db, session, Keys::new("t"))
}

fn redrive() -> Entry {
    Entry {
        actor: "ann@desk".into(),
        action: "dlq redrive".into(),
        subject: "validator".into(),
        count: 9,
        ..Entry::default()
    }
}

#[tokio::test]
async fn a_change_has_a_beginning_and_an_end() {
    let (_server, _db, mut session, keys) = open().await;
    let begun = begin(&mut session, &keys, redrive()).await.unwrap();
    let beginning = begun.id().to_string();
    let end = begun.end(&mut session, &keys, 4, "cancelled", "after the first step").await.unwrap();
    let records = list(&mut session, &keys, None, 10).await.unwrap();
    assert_eq!(records.len(), 2);
    let facts = |index: usize| {
        let one = &records[index];
        (one.entry.as_str(), one.actor.as_str(), one.count, one.outcome.as_str(), one.of.as_str())
    };
    let end_text = end.to_string();
    assert_eq!(facts(0), (end_text.as_str(), "ann@desk", 4, "cancelled", beginning.as_str()));
    assert_eq!(facts(1), (beginning.as_str(), "ann@desk", 9, BEGUN, ""));
    assert!(records[1].at_ms > 0, "the server says when");
    let older = list(&mut session, &keys, Some(end), 10).await.unwrap();
    assert_eq!(older, records[1..]);
}

#[tokio::test]
async fn a_full_redis_still_takes_records() {
    let (_server, db, mut session, keys) = open().await;
    db.cmd(&["CONFIG", "SET", "maxmemory", "1"]).await;
    record(&mut session, &keys, &redrive()).await.unwrap();
    assert_eq!(list(&mut session, &keys, None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_begun() {
    let (_server, db, mut session, keys) = open().await;
    db.cmd(&["SET", &keys.operator_log(), "somebody's"]).await;
    let refused = begin(&mut session, &keys, redrive()).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Refused, "{refused}");
    assert_eq!(db.text(&["GET", &keys.operator_log()]).await.as_deref(), Some("somebody's"));
}
