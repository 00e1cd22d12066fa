//! Reads that go wrong: keys that vanish, replies that are lost, servers that fall silent.
//!
//! Whatever was handed out unseen is found again, and the next read works.

use std::time::{Duration, Instant};

use printery_streams::reclaim::adopt;
use printery_streams::{Delivery, Error, ErrorKind, Member, Redis};
use printery_testkit::{FaultProxy, Mode, eventually};

use crate::contents::{Contents, row};
use crate::scene::{
    GROUP, INBOX, ME, RESULTS, Reading, SOON, SOURCE, Scene, fields, member, ordered,
};

const BLOCK: Duration = Duration::from_secs(5);

fn reading_at(redis: &Redis) -> Reading {
    Reading::at(redis, member(ME), &[SOURCE, RESULTS])
}

async fn reading(scene: &Scene) -> Reading {
    let mut reading = reading_at(&scene.redis);
    reading.make_groups().await;
    reading
}

/// A read that is waiting when this command is sent.
async fn while_waiting(
    scene: &Scene,
    reading: &mut Reading,
    command: &[&str],
) -> Result<Vec<Delivery>, Error> {
    let act = async || drop(scene.db.cmd(command).await);
    tokio::join!(reading.fetch(6, BLOCK), scene.when_blocked(act)).0
}

/// Everything of one stream that was handed to us unseen, a few at a time.
async fn adopt_all(scene: &mut Scene, stream: &str, limit: usize) -> Vec<Delivery> {
    let stream = stream.into();
    let mut found: Vec<Delivery> = Vec::new();
    loop {
        let known: Vec<_> = found.iter().map(|delivery| delivery.fence.entry).collect();
        let (session, keys) = (&mut scene.session, &scene.keys);
        let more = adopt(session, keys, &member(ME), &stream, &known, limit).await.unwrap();
        if more.is_empty() {
            return found;
        }
        assert!(more.iter().all(|delivery| !known.contains(&delivery.fence.entry)), "{more:?}");
        found.extend(more);
    }
}

async fn vanishes_while_waiting(deletion: &[&str], ordered: bool) {
    let mut scene = Scene::set().await;
    let member = Member { ordered, ..member(ME) };
    let mut reading = Reading::of(&scene, member, &[SOURCE, RESULTS]).await;
    let error = while_waiting(&scene, &mut reading, deletion).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Missing, "{deletion:?}: {error}");
    // It stays missing until somebody makes it again, for few slots and for many.
    for free in [6, 1] {
        let error = reading.take(free).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Missing, "{deletion:?}: {error}");
    }
    scene.db.add(SOURCE, &[("data", "after")]).await;
    reading.fetcher.ensure_groups(&mut scene.session).await.unwrap();
    let read = reading.fetch(6, BLOCK).await.unwrap();
    assert_eq!(read.len(), 1, "{deletion:?}");
    assert_eq!(read[0].fields, Some(fields(&[("data", "after")])));
}

#[tokio::test]
async fn a_stream_or_group_that_vanishes_is_missing_and_heals() {
    for ordered in [false, true] {
        tokio::join!(
            vanishes_while_waiting(&["DEL", SOURCE], ordered),
            vanishes_while_waiting(&["FLUSHALL"], ordered),
            vanishes_while_waiting(&["XGROUP", "DESTROY", SOURCE, GROUP], ordered),
            vanishes_while_waiting(&["RENAME", SOURCE, "t:elsewhere"], ordered),
        );
    }
}

#[tokio::test]
async fn a_key_of_another_type_is_left_out_until_it_is_mended() {
    for ordered in [false, true] {
        let scene = Scene::set().await;
        let member = Member { ordered, ..member(ME) };
        let mut reading = Reading::of(&scene, member, &[SOURCE, RESULTS]).await;
        let set = ["SET", SOURCE, "not a stream"];
        let error = while_waiting(&scene, &mut reading, &set).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused, "{error}");
        let error = reading.take(6).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused, "{error}");

        reading.make_groups().await;
        scene.db.add(RESULTS, &[("data", "others")]).await;
        let read = reading.fetch(6, BLOCK).await.unwrap();
        assert_eq!(&*read[0].fence.stream, RESULTS, "the others are read on");
        assert!(!reading.wait(Duration::from_millis(30)).await.unwrap(), "and waited for");
        assert_eq!(scene.db.text(&["GET", SOURCE]).await.as_deref(), Some("not a stream"));

        scene.db.cmd(&["DEL", SOURCE]).await;
        reading.make_groups().await;
        scene.db.add(SOURCE, &[("data", "mended")]).await;
        let read = reading.fetch(6, BLOCK).await.unwrap();
        assert_eq!(&*read[0].fence.stream, SOURCE);
    }
}

#[tokio::test]
async fn with_nothing_left_to_read_a_person_must_act() {
    let scene = Scene::set().await;
    let mut reading = reading(&scene).await;
    for key in [INBOX, SOURCE, RESULTS] {
        scene.db.cmd(&["SET", key, "not a stream"]).await;
    }
    reading.make_groups().await;
    let error = reading.take(6).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
}

