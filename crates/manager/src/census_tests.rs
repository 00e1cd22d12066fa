//! What follows from which silence, and a real server on which somebody goes silent and comes back.

use printery_streams::Redis;
use printery_testkit::RedisServer;

use super::*;
use crate::leadership::tests::lead;

const NOW: u64 = 100_000_000_000;

fn thresholds() -> Thresholds {
    Thresholds::default()
}

fn instance(id: &str, beat_ms: u64) -> Instance {
    let record = json!({
        "instance": id, "worker": "notifier", "host": "h", "pid": 7, "version": "1",
        "phase": "running", "started_ms": 1, "beat_ms": beat_ms, "concurrency": 1,
        "in_flight": 0, "settled": 0, "failed": 0, "http": null,
    });
    serde_json::from_value(record).unwrap()
}

fn life(state: State, age_ms: u64, alarm: Alarm) -> Life {
    let mut life: Life = serde_json::from_value(json!({ "state": state })).unwrap();
    life.since_ms = NOW - age_ms;
    life.alarm = alarm;
    life
}

/// What is done about one process: where it is moved, what the feed calls it.
fn judged(life: Life, silence_s: Option<u64>) -> Option<(State, &'static str)> {
    let beat = |silence: u64| instance("a", NOW - silence * 1000);
    let seen = Seen {
        now_ms: NOW,
        instances: silence_s.map(beat).into_iter().collect(),
        lives: BTreeMap::from([("a".to_owned(), life)]),
    };
    let steps = judge(&seen, thresholds());
    assert!(steps.len() <= 1, "{steps:?}");
    steps.first().map(|step| (step.to, step.kind))
}

#[test]
fn each_silence_is_told_once() {
    use State::{Archived, Completed, Failed, Idle, Pending, Running, Zombie};
    let day = 24 * 3_600_000;
    let table = [
        (life(Running, 1, Alarm::None), Some(59), None),
        (life(Running, 1, Alarm::None), Some(60), Some((Running, "heartbeat_warning"))),
        (life(Running, 1, Alarm::Warning), Some(119), None),
        (life(Running, 1, Alarm::Warning), Some(120), Some((Running, "heartbeat_critical"))),
        (life(Running, 1, Alarm::Critical), Some(299), None),
        (life(Running, 1, Alarm::Critical), Some(61), None),
        (life(Running, 1, Alarm::Critical), Some(300), Some((Zombie, "zombie_detected"))),
        (life(Running, 1, Alarm::Critical), Some(3), Some((Running, "heartbeat_resumed"))),
        (life(Zombie, 1, Alarm::None), Some(301), None),
        (life(Zombie, 1, Alarm::None), None, Some((Archived, ""))),
        (life(Running, 1, Alarm::None), None, Some((Failed, ""))),
        (life(Idle, IDLE_MS, Alarm::None), Some(1), Some((Idle, "idle_warning"))),
        (life(Idle, IDLE_MS, Alarm::Idle), Some(1), None),
        (life(Running, IDLE_MS, Alarm::None), Some(1), None),
        (life(Pending, PENDING_MS, Alarm::None), None, Some((Pending, "pending_warning"))),
        (life(Pending, PENDING_MS, Alarm::Pending), None, None),
        (life(Pending, NEVER_STARTED_MS, Alarm::Pending), None, Some((Failed, ""))),
        (life(Completed, 8 * day, Alarm::None), None, Some((Archived, ""))),
        (life(Completed, 6 * day, Alarm::None), None, None),
        // Nobody knows when that was.
        (life(Failed, NOW, Alarm::None), None, None),
        (life(Archived, 8 * day, Alarm::None), None, None),
    ];
    for (life, silence, expected) in table {
        assert_eq!(judged(life.clone(), silence), expected, "{life:?} {silence:?}");
    }
}

#[test]
fn a_process_without_a_life_on_record_is_judged_as_well_and_old_lives_are_forgotten() {
    let seen = Seen {
        now_ms: NOW,
        instances: vec![instance("old", NOW - 300_000), instance("young", NOW)],
        lives: BTreeMap::from([
            ("x".to_owned(), life(State::Archived, ARCHIVED_MS, Alarm::None)),
            ("y".to_owned(), life(State::Archived, ARCHIVED_MS - 1, Alarm::None)),
        ]),
    };
    let steps = judge(&seen, thresholds());
    assert_eq!(steps, [zombie("old", Duration::from_secs(300))]);
    assert_eq!(forgotten(&seen), [("x".to_owned(), NOW - ARCHIVED_MS)]);
}

#[tokio::test]
async fn a_leader_s_judgement_is_written_and_that_of_the_past_is_not() {
    let server = RedisServer::start().await;
    let redis = Redis::try_new(&server.url(), Duration::from_secs(5)).unwrap();
    let home = Partition { keys: Keys::new("t"), redis };
    let mut session = home.redis.session();
    for n in 0..10 {
        // Older than any threshold: nobody has beaten since 1970.
        let one = instance(&format!("i-{n}"), 1);
        instances::beat(&mut session, &home.keys, &one).await.unwrap();
    }
    let db = server.connect().await;
    db.cmd(&["SET", "t:printery:epoch:MANAGER", "8"]).await;
    let mut census = Census::new(&home, thresholds(), lead(8));
    let state = async |session: &mut Session| {
        let lives = lives::list(session, &home.keys).await.unwrap();
        lives["i-0"].state
    };
    census.judge_once(Epoch::new(7)).await.unwrap();
    assert_eq!(state(&mut session).await, State::Idle);
    census.judge_once(Epoch::new(8)).await.unwrap();
    census.judge_once(Epoch::new(8)).await.unwrap();
    assert_eq!(state(&mut session).await, State::Zombie);
    let feed = db.entries("t:printery:activity").await;
    let count = |kind: &str| feed.iter().filter(|one| one.text("kind") == kind).count();
    assert_eq!(count("worker:zombie_detected"), 10);
    // Ten worked when they were counted first, none later.
    assert_eq!(count("worker:pool_size_alert"), 2);
}
