//! Instance records: written by beats, listed by worker and age, removed by name.

use std::time::Duration;

use printery_fleet::instances::{Instance, beat, list, remove};
use printery_streams::{Keys, Redis};
use printery_testkit::RedisServer;

fn instance(name: &str, worker: &str, started_ms: u64) -> Instance {
    Instance {
        instance: name.into(),
        worker: worker.into(),
        host: "h".into(),
        pid: 7,
        version: "0.1.0".into(),
        phase: "running".into(),
        started_ms,
        beat_ms: started_ms,
        concurrency: 5,
        in_flight: 2,
        settled: 11,
        failed: 1,
        beats: 4,
        cpu_percent: Some(3),
        rss_bytes: None,
        http: Some("127.0.0.1:9".into()),
        hold: None,
        partitions: Some(3),
        ticks: Some(9),
        spawn: None,
    }
}

#[tokio::test]
async fn records_are_listed_by_worker_and_age_and_removed_by_name() {
    let server = RedisServer::start().await;
    let db = server.connect().await;
    let mut session = Redis::try_new(&server.url(), Duration::from_secs(10)).unwrap().session();
    let keys = Keys::new("t");
    assert_eq!(list(&mut session, &keys).await.unwrap(), []);
    let [young, old, other] = [
        instance("a", "validator", 9),
        instance("b", "validator", 5),
        instance("c", "notifier", 7),
    ];
    for record in [&young, &old, &other] {
        beat(&mut session, &keys, record).await.unwrap();
    }
    let later = Instance { beat_ms: 20, in_flight: 0, http: None, ..old.clone() };
    beat(&mut session, &keys, &later).await.unwrap();
    // A record that nobody can read hides none of the others.
    db.cmd(&["HSET", &keys.instances(), "d", "not json"]).await;
    let expected = [other.clone(), later, young.clone()];
    assert_eq!(list(&mut session, &keys).await.unwrap(), expected);
    let gone = ["b".to_owned(), "d".to_owned(), "never there".to_owned()];
    remove(&mut session, &keys, &gone).await.unwrap();
    remove(&mut session, &keys, &[]).await.unwrap();
    assert_eq!(list(&mut session, &keys).await.unwrap(), [other, young]);
    assert_eq!(db.int(&["HLEN", &keys.instances()]).await, 2);
}

#[tokio::test]
async fn another_type_under_the_key_is_reported_not_overwritten() {
    let server = RedisServer::start().await;
    let db = server.connect().await;
    let mut session = Redis::try_new(&server.url(), Duration::from_secs(10)).unwrap().session();
    let keys = Keys::new("t");
    db.cmd(&["SET", &keys.instances(), "mine"]).await;
    let error = beat(&mut session, &keys, &instance("a", "validator", 1)).await.unwrap_err();
    assert_eq!(error.kind, printery_streams::ErrorKind::Refused, "{error}");
    assert!(list(&mut session, &keys).await.is_err());
    assert_eq!(db.text(&["GET", &keys.instances()]).await.as_deref(), Some("mine"));
}
