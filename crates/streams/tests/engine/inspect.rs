//! Inspect and browse: what is shown is what is there, and looking changes nothing.

use std::time::Duration;

use printery_streams::browse::{self, Entry};
use printery_streams::inspect::{self, GroupView, StreamView};
use printery_streams::{EntryId, Fields};

use crate::scene::{
    DELAY, EXHAUSTED, GROUP, ME, OTHER, RESULTS, SOURCE, Scene, WORKER, awkward_fields, commit,
    defer, fields, id,
};

fn group_view(pending: u64, lag: Option<u64>, last_delivered: EntryId) -> GroupView {
    GroupView {
        group: GROUP.into(),
        consumers: 1,
        pending,
        lag,
        last_delivered,
        oldest_pending: None,
        oldest_waiting: None,
    }
}

#[tokio::test]
async fn a_stream_is_shown_with_its_groups() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 3).await;
    let waiting = id(&scene.add_fields(SOURCE, &fields(&[("data", "new")])).await);
    scene.add_fields(SOURCE, &fields(&[("data", "newer")])).await;
    scene.db.cmd(&["XACK", SOURCE, GROUP, &fences[0].entry.to_string()]).await;
    let before = scene.contents().await;
    let seen = inspect::stream(&mut scene.session, SOURCE).await.unwrap();
    let group = GroupView {
        oldest_pending: Some(fences[1].entry),
        oldest_waiting: Some(waiting),
        ..group_view(2, Some(2), fences[2].entry)
    };
    let expected = StreamView { stream: SOURCE.into(), length: 5, groups: vec![group] };
    assert_eq!(seen, Some(expected));
    assert_eq!(scene.contents().await, before);
}

#[tokio::test]
async fn what_is_no_stream_is_not_shown() {
    let mut scene = Scene::set().await;
    assert_eq!(inspect::stream(&mut scene.session, SOURCE).await.unwrap(), None);
    scene.db.cmd(&["SET", SOURCE, "not a stream"]).await;
    assert_eq!(inspect::stream(&mut scene.session, SOURCE).await.unwrap(), None);
}

#[tokio::test]
async fn a_lag_that_the_server_does_not_know_is_counted() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    let ids = scene.add_waiting(150).await;
    // After a deletion in the middle the server cannot tell how many are left.
    scene.db.cmd(&["XDEL", SOURCE, &ids[10]]).await;
    let group = only_group(&mut scene).await;
    let seen = (group.lag, group.oldest_waiting, group.last_delivered);
    assert_eq!(seen, (Some(149), Some(id(&ids[0])), fences[0].entry));
}

#[tokio::test]
async fn a_lag_that_is_more_than_a_look_is_worth_is_unknown_and_not_wrong() {
    let mut scene = Scene::set().await;
    scene.deliver(ME, 1).await;
    let add = format!("for n = 1, 3000 do redis.call('XADD', '{SOURCE}', '*', 'n', n) end");
    scene.eval(&add).await;
    assert_eq!(only_group(&mut scene).await.lag, Some(3000), "the server knows it");
    let first = only_group(&mut scene).await.oldest_waiting.unwrap();
    scene.db.cmd(&["XDEL", SOURCE, &first.to_string()]).await;
    let group = only_group(&mut scene).await;
    assert_eq!(group.lag, None);
    assert!(group.oldest_waiting.is_some_and(|waiting| waiting > first));
}

#[tokio::test]
async fn whatever_the_server_says_few_waiting_entries_are_counted_right() {
    // Each group is made wrong in another way; three entries wait for all of them.
    let wrongs: [&[&str]; 5] = [
        &["SETID", SOURCE, GROUP, "2-0", "ENTRIESREAD", "50"],
        &["SETID", SOURCE, GROUP, "2-0", "ENTRIESREAD", "1"],
        &["SETID", SOURCE, GROUP, "2-0", "ENTRIESREAD", "5"],
        &["SETID", SOURCE, GROUP, "2-0"],
        &["SETID", SOURCE, GROUP, "2-7"],
    ];
    for wrong in wrongs {
        let mut scene = Scene::set().await;
        scene.ensure_group(SOURCE).await;
        for n in 1..=5 {
            scene.db.cmd(&["XADD", SOURCE, &format!("{n}-0"), "data", "x"]).await;
        }
        scene.db.cmd(&[&["XGROUP"], wrong].concat()).await;
        let group = only_group(&mut scene).await;
        assert_eq!((group.lag, group.oldest_waiting), (Some(3), Some(id("3-0"))), "{wrong:?}");
    }
}

