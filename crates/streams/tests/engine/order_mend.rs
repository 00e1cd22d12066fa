//! Mending: a line whose head somebody deleted goes on, and no other line does.

use std::time::Duration;

use printery_streams::order::mend;

use crate::line_scene::{Replica, note, set};
use crate::scene::{
    BODIES, DELAY, GROUP, INBOX, LINE, ME, ORDER, OTHER, OTHERS, RESULTS, SOURCE, Scene, ordered,
};

/// One entry of `d` is being worked on, and others wait behind it.
async fn standing() -> (Scene, Replica, printery_streams::Delivery) {
    let (scene, mut me) = set().await;
    scene.queue("d", &["1", "2", "3"]).await;
    let head = me.take(8).await.remove(0);
    (scene, me, head)
}

#[tokio::test]
async fn a_head_that_will_still_be_settled_keeps_its_turn() {
    let (mut scene, mut me, head) = standing().await;
    assert_eq!(me.mend(&scene).await, [""; 0], "while it is pending");
    scene.delete_body(&head.fence).await;
    assert_eq!(me.mend(&scene).await, [""; 0], "even without its body");

    let (mut scene_2, mut me_2, head_2) = standing().await;
    me_2.defer(&scene_2, &head_2, Duration::ZERO).await;
    assert_eq!(me_2.mend(&scene_2).await, [""; 0], "while it is delayed");
    scene_2.promote().await;
    assert_eq!(me_2.mend(&scene_2).await, [""; 0], "while it is in the inbox");
    assert_eq!(me_2.notes().await, ["1"]);
    assert_eq!(me_2.mend(&scene_2).await, [""; 0], "while it is tried again");
    assert_eq!((scene.waiting("d").await, scene_2.waiting("d").await), (2, 2));
}

#[tokio::test]
async fn a_head_that_is_still_to_be_delivered_keeps_its_turn() {
    for meddling in
        [&["XGROUP", "SETID", SOURCE, GROUP, "0"][..], &["XGROUP", "DESTROY", SOURCE, GROUP]]
    {
        let (mut scene, mut me, head) = standing().await;
        scene.db.cmd(&["XACK", SOURCE, GROUP, &head.fence.entry.to_string()]).await;
        scene.db.cmd(meddling).await;
        assert_eq!(me.mend(&scene).await, [""; 0], "{meddling:?}");
        me.reading.make_groups().await;
        assert_eq!(me.mend(&scene).await, [""; 0], "{meddling:?}");
        assert_eq!(me.notes().await, ["1"], "{meddling:?}");
        assert_eq!(scene.waiting("d").await, 2);
    }
}

#[tokio::test]
async fn a_head_that_a_third_party_acknowledged_gives_its_turn_up() {
    for delete in [false, true] {
        let (mut scene, mut me, head) = standing().await;
        let entry = head.fence.entry.to_string();
        scene.db.cmd(&["XACK", SOURCE, GROUP, &entry]).await;
        if delete {
            scene.db.cmd(&["XDEL", SOURCE, &entry]).await;
        }
        assert_eq!(me.notes().await, [""; 0], "it stands still");
        assert_eq!(me.mend(&scene).await, ["d"]);
        assert_eq!(me.mend(&scene).await, [""; 0], "once");
        assert_eq!(me.notes().await, ["2"]);
        // The one that was meddled with finds out and passes nobody's turn on.
        me.commit(&scene, &head).await;
        assert_eq!(me.notes().await, [""; 0]);
        assert_eq!(scene.waiting("d").await, 1);
    }
}

#[tokio::test]
async fn a_head_whose_stream_was_deleted_gives_its_turn_up() {
    let (scene, mut me, _head) = standing().await;
    scene.db.cmd(&["DEL", SOURCE]).await;
    assert_eq!(me.mend(&scene).await, ["d"]);
    me.reading.make_groups().await;
    let second = me.take(8).await;
    assert_eq!(second.iter().map(note).collect::<Vec<_>>(), ["2"]);
    me.commit(&scene, &second[0]).await;
    assert_eq!(me.notes().await, ["3"]);
}

#[tokio::test]
async fn a_turn_that_nobody_gave_back_is_found_as_soon_as_somebody_waits_for_it() {
    let (scene, mut me) = set().await;
    scene.queue("d", &["1"]).await;
    let head = me.take(8).await.remove(0);
    scene.db.cmd(&["XACK", SOURCE, GROUP, &head.fence.entry.to_string()]).await;
    assert_eq!(me.mend(&scene).await, [""; 0], "nobody waits");
    scene.queue("d", &["2"]).await;
    assert_eq!(me.notes().await, [""; 0]);
    assert_eq!(me.mend(&scene).await, ["d"]);
    assert_eq!(me.notes().await, ["2"]);
}

