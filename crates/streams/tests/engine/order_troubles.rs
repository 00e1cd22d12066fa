//! Order among broken keys, full servers, lost replies and replaced groups.

use std::time::Duration;

use printery_streams::ErrorKind;
use printery_streams::delay::promote;
use printery_streams::order::{self, Turn};
use printery_streams::reclaim::adopt;
use printery_streams::settle::Settled;
use printery_testkit::FaultProxy;

use crate::line_scene::{Replica, STREAMS, note, set};
use crate::scene::{
    BODIES, DEAD, DELAY, EXHAUSTED, GROUP, INBOX, LINE, ME, ORDER, OTHER, OTHERS, Reading, SOON,
    SOURCE, Scene, WORKER, ordered,
};

#[tokio::test]
async fn a_key_of_the_wrong_type_is_refused_before_anything_is_written() {
    for broken in [ORDER, LINE, BODIES, DELAY] {
        let (mut scene, mut me) = set().await;
        scene.queue("d", &["1"]).await;
        scene.queue("e", &["2"]).await;
        let taken = me.take(8).await;
        scene.queue("d", &["3"]).await;
        scene.queue("f", &["4"]).await;
        scene.db.cmd(&["DEL", broken]).await;
        scene.db.cmd(&["SET", broken, "not what it should be"]).await;
        let before = scene.contents().await;
        let refused =
            |verdict: Settled| assert!(matches!(verdict, Settled::Refused(_)), "{broken}");

        let error = me.try_take(8).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused, "{broken}: {error}");
        refused(me.commit(&scene, &taken[0]).await);
        refused(me.bury(&scene, &taken[0]).await);
        refused(me.defer(&scene, &taken[0], Duration::ZERO).await);
        // With nothing due there is nothing that promoting could write.
        let promoted = promote(&mut scene.session, &scene.keys, WORKER).await;
        assert!(promoted.map_or(true, |promoted| promoted.moved == 0), "{broken}");
        let streams: Vec<_> = me.reading.fetcher.streams().cloned().collect();
        let session = &mut scene.session;
        let mended = order::mend(session, &scene.keys, &ordered(ME), &streams, "").await;
        assert_eq!(mended.unwrap_err().kind, ErrorKind::Refused, "{broken}");
        if broken == ORDER {
            // Handing back touches no other of them.
            refused(me.release(&scene, &taken[0]).await);
        }
        assert_eq!(scene.contents().await, before, "{broken}");

        // A body that is lost meanwhile is found when the keys are in order again.
        scene.silence(&taken[1].fence, OTHER, 1).await;
        scene.delete_body(&taken[1].fence).await;
        let before = scene.contents().await;
        assert_eq!(me.reclaim(&scene, SOURCE).await.lost, []);
        assert_eq!(scene.contents().await, before, "{broken}");
        scene.db.cmd(&["DEL", broken]).await;
        assert_eq!(me.reclaim(&scene, SOURCE).await.lost.len(), 1, "{broken}");
        assert_eq!(me.commit(&scene, &taken[0]).await, Settled::Done, "{broken}");
    }
}

#[tokio::test]
async fn a_full_redis_keeps_order() {
    let (mut scene, mut me) = set().await;
    scene.queue("d", &["1", "2", "3", "4"]).await;
    scene.fill_memory().await;
    let first = me.take(8).await.remove(0);
    assert_eq!(scene.waiting("d").await, 3, "whoever must wait is put in line");
    assert_eq!(me.commit(&scene, &first).await, Settled::Done);
    let second = me.take(8).await.remove(0);
    assert_eq!(me.defer(&scene, &second, Duration::ZERO).await, Settled::Done);
    assert_eq!(scene.promote().await.moved, 1);
    let second = me.take(8).await.remove(0);
    assert_eq!(note(&second), "2");
    assert_eq!(me.release(&scene, &second).await, Settled::Done);
    let second = me.take(8).await.remove(0);
    assert_eq!(me.bury(&scene, &second).await, Settled::Done);
    let third = me.take(8).await.remove(0);
    let entry = third.fence.entry.to_string();
    scene.db.cmd(&["XACK", &*third.fence.stream, GROUP, &entry]).await;
    assert_eq!(me.mend(&scene).await, ["d"]);
    assert_eq!(me.notes().await, ["4"]);
}

#[tokio::test]
async fn an_inbox_that_cannot_take_the_next_one_gets_it_later() {
    for exhausted in [false, true] {
        let (mut scene, mut me) = set().await;
        scene.queue("d", &["1", "2", "3"]).await;
        let first = me.take(8).await.remove(0);
        if exhausted {
            scene.exhaust(INBOX).await;
        } else {
            scene.db.cmd(&["DEL", INBOX]).await;
            scene.db.cmd(&["SET", INBOX, "not a stream"]).await;
        }
        assert_eq!(me.commit(&scene, &first).await, Settled::Done);
        assert!(matches!(scene.turn("d").await, Some(Turn::Delayed(_))), "its turn it is");
        assert_eq!(scene.waiting("d").await, 1);
        let error = promote(&mut scene.session, &scene.keys, WORKER).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused, "{error}");
        assert_eq!(me.mend(&scene).await, [""; 0], "it is not given up");
        // A person mends the inbox.
        scene.db.cmd(&["DEL", INBOX]).await;
        me.reading.make_groups().await;
        assert_eq!(scene.promote().await.moved, 1);
        let second = me.take(8).await.remove(0);
        assert_eq!(note(&second), "2");
        me.commit(&scene, &second).await;
        assert_eq!(me.notes().await, ["3"]);
    }
}

