//! Promote: what fell due by the server's clock moves to the inbox, once, and nothing blocks the way.

use std::time::Duration;

use printery_streams::ErrorKind;
use printery_streams::History;
use printery_streams::delay::{Promoted, history, promote};
use printery_testkit::eventually;

use crate::contents::Held;
use crate::scene::{
    BODIES, DEAD, DELAY, INBOX, ME, SOON, Scene, WORKER, awkward_fields, defer, fields, many_fields,
};

/// Makes `count` delayed entries that are due already; their bodies are `data <n>`.
async fn backlog(scene: &Scene, count: usize) {
    let script = format!(
        "for n = 1, {count} do
           local token = string.format('token-%06d', n)
           redis.call('ZADD', '{DELAY}', n, token)
           redis.call('HSET', '{BODIES}', token, cmsgpack.pack({{'data', tostring(n)}}))
         end"
    );
    scene.eval(&script).await;
}

async fn promote_once(scene: &mut Scene) -> Promoted {
    promote(&mut scene.session, &scene.keys, WORKER).await.unwrap()
}

#[tokio::test]
async fn an_entry_is_not_promoted_before_it_is_due() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    let hour = Duration::from_secs(3600);
    let later = defer(&fences[0], hour, &fields(&[("data", "body")]));
    scene.settler(ME).defer(&mut scene.session, &[&later]).await.unwrap();
    let before = scene.contents().await;
    let promoted = promote_once(&mut scene).await;
    assert_eq!((promoted.moved, promoted.bodiless.len()), (0, 0));
    let next = promoted.next.unwrap();
    assert!(next <= hour && next > hour / 2, "{next:?}");
    assert_eq!(scene.contents().await, before);
}

#[tokio::test]
async fn an_entry_is_promoted_when_it_is_due_by_the_server_s_clock() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    let later = defer(&fences[0], Duration::from_millis(120), &awkward_fields());
    scene.settler(ME).defer(&mut scene.session, &[&later]).await.unwrap();
    let due = scene.contents().await.sorted_set(DELAY)[0].1;
    let (keys, mut session) = (scene.keys.clone(), scene.redis.session());
    eventually("it is promoted", SOON, async || {
        promote(&mut session, &keys, WORKER).await.unwrap().moved == 1
    })
    .await;
    let after = scene.contents().await;
    let moved_at: u64 = after.ids(INBOX)[0].split_once('-').unwrap().0.parse().unwrap();
    assert!(moved_at >= due, "{moved_at} is before {due}");
    assert_eq!(after.entries(INBOX), [awkward_fields()], "order, duplicates and bytes are kept");
    assert!(!after.0.contains_key(DELAY) && !after.0.contains_key(BODIES), "{after:#?}");
}

#[tokio::test]
async fn nothing_delayed_means_nothing_to_wait_for() {
    let mut scene = Scene::set().await;
    let promoted = promote_once(&mut scene).await;
    assert_eq!(promoted, Promoted { moved: 0, next: None, bodiless: vec![] });
    assert!(scene.contents().await.0.is_empty());
}

#[tokio::test]
async fn two_promoters_move_every_entry_once() {
    let scene = Scene::set().await;
    backlog(&scene, 600).await;
    let drain = async || {
        let mut session = scene.redis.session();
        let mut moved = 0;
        for _ in 0..100 {
            let promoted = promote(&mut session, &scene.keys, WORKER).await.unwrap();
            moved += promoted.moved;
            if promoted.next.is_none() {
                return moved;
            }
        }
        panic!("there is no end to it: {moved} so far");
    };
    let (one, two) = tokio::join!(drain(), drain());
    assert_eq!(one + two, 600);
    assert_eq!(scene.contents().await.entries(INBOX).len(), 600);
}

#[tokio::test]
async fn a_backlog_is_promoted_in_bounded_pages_oldest_first() {
    let mut scene = Scene::set().await;
    backlog(&scene, 9_000).await;
    let mut pages = Vec::new();
    loop {
        let promoted = promote_once(&mut scene).await;
        pages.push(promoted.moved);
        assert!(pages.len() <= 100, "{pages:?}");
        if promoted.next.is_none() {
            break;
        }
        assert_eq!(promoted.next, Some(Duration::ZERO), "more is due");
    }
    assert!(pages.iter().all(|moved| (1..=128).contains(moved)), "{pages:?}");
    assert_eq!(pages.iter().sum::<u64>(), 9_000);
    let after = scene.contents().await;
    let expected: Vec<_> = (1..=9_000).map(|n| fields(&[("data", &n.to_string())])).collect();
    assert!(after.entries(INBOX) == expected, "the inbox holds them in the order of due times");
    assert!(after.without(&[INBOX]).0.is_empty());
}

#[tokio::test]
async fn a_token_without_a_body_is_dead_lettered_and_its_neighbours_are_promoted() {
    let mut scene = Scene::set().await;
    backlog(&scene, 3).await;
    scene.db.cmd(&["HDEL", BODIES, "token-000002"]).await;
    let promoted = promote_once(&mut scene).await;
    assert_eq!((promoted.moved, promoted.next), (2, None));
    assert_eq!(promoted.bodiless, ["token-000002"]);
    let after = scene.contents().await;
    assert_eq!(after.entries(INBOX), [fields(&[("data", "1")]), fields(&[("data", "3")])]);
    let dead = &scene.db.entries(DEAD).await[0];
    let facts = ["failure_reason", "original_entry", "original_stream", "worker", "status"];
    let facts = facts.map(|name| dead.text(name));
    assert_eq!(facts, ["lost_body", "token-000002", DELAY, WORKER, "pending"]);
    assert!(after.without(&[INBOX, DEAD]).0.is_empty());
}

