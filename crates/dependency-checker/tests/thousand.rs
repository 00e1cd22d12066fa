//! A thousand endpoints and one process: all are judged, few are asked at once, and memory stays small.
#![expect(clippy::unwrap_used, reason = "a set-up that fails is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use printery_events::payload::DependencyResult;
use printery_events::{Event, Payload};
use printery_testkit::{Process, RedisServer, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const ENDPOINTS: usize = 1000;

/// Hosts that the endpoints are on: enough for the limit of all to be reached below that of each.
const HOSTS: usize = 40;

/// The most memory that the process may ever have had, in KiB: 80 MiB as it ships, half as much again with what debugging adds.
const MOST_MEMORY: u64 = if cfg!(debug_assertions) { 120 } else { 80 } * 1024;

/// How many wait for an answer, in all and by the host that was dialled.
#[derive(Default)]
struct Waiting {
    all: usize,
    by_host: BTreeMap<IpAddr, usize>,
    most: usize,
    most_of_a_host: usize,
    answered: usize,
}

impl Waiting {
    fn begin(&mut self, host: IpAddr) {
        self.all += 1;
        let of_host = self.by_host.entry(host).or_default();
        *of_host += 1;
        self.most = self.most.max(self.all);
        self.most_of_a_host = self.most_of_a_host.max(*of_host);
    }

    fn end(&mut self, host: IpAddr) {
        self.all -= 1;
        *self.by_host.entry(host).or_default() -= 1;
        self.answered += 1;
    }
}

/// Answers one request once the gate is open.
async fn answer(mut stream: TcpStream, waiting: Arc<Mutex<Waiting>>, gate: Arc<Semaphore>) {
    let host = stream.local_addr().unwrap().ip();
    let mut request = [0; 1024];
    if !matches!(stream.read(&mut request).await, Ok(1..)) {
        return;
    }
    waiting.lock().unwrap().begin(host);
    // Given back: a gate that is open stays open.
    drop(gate.acquire().await.unwrap());
    waiting.lock().unwrap().end(host);
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
    stream.write_all(answer).await.unwrap_or_default();
}

/// Returns the most memory that a process has ever had, in KiB.
fn peak_memory(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// A fleet of one service that stands on a thousand endpoints.
fn fleet(port: u16) -> String {
    // 127.1.0.y is this machine as well.
    let endpoint =
        |n: usize| format!("  e{n}: {{ http: \"http://127.1.0.{}:{port}/{n}\" }}\n", n % HOSTS + 1);
    let endpoints: String = (0..ENDPOINTS).map(endpoint).collect();
    let names: Vec<String> = (0..ENDPOINTS).map(|n| format!("e{n}")).collect();
    format!(
        "version: 1\nfleet: wide\negress: {{ allow_loopback: true }}\n\
         dependency_checker: {{ defaults: {{ timeout: 5m, connect_timeout: 5m }},\n  \
         latency: {{ warn: 5m, fail: 5m }} }}\n\
         endpoints:\n{endpoints}services: {{ api: {{ requires: [{}] }} }}\n",
        names.join(", ")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_endpoints_are_judged_by_a_small_process_that_asks_few_at_once() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (waiting, gate) = (Arc::new(Mutex::new(Waiting::default())), Arc::new(Semaphore::new(0)));
    let mut tasks = JoinSet::new();
    let (counted, shut) = (Arc::clone(&waiting), Arc::clone(&gate));
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.spawn(answer(stream, Arc::clone(&counted), Arc::clone(&shut)));
        }
    });
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("a-thousand-endpoints.yaml");
    std::fs::write(&file, fleet(port)).unwrap();

    let redis = RedisServer::start().await;
    let worker = Process::of(Path::new(env!("CARGO_BIN_EXE_printery-dependency-checker")))
        .env("REDIS_URL", redis.url())
        .env("PRINTERY_CONFIG", &file)
        .env("PRINTERY_HTTP_ADDR", "off")
        .start();
    let connection = redis.connect().await;
    let stream = |event: &str| format!("materi:events:deployment:{event}");
    let data = r#"{"deployment_id":"d-1","stage":"railway","status":"success","version":"1",
        "environment":"staging","services":["api"]}"#;
    let begins = stream("deployment:stage:railway:completed");
    connection.add(&begins, &[("id", "e-1"), ("data", data)]).await;

    eventually("sixty-four wait", Duration::from_secs(120), async || {
        let all = waiting.lock().unwrap().all;
        if all == 64 { Ok(()) } else { Err(format!("{all} wait\n{}", worker.report())) }
    })
    .await;
    gate.add_permits(ENDPOINTS);
    let result = stream("dependency:check:completed");
    let completed = eventually("the result is there", Duration::from_secs(120), async || {
        let entries = connection.entries(&result).await;
        let payload =
            entries.first().map(|entry| Event::decode(None, &entry.fields).unwrap().payload);
        match payload {
            Some(Payload::DependencyCheckCompleted(completed)) => Ok(completed),
            Some(_) | None => Err(worker.report()),
        }
    })
    .await;

    assert_eq!(completed.result, DependencyResult::AllHealthy, "{}", completed.summary);
    let rows = completed.statuses.iter();
    let judged: BTreeSet<&str> = rows.map(|row| row.dependency.as_str()).collect();
    assert_eq!(judged.len(), ENDPOINTS);
    let waiting = waiting.lock().unwrap();
    assert_eq!(waiting.answered, ENDPOINTS, "each one once");
    assert_eq!(waiting.most, 64, "in flight at once");
    assert!(waiting.most_of_a_host <= 4, "{} at one host", waiting.most_of_a_host);
    let memory = peak_memory(&worker);
    assert!(memory < MOST_MEMORY, "{memory} KiB at its worst");
    println!("{memory} KiB, {} ms", completed.duration_ms);
}
