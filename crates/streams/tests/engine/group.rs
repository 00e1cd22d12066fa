//! Groups begin at the beginning and are made once; consumers leave only with nothing pending.

use printery_streams::ErrorKind;
use printery_streams::group::{consumers, ensure_group, retire};

use crate::contents::row;
use crate::scene::{GROUP, ME, OTHER, SOURCE, Scene};

#[tokio::test]
async fn a_group_is_made_at_the_beginning_and_only_once() {
    let mut scene = Scene::set().await;
    assert!(ensure_group(&mut scene.session, SOURCE, GROUP).await.unwrap());
    scene.deliver(ME, 2).await;
    let before = scene.contents().await;
    assert!(!ensure_group(&mut scene.session, SOURCE, GROUP).await.unwrap());
    assert_eq!(scene.contents().await, before, "position and pending entries stay");
}

#[tokio::test]
async fn a_new_group_sees_what_was_published_before_it() {
    let mut scene = Scene::set().await;
    scene.db.add(SOURCE, &[("data", "early")]).await;
    assert!(ensure_group(&mut scene.session, SOURCE, GROUP).await.unwrap());
    assert_eq!(scene.deliver(ME, 0).await, []);
    assert_eq!(scene.contents().await.pending(SOURCE).len(), 1);
}

#[tokio::test]
async fn a_key_of_another_type_is_refused_and_left_alone() {
    let mut scene = Scene::set().await;
    scene.db.cmd(&["SET", SOURCE, "not a stream"]).await;
    let before = scene.contents().await;
    let error = ensure_group(&mut scene.session, SOURCE, GROUP).await.unwrap_err();
    assert_eq!((error.kind, error.key.as_str()), (ErrorKind::Refused, SOURCE), "{error}");
    assert_eq!(scene.contents().await, before);
}

#[tokio::test]
async fn a_full_redis_is_no_reason_to_miss_a_group_that_exists() {
    let mut scene = Scene::set().await;
    scene.ensure_group(SOURCE).await;
    scene.fill_memory().await;
    assert!(!ensure_group(&mut scene.session, SOURCE, GROUP).await.unwrap());
    let error = ensure_group(&mut scene.session, SOURCE, "another").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    let error = ensure_group(&mut scene.session, "t:none", GROUP).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn a_consumer_with_entries_stays() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    let before = scene.contents().await;
    assert!(!retire(&mut scene.session, SOURCE, GROUP, ME).await.unwrap());
    assert_eq!(scene.contents().await, before);
    assert_eq!(before.pending(SOURCE), [row(&fences[0].entry, ME, 1)]);

    scene.db.cmd(&["XACK", SOURCE, GROUP, &fences[0].entry.to_string()]).await;
    assert!(retire(&mut scene.session, SOURCE, GROUP, ME).await.unwrap());
    assert_eq!(consumers(&mut scene.session, SOURCE, GROUP).await.unwrap(), []);
}

#[tokio::test]
async fn a_consumer_whose_entry_lost_its_body_stays_too() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    scene.delete_body(&fences[0]).await;
    assert!(!retire(&mut scene.session, SOURCE, GROUP, ME).await.unwrap());
    assert_eq!(scene.contents().await.pending(SOURCE), [row(&fences[0].entry, ME, 1)]);
}

#[tokio::test]
async fn consumers_are_listed_with_what_they_hold() {
    let mut scene = Scene::set().await;
    scene.deliver(ME, 2).await;
    scene.deliver(OTHER, 1).await;
    let listed = consumers(&mut scene.session, SOURCE, GROUP).await.unwrap();
    let held: Vec<_> = listed.iter().map(|c| (c.name.as_str(), c.pending)).collect();
    assert_eq!(held, [(ME, 2), (OTHER, 1)]);
    assert!(listed.iter().all(|consumer| consumer.idle_ms < 60_000), "{listed:?}");
}

#[tokio::test]
async fn where_there_is_no_group_there_are_no_consumers_to_list_or_retire() {
    let mut scene = Scene::set().await;
    assert_eq!(consumers(&mut scene.session, SOURCE, GROUP).await.unwrap(), []);
    assert!(!retire(&mut scene.session, SOURCE, GROUP, ME).await.unwrap());
    scene.db.add(SOURCE, &[("data", "no group")]).await;
    assert_eq!(consumers(&mut scene.session, SOURCE, GROUP).await.unwrap(), []);
    assert!(!retire(&mut scene.session, SOURCE, GROUP, ME).await.unwrap());
    assert_eq!(scene.contents().await.entries(SOURCE).len(), 1);
}
