//! Renew: keeps the owner's leases young, and never takes anything back.

use printery_streams::ErrorKind;
use printery_streams::lease::{Renewal, renew};
use printery_streams::settle::Settled;

use crate::contents::row;
use crate::scene::{GROUP, ME, OTHER, RESULTS, SOURCE, Scene, commit, fence, member, publication};

/// Idle times that are younger than any lease but older than any renewal of these tests.
const AGED_MS: u64 = 60_000;

#[tokio::test]
async fn a_renewed_lease_is_young_and_its_count_stays() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 3).await;
    for fence in &fences {
        scene.silence(fence, ME, 1).await;
    }
    let before = scene.contents().await;
    let renewed = renew(&mut scene.session, &member(ME), &fences[..2]).await.unwrap();
    assert_eq!(renewed, [Renewal::Renewed, Renewal::Renewed]);
    assert_eq!(scene.contents().await, before);
    assert!(scene.idle_ms(&fences[0]).await < AGED_MS);
    assert!(scene.idle_ms(&fences[1]).await < AGED_MS);
    assert!(scene.idle_ms(&fences[2]).await >= AGED_MS, "only what was asked for");
}

#[tokio::test]
async fn a_lost_entry_is_not_taken_back() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 5).await;
    // Taken over by another, also under the old count; taken over by this consumer under a new count; settled; never there.
    scene.silence(&fences[0], OTHER, 2).await;
    scene.silence(&fences[1], ME, 2).await;
    scene.db.cmd(&["XACK", SOURCE, GROUP, &fences[2].entry.to_string()]).await;
    scene.silence(&fences[3], OTHER, 1).await;
    let mut asked = fences[..4].to_vec();
    asked.push(fence(SOURCE, &fences[4].entry.next().to_string(), 1));
    let before = scene.contents().await;
    let answers = renew(&mut scene.session, &member(ME), &asked).await.unwrap();
    assert_eq!(answers, [Renewal::Lost; 5]);
    assert_eq!(scene.contents().await, before);
    assert!(scene.idle_ms(&fences[0]).await >= AGED_MS, "nor is it kept young for its new owner");
    assert!(scene.idle_ms(&fences[1]).await >= AGED_MS);
    assert!(scene.idle_ms(&fences[3]).await >= AGED_MS);
}

#[tokio::test]
async fn an_entry_without_a_body_is_kept_and_can_still_be_committed() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 2).await;
    scene.delete_body(&fences[0]).await;
    let before = scene.contents().await;
    let answers = renew(&mut scene.session, &member(ME), &fences).await.unwrap();
    assert_eq!(answers, [Renewal::Bodiless, Renewal::Renewed]);
    assert_eq!(scene.contents().await, before);
    let done = commit(&fences[0], "e-1", vec![publication(RESULTS, "x")]);
    let verdicts = scene.settler(ME).commit(&mut scene.session, &[&done]).await.unwrap();
    assert_eq!(verdicts, [Settled::Done]);
    assert_eq!(scene.contents().await.pending(SOURCE), [row(&fences[1].entry, ME, 1)]);
}

#[tokio::test]
async fn leases_are_found_among_many_others_of_the_same_owner() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 40).await;
    let asked = [fences[0].clone(), fences[20].clone(), fences[39].clone()];
    let answers = renew(&mut scene.session, &member(ME), &asked).await.unwrap();
    assert_eq!(answers, [Renewal::Renewed; 3]);
}

#[tokio::test]
async fn where_nobody_can_hold_anything_every_lease_is_lost() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 2).await;
    scene.db.cmd(&["XGROUP", "DESTROY", SOURCE, GROUP]).await;
    let lost = [Renewal::Lost; 2];
    assert_eq!(renew(&mut scene.session, &member(ME), &fences).await.unwrap(), lost);
    scene.db.cmd(&["DEL", SOURCE]).await;
    assert_eq!(renew(&mut scene.session, &member(ME), &fences).await.unwrap(), lost);
    assert!(scene.contents().await.0.is_empty(), "nothing is made by asking");
    scene.db.cmd(&["SET", SOURCE, "not a stream"]).await;
    assert_eq!(renew(&mut scene.session, &member(ME), &fences).await.unwrap(), lost);
    assert_eq!(renew(&mut scene.session, &member(ME), &[]).await.unwrap(), []);
}

#[tokio::test]
async fn a_renewal_that_was_not_answered_says_so() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    scene.server.kill9();
    let error = renew(&mut scene.session, &member(ME), &fences).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    assert_eq!((error.operation, error.key.as_str()), ("connect", ""));
}