#[tokio::test]
async fn without_its_inbox_a_worker_reads_its_events_on() {
    let (mut scene, mut me) = set().await;
    scene.db.cmd(&["DEL", INBOX]).await;
    scene.db.cmd(&["SET", INBOX, "not a stream"]).await;
    assert_eq!(me.try_take(8).await.unwrap_err().kind, ErrorKind::Refused);
    me.reading.make_groups().await;
    scene.queue("d", &["1", "2"]).await;
    scene.about(OTHERS, "e", "3").await;
    let first = me.take(8).await;
    assert_eq!(first.iter().map(note).collect::<Vec<_>>(), ["1", "3"]);
    me.commit(&scene, &first[0]).await;
    assert!(!me.reading.wait(Duration::from_millis(30)).await.unwrap(), "nothing is overlooked");
    scene.about(SOURCE, "f", "4").await;
    assert!(me.reading.wait(SOON).await.unwrap());
    assert_eq!(me.notes().await, ["4"]);
    scene.db.cmd(&["DEL", INBOX]).await;
    me.reading.make_groups().await;
    assert_eq!(scene.promote().await.moved, 1);
    assert_eq!(me.notes().await, ["2"]);
}

#[tokio::test]
async fn a_body_in_line_that_cannot_be_read_is_dead_lettered_and_blocks_nobody() {
    let (mut scene, mut me) = set().await;
    scene.queue("d", &["1", "2", "3"]).await;
    let first = me.take(8).await.remove(0);
    let (session, keys) = (&mut scene.session, &scene.keys);
    let waits = order::waiting_of(session, keys, WORKER, "d", 1).await.unwrap().remove(0);
    scene.db.cmd(&["HSET", BODIES, &waits.token, "\u{1}no list"]).await;
    me.commit(&scene, &first).await;
    assert_eq!(scene.promote().await.bodiless, [waits.token]);
    assert_eq!(scene.db.len(DEAD).await, 1);
    assert_eq!(me.notes().await, ["3"]);
}

#[tokio::test]
async fn a_stream_at_the_end_of_its_ids_does_not_stop_the_others() {
    let (scene, mut me) = set().await;
    scene.db.cmd(&["XADD", SOURCE, EXHAUSTED, "subject", "d", "note", "1"]).await;
    let first = me.take(8).await;
    assert_eq!(first.iter().map(note).collect::<Vec<_>>(), ["1"]);
    scene.about(OTHERS, "d", "2").await;
    scene.about(OTHERS, "e", "3").await;
    assert!(me.reading.wait(SOON).await.unwrap());
    assert_eq!(me.notes().await, ["3"]);
    me.commit(&scene, &first[0]).await;
    assert_eq!(me.notes().await, ["2"]);
}

#[tokio::test]
async fn a_take_whose_reply_is_lost_is_adopted_with_its_turn() {
    let scene = Scene::set().await;
    let proxy = FaultProxy::start(&scene.server).await;
    let mut through = Reading::at(&scene.redis_at(&proxy.url(), SOON), ordered(ME), &STREAMS);
    through.make_groups().await;
    assert_eq!(through.take(8).await.unwrap(), []);
    scene.queue("d", &["1", "2"]).await;
    scene.queue("e", &["3"]).await;
    proxy.swallow_reply_to(&["EVALSHA"]);
    assert_eq!(through.take(8).await.unwrap_err().kind, ErrorKind::Unknown);
    assert_eq!(through.take(8).await.unwrap(), [], "they are handed out");

    let mut me = Replica::of(&scene, ME).await;
    let stream = SOURCE.into();
    let session = &mut me.reading.session;
    let found = adopt(session, &scene.keys, &ordered(ME), &stream, &[], 8).await.unwrap();
    assert_eq!(found.iter().map(note).collect::<Vec<_>>(), ["1", "3"]);
    for delivery in &found {
        assert_eq!(me.commit(&scene, delivery).await, Settled::Done);
    }
    assert_eq!(me.notes().await, ["2"]);
}

#[tokio::test]
async fn a_group_that_is_made_anew_delivers_everything_again_and_still_drains() {
    let (mut scene, mut me) = set().await;
    for n in 0..30 {
        scene.about(STREAMS[n % 2], &format!("d-{}", n % 3), &n.to_string()).await;
    }
    let mut taken = me.take(8).await;
    for delivery in taken.drain(..2) {
        me.commit(&scene, &delivery).await;
    }
    taken.extend(me.take(8).await);
    me.defer(&scene, &taken.remove(0), Duration::ZERO).await;
    for stream in [SOURCE, INBOX] {
        scene.db.cmd(&["XGROUP", "DESTROY", stream, GROUP]).await;
    }
    me.reading.make_groups().await;
    let mut done = Vec::new();
    for _ in 0..200 {
        scene.promote().await;
        // Whatever is ours is settled, also what was handed out before the group went.
        taken.extend(me.take(3).await);
        for delivery in taken.drain(..) {
            if me.commit(&scene, &delivery).await == Settled::Done {
                done.push(note(&delivery));
            }
        }
        me.mend(&scene).await;
    }
    done.sort_by_key(|note| note.parse::<u32>().unwrap());
    done.dedup();
    assert!(done.len() >= 28, "what was not settled before is now: {done:?}");
    let left = scene.contents().await;
    for key in [ORDER, LINE, BODIES, DELAY] {
        assert!(!left.0.contains_key(key), "{key} is left: {left:#?}");
    }
    assert!(STREAMS.iter().chain(&[INBOX]).all(|stream| left.pending(stream).is_empty()));
}
