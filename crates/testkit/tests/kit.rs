//! The kit's own guarantees: a test can only prove what its tools do.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use std::path::Path;
use std::time::Duration;

use printery_testkit::{
    Answer, Connection, Ended, FaultProxy, HttpService, Mode, Process, RedisServer, WallClock,
    World, eventually, get,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn an_append_only_server_comes_back_with_its_data_after_a_kill() {
    let server = RedisServer::options().append_only().with_tcp().start().await;
    let redis = server.connect().await;
    redis.add("a:stream", &[("k", "v")]).await;
    server.restart().await;
    assert_eq!(redis.len("a:stream").await, 1);
    server.kill9();
    assert!(redis.try_cmd(&["PING"]).await.is_err());
    server.restart().await;
    assert_eq!(redis.len("a:stream").await, 1);
    assert_eq!(Connection::new(&server.tcp_url()).len("a:stream").await, 1);
}

#[tokio::test]
async fn entries_keep_bytes_order_and_duplicates() {
    let server = RedisServer::start().await;
    let redis = server.connect().await;
    let fields: [(&str, &[u8]); 3] = [("b", b"\xff\x00"), ("a", b""), ("b", b"2")];
    let id = redis.add("s", &fields).await;
    let entries = redis.entries("s").await;
    let entry = entries.first().unwrap();
    assert_eq!(entry.id, id);
    let expected: Vec<(Vec<u8>, Vec<u8>)> =
        fields.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect();
    assert_eq!(entry.fields, expected);
}

#[tokio::test]
async fn a_swallowed_reply_belongs_to_a_request_that_was_executed() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(&server).await;
    let through = Connection::new(&proxy.url());
    through.cmd(&["SET", "other", "1"]).await;
    proxy.swallow_reply_to(&["INCR", "counter"]);
    through.cmd(&["INCR", "other"]).await;
    assert!(through.try_cmd(&["INCR", "counter"]).await.is_err());
    assert_eq!(server.connect().await.int(&["GET", "counter"]).await, 1);
    assert_eq!(through.int(&["INCR", "counter"]).await, 2);
    assert_eq!(proxy.traffic().swallowed, 1);
}

#[tokio::test]
async fn a_cut_proxy_closes_connections_and_a_stalled_one_keeps_them() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(&server).await;
    let through = Connection::new(&proxy.url());
    through.cmd(&["PING"]).await;
    proxy.set(Mode::Stall);
    let stalled = async { through.try_cmd(&["INCR", "late"]).await };
    tokio::pin!(stalled);
    assert!(timeout(Duration::from_millis(100), &mut stalled).await.is_err());
    proxy.set(Mode::Pass);
    stalled.await.unwrap();
    proxy.set(Mode::Cut);
    assert!(through.try_cmd(&["PING"]).await.is_err());
    proxy.set(Mode::Pass);
    eventually("the proxy passes again", SOON, async || through.try_cmd(&["PING"]).await).await;
    assert_eq!(proxy.traffic().open, 1);
    proxy.cut_once().await;
    assert_eq!(proxy.traffic().open, 0);
    assert!(through.try_cmd(&["PING"]).await.is_err());
    through.cmd(&["PING"]).await;
}

#[tokio::test]
async fn a_reset_breaks_connections_off_and_later_ones_pass() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(&server).await;
    let mut client = TcpStream::connect(proxy.url().trim_start_matches("redis://")).await.unwrap();
    client.write_all(b"PING\r\n").await.unwrap();
    let mut pong = [0; 7];
    client.read_exact(&mut pong).await.unwrap();
    proxy.reset_once().await;
    let broken = client.read(&mut pong).await.unwrap_err();
    assert_eq!(broken.kind(), std::io::ErrorKind::ConnectionReset);
    Connection::new(&proxy.url()).cmd(&["PING"]).await;
}

#[tokio::test]
async fn a_forgotten_connection_is_closed_for_redis_and_silent_for_its_client() {
    let server = RedisServer::start().await;
    let redis = server.connect().await;
    let proxy = FaultProxy::start(&server).await;
    let through = Connection::new(&proxy.url());
    through.cmd(&["CLIENT", "SETNAME", "through"]).await;
    proxy.forget_once();
    eventually("Redis has lost it", SOON, async || {
        !redis.text(&["CLIENT", "LIST"]).await.unwrap_or_default().contains("name=through")
    })
    .await;
    let unheard = timeout(Duration::from_millis(100), through.try_cmd(&["PING"])).await;
    assert!(unheard.is_err(), "{unheard:?}");
    Connection::new(&proxy.url()).cmd(&["PING"]).await;
}

#[tokio::test]
async fn a_request_that_is_held_back_arrives_after_its_client_has_gone() {
    let server = RedisServer::start().await;
    let redis = server.connect().await;
    let proxy = FaultProxy::start(&server).await;
    proxy.hold_request(&["INCR"]);
    let through = Connection::new(&proxy.url());
    assert!(timeout(Duration::from_millis(100), through.try_cmd(&["INCR", "late"])).await.is_err());
    drop(through);
    eventually("it is held", SOON, async || proxy.traffic().held == 1).await;
    assert_eq!(redis.int(&["GET", "late"]).await, 0);
    proxy.let_go();
    eventually("it arrives", SOON, async || redis.int(&["GET", "late"]).await == 1).await;
}

