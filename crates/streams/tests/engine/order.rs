//! Order: of each deployment one entry at a time, and the oldest that waits when it is over.

use std::time::Duration;

use printery_streams::order::Turn;
use printery_streams::reclaim::{ReclaimPolicy, Reclaimer};
use printery_streams::settle::{Commit, Settled, Settler};
use printery_streams::{Delivery, History};

use crate::line_scene::{Replica, STREAMS, note, set};
use crate::scene::{
    BODIES, DEAD, GROUP, INBOX, LEDGER, LINE, LOG, ME, ORDER, OTHER, RESULTS, Reading, SOURCE,
    Scene, WINDOW_MS, awkward_fields, bury, commit, defer, id, member, ordered, publication,
    release,
};

fn at(delivery: &Delivery) -> Turn {
    Turn::At { stream: delivery.fence.stream.to_string(), entry: delivery.fence.entry }
}

#[tokio::test]
async fn of_two_entries_of_a_deployment_one_is_handed_out_and_the_other_uses_no_slot() {
    let (mut scene, mut me) = set().await;
    scene.queue("d", &["1", "2", "3"]).await;
    scene.queue("e", &["4", "5"]).await;
    scene.queue("f", &["6"]).await;
    // Three slots, and three deployments: those behind it are not held up.
    let taken = me.take(3).await;
    assert_eq!(taken.iter().map(note).collect::<Vec<_>>(), ["1", "4", "6"]);
    assert_eq!((scene.waiting("d").await, scene.waiting("e").await), (2, 1));
    assert_eq!(scene.turn("d").await, Some(at(&taken[0])));
    assert_eq!(scene.turn("nobody's").await, None);
    let now = scene.contents().await;
    assert_eq!(now.pending(SOURCE).len(), 3, "who waits is not pending");
    assert_eq!(now.hash(LEDGER), [(format!("{SOURCE}|in_line"), "3".to_owned())].into());
    assert_eq!(me.notes().await, [""; 0]);
}

#[tokio::test]
async fn another_replica_is_handed_nothing_of_a_deployment_that_one_works_on() {
    let (scene, mut me) = set().await;
    let mut other = Replica::of(&scene, OTHER).await;
    scene.queue("d", &["1"]).await;
    let first = me.take(8).await;
    scene.queue("d", &["2", "3"]).await;
    assert_eq!(other.notes().await, [""; 0]);
    assert_eq!(me.commit(&scene, &first[0]).await, Settled::Done);
    // Whoever comes first is handed the next.
    let second = other.take(8).await;
    assert_eq!(second.iter().map(note).collect::<Vec<_>>(), ["2"]);
    assert_eq!(me.notes().await, [""; 0]);
    assert_eq!(other.commit(&scene, &second[0]).await, Settled::Done);
    assert_eq!(me.notes().await, ["3"]);
}

#[tokio::test]
async fn who_waited_comes_with_its_origin_and_its_bytes() {
    let (scene, mut me) = set().await;
    scene.queue("d", &["1"]).await;
    let body = [&[(b"subject".to_vec(), b"d".to_vec())][..], &awkward_fields()].concat();
    let entry = id(&scene.add_fields(SOURCE, &body).await);
    let first = me.take(8).await;
    me.commit(&scene, &first[0]).await;
    let second = me.take(8).await.remove(0);
    assert_eq!(second.fields, Some(body));
    assert_eq!(second.history, History::fresh(SOURCE, entry), "and no attempt is used");
    assert_eq!((&*second.fence.stream, second.fence.count), (INBOX, 1));
}

#[tokio::test]
async fn a_burial_passes_the_turn() {
    let (mut scene, mut me) = set().await;
    scene.queue("d", &["1", "2"]).await;
    let first = me.take(8).await;
    assert_eq!(me.bury(&scene, &first[0]).await, Settled::Done);
    assert_eq!(scene.waiting("d").await, 0);
    assert_eq!(me.notes().await, ["2"]);
}

#[tokio::test]
async fn a_duplicate_passes_the_turn() {
    let (scene, mut me) = set().await;
    scene.queue("d", &["1", "2", "3"]).await;
    let settler = Settler::new(scene.keys.clone(), ordered(ME), WINDOW_MS, 15_000);
    for expected in [Settled::Done, Settled::Duplicate] {
        let taken = me.take(8).await;
        let done = commit(&taken[0].fence, "the same event", vec![]);
        let verdicts = settler.commit(&mut me.reading.session, &[&done]).await.unwrap();
        assert_eq!(verdicts, [expected]);
    }
    assert_eq!(me.notes().await, ["3"]);
}

