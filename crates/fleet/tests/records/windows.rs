//! Windows in a private Redis: begun once, continued by whoever comes, forgotten in the end.

use std::collections::BTreeMap;
use std::time::Duration;

use printery_fleet::progress::{Progress, report, since};
use printery_fleet::windows::{Resumed, Sight, Window};
use printery_fleet::{Records, baselines};
use printery_testkit::{Connection, RedisServer};

const KEEP: Duration = Duration::from_secs(3_600);

fn sight(place: &str, seen: &str) -> Sight {
    Sight { place: place.into(), seen: seen.into() }
}

/// The server's time, read off the id of an entry.
async fn now_ms(db: &Connection) -> u64 {
    let id = db.add("clock", &[("a", "b")]).await;
    id.split('-').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_window_is_begun_once_and_continued_by_whoever_comes() {
    let server = RedisServer::start().await;
    let db = server.connect().await;
    let records = Records::try_new(&server.url(), "t").unwrap();
    let now = now_ms(&db).await;

    let (mut mine, found) = Window::open(&records, "e 1", now, KEEP).await.unwrap();
    assert_eq!((found.resumed, found.sights.len()), (Resumed::No, 0));
    assert!((now..now + 60_000).contains(&found.began_ms), "{} after {now}", found.began_ms);
    mine.add(&[sight("a/1", "x"), sight("a/2", "y")]).await.unwrap();

    // Another owner, while the first one still believes that the window is its own.
    let (mut theirs, again) = Window::open(&records, "e 1", now + 5_000, KEEP).await.unwrap();
    assert_eq!((again.began_ms, again.resumed), (found.began_ms, Resumed::Yes));
    assert_eq!(again.sights, [sight("a/1", "x"), sight("a/2", "y")]);
    theirs.add(&[sight("a/3", "theirs")]).await.unwrap();
    mine.add(&[sight("a/3", "late"), sight("a/4", "z")]).await.unwrap();

    let (_, whole) = Window::open(&records, "e 1", now, KEEP).await.unwrap();
    let expected = [("a/1", "x"), ("a/2", "y"), ("a/3", "theirs"), ("a/4", "z")];
    assert_eq!(whole.sights, expected.map(|(place, seen)| sight(place, seen)));

    let (_, other) = Window::open(&records, "e 2", now, KEEP).await.unwrap();
    assert_eq!(other.sights, [], "another event has a window of its own");
}

#[tokio::test]
async fn every_window_ends_and_a_closed_one_soon() {
    let server = RedisServer::start().await;
    let db = server.connect().await;
    let records = Records::try_new(&server.url(), "t").unwrap();
    let now = now_ms(&db).await;
    let key = "t:printery:window:e-1";

    let (mut window, _) = Window::open(&records, "e-1", now, KEEP).await.unwrap();
    assert!(db.int(&["PTTL", key]).await > 3_000_000, "kept for as long as it was asked for");
    window.close(now).await.unwrap();
    let left = db.int(&["PTTL", key]).await;
    assert!((1..=60_000).contains(&left), "{left} ms are left");
    // A sight that comes late does not prolong what was judged.
    window.add(&[sight("a/9", "late")]).await.unwrap();
    assert!(db.int(&["PTTL", key]).await <= 60_000);

    db.cmd(&["DEL", key]).await;
    window.add(&[sight("a/9", "very late")]).await.unwrap();
    assert!(db.int(&["PTTL", key]).await > 0, "nothing is left behind for ever");
}

#[tokio::test]
async fn a_window_of_thousands_is_read_whole() {
    let server = RedisServer::start().await;
    let db = server.connect().await;
    let records = Records::try_new(&server.url(), "t").unwrap();
    let now = now_ms(&db).await;
    let (mut window, _) = Window::open(&records, "e-1", now, KEEP).await.unwrap();
    let sights: Vec<Sight> = (0..2_345).map(|n| sight(&format!("a/{n}"), "x")).collect();
    window.add(&sights).await.unwrap();
    let (_, found) = Window::open(&records, "e-1", now, KEEP).await.unwrap();
    assert_eq!(found.sights, sights);
}

#[tokio::test]
async fn progress_is_read_from_where_one_left_off() {
    let server = RedisServer::start().await;
    let records = Records::try_new(&server.url(), "t").unwrap();
    let progress = |percent| Progress {
        worker: "health-monitor".into(),
        deployment_id: "d-1".into(),
        event_id: "e-1".into(),
        percent,
        standing: "healthy".into(),
        sentence: "3 of 6 samples passed".into(),
    };
    assert_eq!(since(&records, None, 10).await.unwrap(), []);
    let first = report(&records, &progress(33)).await.unwrap();
    report(&records, &progress(67)).await.unwrap();
    let all = since(&records, None, 10).await.unwrap();
    let told: Vec<&Progress> = all.iter().map(|it| &it.progress).collect();
    assert_eq!(told, [&progress(33), &progress(67)]);
    assert_eq!(since(&records, Some(first), 10).await.unwrap(), all[1..]);
}

#[tokio::test]
async fn the_last_baseline_of_a_service_stands_and_ends_by_itself() {
    let server = RedisServer::start().await;
    let db = server.connect().await;
    let records = Records::try_new(&server.url(), "t").unwrap();
    let now = now_ms(&db).await;
    let did = |rows: &[(&str, &str)]| -> BTreeMap<String, String> {
        rows.iter().map(|(service, did)| ((*service).to_owned(), (*did).to_owned())).collect()
    };
    assert_eq!(baselines::read(&records, "d-1").await.unwrap(), BTreeMap::new());
    baselines::keep(&records, "d-1", &did(&[("api", "well"), ("web", "well")]), now).await.unwrap();
    baselines::keep(&records, "d-1", &did(&[("api", "badly")]), now).await.unwrap();
    baselines::keep(&records, "d-2", &BTreeMap::new(), now).await.unwrap();
    let expected = did(&[("api", "badly"), ("web", "well")]);
    assert_eq!(baselines::read(&records, "d-1").await.unwrap(), expected);
    assert_eq!(db.int(&["EXISTS", "t:printery:baseline:d-2"]).await, 0);
    assert!(db.int(&["PTTL", "t:printery:baseline:d-1"]).await > 80_000_000);
}
