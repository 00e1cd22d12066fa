//! A Redis that refuses: no more clients, no longer the primary, another one in its place.
//!
//! Cases 53, 54, 56 and 59 to 61 of the protocol.

use std::time::Duration;

use printery_testkit::{Ended, FaultProxy, RedisServer, eventually};

use crate::run::{RESULT, Run, says};
use crate::site::SOON;

#[tokio::test]
async fn a_redis_without_room_for_clients_is_waited_for() {
    let mut run = Run::new().await;
    let workers = [run.validator()];
    run.publish(1).await;
    run.results(1).await;
    run.site.conn.cmd(&["CONFIG", "SET", "maxclients", "1"]).await;
    run.site.conn.cmd(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    run.fault("maxclients 1");
    says(&workers[0], "connect: the connection failed").await;
    run.publish(3).await;
    run.site.conn.cmd(&["CONFIG", "SET", "maxclients", "1000"]).await;
    run.recovers(&workers).await;
}

#[tokio::test]
async fn work_goes_on_with_the_replica_that_took_over() {
    let mut run = Run::on(RedisServer::options().append_only().with_tcp()).await;
    let addr = run.site.redis.tcp_addr();
    let port = addr.rsplit(':').next().expect("an address has a port").to_owned();
    let replica = RedisServer::options().append_only().with_tcp();
    let replica = replica.arg("--replicaof", &format!("127.0.0.1 {port}")).start().await;
    let standby = replica.connect().await;
    eventually("the replica is in step", SOON, async || {
        let role = standby.texts(&["ROLE"]).await;
        if role.iter().any(|word| word == "connected") { Ok(()) } else { Err(format!("{role:?}")) }
    })
    .await;
    let proxy = FaultProxy::start(&run.site.redis).await;
    let workers = [run.validator_behind(&proxy), run.validator_behind(&proxy)];
    run.publish(40).await;
    run.results(5).await;
    // Pauses writes until the replica has everything: a planned take-over, which loses nothing.
    run.site.conn.cmd(&["FAILOVER", "TO", "127.0.0.1", &replica_port(&replica)]).await;
    eventually("the replica is the primary", SOON, async || {
        let role = standby.texts(&["ROLE"]).await;
        if role.first().is_some_and(|role| role == "master") {
            Ok(())
        } else {
            Err(format!("{role:?}"))
        }
    })
    .await;
    run.fault("FAILOVER");
    // The address moves; connections that are open still lead to the old one, which refuses every write.
    proxy.move_to(&replica);
    run.site.conn = standby;
    run.recovers(&workers).await;
    drop(workers);
}

fn replica_port(replica: &RedisServer) -> String {
    replica.tcp_addr().rsplit(':').next().expect("an address has a port").to_owned()
}

#[tokio::test]
async fn a_redis_that_may_drop_data_is_refused() {
    let options = RedisServer::options().arg("--maxmemory-policy", "allkeys-lru");
    let run = Run::on(options.arg("--maxmemory", "100mb")).await;
    let refused = run.validator();
    assert_eq!(refused.wait(SOON).await, Ended::Code(2), "{}", refused.report());
    let told = refused.lines().iter().any(|line| line.contains("allkeys-lru"));
    assert!(told, "{}", refused.report());
}

#[tokio::test]
async fn a_redis_that_is_busy_for_three_seconds_delays_and_doubles_nothing() {
    let mut run = Run::new().await;
    run.site.conn.cmd(&["CONFIG", "SET", "busy-reply-threshold", "50"]).await;
    let workers = [run.validator(), run.validator()];
    run.publish(20).await;
    run.results(3).await;
    // Three leases long: nobody can renew, and nobody may take over because of it.
    let busy = "local t = redis.call('TIME'); local till = t[1] + 3; \
                repeat t = redis.call('TIME') until tonumber(t[1]) >= till";
    run.site.conn.cmd(&["EVAL", busy, "0"]).await;
    run.fault("a script ran for three seconds");
    run.recovers(&workers).await;
}

#[tokio::test]
async fn scripts_that_are_forgotten_all_the_time_only_cost_time() {
    let mut run = Run::new().await;
    let workers = [run.validator(), run.validator()];
    run.publish(100).await;
    let forgetting = async {
        let mut flushed = 0;
        while run.site.results(RESULT).await.len() < 100 {
            run.site.conn.cmd(&["SCRIPT", "FLUSH"]).await;
            flushed += 1;
        }
        flushed
    };
    let flushed = tokio::time::timeout(Duration::from_secs(60), forgetting).await;
    assert!(flushed.is_ok_and(|times| times > 0), "{}", run.site.world().await);
    run.recovers(&workers).await;
}
