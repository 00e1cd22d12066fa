//! What became of deployments, as the streams tell it.

use serde_json::json;

use super::*;

async fn publish(redis: &RedisServer, id: &str, kind: &str, data: Value) {
    let stream = format!("materi:events:deployment:{kind}");
    // What is added within a millisecond would have no order.
    let time = id.replace("e-", "2026-03-01T12:00:0") + "Z";
    let fields = [("id", id.to_owned()), ("time", time), ("data", data.to_string())];
    redis.connect().await.add(&stream, &fields).await;
}

/// A deployment that failed at its second stage, and one that has begun.
async fn two(redis: &RedisServer) {
    let begun = |id: &str, environment: &str| {
        json!({
            "deployment_id": id, "version": "1.2.0", "environment": environment,
            "services": ["api"],
        })
    };
    publish(redis, "e-1", "deployment:started", begun("d-1", "staging")).await;
    let done = json!({"deployment_id": "d-1", "stage": "vercel", "status": "success"});
    publish(redis, "e-2", "deployment:stage:vercel:completed", done).await;
    let failed = json!({
        "deployment_id": "d-1", "stage": "railway", "status": "failure",
        "error_message": "no room",
    });
    publish(redis, "e-3", "deployment:stage:railway:completed", failed).await;
    let failed =
        json!({"deployment_id": "d-1", "failed_stage": "railway", "reason": "no room left"});
    publish(redis, "e-4", "deployment:failed", failed).await;
    publish(redis, "e-5", "deployment:started", begun("d-2", "production")).await;
    let letter = [
        ("event_id", "e-3"),
        ("deployment_id", "d-1"),
        ("worker", "notifier"),
        ("failure_reason", "max_attempts"),
    ];
    redis.connect().await.add("materi:events:deployment:dlq:notifier", &letter).await;
}

#[tokio::test]
async fn deployments_are_listed_with_how_they_stand() {
    let redis = RedisServer::start().await;
    let served = Served::start(&redis, Guard::Loopback, true).await;
    two(&redis).await;
    let (status, all) = served.json("/api/deployments?limit=1").await;
    assert_eq!((status, &all["total"], &all["hasMore"]), (200, &json!(2), &json!(true)), "{all}");
    assert_eq!(all["deployments"][0]["deployment_id"], "d-2");
    let (_, failed) = served.json("/api/deployments?status=failure&service=api").await;
    let one = &failed["deployments"][0];
    assert_eq!((&failed["total"], &one["deployment_id"]), (&json!(1), &json!("d-1")));
    assert_eq!((&one["progress"], &one["stage"]), (&json!(100), &json!("railway")));
    let (_, elsewhere) = served.json("/api/deployments?environment=production").await;
    assert_eq!(elsewhere["deployments"][0]["status"], "RUNNING");
    assert_eq!(served.get("/api/deployments?stauts=x").await.0, 400);
}

#[tokio::test]
async fn a_failed_deployment_names_its_stage_and_its_dead_letters() {
    let redis = RedisServer::start().await;
    let served = Served::start(&redis, Guard::Loopback, true).await;
    two(&redis).await;
    let (status, one) = served.json("/api/deployments/d-1").await;
    assert_eq!((status, &one["status"], &one["events"]), (200, &json!("FAILURE"), &json!(4)));
    assert_eq!(one["analysis"]["failing_stage"], "railway");
    let letter = one["analysis"]["dead_letters"][0].as_str().unwrap();
    assert!(letter.starts_with("notifier ") && letter.ends_with(": max_attempts"), "{letter}");
    let (_, events) = served.json("/api/deployments/d-1/events").await;
    let ids: Vec<&Value> =
        events["events"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert_eq!(ids, ["e-1", "e-2", "e-3", "e-4"]);
    let (_, timeline) = served.json("/api/deployments/d-1/timeline").await;
    let last = &timeline["timeline"][3];
    assert_eq!(
        (&last["word"], &last["detail"]),
        (&json!("failed"), &json!("at railway: no room left"))
    );
    assert_eq!(served.get("/api/deployments/d-9").await.0, 404);
    assert_eq!(served.get("/api/deployments/d%209").await.0, 400);
}

#[tokio::test]
async fn a_trimmed_deployment_is_shown_as_the_listener_left_it() {
    let redis = RedisServer::start().await;
    let served = Served::start(&redis, Guard::Loopback, true).await;
    let kept = json!({"deployment_id": "d-3", "status": "SUCCESS"}).to_string();
    redis.connect().await.cmd(&["SET", "materi:deployment:unified:d-3", &kept]).await;
    let (status, one) = served.json("/api/deployments/d-3").await;
    assert_eq!((status, &one["status"]), (200, &json!("SUCCESS")));
}

#[tokio::test]
async fn prometheus_is_told_where_to_scrape() {
    let redis = RedisServer::start().await;
    let served = Served::start(&redis, Guard::Loopback, true).await;
    served.roll.send_modify(|roll| {
        for (index, address) in ["192.0.2.7:9000", "127.0.0.1:9"].into_iter().enumerate() {
            let name = ["notifier", "health-monitor"][index];
            let http = Some(address.parse().unwrap());
            roll.children.push(crate::roll::ChildView { http, ..child(name, State::Running) });
        }
    });
    let (status, groups) = served.json("/api/metrics/targets").await;
    let groups = groups.as_array().unwrap().clone();
    assert_eq!((status, groups.len()), (200, 2), "a loopback address is nobody else's: {groups:?}");
    assert_eq!(groups[0]["labels"]["worker"], "manager");
    assert_eq!(
        (&groups[1]["targets"][0], &groups[1]["labels"]["worker"]),
        (&json!("192.0.2.7:9000"), &json!("notifier"))
    );
}
