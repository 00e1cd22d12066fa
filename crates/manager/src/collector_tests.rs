//! The collector against a real Redis that vanishes, returns and is filled.

use printery_events::topology::DEFAULT_STAGES;
use printery_testkit::{RedisServer, eventually};
use tokio::task::JoinSet;

use super::*;

const SOON: Duration = Duration::from_secs(20);

fn collector(server: &RedisServer) -> (Collector, Collected) {
    partitioned(server, None)
}

fn partitioned(server: &RedisServer, count: Option<u16>) -> (Collector, Collected) {
    let second = Duration::from_secs(1);
    let partitions = Partitions::try_new(&server.url(), "materi", count, second).unwrap();
    Collector::new(&partitions, &DEFAULT_STAGES.map(str::to_owned))
}

#[tokio::test]
async fn a_redis_that_comes_back_empty_gets_its_groups_back() {
    let server = RedisServer::start().await;
    let (collector, mut collected) = collector(&server);
    let mut tasks = JoinSet::new();
    tasks.spawn(collector.run());
    assert!(collected.fresh().await.redis.groups_exist);
    server.kill9();
    eventually("the outage is seen", SOON, async || {
        let redis = collected.last().redis;
        if redis.up { Err(format!("{redis:?}")) } else { Ok(redis.down_since.is_some()) }
    })
    .await;
    // Without persistence: whatever was there is gone.
    server.restart().await;
    eventually("everything is back", SOON, async || {
        let observation = collected.last();
        let back = observation.redis.up && observation.groups.iter().all(|one| one.exists);
        if back { Ok(()) } else { Err(format!("{observation:?}")) }
    })
    .await;
    let groups = server.connect().await;
    let stream = "materi:events:deployment:deployment:started";
    assert_eq!(groups.pending(stream, "printery-notifier").await, 0);
}

#[tokio::test]
async fn whoever_asks_again_within_a_second_gets_the_same_answer() {
    let server = RedisServer::start().await;
    let (collector, mut collected) = collector(&server);
    let mut tasks = JoinSet::new();
    tasks.spawn(collector.run());
    let first = collected.fresh().await;
    let connection = server.connect().await;
    let before = commands(&connection).await;
    for _ in 0..20 {
        assert_eq!(collected.fresh().await, first);
    }
    let asked = commands(&connection).await - before;
    assert!(asked < 20, "{asked} commands for twenty questions");
}

#[tokio::test]
async fn dead_letters_and_waiting_entries_are_counted() {
    let server = RedisServer::start().await;
    let (collector, mut collected) = collector(&server);
    let connection = server.connect().await;
    connection.add("materi:events:deployment:dlq:notifier", &[("id", "1")]).await;
    connection.add("materi:events:deployment:inbox:validator", &[("id", "2")]).await;
    connection.cmd(&["ZADD", "materi:printery:delay:validator", "5", "token"]).await;
    connection.cmd(&["ZADD", "materi:printery:line:notifier", "0", "d-1"]).await;
    let mut tasks = JoinSet::new();
    tasks.spawn(collector.run());
    let found = collected.fresh().await;
    let queue = |worker: &str| found.queues.iter().find(|one| one.worker == worker).unwrap();
    assert_eq!((queue("notifier").dead_letters, queue("notifier").in_line), (1, 1));
    assert_eq!((queue("validator").inbox, queue("validator").delayed), (1, 1));
}

#[tokio::test]
async fn every_partition_is_looked_at_and_gets_its_groups() {
    let server = RedisServer::start().await;
    let (mut collector, collected) = partitioned(&server, Some(6));
    let connection = server.connect().await;
    for n in 0..6 {
        let started = format!("{{materi.{n}}}:events:deployment:deployment:started");
        connection.add(&started, &[("id", "1")]).await;
        connection.cmd(&["SADD", &format!("{{materi.{n}}}:x"), "y"]).await;
    }
    connection.add("{materi.5}:events:deployment:dlq:notifier", &[("id", "2")]).await;
    let instance = "{\"instance\":\"odd\",\"worker\":\"notifier\",\"host\":\"h\",\"pid\":1,\
        \"version\":\"1\",\"phase\":\"running\",\"started_ms\":1,\"concurrency\":1,\
        \"in_flight\":0,\"settled\":0,\"failed\":0,\"http\":null,\"partitions\":5,\
        \"beat_ms\":18446744073709551615}";
    connection.cmd(&["HSET", "{materi.0}:printery:instances", "odd", instance]).await;
    collector.look_once().await;
    let found = collected.last();
    assert!(found.redis.up && found.redis.groups_exist, "{found:?}");
    let started = found.groups.iter().find(|one| one.stream == "deployment:started").unwrap();
    assert_eq!((started.length, started.lag), (6, Some(6)));
    assert_eq!(found.queues.iter().map(|one| one.dead_letters).sum::<u64>(), 1);
    let prefixes: Vec<_> = found.partitions.iter().map(|one| one.prefix.as_str()).collect();
    assert_eq!((prefixes.len(), prefixes[5]), (6, "{materi.5}"));
    assert_eq!(found.partitions[5].open().dead_letters, 1);
    let problem = collector.disagreement.unwrap_or_default();
    assert!(problem.contains("odd") && problem.contains('5') && problem.contains('6'), "{problem}");
}

async fn commands(connection: &printery_testkit::Connection) -> u64 {
    let stats = connection.text(&["INFO", "stats"]).await.unwrap();
    let line = stats.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
    line.unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn ages_are_the_server_s_and_unknown_where_an_id_lies_in_the_future() {
    let server = RedisServer::start().await;
    let (mut collector, _collected) = collector(&server);
    let connection = server.connect().await;
    let started = "materi:events:deployment:deployment:started";
    collector.home.make_groups().await.unwrap();
    let minute_ago = server_ms(&connection).await - 60_000;
    for (id, text) in [(minute_ago, "old"), (minute_ago + 1, "young")] {
        connection.cmd(&["XADD", started, &format!("{id}-0"), "id", text]).await;
    }
    connection
        .cmd(&[
            "XREADGROUP",
            "GROUP",
            "printery-validator",
            "c",
            "COUNT",
            "1",
            "STREAMS",
            started,
            ">",
        ])
        .await;
    let of = |found: &Observation, group: &str| {
        found.groups.iter().find(|one| one.group == group && one.length > 0).unwrap().clone()
    };
    let found = collector.only_look().await.unwrap();
    let validator = of(&found, "printery-validator");
    for age in [validator.oldest_pending_ms, validator.oldest_waiting_ms] {
        assert!(age.is_some_and(|age| (60_000..120_000).contains(&age)), "{validator:?}");
    }
    assert_eq!((validator.pending, validator.lag), (1, Some(1)));
    let notifier = of(&found, "printery-notifier");
    assert_eq!((notifier.oldest_pending_ms, notifier.lag), (None, Some(2)));
    // The clock was an hour ahead when these came, and has been put right since.
    connection.cmd(&["XTRIM", started, "MAXLEN", "0"]).await;
    let later = server_ms(&connection).await + 3_600_000;
    connection.cmd(&["XADD", started, &format!("{later}-0"), "id", "late"]).await;
    let found = collector.only_look().await.unwrap();
    let notifier = of(&found, "printery-notifier");
    assert_eq!((notifier.oldest_waiting_ms, notifier.lag), (None, Some(1)));
}

async fn server_ms(connection: &printery_testkit::Connection) -> u64 {
    let time = connection.texts(&["TIME"]).await;
    time[0].parse::<u64>().unwrap() * 1000
}
