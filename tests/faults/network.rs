//! The network resets, forgets and refuses.
//!
//! Cases 72 and 74 of the protocol, and half-open connections; a network that is slow, narrow or silent is the fleet's own test.

use std::time::Duration;

use printery_testkit::{FaultProxy, RedisServer, eventually};
use tokio::time::{MissedTickBehavior, interval};

use crate::run::{RESULT, Run};
use crate::site::SOON;

#[tokio::test]
async fn a_storm_of_resets_only_takes_time() {
    let mut run = Run::new().await;
    let proxy = FaultProxy::start(&run.site.redis).await;
    let workers = [run.validator_behind(&proxy), run.validator_behind(&proxy)];
    run.publish(60).await;
    run.results(1).await;
    // The fault itself: one reset every 200 ms, for four seconds.
    let mut gust = interval(Duration::from_millis(200));
    gust.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for _ in 0..20 {
        gust.tick().await;
        proxy.reset_once().await;
        run.publish(1).await;
    }
    run.fault("a storm of resets");
    run.recovers(&workers).await;
}

#[tokio::test]
async fn connections_that_are_half_open_are_given_up_and_made_anew() {
    let mut run = Run::new().await;
    let proxy = FaultProxy::start(&run.site.redis).await;
    let workers = [run.validator_behind(&proxy), run.validator_behind(&proxy)];
    for round in 1..=3 {
        run.publish(10).await;
        run.results((round - 1) * 10 + 1).await;
        proxy.forget_once();
        run.fault("every connection is half open");
    }
    run.recovers(&workers).await;
}

/// CPU time a process has used, in clock ticks of 10 ms.
fn ticks(pid: i32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    let (_, after_name) = stat.rsplit_once(')').expect("a name in parentheses");
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    [11, 12].map(|at| fields[at].parse::<u64>().expect("fields 14 and 15")).iter().sum()
}

#[tokio::test]
async fn a_redis_that_refuses_connections_costs_neither_processor_nor_log() {
    const AWAY: Duration = Duration::from_secs(8);
    let mut run = Run::on(RedisServer::options().append_only().with_tcp()).await;
    let url = run.site.redis.tcp_url();
    let workers = [run.prepared().env("REDIS_URL", url).start()];
    run.publish(5).await;
    run.results(5).await;
    run.site.redis.kill9();
    let began = run.history.elapsed();
    let (before, lines) = (ticks(workers[0].pid()), workers[0].lines().len());
    eventually("some seconds pass", AWAY + SOON, async || run.history.elapsed() > began + AWAY)
        .await;
    let used = Duration::from_millis(10 * (ticks(workers[0].pid()) - before));
    let said = workers[0].lines().len() - lines;
    // 5 % of one processor, with debug assertions and all.
    assert!(used < AWAY / 20, "{used:?} of {AWAY:?}");
    // One line for each step of the wait, of each loop that needs Redis.
    assert!((1..=40).contains(&said), "{said} lines: {}", workers[0].report());
    run.site.redis.restart().await;
    run.recovers(&workers).await;
    assert_eq!(run.site.results(RESULT).await.len(), 10);
}