#[tokio::test]
async fn what_was_settled_by_another_hand_passes_the_turn_once_its_owner_finds_out() {
    for delete in [false, true] {
        let (scene, mut me) = set().await;
        scene.queue("d", &["1", "2"]).await;
        let first = me.take(8).await.remove(0);
        let entry = first.fence.entry.to_string();
        scene.db.cmd(&["XACK", SOURCE, GROUP, &entry]).await;
        if delete {
            scene.delete_body(&first.fence).await;
        }
        let expected = if delete { Settled::Lost } else { Settled::Gone };
        assert_eq!(me.commit(&scene, &first).await, expected);
        assert_eq!(me.notes().await, ["2"]);
        // Said again, it passes nobody's turn on.
        assert_eq!(me.commit(&scene, &first).await, expected);
        assert_eq!(me.notes().await, [""; 0]);
    }
}

#[tokio::test]
async fn who_lost_an_entry_does_not_pass_its_turn() {
    let (mut scene, mut me) = set().await;
    let mut other = Replica::of(&scene, OTHER).await;
    scene.queue("d", &["1", "2"]).await;
    let first = me.take(8).await.remove(0);
    scene.silence(&first.fence, ME, 1).await;
    let taken = other.reclaim(&scene, SOURCE).await.deliveries.remove(0);
    assert_eq!(me.commit(&scene, &first).await, Settled::Fenced);
    assert_eq!(me.bury(&scene, &first).await, Settled::Fenced);
    assert_eq!(me.notes().await, [""; 0]);
    assert_eq!(scene.turn("d").await, Some(at(&taken)), "it is where it was");
    assert_eq!(other.commit(&scene, &taken).await, Settled::Done);
    assert_eq!(me.notes().await, ["2"]);
}

#[tokio::test]
async fn a_lost_body_passes_the_turn() {
    let (scene, mut me) = set().await;
    let mut other = Replica::of(&scene, OTHER).await;
    scene.queue("d", &["1", "2"]).await;
    let first = me.take(8).await.remove(0);
    scene.silence(&first.fence, ME, 1).await;
    scene.delete_body(&first.fence).await;
    let swept = other.reclaim(&scene, SOURCE).await;
    assert_eq!(swept.lost, [(SOURCE.into(), first.fence.entry)]);
    assert_eq!(scene.db.len(DEAD).await, 1);
    assert_eq!(other.notes().await, ["2"]);
}

#[tokio::test]
async fn younger_entries_wait_through_the_whole_retry_of_an_older_one() {
    let (mut scene, mut me) = set().await;
    scene.queue("d", &["1", "2"]).await;
    let mut first = me.take(8).await.remove(0);
    for round in 1..=3 {
        assert_eq!(me.defer(&scene, &first, Duration::ZERO).await, Settled::Done);
        scene.queue("d", &["later"]).await;
        assert_eq!(me.notes().await, [""; 0], "while it is delayed");
        assert!(matches!(scene.turn("d").await, Some(Turn::Delayed(_))));
        assert_eq!(scene.promote().await.moved, 1);
        scene.queue("d", &["later still"]).await;
        assert!(matches!(scene.turn("d").await, Some(Turn::At { stream, .. }) if stream == INBOX));
        let again = me.take(8).await;
        assert_eq!(again.iter().map(note).collect::<Vec<_>>(), ["1"], "while it is in the inbox");
        first = again[0].clone();
        assert_eq!(first.history.failures, round);
        assert_eq!(me.notes().await, [""; 0], "while it is tried again");
    }
    assert_eq!(me.commit(&scene, &first).await, Settled::Done);
    assert_eq!(me.notes().await, ["2"]);
}

#[tokio::test]
async fn a_hand_back_keeps_the_turn() {
    let (mut scene, mut me) = set().await;
    scene.queue("d", &["1", "2"]).await;
    let first = me.take(8).await.remove(0);
    assert_eq!(me.release(&scene, &first).await, Settled::Done);
    assert!(matches!(scene.turn("d").await, Some(Turn::At { stream, .. }) if stream == INBOX));
    let again = me.take(8).await.remove(0);
    assert_eq!(note(&again), "1");
    // Handed back in place, because the inbox takes nothing: the turn stays where it is.
    scene.exhaust(INBOX).await;
    assert_eq!(me.release(&scene, &again).await, Settled::Done);
    assert_eq!(scene.turn("d").await, Some(at(&again)));
    let mut other = Replica::of(&scene, OTHER).await;
    let taken = other.reclaim(&scene, INBOX).await.deliveries.remove(0);
    assert_eq!(note(&taken), "1");
    assert_eq!(other.commit(&scene, &taken).await, Settled::Done);
    assert_eq!(scene.waiting("d").await, 0);
}

#[tokio::test]
async fn a_redriven_entry_goes_before_younger_ones_that_wait_but_after_the_running_one() {
    let (mut scene, mut me) = set().await;
    scene.queue("d", &["old", "running", "young"]).await;
    let old = me.take(8).await.remove(0);
    me.bury(&scene, &old).await;
    let running = me.take(8).await.remove(0);
    assert_eq!(note(&running), "running");
    let again = History { replays: 1, ..old.history.clone() };
    scene.add_fields(INBOX, &again.seal(old.fields.as_ref().unwrap())).await;
    assert_eq!(me.notes().await, [""; 0]);
    assert_eq!(scene.waiting("d").await, 2);
    me.commit(&scene, &running).await;
    let redriven = me.take(8).await.remove(0);
    assert_eq!((note(&redriven), redriven.history.replays), ("old".to_owned(), 1));
    me.commit(&scene, &redriven).await;
    assert_eq!(me.notes().await, ["young"]);
}