#[tokio::test]
async fn an_address_that_moves_leads_later_connections_elsewhere() {
    let (one, other) = (RedisServer::start().await, RedisServer::start().await);
    let proxy = FaultProxy::start(&one).await;
    let before = Connection::new(&proxy.url());
    before.cmd(&["SET", "where", "one"]).await;
    proxy.move_to(&other);
    assert_eq!(before.text(&["GET", "where"]).await.as_deref(), Some("one"));
    assert_eq!(Connection::new(&proxy.url()).text(&["GET", "where"]).await, None);
}

#[tokio::test]
async fn a_full_disk_refuses_writes_until_there_is_room() {
    let server = RedisServer::options().arg("--appendonly", "yes").start().await;
    let redis = server.connect().await;
    server.fill_disk(Some(1000));
    let refused = eventually("a write is refused", SOON, async || {
        redis.try_cmd(&["APPEND", "k", &"x".repeat(2000)]).await.err()
    })
    .await;
    assert_eq!(refused.code(), Some("MISCONF"));
    server.fill_disk(None);
    eventually("writes pass again", SOON, async || redis.try_cmd(&["SET", "k", "v"]).await).await;
    assert!(server.is_running());
}

#[tokio::test]
async fn a_clock_steps_for_one_server_only() {
    let clock = WallClock::default();
    let server = RedisServer::options().clock(&clock).start().await;
    let (redis, other) = (server.connect().await, RedisServer::start().await);
    let seconds = async |redis: &Connection| -> i64 {
        redis.texts(&["TIME"]).await.first().unwrap().parse().unwrap()
    };
    let apart = async || seconds(&redis).await - seconds(&other.connect().await).await;
    assert!(apart().await.abs() <= 2);
    clock.step(3600);
    assert!((apart().await - 3600).abs() <= 2);
    clock.step(-3600);
    assert!((apart().await + 3600).abs() <= 2);
}

#[tokio::test]
async fn a_world_counts_streams_groups_and_the_rest() {
    let server = RedisServer::start().await;
    let redis = server.connect().await;
    redis.add("p:events:deployment:deployment:started", &[("k", "v")]).await;
    redis.add("p:events:deployment:dlq:validator", &[("k", "v")]).await;
    redis.cmd(&["ZADD", "p:printery:delay:validator", "1", "a"]).await;
    let stream = "p:events:deployment:deployment:started";
    redis.cmd(&["XGROUP", "CREATE", stream, "g", "0"]).await;
    let undelivered = World::snapshot(&redis, "p").await;
    assert_eq!((undelivered.events("deployment:started"), undelivered.undelivered()), (1, 1));
    redis.cmd(&["XREADGROUP", "GROUP", "g", "c", "STREAMS", stream, ">"]).await;
    let world = World::snapshot(&redis, "p").await;
    assert_eq!((world.dead_letters(), world.delayed(), world.pending()), (1, 1, 1));
    assert_ne!(world, undelivered);
    assert!(world.to_string().contains("g  pending 1, undelivered 0, consumers 1"), "{world}");
}

#[tokio::test]
async fn a_service_records_requests_and_answers_as_told() {
    let service = HttpService::start().await;
    service.answer_at("/ready", Answer::Status(503));
    let healthy = get(&service.addr().to_string(), "/health").await.unwrap();
    assert_eq!((healthy.status, healthy.json()["status"].as_str()), (200, Some("ok")));
    assert!(ask(&service, "POST /ready?a=1 HTTP/1.1").await.starts_with("HTTP/1.1 503"));
    let seen: Vec<_> = service.requests().into_iter().map(|r| (r.method, r.path)).collect();
    let expected = [("GET", "/health"), ("POST", "/ready?a=1")];
    assert_eq!(seen, expected.map(|(method, path)| (method.to_owned(), path.to_owned())));
    service.answer(Answer::Hold);
    let held = ask(&service, "GET /held HTTP/1.1");
    tokio::pin!(held);
    assert!(timeout(Duration::from_millis(100), &mut held).await.is_err());
    assert_eq!(service.in_flight(), 1);
    service.answer(Answer::Status(418));
    assert!(held.await.starts_with("HTTP/1.1 418"));
    service.answer(Answer::Hang);
    assert!(timeout(Duration::from_millis(100), ask(&service, "GET / HTTP/1.1")).await.is_err());
    service.stop();
    eventually("the listener is closed", SOON, async || {
        TcpStream::connect(service.addr()).await.is_err()
    })
    .await;
}

async fn ask(service: &HttpService, line: &str) -> String {
    let mut stream = TcpStream::connect(service.addr()).await.unwrap();
    let request = format!("{line}\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_process_hands_over_its_lines_its_children_and_its_end() {
    let script = "echo out; echo err >&2; echo $SECRET; exit 7";
    let process = Process::of(Path::new("sh")).args(["-c", script]).env("SECRET", "seen").start();
    assert_eq!(process.wait(SOON).await, Ended::Code(7));
    assert_eq!(process.stdout(), ["out", "seen"]);
    assert_eq!(process.stderr(), ["err"]);

    let parent = Process::of(Path::new("sh")).args(["-c", "sleep 60 & wait"]).start();
    let child =
        eventually("the child runs", SOON, async || parent.children().first().copied()).await;
    parent.kill9_descendant(child);
    assert_eq!(parent.wait(SOON).await, Ended::Code(0));
    parent.kill9();
}

#[tokio::test]
#[should_panic(expected = "last seen: 41 of 42")]
async fn eventually_tells_what_it_saw_last() {
    eventually("all are done", Duration::from_millis(50), async || Err::<(), _>("41 of 42")).await;
}
