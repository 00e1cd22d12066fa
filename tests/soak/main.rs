//! Everything at once, at random, for as long as somebody asks for; then the checker.
//!
//! Two replicas of every worker and a manager on a Redis that keeps everything, a producer, and a plan of faults that the seed
//! decides: the same seed breaks the same things in the same order. `scripts/soak` starts it for minutes; as one of the tests
//! it runs for twenty seconds with a fixed seed.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a set-up that fails is a failed test, and a panic is how a test fails"
)]

#[path = "../fleet/binaries.rs"]
mod binaries;
#[path = "../fleet/site.rs"]
#[allow(dead_code, reason = "shared with the fleet's tests, which use all of it")]
mod site;

mod bounds;
mod judgement;
mod plan;
mod producer;
mod replicas;

use std::time::Duration;

use printery_testkit::{Answer, History, HttpService, RedisServer, WallClock};
use tokio::sync::watch;

use crate::bounds::measure;
use crate::judgement::{Judgement, judge};
use crate::plan::Plan;
use crate::producer::produce;
use crate::replicas::Replicas;
use crate::site::{Site, fleet_file};

/// What `scripts/soak` was asked for.
struct Order {
    /// How long things are broken.
    length: Duration,
    seed: u64,
    /// Whether the server's clock steps as well; the times of attempts then prove nothing.
    clock: bool,
    /// The lease of every worker.
    lease: Duration,
}

impl Order {
    fn taken() -> Self {
        let number = |name: &str, default: u64| {
            asked(name).map_or(default, |text| {
                text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}"))
            })
        };
        Self {
            length: Duration::from_secs(number("SOAK_SECONDS", 20)),
            seed: number("SOAK_SEED", 1),
            clock: number("SOAK_CLOCK", 0) == 1,
            lease: Duration::from_millis(number("SOAK_LEASE_MS", 1000)),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test has no command line of its own")]
fn asked(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

#[tokio::test]
async fn whatever_breaks_nothing_is_lost_doubled_stuck_or_out_of_order() {
    let order = Order::taken();
    println!("soak: {:?}, seed {}, lease {:?}", order.length, order.seed, order.lease);
    let service = HttpService::start().await;
    service.answer(Answer::Slow(Duration::from_millis(20)));
    let clock = WallClock::default();
    let options = RedisServer::options().append_only();
    let options = if order.clock { options.clock(&clock) } else { options };
    let site = Site::on(options, &fleet_file(&service.url())).await;
    let history = History::default();
    let mut replicas = Replicas::start(&site, order.lease).await;
    let manager = site.manager("off").args(["--worker", "none"]).start();

    let plan = Plan::draw(order.seed, order.length, replicas.count(), order.clock);
    let (ending, ended) = watch::channel(false);
    let breaking = async {
        plan.carry_out(&site, &mut replicas, &clock, &history).await;
        ending.send_replace(true);
    };
    tokio::join!(breaking, produce(&site, &history, ended));

    // What is still broken is mended before anything is measured, as a person would do at the end of a bad day.
    replicas.mend(&site).await;
    site.wait_until_idle(Duration::from_secs(120)).await;
    let bounds = measure(&site, &service, &history, &mut replicas).await;
    let drained = replicas.drain(&site).await;
    let judgement = judge(&site, &history, order.clock).await;
    let audit = judgement::audit(&site, plan.regroups()).await;
    let told = Judgement { drained, verdicts: judgement, audit, bounds, plan: &plan };
    println!("{told}");
    if !told.is_clean() {
        let kept = replicas.keep(&history, &site, order.seed, &manager).await;
        panic!("a promise was broken; logs and history: {}", kept.display());
    }
}
