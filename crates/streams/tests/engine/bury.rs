//! Bury: a delivery becomes a dead letter with its own bytes first, and is acknowledged with it.

use printery_streams::settle::{Bury, Settled};

use crate::contents::row;
use crate::scene::{
    DEAD, EVENT_TYPE, GROUP, LEDGER, LOG, ME, OTHER, SOURCE, Scene, awkward_fields, bury, fields,
    many_fields,
};

#[tokio::test]
async fn a_dead_letter_carries_the_entry_s_own_pairs_first_and_verbatim() {
    let mut scene = Scene::set().await;
    let fences = [
        scene.deliver_fields(ME, &awkward_fields()).await,
        scene.deliver_fields(ME, &fields(&[("data", "stays")])).await,
    ];
    let dead = bury(&fences[0], "e-1", &awkward_fields());
    let verdicts = scene.settler(ME).bury(&mut scene.session, &[&dead]).await.unwrap();
    assert_eq!(verdicts, [Settled::Done]);
    let after = scene.contents().await;
    let mut expected = awkward_fields();
    expected.extend(fields(&[("worker", "validator"), ("original_fields", "8")]));
    assert_eq!(after.entries(DEAD), [expected]);
    assert_eq!(after.pending(SOURCE), [row(&fences[1].entry, ME, 1)]);
    assert_eq!(after.hash(LEDGER), [(format!("{SOURCE}|dead"), "1".to_owned())].into());

    let log = &scene.db.entries(LOG).await[0];
    let expected = [
        ("stream", SOURCE),
        ("entry", &fences[0].entry.to_string()),
        ("event_id", "e-1"),
        ("event_type", EVENT_TYPE),
        ("outcome", "dead"),
        ("attempts", "3"),
        ("instance", ME),
        ("started", "7"),
        ("finished", &log.text("finished")),
        ("reason", "max_attempts"),
        ("results", &after.ids(DEAD)[0]),
    ];
    assert_eq!(log.fields, fields(&expected));
    assert!(after.without(&[SOURCE, DEAD, LOG, LEDGER]).0.is_empty(), "{after:#?}");
}

#[tokio::test]
async fn as_many_pairs_as_a_script_can_pass_on_stay_pairs() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    let dead = bury(&fences[0], "e-1", &many_fields(3_500));
    let verdicts = scene.settler(ME).bury(&mut scene.session, &[&dead]).await.unwrap();
    assert_eq!(verdicts, [Settled::Done]);
    let mut expected = many_fields(3_500);
    expected.extend(fields(&[("worker", "validator"), ("original_fields", "3500")]));
    assert!(scene.contents().await.entries(DEAD) == [expected]);
}

#[tokio::test]
async fn more_pairs_than_that_are_packed_and_none_is_lost() {
    for count in [3_501, 20_000] {
        let mut scene = Scene::set().await;
        let fences = scene.deliver(ME, 2).await;
        let mut original = awkward_fields();
        original.extend(many_fields(count - original.len()));
        let neighbour = bury(&fences[1], "e-2", &fields(&[("data", "narrow")]));
        let dead = bury(&fences[0], "e-1", &original);
        let settler = scene.settler(ME);
        let verdicts = settler.bury(&mut scene.session, &[&dead, &neighbour]).await.unwrap();
        assert_eq!(verdicts, [Settled::Done, Settled::Done]);

        let letters = scene.db.entries(DEAD).await;
        let names: Vec<&[u8]> = letters[0].fields.iter().map(|(name, _)| &**name).collect();
        let expected: [&[u8]; 3] = [b"original_msgpack", b"worker", b"original_fields"];
        assert_eq!(names, expected);
        assert_eq!(letters[0].text("original_fields"), count.to_string());
        let flat: Vec<&[u8]> = original.iter().flat_map(|(n, v)| [&**n, &**v]).collect();
        assert!(unpack(letters[0].bytes("original_msgpack").unwrap()) == flat, "{count}");
        assert_eq!(letters[1].text("data"), "narrow");
    }
}

