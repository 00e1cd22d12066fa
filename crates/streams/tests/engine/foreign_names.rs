//! Groups and consumers of strangers may have any name: one that is no text hides and stops nothing.

use printery_streams::EntryId;
use printery_streams::group::consumers;
use printery_streams::inspect;
use printery_streams::settle::Settled;
use printery_streams::trim::{Trimmed, trim};

use crate::scene::{GROUP, ME, RESULTS, SOURCE, Scene, commit, publication};

/// A name that is no text.
const ODD: &[u8] = b"\xff\xfe stranger";

/// How it is shown.
const SHOWN: &str = "\u{fffd}\u{fffd} stranger";

/// A stream on which a stranger has a group, a consumer in ours, and entries in both.
async fn visited(scene: &Scene) {
    let source = SOURCE.as_bytes();
    let create: [&[u8]; 6] = [b"XGROUP", b"CREATE", source, ODD, b"0", b"MKSTREAM"];
    scene.db.cmd(&create).await;
    scene.ensure_group(SOURCE).await;
    scene.add_waiting(2).await;
    for group in [ODD, GROUP.as_bytes()] {
        let read: [&[u8]; 9] =
            [b"XREADGROUP", b"GROUP", group, ODD, b"COUNT", b"1", b"STREAMS", source, b">"];
        scene.db.cmd(&read).await;
    }
}

#[tokio::test]
async fn a_stranger_s_group_and_consumer_are_shown_beside_ours() {
    let mut scene = Scene::set().await;
    visited(&scene).await;
    let view = inspect::stream(&mut scene.session, SOURCE).await.unwrap().unwrap();
    let mut groups: Vec<_> =
        view.groups.iter().map(|group| (group.group.as_str(), group.pending, group.lag)).collect();
    groups.sort_unstable();
    assert_eq!(groups, [(GROUP, 1, Some(1)), (SHOWN, 1, Some(1))]);
    let consumers = consumers(&mut scene.session, SOURCE, GROUP).await.unwrap();
    assert_eq!((consumers[0].name.as_str(), consumers[0].pending), (SHOWN, 1));
    let pending = inspect::pending(&mut scene.session, SOURCE, GROUP, EntryId::default(), 10).await;
    assert_eq!(pending.unwrap()[0].consumer, SHOWN);
}

#[tokio::test]
async fn an_entry_that_a_stranger_took_holds_no_other_back() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 3).await;
    let entry = fences[1].entry.to_string();
    let claim: [&[u8]; 6] =
        [b"XCLAIM", SOURCE.as_bytes(), GROUP.as_bytes(), ODD, b"0", entry.as_bytes()];
    scene.db.cmd(&claim).await;
    let done: Vec<_> = fences
        .iter()
        .map(|fence| commit(fence, &fence.entry.to_string(), vec![publication(RESULTS, "x")]))
        .collect();
    let done: Vec<_> = done.iter().collect();
    let verdicts = scene.settler(ME).commit(&mut scene.session, &done).await.unwrap();
    assert_eq!(verdicts, [Settled::Done, Settled::Fenced, Settled::Done]);
    assert_eq!(scene.db.len(RESULTS).await, 2);
}

#[tokio::test]
async fn a_stranger_s_group_that_was_set_back_stops_trimming_and_is_named() {
    let mut scene = Scene::set().await;
    visited(&scene).await;
    let back: [&[u8]; 5] = [b"XGROUP", b"SETID", SOURCE.as_bytes(), ODD, b"0"];
    scene.db.cmd(&back).await;
    let all = EntryId { ms: u64::MAX, seq: u64::MAX };
    let found = trim(&mut scene.session, SOURCE, 0, all, &[GROUP.to_owned()]).await.unwrap();
    assert_eq!(found, Trimmed::OddGroup(SHOWN.into()));
}
