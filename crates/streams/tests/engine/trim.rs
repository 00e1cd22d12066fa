//! Trim: nothing goes that any group has not settled, or that either retention keeps.

use printery_streams::trim::{Keep, Readers, Trimmed, trim, trim_for};
use printery_streams::{EntryId, ErrorKind};
use printery_testkit::RedisServer;

use crate::scene::{GROUP, SOURCE, Scene, id};

const SECOND: &str = "printery-notifier";

/// Every age is old enough.
const ALL: EntryId = EntryId { ms: u64::MAX, seq: u64::MAX };

/// A stream of ten entries `1-0` … `10-0`, in nodes of one entry, so that trimming is exact.
async fn ten() -> Scene {
    let server = RedisServer::options().arg("--stream-node-max-entries", "1").start().await;
    let scene = Scene::on(server).await;
    for ms in 1..=10 {
        scene.db.cmd(&["XADD", SOURCE, &format!("{ms}-0"), "data", "x"]).await;
    }
    scene
}

/// Lets a group read `read` entries and settle all of them but `pending`.
async fn group(scene: &Scene, name: &str, read: usize, pending: &[u64]) {
    scene.db.cmd(&["XGROUP", "CREATE", SOURCE, name, "0"]).await;
    if read > 0 {
        let count = read.to_string();
        let words = ["XREADGROUP", "GROUP", name, "c", "COUNT", &count, "STREAMS", SOURCE, ">"];
        scene.db.cmd(&words).await;
    }
    for ms in (1..=read as u64).filter(|ms| !pending.contains(ms)) {
        scene.db.cmd(&["XACK", SOURCE, name, &format!("{ms}-0")]).await;
    }
}

async fn trimmed(scene: &mut Scene, keep: u64, from: EntryId, required: &[&str]) -> Trimmed {
    let required: Vec<String> = required.iter().map(|&name| name.into()).collect();
    trim(&mut scene.session, SOURCE, keep, from, &required).await.unwrap()
}

async fn left(scene: &Scene) -> Vec<u64> {
    scene.contents().await.ids(SOURCE).iter().map(|entry| id(entry).ms).collect()
}

