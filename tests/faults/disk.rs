//! The disk of Redis is full.
//!
//! Case 58 of the protocol, for both ways of writing. Full is a limit on the size of its files, which needs no privilege.

use printery_testkit::{RedisServer, eventually};

use crate::run::{Run, says};
use crate::site::SOON;

/// Publishes until Redis refuses.
async fn until_refused(run: &mut Run) -> String {
    let mut last = String::new();
    for _ in 0..20_000 {
        if let Err(refused) = run.publish_once().await {
            last = refused;
            break;
        }
    }
    last
}

#[tokio::test]
async fn a_disk_that_is_full_refuses_everybody_and_loses_nothing() {
    let options = RedisServer::options().arg("--appendonly", "yes");
    let mut run = Run::on(options.arg("--appendfsync", "everysec")).await;
    let workers = [run.validator(), run.validator()];
    run.publish(50).await;
    run.results(10).await;
    run.site.redis.fill_disk(Some(run.site.redis.largest_file()));
    run.fault("the disk is full");
    let refused = until_refused(&mut run).await;
    assert!(refused.contains("MISCONF"), "{refused:?}; {}", run.site.redis.log_tail());
    says(&workers[0], "MISCONF").await;
    run.site.redis.fill_disk(None);
    run.recovers(&workers).await;
}

#[tokio::test]
async fn a_redis_that_ends_because_its_disk_is_full_has_lost_nothing_that_it_promised() {
    let mut run = Run::kept().await;
    let workers = [run.validator(), run.validator()];
    run.publish(50).await;
    run.results(10).await;
    run.site.redis.fill_disk(Some(run.site.redis.largest_file() + 10_000));
    run.fault("the disk is full");
    until_refused(&mut run).await;
    eventually("Redis gives up", SOON, async || {
        if run.site.redis.has_ended() { Ok(()) } else { Err(run.site.redis.log_tail()) }
    })
    .await;
    run.site.redis.restart().await;
    run.recovers(&workers).await;
}
