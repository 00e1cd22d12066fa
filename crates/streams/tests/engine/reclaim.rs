//! Reclaim: entries of silent owners find a new one, page by page; suspects alone, poison not at all.

use std::collections::BTreeSet;
use std::sync::Arc;

use printery_streams::reclaim::{ReclaimPolicy, Reclaimed, Reclaimer};
use printery_streams::settle::Settled;
use printery_streams::{EntryId, Fence, History};

use crate::contents::row;
use crate::scene::{
    DEAD, GROUP, INBOX, LEASE, LEDGER, ME, OTHER, RESULTS, SOURCE, Scene, WORKER, commit, fields,
    id, member, publication,
};

const POLICY: ReclaimPolicy = ReclaimPolicy { lease: LEASE, suspect_at: 2, poison_at: 3 };

fn reclaimer(scene: &Scene) -> Reclaimer {
    Reclaimer::new(scene.keys.clone(), member(ME), POLICY)
}

async fn sweep(
    reclaimer: &mut Reclaimer,
    scene: &mut Scene,
    limit: usize,
    running: usize,
) -> Reclaimed {
    let stream = Arc::from(SOURCE);
    reclaimer.reclaim_due(&mut scene.session, &stream, limit, running).await.unwrap()
}

/// One sweep with room for everything and nothing running.
async fn sweep_once(scene: &mut Scene) -> Reclaimed {
    sweep(&mut reclaimer(scene), scene, 100, 0).await
}

fn taken(reclaimed: &Reclaimed) -> Vec<(EntryId, u64)> {
    reclaimed.deliveries.iter().map(|d| (d.fence.entry, d.fence.count)).collect()
}

/// Makes a pending list of `count` rows of a busy owner, and gives their ids.
async fn busy_rows(scene: &Scene, count: usize) -> Vec<String> {
    scene.ensure_group(SOURCE).await;
    let script = format!(
        "for n = 1, {count} do redis.call('XADD', '{SOURCE}', '*', 'data', n) end
         redis.call('XREADGROUP', 'GROUP', '{GROUP}', 'busy', 'COUNT', {count}, 'STREAMS', '{SOURCE}', '>')"
    );
    scene.eval(&script).await;
    scene.contents().await.ids(SOURCE)
}

#[tokio::test]
async fn the_entries_of_a_silent_owner_are_taken_over() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(OTHER, 2).await;
    scene.silence(&fences[0], OTHER, 1).await;
    let found = sweep_once(&mut scene).await;
    assert_eq!(taken(&found), [(fences[0].entry, 2)]);
    let delivery = &found.deliveries[0];
    assert_eq!(delivery.fields, Some(fields(&[("data", "body 0")])));
    assert_eq!(delivery.history, History { deaths: 1, ..History::fresh(SOURCE, fences[0].entry) });
    let now = [row(&fences[0].entry, ME, 2), row(&fences[1].entry, OTHER, 1)];
    assert_eq!(scene.contents().await.pending(SOURCE), now, "who is not silent keeps its own");
    assert!(scene.idle_ms(&fences[0]).await < 60_000, "the new owner has a lease of its own");
}

#[tokio::test]
async fn the_previous_owner_cannot_settle_any_more() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(OTHER, 1).await;
    scene.silence(&fences[0], OTHER, 1).await;
    let found = sweep_once(&mut scene).await;
    let late = commit(&fences[0], "e-1", vec![publication(RESULTS, "late")]);
    let verdicts = scene.settler(OTHER).commit(&mut scene.session, &[&late]).await.unwrap();
    assert_eq!(verdicts, [Settled::Fenced]);
    let done = commit(&found.deliveries[0].fence, "e-1", vec![publication(RESULTS, "done")]);
    let verdicts = scene.settler(ME).commit(&mut scene.session, &[&done]).await.unwrap();
    assert_eq!(verdicts, [Settled::Done]);
    assert_eq!(scene.contents().await.entries(RESULTS), [fields(&[("data", "done")])]);
}

#[tokio::test]
async fn own_entries_are_never_reclaimed() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 2).await;
    scene.silence(&fences[0], ME, 5).await;
    scene.silence(&fences[1], ME, 1).await;
    scene.delete_body(&fences[1]).await;
    let before = scene.contents().await;
    let found = sweep_once(&mut scene).await;
    assert_eq!((taken(&found), found.lost, found.suspects), (vec![], vec![], 0));
    assert_eq!(scene.contents().await, before);
}

