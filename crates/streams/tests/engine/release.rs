//! Release: an unfinished delivery goes back at once, through the inbox or in place, never nowhere.

use printery_streams::settle::{Release, Settled};
use printery_streams::{EntryId, History};

use crate::contents::row;
use crate::scene::{
    GROUP, INBOX, LEASE, LEDGER, ME, OTHER, SOURCE, Scene, awkward_fields, fields, many_fields,
    release,
};

fn history() -> History {
    History {
        origin_stream: SOURCE.into(),
        origin_entry: EntryId { ms: 5, seq: 3 },
        event_id: "e-1".into(),
        failures: 2,
        deaths: 1,
        first_failure_ms: 1_732_251_600_000,
        last_error: "http_503: no luck".into(),
        replays: 1,
    }
}

#[tokio::test]
async fn a_released_delivery_is_in_the_inbox_with_its_history() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 2).await;
    let back = release(&fences[0], &history().seal(&awkward_fields()));
    let verdicts = scene.settler(ME).release(&mut scene.session, &[&back]).await.unwrap();
    assert_eq!(verdicts, [Settled::Done]);
    let after = scene.contents().await;
    assert_eq!(after.pending(SOURCE), [row(&fences[1].entry, ME, 1)]);
    assert_eq!(after.hash(LEDGER), [(format!("{SOURCE}|released"), "1".to_owned())].into());
    let opened = History::open(after.entries(INBOX)[0].clone());
    assert_eq!(opened, (Some(history()), awkward_fields()));
    assert_eq!(after.entries(INBOX).len(), 1);
    assert!(after.without(&[SOURCE, INBOX, LEDGER]).0.is_empty(), "{after:#?}");
}

#[tokio::test]
async fn what_the_inbox_cannot_take_goes_back_in_place_with_its_attempt() {
    for broken in ["wrong type", "exhausted", "too wide"] {
        let mut scene = Scene::set().await;
        let fences = scene.deliver(ME, 1).await;
        let mut body = fields(&[("data", "body")]);
        match broken {
            "wrong type" => drop(scene.db.cmd(&["SET", INBOX, "not a stream"]).await),
            "exhausted" => scene.exhaust(INBOX).await,
            _ => body = many_fields(5_000),
        }
        let before = scene.contents().await;
        let back = release(&fences[0], &body);
        let verdicts = scene.settler(ME).release(&mut scene.session, &[&back]).await.unwrap();
        assert_eq!(verdicts, [Settled::Done], "{broken}");
        let after = scene.contents().await;
        assert_eq!(after.pending(SOURCE), [row(&fences[0].entry, ME, 0)], "{broken}");
        assert_eq!(after.without(&[SOURCE]), before.without(&[SOURCE]), "{broken}");
        let idle = u128::from(scene.idle_ms(&fences[0]).await);
        assert!(idle > LEASE.as_millis(), "{broken}: anybody may take it now, idle {idle} ms");
        // The old fence is void: the count is another one.
        let verdicts = scene.settler(ME).release(&mut scene.session, &[&back]).await.unwrap();
        assert_eq!(verdicts, [Settled::Fenced], "{broken}");
    }
}

#[tokio::test]
async fn a_delivery_without_a_body_stays_pending_to_be_reported() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 2).await;
    scene.delete_body(&fences[0]).await;
    let before = scene.contents().await;
    let back = release(&fences[0], &Vec::new());
    let verdicts = scene.settler(ME).release(&mut scene.session, &[&back]).await.unwrap();
    assert_eq!(verdicts, [Settled::Done]);
    // Claiming it would make Redis drop the row, and nobody would ever hear of it.
    assert_eq!(scene.contents().await, before);
}

#[tokio::test]
async fn the_same_release_sent_twice_is_in_the_inbox_once() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    let back = release(&fences[0], &history().seal(&fields(&[("data", "body")])));
    let settler = scene.settler(ME);
    assert_eq!(settler.release(&mut scene.session, &[&back]).await.unwrap(), [Settled::Done]);
    let before = scene.contents().await;
    assert_eq!(settler.release(&mut scene.session, &[&back]).await.unwrap(), [Settled::Gone]);
    assert_eq!(scene.contents().await, before);
}

#[tokio::test]
async fn only_the_owner_releases() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 4).await;
    scene.take_over(&fences[0], OTHER).await;
    scene.take_over(&fences[1], ME).await;
    for place in [2, 3] {
        scene.db.cmd(&["XACK", SOURCE, GROUP, &fences[place].entry.to_string()]).await;
    }
    scene.delete_body(&fences[3]).await;
    let before = scene.contents().await;
    let back: Vec<Release> =
        fences.iter().map(|fence| release(fence, &fields(&[("data", "body")]))).collect();
    let back: Vec<&Release> = back.iter().collect();
    let verdicts = scene.settler(ME).release(&mut scene.session, &back).await.unwrap();
    assert_eq!(verdicts, [Settled::Fenced, Settled::Fenced, Settled::Gone, Settled::Lost]);
    assert_eq!(scene.contents().await, before);
}

#[tokio::test]
async fn without_its_group_nothing_is_released() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    scene.db.cmd(&["XGROUP", "DESTROY", SOURCE, GROUP]).await;
    let before = scene.contents().await;
    let back = release(&fences[0], &fields(&[("data", "body")]));
    let verdicts = scene.settler(ME).release(&mut scene.session, &[&back]).await.unwrap();
    assert_eq!(verdicts, [Settled::Gone]);
    assert_eq!(scene.contents().await, before);
}

#[tokio::test]
async fn a_full_redis_takes_releases() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    scene.fill_memory().await;
    let back = release(&fences[0], &fields(&[("data", "body")]));
    let verdicts = scene.settler(ME).release(&mut scene.session, &[&back]).await.unwrap();
    assert_eq!(verdicts, [Settled::Done]);
    let after = scene.contents().await;
    assert_eq!((after.entries(INBOX).len(), after.pending(SOURCE)), (1, vec![]));
}
