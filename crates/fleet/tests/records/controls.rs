//! What people told the workers: written by commands, read whole and with every beat.

use std::time::Duration;

use printery_fleet::controls::{self, Control, Controls, Hold, OURSELVES};
use printery_fleet::instances::{self, Instance};
use printery_fleet::operator_log;
use printery_streams::{Keys, Redis, Session};
use printery_testkit::{Connection, RedisServer};

const WORKER: &str = "validator";

async fn scene() -> (RedisServer, Connection, Session, Keys) {
    let server = RedisServer::start().await;
    let db = server.connect().await;
    let session = Redis::try_new(&server.url(), Duration::from_secs(10)).unwrap().session();
    (server, db, session, Keys::new("t"))
}

/// What a beat of the worker is told.
async fn beat(session: &mut Session, keys: &Keys) -> Control {
    let record = serde_json::json!({
        "instance": "a", "worker": WORKER, "host": "h", "pid": 7, "version": "1", "phase": "running",
        "started_ms": 1, "beat_ms": 1, "concurrency": 1, "in_flight": 0, "settled": 0, "failed": 0,
        "http": null,
    });
    // As a process writes it that knows of no hold.
    let record: Instance = serde_json::from_value(record).unwrap();
    instances::beat(session, keys, &record).await.unwrap()
}

#[tokio::test]
async fn a_beat_is_told_the_same_as_everybody_else() {
    let (_server, db, mut session, keys) = scene().await;
    assert_eq!(controls::read(&mut session, &keys).await.unwrap(), Controls::default());
    assert_eq!(beat(&mut session, &keys).await, Control::default());

    let pause = async |session: &mut Session, reason: &str| {
        controls::pause(session, &keys, WORKER, "ada", reason).await.unwrap()
    };
    assert!(pause(&mut session, "a").await);
    assert!(!pause(&mut session, "a migration").await, "it was paused before");
    let told = controls::read(&mut session, &keys).await.unwrap();
    let Some(Hold::Paused(paused)) = told.hold(WORKER) else { panic!("{told:?}") };
    assert_eq!((paused.actor.as_str(), paused.reason.as_str()), ("ada", "a migration"));
    assert!(paused.since_ms > 1_000_000_000_000, "the server's clock: {paused:?}");
    assert_eq!(beat(&mut session, &keys).await, told.of(WORKER));
    assert_eq!(told.hold("notifier"), None);

    assert!(controls::resume(&mut session, &keys, WORKER, "bob").await.unwrap());
    assert!(!controls::resume(&mut session, &keys, WORKER, "bob").await.unwrap());
    assert_eq!(beat(&mut session, &keys).await.hold(), None);

    controls::set_owner(&mut session, &keys, WORKER, "bob", "legacy").await.unwrap();
    let told = beat(&mut session, &keys).await;
    assert_eq!(told.hold(), Some(Hold::OwnedElsewhere { owner: "legacy".to_owned() }));
    assert_eq!(controls::read(&mut session, &keys).await.unwrap().of(WORKER), told);
    controls::set_owner(&mut session, &keys, WORKER, "bob", OURSELVES).await.unwrap();
    assert_eq!(beat(&mut session, &keys).await, Control::default());
    assert_eq!(db.int(&["EXISTS", &keys.controls()]).await, 0, "nothing is left behind");

    let log = operator_log::list(&mut session, &keys, None, 10).await.unwrap();
    let said: Vec<_> = log.iter().rev().map(|it| [&*it.actor, &*it.action, &*it.detail]).collect();
    let expected = [
        ["ada", "group pause", "a"],
        ["ada", "group pause", "a migration"],
        ["bob", "group resume", ""],
        ["bob", "group resume", ""],
        ["bob", "owner set", "legacy"],
        ["bob", "owner set", OURSELVES],
    ];
    assert_eq!(said, expected);
    assert!(log.iter().all(|it| it.subject == WORKER && it.count == 1));
}

#[tokio::test]
async fn what_a_person_writes_by_hand_holds_as_well() {
    let (_server, db, mut session, keys) = scene().await;
    db.cmd(&["HSET", &keys.controls(), "pause:validator", "a disk is full", "other", "x"]).await;
    db.cmd(&["HSET", &keys.controls(), "owner:notifier", "legacy"]).await;
    let told = controls::read(&mut session, &keys).await.unwrap();
    let words = |worker: &str| told.hold(worker).map(|hold| hold.to_string());
    assert_eq!(words(WORKER).as_deref(), Some("paused: a disk is full"));
    assert_eq!(words("notifier").as_deref(), Some("owned by legacy"));
    assert_eq!(beat(&mut session, &keys).await, told.of(WORKER));
}

#[tokio::test]
async fn controls_that_cannot_be_read_do_not_keep_a_record_from_being_written() {
    let (_server, db, mut session, keys) = scene().await;
    db.cmd(&["SET", &keys.controls(), "mine"]).await;
    let record = Instance { in_flight: 1, ..written(&mut session, &db, &keys).await };
    assert!(instances::beat(&mut session, &keys, &record).await.is_err());
    assert_eq!(instances::list(&mut session, &keys).await.unwrap(), [record]);
    assert!(controls::read(&mut session, &keys).await.is_err());
}

/// A record that stands in Redis.
async fn written(session: &mut Session, db: &Connection, keys: &Keys) -> Instance {
    let controls = keys.controls();
    db.cmd(&["RENAME", &controls, "aside"]).await;
    beat(session, keys).await;
    db.cmd(&["RENAME", "aside", &controls]).await;
    instances::list(session, keys).await.unwrap().remove(0)
}
