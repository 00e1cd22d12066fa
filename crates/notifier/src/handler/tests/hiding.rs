//! Inhibition: whoever heard of the cause is not told of the consequence, and is told when it is over.

use std::time::Duration;

use printery_events::Event;
use printery_testkit::HttpService;
use serde_json::json;

use super::{Scene, asked, ok};
use crate::sample;

/// The bus hears of everything, the chat of what a dependency check says as well.
const FILE: &str = "notifier: { attempts: 1 }\n\
    inhibit: [{ source: 'stage == \"railway\"', target: 'type == \"deployment:failed\"', equal: [deployment_id] }]\n\
    routes: [{ match: { event: 'deployment:stage:*' }, to: [chat] }, { to: [chat, book] }]\n";

async fn scene(service: &HttpService) -> Scene {
    service.answer(ok());
    Scene::new(&format!("{}/chat", service.url()), super::NOBODY, FILE).await
}

fn named(id: &str, event: Event) -> Event {
    Event { id: id.to_owned(), ..event }
}

/// A dependency check that blames postgres for the api.
fn cause() -> Event {
    let data = json!({
        "deployment_id": "d-1", "phase": "pre-deploy", "services": ["api"],
        "result": "SOME_DEGRADED", "statuses": [], "root_causes": ["postgres"],
        "impaired": [{ "name": "api", "by": "postgres" }], "duration_ms": 5, "summary": "s",
    });
    named("cause", sample::event("dependency:check:completed", &data))
}

fn unhealthy(id: &str) -> Event {
    let data = json!({
        "deployment_id": "d-1", "phase": "post-stage", "status": "UNHEALTHY",
        "rollback_requested": false, "duration_ms": 1, "summary": "s", "services": [{
            "service": "api", "status": "unhealthy", "samples": 3, "error_rate": 1.0,
            "p50_ms": 1.0, "p99_ms": 2.0, "reason": "" }],
    });
    named(id, sample::event("health:check:completed", &data))
}

#[tokio::test]
async fn who_heard_of_the_root_cause_is_not_told_of_what_it_impairs() {
    let service = HttpService::start().await;
    let scene = scene(&service).await;
    assert_eq!(scene.told(&unhealthy("before")).await, ["sent chat slack 1", "sent book log 1"]);
    assert_eq!(scene.told(&cause()).await, ["sent chat slack 1", "sent book log 1"]);
    let hidden = unhealthy("after");
    assert_eq!(scene.told(&hidden).await, ["sent book log 1"], "the log is written all the same");
    assert_eq!(scene.told(&hidden).await, ["sent book log 1"], "whoever sees to it again");
    assert_eq!(asked(&service, "/chat"), 2);
    let db = scene.server.connect().await;
    let key = "t:printery:told:health:check:completed:after";
    let noted = db.text(&["HGET", key, "chat"]).await.unwrap();
    let noted: serde_json::Value = serde_json::from_str(&noted).unwrap();
    assert_eq!(noted["state"], "withheld");
    assert_eq!(noted["why"], "inhibited by the root cause postgres, told with cause");

    // It is over, which is told; what comes then is news again.
    let well = named(
        "well",
        sample::event(
            "deployment:completed",
            &json!({ "deployment_id": "d-1", "status": "success" }),
        ),
    );
    assert_eq!(scene.told(&well).await, ["sent chat slack 1", "sent book log 1"]);
    let again = unhealthy("again");
    assert_eq!(scene.told(&again).await, ["sent chat slack 1", "sent book log 1"]);
}

#[tokio::test]
async fn a_rule_hides_what_follows_for_as_long_as_a_cause_counts() {
    let service = HttpService::start().await;
    let scene = scene(&service).await;
    let stage = json!({ "deployment_id": "d-1", "stage": "railway", "status": "failure" });
    let stage = named("stage", sample::event("deployment:stage:railway:completed", &stage));
    assert_eq!(scene.told(&stage).await, ["sent chat slack 1"]);
    assert_eq!(scene.told(&named("f-1", sample::failed())).await, ["sent book log 1"]);
    let long_after = scene.later(&named("f-2", sample::failed()), Duration::from_secs(3700)).await;
    assert_eq!(super::published(&long_after), ["sent chat slack 1", "sent book log 1"]);
}

#[tokio::test]
async fn a_cause_that_nobody_was_told_of_hides_nothing() {
    let service = HttpService::start().await;
    let scene = scene(&service).await;
    let db = scene.server.connect().await;
    let silence = json!({
        "id": "a", "matches": { "event": "dependency:*" }, "since_ms": 1, "actor": "ana",
        "until_ms": super::NOW_MS + 60_000, "reason": "a rehearsal",
    });
    db.cmd(&["HSET", "t:printery:silences", "a", &silence.to_string()]).await;
    assert_eq!(scene.told(&cause()).await, ["sent book log 1"]);
    assert_eq!(scene.told(&unhealthy("e")).await, ["sent chat slack 1", "sent book log 1"]);
}
