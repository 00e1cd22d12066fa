//! Escalation: others are told when nobody does anything, and only then.

use std::time::Duration;

use printery_events::Event;
use printery_fleet::eased;
use printery_harness::Outcome;
use printery_testkit::{Answer, HttpService};
use serde_json::json;

use super::{NOW_MS, Scene, asked, ok, owed, published};
use crate::errand::{Errand, escalation_order};
use crate::sample;

const FILE: &str = "routes:\n  - { match: { severity: critical }, to: [chat], \
    escalate: { after: 10m, to: [bus, book] } }\n  - { to: [chat] }\n";
const AFTER: Duration = Duration::from_secs(600);
const NOW: [&str; 1] = ["sent chat slack 1"];

async fn scene(service: &HttpService) -> Scene {
    service.answer(ok());
    let url = service.url();
    Scene::new(&format!("{url}/chat"), &format!("{url}/bus"), FILE).await
}

impl Scene {
    /// Handles the escalation of an event when it is due.
    async fn escalation(&self, event: &Event, after: Duration) -> Outcome {
        let to = vec!["bus".to_owned(), "book".to_owned()];
        let errand = Errand::Escalate { after: AFTER, to };
        let order = escalation_order(event, &errand.purpose());
        self.later(&errand.follow_up(event, &order).unwrap(), after).await
    }

    /// How many things are put aside.
    async fn put_aside(&self) -> i64 {
        self.server.connect().await.int(&["ZCARD", "t:printery:delay:notifier"]).await
    }
}

#[tokio::test]
async fn others_are_told_when_nobody_does_anything() {
    let service = HttpService::start().await;
    let scene = scene(&service).await;
    let event = sample::failed();
    assert_eq!(scene.told(&event).await, NOW);
    assert_eq!(scene.told(&event).await, NOW, "whoever sees to it again");
    assert_eq!(scene.put_aside().await, 1);
    let due = scene.escalation(&event, AFTER).await;
    assert_eq!(published(&due), ["sent bus webhook 1", "sent book log 1"]);
    assert_eq!((asked(&service, "/chat"), asked(&service, "/bus")), (1, 1));
    let said = service.requests().pop().unwrap().json()["note"].to_string();
    assert!(said.contains("nobody has resolved or acknowledged it for 10 min"), "{said}");
}

#[tokio::test]
async fn nobody_else_is_told_of_what_is_over() {
    let service = HttpService::start().await;
    let scene = scene(&service).await;
    let health = |status: &str, id: &str| Event { id: id.to_owned(), ..sample::health(status) };
    scene.told(&health("UNHEALTHY", "e-1")).await;
    let data = json!({ "deployment_id": "d-1", "status": "success", "restored_version": "1.1.0" });
    let unrelated = Event { id: "e-2".to_owned(), ..sample::event("rollback:completed", &data) };
    scene.later(&health("HEALTHY", "e-3"), Duration::from_secs(60)).await.unwrap();
    let due = scene.escalation(&health("UNHEALTHY", "e-1"), AFTER).await;
    assert_eq!(published(&due), [""; 0], "health is good again");
    // A rollback ends all trouble that was there before, and none that comes after.
    let failed = |id: &str| Event { id: id.to_owned(), ..sample::failed() };
    scene.told(&failed("e-4")).await;
    scene.later(&unrelated, Duration::from_secs(120)).await.unwrap();
    scene.later(&failed("e-5"), Duration::from_secs(180)).await.unwrap();
    assert_eq!(published(&scene.escalation(&failed("e-4"), AFTER).await), [""; 0]);
    assert_eq!(published(&scene.escalation(&failed("e-5"), AFTER * 2).await).len(), 2);
}

#[tokio::test]
async fn nobody_else_is_told_of_what_a_person_has_or_silenced() {
    let service = HttpService::start().await;
    let scene = scene(&service).await;
    let event = sample::failed();
    scene.told(&event).await;
    let records = scene.records();
    eased::acknowledge(&records, "d-1", "ana", NOW_MS - 1).await.unwrap();
    assert_eq!(published(&scene.escalation(&event, AFTER).await).len(), 2, "that was before");
    let other = Event { id: "e-9".to_owned(), ..sample::failed() };
    scene.told(&other).await;
    eased::acknowledge(&records, "d-1", "ana", NOW_MS + 5_000).await.unwrap();
    assert_eq!(published(&scene.escalation(&other, AFTER).await), [""; 0]);
}

#[tokio::test]
async fn an_escalation_that_cannot_be_told_is_tried_again_and_stops_when_somebody_has_it() {
    let service = HttpService::start().await;
    let scene = scene(&service).await;
    let event = sample::failed();
    scene.told(&event).await;
    service.answer_at("/bus", Answer::Status(503));
    assert_eq!(owed(scene.escalation(&event, AFTER).await).0, "receiver_unavailable");
    eased::acknowledge(&scene.records(), "d-1", "ana", NOW_MS + 610_000).await.unwrap();
    let later = AFTER + Duration::from_secs(30);
    assert_eq!(published(&scene.escalation(&event, later).await), [""; 0]);
    assert_eq!(asked(&service, "/bus"), 1);
}

#[tokio::test]
async fn good_news_is_never_escalated() {
    let service = HttpService::start().await;
    let scene = scene(&service).await;
    scene.told(&sample::started()).await;
    scene.told(&Event { id: "e-2".to_owned(), ..sample::health("HEALTHY") }).await;
    assert_eq!(scene.put_aside().await, 0);
}