#[tokio::test]
async fn a_lag_is_never_negative_and_an_empty_stream_has_none() {
    let mut scene = Scene::set().await;
    scene.deliver(ME, 2).await;
    let set = ["XGROUP", "SETID", SOURCE, GROUP, "$", "ENTRIESREAD", "50"];
    scene.db.cmd(&set).await;
    assert_eq!(only_group(&mut scene).await.lag, Some(0));
    scene.add_waiting(3).await;
    scene.db.cmd(&["XTRIM", SOURCE, "MAXLEN", "0"]).await;
    let view = inspect::stream(&mut scene.session, SOURCE).await.unwrap().unwrap();
    let group = &view.groups[0];
    assert_eq!((view.length, group.lag, group.oldest_waiting), (0, Some(0), None));
}

#[tokio::test]
async fn a_position_beyond_every_id_is_no_trouble() {
    let mut scene = Scene::set().await;
    scene.ensure_group(SOURCE).await;
    scene.exhaust(SOURCE).await;
    assert_eq!(only_group(&mut scene).await.lag, Some(1), "an id of the far future waits");
    scene.db.cmd(&["XGROUP", "SETID", SOURCE, GROUP, EXHAUSTED]).await;
    let group = only_group(&mut scene).await;
    assert_eq!((group.lag, group.oldest_waiting), (Some(0), None));
    // The position that a careless person set on a stream that never came so far.
    let ahead = "t:ahead";
    scene.db.cmd(&["XADD", ahead, "1-0", "data", "x"]).await;
    scene.db.cmd(&["XGROUP", "CREATE", ahead, GROUP, "999-0"]).await;
    let view = inspect::stream(&mut scene.session, ahead).await.unwrap().unwrap();
    assert_eq!(view.groups[0].lag, Some(0));
}

async fn only_group(scene: &mut Scene) -> GroupView {
    let view = inspect::stream(&mut scene.session, SOURCE).await.unwrap().unwrap();
    assert_eq!(view.groups.len(), 1, "{view:?}");
    view.groups[0].clone()
}

#[tokio::test]
async fn pending_rows_are_listed_from_any_of_them_on() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 3).await;
    scene.silence(&fences[1], OTHER, 4).await;
    let rows = inspect::pending(&mut scene.session, SOURCE, GROUP, fences[1].entry, 10).await;
    let rows = rows.unwrap();
    let facts: Vec<_> = rows.iter().map(|r| (r.entry, r.consumer.as_str(), r.deliveries)).collect();
    assert_eq!(facts, [(fences[1].entry, OTHER, 4), (fences[2].entry, ME, 1)]);
    assert!(rows[0].idle_ms >= 60_000 && rows[1].idle_ms < 60_000, "{rows:?}");
    let first = inspect::pending(&mut scene.session, SOURCE, GROUP, EntryId::default(), 1).await;
    assert_eq!(first.unwrap().len(), 1);
    let none = inspect::pending(&mut scene.session, "t:none", GROUP, EntryId::default(), 1).await;
    assert_eq!(none.unwrap(), []);
}

#[tokio::test]
async fn delayed_entries_are_counted_and_listed_soonest_first() {
    let mut scene = Scene::set().await;
    let none = inspect::delayed(&mut scene.session, &scene.keys, WORKER).await.unwrap();
    assert_eq!(none, (0, None));
    let fences = scene.deliver(ME, 3).await;
    let body = fields(&[("data", "body")]);
    for (fence, minutes) in fences.iter().zip([30, 10, 20]) {
        let later = defer(fence, Duration::from_secs(minutes * 60), &body);
        scene.settler(ME).defer(&mut scene.session, &[&later]).await.unwrap();
    }
    let waiting = scene.contents().await.sorted_set(DELAY);
    let seen = inspect::delayed(&mut scene.session, &scene.keys, WORKER).await.unwrap();
    assert_eq!(seen, (3, Some(waiting[0].1)));
    for count in 0..=4 {
        let keys = &scene.keys;
        let listed = inspect::delayed_tokens(&mut scene.session, keys, WORKER, count).await;
        assert_eq!(listed.unwrap(), waiting[..count.min(3)], "{count}");
    }
}

