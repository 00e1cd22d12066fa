//! Redrive: a dead letter is in one place at a time, whoever moves it.

use printery_streams::ErrorKind;
use printery_streams::redrive::move_dead_letter;

use crate::scene::{DEAD, INBOX, Scene, awkward_fields, fields, id, many_fields};

#[tokio::test]
async fn a_dead_letter_moves_in_one_step() {
    let mut scene = Scene::set().await;
    let entry = id(&scene.add_fields(DEAD, &fields(&[("data", "dead")])).await);
    scene.add_fields(DEAD, &fields(&[("data", "stays")])).await;
    let body = awkward_fields();
    let moved = move_dead_letter(&mut scene.session, DEAD, entry, INBOX, &body).await.unwrap();
    let after = scene.contents().await;
    assert_eq!(after.ids(INBOX), [moved.unwrap().to_string()]);
    assert_eq!(after.entries(INBOX), [awkward_fields()]);
    assert_eq!(after.entries(DEAD), [fields(&[("data", "stays")])]);
}

#[tokio::test]
async fn two_people_who_redrive_it_do_it_once() {
    let scene = Scene::set().await;
    let entry = id(&scene.add_fields(DEAD, &fields(&[("data", "dead")])).await);
    let body = fields(&[("data", "again")]);
    let redrive = async || {
        let mut session = scene.redis.session();
        move_dead_letter(&mut session, DEAD, entry, INBOX, &body).await.unwrap()
    };
    let (one, two) = tokio::join!(redrive(), redrive());
    assert!(one.is_some() != two.is_some(), "{one:?} {two:?}");
    let after = scene.contents().await;
    assert_eq!((after.entries(INBOX).len(), after.entries(DEAD).len()), (1, 0));
}

#[tokio::test]
async fn what_cannot_be_added_stays_a_dead_letter() {
    let mut scene = Scene::set().await;
    let entry = id(&scene.add_fields(DEAD, &fields(&[("data", "dead")])).await);
    let before = scene.contents().await;
    for body in [many_fields(5_000), Vec::new()] {
        let refused = move_dead_letter(&mut scene.session, DEAD, entry, INBOX, &body).await;
        assert_eq!(refused.unwrap_err().kind, ErrorKind::Refused, "{} fields", body.len());
        assert_eq!(scene.contents().await, before);
    }
    scene.db.cmd(&["SET", INBOX, "not a stream"]).await;
    let before = scene.contents().await;
    let body = fields(&[("data", "again")]);
    let refused = move_dead_letter(&mut scene.session, DEAD, entry, INBOX, &body).await;
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Refused);
    assert_eq!(scene.contents().await, before);
}

#[tokio::test]
async fn a_dead_letter_that_is_not_there_moves_nowhere() {
    let mut scene = Scene::set().await;
    let body = fields(&[("data", "again")]);
    let moved = move_dead_letter(&mut scene.session, DEAD, id("5-0"), INBOX, &body).await;
    assert_eq!(moved.unwrap(), None);
    assert!(scene.contents().await.0.is_empty());
}
