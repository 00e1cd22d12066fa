//! Three masters: the fleet finds its keys among them and loses nothing when nodes and workers die.
//!
//! Proves that every guarantee holds on Redis Cluster, with one hash tag and with partitions.

use printery_testkit::{Answer, Ended, HttpService, RedisCluster, World};
use std::time::Duration;

use crate::crew::{Crew, Parts};
use crate::site::{SOON, fleet_file};

/// The connections to wherever these prefixes are.
async fn parts(cluster: &RedisCluster, prefixes: &[&str]) -> Parts {
    let mut parts = Vec::new();
    for prefix in prefixes {
        let key = format!("{prefix}:printery:instances");
        parts.push(((*prefix).to_owned(), cluster.connect(&key).await));
    }
    Parts(parts)
}

#[tokio::test]
async fn a_fleet_on_a_cluster_survives_the_death_of_workers_and_of_its_node() {
    let service = HttpService::start().await;
    service.answer(Answer::Slow(Duration::from_millis(2)));
    let cluster = RedisCluster::start().await;
    let crew = Crew::new(&cluster.url(), "{materi}", &fleet_file(&service.url()));
    let manager = crew.fleet().await;
    let parts = parts(&cluster, &["{materi}"]).await;
    let mut ids = vec![crew.publish_surely(0).await];
    parts.wait_for_flow(&ids, SOON).await;
    let (ended, status) = crew.command(&["status", "--json"]).await;
    assert_eq!(ended, Ended::Code(0), "{}", status.report());

    for n in 1..12 {
        ids.push(crew.publish_surely(n).await);
        if n == 4 {
            let victim = manager.children()[0];
            manager.kill9_descendant(victim);
        }
        if n == 8 {
            let node = cluster.node(cluster.owner("{materi}:x").await);
            node.kill9();
            node.restart().await;
        }
    }
    let results = parts.wait_for_flow(&ids, 3 * SOON).await;
    parts.wait_until_idle(SOON).await;
    assert!(results.values().all(|times| *times == 1), "{results:?}");
    assert!(manager.is_running(), "{}", manager.report());
}

#[tokio::test]
async fn a_prefix_that_a_cluster_would_scatter_is_refused_at_the_start() {
    let service = HttpService::start().await;
    let cluster = RedisCluster::start().await;
    let one_node = format!("redis://{}", cluster.node(1).tcp_addr());
    for url in [cluster.url(), one_node] {
        let crew = Crew::new(&url, "materi", &fleet_file(&service.url()));
        for program in ["printery-workers", "printery-validator"] {
            let process = crew.launch(program).start();
            assert_eq!(process.wait(SOON).await, Ended::Code(2), "{}", process.report());
            let said = process.stderr().join("\n");
            assert!(said.contains("prefix materi") && said.contains("{materi}"), "{said}");
        }
    }
    for index in 0..3 {
        let world = World::snapshot(&cluster.node(index).connect().await, "materi").await;
        assert!(world.streams.is_empty() && world.sizes.is_empty(), "{world}");
    }
}

#[tokio::test]
async fn partitions_are_spread_over_the_masters_and_survive_the_same() {
    const DEPLOYMENTS: usize = 30;
    let service = HttpService::start().await;
    service.answer(Answer::Slow(Duration::from_millis(2)));
    let cluster = RedisCluster::start().await;
    let crew = Crew::new(&cluster.url(), "materi", &fleet_file(&service.url()))
        .with("PRINTERY_PARTITIONS", "3");
    let manager = crew.fleet().await;
    let second = crew.worker("validator");
    let prefixes = ["{materi.0}", "{materi.1}", "{materi.2}"];
    let parts = parts(&cluster, &prefixes).await;
    let mut ids = Vec::new();
    for n in 0..DEPLOYMENTS {
        ids.push(crew.publish_surely(n).await);
        if n == 10 {
            second.kill9();
        }
        if n == 20 {
            let node = cluster.node(cluster.owner("{materi.1}:x").await);
            node.kill9();
            node.restart().await;
        }
    }
    let results = parts.wait_for_flow(&ids, 3 * SOON).await;
    parts.wait_until_idle(SOON).await;
    assert!(results.values().all(|times| *times == 1), "{results:?}");
    for (prefix, conn) in &parts.0 {
        let started = conn.len(&format!("{prefix}:events:deployment:deployment:started")).await;
        assert!(started > 0, "{prefix} got no deployment");
    }
    assert!(manager.is_running(), "{}", manager.report());
}
