//! What is tidied away on a real server, and what stays.

use printery_events::topology::DEFAULT_STAGES;
use printery_testkit::{Connection, RedisServer};

use super::*;
use crate::groups::ensure;
use crate::leadership::tests::lead;

const FIRST: Epoch = Epoch::new(7);
const STARTED: &str = "materi:events:deployment:deployment:started";

/// A server that trims entry by entry, so that few entries prove something.
async fn server() -> RedisServer {
    RedisServer::options().arg("--stream-node-max-entries", "1").start().await
}

async fn janitor(server: &RedisServer) -> Janitor {
    partitioned(server, None).await
}

async fn partitioned(server: &RedisServer, count: Option<u16>) -> Janitor {
    let second = Duration::from_secs(5);
    let partitions = Partitions::try_new(&server.url(), "materi", count, second).unwrap();
    let stages = DEFAULT_STAGES.map(str::to_owned);
    for place in PartitionStreams::of_all(&partitions, &stages) {
        ensure(&mut place.partition.redis.session(), &place.subscriptions).await.unwrap();
    }
    let retention = Retention { age: Duration::ZERO, entries: 0 };
    Janitor::new(&partitions, &stages, retention, lead(FIRST.number()))
}

async fn tidied(janitor: &Janitor) -> Tidied {
    let (tidied, failed) = janitor.tidy_once(FIRST).await;
    assert!(failed.is_empty(), "{failed:?}");
    tidied
}

async fn read(connection: &Connection, group: &str, count: &str) {
    let words = ["XREADGROUP", "GROUP", group, "reader", "COUNT", count, "STREAMS", STARTED, ">"];
    connection.cmd(&words).await;
}

#[tokio::test]
async fn only_what_every_group_has_settled_is_trimmed() {
    let server = server().await;
    let janitor = janitor(&server).await;
    let connection = server.connect().await;
    let mut ids = Vec::new();
    for n in 0..4 {
        ids.push(connection.add(STARTED, &[("id", n.to_string())]).await);
    }
    assert_eq!(tidied(&janitor).await.trimmed, 0, "nobody has read anything");
    for group in ["printery-validator", "printery-notifier"] {
        read(&connection, group, "3").await;
        connection.cmd(&["XACK", STARTED, group, &ids[0], &ids[1]]).await;
    }
    assert_eq!(tidied(&janitor).await.trimmed, 2);
    let left: Vec<_> =
        connection.entries(STARTED).await.into_iter().map(|entry| entry.id).collect();
    assert_eq!(left, ids[2..], "one is pending, one was never read");
}

#[tokio::test]
async fn a_missing_group_keeps_everything() {
    let server = server().await;
    let janitor = janitor(&server).await;
    let connection = server.connect().await;
    let id = connection.add(STARTED, &[("id", "1")]).await;
    read(&connection, "printery-validator", "1").await;
    connection.cmd(&["XACK", STARTED, "printery-validator", &id]).await;
    connection.cmd(&["XGROUP", "DESTROY", STARTED, "printery-notifier"]).await;
    assert_eq!(tidied(&janitor).await.trimmed, 0);
}

#[tokio::test]
async fn a_stream_that_nobody_reads_does_not_grow_for_ever() {
    let server = server().await;
    let janitor = janitor(&server).await;
    let connection = server.connect().await;
    let sent = "materi:events:deployment:notification:sent";
    connection.cmd(&["XADD", sent, "1000-0", "id", "old"]).await;
    assert_eq!(tidied(&janitor).await.trimmed, 1);
}

#[tokio::test]
async fn processed_dead_letters_go_after_a_day() {
    let server = server().await;
    let janitor = janitor(&server).await;
    let connection = server.connect().await;
    let processed = "materi:events:deployment:dlq:processed";
    connection.cmd(&["XADD", processed, "1000-0", "id", "old"]).await;
    connection.add(processed, &[("id", "young")]).await;
    assert_eq!(tidied(&janitor).await.trimmed, 1);
    assert_eq!(connection.entries(processed).await[0].text("id"), "young");
}

#[tokio::test]
async fn a_process_that_is_gone_is_forgotten_and_a_quiet_one_is_not() {
    let server = server().await;
    let janitor = janitor(&server).await;
    let connection = server.connect().await;
    let record = |name: &str, beat_ms: u64| {
        let fields = "\"worker\":\"notifier\",\"host\":\"h\",\"pid\":1,\"version\":\"1\",\
            \"phase\":\"running\",\"started_ms\":1,\"concurrency\":1,\"in_flight\":0,\
            \"settled\":0,\"failed\":0,\"http\":null";
        format!("{{\"instance\":\"{name}\",\"beat_ms\":{beat_ms},{fields}}}")
    };
    let instances = "materi:printery:instances";
    connection.cmd(&["HSET", instances, "gone", &record("gone", 1)]).await;
    connection.cmd(&["HSET", instances, "quiet", &record("quiet", u64::MAX)]).await;
    tidied(&janitor).await;
    assert_eq!(connection.texts(&["HKEYS", instances]).await, ["quiet"]);
}

#[tokio::test]
async fn a_leader_of_the_past_tidies_nothing() {
    let server = server().await;
    let janitor = janitor(&server).await;
    let connection = server.connect().await;
    let sent = "materi:events:deployment:notification:sent";
    connection.cmd(&["XADD", sent, "1000-0", "id", "old"]).await;
    connection.cmd(&["SET", "materi:printery:epoch:MANAGER", "8"]).await;
    assert_eq!(tidied(&janitor).await, Tidied::default());
    let (tidied, failed) = janitor.tidy_once(Epoch::new(8)).await;
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(tidied.trimmed, 1);
}

#[tokio::test]
async fn every_partition_is_tidied_and_the_living_are_those_of_the_home() {
    let server = server().await;
    let janitor = partitioned(&server, Some(3)).await;
    let connection = server.connect().await;
    let group = "printery-notifier";
    for n in 0..3 {
        let sent = format!("{{materi.{n}}}:events:deployment:notification:sent");
        connection.cmd(&["XADD", &sent, "1000-0", "id", "old"]).await;
        let completed = format!("{{materi.{n}}}:events:deployment:validation:completed");
        for id in ["1000-0", "1001-0"] {
            connection.cmd(&["XADD", &completed, id, "id", "old"]).await;
        }
        for group in [group, "printery-dependency-checker"] {
            connection.cmd(&["XREADGROUP", "GROUP", group, "c", "STREAMS", &completed, ">"]).await;
            connection.cmd(&["XACK", &completed, group, "1000-0", "1001-0"]).await;
        }
    }
    assert_eq!(tidied(&janitor).await, Tidied { trimmed: 6, retired: 0 });
    assert_eq!(tidied(&janitor).await, Tidied::default());
}
