//! What only a person can mend: keys of the wrong type, full id spaces, entries that are too wide.
//!
//! Redis does not roll a script back, so each of these must be noticed before the first write, or
//! be undone. Every test compares everything before and after.

use std::time::Duration;

use printery_streams::settle::{Commit, Settled};

use crate::contents::row;
use crate::scene::{
    BODIES, DEAD, DELAY, LEDGER, LOG, ME, OTHERS, RESULTS, SOURCE, Scene, WINDOW_MS, bury, commit,
    defer, fields, many_fields, publication, release,
};

/// The hash that is written while [`WINDOW_MS`] is in its second generation.
const SEEN_NOW: &str = "t:printery:seen:validator:1";

fn refused(verdicts: &[Settled]) -> bool {
    verdicts.iter().all(|verdict| matches!(verdict, Settled::Refused(_)))
}

#[tokio::test]
async fn a_commit_with_a_key_of_the_wrong_type_writes_nothing() {
    for broken in [LOG, LEDGER, SEEN_NOW, "t:printery:seen:validator:0", SOURCE] {
        let mut scene = Scene::set().await;
        let fences = scene.deliver(ME, 2).await;
        scene.db.cmd(&["SET", broken, "not what it should be"]).await;
        let before = scene.contents().await;
        let commits =
            [0, 1].map(|place| commit(&fences[place], "e", vec![publication(RESULTS, "x")]));
        let settler = scene.settler_within(ME, WINDOW_MS);
        let verdicts =
            settler.commit(&mut scene.session, &[&commits[0], &commits[1]]).await.unwrap();
        assert!(refused(&verdicts), "{broken}: {verdicts:?}");
        assert_eq!(scene.contents().await, before, "{broken}");

        scene.db.cmd(&["DEL", broken]).await;
        let verdicts = settler.commit(&mut scene.session, &[&commits[0]]).await.unwrap();
        let mended = if broken == SOURCE { Settled::Lost } else { Settled::Done };
        assert_eq!(verdicts, [mended], "{broken}");
    }
}

#[tokio::test]
async fn of_a_refused_delivery_no_result_is_left() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 2).await;
    scene.exhaust(OTHERS).await;
    let before = scene.contents().await;
    let results = vec![publication(RESULTS, "half"), publication(OTHERS, "other half")];
    let commits = [
        commit(&fences[0], "e-1", results),
        commit(&fences[1], "e-2", vec![publication(RESULTS, "whole")]),
    ];
    let settler = scene.settler_within(ME, WINDOW_MS);
    let verdicts = settler.commit(&mut scene.session, &[&commits[0], &commits[1]]).await.unwrap();
    assert!(refused(&verdicts[..1]), "{verdicts:?}");
    assert_eq!(verdicts[1], Settled::Done, "its neighbour is not held back");
    let after = scene.contents().await;
    assert_eq!(after.entries(RESULTS), [fields(&[("data", "whole")])]);
    assert_eq!(after.entries(OTHERS), before.entries(OTHERS));
    assert_eq!(after.pending(SOURCE), [row(&fences[0].entry, ME, 1)]);
    assert_eq!(after.hash(SEEN_NOW).into_keys().collect::<Vec<_>>(), ["deployment:started|e-2"]);
}

#[tokio::test]
async fn a_refused_replay_forgets_nothing() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 2).await;
    let settler = scene.settler_within(ME, WINDOW_MS);
    let first = commit(&fences[0], "e-1", vec![publication(RESULTS, "first")]);
    assert_eq!(settler.commit(&mut scene.session, &[&first]).await.unwrap(), [Settled::Done]);
    let remembered = scene.contents().await.hash(SEEN_NOW);
    scene.exhaust(OTHERS).await;
    let mut again = commit(&fences[1], "e-1", vec![publication(OTHERS, "again")]);
    again.replay = true;
    let verdicts = settler.commit(&mut scene.session, &[&again]).await.unwrap();
    assert!(refused(&verdicts), "{verdicts:?}");
    assert_eq!(scene.contents().await.hash(SEEN_NOW), remembered);
}

#[tokio::test]
async fn a_result_that_is_too_wide_is_refused_and_its_neighbours_are_not() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 4).await;
    let mut commits: Vec<Commit> = fences
        .iter()
        .enumerate()
        .map(|(place, fence)| commit(fence, &format!("e-{place}"), vec![publication(RESULTS, "x")]))
        .collect();
    commits[1].results[0].fields = many_fields(5000);
    commits[2].results[0].fields = Vec::new();
    let commits: Vec<&Commit> = commits.iter().collect();
    let verdicts = scene.settler(ME).commit(&mut scene.session, &commits).await.unwrap();
    assert!(refused(&verdicts[1..3]), "{verdicts:?}");
    assert_eq!((&verdicts[0], &verdicts[3]), (&Settled::Done, &Settled::Done));
    let after = scene.contents().await;
    assert_eq!(after.entries(RESULTS).len(), 2);
    let still = [row(&fences[1].entry, ME, 1), row(&fences[2].entry, ME, 1)];
    assert_eq!(after.pending(SOURCE), still);
}

