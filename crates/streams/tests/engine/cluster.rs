//! Redis Cluster: the keys are found from any node and followed wherever they go; nothing is ever
//! sent twice on the way.

use std::sync::Arc;
use std::time::Duration;

use printery_streams::delay::promote;
use printery_streams::fetch::Fetcher;
use printery_streams::group::ensure_group;
use printery_streams::lease::{Renewal, renew};
use printery_streams::publish::publish;
use printery_streams::reclaim::{ReclaimPolicy, Reclaimer};
use printery_streams::settle::{Settled, Settler};
use printery_streams::trim::trim;
use printery_streams::{
    EntryId, Error, ErrorKind, Fence, Keys, Partition, Partitions, Redis, Session, inspect, server,
};
use printery_testkit::{FaultProxy, RedisCluster, eventually};
use redis::{Value, cmd};

use crate::scene::{
    EVENT_TYPE, GROUP, LEASE, ME, OTHER, Reading, SOON, WORKER, bury, commit, defer, fence, fields,
    member, publication, release,
};

const PREFIX: &str = "{t}";
const SOURCE: &str = "{t}:events:deployment:deployment:started";
const RESULTS: &str = "{t}:events:deployment:validation:completed";
const DEAD: &str = "{t}:events:deployment:dlq:validator";
const INBOX: &str = "{t}:events:deployment:inbox:validator";

fn partition(url: &str, prefix: &str) -> Partition {
    Partitions::try_new(url, prefix, None, SOON).unwrap().home().clone()
}

async fn publish_one(session: &mut Session, keys: &Keys, id: &str) -> Result<EntryId, Error> {
    let published = publish(session, keys, EVENT_TYPE, id, &fields(&[("data", id)])).await?;
    Ok(published.entry)
}

/// Publishes as a producer does: the same event again until Redis has said yes.
async fn publish_surely(session: &mut Session, keys: &Keys, id: &str) -> EntryId {
    eventually("it is published", 3 * SOON, async || publish_one(session, keys, id).await).await
}

async fn deliver(session: &mut Session, count: usize) -> Vec<Fence> {
    let mut read = cmd("XREADGROUP");
    read.arg("GROUP").arg(GROUP).arg(ME).arg("COUNT").arg(count).arg("STREAMS");
    read.arg(SOURCE).arg(">");
    let reply = session.query("read", SOURCE, &read).await.unwrap();
    let streams: Vec<(String, Vec<(String, Value)>)> = redis::from_redis_value(reply).unwrap();
    let entries = streams.into_iter().flat_map(|(_, entries)| entries);
    entries.map(|(entry, _)| fence(SOURCE, &entry, 1)).collect()
}

