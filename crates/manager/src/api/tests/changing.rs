//! Requests that write: events, dead letters, jobs.

use printery_streams::{EntryId, Keys, Redis, group};
use serde_json::json;

use super::*;

impl Served {
    /// Posts JSON and gives status and answer.
    async fn post(&self, path: &str, kind: &str, body: &str) -> (u16, Value) {
        self.send(path, &format!("Content-Type: {kind}\r\n"), body).await
    }

    async fn send(&self, path: &str, headers: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!(
            "POST {path} HTTP/1.0\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        let shown = serde_json::from_str(body);
        (status, shown.unwrap_or_else(|error| panic!("{error}: {answer}")))
    }
}

const JSON: &str = "application/json";
const STARTED: &str = "materi:events:deployment:deployment:started";
const INBOX: &str = "materi:events:deployment:inbox:validator";
const DEAD: &str = "materi:events:deployment:dlq:validator";

fn started(id: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "type": "deployment:started", "source": "/ci",
        "data": {
            "deployment_id": "d-1", "version": "1", "environment": "staging", "services": ["api"],
        },
    })
}

#[tokio::test]
async fn an_event_is_published_once_however_often_it_is_sent() {
    let redis = RedisServer::start().await;
    let served = Served::start(&redis, Guard::Loopback, true).await;
    let connection = redis.connect().await;
    let event = started("e-1").to_string();
    for repeated in [false, true] {
        let (status, answer) =
            served.post("/api/events", "application/cloudevents+json", &event).await;
        assert_eq!(status, 202, "{answer}");
        assert_eq!((&answer["id"], &answer["deduplicated"]), (&json!("e-1"), &json!(repeated)));
    }
    let headers = "Content-Type: application/json\r\nce-specversion: 1.0\r\nce-id: e-2\r\n\
                   ce-type: deployment:started\r\nce-source: /ci\r\n";
    let (status, answer) =
        served.send("/api/events", headers, &started("")["data"].to_string()).await;
    assert_eq!((status, &answer["id"]), (202, &json!("e-2")), "{answer}");
    let short = json!({"type": "deployment:started", "data": started("")["data"]}).to_string();
    assert_eq!(served.post("/api/events", JSON, &short).await.0, 202);
    assert_eq!(connection.entries(STARTED).await.len(), 3);
}

#[tokio::test]
async fn a_batch_is_taken_whole_or_not_at_all() {
    let redis = RedisServer::start().await;
    let served = Served::start(&redis, Guard::Loopback, true).await;
    let connection = redis.connect().await;
    let kind = "application/cloudevents-batch+json";
    let mixed = json!([started("e-1"), {"specversion": "1.0", "id": "x"}, "no event"]).to_string();
    let (status, answer) = served.post("/api/events", kind, &mixed).await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!("INVALID_EVENT")), "{answer}");
    let errors = answer["error"]["details"]["errors"].as_array().unwrap();
    assert_eq!((errors.len(), &errors[0]["pointer"]), (2, &json!("/1/type")));
    assert_eq!(connection.entries(STARTED).await.len(), 0);
    let good = json!([started("e-1"), started("e-2")]).to_string();
    let (status, answer) = served.post("/api/events", kind, &good).await;
    assert_eq!((status, &answer["accepted"]), (202, &json!(2)), "{answer}");
    assert_eq!(served.post("/api/events", kind, "[]").await.0, 202);
    assert_eq!(connection.entries(STARTED).await.len(), 2);
}

