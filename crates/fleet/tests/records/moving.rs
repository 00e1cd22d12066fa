//! The ways out of the dead letters: each letter leaves by one of them, once, with its bytes.

use std::collections::BTreeMap;

use printery_fleet::dead_letters::{
    Decision, Filter, Following, PAGE, Pages, PutAway, Redriven, Resolution, Verdicts, purge,
    put_away, redrive,
};
use printery_streams::settle::{Commit, Settler};
use printery_streams::{EntryId, ErrorKind, Session};
use tokio::task::JoinSet;

use crate::scene::{DEAD, INBOX, Scene, WORKER, awkward_fields, many_fields, member, pair};

const PROCESSED: &str = "t:events:deployment:dlq:processed";

fn resolved(notes: &str) -> Resolution {
    Resolution { decision: Decision::Resolved, notes: notes.into(), actor: "ann@desk".into() }
}

async fn put(scene: &mut Scene, entry: EntryId, resolution: &Resolution) -> PutAway {
    put_away(&mut scene.session, &scene.keys, WORKER, entry, resolution).await.unwrap()
}

#[tokio::test]
async fn a_resolved_letter_keeps_its_bytes_and_says_who_decided_and_why() {
    for original in [awkward_fields(), vec![pair(b"status", b"mine")], many_fields(20_000)] {
        let mut scene = Scene::set().await;
        scene.bury(&original, "max_attempts").await;
        let before = scene.db.entries(DEAD).await.remove(0);
        let id = scene.letters().await.remove(0).id;
        let PutAway::Processed(_) = put(&mut scene, id, &resolved("fixed by hand")).await else {
            panic!("it was there")
        };
        assert_eq!(scene.db.len(DEAD).await, 0);
        let after = scene.db.entries(PROCESSED).await.remove(0);
        let (kept, decided) = after.fields.split_at(after.fields.len() - 4);
        let mut expected = before.fields.clone();
        let ours = expected.iter().rposition(|(name, _)| name == b"status").unwrap();
        expected.remove(ours);
        assert_eq!(kept, expected, "everything but our own status");
        let decided: Vec<_> =
            decided.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
        assert_eq!(decided[0], (&b"status"[..], &b"resolved"[..]));
        assert_eq!(decided[1], (&b"resolution_notes"[..], &b"fixed by hand"[..]));
        assert_eq!(decided[3], (&b"actor"[..], &b"ann@desk"[..]));
        let at: u64 = std::str::from_utf8(decided[2].1).unwrap().parse().unwrap();
        assert!(decided[2].0 == b"resolved_at" && at >= id.ms, "{at}");
        assert_eq!(put(&mut scene, id, &resolved("")).await, PutAway::Gone);
        assert_eq!(scene.db.len(PROCESSED).await, 1);
    }
}

#[tokio::test]
async fn a_destination_that_cannot_take_it_leaves_everything_as_it_is() {
    let mut scene = Scene::set().await;
    scene.bury(&awkward_fields(), "max_attempts").await;
    let id = scene.letters().await.remove(0).id;
    scene.db.cmd(&["DEL", INBOX]).await;
    scene.db.cmd(&["SET", INBOX, "in the way"]).await;
    scene.db.cmd(&["SET", PROCESSED, "in the way"]).await;
    let refused = redrive(&mut scene.session, &scene.keys, WORKER, id).await.unwrap_err();
    assert!(refused.kind == ErrorKind::Refused && refused.to_string().contains(INBOX), "{refused}");
    let abandoned = Resolution { decision: Decision::Abandoned, ..resolved("") };
    let refused = put_away(&mut scene.session, &scene.keys, WORKER, id, &abandoned).await;
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Refused);
    assert_eq!(scene.db.len(DEAD).await, 1);
}

#[tokio::test]
async fn a_full_redis_does_not_keep_letters_from_being_moved() {
    let mut scene = Scene::set().await;
    scene.bury(&awkward_fields(), "one").await;
    scene.bury(&awkward_fields(), "two").await;
    let ids: Vec<EntryId> = scene.letters().await.iter().map(|letter| letter.id).collect();
    scene.db.cmd(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let moved = redrive(&mut scene.session, &scene.keys, WORKER, ids[0]).await.unwrap();
    assert!(matches!(moved, Redriven::Inbox(_)));
    assert!(matches!(put(&mut scene, ids[1], &resolved("")).await, PutAway::Processed(_)));
    assert_eq!(scene.db.len(DEAD).await, 0);
}

/// What somebody does to a letter; whether it was them.
async fn try_one(
    session: &mut Session,
    scene_keys: &printery_streams::Keys,
    who: usize,
    id: EntryId,
) -> &'static str {
    match who % 3 {
        0 => match redrive(session, scene_keys, WORKER, id).await.unwrap() {
            Redriven::Inbox(_) => "inbox",
            Redriven::Gone | Redriven::Bodiless | Redriven::TooWide(_) => "nothing",
        },
        1 => match put_away(session, scene_keys, WORKER, id, &resolved("")).await.unwrap() {
            PutAway::Processed(_) => "processed",
            PutAway::Gone => "nothing",
        },
        _ => match purge(session, scene_keys, WORKER, &[id]).await.unwrap() {
            0 => "nothing",
            _ => "purged",
        },
    }
}

