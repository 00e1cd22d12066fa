//! Workers die, stall and are interrupted; every event has its result exactly once.
//!
//! Proves the contract's G1 to G4 and G7 with `kill -9`, SIGSTOP, SIGTERM and lost replies. Handlers are held by a service
//! that answers when the test says so, so nothing here depends on timing.

use std::time::Duration;

use printery_testkit::{Answer, Ended, FaultProxy, HttpService, Process, eventually};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::site::{SOON, Site, fleet_file, stream};

const RESULT: &str = "validation:completed";
const GROUP: &str = "printery-validator";

/// Waits until `n` handlers wait for the service.
async fn held(service: &HttpService, n: usize) {
    eventually(&format!("{n} handlers wait"), SOON, async || {
        let waiting = service.in_flight();
        if waiting == n { Ok(()) } else { Err(waiting) }
    })
    .await;
}

#[tokio::test]
async fn each_event_has_one_result_while_three_replicas_are_killed_at_random() {
    const EVENTS: usize = 400;
    let seed = rand::random();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let service = HttpService::start().await;
    service.answer(Answer::Slow(Duration::from_millis(5)));
    let site = Site::new(&fleet_file(&service.url())).await;
    let replica = || site.worker("validator").args(["--concurrency", "4"]).start();
    let mut replicas: Vec<Process> = (0..3).map(|_| replica()).collect();
    let mut ids = Vec::new();
    for n in 0..EVENTS {
        ids.push(site.start_deployment(n).await);
    }
    for reached in (40..EVENTS).step_by(40) {
        site.wait_for_results(RESULT, reached, SOON).await;
        let victim = random.random_range(0..replicas.len());
        replicas[victim].kill9();
        replicas[victim] = replica();
    }
    site.wait_for_results(RESULT, EVENTS, SOON).await;
    site.wait_until_idle(SOON).await;
    site.assert_exactly_once(RESULT, &ids).await;
}

#[tokio::test]
async fn the_entries_of_a_killed_worker_are_taken_over() {
    let service = HttpService::start().await;
    service.answer(Answer::Hold);
    let site = Site::new(&fleet_file(&service.url())).await;
    let first = site.worker("validator").args(["--concurrency", "4"]).start();
    let mut ids = Vec::new();
    for n in 0..4 {
        ids.push(site.start_deployment(n).await);
    }
    held(&service, 4).await;
    first.kill9();
    service.answer(Answer::Healthy);
    let _second = site.worker("validator").args(["--concurrency", "4"]).start();
    site.wait_for_results(RESULT, 4, SOON).await;
    site.wait_until_idle(SOON).await;
    site.assert_exactly_once(RESULT, &ids).await;
}

#[tokio::test]
async fn by_default_an_entry_is_worked_on_again_within_20_seconds_of_its_owners_death() {
    let service = HttpService::start().await;
    service.answer(Answer::Hold);
    let site = Site::new(&fleet_file(&service.url())).await;
    let replica = || site.worker("validator").env("PRINTERY_LEASE", "15s").start();
    let mut replicas = vec![replica()];
    let id = site.start_deployment(1).await;
    held(&service, 1).await;
    replicas.push(replica());
    // One that was there before, and one that its supervisor starts afterwards.
    eventually("the successor is ready", SOON, async || {
        replicas[1].lines().iter().any(|line| line.contains("ready"))
    })
    .await;
    replicas[0].kill9();
    replicas.push(replica());
    eventually("it is worked on again", Duration::from_secs(20), async || {
        let asked = service.requests().len();
        if asked == 2 { Ok(()) } else { Err(site.world().await) }
    })
    .await;
    service.answer(Answer::Healthy);
    site.wait_for_results(RESULT, 1, SOON).await;
    site.assert_exactly_once(RESULT, &[id]).await;
}

#[tokio::test]
async fn a_worker_that_stalls_past_its_lease_is_fenced() {
    let service = HttpService::start().await;
    service.answer(Answer::Hold);
    let site = Site::new(&fleet_file(&service.url())).await;
    let stalled = site.worker("validator").start();
    let first = site.start_deployment(1).await;
    held(&service, 1).await;
    stalled.sigstop();
    let successor = site.worker("validator").start();
    held(&service, 2).await;
    service.answer(Answer::Healthy);
    site.wait_for_results(RESULT, 1, SOON).await;
    successor.kill9();
    // Its own answer waits for it when it goes on; the second event proves that it went on.
    stalled.sigcont();
    let second = site.start_deployment(2).await;
    site.wait_for_results(RESULT, 2, SOON).await;
    site.wait_until_idle(SOON).await;
    site.assert_exactly_once(RESULT, &[first, second]).await;
}

