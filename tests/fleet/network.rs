//! The network between a worker and Redis is cut, slow, narrow or silent.
//!
//! Proves the contract's G2 and G8 with the fault proxy: each event has its result once, and nobody needs a restart.

use std::time::Duration;

use printery_testkit::{Answer, FaultProxy, HttpService, Mode, eventually};

use crate::outage::assert_running;
use crate::site::{SOON, Site, fleet_file};

const RESULT: &str = "validation:completed";

#[tokio::test]
async fn a_network_that_is_cut_again_and_again_costs_no_result_and_no_attempt() {
    const EVENTS: usize = 100;
    let service = HttpService::start().await;
    service.answer(Answer::Slow(Duration::from_millis(2)));
    let site = Site::new(&fleet_file(&service.url())).await;
    let proxy = FaultProxy::start(&site.redis).await;
    let worker = site.worker("validator").env("REDIS_URL", proxy.url()).start();
    let mut ids = Vec::new();
    for n in 0..EVENTS {
        ids.push(site.start_deployment(n).await);
    }
    for reached in (10..EVENTS).step_by(10) {
        site.wait_for_results(RESULT, reached, SOON).await;
        proxy.cut_once().await;
    }
    site.wait_for_results(RESULT, EVENTS, 2 * SOON).await;
    site.wait_until_idle(SOON).await;
    assert_running(&[worker]);
    site.assert_exactly_once(RESULT, &ids).await;
    let attempts: Vec<_> =
        site.data("validation:started").await.iter().map(|data| data["attempt"].clone()).collect();
    assert!(attempts.iter().all(|attempt| *attempt == 1), "{attempts:?}");
}

#[tokio::test]
async fn a_worker_that_is_cut_off_past_its_lease_publishes_nothing_when_it_returns() {
    let service = HttpService::start().await;
    service.answer(Answer::Hold);
    let site = Site::new(&fleet_file(&service.url())).await;
    let proxy = FaultProxy::start(&site.redis).await;
    let cut_off = site.worker("validator").env("REDIS_URL", proxy.url()).start();
    let first = site.start_deployment(1).await;
    eventually("the handler runs", SOON, async || service.in_flight() == 1).await;
    proxy.set(Mode::Stall);
    let successor = site.worker("validator").start();
    eventually("the successor runs it", SOON, async || service.requests().len() == 2).await;
    service.answer(Answer::Healthy);
    site.wait_for_results(RESULT, 1, SOON).await;
    successor.kill9();
    proxy.set(Mode::Pass);
    let second = site.start_deployment(2).await;
    site.wait_for_results(RESULT, 2, SOON).await;
    site.wait_until_idle(SOON).await;
    assert_running(&[cut_off]);
    site.assert_exactly_once(RESULT, &[first, second]).await;
}

/// Runs a few deployments over a network of this kind.
async fn works_over(mode: Mode) {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let proxy = FaultProxy::start(&site.redis).await;
    proxy.set(mode);
    let launch = site.worker("validator").env("REDIS_URL", proxy.url());
    let worker = launch.env("PRINTERY_LEASE", "15s").args(["--concurrency", "4"]).start();
    let mut ids = Vec::new();
    for n in 0..8 {
        ids.push(site.start_deployment(n).await);
    }
    site.wait_for_results(RESULT, ids.len(), 2 * SOON).await;
    site.wait_until_idle(SOON).await;
    assert_running(&[worker]);
    site.assert_exactly_once(RESULT, &ids).await;
}

#[tokio::test]
async fn a_slow_network_only_takes_time() {
    works_over(Mode::Delay(Duration::from_millis(300))).await;
}

#[tokio::test]
async fn a_narrow_network_only_takes_time() {
    works_over(Mode::Trickle { bytes_per_second: 10_000 }).await;
}