#[tokio::test]
async fn six_people_at_once_move_each_letter_once() {
    const LETTERS: usize = 60;
    let mut scene = Scene::set().await;
    for _ in 0..LETTERS {
        scene.bury(&vec![pair(b"data", b"x")], "max_attempts").await;
    }
    let ids: Vec<EntryId> = scene.letters().await.iter().map(|letter| letter.id).collect();
    assert_eq!(ids.len(), LETTERS);
    let mut people = JoinSet::new();
    for who in 0..6 {
        let (mut session, keys, mut ids) = (scene.redis.session(), scene.keys.clone(), ids.clone());
        // Each begins somewhere else, so that each of them wins now and then.
        ids.rotate_left(who * LETTERS / 6);
        people.spawn(async move {
            let mut did: BTreeMap<&str, i64> = BTreeMap::new();
            for id in ids {
                *did.entry(try_one(&mut session, &keys, who, id).await).or_default() += 1;
            }
            did
        });
    }
    let mut sum: BTreeMap<&str, i64> = BTreeMap::new();
    while let Some(did) = people.join_next().await {
        for (what, count) in did.unwrap() {
            *sum.entry(what).or_default() += count;
        }
    }
    let of = |what: &str| sum.get(what).copied().unwrap_or(0);
    assert_eq!(of("inbox") + of("processed") + of("purged"), 60, "{sum:?}");
    let lengths = (scene.db.len(INBOX).await, scene.db.len(PROCESSED).await);
    assert_eq!((lengths, scene.db.len(DEAD).await), ((of("inbox"), of("processed")), 0));
}

#[tokio::test]
async fn pages_end_where_the_letters_ended_when_they_were_begun() {
    let mut scene = Scene::set().await;
    for n in 0..PAGE + 3 {
        scene.db.add(DEAD, &[("event_id", format!("e-{n}"))]).await;
    }
    let everything = Filter::default();
    let mut pages =
        Pages::begin(&mut scene.session, &scene.keys, WORKER, &everything).await.unwrap();
    scene.db.add(DEAD, &[("event_id", "late")]).await;
    let (mut again, mut seen) = (pages.clone(), Vec::new());
    loop {
        let page = pages.next(&mut scene.session).await.unwrap();
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= PAGE);
        seen.extend(page.iter().map(|entry| entry.text("event_id").unwrap().to_owned()));
    }
    let expected: Vec<String> = (0..PAGE + 3).map(|n| format!("e-{n}")).collect();
    assert_eq!(seen, expected);
    assert_eq!(again.next(&mut scene.session).await.unwrap().len(), PAGE, "a copy begins anew");
    let future = Filter { since_ms: Some(u64::MAX), ..Filter::default() };
    let mut none = Pages::begin(&mut scene.session, &scene.keys, WORKER, &future).await.unwrap();
    assert_eq!(none.next(&mut scene.session).await.unwrap(), []);
    let mut none =
        Pages::begin(&mut scene.session, &scene.keys, "nobody", &everything).await.unwrap();
    assert_eq!(none.next(&mut scene.session).await.unwrap(), []);
}

#[tokio::test]
async fn letters_that_were_put_back_are_followed_until_they_are_settled_or_dead() {
    let mut scene = Scene::set().await;
    for _ in 0..2 {
        scene.bury(&vec![pair(b"data", b"x")], "max_attempts").await;
    }
    let letters = scene.letters().await;
    let mut following = Following::begin(&mut scene.session, &scene.keys, WORKER).await.unwrap();
    for letter in &letters {
        let Redriven::Inbox(inbox) = scene.redrive(letter).await else { panic!("it was there") };
        following.add(inbox, letter);
    }
    let nothing = following.look(&mut scene.session, &scene.keys).await.unwrap();
    assert_eq!((nothing, following.open()), (Verdicts::default(), 2));

    // One succeeds, the other one dies again.
    let mut delivered = scene.fetcher.take(&mut scene.session, 8).await.unwrap();
    let (good, bad) = (delivered.remove(0), delivered.remove(0));
    let settler = Settler::new(scene.keys.clone(), member("me"), 0, 15_000);
    let commit = Commit {
        fence: good.fence.clone(),
        event_id: "e-1".into(),
        event_type: "deployment:started".into(),
        replay: true,
        attempt: 1,
        started_ms: 1,
        results: Vec::new(),
    };
    settler.commit(&mut scene.session, &[&commit]).await.unwrap();
    let verdicts = following.look(&mut scene.session, &scene.keys).await.unwrap();
    assert_eq!((verdicts, following.open()), (Verdicts { done: 1, failed: 0 }, 1));
    scene.bury_delivery(&bad, "max_attempts").await;
    let verdicts = following.look(&mut scene.session, &scene.keys).await.unwrap();
    assert_eq!((verdicts, following.open()), (Verdicts { done: 0, failed: 1 }, 0));
}
