//! What a snapshot shows, and snapshots for the tests of those who render one.

use super::*;

/// A manager of the test's own making.
pub(crate) fn facts() -> Facts {
    Facts {
        name: "manager-h-7-x".to_owned(),
        version: "1.2.3".to_owned(),
        pid: 7,
        mode: "all".to_owned(),
        supervised: true,
        environment: "development".to_owned(),
        prefix: "materi".to_owned(),
        partitions: None,
        config: "built-in profile materi".to_owned(),
        started_at: Timestamp::UNIX_EPOCH,
        disabled: BTreeMap::new(),
    }
}

/// A child in a state.
pub(crate) fn child(worker: &str, state: State) -> ChildView {
    ChildView {
        worker: worker.to_owned(),
        state,
        pid: Some(99),
        started_at: Some(Timestamp::UNIX_EPOCH),
        restarts: 1,
        http: None,
        status: None,
        last_exit: None,
        problem: None,
        late: false,
        silent: false,
        wanted: true,
        lazy: false,
        spawn: None,
    }
}

/// A Redis that answers and has all groups.
pub(crate) fn observation() -> Observation {
    let mut observation = Observation::unknown("127.0.0.1:6379", Timestamp::UNIX_EPOCH);
    observation.redis.up = true;
    observation.redis.groups_exist = true;
    observation.redis.problem = None;
    observation.redis.down_since = None;
    observation
}

/// A snapshot of these children and this Redis, `second` seconds after the epoch.
pub(crate) fn snapshot(
    children: Vec<ChildView>,
    observation: &Observation,
    second: i64,
) -> Snapshot {
    let roll = Roll { children, draining: false };
    let (facts, unwell) = (facts(), Unwell::new());
    let sources = Sources { facts: &facts, roll: &roll, unwell: &unwell, observation };
    assemble(sources, Timestamp::from_second(second).unwrap())
}

/// A notifier that is beating or was.
pub(crate) fn instance(alive: bool) -> InstanceView {
    InstanceView {
        instance: "notifier-h-1-x".to_owned(),
        phase: "running".to_owned(),
        alive,
        beat_age_ms: 10,
        host: "h".to_owned(),
        pid: 1,
        version: "1.2.3".to_owned(),
        concurrency: 5,
        in_flight: 0,
        settled: 0,
        failed: 0,
        http: None,
        partitions: None,
        hold: None,
    }
}

#[test]
fn every_kind_of_worker_is_listed_wherever_it_runs() {
    let mut found = observation();
    found.instances.push(("notifier".to_owned(), instance(true)));
    found.instances.push(("health-monitor".to_owned(), instance(false)));
    let snapshot = snapshot(vec![child("validator", State::Running)], &found, 90);
    let states: Vec<_> =
        snapshot.workers.iter().map(|one| (one.state.as_str(), one.ready)).collect();
    let expected = [("running", true), ("absent", false), ("absent", false), ("external", true)];
    assert_eq!(states, expected);
    assert_eq!(snapshot.workers[0].uptime_seconds, Some(90));
    assert!(snapshot.manager.ready && !snapshot.manager.degraded);
    let states = [("running", 1), ("draining", 0), ("stopping", 0), ("lost", 1)];
    assert_eq!(snapshot.instances_by_state(), states);
}

#[test]
fn a_worker_that_is_not_ready_or_a_redis_that_is_away_makes_the_fleet_unready() {
    let cases = [
        (State::Starting, true, ManagerState::Starting),
        (State::Restarting, true, ManagerState::Starting),
        (State::Failed, true, ManagerState::Running),
        (State::Running, false, ManagerState::Running),
    ];
    for (state, up, expected) in cases {
        let mut found = observation();
        found.redis.up = up;
        let snapshot = snapshot(vec![child("validator", state)], &found, 90);
        assert!(!snapshot.manager.ready && snapshot.manager.degraded, "{state:?} {up}");
        assert_eq!(snapshot.manager.state, expected, "{state:?} {up}");
    }
}

#[test]
fn a_snapshot_survives_its_own_json() {
    let snapshot = snapshot(vec![child("validator", State::Failed)], &observation(), 90);
    let json = serde_json::to_string(&snapshot).unwrap();
    assert_eq!(serde_json::from_str::<Snapshot>(&json).unwrap(), snapshot);
    assert!(json.contains(r#""worker":"validator","state":"failed""#), "{json}");
}
