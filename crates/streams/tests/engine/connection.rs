//! Connections: replaced when they break, and errors that say how to react and keep secrets.

use std::time::Duration;

use printery_streams::group::ensure_group;
use printery_streams::settle::Settled;
use printery_streams::{Error, ErrorKind, Redis, server};
use printery_testkit::{FaultProxy, Mode, RedisServer, eventually, free_port};
use redis::{Value, cmd};

use crate::scene::{GROUP, ME, RESULTS, SOON, SOURCE, Scene, commit, publication};

const SECRET: &str = "hunter2-do-not-print";

fn ping() -> redis::Cmd {
    cmd("PING")
}

async fn write(redis: &Redis) -> Result<Value, Error> {
    let mut set = cmd("SET");
    set.arg("t:key").arg("value");
    redis.session().query("write", "t:key", &set).await
}

fn keeps_the_secret(error: &Error) {
    let texts = format!("{error} {error:?}");
    assert!(!texts.contains(SECRET), "{texts}");
}

#[tokio::test]
async fn a_dead_connection_of_the_pool_is_replaced_unseen() {
    let scene = Scene::set().await;
    for _ in 0..3 {
        write(&scene.redis).await.unwrap();
        scene.server.restart().await;
    }
    write(&scene.redis).await.unwrap();
    scene.db.cmd(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    write(&scene.redis).await.unwrap();
}

#[tokio::test]
async fn a_session_whose_server_restarted_is_whole_after_one_error() {
    let mut scene = Scene::set().await;
    scene.session.query("ask", "", &ping()).await.unwrap();
    scene.server.restart().await;
    let error = scene.session.query("ask", "", &ping()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unknown, "{error}");
    scene.session.query("ask", "", &ping()).await.unwrap();
}

#[tokio::test]
async fn a_script_that_the_server_forgot_is_loaded_again() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 2).await;
    let settler = scene.settler(ME);
    for (fence, event_id) in fences.iter().zip(["e-1", "e-2"]) {
        let done = commit(fence, event_id, vec![publication(RESULTS, event_id)]);
        let verdicts = settler.commit(&mut scene.session, &[&done]).await.unwrap();
        assert_eq!(verdicts, [Settled::Done]);
        scene.db.cmd(&["SCRIPT", "FLUSH"]).await;
    }
    assert_eq!(scene.contents().await.entries(RESULTS).len(), 2);
}

#[tokio::test]
async fn scripts_run_on_a_server_that_came_back_empty() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 1).await;
    let done = commit(&fences[0], "e-1", vec![publication(RESULTS, "x")]);
    scene.server.restart().await;
    let verdicts = scene.settler(ME).commit(&mut scene.session, &[&done]).await.unwrap();
    assert_eq!(verdicts, [Settled::Lost]);
}

#[test]
fn an_address_that_cannot_be_understood_is_refused_without_repeating_it() {
    let bad = [
        "",
        "localhost",
        "localhost:6379",
        "http://user:hunter2-do-not-print@host",
        "redis://user:hunter2-do-not-print@host:port",
        "redis://user:hunter2-do-not-print@host:99999",
        "redis://user:hunter2-do-not-print@host/notadb",
        "redis://user:hunter2-do-not-print@",
        "redis+cluster://user:hunter2-do-not-print@a,,b",
        "redis+sentinel://user:hunter2-do-not-print@a,b",
        "user:hunter2-do-not-print@host",
        "hunter2-do-not-print",
    ];
    for url in bad {
        let error = Redis::try_new(url, SOON).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused, "{url}: {error}");
        keeps_the_secret(&error);
    }
}

