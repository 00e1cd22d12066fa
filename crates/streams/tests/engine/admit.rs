//! Admit: what was settled before is told apart, and only the other attempts are announced.

use printery_streams::admit::{Admission, admit};
use printery_streams::settle::Publication;

use crate::scene::{
    EVENT_TYPE, ME, RESULTS, Scene, WINDOW_MS, WORKER, bury, commit, fields, publication,
};

const STARTED: &str = "t:events:deployment:validation:started";

fn admission(event_id: &str, announcement: Option<Publication>) -> Admission<'_> {
    Admission { event_id, event_type: EVENT_TYPE, replay: false, announcement }
}

async fn admitted(scene: &mut Scene, dedupe_ms: u64, asked: &[Admission<'_>]) -> Vec<bool> {
    admit(&mut scene.session, &scene.keys, WORKER, dedupe_ms, asked).await.unwrap()
}

/// Settles `committed` and `buried`, and clears away what that published.
async fn with_settled_events() -> Scene {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 2).await;
    let settler = scene.settler_within(ME, WINDOW_MS);
    let done = commit(&fences[0], "committed", vec![publication(RESULTS, "x")]);
    settler.commit(&mut scene.session, &[&done]).await.unwrap();
    let dead = bury(&fences[1], "buried", &fields(&[("data", "x")]));
    settler.bury(&mut scene.session, &[&dead]).await.unwrap();
    scene
}

#[tokio::test]
async fn settled_events_are_told_apart_and_the_others_announced() {
    let mut scene = with_settled_events().await;
    let before = scene.contents().await;
    let announced = |id| admission(id, Some(publication(STARTED, id)));
    let mut asked =
        [announced("committed"), announced("new"), announced("buried"), announced("committed")];
    asked[3].replay = true;
    let seen = admitted(&mut scene, WINDOW_MS, &asked).await;
    assert_eq!(seen, [true, false, true, false]);
    let after = scene.contents().await;
    let expected = [fields(&[("data", "new")]), fields(&[("data", "committed")])];
    assert_eq!(after.entries(STARTED), expected);
    assert_eq!(after.without(&[STARTED]), before, "asking settles nothing");
}

#[tokio::test]
async fn the_same_id_of_another_type_was_not_settled() {
    let mut scene = with_settled_events().await;
    let mut asked = [admission("committed", None)];
    asked[0].event_type = "deployment:failed";
    assert_eq!(admitted(&mut scene, WINDOW_MS, &asked).await, [false]);
}

#[tokio::test]
async fn a_window_of_zero_announces_everything() {
    let mut scene = with_settled_events().await;
    let asked = [admission("committed", Some(publication(STARTED, "again")))];
    assert_eq!(admitted(&mut scene, 0, &asked).await, [false]);
    assert_eq!(scene.contents().await.entries(STARTED).len(), 1);
}

#[tokio::test]
async fn with_nothing_to_ask_or_announce_redis_is_not_asked() {
    let mut scene = Scene::set().await;
    scene.server.kill9();
    let asked = [admission("e-1", None), admission("e-2", None)];
    assert_eq!(admitted(&mut scene, 0, &asked).await, [false, false]);
}

#[tokio::test]
async fn an_announcement_that_cannot_be_written_stops_nobody() {
    let mut scene = with_settled_events().await;
    scene.db.cmd(&["SET", STARTED, "not a stream"]).await;
    let asked = [
        admission("one", Some(publication(STARTED, "one"))),
        admission("committed", None),
        admission("two", Some(publication(RESULTS, "two"))),
    ];
    assert_eq!(admitted(&mut scene, WINDOW_MS, &asked).await, [false, true, false]);
    assert_eq!(scene.contents().await.entries(RESULTS).last(), Some(&fields(&[("data", "two")])));
}

#[tokio::test]
async fn broken_memories_make_nobody_a_duplicate() {
    let mut scene = with_settled_events().await;
    scene.db.cmd(&["SET", "t:printery:seen:validator:1", "not a hash"]).await;
    let asked = [admission("committed", Some(publication(STARTED, "again")))];
    assert_eq!(admitted(&mut scene, WINDOW_MS, &asked).await, [false]);
}

#[tokio::test]
async fn events_without_an_id_were_not_settled() {
    let mut scene = with_settled_events().await;
    let asked = [admission("", None), admission("committed", None), admission("", None)];
    assert_eq!(admitted(&mut scene, WINDOW_MS, &asked).await, [false, true, false]);
}

#[tokio::test]
async fn a_full_redis_admits() {
    let mut scene = with_settled_events().await;
    scene.fill_memory().await;
    let asked = [admission("new", Some(publication(STARTED, "new"))), admission("buried", None)];
    assert_eq!(admitted(&mut scene, WINDOW_MS, &asked).await, [false, true]);
}
