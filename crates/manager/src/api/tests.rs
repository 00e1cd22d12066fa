//! The routes on a real socket, asked by a real client.

use std::net::SocketAddr;
use std::time::Duration;

use printery_harness::args::CommonArgs;
use printery_harness::settings::{Defaults, Settings};
use printery_testkit::RedisServer;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::*;
use crate::api::access::Tokens;
use crate::checker::Unwell;
use crate::collector::Collector;
use crate::local_http;
use crate::roll::State;
use crate::snapshot::tests::{child, facts};

const SOON: Duration = Duration::from_secs(10);

/// A served API, and what decides its answers.
struct Served {
    address: SocketAddr,
    roll: watch::Sender<Roll>,
    _unwell: watch::Sender<Unwell>,
    _tasks: JoinSet<()>,
}

impl Served {
    async fn start(redis: &RedisServer, guard: Guard, collect: bool) -> Self {
        let stages = printery_events::topology::DEFAULT_STAGES.map(str::to_owned);
        let partitions =
            printery_streams::Partitions::try_new(&redis.url(), "materi", None, SOON).unwrap();
        let (collector, collected) = Collector::new(&partitions, &stages);
        let mut tasks = JoinSet::new();
        if collect {
            tasks.spawn(collector.run());
        }
        let roll = watch::Sender::new(Roll {
            children: vec![child("validator", State::Running)],
            draining: false,
        });
        let unwell = watch::Sender::new(Unwell::new());
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let common = CommonArgs { redis_url: Some(redis.url()), ..CommonArgs::default() };
        let fleet = printery_config::Fleet::load(None, &|_| None).unwrap();
        let defaults = Defaults { worker: None, http_addr: crate::settings::HTTP_ADDR };
        let settings = Settings::resolve(&common, defaults, &fleet.engine).unwrap();
        let api = Api {
            desk: Desk::new(settings, fleet, partitions.clone()),
            facts: Arc::new(facts()),
            roll: roll.subscribe(),
            unwell: unwell.subscribe(),
            collected,
            recorder: recorder.handle(),
        };
        let listener = server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        tasks.spawn(server::serve(listener, routes(api, guard)));
        Self { address, roll, _unwell: unwell, _tasks: tasks }
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let answer = local_http::get(self.address, path, SOON).await.unwrap();
        (answer.status, answer.body)
    }

    async fn json(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.get(path).await;
        (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
    }

    /// Sends bytes and gives the first line of the answer, whose end is not waited for.
    async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).await.unwrap();
        answer.trim_end().to_owned()
    }
}

#[tokio::test]
async fn status_shows_workers_streams_and_queues_and_groups_come_back() {
    let redis = RedisServer::start().await;
    let served = Served::start(&redis, Guard::Loopback, true).await;
    let (status, fleet) = served.json("/api/status").await;
    assert_eq!(status, 200);
    assert_eq!(fleet["workers"].as_array().unwrap().len(), 4);
    assert_eq!(fleet["workers"][0]["worker"], "validator");
    assert_eq!(fleet["workers"][0]["state"], "running");
    assert_eq!(fleet["redis"]["groups_exist"], true, "they were missing and have been made");
    let streams = fleet["streams"].as_array().unwrap();
    assert!(streams.iter().all(|stream| stream["exists"] == true && stream["lag"] == 0));
    assert_eq!(fleet["queues"][3]["dead_letters"], 0);
    let ids = |pipeline: &Value| pipeline["id"].as_str().map(str::to_owned);
    let pipelines: Vec<_> = fleet["pipelines"].as_array().unwrap().iter().filter_map(ids).collect();
    assert_eq!(pipelines, ["validator", "dependency-checker", "health-monitor", "notifier"]);
    let nothing = serde_json::json!({ "queued": 0, "active": 0, "retrying": 0, "failed": 0 });
    assert_eq!((&fleet["queue"], &fleet["store"]), (&nothing, &Value::Null));
    assert_eq!(served.get("/ready").await.0, 200);
    let (status, worker) = served.json("/api/workers/validator").await;
    assert_eq!((status, &worker["pid"]), (200, &fleet["workers"][0]["pid"]));
}