#[tokio::test]
async fn a_body_that_cannot_be_added_blocks_nothing_behind_it() {
    let mut scene = Scene::set().await;
    // Too wide for the inbox; and not what a body looks like.
    let fence = scene.deliver_fields(ME, &fields(&[("data", "wide")])).await;
    let wide = defer(&fence, Duration::ZERO, &many_fields(6_000));
    scene.settler(ME).defer(&mut scene.session, &[&wide]).await.unwrap();
    let wide_body = scene.contents().await.0[BODIES].clone();
    let Held::Hash(wide_body) = wide_body else { panic!("{wide_body:?}") };
    let wide_body = wide_body.into_values().next().unwrap();
    let rank = |token: &str| ["ZADD", DELAY, "1", token].map(str::to_owned);
    scene.db.cmd(&rank("damaged")).await;
    scene.db.cmd(&["HSET", BODIES, "damaged", "\u{1}"]).await;
    scene.db.cmd(&rank("empty")).await;
    scene.eval(&format!("redis.call('HSET', '{BODIES}', 'empty', cmsgpack.pack({{}}))")).await;
    backlog(&scene, 2).await;

    let promoted = promote_once(&mut scene).await;
    assert_eq!((promoted.moved, promoted.next), (2, None));
    assert_eq!(promoted.bodiless.len(), 3, "{:?}", promoted.bodiless);
    let after = scene.contents().await;
    assert_eq!(after.entries(INBOX), [fields(&[("data", "1")]), fields(&[("data", "2")])]);
    assert_eq!(after.sorted_set(DELAY), []);
    // What there was of a body is kept with the dead letter.
    let dead = scene.db.entries(DEAD).await;
    assert_eq!(dead.len(), 3);
    let kept = dead.iter().find(|letter| letter.text("original_entry").starts_with(&*fence.stream));
    assert_eq!(kept.unwrap().bytes("data"), Some(wide_body.as_slice()));
}

#[tokio::test]
async fn broken_dead_letters_hold_back_no_promotion() {
    let mut scene = Scene::set().await;
    backlog(&scene, 3).await;
    scene.db.cmd(&["HDEL", BODIES, "token-000002"]).await;
    scene.db.cmd(&["SET", DEAD, "not a stream"]).await;
    let promoted = promote_once(&mut scene).await;
    assert_eq!((promoted.moved, promoted.bodiless), (2, vec![]));
    let after = scene.contents().await;
    assert_eq!(after.entries(INBOX).len(), 2);
    let waiting = after.sorted_set(DELAY);
    assert_eq!(waiting[0].0, "token-000002", "it is not forgotten");
    assert!(promoted.next > Some(Duration::from_secs(50)), "and asked for no more than it helps");
    scene.db.cmd(&["DEL", DEAD]).await;
    scene.db.cmd(&["ZADD", DELAY, "2", "token-000002"]).await;
    assert_eq!(promote_once(&mut scene).await.bodiless, ["token-000002"]);
}

#[tokio::test]
async fn an_inbox_of_the_wrong_type_leaves_everything_delayed() {
    let mut scene = Scene::set().await;
    backlog(&scene, 3).await;
    scene.db.cmd(&["SET", INBOX, "not a stream"]).await;
    let before = scene.contents().await;
    let error = promote(&mut scene.session, &scene.keys, WORKER).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    assert_eq!(scene.contents().await, before);
}

#[tokio::test]
async fn an_inbox_that_takes_no_entries_leaves_everything_delayed() {
    let mut scene = Scene::set().await;
    backlog(&scene, 3).await;
    scene.exhaust(INBOX).await;
    let before = scene.contents().await;
    let error = promote(&mut scene.session, &scene.keys, WORKER).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    assert_eq!(scene.contents().await, before);
}

#[tokio::test]
async fn a_full_redis_promotes() {
    let mut scene = Scene::set().await;
    backlog(&scene, 3).await;
    scene.fill_memory().await;
    assert_eq!(promote_once(&mut scene).await.moved, 3);
}

#[tokio::test]
async fn what_happened_to_a_delayed_entry_can_be_read_while_it_waits() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    let told = History {
        failures: 2,
        last_error: "played: it was told to fail".to_owned(),
        ..History::fresh(&fences[0].stream, fences[0].entry)
    };
    let later = defer(&fences[0], Duration::from_secs(3600), &told.seal(&awkward_fields()));
    scene.settler(ME).defer(&mut scene.session, &[&later]).await.unwrap();
    let token = scene.contents().await.sorted_set(DELAY)[0].0.clone();
    let before = scene.contents().await;
    let read = history(&mut scene.session, &scene.keys, WORKER, &token).await.unwrap();
    assert_eq!(read, Some(told));
    let none = history(&mut scene.session, &scene.keys, WORKER, "another").await.unwrap();
    assert_eq!(none, None);
    assert_eq!(scene.contents().await, before);
}
