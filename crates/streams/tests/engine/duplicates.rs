//! Events that were settled before: recognised within the window, by the server's clock.

use printery_streams::settle::{Commit, Settled};
use printery_testkit::eventually;

use crate::contents::row;
use crate::scene::{
    EVENT_TYPE, GROUP, LEDGER, LOG, ME, RESULTS, SOON, SOURCE, Scene, WINDOW_MS, bury, commit,
    fields, publication,
};

/// The hashes of settled ids, in the second generation of [`WINDOW_MS`]: written, still read, due.
const CURRENT: &str = "t:printery:seen:validator:1";
const PREVIOUS: &str = "t:printery:seen:validator:0";
const OLDEST: &str = "t:printery:seen:validator:2";

fn one_result(fence: &printery_streams::Fence, event_id: &str) -> Commit {
    commit(fence, event_id, vec![publication(RESULTS, event_id)])
}

#[tokio::test]
async fn of_two_deliveries_with_one_event_id_one_publishes() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 4).await;
    let settler = scene.settler_within(ME, WINDOW_MS);
    let ids = ["e-1", "e-1", "e-2", "e-1"];
    let commits: Vec<Commit> =
        fences.iter().zip(ids).map(|(fence, id)| one_result(fence, id)).collect();
    // Three in one call, the fourth in another.
    let first: Vec<&Commit> = commits[..3].iter().collect();
    let verdicts = settler.commit(&mut scene.session, &first).await.unwrap();
    assert_eq!(verdicts, [Settled::Done, Settled::Duplicate, Settled::Done]);
    let verdicts = settler.commit(&mut scene.session, &[&commits[3]]).await.unwrap();
    assert_eq!(verdicts, [Settled::Duplicate]);

    let after = scene.contents().await;
    let published = [fields(&[("data", "e-1")]), fields(&[("data", "e-2")])];
    assert_eq!(after.entries(RESULTS), published);
    assert!(after.pending(SOURCE).is_empty(), "a duplicate is acknowledged");
    assert_eq!(after.entries(LOG).len(), 2, "a duplicate has no outcome of its own");
    let counts = [("done", "2"), ("duplicate", "2")];
    let counts = counts.map(|(outcome, n)| (format!("{SOURCE}|{outcome}"), n.to_owned()));
    assert_eq!(after.hash(LEDGER), counts.into());
    let remembered = ["deployment:started|e-1", "deployment:started|e-2"];
    assert_eq!(after.hash(CURRENT).into_keys().collect::<Vec<_>>(), remembered);
}

#[tokio::test]
async fn the_same_id_of_another_type_is_another_event() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 2).await;
    let settler = scene.settler_within(ME, WINDOW_MS);
    let mut commits = [one_result(&fences[0], "1"), one_result(&fences[1], "1")];
    commits[1].event_type = "deployment:failed".into();
    let verdicts = settler.commit(&mut scene.session, &[&commits[0], &commits[1]]).await.unwrap();
    assert_eq!(verdicts, [Settled::Done, Settled::Done]);
}

#[tokio::test]
async fn a_window_of_zero_knows_no_duplicates() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 2).await;
    let commits = [one_result(&fences[0], "e-1"), one_result(&fences[1], "e-1")];
    let settler = scene.settler_within(ME, 0);
    let verdicts = settler.commit(&mut scene.session, &[&commits[0], &commits[1]]).await.unwrap();
    assert_eq!(verdicts, [Settled::Done, Settled::Done]);
    let after = scene.contents().await;
    assert_eq!(after.entries(RESULTS).len(), 2);
    assert!(after.without(&[SOURCE, RESULTS, LOG, LEDGER]).0.is_empty(), "{after:#?}");
}

#[tokio::test]
async fn a_replay_is_no_duplicate_but_what_follows_it_is() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 4).await;
    let settler = scene.settler_within(ME, WINDOW_MS);
    let mut commits: Vec<Commit> = fences.iter().map(|fence| one_result(fence, "e-1")).collect();
    commits[1].replay = true;
    commits[2].replay = true;
    // Neither within one call nor after it.
    let verdicts = settler.commit(&mut scene.session, &[&commits[0], &commits[1]]).await.unwrap();
    assert_eq!(verdicts, [Settled::Done, Settled::Done]);
    let verdicts = settler.commit(&mut scene.session, &[&commits[2], &commits[3]]).await.unwrap();
    assert_eq!(verdicts, [Settled::Done, Settled::Duplicate]);
    assert_eq!(scene.contents().await.entries(RESULTS).len(), 3);
}