#[tokio::test]
async fn a_batch_passes_each_turn_once() {
    let (mut scene, mut me) = set().await;
    for deployment in ["d", "e", "f"] {
        scene.queue(deployment, &["1", "2", "3"]).await;
    }
    let taken = me.take(8).await;
    assert_eq!(taken.len(), 3);
    let mut commits: Vec<Commit> =
        taken.iter().map(|it| commit(&it.fence, "", vec![publication(RESULTS, "x")])).collect();
    // The same delivery twice in one call is settled once.
    commits.insert(1, commits[0].clone());
    let commits: Vec<&Commit> = commits.iter().collect();
    let settler = me.settler(&scene);
    let verdicts = settler.commit(&mut me.reading.session, &commits).await.unwrap();
    assert_eq!(verdicts, [Settled::Done, Settled::Gone, Settled::Done, Settled::Done]);
    for deployment in ["d", "e", "f"] {
        assert_eq!(scene.waiting(deployment).await, 1, "{deployment}");
    }
    // And said again in a call of its own it passes nothing on.
    let verdicts = settler.commit(&mut me.reading.session, &commits).await.unwrap();
    assert_eq!(verdicts, [Settled::Gone, Settled::Gone, Settled::Gone, Settled::Gone]);
    assert_eq!(scene.db.len(INBOX).await, 3);
}

#[tokio::test]
async fn nothing_is_left_behind_when_everything_is_settled() {
    let (mut scene, mut me) = set().await;
    for deployment in ["d", "e"] {
        scene.queue(deployment, &["1", "2", "3"]).await;
    }
    let mut settled = 0;
    for round in 0..20 {
        for delivery in me.take(8).await {
            if round % 2 == 0 {
                me.defer(&scene, &delivery, Duration::ZERO).await;
            } else {
                me.commit(&scene, &delivery).await;
                settled += 1;
            }
        }
        scene.promote().await;
    }
    assert_eq!(settled, 6);
    let left = scene.contents().await;
    for key in [ORDER, LINE, BODIES] {
        assert!(!left.0.contains_key(key), "{key}: {left:#?}");
    }
}

#[tokio::test]
async fn a_refused_settlement_keeps_the_turn() {
    let (scene, mut me) = set().await;
    scene.queue("d", &["1", "2"]).await;
    let first = me.take(8).await.remove(0);
    scene.exhaust(LOG).await;
    let verdict = me.commit(&scene, &first).await;
    assert!(matches!(verdict, Settled::Refused(_)), "{verdict:?}");
    assert_eq!(me.notes().await, [""; 0]);
    scene.db.cmd(&["DEL", LOG]).await;
    assert_eq!(me.commit(&scene, &first).await, Settled::Done);
    assert_eq!(me.notes().await, ["2"]);
}

#[tokio::test]
async fn for_a_worker_without_order_nothing_is_written_about_it() {
    let mut scene = Scene::set().await;
    let mut reading = Reading::of(&scene, member(ME), &STREAMS).await;
    scene.queue("d", &["commit", "bury", "defer", "release", "lose"]).await;
    let taken = reading.take(100).await.unwrap();
    assert_eq!(taken.len(), 5, "each has a slot of its own");
    let settler = scene.settler(ME);
    let [done, dead, later, back, lost] = &taken[..] else { panic!("{taken:?}") };
    let body = dead.fields.as_ref().unwrap();
    let session = &mut scene.session;
    settler.commit(session, &[&commit(&done.fence, "", vec![])]).await.unwrap();
    settler.bury(session, &[&bury(&dead.fence, "", body)]).await.unwrap();
    let defers = [defer(&later.fence, Duration::ZERO, body)];
    settler.defer(session, &[&defers[0]]).await.unwrap();
    settler.release(session, &[&release(&back.fence, body)]).await.unwrap();
    assert_eq!(scene.promote().await.moved, 1);
    scene.silence(&lost.fence, OTHER, 1).await;
    scene.delete_body(&lost.fence).await;
    let policy = ReclaimPolicy { lease: Duration::ZERO, suspect_at: 9, poison_at: 9 };
    let mut reclaimer = Reclaimer::new(scene.keys.clone(), member(ME), policy);
    let stream = SOURCE.into();
    let swept = reclaimer.reclaim_due(&mut scene.session, &stream, 8, 0).await.unwrap();
    assert_eq!(swept.lost.len(), 1);
    let left = scene.contents().await;
    assert!(!left.0.contains_key(ORDER) && !left.0.contains_key(LINE), "{left:#?}");
    assert_eq!(reading.take(100).await.unwrap().len(), 2);
}