#[tokio::test]
async fn every_verb_works_on_a_cluster() {
    let cluster = RedisCluster::start().await;
    let Partition { keys, redis } = partition(&cluster.url(), PREFIX);
    let mut session = redis.session();
    for stream in [SOURCE, INBOX] {
        assert!(ensure_group(&mut session, stream, GROUP).await.unwrap());
    }
    for n in 0..6 {
        publish_one(&mut session, &keys, &format!("e-{n}")).await.unwrap();
    }
    let fences = deliver(&mut session, 6).await;
    let renewed = renew(&mut session, &member(ME), &fences).await.unwrap();
    assert_eq!(renewed, [Renewal::Renewed; 6]);

    let settler = Settler::new(keys.clone(), member(ME), 0, 15_000);
    let body = fields(&[("data", "body")]);
    let done = commit(&fences[0], "e-0", vec![publication(RESULTS, "result")]);
    assert_eq!(settler.commit(&mut session, &[&done]).await.unwrap(), [Settled::Done]);
    let later = defer(&fences[1], Duration::ZERO, &body);
    assert_eq!(settler.defer(&mut session, &[&later]).await.unwrap(), [Settled::Done]);
    assert_eq!(promote(&mut session, &keys, WORKER).await.unwrap().moved, 1);
    let back = release(&fences[2], &body);
    assert_eq!(settler.release(&mut session, &[&back]).await.unwrap(), [Settled::Done]);
    let dead = bury(&fences[3], "e-3", &body);
    assert_eq!(settler.bury(&mut session, &[&dead]).await.unwrap(), [Settled::Done]);

    let db = cluster.connect(SOURCE).await;
    let silent = fences[4].entry.to_string();
    db.cmd(&["XCLAIM", SOURCE, GROUP, OTHER, "0", &silent, "IDLE", "60000", "JUSTID"]).await;
    let policy = ReclaimPolicy { lease: LEASE, suspect_at: 2, poison_at: 3 };
    let mut reclaimer = Reclaimer::new(keys.clone(), member(ME), policy);
    let found = reclaimer.reclaim_due(&mut session, &Arc::from(SOURCE), 10, 0).await.unwrap();
    assert_eq!(found.deliveries.len(), 1);

    let all = EntryId { ms: u64::MAX, seq: u64::MAX };
    trim(&mut session, SOURCE, 0, all, &[GROUP.to_owned()]).await.unwrap();
    let view = inspect::stream(&mut session, SOURCE).await.unwrap().unwrap();
    assert_eq!(view.groups.len(), 1);
    for (stream, expected) in [(RESULTS, 1), (INBOX, 2), (DEAD, 1)] {
        assert_eq!(db.len(stream).await, expected, "{stream}");
    }
    assert_eq!(db.pending(SOURCE, GROUP).await, 2);
}

#[tokio::test]
async fn the_keys_are_found_from_any_node_and_never_anything_is_sent_twice() {
    let cluster = RedisCluster::start().await;
    // By any single node, also where nobody says that it is one of a cluster.
    for scheme in ["redis+cluster", "redis"] {
        for index in 0..3 {
            let url = format!("{scheme}://{}", cluster.node(index).tcp_addr());
            let Partition { keys, redis } = partition(&url, PREFIX);
            publish_surely(&mut redis.session(), &keys, &format!("{scheme}-{index}")).await;
        }
    }
    assert_eq!(cluster.connect(SOURCE).await.len(SOURCE).await, 6);

    // Partitions, each where its hash tag puts it.
    let fleet = Partitions::try_new(&cluster.url(), "p", Some(3), SOON).unwrap();
    let mut owners = Vec::new();
    for Partition { keys, redis } in fleet.all() {
        publish_one(&mut redis.session(), keys, "e-1").await.unwrap();
        let stream = keys.events(EVENT_TYPE);
        owners.push(cluster.owner(&stream).await);
        assert_eq!(cluster.connect(&stream).await.len(&stream).await, 1);
    }
    owners.sort_unstable();
    owners.dedup();
    assert!(owners.len() > 1, "they are on different nodes");

    // A reply that is cut off: the write stands once, and the caller is told that it may.
    let owner = cluster.owner(SOURCE).await;
    let proxy = FaultProxy::start(cluster.node(owner)).await;
    let url = proxy.url().replace("redis://", "redis+cluster://");
    let Partition { keys, redis } = partition(&url, PREFIX);
    let mut session = redis.session();
    publish_one(&mut session, &keys, "before").await.unwrap();
    let mut add = cmd("XADD");
    add.arg("{t}:once").arg("*").arg("data").arg("x");
    proxy.swallow_reply_to(&["XADD", "{t}:once"]);
    let error = session.query("add", "{t}:once", &add).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unknown, "{error}");
    session.query("ask", "{t}:once", &cmd("PING")).await.unwrap();
    assert_eq!(cluster.connect("{t}:once").await.len("{t}:once").await, 1);

    // What the fleet is told where its prefix would scatter its keys.
    let facts = server::facts(&mut session).await.unwrap();
    for (prefix, fatal) in [("materi", true), ("{}", true), ("}x{", true), ("{materi}", false)] {
        let refused = facts.remarks(prefix).iter().any(|remark| remark.fatal);
        assert_eq!(refused, fatal, "{prefix}");
    }
}