#[tokio::test]
async fn an_event_is_remembered_for_exactly_the_window() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 4).await;
    let now = scene.now_ms().await;
    assert_eq!(now / WINDOW_MS, 1, "the window's generation is what the keys below say");
    for (slot, event_id, ago) in [
        (CURRENT, "this generation", 60_000),
        (PREVIOUS, "previous generation", WINDOW_MS - 60_000),
        (PREVIOUS, "too long ago", WINDOW_MS),
        (OLDEST, "two generations ago", 1),
    ] {
        let (event, at) = (format!("{EVENT_TYPE}|{event_id}"), (now - ago).to_string());
        scene.db.cmd(&["HSET", slot, &event, &at]).await;
    }
    let settler = scene.settler_within(ME, WINDOW_MS);
    let cases = [
        ("this generation", Settled::Duplicate),
        ("previous generation", Settled::Duplicate),
        ("too long ago", Settled::Done),
        ("two generations ago", Settled::Done),
    ];
    for (fence, (event_id, expected)) in fences.iter().zip(cases) {
        let verdicts =
            settler.commit(&mut scene.session, &[&one_result(fence, event_id)]).await.unwrap();
        assert_eq!(verdicts, [expected], "{event_id}");
    }
}

#[tokio::test]
async fn a_short_window_ends_and_leaves_nothing_behind() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 2).await;
    let settler = scene.settler_within(ME, 100);
    let done = one_result(&fences[0], "e-1");
    assert_eq!(settler.commit(&mut scene.session, &[&done]).await.unwrap(), [Settled::Done]);
    let finished: u64 = scene.db.entries(LOG).await[0].text("finished").parse().unwrap();
    eventually("the window is over", SOON, async || scene.now_ms().await >= finished + 100).await;
    let again = one_result(&fences[1], "e-1");
    assert_eq!(settler.commit(&mut scene.session, &[&again]).await.unwrap(), [Settled::Done]);
    eventually("the ids are forgotten", SOON, async || {
        scene.db.keys("t:printery:seen:*").await.is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_buried_event_counts_as_settled() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 3).await;
    let settler = scene.settler_within(ME, WINDOW_MS);
    let body = fields(&[("data", "body")]);
    // An event whose id could not be read must not make others without one its duplicates.
    let burials = [bury(&fences[0], "e-1", &body), bury(&fences[1], "", &body)];
    let verdicts = settler.bury(&mut scene.session, &[&burials[0], &burials[1]]).await.unwrap();
    assert_eq!(verdicts, [Settled::Done, Settled::Done]);
    let remembered = scene.contents().await.hash(CURRENT);
    assert_eq!(remembered.into_keys().collect::<Vec<_>>(), ["deployment:started|e-1"]);
    let again = one_result(&fences[2], "e-1");
    let verdicts = settler.commit(&mut scene.session, &[&again]).await.unwrap();
    assert_eq!(verdicts, [Settled::Duplicate]);
}

#[tokio::test]
async fn deliveries_without_an_event_id_are_no_duplicates_of_each_other() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 3).await;
    let settler = scene.settler_within(ME, WINDOW_MS);
    let commits: Vec<Commit> = fences.iter().map(|fence| one_result(fence, "")).collect();
    let verdicts = settler.commit(&mut scene.session, &[&commits[0], &commits[1]]).await.unwrap();
    assert_eq!(verdicts, [Settled::Done, Settled::Done]);
    let verdicts = settler.commit(&mut scene.session, &[&commits[2]]).await.unwrap();
    assert_eq!(verdicts, [Settled::Done]);
}

#[tokio::test]
async fn what_was_settled_and_then_trimmed_is_not_reported_lost() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    let settler = scene.settler_within(ME, WINDOW_MS);
    let done = one_result(&fences[0], "e-1");
    assert_eq!(settler.commit(&mut scene.session, &[&done]).await.unwrap(), [Settled::Done]);
    scene.delete_body(&fences[0]).await;
    let before = scene.contents().await;
    assert_eq!(settler.commit(&mut scene.session, &[&done]).await.unwrap(), [Settled::Gone]);
    assert_eq!(scene.contents().await, before);
}

#[tokio::test]
async fn a_fenced_duplicate_is_not_acknowledged() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 2).await;
    let settler = scene.settler_within(ME, WINDOW_MS);
    let done = one_result(&fences[0], "e-1");
    assert_eq!(settler.commit(&mut scene.session, &[&done]).await.unwrap(), [Settled::Done]);
    scene.take_over(&fences[1], "other").await;
    let before = scene.contents().await;
    let late = one_result(&fences[1], "e-1");
    assert_eq!(settler.commit(&mut scene.session, &[&late]).await.unwrap(), [Settled::Fenced]);
    assert_eq!(scene.contents().await, before);
    assert_eq!(before.pending(SOURCE), [row(&fences[1].entry, "other", 2)]);
    assert_eq!(scene.db.pending(SOURCE, GROUP).await, 1);
}
