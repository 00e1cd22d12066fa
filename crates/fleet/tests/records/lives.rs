//! Lives and the budget: each move is one step with its line in the feed, and nothing is oversold.

use std::collections::BTreeMap;
use std::time::Duration;

use printery_fleet::budget::{self, Change, Share};
use printery_fleet::controls::{BUDGET, Hold};
use printery_fleet::instances::{self, Instance};
use printery_fleet::lives::{self, Alarm, Moved, State, Step};
use printery_fleet::locks::{Claim, Epoch, LEADER, Lock};
use printery_fleet::orders::{self, Asked, Force, Spawn};
use printery_streams::{Keys, Partition, Redis, Session};
use printery_testkit::{Connection, RedisServer};

struct Scene {
    _server: RedisServer,
    db: Connection,
    home: Partition,
    session: Session,
}

impl Scene {
    async fn set() -> Self {
        let server = RedisServer::start().await;
        let redis = Redis::try_new(&server.url(), Duration::from_secs(10)).unwrap();
        let home = Partition { keys: Keys::new("t"), redis };
        Self { db: server.connect().await, session: home.redis.session(), home, _server: server }
    }

    async fn step(&mut self, id: &str, to: State) -> Moved {
        let step = Step::new(id, to, "because");
        lives::take_step(&mut self.session, &self.home.keys, None, &step).await.unwrap()
    }

    async fn state(&mut self, id: &str) -> Option<State> {
        let lives = lives::list(&mut self.session, &self.home.keys).await.unwrap();
        lives.get(id).map(|life| life.state)
    }

    async fn beat(&mut self, record: &Instance) -> Option<Hold> {
        instances::beat(&mut self.session, &self.home.keys, record).await.unwrap().hold()
    }

    async fn ask(&mut self, id: &str, tokens: u64, force: Force) -> Asked {
        let spawn = spawn(id, tokens);
        orders::ask_for(&mut self.session, &self.home.keys, &spawn, force).await.unwrap()
    }

    async fn change(&mut self, change: Change) -> (u64, u64) {
        let keys = self.home.keys.clone();
        let changed = budget::change(&mut self.session, &keys, &change).await.unwrap();
        (changed.available, changed.recovered)
    }

    async fn shares(&mut self) -> BTreeMap<String, Share> {
        budget::read(&mut self.session, &self.home.keys).await.unwrap().shares
    }

    async fn told(&self) -> Vec<String> {
        let feed = self.db.entries("t:printery:activity").await;
        feed.iter()
            .map(|entry| format!("{} {}", entry.text("kind"), entry.text("subject")))
            .collect()
    }
}

fn spawn(id: &str, tokens: u64) -> Spawn {
    let (id, worker) = (id.to_owned(), "notifier".to_owned());
    Spawn { id, worker, budget: tokens, actor: "ada".to_owned(), ..Spawn::default() }
}

fn record(instance: &str, in_flight: usize, settled: u64) -> Instance {
    let record = serde_json::json!({
        "instance": instance, "worker": "notifier", "host": "h", "pid": 7, "version": "1",
        "phase": "running", "started_ms": 1, "beat_ms": 1, "concurrency": 1,
        "in_flight": in_flight, "settled": settled, "failed": 1, "http": null,
    });
    serde_json::from_value(record).unwrap()
}

#[tokio::test]
async fn beats_move_a_process_and_each_move_is_told_once() {
    let mut scene = Scene::set().await;
    for in_flight in [0, 0, 2, 3, 0] {
        scene.beat(&record("a", in_flight, 0)).await;
    }
    let draining = Instance { phase: "draining".to_owned(), ..record("a", 1, 0) };
    scene.beat(&draining).await;
    let keys = scene.home.keys.clone();
    instances::leave(&mut scene.session, &keys, "a", "a", "").await.unwrap();
    assert_eq!(scene.state("a").await, Some(State::Completed));
    assert_eq!(instances::list(&mut scene.session, &keys).await.unwrap(), []);
    let states = ["idle", "running", "idle", "shutting_down", "completed"];
    assert_eq!(scene.told().await, states.map(|state| format!("worker:{state} a")));
}

#[tokio::test]
async fn a_move_that_may_not_follow_changes_nothing() {
    let mut scene = Scene::set().await;
    scene.beat(&record("a", 0, 0)).await;
    assert_eq!(scene.step("a", State::Completed).await, Moved::Refused, "it did not say so");
    assert_eq!(scene.step("a", State::Idle).await, Moved::Stood);
    assert_eq!(scene.step("a", State::Zombie).await, Moved::Done(0));
    scene.beat(&record("a", 1, 0)).await;
    assert_eq!(scene.state("a").await, Some(State::Running), "it was only asleep");
    for to in [State::Failed, State::Archived] {
        assert_eq!(scene.step("a", to).await, Moved::Done(0));
    }
    scene.beat(&record("a", 1, 0)).await;
    assert_eq!(scene.state("a").await, Some(State::Archived), "nothing follows the end");
    assert_eq!(scene.step("nobody", State::Archived).await, Moved::Refused);
    let states = ["idle", "zombie", "running", "failed", "archived"];
    assert_eq!(scene.told().await, states.map(|state| format!("worker:{state} a")));
}