#[tokio::test]
async fn entries_of_a_lost_reply_are_adopted() {
    let mut scene = Scene::set().await;
    let proxy = FaultProxy::start(&scene.server).await;
    let mut reading = reading_at(&scene.redis_at(&proxy.url(), SOON));
    reading.make_groups().await;
    for n in 0..3 {
        scene.db.add(SOURCE, &[("data", n.to_string())]).await;
    }
    proxy.swallow_reply_to(&["XREADGROUP"]);
    let error = reading.fetch(9, BLOCK).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unknown, "{error}");
    let pending = scene.contents().await.pending(SOURCE);
    assert_eq!(pending.len(), 3, "they were handed out");

    let found = adopt_all(&mut scene, SOURCE, 2).await;
    let bodies: Vec<_> = found.iter().map(|delivery| delivery.fields.clone().unwrap()).collect();
    assert_eq!(bodies, ["0", "1", "2"].map(|n| fields(&[("data", n)])));
    assert_eq!(scene.contents().await.pending(SOURCE), pending, "at no cost to them");
    scene.db.add(SOURCE, &[("data", "next")]).await;
    assert_eq!(reading.fetch(9, BLOCK).await.unwrap().len(), 1, "the next read works");
}

#[tokio::test]
async fn fifty_lost_replies_in_a_row_cost_an_entry_nothing() {
    let mut scene = Scene::set().await;
    let proxy = FaultProxy::start(&scene.server).await;
    let mut reading = reading_at(&scene.redis_at(&proxy.url(), SOON));
    reading.make_groups().await;
    let mut through = scene.redis_at(&proxy.url(), SOON).session();
    let entry = scene.add_fields(INBOX, &fields(&[("data", "tried")])).await;
    let stream = INBOX.into();
    for _ in 0..50 {
        proxy.swallow_reply_to(&["EVALSHA"]);
        let lost = adopt(&mut through, &scene.keys, &member(ME), &stream, &[], 5).await;
        assert_eq!(lost.unwrap_err().kind, ErrorKind::Unknown);
        proxy.swallow_reply_to(&["XREADGROUP"]);
        assert_eq!(reading.take(1).await.unwrap_err().kind, ErrorKind::Unknown);
    }
    assert_eq!(scene.contents().await.pending(INBOX), [row(&entry, ME, 1)]);
    assert_eq!(adopt_all(&mut scene, INBOX, 5).await[0].history.deaths, 0);
}

#[tokio::test]
async fn a_reply_beyond_the_server_s_output_limit_loses_nothing() {
    for member in [member(ME), ordered(ME)] {
        let mut scene = Scene::set().await;
        let mut reading = Reading::of(&scene, member, &[SOURCE, RESULTS]).await;
        let limit = ["CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0"];
        let large = "x".repeat(600_000);
        for _ in 0..8 {
            scene.db.add(SOURCE, &[("data", &large)]).await;
        }
        scene.db.cmd(&limit).await;
        let before = reading.fetcher.appetite();
        let error = reading.take(24).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unknown, "{error}");
        assert_eq!(reading.fetcher.appetite(), before / 2);
        // They are all ours now, and one at a time they fit.
        let found = adopt_all(&mut scene, SOURCE, 1).await;
        assert_eq!(found.len(), 8);
        let whole = fields(&[("data", &large)]);
        assert!(found.iter().all(|delivery| delivery.fields.as_ref() == Some(&whole)));
    }
}

#[tokio::test]
async fn appetite_shrinks_until_the_takes_fit_and_grows_back() {
    for member in [member(ME), ordered(ME)] {
        let mut scene = Scene::set().await;
        let mut reading = Reading::of(&scene, member, &[]).await;
        let largest = reading.fetcher.appetite();
        let (large, small) = ("x".repeat(60_000), "y");
        for _ in 0..600 {
            scene.db.add(INBOX, &[("data", &large)]).await;
        }
        let limit = ["CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0"];
        scene.db.cmd(&limit).await;
        let mut appetites = vec![largest];
        let mut seen = 0;
        let mut broken = 0;
        for _ in 0..600 {
            match reading.take(1000).await {
                Ok(taken) if taken.is_empty() => break,
                Ok(taken) => seen += taken.len(),
                Err(error) => {
                    assert_eq!(error.kind, ErrorKind::Unknown, "{error}");
                    broken += 1;
                }
            }
            appetites.push(reading.fetcher.appetite());
        }
        assert!(seen > 0 && broken > 0, "{appetites:?}");
        assert!(appetites.iter().all(|appetite| (1..=largest).contains(appetite)), "{appetites:?}");
        let rows = usize::try_from(scene.db.pending(INBOX, GROUP).await).unwrap();
        assert_eq!(rows, 600, "each was handed out once");
        // What was stranded is found with as much as fits.
        let found = adopt_all(&mut scene, INBOX, 8).await;
        assert_eq!(found.len(), 600);
        // One more with each take that fits, until it is as before.
        while reading.fetcher.appetite() < largest {
            let before = reading.fetcher.appetite();
            scene.db.add(INBOX, &[("data", small)]).await;
            assert_eq!(reading.take(1000).await.unwrap().len(), 1);
            assert_eq!(reading.fetcher.appetite(), before + 1);
        }
    }
}

