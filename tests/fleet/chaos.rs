//! Everything at once: two replicas of each worker, killed at random, over a network that is cut, on a Redis that dies.
//!
//! Proves the contract's G1 and G2 for the whole chain. The seed is printed when it fails; one seed is one order of faults.

use std::time::Duration;

use printery_events::topology::WORKERS;
use printery_testkit::{Answer, FaultProxy, HttpService, Process, RedisServer};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::outage::publish_surely;
use crate::site::{SOON, Site, fleet_file, stream};

/// What the chain ends with, one per deployment.
const LAST: &str = "health:check:completed";

#[tokio::test]
async fn each_deployment_passes_the_whole_chain_once_whatever_dies() {
    const EVENTS: usize = 150;
    let seed: u64 = rand::random();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let service = HttpService::start().await;
    service.answer(Answer::Slow(Duration::from_millis(20)));
    let site = Site::on(RedisServer::options().append_only(), &fleet_file(&service.url())).await;
    let proxy = FaultProxy::start(&site.redis).await;
    let replica = |kind: &str| site.worker(kind).env("REDIS_URL", proxy.url()).start();
    let mut fleet: Vec<(&str, Process)> =
        WORKERS.iter().chain(&WORKERS).map(|worker| (worker.name, replica(worker.name))).collect();
    let mut break_something = async || match random.random_range(0..4) {
        0 => proxy.cut_once().await,
        1 => {
            site.redis.kill9();
            site.redis.restart().await;
        }
        _ => {
            let (kind, victim) = &mut fleet[random.random_range(0..2 * WORKERS.len())];
            victim.kill9();
            *victim = replica(kind);
        }
    };
    let mut ids = Vec::new();
    for n in 0..EVENTS {
        ids.push(publish_surely(&site, n).await);
        if n % 10 == 9 {
            break_something().await;
        }
    }
    // What is left is worked on under the same faults.
    for reached in (0..EVENTS).step_by(10) {
        site.wait_for_results(LAST, reached, 3 * SOON).await;
        break_something().await;
    }
    site.wait_for_results(LAST, EVENTS, 3 * SOON).await;
    site.wait_until_idle(3 * SOON).await;
    let mut causes = ids;
    for event_type in ["validation:completed", "dependency:check:completed", LAST] {
        site.assert_exactly_once(event_type, &causes).await;
        let results = site.conn.entries(&stream(event_type)).await;
        causes = results.iter().map(|entry| entry.text("id")).collect();
    }
    // Everybody is told of each of the four events of each deployment.
    let told = site.results("notification:sent").await;
    assert_eq!((told.len(), told.values().max()), (4 * EVENTS, Some(&1)));
    for (_, process) in &fleet {
        assert!(process.is_running(), "{}", process.report());
    }
}