#[tokio::test]
async fn what_cannot_be_published_says_why_in_the_contract_s_shape() {
    let redis = RedisServer::start().await;
    let served = Served::start(&redis, Guard::Loopback, true).await;
    let unknown = json!({"type": "deployment:begun", "data": {}}).to_string();
    let cases = [
        (JSON, "{", 400, "INVALID_REQUEST"),
        (JSON, unknown.as_str(), 422, "INVALID_EVENT"),
        ("text/plain", "hello", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("application/cloudevents-batch+json", "{}", 400, "INVALID_REQUEST"),
    ];
    for (kind, body, status, code) in cases {
        let (found, answer) = served.post("/api/events", kind, body).await;
        assert_eq!((found, &answer["error"]["code"]), (status, &json!(code)), "{answer}");
    }
    let large = format!("\"{}\"", "x".repeat(LARGEST_BODY));
    let (status, answer) = served.post("/api/events", JSON, &large).await;
    assert_eq!((status, &answer["error"]["code"]), (413, &json!("PAYLOAD_TOO_LARGE")));
    let unsigned = served.post("/api/ingest/github", JSON, "{}").await;
    assert_eq!(unsigned.0, 401, "{}", unsigned.1);
}

#[tokio::test]
async fn an_alert_is_told_to_the_activity_feed() {
    let redis = RedisServer::start().await;
    let served = Served::start(&redis, Guard::Loopback, true).await;
    let webhook = json!({
        "version": "4", "status": "firing",
        "alerts": [{
            "status": "firing", "labels": {"alertname": "Slow", "service": "api"},
            "annotations": {"summary": "api is slow"}, "startsAt": "2026-03-01T12:00:00Z",
        }],
    });
    let (status, answer) =
        served.post("/api/ingest/alertmanager", JSON, &webhook.to_string()).await;
    assert_eq!((status, &answer["accepted"]), (202, &json!(1)));
    let fed = redis.connect().await.entries("materi:printery:activity").await;
    assert_eq!([fed[0].text("kind"), fed[0].text("subject")], ["alert:firing", "api"]);
    assert_eq!(served.post("/api/ingest/alertmanager", JSON, "{}").await.0, 400);
}

async fn with_dead_letter(redis: &RedisServer, id: &str) -> String {
    let data = started(id)["data"].to_string();
    let own = [("id", id), ("data", &data)].map(|(name, value)| (name, value.to_owned()));
    let fields = [
        ("event_id", id.to_owned()),
        ("event_type", "deployment:started".to_owned()),
        ("deployment_id", "d-1".to_owned()),
        ("original_stream", STARTED.to_owned()),
        ("original_entry", "5-1".to_owned()),
        ("worker", "validator".to_owned()),
        ("failure_reason", "max_attempts".to_owned()),
        ("original_fields", "2".to_owned()),
    ];
    let all: Vec<_> = own.into_iter().chain(fields).collect();
    redis.connect().await.add(DEAD, &all).await
}

#[tokio::test]
async fn a_dead_letter_is_listed_and_decided_on_with_a_record() {
    let redis = RedisServer::start().await;
    let served = Served::start(&redis, Guard::Loopback, true).await;
    let connection = redis.connect().await;
    let (first, second) =
        (with_dead_letter(&redis, "e-1").await, with_dead_letter(&redis, "e-2").await);
    let (status, listed) = served.json("/api/dlq/validator?limit=1").await;
    assert_eq!((status, &listed["total"], &listed["hasMore"]), (200, &json!(2), &json!(true)));
    assert_eq!(listed["deadLetters"][0]["event_id"], "e-2");
    let path = format!("/api/dlq/validator/{first}");
    let (status, answer) = served.post(&format!("{path}/redrive"), JSON, "").await;
    assert_eq!((status, &answer["status"]), (200, &json!("redriven")), "{answer}");
    assert_eq!(connection.entries(INBOX).await[0].text("event_id"), "e-1");
    let (status, _) = served.post(&format!("{path}/redrive"), JSON, "").await;
    assert_eq!(status, 404, "it was put back already");
    let notes = json!({"notes": "seen", "actor": "ada"}).to_string();
    let path = format!("/api/dlq/validator/{second}");
    let (status, answer) = served.post(&format!("{path}/resolve"), JSON, &notes).await;
    assert_eq!((status, &answer["status"]), (200, &json!("resolved")), "{answer}");
    let away = connection.entries("materi:events:deployment:dlq:processed").await;
    assert_eq!([away[0].text("resolution_notes"), away[0].text("actor")], ["seen", "ada"]);
    let log = connection.entries("materi:printery:operator-log").await;
    let actions: Vec<String> = log.iter().map(|entry| entry.text("action")).collect();
    assert_eq!(actions, ["dlq redrive", "dlq redrive", "dlq resolve", "dlq resolve"]);
    for (path, expected) in [("/api/dlq/nobody", 404), ("/api/dlq/validator?limt=1", 400)] {
        assert_eq!(served.get(path).await.0, expected, "{path}");
    }
    assert_eq!(served.post("/api/dlq/validator/5-1/forget", JSON, "").await.0, 404);
}

#[tokio::test]
async fn a_job_is_asked_for_seen_and_taken_back() {
    let redis = RedisServer::start().await;
    let served = Served::start(&redis, Guard::Loopback, true).await;
    served.json("/api/status").await;
    let parameters = json!({"parameters": {"version": "1.2.0", "services": ["api"]}}).to_string();
    let (status, answer) = served.post("/api/pipelines/validator/trigger", JSON, &parameters).await;
    assert_eq!((status, &answer["status"]), (201, &json!("queued")), "{answer}");
    let id = answer["jobId"].as_str().unwrap().to_owned();
    assert!(id.starts_with("validator-manual-"), "{id}");
    let (status, job) = served.json(&format!("/api/jobs/{id}")).await;
    assert_eq!(
        (status, &job["status"], &job["data"]["version"]),
        (200, &json!("queued"), &json!("1.2.0"))
    );
    assert!(job["completedAt"].is_null() && job.as_object().unwrap().contains_key("git"));
    let (_, listed) = served.json("/api/pipelines/validator/jobs?status=queued").await;
    assert_eq!((&listed["total"], &listed["jobs"][0]["id"]), (&json!(1), &json!(id)), "{listed}");

    let (status, answer) = served.post(&format!("/api/jobs/{id}/retry"), JSON, "").await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!("RETRY_FAILED")));
    let (status, answer) = served.post(&format!("/api/jobs/{id}/cancel"), JSON, "").await;
    assert_eq!((status, &answer["status"]), (200, &json!("cancelled")), "{answer}");
    let (_, job) = served.json(&format!("/api/jobs/{id}")).await;
    assert_eq!(job["status"], "cancelled", "{job}");
    let (status, answer) = served.post(&format!("/api/jobs/{id}/cancel"), JSON, "").await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!("CANCEL_FAILED")), "{answer}");
    assert_eq!(redis.connect().await.entries(INBOX).await.len(), 0);
}

