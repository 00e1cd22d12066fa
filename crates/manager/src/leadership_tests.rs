//! Who leads after which answer, and managers that take over from each other on a real server.

use printery_fleet::locks;
use printery_streams::{ErrorKind, Keys, Redis};
use printery_testkit::{RedisServer, eventually};

use super::*;

/// A lead that was given by nobody, for tests of those who act with it.
pub(crate) fn lead(epoch: u64) -> Lead {
    let until = Instant::now() + Duration::from_secs(3600);
    Lead(watch::channel(Standing::Leads(Epoch::new(epoch), until)).1)
}

fn holder(epoch: u64) -> Holder {
    Holder { name: "other".to_owned(), epoch: Epoch::new(epoch), left: None }
}

#[test]
fn a_manager_leads_as_long_as_it_can_be_sure() {
    let (later, over) = (Instant::now() + Duration::from_secs(60), Instant::now());
    let away = || Err(Error::new(ErrorKind::Unavailable, "hold a lock", "k", "away"));
    let leads = |epoch, until| Standing::Leads(Epoch::new(epoch), until);
    let ours = |epoch, until| Ok(Claim::Ours(Epoch::new(epoch), until));
    let lost = || Some(News::Lost);
    let table = [
        (Standing::Unknown, ours(1, later), leads(1, later), Some(News::Leads(Epoch::new(1)))),
        (leads(1, over), ours(1, later), leads(1, later), None),
        // Its time was over in between, and nobody else wanted it: it is another holder all the same.
        (leads(1, over), ours(2, later), leads(2, later), Some(News::Leads(Epoch::new(2)))),
        (leads(1, later), Ok(Claim::Theirs(holder(2))), Standing::Follows(holder(2)), lost()),
        (
            Standing::Unknown,
            Ok(Claim::Theirs(holder(2))),
            Standing::Follows(holder(2)),
            Some(News::Follows("other".to_owned())),
        ),
        (
            Standing::Follows(holder(2)),
            Ok(Claim::Theirs(holder(2))),
            Standing::Follows(holder(2)),
            None,
        ),
        (leads(1, later), away(), leads(1, later), None),
        (leads(1, over), away(), Standing::Unknown, lost()),
        (Standing::Follows(holder(2)), away(), Standing::Unknown, None),
    ];
    for (before, asked, after, news) in table {
        let told = format!("{before:?} {asked:?}");
        assert_eq!(follow(&before, asked), (after, news), "{told}");
    }
}

#[test]
fn nobody_acts_with_a_lead_whose_time_is_over() {
    let of = |standing| Lead(watch::channel(standing).1).epoch();
    assert_eq!(of(Standing::Unknown), None);
    assert_eq!(of(Standing::Follows(holder(1))), None);
    assert_eq!(of(Standing::Leads(Epoch::new(1), Instant::now())), None);
    assert_eq!(lead(1).epoch(), Some(Epoch::new(1)));
}

#[tokio::test]
async fn the_next_one_leads_when_the_first_leaves_or_dies() {
    let server = RedisServer::start().await;
    let redis = Redis::try_new(&server.url(), Duration::from_secs(5)).unwrap();
    let home = Partition { keys: Keys::new("t"), redis };
    let start = |name: &str, lease| {
        let (leadership, lead) = Leadership::new(&home, name, lease);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::task::JoinSet::from_iter([leadership.run(async move {
            drop(stopped.await);
        })]);
        (lead, running, stop)
    };
    let leads = async |lead: &Lead| {
        eventually("it leads", Duration::from_secs(10), async || {
            lead.epoch().ok_or_else(|| format!("{lead:?}"))
        })
        .await
    };
    // Held for so long that only giving it back can make room.
    let (first, mut running, stop) = start("first", Duration::from_secs(600));
    let epoch = leads(&first).await;
    let (second, dies, _keep) = start("second", SHORTEST);
    stop.send(()).unwrap();
    running.join_next().await;
    assert_eq!(first.epoch(), None);
    let next = leads(&second).await;
    assert!(next > epoch);
    drop(dies);
    let (third, _running, _keep) = start("third", SHORTEST);
    assert!(leads(&third).await > next);
    let mut session = home.redis.session();
    let told = locks::holder(&mut session, &home.keys, LEADER).await.unwrap().unwrap();
    assert_eq!(told.name, "third");
    let feed = activity::latest(&mut session, &home.keys, None, 10).await.unwrap();
    let subjects: Vec<_> = feed.iter().rev().map(|one| one.subject.as_str()).collect();
    assert_eq!(subjects, ["first", "second", "third"], "one line for each change");
}