#[tokio::test]
async fn the_ledger_tells_what_was_settled() {
    let mut scene = Scene::set().await;
    assert_eq!(inspect::ledger(&mut scene.session, &scene.keys, WORKER).await.unwrap(), []);
    let fences = scene.deliver(ME, 1).await;
    let done = commit(&fences[0], "e-1", Vec::new());
    scene.settler(ME).commit(&mut scene.session, &[&done]).await.unwrap();
    let ledger = inspect::ledger(&mut scene.session, &scene.keys, WORKER).await.unwrap();
    assert_eq!(ledger, [(format!("{SOURCE}|done"), 1)]);
    assert_eq!(inspect::length(&mut scene.session, SOURCE).await.unwrap(), 1);
    assert_eq!(inspect::length(&mut scene.session, RESULTS).await.unwrap(), 0);
}

#[tokio::test]
async fn entries_are_browsed_in_both_directions_byte_for_byte() {
    let mut scene = Scene::set().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        let mut body = awkward_fields();
        body.push((b"n".to_vec(), n.to_string().into_bytes()));
        ids.push(id(&scene.add_fields(SOURCE, &body).await));
    }
    let numbers = |entries: &[Entry]| -> Vec<String> {
        entries.iter().map(|entry| entry.text("n").unwrap().to_owned()).collect()
    };
    let session = &mut scene.session;
    let all = browse::range(session, SOURCE, EntryId::default(), None, 10).await.unwrap();
    assert_eq!(all.iter().map(|entry| entry.id).collect::<Vec<_>>(), ids);
    assert_eq!(all[0].fields[..8], awkward_fields());
    assert_eq!(all[0].text("twice"), Some("2"), "the last one counts");
    assert_eq!((all[0].text("none"), all[0].text("no value")), (None, Some("")));
    let some = browse::range(session, SOURCE, ids[1], Some(ids[3]), 2).await.unwrap();
    assert_eq!(numbers(&some), ["1", "2"]);
    let latest = browse::latest(session, SOURCE, None, 2).await.unwrap();
    assert_eq!(numbers(&latest), ["4", "3"]);
    let older = browse::latest(session, SOURCE, Some(ids[3]), 2).await.unwrap();
    assert_eq!(numbers(&older), ["2", "1"]);
    assert_eq!(browse::last_id(session, SOURCE).await.unwrap(), Some(ids[4]));
    assert_eq!(browse::last_id(session, "t:none").await.unwrap(), None);
    assert_eq!(browse::latest(session, "t:none", None, 2).await.unwrap(), []);
}

#[tokio::test]
async fn following_shows_what_comes_and_only_that() {
    let scene = Scene::set().await;
    scene.db.add(SOURCE, &[("data", "old")]).await;
    let last = id(&scene.db.add(SOURCE, &[("data", "seen")]).await);
    let block = Duration::from_secs(5);
    let mut reader = scene.redis.reader(block).await.unwrap();
    let positions = [(SOURCE.to_owned(), Some(last)), (RESULTS.to_owned(), None)];
    let (seen, ()) = tokio::join!(browse::follow(&mut reader, &positions, 10, block), async {
        scene.when_blocked(async || drop(scene.db.add(RESULTS, &[("data", "new")]).await)).await;
    },);
    let bodies = |seen: &[(String, Entry)]| -> Vec<(String, Fields)> {
        seen.iter().map(|(stream, entry)| (stream.clone(), entry.fields.clone())).collect()
    };
    assert_eq!(bodies(&seen.unwrap()), [(RESULTS.to_owned(), fields(&[("data", "new")]))]);
    let short = Duration::from_millis(30);
    let nothing = browse::follow(&mut reader, &positions, 10, short).await.unwrap();
    assert_eq!(nothing, []);
    scene.db.add(SOURCE, &[("data", "next")]).await;
    let seen = browse::follow(&mut reader, &positions, 10, block).await.unwrap();
    assert_eq!(bodies(&seen), [(SOURCE.to_owned(), fields(&[("data", "next")]))]);
    // A followed stream that is deleted meanwhile is no error.
    let positions = [(RESULTS.to_owned(), None)];
    let (gone, ()) = tokio::join!(browse::follow(&mut reader, &positions, 10, block), async {
        scene.when_blocked(async || drop(scene.db.cmd(&["DEL", RESULTS]).await)).await;
    },);
    assert_eq!(gone.unwrap(), []);
}