#[tokio::test]
async fn a_live_worker_keeps_its_entry_far_longer_than_the_lease() {
    const LEASE: Duration = Duration::from_millis(600);
    let service = HttpService::start().await;
    service.answer(Answer::Hold);
    let site = Site::new(&fleet_file(&service.url())).await;
    let replica = || site.worker("validator").env("PRINTERY_LEASE", "600ms").start();
    let _replicas = [replica(), replica()];
    let id = site.start_deployment(1).await;
    held(&service, 1).await;
    let begun = server_time(&site).await;
    eventually("five leases pass by the server's clock", SOON, async || {
        server_time(&site).await >= begun + 5 * LEASE
    })
    .await;
    let rows =
        site.conn.cmd(&["XPENDING", &stream("deployment:started"), GROUP, "-", "+", "9"]).await;
    let rows = format!("{rows:?}");
    assert!(rows.ends_with("int(1)])])"), "delivered once: {rows}");
    service.answer(Answer::Healthy);
    site.wait_for_results(RESULT, 1, SOON).await;
    site.wait_until_idle(SOON).await;
    assert_eq!(service.requests().len(), 1);
    site.assert_exactly_once(RESULT, &[id]).await;
}

async fn server_time(site: &Site) -> Duration {
    let time = site.conn.texts(&["TIME"]).await;
    let part = |at: usize| time[at].parse::<u64>().expect("TIME answers two numbers");
    Duration::from_secs(part(0)) + Duration::from_micros(part(1))
}

#[tokio::test]
async fn a_reply_lost_after_the_commit_does_not_publish_twice() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let proxy = FaultProxy::start(&site.redis).await;
    let _validator = site.worker("validator").env("REDIS_URL", proxy.url()).start();
    let mut ids = vec![site.start_deployment(0).await];
    site.wait_for_results(RESULT, 1, SOON).await;
    // Several times: a commit may be lost on a connection that is used again and on one that is not.
    for n in 1..6 {
        proxy.swallow_reply_to(&["EVAL", RESULT]);
        ids.push(site.start_deployment(n).await);
        site.wait_for_results(RESULT, n + 1, SOON).await;
        site.wait_until_idle(SOON).await;
    }
    assert_eq!(proxy.traffic().swallowed, 5);
    site.assert_exactly_once(RESULT, &ids).await;
}

#[tokio::test]
async fn sigterm_lets_running_handlers_finish() {
    let service = HttpService::start().await;
    service.answer(Answer::Hold);
    let site = Site::new(&fleet_file(&service.url())).await;
    let validator = site.worker("validator").start();
    let running = site.start_deployment(1).await;
    held(&service, 1).await;
    validator.sigterm();
    let waiting = site.start_deployment(2).await;
    service.answer(Answer::Healthy);
    assert_eq!(validator.wait(SOON).await, Ended::Code(0), "{}", validator.report());
    let results = site.results(RESULT).await;
    assert_eq!(results.get(&running), Some(&1), "{results:?}");
    let _successor = site.worker("validator").start();
    site.wait_for_results(RESULT, 2, SOON).await;
    site.assert_exactly_once(RESULT, &[running, waiting]).await;
}

#[tokio::test]
async fn work_that_outlasts_the_shutdown_is_handed_back_without_using_an_attempt() {
    let service = HttpService::start().await;
    service.answer(Answer::Hold);
    let site = Site::new(&fleet_file(&service.url())).await;
    // A lease this long proves that the successor waits for nobody's silence.
    let patient = || site.worker("validator").env("PRINTERY_LEASE", "10m");
    let validator = patient().args(["--shutdown-timeout", "200ms"]).start();
    let id = site.start_deployment(1).await;
    held(&service, 1).await;
    validator.sigterm();
    assert_eq!(validator.wait(SOON).await, Ended::Code(75), "{}", validator.report());
    service.answer(Answer::Healthy);
    let _successor = patient().start();
    site.wait_for_results(RESULT, 1, SOON).await;
    site.wait_until_idle(SOON).await;
    site.assert_exactly_once(RESULT, &[id]).await;
    let attempts: Vec<_> =
        site.data("validation:started").await.iter().map(|data| data["attempt"].clone()).collect();
    assert_eq!(attempts, [1, 1]);
}

#[tokio::test]
async fn a_second_signal_stops_at_once_and_loses_nothing() {
    let service = HttpService::start().await;
    service.answer(Answer::Hold);
    let site = Site::new(&fleet_file(&service.url())).await;
    let validator = site.worker("validator").args(["--shutdown-timeout", "10m"]).start();
    let id = site.start_deployment(1).await;
    held(&service, 1).await;
    validator.sigterm();
    eventually("it drains", SOON, async || {
        validator
            .lines()
            .iter()
            .any(|line| line.contains("stopping"))
            .then_some(())
            .ok_or_else(|| validator.report())
    })
    .await;
    assert!(validator.is_running());
    validator.sigint();
    validator.wait(SOON).await;
    service.answer(Answer::Healthy);
    let _successor = site.worker("validator").start();
    site.wait_for_results(RESULT, 1, SOON).await;
    site.wait_until_idle(SOON).await;
    site.assert_exactly_once(RESULT, &[id]).await;
}