#[tokio::test]
async fn a_status_that_is_asked_for_shows_what_was_just_published() {
    let redis = RedisServer::start().await;
    let served = Served::start(&redis, Guard::Loopback, true).await;
    served.json("/api/status").await;
    let connection = redis.connect().await;
    connection.add("materi:events:deployment:deployment:started", &[("id", "1")]).await;
    let happening = printery_fleet::activity::Happening {
        kind: "worker:ready".to_owned(),
        subject: "validator".to_owned(),
        ..printery_fleet::activity::Happening::default()
    };
    let home = printery_streams::Redis::try_new(&redis.url(), SOON).unwrap();
    let keys = printery_streams::Keys::new("materi");
    printery_fleet::activity::tell(&mut home.session(), &keys, &happening).await.unwrap();
    let waiting = printery_testkit::eventually("the entry is shown", SOON, async || {
        let (_, groups) = served.json("/api/groups").await;
        let lag = &groups[0]["lag"];
        if *lag == 1 { Ok(lag.clone()) } else { Err(groups.to_string()) }
    });
    assert_eq!(waiting.await, 1);
    let (_, fleet) = served.json("/api/status").await;
    assert_eq!((&fleet["pipelines"][0]["queued"], &fleet["activeJobs"]), (&1.into(), &0.into()));
    let recent = fleet["recentActivity"].as_array().unwrap();
    assert!(recent.iter().any(|one| one["kind"] == "worker:ready"), "{recent:?}");
}

#[tokio::test]
async fn health_and_readiness_follow_the_children() {
    let redis = RedisServer::start().await;
    let served = Served::start(&redis, Guard::Loopback, true).await;
    served.json("/api/status").await;
    assert_eq!(served.json("/health").await.0, 200);
    served.roll.send_modify(|roll| roll.children[0].state = State::Failed);
    let (status, health) = served.json("/health").await;
    assert_eq!((status, &health["parts"]["validator"]["status"]), (503, &"failing".into()));
    let (status, ready) = served.json("/ready").await;
    assert_eq!((status, &ready["waiting_for"][0]), (503, &"validator".into()));
}

#[tokio::test]
async fn nothing_is_ready_before_redis_has_answered() {
    let redis = RedisServer::start().await;
    let served = Served::start(&redis, Guard::Loopback, false).await;
    let (status, ready) = served.json("/ready").await;
    assert_eq!((status, &ready["waiting_for"][0]), (503, &"redis".into()));
    assert_eq!(served.get("/health").await.0, 200, "the process itself is well");
}

#[tokio::test]
async fn refusals_have_the_contract_s_shape() {
    let redis = RedisServer::start().await;
    let served = Served::start(&redis, Guard::Loopback, true).await;
    let (status, body) = served.json("/api/nothing").await;
    assert_eq!(status, 404);
    assert_eq!(body["success"], false);
    assert_eq!(body["error"]["code"], "NOT_FOUND");
    assert!(body["error"]["message"].as_str().unwrap().contains("/api/nothing"));
    assert!(body["timestamp"].is_string() && body["error"].get("details").is_some());
    let (status, body) = served.json("/api/workers/nobody").await;
    assert_eq!((status, &body["error"]["details"]["workers"][0]), (404, &"validator".into()));
    let post = served.raw("POST /api/status HTTP/1.0\r\n\r\n").await;
    assert_eq!(post, "HTTP/1.0 405 Method Not Allowed");
}

#[tokio::test]
async fn foreign_host_names_are_refused() {
    let redis = RedisServer::start().await;
    let served = Served::start(&redis, Guard::Loopback, true).await;
    let ask = |host: &str| format!("GET /health HTTP/1.0\r\nHost: {host}\r\n\r\n");
    assert_eq!(served.raw(&ask("localhost:1")).await, "HTTP/1.0 200 OK");
    assert_eq!(served.raw(&ask("evil.example")).await, "HTTP/1.0 403 Forbidden");
}