#[tokio::test]
async fn nothing_is_removed_from_the_oldest_unsettled_entry_on() {
    // How much each group read and left pending, and the first entry that must stay.
    type Progress = (usize, &'static [u64]);
    let cases: [(Progress, Progress, u64); 5] = [
        ((10, &[]), (10, &[]), 10),
        ((10, &[4]), (10, &[]), 4),
        ((10, &[9]), (10, &[3, 7]), 3),
        ((10, &[]), (6, &[]), 6),
        ((10, &[1]), (10, &[]), 1),
    ];
    for (first, second, stays) in cases {
        let mut scene = ten().await;
        group(&scene, GROUP, first.0, first.1).await;
        group(&scene, SECOND, second.0, second.1).await;
        let result = trimmed(&mut scene, 0, ALL, &[GROUP, SECOND]).await;
        assert_eq!(result, Trimmed::Removed(stays - 1));
        assert_eq!(left(&scene).await, (stays..=10).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_group_that_read_nothing_yet_keeps_everything() {
    let mut scene = ten().await;
    group(&scene, GROUP, 10, &[]).await;
    group(&scene, "somebody-else", 0, &[]).await;
    assert_eq!(trimmed(&mut scene, 0, ALL, &[GROUP]).await, Trimmed::Removed(0));
    assert_eq!(left(&scene).await.len(), 10);
}

#[tokio::test]
async fn without_a_required_group_nothing_is_removed() {
    let mut scene = ten().await;
    group(&scene, GROUP, 10, &[]).await;
    let before = scene.contents().await;
    let result = trimmed(&mut scene, 0, ALL, &[GROUP, SECOND]).await;
    assert_eq!(result, Trimmed::MissingGroup(SECOND.into()));
    assert_eq!(scene.contents().await, before);
}

#[tokio::test]
async fn whichever_retention_keeps_more_wins() {
    let cases = [
        (4, ALL, Trimmed::Removed(6), 7),
        (0, EntryId::at(5), Trimmed::Removed(4), 5),
        (8, EntryId::at(5), Trimmed::Removed(2), 3),
        (2, EntryId::at(3), Trimmed::Removed(2), 3),
        (10, ALL, Trimmed::Short, 1),
        (10_000, ALL, Trimmed::Short, 1),
        (0, EntryId::at(1), Trimmed::Removed(0), 1),
    ];
    for (keep_entries, keep_from, result, first) in cases {
        let mut scene = ten().await;
        group(&scene, GROUP, 10, &[]).await;
        let found = trimmed(&mut scene, keep_entries, keep_from, &[GROUP]).await;
        assert_eq!(found, result, "{keep_entries} {keep_from}");
        assert_eq!(left(&scene).await, (first..=10).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_group_that_was_set_back_stops_trimming() {
    let mut scene = ten().await;
    group(&scene, GROUP, 10, &[8]).await;
    scene.db.cmd(&["XGROUP", "SETID", SOURCE, GROUP, "2-0"]).await;
    let before = scene.contents().await;
    assert_eq!(trimmed(&mut scene, 0, ALL, &[GROUP]).await, Trimmed::OddGroup(GROUP.into()));
    assert_eq!(scene.contents().await, before);
    // Without anything pending its position alone tells what it will read again.
    scene.db.cmd(&["XACK", SOURCE, GROUP, "8-0"]).await;
    assert_eq!(trimmed(&mut scene, 0, ALL, &[GROUP]).await, Trimmed::Removed(1));
}

#[tokio::test]
async fn ids_that_no_double_can_hold_are_compared_exactly() {
    let server = RedisServer::options().arg("--stream-node-max-entries", "1").start().await;
    let mut scene = Scene::on(server).await;
    let ids = [
        "9-18446744073709551614",
        "10-0",
        "9007199254740992-0",
        "9007199254740993-0",
        "9007199254740993-9007199254740993",
        "18446744073709551614-0",
    ];
    for entry in ids {
        scene.db.cmd(&["XADD", SOURCE, entry, "data", "x"]).await;
    }
    scene.db.cmd(&["XGROUP", "CREATE", SOURCE, GROUP, "$"]).await;
    for (keep_from, removed) in [
        ("9-18446744073709551614", 0),
        ("9-18446744073709551615", 1),
        ("9007199254740993-0", 2),
        ("9007199254740993-9007199254740992", 1),
        ("9007199254740993-9007199254740994", 1),
    ] {
        let found = trimmed(&mut scene, 0, id(keep_from), &[GROUP]).await;
        assert_eq!(found, Trimmed::Removed(removed), "{keep_from}");
    }
    assert_eq!(scene.contents().await.ids(SOURCE), [ids[5]]);
}

#[tokio::test]
async fn a_position_is_told_from_an_age_that_differs_in_the_last_digit_only() {
    let server = RedisServer::options().arg("--stream-node-max-entries", "1").start().await;
    let mut scene = Scene::on(server).await;
    let ids = ["9007199254740992-5", "9007199254740992-7", "9007199254740993-0"];
    for entry in ids {
        scene.db.cmd(&["XADD", SOURCE, entry, "data", "x"]).await;
    }
    group(&scene, GROUP, 1, &[]).await;
    scene.db.cmd(&["XACK", SOURCE, GROUP, ids[0]]).await;
    let found = trimmed(&mut scene, 0, id(ids[2]), &[GROUP]).await;
    assert_eq!(found, Trimmed::Removed(0), "the group has not read the others");
    assert_eq!(scene.contents().await.ids(SOURCE), ids);
}

#[tokio::test]
async fn a_stream_that_is_missing_or_none_is_not_trimmed() {
    let mut scene = Scene::set().await;
    assert_eq!(trimmed(&mut scene, 0, ALL, &[GROUP]).await, Trimmed::Short);
    assert!(scene.contents().await.0.is_empty());
    scene.db.cmd(&["SET", SOURCE, "not a stream"]).await;
    let error = trim(&mut scene.session, SOURCE, 0, ALL, &[]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
}

#[tokio::test]
async fn a_full_redis_can_be_trimmed() {
    let mut scene = ten().await;
    group(&scene, GROUP, 10, &[]).await;
    scene.fill_memory().await;
    assert_eq!(trimmed(&mut scene, 0, ALL, &[GROUP]).await, Trimmed::Removed(9));
}

#[tokio::test]
async fn nothing_waits_for_a_group_that_nobody_reads_for_any_more() {
    let mut scene = ten().await;
    group(&scene, GROUP, 10, &[8]).await;
    group(&scene, SECOND, 3, &[2]).await;
    let keep = Keep { entries: 0, from: ALL };
    let (required, abandoned) = ([GROUP.to_owned()], [SECOND.to_owned()]);
    let readers = Readers { required: &required, abandoned: &abandoned };
    let trimmed = trim_for(&mut scene.session, SOURCE, keep, &readers).await.unwrap();
    assert_eq!((trimmed, left(&scene).await), (Trimmed::Removed(7), vec![8, 9, 10]));
}