#[tokio::test]
async fn no_more_is_taken_than_there_are_slots_and_none_is_forgotten() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(OTHER, 300).await;
    for fence in &fences {
        scene.silence(fence, OTHER, 1).await;
    }
    let mut reclaimer = reclaimer(&scene);
    assert_eq!(sweep(&mut reclaimer, &mut scene, 0, 9).await.deliveries.len(), 0);
    let mut seen = BTreeSet::new();
    while seen.len() < fences.len() {
        let found = sweep(&mut reclaimer, &mut scene, 7, 0).await;
        assert!((1..=7).contains(&found.deliveries.len()), "{found:?}");
        for delivery in found.deliveries {
            assert!(seen.insert(delivery.fence.entry), "{} came twice", delivery.fence.entry);
        }
    }
    assert!(fences.iter().all(|fence| seen.contains(&fence.entry)));
}

#[tokio::test]
async fn an_entry_behind_a_thousand_busy_ones_is_found_in_one_sweep() {
    let mut scene = Scene::set().await;
    let ids = busy_rows(&scene, 1_200).await;
    let abandoned = [0, 127, 128, 600, 1_199].map(|place| Fence {
        stream: Arc::from(SOURCE),
        entry: id(&ids[place]),
        count: 1,
    });
    for fence in &abandoned {
        scene.silence(fence, OTHER, 1).await;
    }
    let found = sweep_once(&mut scene).await;
    assert_eq!(taken(&found), abandoned.map(|fence| (fence.entry, 2)));
}

#[tokio::test]
async fn the_far_end_of_a_long_pending_list_is_reached_by_going_on() {
    let mut scene = Scene::set().await;
    // More rows than one sweep looks at.
    let ids = busy_rows(&scene, 8_500).await;
    let last = Fence { stream: Arc::from(SOURCE), entry: id(ids.last().unwrap()), count: 1 };
    scene.silence(&last, OTHER, 1).await;
    let mut reclaimer = reclaimer(&scene);
    assert_eq!(taken(&sweep(&mut reclaimer, &mut scene, 10, 0).await), []);
    assert_eq!(taken(&sweep(&mut reclaimer, &mut scene, 10, 0).await), [(last.entry, 2)]);
    // Having seen the end it begins again.
    let first = Fence { stream: Arc::from(SOURCE), entry: id(&ids[0]), count: 1 };
    scene.silence(&first, OTHER, 1).await;
    assert_eq!(taken(&sweep(&mut reclaimer, &mut scene, 10, 0).await), [(first.entry, 2)]);
}

#[tokio::test]
async fn a_suspect_is_left_while_anything_else_runs_here() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(OTHER, 3).await;
    scene.silence(&fences[0], OTHER, 1).await;
    scene.silence(&fences[1], OTHER, 2).await;
    scene.silence(&fences[2], OTHER, 1).await;
    let found = sweep_once(&mut scene).await;
    assert_eq!(taken(&found), [(fences[0].entry, 2), (fences[2].entry, 2)]);
    assert_eq!(found.suspects, 1);
    assert_eq!(sweep(&mut reclaimer(&scene), &mut scene, 100, 2).await.suspects, 1);
    let left = scene.contents().await.pending(SOURCE);
    assert_eq!(left[1], row(&fences[1].entry, OTHER, 2), "it is left as it was");
}

#[tokio::test]
async fn a_suspect_is_taken_alone_by_who_has_nothing_else_to_do() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(OTHER, 3).await;
    scene.silence(&fences[0], OTHER, 2).await;
    scene.silence(&fences[1], OTHER, 1).await;
    scene.silence(&fences[2], OTHER, 2).await;
    let mut reclaimer = reclaimer(&scene);
    let found = sweep(&mut reclaimer, &mut scene, 100, 0).await;
    assert_eq!(taken(&found), [(fences[0].entry, 3)]);
    assert_eq!(found.deliveries[0].history.deaths, 2);
    // While it runs: the innocent one, but no other suspect.
    let found = sweep(&mut reclaimer, &mut scene, 100, 1).await;
    assert_eq!((taken(&found), found.suspects), (vec![(fences[1].entry, 2)], 1));
}

#[tokio::test]
async fn poison_is_returned_to_be_buried_even_beside_running_work() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(OTHER, 2).await;
    scene.silence(&fences[0], OTHER, 3).await;
    scene.silence(&fences[1], OTHER, 7).await;
    let found = sweep(&mut reclaimer(&scene), &mut scene, 100, 4).await;
    let mut all = taken(&found);
    let rest = sweep(&mut reclaimer(&scene), &mut scene, 100, 4).await;
    all.extend(taken(&rest));
    assert_eq!(all, [(fences[0].entry, 4), (fences[1].entry, 8)]);
    assert_eq!(found.deliveries[0].history.deaths, 3, "as many owners as had it died of it");
    assert_eq!(found.deliveries[0].fields, Some(fields(&[("data", "body 0")])));
}