/// Reads one MessagePack array of texts, whatever bytes they hold.
fn unpack(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut take = |count: usize| {
        let (taken, rest) = bytes.split_at(count);
        bytes = rest;
        taken
    };
    let number = |bytes: &[u8]| bytes.iter().fold(0, |n, byte| n * 256 + usize::from(*byte));
    let length = match take(1)[0] {
        short @ 0x90..=0x9f => usize::from(short & 0x0f),
        0xdc => number(take(2)),
        0xdd => number(take(4)),
        other => panic!("{other:#x} begins no array"),
    };
    let mut items = Vec::with_capacity(length);
    for _ in 0..length {
        let width = match take(1)[0] {
            short @ 0xa0..=0xbf => usize::from(short & 0x1f),
            0xd9 => number(take(1)),
            0xda => number(take(2)),
            0xdb => number(take(4)),
            other => panic!("{other:#x} begins no text"),
        };
        items.push(take(width));
    }
    assert!(bytes.is_empty(), "{} bytes are left over", bytes.len());
    items
}

#[tokio::test]
async fn a_delivery_without_a_body_has_a_dead_letter_too() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    scene.delete_body(&fences[0]).await;
    let dead = bury(&fences[0], "", &Vec::new());
    let verdicts = scene.settler(ME).bury(&mut scene.session, &[&dead]).await.unwrap();
    assert_eq!(verdicts, [Settled::Done]);
    let after = scene.contents().await;
    assert_eq!(after.entries(DEAD), [fields(&[("worker", "validator"), ("original_fields", "0")])]);
    assert!(after.pending(SOURCE).is_empty());
}

#[tokio::test]
async fn the_same_burial_sent_twice_leaves_one_dead_letter() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    let dead = bury(&fences[0], "e-1", &fields(&[("data", "body")]));
    let settler = scene.settler(ME);
    assert_eq!(settler.bury(&mut scene.session, &[&dead]).await.unwrap(), [Settled::Done]);
    let before = scene.contents().await;
    assert_eq!(settler.bury(&mut scene.session, &[&dead]).await.unwrap(), [Settled::Gone]);
    assert_eq!(scene.contents().await, before);
}

#[tokio::test]
async fn only_the_owner_buries() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 4).await;
    scene.take_over(&fences[0], OTHER).await;
    scene.take_over(&fences[1], ME).await;
    for place in [2, 3] {
        scene.db.cmd(&["XACK", SOURCE, GROUP, &fences[place].entry.to_string()]).await;
    }
    scene.delete_body(&fences[3]).await;
    let before = scene.contents().await;
    let dead: Vec<Bury> =
        fences.iter().map(|fence| bury(fence, "e", &fields(&[("data", "body")]))).collect();
    let dead: Vec<&Bury> = dead.iter().collect();
    let settler = scene.settler_within(ME, 1000);
    let verdicts = settler.bury(&mut scene.session, &dead).await.unwrap();
    assert_eq!(verdicts, [Settled::Fenced, Settled::Fenced, Settled::Gone, Settled::Lost]);
    assert_eq!(scene.contents().await, before);
}

#[tokio::test]
async fn without_its_group_nothing_is_buried() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    scene.db.cmd(&["XGROUP", "DESTROY", SOURCE, GROUP]).await;
    let before = scene.contents().await;
    let dead = bury(&fences[0], "e-1", &fields(&[("data", "body")]));
    let verdicts = scene.settler_within(ME, 1000).bury(&mut scene.session, &[&dead]).await.unwrap();
    assert_eq!(verdicts, [Settled::Gone]);
    assert_eq!(scene.contents().await, before);
}

#[tokio::test]
async fn a_full_redis_takes_dead_letters() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    scene.fill_memory().await;
    let dead = bury(&fences[0], "e-1", &fields(&[("data", "body")]));
    let verdicts = scene.settler(ME).bury(&mut scene.session, &[&dead]).await.unwrap();
    assert_eq!(verdicts, [Settled::Done]);
    let after = scene.contents().await;
    assert_eq!((after.entries(DEAD).len(), after.pending(SOURCE)), (1, vec![]));
}
