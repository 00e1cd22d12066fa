//! Adopt: entries of this very consumer that it never saw are found, at no cost to them.

use std::sync::Arc;

use printery_streams::reclaim::adopt;
use printery_streams::settle::Settled;
use printery_streams::{Delivery, EntryId, History};

use crate::contents::row;
use crate::scene::{
    GROUP, INBOX, ME, OTHER, RESULTS, SOURCE, Scene, awkward_fields, commit, fields, member,
    publication,
};

async fn adopted(scene: &mut Scene, known: &[EntryId], limit: usize) -> Vec<Delivery> {
    let stream = Arc::from(SOURCE);
    adopt(&mut scene.session, &scene.keys, &member(ME), &stream, known, limit).await.unwrap()
}

fn ids(deliveries: &[Delivery]) -> Vec<EntryId> {
    deliveries.iter().map(|delivery| delivery.fence.entry).collect()
}

#[tokio::test]
async fn only_unknown_rows_of_the_own_consumer_are_adopted() {
    let mut scene = Scene::set().await;
    let own = scene.deliver(ME, 4).await;
    scene.deliver(OTHER, 2).await;
    let before = scene.contents().await;
    let known = [own[0].entry, own[2].entry];
    let found = adopted(&mut scene, &known, 10).await;
    assert_eq!(ids(&found), [own[1].entry, own[3].entry]);
    assert_eq!(found[0].fields, Some(fields(&[("data", "body 1")])));
    assert_eq!(found[0].history, History::fresh(SOURCE, own[1].entry));
    assert_eq!(scene.contents().await, before, "counts and owners stay");
}

#[tokio::test]
async fn adopting_makes_the_lease_young_and_changes_no_count() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 2).await;
    scene.silence(&fences[0], ME, 2).await;
    scene.silence(&fences[1], ME, 1).await;
    let found = adopted(&mut scene, &[fences[1].entry], 10).await;
    assert_eq!(found[0].fence.count, 2);
    assert_eq!(found[0].history.deaths, 1, "what happened to it before is not forgotten");
    let pending = [row(&fences[0].entry, ME, 2), row(&fences[1].entry, ME, 1)];
    assert_eq!(scene.contents().await.pending(SOURCE), pending);
    assert!(scene.idle_ms(&fences[0]).await < 60_000);
    assert!(scene.idle_ms(&fences[1]).await >= 60_000, "what is known is left alone");
}

#[tokio::test]
async fn an_adopted_delivery_can_be_committed() {
    let mut scene = Scene::set().await;
    scene.deliver_fields(ME, &awkward_fields()).await;
    let found = adopted(&mut scene, &[], 10).await;
    assert_eq!(found[0].fields, Some(awkward_fields()));
    let done = commit(&found[0].fence, "e-1", vec![publication(RESULTS, "x")]);
    let verdicts = scene.settler(ME).commit(&mut scene.session, &[&done]).await.unwrap();
    assert_eq!(verdicts, [Settled::Done]);
}

#[tokio::test]
async fn a_missing_body_is_told_from_an_empty_one_and_its_row_stays() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 2).await;
    scene.delete_body(&fences[0]).await;
    let before = scene.contents().await;
    let found = adopted(&mut scene, &[], 10).await;
    assert_eq!((found[0].fence.clone(), found[0].fields.clone()), (fences[0].clone(), None));
    assert_eq!(found[1].fields, Some(fields(&[("data", "body 1")])));
    assert_eq!(scene.contents().await, before);
}

#[tokio::test]
async fn no_more_is_adopted_than_there_are_slots() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 200).await;
    assert_eq!(adopted(&mut scene, &[], 0).await, []);
    let mut known = Vec::new();
    while known.len() < fences.len() {
        let found = adopted(&mut scene, &known, 30).await;
        assert!((1..=30).contains(&found.len()), "{}", found.len());
        known.extend(ids(&found));
    }
    let expected: Vec<EntryId> = fences.iter().map(|fence| fence.entry).collect();
    assert_eq!(known, expected, "oldest first, each once");
    assert_eq!(adopted(&mut scene, &known, 30).await, []);
}

#[tokio::test]
async fn an_inbox_entry_is_adopted_with_its_history() {
    let mut scene = Scene::set().await;
    let history = History { failures: 2, ..History::fresh(SOURCE, EntryId::at(5)) };
    scene.add_fields(INBOX, &history.seal(&awkward_fields())).await;
    scene.deliver_from(INBOX, ME, 0).await;
    let inbox = Arc::from(INBOX);
    let found = adopt(&mut scene.session, &scene.keys, &member(ME), &inbox, &[], 9).await.unwrap();
    assert_eq!((&found[0].history, &found[0].fields), (&history, &Some(awkward_fields())));
}

#[tokio::test]
async fn where_nobody_can_hold_anything_there_is_nothing_to_adopt() {
    let mut scene = Scene::set().await;
    assert_eq!(adopted(&mut scene, &[], 10).await, []);
    scene.deliver(ME, 1).await;
    scene.db.cmd(&["XGROUP", "DESTROY", SOURCE, GROUP]).await;
    assert_eq!(adopted(&mut scene, &[], 10).await, []);
    scene.db.cmd(&["SET", SOURCE, "not a stream"]).await;
    assert_eq!(adopted(&mut scene, &[], 10).await, []);
}
