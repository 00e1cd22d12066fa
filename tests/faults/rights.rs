//! What a worker may do in Redis is changed while it runs.
//!
//! Case 68 of the protocol.

use printery_testkit::{Process, RedisServer};

use crate::run::{RESULT, Run, says};

/// A Redis with a user for workers, and a validator who is it.
async fn with_user() -> (Run, [Process; 1]) {
    let run = Run::on(RedisServer::options().with_tcp()).await;
    let words = ["ACL", "SETUSER", "worker", "on", ">first", "~*", "&*", "+@all"];
    run.site.conn.cmd(&words).await;
    let url = format!("redis://worker:first@{}", run.site.redis.tcp_addr());
    let validator = run.prepared().env("REDIS_URL", url).start();
    (run, [validator])
}

#[tokio::test]
async fn rights_that_are_taken_away_are_waited_for() {
    let (mut run, workers) = with_user().await;
    run.publish(20).await;
    run.results(3).await;
    run.site.conn.cmd(&["ACL", "SETUSER", "worker", "-@all", "+ping", "+hello", "+client"]).await;
    run.fault("no rights");
    says(&workers[0], "NOPERM").await;
    run.publish(3).await;
    run.site.conn.cmd(&["ACL", "SETUSER", "worker", "+@all"]).await;
    run.recovers(&workers).await;
}

#[tokio::test]
async fn a_password_that_is_wrong_for_a_while_is_waited_for_and_never_shown() {
    let (mut run, workers) = with_user().await;
    run.publish(20).await;
    run.results(3).await;
    run.site.conn.cmd(&["ACL", "SETUSER", "worker", ">second", "<first"]).await;
    run.site.conn.cmd(&["CLIENT", "KILL", "USER", "worker"]).await;
    run.fault("the password changed");
    says(&workers[0], "authentication failed").await;
    run.publish(3).await;
    run.site.conn.cmd(&["ACL", "SETUSER", "worker", ">first"]).await;
    run.recovers(&workers).await;
    assert_eq!(run.site.results(RESULT).await.len(), 28);
    for line in workers[0].lines() {
        assert!(!line.contains("worker:first") && !line.contains(":first@"), "{line}");
    }
}