#[tokio::test]
async fn what_a_take_stranded_is_adopted_as_soon_as_less_is_asked_for() {
    let mut scene = Scene::set().await;
    let mut reading = Reading::of(&scene, member(ME), &[]).await;
    let large = "x".repeat(60_000);
    for _ in 0..200 {
        scene.db.add(INBOX, &[("data", &large)]).await;
    }
    let limit = ["CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0"];
    scene.db.cmd(&limit).await;
    assert_eq!(reading.take(256).await.unwrap_err().kind, ErrorKind::Unknown);
    let (stream, mut broken) = (INBOX.into(), 0);
    let found = loop {
        let (session, limit) = (&mut scene.session, reading.fetcher.appetite());
        match adopt(session, &scene.keys, &member(ME), &stream, &[], limit).await {
            Ok(found) => break found,
            Err(error) => assert_eq!(error.kind, ErrorKind::Unknown, "{error}"),
        }
        reading.fetcher.ask_for_less();
        broken += 1;
        assert!(broken <= 8, "it never fits");
    };
    assert!(broken > 0 && !found.is_empty(), "{broken} times too much");
    for _ in 0..20 {
        reading.fetcher.ask_for_less();
    }
    assert_eq!(reading.fetcher.appetite(), 1, "and never nothing");
}

#[tokio::test]
async fn a_server_that_falls_silent_ends_the_wait_and_the_connection() {
    let scene = Scene::set().await;
    let mut reading = reading(&scene).await;
    let block = Duration::from_millis(100);
    assert!(!reading.wait(block).await.unwrap());
    scene.server.freeze();
    let began = Instant::now();
    let error = reading.wait(block).await.unwrap_err();
    let waited = began.elapsed();
    scene.server.thaw();
    assert_eq!(error.kind, ErrorKind::Unknown, "{error}");
    assert!(waited >= block && waited < Duration::from_secs(8), "{waited:?}");
    // The wait that timed out may still be served: it hands nothing out.
    scene.db.add(SOURCE, &[("data", "x")]).await;
    scene.blocked_clients(0).await;
    assert_eq!(scene.contents().await.pending(SOURCE), []);
    assert_eq!(reading.fetch(9, block).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_take_that_a_silent_server_serves_later_is_adopted() {
    let mut scene = Scene::set().await;
    let mut reading = reading_at(&scene.redis_at(&scene.server.url(), Duration::from_millis(200)));
    reading.make_groups().await;
    assert_eq!(reading.take(9).await.unwrap(), []);
    let entry = scene.db.add(SOURCE, &[("data", "x")]).await;
    scene.server.freeze();
    let error = reading.take(9).await.unwrap_err();
    scene.server.thaw();
    assert_eq!(error.kind, ErrorKind::Unknown, "{error}");
    let (db, expected) = (&scene.db, vec![row(&entry, ME, 1)]);
    eventually("it is handed out unseen", SOON, async || {
        let pending = Contents::read(db).await.pending(SOURCE);
        if pending == expected { Ok(()) } else { Err(format!("{pending:?}")) }
    })
    .await;
    assert_eq!(adopt_all(&mut scene, SOURCE, 5).await.len(), 1);
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable_and_comes_back() {
    let scene = Scene::set().await;
    let mut reading = reading(&scene).await;
    assert!(reading.take(9).await.unwrap().is_empty());
    scene.server.kill9();
    let error = reading.take(9).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unknown, "{error}");
    let error = reading.fetch(9, BLOCK).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    scene.server.restart().await;
    let error = reading.fetch(9, BLOCK).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Missing, "it came back empty: {error}");
    reading.make_groups().await;
    scene.db.add(SOURCE, &[("data", "x")]).await;
    assert!(reading.wait(BLOCK).await.unwrap());
    assert_eq!(reading.take(9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_network_that_cuts_everything_is_survived() {
    let scene = Scene::set().await;
    let proxy = FaultProxy::start(&scene.server).await;
    let mut reading = reading_at(&scene.redis_at(&proxy.url(), SOON));
    reading.make_groups().await;
    let act = async || proxy.set(Mode::Cut);
    let (read, ()) = tokio::join!(reading.fetch(9, BLOCK), scene.when_blocked(act));
    assert_eq!(read.unwrap_err().kind, ErrorKind::Unknown);
    // The connection that takes was cut as well.
    assert_eq!(reading.take(9).await.unwrap_err().kind, ErrorKind::Unknown);
    let error = reading.take(9).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    let error = reading.wait(BLOCK).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    proxy.set(Mode::Pass);
    scene.blocked_clients(0).await;
    scene.db.add(SOURCE, &[("data", "x")]).await;
    let read = reading.fetch(9, BLOCK).await.unwrap();
    assert_eq!(read.len(), 1, "a closed connection is handed nothing");
}
