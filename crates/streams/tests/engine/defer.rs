//! Defer: a failed delivery leaves the pending list and waits, body and due time together.

use std::time::Duration;

use printery_streams::settle::{Defer, Settled};
use redis::Value;

use crate::contents::row;
use crate::scene::{
    BODIES, DELAY, GROUP, LEDGER, ME, OTHER, SOURCE, Scene, awkward_fields, defer, fields,
};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_deferred_delivery_waits_outside_the_pending_list() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 3).await;
    let defers = [0, 1].map(|place| defer(&fences[place], HOUR, &fields(&[("data", "body")])));
    let earliest = scene.now_ms().await + 3_600_000;
    let settler = scene.settler(ME);
    let verdicts = settler.defer(&mut scene.session, &[&defers[0], &defers[1]]).await.unwrap();
    let latest = scene.now_ms().await + 3_600_000;

    assert_eq!(verdicts, [Settled::Done, Settled::Done]);
    let after = scene.contents().await;
    assert_eq!(after.pending(SOURCE), [row(&fences[2].entry, ME, 1)]);
    assert_eq!(after.hash(LEDGER), [(format!("{SOURCE}|deferred"), "2".to_owned())].into());
    let tokens = [0, 1].map(|place: usize| format!("{SOURCE}|{}|1", fences[place].entry));
    let waiting = after.sorted_set(DELAY);
    assert_eq!(waiting.iter().map(|(token, _)| token.clone()).collect::<Vec<_>>(), tokens);
    for (token, due) in &waiting {
        assert!((earliest..=latest).contains(due), "{token}: {earliest} <= {due} <= {latest}");
    }
    assert_eq!(after.hash(BODIES).into_keys().collect::<Vec<_>>(), tokens);
    assert!(after.without(&[SOURCE, DELAY, BODIES, LEDGER]).0.is_empty(), "{after:#?}");
}

#[tokio::test]
async fn the_body_is_stored_byte_for_byte() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    let later = defer(&fences[0], HOUR, &awkward_fields());
    scene.settler(ME).defer(&mut scene.session, &[&later]).await.unwrap();
    let unpacked =
        "return cmsgpack.unpack(redis.call('HVALS', 't:printery:delaybody:validator')[1])";
    let flat: Vec<Vec<u8>> = redis::from_redis_value(scene.eval(unpacked).await).unwrap();
    let stored: Vec<(Vec<u8>, Vec<u8>)> =
        flat.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    assert_eq!(stored, awkward_fields());
}

#[tokio::test]
async fn the_same_deferral_sent_twice_waits_once() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    let later = defer(&fences[0], HOUR, &fields(&[("data", "body")]));
    let settler = scene.settler(ME);
    assert_eq!(settler.defer(&mut scene.session, &[&later]).await.unwrap(), [Settled::Done]);
    let before = scene.contents().await;
    assert_eq!(settler.defer(&mut scene.session, &[&later]).await.unwrap(), [Settled::Gone]);
    assert_eq!(scene.contents().await, before);
}

#[tokio::test]
async fn only_the_owner_defers() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 5).await;
    scene.take_over(&fences[0], OTHER).await;
    scene.take_over(&fences[1], ME).await;
    scene.db.cmd(&["XACK", SOURCE, GROUP, &fences[2].entry.to_string()]).await;
    scene.db.cmd(&["XACK", SOURCE, GROUP, &fences[3].entry.to_string()]).await;
    scene.delete_body(&fences[3]).await;
    let before = scene.contents().await;
    let defers: Vec<Defer> =
        fences.iter().map(|fence| defer(fence, HOUR, &fields(&[("data", "body")]))).collect();
    let late: Vec<&Defer> = defers[..4].iter().collect();
    let settler = scene.settler(ME);
    let verdicts = settler.defer(&mut scene.session, &late).await.unwrap();
    assert_eq!(verdicts, [Settled::Fenced, Settled::Fenced, Settled::Gone, Settled::Lost]);
    assert_eq!(scene.contents().await, before);
    // And beside a delivery that is in order, they still change nothing.
    let all: Vec<&Defer> = defers.iter().collect();
    let verdicts = settler.defer(&mut scene.session, &all).await.unwrap();
    assert_eq!(verdicts[4], Settled::Done);
    assert_eq!(scene.contents().await.sorted_set(DELAY).len(), 1);
}

#[tokio::test]
async fn without_its_group_nothing_is_deferred() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    let later = defer(&fences[0], HOUR, &fields(&[("data", "body")]));
    scene.db.cmd(&["XGROUP", "DESTROY", SOURCE, GROUP]).await;
    let before = scene.contents().await;
    let verdicts = scene.settler(ME).defer(&mut scene.session, &[&later]).await.unwrap();
    assert_eq!(verdicts, [Settled::Gone]);
    assert_eq!(scene.contents().await, before);
}

#[tokio::test]
async fn a_full_redis_takes_deferrals() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    scene.fill_memory().await;
    let later = defer(&fences[0], HOUR, &fields(&[("data", "body")]));
    let verdicts = scene.settler(ME).defer(&mut scene.session, &[&later]).await.unwrap();
    assert_eq!(verdicts, [Settled::Done]);
    assert_eq!(
        scene.db.cmd(&["XPENDING", SOURCE, GROUP, "-", "+", "1"]).await,
        Value::Array(vec![])
    );
}
