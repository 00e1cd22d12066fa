//! Fetch: no more than there are free slots, from every stream in turn, byte for byte.

use std::collections::BTreeMap;
use std::time::Duration;

use printery_streams::{Delivery, EntryId, ErrorKind, Fence, History};

use crate::contents::row;
use crate::scene::{
    INBOX, ME, OTHERS, RESULTS, Reading, SOURCE, Scene, awkward_fields, fields, id, member,
};

const BLOCK: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(30);

/// Reads the inbox and three event streams, whose groups are there.
async fn reading(scene: &Scene) -> Reading {
    Reading::of(scene, member(ME), &[SOURCE, RESULTS, OTHERS]).await
}

async fn add(scene: &Scene, stream: &str, count: usize) {
    for n in 0..count {
        scene.db.add(stream, &[("data", n.to_string())]).await;
    }
}

/// How many deliveries came from each stream.
fn by_stream(deliveries: &[Delivery]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for delivery in deliveries {
        *counts.entry(&*delivery.fence.stream).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn a_fresh_entry_is_delivered_with_its_fence_and_bytes() {
    let scene = Scene::set().await;
    let mut reading = reading(&scene).await;
    let entry = id(&scene.add_fields(SOURCE, &awkward_fields()).await);
    let read = reading.fetch(4, BLOCK).await.unwrap();
    let expected = Delivery {
        fence: Fence { stream: SOURCE.into(), entry, count: 1 },
        history: History::fresh(SOURCE, entry),
        fields: Some(awkward_fields()),
    };
    assert_eq!(read, [expected]);
    assert_eq!(scene.contents().await.pending(SOURCE), [row(&entry, ME, 1)]);
}

#[tokio::test]
async fn one_awkward_entry_costs_none_of_its_neighbours() {
    let scene = Scene::set().await;
    let mut reading = reading(&scene).await;
    let bodies = [fields(&[("data", "1")]), awkward_fields(), fields(&[("data", "2")])];
    for body in &bodies {
        scene.add_fields(SOURCE, body).await;
    }
    let read = reading.fetch(12, BLOCK).await.unwrap();
    let read: Vec<_> = read.into_iter().map(|delivery| delivery.fields.unwrap()).collect();
    assert_eq!(read, bodies);
}

#[tokio::test]
async fn an_inbox_entry_comes_with_its_history_and_without_its_envelope() {
    let scene = Scene::set().await;
    let mut reading = reading(&scene).await;
    let history = History {
        event_id: "e-1".into(),
        failures: 2,
        deaths: 1,
        first_failure_ms: 9,
        last_error: "http_503: no".into(),
        replays: 1,
        ..History::fresh(RESULTS, EntryId { ms: 7, seq: 1 })
    };
    scene.add_fields(INBOX, &history.seal(&awkward_fields())).await;
    let by_hand = id(&scene.add_fields(INBOX, &fields(&[("data", "by hand")])).await);
    let read = reading.fetch(8, BLOCK).await.unwrap();
    assert_eq!(read[0].history, history);
    assert_eq!(read[0].fields, Some(awkward_fields()));
    assert_eq!(read[1].history, History::fresh(INBOX, by_hand));
    // The envelope means nothing elsewhere: it is somebody's fields there.
    scene.add_fields(SOURCE, &history.seal(&[])).await;
    let read = reading.fetch(8, BLOCK).await.unwrap();
    assert_eq!(read[0].fields, Some(history.seal(&[])));
    assert_eq!(read[0].history.failures, 0);
}

#[tokio::test]
async fn a_backlog_is_read_only_as_far_as_slots_are_free() {
    for free in 1..=9 {
        let scene = Scene::set().await;
        let mut reading = reading(&scene).await;
        for stream in [INBOX, SOURCE, RESULTS, OTHERS] {
            add(&scene, stream, 20).await;
        }
        let mut total = 0;
        for _ in 0..6 {
            let read = reading.fetch(free, BLOCK).await.unwrap();
            assert!(!read.is_empty() && read.len() <= free, "{} for {free} slots", read.len());
            total += read.len();
        }
        let before = scene.contents().await;
        let pending: usize =
            [INBOX, SOURCE, RESULTS, OTHERS].iter().map(|key| before.pending(key).len()).sum();
        assert_eq!(pending, total, "what was handed out was seen");
    }
}

#[tokio::test]
async fn fewer_slots_than_streams_are_filled_exactly() {
    let scene = Scene::set().await;
    let mut reading = reading(&scene).await;
    add(&scene, SOURCE, 20).await;
    add(&scene, OTHERS, 20).await;
    for _ in 0..5 {
        assert_eq!(reading.fetch(3, BLOCK).await.unwrap().len(), 3);
    }
}

#[tokio::test]
async fn more_slots_than_streams_are_shared_among_them() {
    let scene = Scene::set().await;
    let mut reading = reading(&scene).await;
    for stream in [INBOX, SOURCE, RESULTS, OTHERS] {
        add(&scene, stream, 5).await;
    }
    let read = reading.fetch(11, BLOCK).await.unwrap();
    let expected = [INBOX, SOURCE, RESULTS, OTHERS].map(|stream| (stream, 2));
    assert_eq!(by_stream(&read), expected.into());
}

#[tokio::test]
async fn a_backlog_in_one_stream_gets_every_slot_and_the_others_their_turn() {
    let scene = Scene::set().await;
    let mut reading = reading(&scene).await;
    add(&scene, SOURCE, 400).await;
    // The first take does not know yet; from then on the backlog has all slots.
    assert_eq!(reading.take(8).await.unwrap().len(), 2);
    for _ in 0..3 {
        assert_eq!(by_stream(&reading.take(8).await.unwrap()), [(SOURCE, 8)].into());
    }
    add(&scene, INBOX, 1).await;
    let mut takes = 0;
    while !by_stream(&reading.take(8).await.unwrap()).contains_key(INBOX) {
        takes += 1;
        assert!(takes <= 20, "the inbox is starved");
    }
}

#[tokio::test]
async fn a_hot_stream_does_not_starve_the_others() {
    let scene = Scene::set().await;
    let mut reading = reading(&scene).await;
    add(&scene, SOURCE, 300).await;
    // The hot stream is being read when the others get entries.
    assert_eq!(by_stream(&reading.fetch(1, BLOCK).await.unwrap()), [(SOURCE, 1)].into());
    add(&scene, INBOX, 3).await;
    add(&scene, OTHERS, 3).await;
    let mut read = Vec::new();
    for _ in 0..40 {
        read.extend(reading.fetch(1, BLOCK).await.unwrap());
    }
    let counts = by_stream(&read);
    assert_eq!((counts.get(INBOX), counts.get(OTHERS)), (Some(&3), Some(&3)), "{counts:?}");
    assert!(counts[SOURCE] > 20, "and the hot one goes on: {counts:?}");
}

#[tokio::test]
async fn each_entry_is_fetched_once_however_slots_vary() {
    let scene = Scene::set().await;
    let mut reading = reading(&scene).await;
    for stream in [INBOX, SOURCE, RESULTS, OTHERS] {
        add(&scene, stream, 50).await;
    }
    let mut seen: Vec<(String, EntryId)> = Vec::new();
    for free in (1..=9).cycle().take(500) {
        let read = reading.fetch(free, SHORT).await.unwrap();
        seen.extend(read.into_iter().map(|d| (d.fence.stream.to_string(), d.fence.entry)));
        if seen.len() == 200 {
            break;
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 200);
    assert_eq!(reading.fetch(3, SHORT).await.unwrap(), []);
}

#[tokio::test]
async fn the_inbox_is_read_first() {
    let scene = Scene::set().await;
    let reading = reading(&scene).await;
    let streams: Vec<String> = reading.fetcher.streams().map(ToString::to_string).collect();
    assert_eq!(streams, [INBOX, SOURCE, RESULTS, OTHERS]);
}

#[tokio::test]
async fn without_groups_nothing_is_read_and_with_them_everything() {
    let scene = Scene::set().await;
    let mut reading = Reading::at(&scene.redis, member(ME), &[SOURCE]);
    add(&scene, SOURCE, 2).await;
    let error = reading.take(4).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Missing, "{error}");
    let error = reading.wait(SHORT).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Missing, "{error}");
    reading.make_groups().await;
    assert_eq!(reading.fetch(4, BLOCK).await.unwrap().len(), 2, "from the beginning on");
}
