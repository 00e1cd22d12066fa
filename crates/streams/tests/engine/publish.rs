//! Publish: once per event id, with no memory of its own when Redis has none.

use printery_streams::publish::publish;
use printery_streams::{ErrorKind, Fields};

use crate::scene::{EVENT_TYPE, SOURCE, Scene, awkward_fields, fields, id, many_fields};

/// What is remembered of the publication of `e-1`.
const REMEMBERED: &str = "t:printery:published:deployment:started:e-1";

async fn published(scene: &mut Scene, event_id: &str, body: &Fields) -> (String, bool) {
    let session = &mut scene.session;
    let published = publish(session, &scene.keys, EVENT_TYPE, event_id, body).await.unwrap();
    (published.entry.to_string(), published.deduplicated)
}

#[tokio::test]
async fn an_event_is_published_byte_for_byte() {
    let mut scene = Scene::set().await;
    let (entry, deduplicated) = published(&mut scene, "e-1", &awkward_fields()).await;
    let after = scene.contents().await;
    assert_eq!((after.ids(SOURCE), deduplicated), (vec![entry], false));
    assert_eq!(after.entries(SOURCE), [awkward_fields()]);
}

#[tokio::test]
async fn publishing_again_changes_nothing_and_tells_where_it_is() {
    let mut scene = Scene::set().await;
    let (entry, _) = published(&mut scene, "e-1", &fields(&[("data", "first")])).await;
    let before = scene.contents().await;
    let again = published(&mut scene, "e-1", &fields(&[("data", "second")])).await;
    assert_eq!(again, (entry, true));
    assert_eq!(scene.contents().await, before);
    let (other, deduplicated) = published(&mut scene, "e-2", &fields(&[("data", "third")])).await;
    assert!(!deduplicated && id(&other) > id(&again.0));
}

#[tokio::test]
async fn an_event_id_is_remembered_for_a_day() {
    let mut scene = Scene::set().await;
    published(&mut scene, "e-1", &fields(&[("data", "x")])).await;
    let ttl_ms = scene.db.int(&["PTTL", REMEMBERED]).await;
    let day_ms = 24 * 60 * 60 * 1000;
    assert!((day_ms - 60_000..=day_ms).contains(&ttl_ms), "{ttl_ms}");
}

#[tokio::test]
async fn what_cannot_be_published_leaves_nothing() {
    let mut scene = Scene::set().await;
    let cases = [many_fields(5_000), Vec::new()];
    for body in cases {
        let refused = publish(&mut scene.session, &scene.keys, EVENT_TYPE, "e-1", &body).await;
        assert_eq!(refused.unwrap_err().kind, ErrorKind::Refused, "{} fields", body.len());
        assert!(scene.contents().await.0.is_empty());
    }
    for broken in [SOURCE, REMEMBERED] {
        scene.db.cmd(&["FLUSHALL"]).await;
        scene.db.cmd(&["RPUSH", broken, "a list"]).await;
        let body = fields(&[("data", "x")]);
        let refused = publish(&mut scene.session, &scene.keys, EVENT_TYPE, "e-1", &body).await;
        assert_eq!(refused.unwrap_err().kind, ErrorKind::Refused, "{broken}");
        assert_eq!(scene.db.keys("*").await, [broken]);
    }
}
