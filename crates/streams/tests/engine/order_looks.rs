//! Looking at lines: who waits, for whom, and page by page.

use printery_streams::EntryId;
use printery_streams::delay::history as history_of;
use printery_streams::order::{Turn, Waiting, count_waiting, turn_of, waiting, waiting_of};

use crate::line_scene::set;
use crate::scene::{OTHERS, SOURCE, Scene, WORKER, id};

async fn page(scene: &mut Scene, after: Option<&Waiting>, page: usize) -> Vec<Waiting> {
    waiting(&mut scene.session, &scene.keys, WORKER, after, page).await.unwrap()
}

#[tokio::test]
async fn who_waits_is_listed_by_deployment_and_age() {
    let (mut scene, mut me) = set().await;
    let mut expected = Vec::new();
    // Ids of different lengths: their order is not that of their text.
    for (deployment, ms) in [("d-2", 9), ("d", 10), ("d", 11), ("d-2", 100), ("d-2", 1_000)] {
        let entry = id(&format!("{ms}-{ms}"));
        let fields = ["subject", deployment];
        scene.db.cmd(&[&["XADD", SOURCE, &entry.to_string()], &fields[..]].concat()).await;
        expected.push((deployment, entry));
    }
    scene.db.cmd(&["XADD", OTHERS, "99-18446744073709551615", "subject", "d-2"]).await;
    assert_eq!(me.take(100).await.len(), 2);

    let line = |rows: &[(&str, EntryId, &str)]| -> Vec<Waiting> {
        let row = |(deployment, entry, stream): &(&str, EntryId, &str)| Waiting {
            deployment: (*deployment).to_owned(),
            origin_entry: *entry,
            place: if *stream == SOURCE { 2 } else { 4 },
            token: format!("{stream}|{entry}"),
        };
        rows.iter().map(row).collect()
    };
    let odd = EntryId { ms: 99, seq: u64::MAX };
    let of_d = line(&[("d", expected[2].1, SOURCE)]);
    let of_d2 = line(&[
        ("d-2", odd, OTHERS),
        ("d-2", expected[3].1, SOURCE),
        ("d-2", expected[4].1, SOURCE),
    ]);
    let (session, keys) = (&mut scene.session, &scene.keys);
    assert_eq!(count_waiting(session, keys, WORKER).await.unwrap(), 4);
    assert_eq!(waiting_of(session, keys, WORKER, "d", 100).await.unwrap(), of_d);
    assert_eq!(waiting_of(session, keys, WORKER, "d-2", 100).await.unwrap(), of_d2);
    assert_eq!(waiting_of(session, keys, WORKER, "d-2", 2).await.unwrap(), of_d2[..2]);
    assert_eq!(waiting_of(session, keys, WORKER, "d-", 100).await.unwrap(), []);
    let at = Turn::At { stream: SOURCE.to_owned(), entry: expected[0].1 };
    assert_eq!(turn_of(session, keys, WORKER, "d-2").await.unwrap(), Some(at));
    assert_eq!(page(&mut scene, None, 100).await, [of_d, of_d2].concat());
}

#[tokio::test]
async fn pages_follow_each_other_without_gaps() {
    let (mut scene, mut me) = set().await;
    for n in 0..60 {
        scene.about(SOURCE, &format!("d-{}", n % 5), "x").await;
    }
    assert_eq!(me.take(256).await.len(), 5);
    let all = page(&mut scene, None, 1_000).await;
    assert_eq!(all.len(), 55);
    for size in [1, 7, 55, 56] {
        let mut found: Vec<Waiting> = Vec::new();
        loop {
            let more = page(&mut scene, found.last(), size).await;
            assert!(more.len() <= size);
            if more.is_empty() {
                break;
            }
            found.extend(more);
        }
        assert_eq!(found, all, "pages of {size}");
    }
}

#[tokio::test]
async fn looking_at_a_worker_that_never_ran_finds_nobody() {
    let mut scene = Scene::set().await;
    assert_eq!(page(&mut scene, None, 10).await, []);
    let (session, keys) = (&mut scene.session, &scene.keys);
    assert_eq!(count_waiting(session, keys, WORKER).await.unwrap(), 0);
    assert_eq!(turn_of(session, keys, WORKER, "d").await.unwrap(), None);
    assert!(scene.contents().await.0.is_empty(), "and leaves nothing behind");
}

#[tokio::test]
async fn the_body_of_who_waits_is_read_by_its_token() {
    let (mut scene, mut me) = set().await;
    scene.queue("d", &["1", "2"]).await;
    assert_eq!(me.take(8).await.len(), 1);
    let waits = page(&mut scene, None, 10).await.remove(0);
    let (session, keys) = (&mut scene.session, &scene.keys);
    let history = history_of(session, keys, WORKER, &waits.token).await.unwrap().unwrap();
    assert_eq!(
        (history.origin_stream.as_str(), history.origin_entry),
        (SOURCE, waits.origin_entry)
    );
}