#[tokio::test]
async fn an_entry_whose_body_is_gone_is_dead_lettered_with_its_id() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(OTHER, 3).await;
    for fence in &fences {
        scene.silence(fence, OTHER, 1).await;
    }
    scene.delete_body(&fences[1]).await;
    let found = sweep_once(&mut scene).await;
    assert_eq!(taken(&found), [(fences[0].entry, 2), (fences[2].entry, 2)]);
    assert_eq!(found.lost, [(Arc::from(SOURCE), fences[1].entry)]);
    let after = scene.contents().await;
    assert_eq!(after.pending(SOURCE), [row(&fences[0].entry, ME, 2), row(&fences[2].entry, ME, 2)]);
    assert_eq!(after.hash(LEDGER), [(format!("{SOURCE}|lost"), "1".to_owned())].into());
    let letters = scene.db.entries(DEAD).await;
    let facts = ["failure_reason", "original_stream", "original_entry", "worker", "instance"];
    let expected = ["lost_body", SOURCE, &fences[1].entry.to_string(), WORKER, OTHER];
    assert_eq!(facts.map(|name| letters[0].text(name)), expected);
    assert_eq!(letters.len(), 1);
}

#[tokio::test]
async fn broken_dead_letters_and_counters_do_not_stop_the_sweep() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(OTHER, 3).await;
    for fence in &fences {
        scene.silence(fence, OTHER, 1).await;
    }
    scene.delete_body(&fences[0]).await;
    scene.delete_body(&fences[1]).await;
    scene.db.cmd(&["SET", DEAD, "not a stream"]).await;
    scene.db.cmd(&["SET", LEDGER, "not a hash"]).await;
    let found = sweep_once(&mut scene).await;
    assert_eq!((taken(&found), found.lost.len()), (vec![(fences[2].entry, 2)], 0));
    let left = scene.contents().await.pending(SOURCE);
    assert_eq!(left[..2], [row(&fences[0].entry, OTHER, 1), row(&fences[1].entry, OTHER, 1)]);
    // Mended, they are found again.
    scene.db.cmd(&["DEL", DEAD]).await;
    assert_eq!(sweep_once(&mut scene).await.lost.len(), 2);
    assert_eq!(scene.db.len(DEAD).await, 2);
}

#[tokio::test]
async fn an_inbox_entry_keeps_its_history_and_counts_the_death() {
    let mut scene = Scene::set().await;
    let history = History {
        event_id: "e-1".into(),
        failures: 1,
        deaths: 1,
        ..History::fresh(SOURCE, EntryId::at(5))
    };
    let sealed = history.seal(&fields(&[("data", "body")]));
    scene.add_fields(INBOX, &sealed).await;
    let fences = scene.deliver_from(INBOX, OTHER, 0).await;
    assert!(fences.is_empty());
    let entry = scene.contents().await.pending(INBOX)[0].entry.clone();
    let fence = Fence { stream: Arc::from(INBOX), entry: id(&entry), count: 1 };
    scene.silence(&fence, OTHER, 1).await;
    let mut reclaimer = reclaimer(&scene);
    let inbox = Arc::from(INBOX);
    let found = reclaimer.reclaim_due(&mut scene.session, &inbox, 10, 0).await.unwrap();
    assert_eq!(found.deliveries[0].history, History { deaths: 2, ..history });
    assert_eq!(found.deliveries[0].fields, Some(fields(&[("data", "body")])));
}

#[tokio::test]
async fn where_nobody_can_hold_anything_there_is_nothing_to_reclaim() {
    let mut scene = Scene::set().await;
    assert_eq!(taken(&sweep_once(&mut scene).await), []);
    scene.db.add(SOURCE, &[("data", "no group")]).await;
    assert_eq!(taken(&sweep_once(&mut scene).await), []);
    scene.db.cmd(&["SET", SOURCE, "not a stream"]).await;
    assert_eq!(taken(&sweep_once(&mut scene).await), []);
}

#[tokio::test]
async fn a_full_redis_can_be_swept() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(OTHER, 2).await;
    for fence in &fences {
        scene.silence(fence, OTHER, 1).await;
    }
    scene.delete_body(&fences[0]).await;
    scene.fill_memory().await;
    let found = sweep_once(&mut scene).await;
    assert_eq!((taken(&found), found.lost.len()), (vec![(fences[1].entry, 2)], 1));
}
