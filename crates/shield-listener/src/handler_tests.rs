//! Records on a real Redis, whatever is delivered how often and in which order.

use std::time::Duration;

use printery_events::EventType;
use printery_harness::fleet::Records;
use printery_testkit::RedisServer;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use std::future::Future;

use super::*;

const CHANGES: &str = "materi:notifications:shield:deployment:d-1";
const RECORD: &str = "materi:deployment:unified:d-1";

struct Scene {
    redis: RedisServer,
    listener: Listener,
    context: Context,
}

impl Scene {
    async fn new() -> Self {
        let redis = RedisServer::start().await;
        let records = Records::try_new(&redis.url(), "materi").unwrap();
        let context = Context {
            attempt: 1,
            deadline: Instant::now() + Duration::from_secs(30),
            cancelled: CancellationToken::new(),
            started_ms: 1_772_366_400_000,
            instance: "shield-listener-test".to_owned(),
            records,
        };
        let fleet = Fleet::load(None, &|_| None).unwrap();
        Self { redis, listener: Listener::new(&Arc::new(fleet)), context }
    }

    async fn hears(&self, event: &Event) {
        self.listener.handle(event, &self.context).await.unwrap();
    }

    async fn record(&self) -> Value {
        let text = self.redis.connect().await.text(&["GET", RECORD]).await;
        serde_json::from_str(&text.unwrap()).unwrap()
    }

    async fn changes(&self) -> Vec<Value> {
        let entries = self.redis.connect().await.entries(CHANGES).await;
        entries.iter().map(|entry| serde_json::from_str(&entry.text("data")).unwrap()).collect()
    }
}

fn event(number: usize, kind: &str, mut data: Value) -> Event {
    data["deployment_id"] = json!("d-1");
    let field = |name: &str, value: String| (name.as_bytes().to_vec(), value.into_bytes());
    let fields = [
        field("id", format!("e-{number}")),
        field("time", format!("2026-03-01T12:00:{number:02}Z")),
        field("data", data.to_string()),
    ];
    Event::decode(Some(&EventType::parse(kind).unwrap()), &fields).unwrap()
}

fn deployment() -> Vec<Event> {
    let begun = json!({"version": "1.2.0", "environment": "staging", "services": ["api"]});
    let mut events = vec![event(0, "deployment:started", begun)];
    for (index, stage) in ["vercel", "railway", "folio"].into_iter().enumerate() {
        let begun = json!({"stage": stage, "version": "1.2.0", "services": ["api"]});
        events.push(event(index * 2 + 1, &format!("deployment:stage:{stage}:started"), begun));
        let done = json!({"stage": stage, "status": "success"});
        events.push(event(index * 2 + 2, &format!("deployment:stage:{stage}:completed"), done));
    }
    events.push(event(7, "deployment:completed", json!({"status": "success"})));
    events
}

#[tokio::test]
async fn progress_is_told_step_by_step_and_each_event_once() {
    let scene = Scene::new().await;
    for event in deployment() {
        scene.hears(&event).await;
        scene.hears(&event).await;
    }
    let changes = scene.changes().await;
    let progress: Vec<u64> = changes.iter().map(|it| it["progress"].as_u64().unwrap()).collect();
    assert_eq!(progress, [10, 20, 35, 40, 65, 75, 85, 100]);
    let record = scene.record().await;
    assert_eq!(record, changes[7], "the last change is what stands");
    assert_eq!((&record["status"], &record["duration_seconds"]), (&json!("SUCCESS"), &json!(7)));
    let connection = scene.redis.connect().await;
    for key in [RECORD, CHANGES] {
        let left = connection.int(&["TTL", key]).await;
        assert!((86_000..=86_400).contains(&left), "{key}: {left}");
    }
    assert!(connection.text(&["ZSCORE", "materi:printery:deployments", "d-1"]).await.is_some());
}

#[tokio::test]
async fn the_record_is_the_same_in_whatever_order_events_come() {
    let (forwards, backwards) = (Scene::new().await, Scene::new().await);
    for event in deployment() {
        forwards.hears(&event).await;
    }
    for event in deployment().iter().rev() {
        backwards.hears(event).await;
    }
    assert_eq!(forwards.record().await, backwards.record().await);
    let changes = backwards.changes().await;
    assert!(changes.iter().all(|it| it["progress"] == 100), "progress never goes back");
}

#[tokio::test]
async fn of_many_at_once_nobody_s_event_is_lost() {
    let scene = Scene::new().await;
    let events = deployment();
    let all = events.iter().map(|event| scene.hears(event));
    let mut waiting: Vec<_> = all.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        waiting.retain_mut(|one| one.as_mut().poll(context).is_pending());
        if waiting.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    let record = scene.record().await;
    assert_eq!((&record["progress"], &record["status"]), (&json!(100), &json!("SUCCESS")));
    assert_eq!(record["stages"].as_object().unwrap().len(), 3);
    assert_eq!(scene.changes().await.len(), events.len());
}

#[tokio::test]
async fn what_is_no_record_is_begun_anew() {
    let scene = Scene::new().await;
    scene.redis.connect().await.cmd(&["SET", RECORD, "broken"]).await;
    scene.hears(&deployment()[0]).await;
    assert_eq!(scene.record().await["status"], "RUNNING");
}