#[test]
fn an_address_is_shown_without_its_credentials() {
    for url in [
        format!("redis://user:{SECRET}@host:6380/2"),
        format!("rediss://:{SECRET}@host:6380"),
        format!("redis+unix:///run/redis.sock?pass={SECRET}"),
    ] {
        let redis = Redis::try_new(&url, SOON).unwrap();
        let texts = format!("{} {redis:?} {:?}", redis.address(), redis.session());
        assert!(!texts.contains(SECRET), "{texts}");
        assert!(texts.contains("host:6380") || texts.contains("/run/redis.sock"), "{texts}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let urls = [
        format!("redis://user:{SECRET}@127.0.0.1:{}", free_port()),
        format!("redis+unix:///nowhere/redis.sock?pass={SECRET}"),
    ];
    for url in urls {
        let redis = Redis::try_new(&url, SOON).unwrap();
        let error = write(&redis).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
        keeps_the_secret(&error);
        let error = redis.reader(SOON).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
        keeps_the_secret(&error);
    }
}

#[tokio::test]
async fn wrong_or_missing_passwords_are_a_person_s_matter() {
    let server = RedisServer::options().with_tcp().start().await;
    let db = server.connect().await;
    db.cmd(&["CONFIG", "SET", "requirepass", "right"]).await;
    let addr = server.tcp_addr();
    let wrong = [format!("redis://:{SECRET}@{addr}"), format!("redis://{SECRET}:{SECRET}@{addr}")];
    for url in wrong.into_iter().chain([format!("redis://{addr}")]) {
        let redis = Redis::try_new(&url, SOON).unwrap();
        for error in [write(&redis).await.unwrap_err(), write(&redis).await.unwrap_err()] {
            assert_eq!(error.kind, ErrorKind::Refused, "{error}");
            keeps_the_secret(&error);
        }
    }
    let redis = Redis::try_new(&format!("redis://:right@{addr}"), SOON).unwrap();
    write(&redis).await.unwrap();
    redis.reader(SOON).await.unwrap();
}

#[tokio::test]
async fn missing_permissions_are_a_person_s_matter() {
    let server = RedisServer::options().with_tcp().start().await;
    let db = server.connect().await;
    let user = ["ACL", "SETUSER", "worker", "on", ">pw", "~t:*", "+ping", "+get", "+unwatch"];
    db.cmd(&user).await;
    let url = format!("redis://worker:pw@{}", server.tcp_addr());
    let redis = Redis::try_new(&url, SOON).unwrap();
    let error = write(&redis).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    assert!(error.to_string().starts_with("write on t:key: NOPERM"), "{error}");
    redis.reader(SOON).await.unwrap();
}

#[tokio::test]
async fn a_replica_is_unavailable_for_writes() {
    let scene = Scene::set().await;
    write(&scene.redis).await.unwrap();
    let nobody = free_port().to_string();
    scene.db.cmd(&["REPLICAOF", "127.0.0.1", &nobody]).await;
    let error = write(&scene.redis).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    scene.db.cmd(&["REPLICAOF", "NO", "ONE"]).await;
    write(&scene.redis).await.unwrap();
}

#[tokio::test]
async fn a_server_that_takes_no_more_clients_is_unavailable() {
    let scene = Scene::set().await;
    scene.db.cmd(&["CONFIG", "SET", "maxclients", "1"]).await;
    let error = write(&scene.redis).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    scene.db.cmd(&["CONFIG", "SET", "maxclients", "100"]).await;
    write(&scene.redis).await.unwrap();
}

#[tokio::test]
async fn a_server_that_cannot_replicate_its_writes_is_unavailable() {
    let scene = Scene::set().await;
    scene.db.cmd(&["CONFIG", "SET", "min-replicas-to-write", "1"]).await;
    let error = write(&scene.redis).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn a_server_busy_with_a_script_is_unavailable_until_it_ends() {
    let mut scene = Scene::set().await;
    scene.db.cmd(&["CONFIG", "SET", "busy-reply-threshold", "20"]).await;
    scene.session.query("ask", "", &ping()).await.unwrap();
    let endless = scene.server.connect().await;
    let (ended, ()) = tokio::join!(endless.try_cmd(&["EVAL", "while true do end", "0"]), async {
        eventually("the server says that it is busy", SOON, async || {
            let answer = scene.db.try_cmd(&["PING"]).await;
            answer.is_err_and(|error| error.code() == Some("BUSY"))
        })
        .await;
        let error = scene.session.query("ask", "", &ping()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
        scene.db.cmd(&["SCRIPT", "KILL"]).await;
    });
    assert!(ended.is_err(), "it was killed");
    scene.session.query("ask", "", &ping()).await.unwrap();
}

#[tokio::test]
async fn a_silent_network_is_given_up_in_time_and_left_behind() {
    let mut scene = Scene::set().await;
    let proxy = FaultProxy::start(&scene.server).await;
    let patience = Duration::from_secs(1);
    let redis = scene.redis_at(&proxy.url(), patience);
    let mut session = redis.session();
    session.query("ask", "", &ping()).await.unwrap();
    proxy.set(Mode::Stall);
    let error = session.query("ask", "", &ping()).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Unknown, "no reply in time"));
    // Nothing was asked on the new connection yet: that much is certain.
    let error = session.query("ask", "", &ping()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    proxy.set(Mode::Pass);
    session.query("ask", "", &ping()).await.unwrap();
    scene.session.query("ask", "", &ping()).await.unwrap();
}

#[tokio::test]
async fn an_error_names_what_was_attempted_and_on_what() {
    let mut scene = Scene::set().await;
    scene.db.cmd(&["SET", SOURCE, "a value that no error may repeat"]).await;
    let error = ensure_group(&mut scene.session, SOURCE, GROUP).await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with(&format!("ensure the group on {SOURCE}: WRONGTYPE")), "{text}");
    assert!(!text.contains("no error may repeat"), "{text}");
}

#[tokio::test]
async fn the_server_s_facts_tell_one_start_from_another() {
    let mut scene = Scene::set().await;
    let first = server::facts(&mut scene.session).await.unwrap();
    let greeting = scene.db.texts(&["HELLO"]).await;
    let facts = (first.flavour.as_str(), first.role.as_str(), first.appendonly, first.cluster);
    assert_eq!(facts, (greeting[1].as_str(), "master", false, false));
    assert_eq!(first.version, greeting[3]);
    assert_eq!(first.maxmemory_policy, "noeviction");
    assert!(first.remarks("t").iter().all(|remark| !remark.fatal), "{:?}", first.remarks("t"));
    scene.server.restart().await;
    let mut session = scene.redis.session();
    let second = server::facts(&mut session).await.unwrap();
    assert_ne!(first.run_id, second.run_id);
    scene.db.cmd(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    let remarks = server::facts(&mut session).await.unwrap().remarks("t");
    assert!(remarks.iter().any(|remark| remark.fatal), "{remarks:?}");
}

#[tokio::test]
async fn the_clock_follows_the_server() {
    let mut scene = Scene::set().await;
    let clock = printery_streams::Clock::default();
    assert_eq!(clock.now_ms(), 0, "nothing is known before the first reading");
    let before = scene.now_ms().await;
    assert_eq!(clock.read(&mut scene.session).await.unwrap(), Duration::ZERO);
    let read = clock.now_ms();
    let after = scene.now_ms().await;
    assert!(before <= read + 1 && read <= after + 1, "{before} {read} {after}");
    let step = clock.read(&mut scene.session).await.unwrap();
    assert!(step < Duration::from_secs(1), "{step:?}");
    scene.server.kill9();
    clock.read(&mut scene.session).await.unwrap_err();
    assert!(clock.now_ms() >= read, "it goes on without the server");
}
