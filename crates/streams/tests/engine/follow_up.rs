//! What a worker puts aside for itself: once, in an order of its own, and lost to no crash.

use std::time::Duration;

use printery_streams::follow_up::{FollowUp, in_line, is_taken, put_aside};
use printery_streams::order::Turn;
use printery_streams::settle::Settled;
use printery_streams::{Fields, audit};

use crate::line_scene::{Replica, note, set};
use crate::scene::{BODIES, DELAY, INBOX, LINE, ME, OTHER, Scene, WORKER};

const DUE: Duration = Duration::ZERO;
const LATER: Duration = Duration::from_secs(3600);

fn entry(order: &str, text: &str) -> Fields {
    [("subject", "d"), ("printeryorder", order), ("note", text)]
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .to_vec()
}

impl Scene {
    async fn aside(&mut self, order: &str, text: &str, delay: Duration) -> bool {
        let (fields, token) = (entry(order, text), format!("token-{text}"));
        let follow_up = FollowUp { token: &token, order, delay, fields: &fields };
        put_aside(&mut self.session, &self.keys, WORKER, follow_up).await.unwrap()
    }
}

#[tokio::test]
async fn what_is_put_aside_comes_when_it_is_due_and_only_once() {
    let (mut scene, mut me) = set().await;
    assert!(scene.aside("d@chat", "1", LATER).await);
    assert!(!scene.aside("d@chat", "1", DUE).await, "it is put aside already");
    assert!(scene.aside("d@bus", "2", DUE).await);
    assert_eq!(scene.promote().await.moved, 1);
    assert_eq!(me.notes().await, ["2"]);
    assert_eq!(scene.turn("d@chat").await, Some(Turn::Delayed("token-1".to_owned())));
}

#[tokio::test]
async fn it_stands_in_no_line_but_its_own() {
    let (mut scene, mut me) = set().await;
    scene.aside("d@chat", "first", DUE).await;
    scene.aside("d@chat", "second", DUE).await;
    scene.aside("d@chat", "third", DUE).await;
    scene.promote().await;
    scene.queue("d", &["event"]).await;
    // The deployment's own events pass it, and it passes them.
    let taken = me.take(8).await;
    assert_eq!(taken.iter().map(note).collect::<Vec<_>>(), ["first", "event"]);
    let (session, keys) = (&mut scene.session, &scene.keys);
    assert!(is_taken(session, keys, WORKER, "d@chat").await.unwrap());
    assert!(!is_taken(session, keys, WORKER, "d@bus").await.unwrap());
    let waiting = in_line(session, keys, WORKER, "d@chat", 10).await.unwrap();
    assert_eq!(waiting, [entry("d@chat", "second"), entry("d@chat", "third")]);

    // Whoever is put off keeps the turn, and holds nobody up but its own line.
    assert_eq!(me.defer(&scene, &taken[0], LATER).await, Settled::Done);
    assert_eq!(me.commit(&scene, &taken[1]).await, Settled::Done);
    scene.queue("d", &["next"]).await;
    assert_eq!(me.notes().await, ["next"]);
}

#[tokio::test]
async fn the_next_in_line_comes_when_the_one_before_is_over_even_if_its_owner_died() {
    let (mut scene, mut me) = set().await;
    scene.aside("d@chat", "first", DUE).await;
    scene.aside("d@chat", "second", DUE).await;
    scene.promote().await;
    let taken = me.take(8).await;
    assert_eq!(taken.iter().map(note).collect::<Vec<_>>(), ["first"]);
    let mut other = Replica::of(&scene, OTHER).await;
    scene.silence(&taken[0].fence, ME, 1).await;
    let claimed = other.reclaim(&scene, INBOX).await.deliveries;
    assert_eq!(claimed.iter().map(note).collect::<Vec<_>>(), ["first"]);
    assert_eq!(other.commit(&scene, &claimed[0]).await, Settled::Done);
    assert_eq!(other.notes().await, ["second"]);
}

#[tokio::test]
async fn the_books_know_what_was_put_aside() {
    let (mut scene, mut me) = set().await;
    for text in ["1", "2", "3"] {
        scene.aside("d@chat", text, DUE).await;
    }
    scene.promote().await;
    let taken = me.take(8).await;
    me.commit(&scene, &taken[0]).await;
    let flow = audit::flow(&mut scene.session, &scene.keys, WORKER).await.unwrap().unwrap();
    assert!(flow.ledger.contains(&("follow-up|put-aside".to_owned(), 3)), "{flow:?}");
    assert_eq!((flow.delayed, flow.in_line, flow.inbox_added), (0, 1, 2), "all three are there");
}

#[tokio::test]
async fn a_key_of_another_type_is_refused_and_nothing_is_written() {
    let (mut scene, _me) = set().await;
    for key in [BODIES, DELAY, LINE] {
        scene.db.cmd(&["SET", key, "text"]).await;
        let before = scene.contents().await;
        let fields = entry("d@chat", "1");
        let follow_up = FollowUp { token: "t", order: "d@chat", delay: DUE, fields: &fields };
        let refused = put_aside(&mut scene.session, &scene.keys, WORKER, follow_up).await;
        assert!(refused.unwrap_err().to_string().contains(key), "{key}");
        assert_eq!(scene.contents().await, before);
        scene.db.cmd(&["DEL", key]).await;
    }
    assert!(Replica::of(&scene, ME).await.notes().await.is_empty());
}
