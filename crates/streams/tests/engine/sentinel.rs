//! Sentinel: whoever is the master is found, and followed when it becomes another one.

use std::time::Duration;

use printery_streams::connection::{Bus, Durability};
use printery_streams::publish::publish;
use printery_streams::{ErrorKind, Keys, Redis, Session};
use printery_testkit::{RedisSentinel, RedisServer, eventually, follow};
use redis::cmd;

use crate::scene::{EVENT_TYPE, ME, Reading, SOON, SOURCE, fields, member};

const BLOCK: Duration = Duration::from_millis(300);

async fn publish_surely(session: &mut Session, keys: &Keys, id: &str) {
    eventually("it is published", 3 * SOON, async || {
        publish(session, keys, EVENT_TYPE, id, &fields(&[("data", id)])).await
    })
    .await;
}

/// Reads on until an entry with this body has come.
async fn read_until(reading: &mut Reading, body: &str) {
    let wanted = Some(fields(&[("data", body)]));
    eventually("the entry is read", 3 * SOON, async || match reading.fetch(10, BLOCK).await {
        Ok(found) if found.iter().any(|delivery| delivery.fields == wanted) => Ok(()),
        Ok(found) => Err(format!("{} others", found.len())),
        // What the worker loop does about it: groups are made sure of.
        Err(error) => {
            let made = reading.fetcher.ensure_groups(&mut reading.session).await;
            Err(format!("{error} {made:?}"))
        }
    })
    .await;
}

#[tokio::test]
async fn the_master_is_found_and_followed_through_failovers() {
    let mut group = RedisSentinel::start().await;
    let redis = Redis::try_new(&group.url(), SOON).unwrap();
    let keys = Keys::new("t");
    let replicated = Durability { replicas: 1, fsync: false, timeout: BLOCK };
    let bus = Bus { url: group.url(), durability: Some(replicated), ..Bus::default() };
    let mut session = Redis::try_new(&bus, SOON).unwrap().session();
    let mut reading = Reading::at(&redis, member(ME), &[SOURCE]);
    reading.make_groups().await;
    publish_surely(&mut session, &keys, "first").await;
    read_until(&mut reading, "first").await;
    assert_eq!(group.server(0).connect().await.len(SOURCE).await, 1);

    // The master is told to go. Until it knows, it takes writes that nobody keeps: they are not
    // confirmed, and repeated where the new master is.
    group.fail_over().await;
    publish_surely(&mut session, &keys, "second").await;
    read_until(&mut reading, "second").await;
    assert_eq!(group.server(1).connect().await.len(SOURCE).await, 2);

    // The master dies, and with it a sentinel: the others agree without them.
    group.wait_until_ready(2).await;
    group.kill_sentinel(0);
    group.server(1).kill9();
    group.wait_for_master(0).await;
    publish_surely(&mut redis.session(), &keys, "third").await;
    read_until(&mut reading, "third").await;
    assert_eq!(group.server(0).connect().await.len(SOURCE).await, 3);

    // A name that no sentinel knows is not waited for.
    let unknown = Redis::try_new(&group.url().replace("/main", "/other"), SOON).unwrap();
    let error = unknown.session().query("ask", "", &cmd("PING")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    assert!(error.to_string().contains("other"), "{error}");
}

#[tokio::test]
async fn a_demoted_server_is_left_with_all_connections() {
    let server = RedisServer::options().with_tcp().start().await;
    let master = RedisServer::options().with_tcp().start().await;
    let redis = Redis::try_new(&server.tcp_url(), SOON).unwrap();
    let keys = Keys::new("t");
    let (mut session, mut other) = (redis.session(), redis.session());
    publish_surely(&mut session, &keys, "first").await;
    publish_surely(&mut other, &keys, "second").await;
    follow(&server, &master).await;
    let db = server.connect().await;
    let body = fields(&[("data", "x")]);
    let error = publish(&mut session, &keys, EVENT_TYPE, "x", &body).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    // Nobody keeps a connection to it; who asks again asks a new one.
    eventually("the connections are gone", SOON, async || {
        let error = publish(&mut other, &keys, EVENT_TYPE, "x", &body).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
        let clients = db.text(&["CLIENT", "LIST", "TYPE", "normal"]).await.unwrap();
        let ours = clients.lines().filter(|line| !line.contains("flags=U")).count();
        if ours == 0 { Ok(()) } else { Err(clients) }
    })
    .await;
    db.cmd(&["REPLICAOF", "NO", "ONE"]).await;
    publish_surely(&mut session, &keys, "third").await;
}
