//! Dead letters: buried by the engine, listed, read and redriven byte for byte.

use std::sync::Arc;
use std::time::Duration;

use printery_fleet::dead_letters::{DeadLetter, Redriven, get, list};
use printery_streams::fetch::Fetcher;
use printery_streams::reclaim::{ReclaimPolicy, Reclaimer};
use printery_streams::settle::Settled;
use printery_streams::{EntryId, History};

use crate::scene::{DEAD, INBOX, SOURCE, Scene, WORKER, awkward_fields, many_fields, member, pair};

#[tokio::test]
async fn a_dead_letter_is_read_back_as_it_was_written() {
    let mut scene = Scene::set().await;
    let (fence, settled) = scene.bury(&awkward_fields(), "max_attempts").await;
    assert_eq!(settled, Settled::Done);
    let letters = scene.letters().await;
    let letter = &letters[0];
    let expected = DeadLetter {
        id: letter.id,
        entry: letter.entry.clone(),
        event_id: "e-1".into(),
        event_type: "deployment:started".into(),
        deployment_id: "d-1".into(),
        original_stream: SOURCE.into(),
        original_entry: fence.entry.to_string(),
        worker: WORKER.into(),
        failure_reason: "max_attempts".into(),
        failure_detail: "no answerin time".into(),
        attempt_count: 3,
        first_failure_at: 5,
        last_failure_at: 9,
        fingerprint: letter.fingerprint.clone(),
        replay_count: 1,
        instance: "me".into(),
        original: Some(awkward_fields()),
    };
    assert_eq!(letters, [expected]);
    let entry = letter.entry.parse().unwrap();
    let one = get(&mut scene.session, &scene.keys, WORKER, entry).await.unwrap();
    assert_eq!(one.as_ref(), Some(letter));
    let none = get(&mut scene.session, &scene.keys, WORKER, EntryId::at(1)).await.unwrap();
    assert_eq!(none, None);
}

#[tokio::test]
async fn letters_are_listed_youngest_first_and_page_by_page() {
    let mut scene = Scene::set().await;
    for reason in ["first", "second", "third"] {
        scene.bury(&vec![pair(b"data", b"x")], reason).await;
    }
    let mut reasons = Vec::new();
    let mut before = None;
    loop {
        let page = list(&mut scene.session, &scene.keys, WORKER, before, 1).await.unwrap();
        let Some(letter) = page.first() else { break };
        before = Some(letter.entry.parse().unwrap());
        reasons.push(letter.failure_reason.clone());
    }
    assert_eq!(reasons, ["third", "second", "first"]);
}

#[tokio::test]
async fn a_redriven_letter_is_delivered_byte_for_byte_with_its_attempts_at_zero() {
    let mut scene = Scene::set().await;
    let (fence, _) = scene.bury(&awkward_fields(), "max_attempts").await;
    let letter = scene.letters().await.remove(0);
    let Redriven::Inbox(entry) = scene.redrive(&letter).await else { panic!("it was there") };
    assert_eq!((scene.db.len(DEAD).await, scene.db.len(INBOX).await), (0, 1));
    let delivery = scene.fetcher.take(&mut scene.session, 8).await.unwrap().remove(0);
    assert_eq!((&*delivery.fence.stream, delivery.fence.entry), (INBOX, entry));
    assert_eq!(delivery.fields, Some(awkward_fields()));
    let history =
        History { event_id: "e-1".into(), replays: 2, ..History::fresh(SOURCE, fence.entry) };
    assert_eq!(delivery.history, history);
    assert!(delivery.history.is_replay());
    assert_eq!(scene.redrive(&letter).await, Redriven::Gone, "once is enough");
    assert_eq!(scene.db.len(INBOX).await, 1);
}

#[tokio::test]
async fn as_many_fields_as_a_script_can_pass_on_are_redriven_and_more_are_kept() {
    // Nine pairs of envelope come before them.
    for (count, fits) in
        [(3_500, true), (3_501, true), (3_941, true), (3_942, false), (20_000, false)]
    {
        let mut scene = Scene::set().await;
        let original = many_fields(count);
        let (_, settled) = scene.bury(&original, "invalid_event: too many fields").await;
        assert_eq!(settled, Settled::Done);
        let letter = scene.letters().await.remove(0);
        assert!(letter.original.as_ref() == Some(&original), "{count} fields come back");
        let redriven = scene.redrive(&letter).await;
        if fits {
            assert!(matches!(redriven, Redriven::Inbox(_)), "{count}: {redriven:?}");
            let delivery = scene.fetcher.take(&mut scene.session, 8).await.unwrap().remove(0);
            assert!(delivery.fields == Some(original), "{count} fields are delivered");
        } else {
            assert_eq!(redriven, Redriven::TooWide(count));
            assert_eq!((scene.db.len(DEAD).await, scene.db.len(INBOX).await), (1, 0), "{count}");
        }
    }
}

#[tokio::test]
async fn a_letter_without_a_body_says_so_and_stays() {
    let mut scene = Scene::set().await;
    let id = scene.db.add(SOURCE, &[("data", "x")]).await;
    let mut other =
        Fetcher::new(scene.redis.clone(), &scene.keys, member("gone"), &[SOURCE.into()]);
    other.take(&mut scene.session, 8).await.unwrap();
    scene.db.cmd(&["XDEL", SOURCE, &id]).await;
    let policy = ReclaimPolicy { lease: Duration::ZERO, suspect_at: 2, poison_at: 3 };
    let mut reclaimer = Reclaimer::new(scene.keys.clone(), member("me"), policy);
    let stream = Arc::from(SOURCE);
    let swept = reclaimer.reclaim_due(&mut scene.session, &stream, 8, 0).await.unwrap();
    assert_eq!(swept.lost.len(), 1);

    let letter = scene.letters().await.remove(0);
    let facts = (letter.failure_reason.as_str(), letter.original_entry.as_str(), &letter.original);
    assert_eq!(facts, ("lost_body", id.as_str(), &None));
    assert_eq!((letter.instance.as_str(), letter.attempt_count), ("gone", 1));
    assert_eq!(scene.redrive(&letter).await, Redriven::Bodiless);
    assert_eq!(scene.letters().await, [letter]);
}

#[tokio::test]
async fn an_entry_that_somebody_added_by_hand_is_listed_too() {
    let mut scene = Scene::set().await;
    scene.db.add(DEAD, &[("note", "who did this?")]).await;
    let letter = scene.letters().await.remove(0);
    assert_eq!((letter.worker.as_str(), &letter.original), ("", &None));
    assert_eq!(scene.redrive(&letter).await, Redriven::Bodiless);
}
