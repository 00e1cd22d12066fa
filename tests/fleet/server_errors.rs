//! Redis answers, but not with what was asked for.
//!
//! Proves the contract's G8 for a server that hangs, is busy, has become a replica, or holds a key of another type.

use printery_testkit::{HttpService, eventually};

use crate::outage::assert_running;
use crate::site::{SOON, Site, fleet_file, stream};

const RESULT: &str = "validation:completed";

#[tokio::test]
async fn a_redis_that_hangs_is_waited_for() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let worker = site.worker("validator").start();
    let mut ids = vec![site.start_deployment(0).await];
    site.wait_for_results(RESULT, 1, SOON).await;
    site.redis.freeze();
    eventually("the worker notices", SOON, async || {
        let complained = worker.lines().iter().any(|line| line.to_lowercase().contains("redis"));
        if complained { Ok(()) } else { Err(worker.report()) }
    })
    .await;
    site.redis.thaw();
    ids.push(site.start_deployment(1).await);
    site.wait_for_results(RESULT, 2, SOON).await;
    assert_running(&[worker]);
    site.assert_exactly_once(RESULT, &ids).await;
}

#[tokio::test]
async fn a_busy_redis_is_waited_for() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    site.conn.cmd(&["CONFIG", "SET", "busy-reply-threshold", "100"]).await;
    let worker = site.worker("validator").start();
    let mut ids = vec![site.start_deployment(0).await];
    site.wait_for_results(RESULT, 1, SOON).await;
    let other = site.redis.connect().await;
    let endless = site.conn.try_cmd(&["EVAL", "while true do end", "0"]);
    let killed = async {
        eventually("the worker is told so", SOON, async || {
            let told = worker.lines().iter().any(|line| line.contains("BUSY"));
            if told { Ok(()) } else { Err(worker.report()) }
        })
        .await;
        other.cmd(&["SCRIPT", "KILL"]).await;
    };
    let (ended, ()) = tokio::join!(endless, killed);
    assert!(ended.is_err(), "{ended:?}");
    ids.push(site.start_deployment(1).await);
    site.wait_for_results(RESULT, 2, SOON).await;
    assert_running(&[worker]);
    site.assert_exactly_once(RESULT, &ids).await;
}

#[tokio::test]
async fn a_redis_that_was_a_replica_for_a_while_is_used_again() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let worker = site.worker("validator").start();
    let mut ids = vec![site.start_deployment(0).await];
    site.wait_for_results(RESULT, 1, SOON).await;
    site.conn.cmd(&["REPLICAOF", "127.0.0.1", "1"]).await;
    eventually("the worker is told so", SOON, async || {
        let told = worker.lines().iter().any(|line| {
            ["READONLY", "UNBLOCKED", "MASTERDOWN"].iter().any(|code| line.contains(code))
        });
        if told { Ok(()) } else { Err(worker.report()) }
    })
    .await;
    site.conn.cmd(&["REPLICAOF", "NO", "ONE"]).await;
    ids.push(site.start_deployment(1).await);
    site.wait_for_results(RESULT, 2, SOON).await;
    assert_running(&[worker]);
    site.assert_exactly_once(RESULT, &ids).await;
}

#[tokio::test]
async fn results_wait_for_a_stream_that_somebody_overwrote() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    site.conn.cmd(&["SET", &stream(RESULT), "in the way"]).await;
    let worker = site.worker("validator").start();
    let id = site.start_deployment(1).await;
    eventually("the worker says what is in the way", SOON, async || {
        let said = worker.lines().iter().any(|line| line.contains(&stream(RESULT)));
        if said { Ok(()) } else { Err(worker.report()) }
    })
    .await;
    site.conn.cmd(&["DEL", &stream(RESULT)]).await;
    site.wait_for_results(RESULT, 1, SOON).await;
    site.wait_until_idle(SOON).await;
    assert_running(&[worker]);
    site.assert_exactly_once(RESULT, &[id]).await;
}