#[tokio::test]
async fn the_owner_of_a_head_whose_stream_was_deleted_passes_its_turn_too() {
    let (scene, mut me, head) = standing().await;
    scene.db.cmd(&["DEL", SOURCE]).await;
    me.commit(&scene, &head).await;
    assert_eq!(me.mend(&scene).await, [""; 0]);
    me.reading.make_groups().await;
    assert_eq!(me.notes().await, ["2"]);
}

#[tokio::test]
async fn a_head_that_vanished_from_the_inbox_or_the_delayed_gives_its_turn_up() {
    for key in [INBOX, DELAY] {
        let (mut scene, mut me, head) = standing().await;
        me.defer(&scene, &head, Duration::ZERO).await;
        if key == INBOX {
            scene.promote().await;
        }
        scene.db.cmd(&["DEL", key]).await;
        assert_eq!(me.mend(&scene).await, ["d"], "{key}");
        me.reading.make_groups().await;
        assert_eq!(me.notes().await, ["2"], "{key}");
    }
}

#[tokio::test]
async fn a_line_whose_turns_were_deleted_goes_on() {
    let (mut scene, mut me, head) = standing().await;
    me.commit(&scene, &head).await;
    let second = me.take(8).await.remove(0);
    scene.queue("d", &["4"]).await;
    assert_eq!(me.notes().await, [""; 0]);
    scene.db.cmd(&["DEL", ORDER]).await;
    me.commit(&scene, &second).await;
    assert_eq!(scene.waiting("d").await, 2, "nobody knows whose turn it was");
    assert_eq!(me.mend(&scene).await, ["d"]);
    let third = me.take(8).await;
    assert_eq!(third.iter().map(note).collect::<Vec<_>>(), ["3"]);
    me.commit(&scene, &third[0]).await;
    assert_eq!(me.notes().await, ["4"]);
}

#[tokio::test]
async fn a_line_whose_bodies_were_deleted_ends_in_the_dead_letters() {
    let (mut scene, mut me, head) = standing().await;
    scene.db.cmd(&["DEL", BODIES]).await;
    scene.queue("d", &["4"]).await;
    assert_eq!(me.notes().await, [""; 0]);
    me.commit(&scene, &head).await;
    // One after the other is found to be without a body, and passes its turn on.
    assert_eq!(scene.promote().await.bodiless.len(), 1);
    assert_eq!(scene.promote().await.bodiless.len(), 1);
    assert_eq!(me.notes().await, ["4"]);
    assert_eq!(me.mend(&scene).await, [""; 0]);
    assert_eq!(scene.waiting_in_all().await, 0);
}

#[tokio::test]
async fn mending_goes_page_by_page_over_all_lines_and_only_those_that_stand_still() {
    let (scene, mut me) = set().await;
    let mut expected = Vec::new();
    for n in 0..200 {
        let stream = [SOURCE, RESULTS, OTHERS][n % 3];
        let deployment = format!("d-{n:03}");
        for _ in 0..2 {
            scene.about(stream, &deployment, &deployment).await;
        }
    }
    let mut heads = me.take(256).await;
    heads.extend(me.take(256).await);
    assert_eq!(heads.len(), 200);
    for head in heads.iter().filter(|head| !note(head).ends_with('0')) {
        scene.db.cmd(&["XACK", &*head.fence.stream, GROUP, &head.fence.entry.to_string()]).await;
        expected.push(note(head));
    }
    expected.sort();
    let streams: Vec<_> = me.reading.fetcher.streams().cloned().collect();
    let session = &mut me.reading.session;
    let (next, page) = mend(session, &scene.keys, &ordered(ME), &streams, "").await.unwrap();
    assert!(!next.is_empty() && page.len() < expected.len(), "{} in one page", page.len());
    assert_eq!([page, me.mend(&scene).await].concat(), expected);
    assert_eq!(me.take(256).await.len(), 180);
}

#[tokio::test]
async fn a_turn_in_a_stream_that_is_not_read_any_more_is_left_to_a_person() {
    let (mut scene, mut me) = set().await;
    scene.about("t:elsewhere", "d", "x").await;
    scene.queue("d", &["1"]).await;
    scene.db.cmd(&["HSET", ORDER, "sd", "t:elsewhere|5-0", "et:elsewhere|5-0", "d"]).await;
    assert_eq!(me.notes().await, [""; 0]);
    assert_eq!(me.mend(&scene).await, [""; 0]);
    assert_eq!(scene.waiting("d").await, 1);
    assert!(scene.contents().await.0.contains_key(LINE));
}

#[tokio::test]
async fn two_menders_pass_a_turn_once() {
    let (mut scene, mut me, head) = standing().await;
    let mut other = Replica::of(&scene, OTHER).await;
    scene.db.cmd(&["XACK", SOURCE, GROUP, &head.fence.entry.to_string()]).await;
    let (mine, others) = tokio::join!(me.mend(&scene), other.mend(&scene));
    assert_eq!([mine, others].concat(), ["d"]);
    assert_eq!(scene.waiting("d").await, 1);
}