#[tokio::test]
async fn a_slot_that_moves_is_followed_and_nothing_is_lost_on_the_way() {
    let cluster = RedisCluster::start().await;
    let Partition { keys, redis } = partition(&cluster.url(), PREFIX);
    let mut session = redis.session();
    ensure_group(&mut session, SOURCE, GROUP).await.unwrap();
    let mut entries = Vec::new();
    for n in 0..5 {
        entries.push(publish_one(&mut session, &keys, &format!("e-{n}")).await.unwrap());
    }
    let fences = deliver(&mut session, 1).await;
    let from = cluster.owner(SOURCE).await;
    let to = (from + 1) % 3;

    let moving = cluster.begin_move(SOURCE, to).await;
    assert!(moving.some_keys(3).await > 0);
    // Half of it is there: what cannot be done is not done, and says so.
    let error = publish_one(&mut session, &keys, "e-5").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    while moving.some_keys(100).await > 0 {}
    let error = publish_one(&mut session, &keys, "e-5").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    moving.finish().await;
    entries.push(publish_surely(&mut session, &keys, "e-5").await);
    assert_eq!(cluster.owner(SOURCE).await, to);

    // What was pending travelled with the stream, and its fence still holds.
    let settler = Settler::new(keys.clone(), member(ME), 0, 15_000);
    let done = commit(&fences[0], "e-0", vec![publication(RESULTS, "result")]);
    assert_eq!(settler.commit(&mut session, &[&done]).await.unwrap(), [Settled::Done]);
    let db = cluster.connect(SOURCE).await;
    let kept: Vec<String> = db.entries(SOURCE).await.into_iter().map(|entry| entry.id).collect();
    assert_eq!(kept, entries.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!((db.len(RESULTS).await, db.pending(SOURCE, GROUP).await), (1, 0));

    // A blocked read finds out as well.
    Box::pin(follows_while_blocked(&cluster, &redis, &keys, from)).await;
}

/// A read that is blocked while its slot moves reads on where the slot has gone.
async fn follows_while_blocked(cluster: &RedisCluster, redis: &Redis, keys: &Keys, to: usize) {
    let fetcher = Fetcher::new(redis.clone(), keys, member(ME), &[SOURCE.to_owned()]);
    let mut reading = Reading { fetcher, session: redis.session() };
    reading.make_groups().await;
    while !reading.take(10).await.unwrap().is_empty() {}
    let block = Duration::from_secs(1);
    let read = async {
        eventually("the entry is read", 3 * SOON, async || read_one(&mut reading, block).await)
            .await;
    };
    let mut producer = redis.session();
    let meddle = async {
        cluster.move_slot(SOURCE, to).await;
        publish_surely(&mut producer, keys, "e-after").await;
    };
    tokio::join!(read, meddle);
}

/// One turn of a worker loop, which makes sure of its groups after trouble.
async fn read_one(reading: &mut Reading, block: Duration) -> Result<(), String> {
    match reading.fetch(10, block).await {
        Ok(found) if found.len() == 1 => Ok(()),
        Ok(found) => Err(format!("{found:?}")),
        Err(error) => {
            let made = reading.fetcher.ensure_groups(&mut reading.session).await;
            Err(format!("{error} {made:?}"))
        }
    }
}

#[tokio::test]
async fn a_node_that_died_is_waited_for_and_kept_what_it_said() {
    let cluster = RedisCluster::start().await;
    let Partition { keys, redis } = partition(&cluster.url(), PREFIX);
    let mut session = redis.session();
    publish_one(&mut session, &keys, "e-0").await.unwrap();
    let owner = cluster.node(cluster.owner(SOURCE).await);
    owner.kill9();
    let error = publish_one(&mut session, &keys, "e-1").await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unknown | ErrorKind::Unavailable), "{error}");
    let error = publish_one(&mut session, &keys, "e-1").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    owner.restart().await;
    publish_surely(&mut session, &keys, "e-1").await;
    assert_eq!(cluster.connect(SOURCE).await.len(SOURCE).await, 2);
}