#[tokio::test]
async fn a_log_that_takes_no_entries_leaves_nothing_half_written() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 2).await;
    scene.exhaust(LOG).await;
    // Streams that exist stay, so that what is undone leaves no trace.
    scene.db.add(RESULTS, &[("data", "before")]).await;
    scene.db.add(DEAD, &[("data", "before")]).await;
    let before = scene.contents().await;
    let settler = scene.settler_within(ME, WINDOW_MS);
    let done = commit(&fences[0], "e-1", vec![publication(RESULTS, "x")]);
    let verdicts = settler.commit(&mut scene.session, &[&done]).await.unwrap();
    assert!(refused(&verdicts), "{verdicts:?}");
    // But for the account of it: the stream counts what was added, although it is gone again.
    let undone = format!("{RESULTS}|undone");
    assert_eq!(scene.db.text(&["HGET", LEDGER, &undone]).await.as_deref(), Some("1"));
    scene.db.cmd(&["DEL", LEDGER]).await;
    assert_eq!(scene.contents().await, before);
    let dead = bury(&fences[1], "e-2", &fields(&[("data", "body")]));
    let verdicts = settler.bury(&mut scene.session, &[&dead]).await.unwrap();
    assert!(refused(&verdicts), "{verdicts:?}");
    assert_eq!(scene.contents().await, before);
}

#[tokio::test]
async fn a_count_that_is_no_number_costs_no_delivery() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 4).await;
    for outcome in ["done", "dead", "deferred", "released"] {
        scene.db.cmd(&["HSET", LEDGER, &format!("{SOURCE}|{outcome}"), "many"]).await;
    }
    let settler = scene.settler(ME);
    let session = &mut scene.session;
    let body = fields(&[("data", "body")]);
    let done = commit(&fences[0], "e-1", vec![publication(RESULTS, "x")]);
    assert_eq!(settler.commit(session, &[&done]).await.unwrap(), [Settled::Done]);
    let dead = bury(&fences[1], "e-2", &body);
    assert_eq!(settler.bury(session, &[&dead]).await.unwrap(), [Settled::Done]);
    let later = defer(&fences[2], Duration::from_secs(1), &body);
    assert_eq!(settler.defer(session, &[&later]).await.unwrap(), [Settled::Done]);
    let back = release(&fences[3], &body);
    assert_eq!(settler.release(session, &[&back]).await.unwrap(), [Settled::Done]);
    let after = scene.contents().await;
    assert!(after.pending(SOURCE).is_empty(), "{after:#?}");
    assert_eq!((after.entries(RESULTS).len(), after.entries(DEAD).len()), (1, 1));
}

#[tokio::test]
async fn a_deferral_with_a_key_of_the_wrong_type_writes_nothing() {
    for broken in [DELAY, BODIES, LEDGER, SOURCE] {
        let mut scene = Scene::set().await;
        let fences = scene.deliver(ME, 1).await;
        scene.db.cmd(&["SET", broken, "not what it should be"]).await;
        let before = scene.contents().await;
        let later = defer(&fences[0], Duration::from_secs(1), &fields(&[("data", "body")]));
        let verdicts = scene.settler(ME).defer(&mut scene.session, &[&later]).await.unwrap();
        assert!(refused(&verdicts), "{broken}: {verdicts:?}");
        assert_eq!(scene.contents().await, before, "{broken}");
    }
}

#[tokio::test]
async fn a_burial_with_a_key_of_the_wrong_type_writes_nothing() {
    for broken in [DEAD, LOG, LEDGER, SEEN_NOW, SOURCE] {
        let mut scene = Scene::set().await;
        let fences = scene.deliver(ME, 1).await;
        scene.db.cmd(&["SET", broken, "not what it should be"]).await;
        let before = scene.contents().await;
        let dead = bury(&fences[0], "e-1", &fields(&[("data", "body")]));
        let settler = scene.settler_within(ME, WINDOW_MS);
        let verdicts = settler.bury(&mut scene.session, &[&dead]).await.unwrap();
        assert!(refused(&verdicts), "{broken}: {verdicts:?}");
        assert_eq!(scene.contents().await, before, "{broken}");
    }
}

#[tokio::test]
async fn a_release_with_a_key_of_the_wrong_type_writes_nothing() {
    for broken in [LEDGER, SOURCE] {
        let mut scene = Scene::set().await;
        let fences = scene.deliver(ME, 1).await;
        scene.db.cmd(&["SET", broken, "not what it should be"]).await;
        let before = scene.contents().await;
        let back = release(&fences[0], &fields(&[("data", "body")]));
        let verdicts = scene.settler(ME).release(&mut scene.session, &[&back]).await.unwrap();
        assert!(refused(&verdicts), "{broken}: {verdicts:?}");
        assert_eq!(scene.contents().await, before, "{broken}");
    }
}

#[tokio::test]
async fn a_fence_settles_once_even_within_one_call() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 4).await;
    let settler = scene.settler(ME);
    let session = &mut scene.session;
    let body = fields(&[("data", "body")]);
    let once = [Settled::Done, Settled::Gone];
    let done = commit(&fences[0], "e-1", vec![publication(RESULTS, "x")]);
    assert_eq!(settler.commit(session, &[&done, &done]).await.unwrap(), once);
    let dead = bury(&fences[1], "e-2", &body);
    assert_eq!(settler.bury(session, &[&dead, &dead]).await.unwrap(), once);
    let later = defer(&fences[2], Duration::from_secs(1), &body);
    assert_eq!(settler.defer(session, &[&later, &later]).await.unwrap(), once);
    let back = release(&fences[3], &body);
    assert_eq!(settler.release(session, &[&back, &back]).await.unwrap(), once);
    let after = scene.contents().await;
    let lengths = [RESULTS, DEAD, crate::scene::INBOX].map(|key| after.entries(key).len());
    assert_eq!((lengths, after.sorted_set(DELAY).len()), ([1, 1, 1], 1));
    let counts =
        ["done", "dead", "deferred", "released"].map(|o| (format!("{SOURCE}|{o}"), "1".to_owned()));
    assert_eq!(after.hash(LEDGER), counts.into());
}