#[tokio::test]
async fn an_alarm_is_told_once_and_only_about_the_state_that_was_judged() {
    let mut scene = Scene::set().await;
    scene.beat(&record("a", 0, 0)).await;
    let alarm = |state, alarm, kind| Step::alarm("a", state, alarm, kind, "silent".to_owned());
    let keys = scene.home.keys.clone();
    let mut take =
        async |step: Step| lives::take_step(&mut scene.session, &keys, None, &step).await.unwrap();
    let critical = alarm(State::Idle, Alarm::Critical, "heartbeat_critical");
    assert_eq!(take(critical.clone()).await, Moved::Done(0));
    assert_eq!(take(critical).await, Moved::Stood);
    let other = alarm(State::Running, Alarm::Warning, "heartbeat_warning");
    assert_eq!(take(other).await, Moved::Refused, "it is not running");
    let life = lives::list(&mut scene.session, &keys).await.unwrap()["a"].clone();
    assert_eq!(
        (life.state, life.alarm, life.reason.as_str()),
        (State::Idle, Alarm::Critical, "silent")
    );
    // Whoever raised it takes it back, not the beat.
    scene.beat(&record("a", 1, 0)).await;
    let life = lives::list(&mut scene.session, &keys).await.unwrap()["a"].clone();
    assert_eq!((life.state, life.alarm), (State::Running, Alarm::Critical));
    let told = ["worker:idle a", "worker:heartbeat_critical a", "worker:running a"];
    assert_eq!(scene.told().await, told);
}

#[tokio::test]
async fn a_leader_of_the_past_moves_nobody() {
    let mut scene = Scene::set().await;
    scene.beat(&record("a", 0, 0)).await;
    let mut lock = Lock::new(&scene.home, LEADER, "m", Duration::from_secs(60));
    let Claim::Ours(now, _) = lock.hold().await.unwrap() else { unreachable!("nobody else asks") };
    let step = Step::new("a", State::Zombie, "silent");
    let keys = scene.home.keys.clone();
    let past = Some(Epoch::new(now.number() - 1));
    let moved = lives::take_step(&mut scene.session, &keys, past, &step).await.unwrap();
    assert_eq!((moved, scene.state("a").await), (Moved::Deposed, Some(State::Idle)));
    let moved = lives::take_step(&mut scene.session, &keys, Some(now), &step).await.unwrap();
    assert_eq!(moved, Moved::Done(0));
}

#[tokio::test]
async fn fifty_who_ask_at_once_get_no_more_than_there_is() {
    let mut scene = Scene::set().await;
    assert_eq!(scene.change(Change::Total(100)).await, (100, 0));
    let mut asking = tokio::task::JoinSet::new();
    for n in 0..50 {
        let (mut session, keys) = (scene.home.redis.session(), scene.home.keys.clone());
        asking.spawn(async move {
            let spawn = spawn(&format!("s-{n}"), 10);
            orders::ask_for(&mut session, &keys, &spawn, Force::No).await.unwrap()
        });
    }
    let asked = asking.join_all().await;
    let done = asked.iter().filter(|asked| **asked == Asked::Done).count();
    assert_eq!(done, 10, "{asked:?}");
    assert_eq!(asked.iter().filter(|asked| **asked == Asked::Short(0)).count(), 40, "{asked:?}");
    let keys = scene.home.keys.clone();
    assert_eq!(orders::read(&mut scene.session, &keys).await.unwrap().spawns.len(), 10);
    assert_eq!(scene.shares().await.len(), 10);
    assert_eq!(scene.ask("e-1", 10, Force::Yes).await, Asked::Done, "an emergency");
    let levels = scene.told().await;
    let count = |level: &str| levels.iter().filter(|line| line.starts_with(level)).count();
    assert_eq!((count("budget:warning"), count("budget:critical")), (1, 1), "{levels:?}");
}

#[tokio::test]
async fn tokens_that_were_not_used_come_back_at_the_end_and_used_up_ones_hold() {
    let mut scene = Scene::set().await;
    assert_eq!(scene.ask("free", 10, Force::No).await, Asked::Done, "no total, no limit");
    scene.change(Change::Total(100)).await;
    assert_eq!(scene.ask("s", 30, Force::No).await, Asked::Done);
    assert_eq!(scene.ask("s", 1, Force::No).await, Asked::Known);
    assert_eq!(scene.ask("big", 71, Force::No).await, Asked::Short(70));
    let of = |instance: &str, settled| Instance {
        spawn: Some(spawn("s", 30)),
        ..record(instance, 1, settled)
    };
    // Each record says that one attempt failed.
    assert_eq!(scene.beat(&of("first", 9)).await, None);
    assert_eq!(scene.beat(&of("first", 9)).await, None, "told twice, it counts once");
    // Started again it begins at nothing, and the tokens do not.
    assert_eq!(scene.beat(&of("second", 18)).await, None);
    assert_eq!(scene.shares().await["s"], Share { given: 30, used: 29 });
    let hold = scene.beat(&of("second", 19)).await;
    assert_eq!(hold, Some(Hold::Guarded { guard: BUDGET.to_owned() }));
    scene.change(Change::Grant("s".to_owned(), 10)).await;
    assert_eq!(scene.beat(&of("second", 19)).await, None);
    assert_eq!(scene.step("s", State::Failed).await, Moved::Done(10));
    assert_eq!(scene.change(Change::Total(100)).await, (70, 0), "30 are spent until tomorrow");
    assert_eq!(scene.change(Change::Reset).await, (100, 0));
    scene.db.cmd(&["HSET", "t:printery:budget", "given:lost", "40", "given:here", "5"]).await;
    let lives = Change::Recalculate(vec!["here".to_owned()]);
    assert_eq!(scene.change(lives).await, (95, 40));
}