#[tokio::test]
async fn what_a_process_has_is_not_taken_back() {
    let redis = RedisServer::start().await;
    let served = Served::start(&redis, Guard::Loopback, true).await;
    served.json("/api/status").await;
    let (_, answer) = served.post("/api/pipelines/validator/trigger", JSON, "{}").await;
    let id = answer["jobId"].as_str().unwrap().to_owned();
    let words = ["XREADGROUP", "GROUP", "printery-validator", "c", "STREAMS", INBOX, ">"];
    redis.connect().await.cmd(&words).await;
    let (_, job) = served.json(&format!("/api/jobs/{id}")).await;
    assert_eq!(job["status"], "running", "{job}");
    let (status, _) = served.post(&format!("/api/jobs/{id}/cancel"), JSON, "").await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn twenty_triggers_at_once_are_ten_jobs_with_names_of_their_own() {
    let redis = RedisServer::start().await;
    let served = Served::start(&redis, Guard::Loopback, true).await;
    served.json("/api/status").await;
    let mut names = std::collections::BTreeSet::new();
    let mut full = 0;
    for _ in 0..12 {
        let (status, answer) = served.post("/api/pipelines/notifier/trigger", JSON, "{}").await;
        match status {
            201 => assert!(names.insert(answer["jobId"].to_string())),
            429 => full += 1,
            _ => panic!("{answer}"),
        }
    }
    assert_eq!((names.len(), full), (10, 2));
}

#[tokio::test]
async fn an_unknown_pipeline_is_answered_in_the_contract_s_words() {
    let redis = RedisServer::start().await;
    let served = Served::start(&redis, Guard::Loopback, true).await;
    let words = "Unknown pipeline: X. Supported pipelines: validator, dependency-checker, \
                 health-monitor, notifier";
    let (status, answer) = served.post("/api/pipelines/X/trigger", JSON, "{}").await;
    assert_eq!((status, &answer["error"]["message"]), (400, &json!(words)));
    assert_eq!(served.json("/api/pipelines/X/jobs").await.0, 400);
    for query in ["offest=1", "status=begun", "limit=x"] {
        let path = format!("/api/pipelines/health/jobs?{query}");
        assert_eq!(served.get(&path).await.0, 400, "{query}");
    }
    let wrong = json!({"parameters": {"services": 7}}).to_string();
    let (status, answer) = served.post("/api/pipelines/validator/trigger", JSON, &wrong).await;
    assert_eq!(status, 400);
    assert!(answer["error"]["message"].as_str().unwrap().contains("services"), "{answer}");
}

#[tokio::test]
async fn the_books_balance_after_a_job_was_taken_back() {
    let redis = RedisServer::start().await;
    let mut session = Redis::try_new(&redis.url(), SOON).unwrap().session();
    let keys = Keys::new("materi");
    group::ensure_group(&mut session, INBOX, "printery-validator").await.unwrap();
    let connection = redis.connect().await;
    let entry: EntryId = connection.add(INBOX, &[("id", "x")]).await.parse().unwrap();
    let unwanted = printery_streams::trigger::Unwanted {
        worker: "validator",
        group: "printery-validator",
        entry,
        event_id: "x",
        event_type: "deployment:started",
        actor: "ada",
    };
    for taken in [true, false] {
        let done = printery_streams::trigger::cancel(&mut session, &keys, &unwanted).await.unwrap();
        assert_eq!(done, taken);
    }
    let counter = format!("{INBOX}|cancelled");
    let words = ["HGET", "materi:printery:ledger:validator", &counter];
    assert_eq!(connection.text(&words).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn whoever_follows_hears_of_events_and_jobs_and_misses_nothing_after_a_break() {
    let redis = RedisServer::start().await;
    let served = Served::start(&redis, Guard::Loopback, true).await;
    let follow = async |last: &str| {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        let request = format!("GET /api/events/stream HTTP/1.1\r\nHost: localhost\r\n{last}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    };
    let hear = async |stream: &mut TcpStream, text: &mut String, wanted: &str| {
        tokio::time::timeout(SOON, async {
            while !text.contains(wanted) {
                let mut bytes = [0; 4096];
                let count = stream.read(&mut bytes).await.unwrap();
                assert!(count > 0, "{text}");
                text.push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{wanted} is not in {text}"));
    };
    let mut text = String::new();
    let mut stream = follow("").await;
    hear(&mut stream, &mut text, "\r\n\r\n").await;
    served.post("/api/events", "application/cloudevents+json", &started("e-1").to_string()).await;
    hear(&mut stream, &mut text, "job:created").await;
    assert!(text.contains("event: deployment:started"), "{text}");
    assert!(text.contains("\"jobId\":\"validator-d-1-"), "{text}");
    let id = text.split("id: ").nth(1).unwrap().lines().next().unwrap().to_owned();
    drop(stream);
    served.post("/api/events", "application/cloudevents+json", &started("e-2").to_string()).await;
    let mut text = String::new();
    let mut again = follow(&format!("Last-Event-ID: {id}\r\n")).await;
    hear(&mut again, &mut text, "\"id\":\"e-2\"").await;
    let wrong = served.raw("GET /api/events/stream HTTP/1.0\r\nLast-Event-ID: x\r\n\r\n").await;
    assert_eq!(wrong, "HTTP/1.0 400 Bad Request");
    let (status, feed) = served.json("/api/activity?limit=1").await;
    assert_eq!((status, &feed["activity"][0]["type"]), (200, &json!("deployment:started")));
}