#[tokio::test]
async fn without_the_token_only_probes_are_answered() {
    let redis = RedisServer::start().await;
    let tokens = Tokens::default().with_admin(&"t0ken".to_owned().into());
    let guard = Guard::try_new("0.0.0.0:1".parse().unwrap(), tokens);
    let served = Served::start(&redis, guard.unwrap(), true).await;
    assert_eq!(served.get("/metrics").await.0, 200);
    assert_eq!(served.get("/health").await.0, 200);
    for path in ["/api/status", "/", "/api/nothing"] {
        assert_eq!(served.get(path).await.0, 401, "{path}");
    }
    let line = "GET /api/status HTTP/1.0\r\nAuthorization: Bearer t0ken\r\n\r\n";
    assert_eq!(served.raw(line).await, "HTTP/1.0 200 OK");
}

#[tokio::test]
async fn metrics_cover_the_children_that_answer() {
    let redis = RedisServer::start().await;
    let served = Served::start(&redis, Guard::Loopback, true).await;
    let worker = printery_testkit::HttpService::start().await;
    let text = "# TYPE printery_events_processed_total counter\n\
                printery_events_processed_total{outcome=\"done\"} 3\n";
    let answer = printery_testkit::Answer::Full(200, Vec::new(), text.to_owned());
    worker.answer_at("/metrics", answer);
    served.roll.send_modify(|roll| {
        roll.children[0].http = Some(worker.addr());
        // Nobody listens there.
        let http = Some("127.0.0.1:1".parse().unwrap());
        roll.children.push(crate::roll::ChildView { http, ..child("notifier", State::Running) });
    });
    let (status, body) = served.get("/metrics").await;
    assert_eq!(status, 200);
    let line = "printery_events_processed_total{outcome=\"done\",worker=\"validator\"} 3";
    assert!(body.lines().any(|found| found == line), "{body}");
}

mod changing;
mod deployments;

#[tokio::test]
async fn a_token_may_do_what_its_role_says() {
    let redis = RedisServer::start().await;
    let file = "eve viewer viewer-token-0000000\nci emitter emitter-token-000000 staging";
    let tokens = Tokens::default().with_file(file).unwrap();
    let guard = Guard::try_new("0.0.0.0:1".parse().unwrap(), tokens);
    let served = Served::start(&redis, guard.unwrap(), true).await;
    let ask = async |what: &str, token: &str, rest: &str| {
        let line = format!("{what} HTTP/1.0\r\nAuthorization: Bearer {token}\r\n{rest}");
        served.raw(&line).await
    };
    let (eve, ci) = ("viewer-token-0000000", "emitter-token-000000");
    assert_eq!(ask("GET /api/groups", eve, "\r\n").await, "HTTP/1.0 200 OK");
    assert_eq!(ask("GET /api/groups", ci, "\r\n").await, "HTTP/1.0 403 Forbidden");
    assert_eq!(ask("GET /metrics", ci, "\r\n").await, "HTTP/1.0 200 OK");
    assert_eq!(ask("GET /openapi.json", eve, "\r\n").await, "HTTP/1.0 200 OK");
    let redrive = "POST /api/dlq/validator/1-1/redrive";
    assert_eq!(ask(redrive, eve, "\r\n").await, "HTTP/1.0 403 Forbidden");
    for (environment, answer) in [("staging", "202 Accepted"), ("production", "403 Forbidden")] {
        let body = format!(
            "{{\"type\":\"deployment:started\",\"data\":{{\"deployment_id\":\"d-1\",\"version\":\"1\",\
             \"environment\":\"{environment}\",\"services\":[]}}}}"
        );
        let rest = format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answered = ask("POST /api/events", ci, &rest).await;
        assert_eq!(answered, format!("HTTP/1.0 {answer}"), "{environment}");
        assert_eq!(ask("POST /api/events", eve, &rest).await, "HTTP/1.0 403 Forbidden");
    }
}

#[tokio::test]
async fn every_documented_route_is_answered_and_no_other_method_of_it() {
    let redis = RedisServer::start().await;
    let served = Served::start(&redis, Guard::Loopback, true).await;
    let (_, document) = served.json("/openapi.json").await;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.replace(['{', '}'], "");
        for method in ["GET", "POST", "OPTIONS", "DELETE"] {
            let known = methods.get(method.to_lowercase()).is_some();
            let line = format!("{method} {path} HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
            let answer = served.raw(&line).await;
            let routed = !answer.contains(" 405 ");
            assert_eq!(routed, known, "{method} {path}: {answer}");
        }
    }
}
