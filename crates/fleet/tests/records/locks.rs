//! Locks: one holder at a time, each later one with a higher epoch, and the past changes nothing.

use std::time::{Duration, Instant};

use printery_fleet::instances;
use printery_fleet::locks::{self, Claim, Cleared, Epoch, Lock};
use printery_fleet::orders::{self, Verb};
use printery_streams::{Keys, Partition, Redis};
use printery_testkit::{RedisServer, eventually};

const MINUTE: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(10);

async fn scene() -> (RedisServer, Partition) {
    let server = RedisServer::start().await;
    let redis = Redis::try_new(&server.url(), SOON).unwrap();
    (server, Partition { keys: Keys::new("t"), redis })
}

fn lock(home: &Partition, holder: &str, time: Duration) -> Lock {
    Lock::new(home, "L", holder, time)
}

/// Its epoch, where nobody else holds it.
async fn ours(lock: &mut Lock) -> Option<Epoch> {
    match lock.hold().await.unwrap() {
        Claim::Ours(epoch, until) => {
            assert!(until < Instant::now() + MINUTE, "counted from before the question");
            Some(epoch)
        }
        Claim::Theirs(_) => None,
    }
}

async fn taken(lock: &mut Lock) -> Epoch {
    ours(lock).await.unwrap()
}

#[tokio::test]
async fn one_holds_it_and_the_other_is_told_who() {
    let (server, home) = scene().await;
    let (mut one, mut other) = (lock(&home, "one", MINUTE), lock(&home, "other", MINUTE));
    let epoch = taken(&mut one).await;
    assert_eq!(taken(&mut one).await, epoch, "renewed, it is the same holder");
    let Claim::Theirs(holder) = other.hold().await.unwrap() else { panic!("two hold it") };
    assert_eq!((holder.name.as_str(), holder.epoch), ("one", epoch));
    assert!(holder.left.is_some_and(|left| left > MINUTE / 2), "{holder:?}");
    assert!(!other.free().await.unwrap(), "nobody frees what somebody else holds");
    assert!(one.free().await.unwrap());
    assert!(taken(&mut other).await > epoch);
    let db = server.connect().await;
    assert_eq!(db.int(&["EXISTS", "t:printery:lock:L"]).await, 1);
}

#[tokio::test]
async fn a_lock_that_is_not_renewed_is_free_and_its_holder_is_of_the_past() {
    let (_server, home) = scene().await;
    let (mut one, mut other) =
        (lock(&home, "one", Duration::from_millis(1)), lock(&home, "other", MINUTE));
    let old = taken(&mut one).await;
    let new = eventually("it is free", SOON, async || match other.hold().await.unwrap() {
        Claim::Ours(epoch, _) => Ok(epoch),
        Claim::Theirs(holder) => Err(format!("{holder:?}")),
    })
    .await;
    assert!(new > old);
    let mut session = home.redis.session();
    let mut pass =
        async |keys: &Keys, epoch| locks::pass(&mut session, keys, "L", epoch).await.unwrap();
    assert!(!pass(&home.keys, old).await, "fenced as soon as there is another one");
    assert!(pass(&home.keys, new).await && pass(&home.keys, new).await);
    // Another partition learns it from whoever comes first.
    let elsewhere = Keys::new("{t.1}");
    assert!(pass(&elsewhere, old).await && pass(&elsewhere, new).await);
    assert!(!pass(&elsewhere, old).await);
}

#[tokio::test]
async fn an_epoch_is_higher_than_any_before_a_flush() {
    let (server, home) = scene().await;
    let mut one = lock(&home, "one", MINUTE);
    let before = taken(&mut one).await;
    server.connect().await.cmd(&["FLUSHALL"]).await;
    assert!(taken(&mut one).await > before);
}

#[tokio::test]
async fn of_many_who_ask_at_once_one_has_it() {
    let (_server, home) = scene().await;
    let mut asking = tokio::task::JoinSet::new();
    for n in 0..20 {
        let mut lock = lock(&home, &format!("n-{n}"), MINUTE);
        asking.spawn(async move { matches!(lock.hold().await.unwrap(), Claim::Ours(..)) });
    }
    let ours = asking.join_all().await.into_iter().filter(|ours| *ours).count();
    assert_eq!(ours, 1);
}

#[tokio::test]
async fn who_waits_gets_it_when_it_is_deleted_by_hand() {
    let (server, home) = scene().await;
    let db = server.connect().await;
    db.cmd(&["SET", "t:printery:lock:L", "a person"]).await;
    let mut session = home.redis.session();
    let holder = locks::holder(&mut session, &home.keys, "L").await.unwrap().unwrap();
    assert_eq!((holder.name.as_str(), holder.left), ("a person", None));
    let mut one = lock(&home, "one", MINUTE);
    // The time that passes between two questions is nobody's business here.
    let slept = std::cell::Cell::new(0);
    let at_once = |_: Duration| {
        slept.set(slept.get() + 1);
        let free = slept.get() == 2;
        let db = &db;
        async move {
            if free {
                db.cmd(&["DEL", "t:printery:lock:L"]).await;
            }
        }
    };
    let refused = one.hold_within(Duration::ZERO, at_once).await.unwrap_err();
    assert_eq!(refused, "a person holds t:printery:lock:L");
    one.hold_within(MINUTE, at_once).await.unwrap();
    assert_eq!(slept.get(), 2);
}

#[tokio::test]
async fn a_leader_of_the_past_takes_nothing_away_and_the_present_one_only_what_it_judged() {
    let (server, home) = scene().await;
    let db = server.connect().await;
    let mut leader = Lock::new(&home, locks::LEADER, "first", MINUTE);
    let old = taken(&mut leader).await;
    assert!(leader.free().await.unwrap());
    let new = taken(&mut Lock::new(&home, locks::LEADER, "second", MINUTE)).await;
    let mut session = home.redis.session();
    let instances = home.keys.instances();
    for (name, record) in [("a", r#"{"beat_ms":5}"#), ("b", r#"{"beat_ms":6}"#), ("c", "?")] {
        db.cmd(&["HSET", &instances, name, record]).await;
    }
    let judged = ["a", "b", "c", "d"].map(|name| (name.to_owned(), 5));
    let mut forget =
        async |epoch| instances::forget(&mut session, &home.keys, epoch, &judged).await.unwrap();
    assert_eq!(forget(old).await, Cleared::Deposed);
    assert_eq!(db.int(&["HLEN", &instances]).await, 3);
    assert_eq!(forget(new).await, Cleared::Gone(1), "b has beaten since, c cannot be read");
    let order = orders::give(&mut session, &home.keys, "notifier", Verb::Stop, "ada").await;
    let given = order.unwrap().since_ms;
    let mut withdraw = async |epoch, since| {
        let old = [("notifier".to_owned(), since)];
        orders::withdraw(&mut session, &home.keys, epoch, &old).await.unwrap()
    };
    assert_eq!(withdraw(old, given).await, Cleared::Deposed);
    assert_eq!(withdraw(new, given - 1).await, Cleared::Gone(0), "it was given again");
    assert_eq!(withdraw(new, given).await, Cleared::Gone(1));
}
