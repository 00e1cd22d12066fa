//! Sentinels promote another master under load; the fleet follows, and nothing that was confirmed is lost.
//!
//! Proves what the fleet promises over a failover: at least once, for every event whose publication was confirmed by a replica.

use printery_testkit::{Answer, HttpService, RedisSentinel};
use serde_json::json;
use std::time::Duration;

use crate::crew::{Crew, Parts};
use crate::site::{SOON, fleet_file};

#[tokio::test]
async fn what_a_replica_confirmed_is_done_whoever_becomes_the_master() {
    const DEPLOYMENTS: usize = 16;
    let service = HttpService::start().await;
    service.answer(Answer::Slow(Duration::from_millis(5)));
    let group = RedisSentinel::start().await;
    let mut file = fleet_file(&service.url());
    file["bus"] = json!({ "durability": { "replicas": 1, "timeout": "500ms" } });
    let crew = Crew::new(&group.url(), "materi", &file);
    let manager = crew.fleet().await;
    let mut ids = Vec::new();
    let publish = async {
        for n in 0..DEPLOYMENTS {
            ids.push(crew.publish_surely(n).await);
        }
    };
    tokio::join!(publish, group.fail_over());
    for n in DEPLOYMENTS..DEPLOYMENTS + 4 {
        ids.push(crew.publish_surely(n).await);
    }
    let parts = Parts(vec![("materi".to_owned(), group.server(1).connect().await)]);
    parts.wait_for_flow(&ids, 3 * SOON).await;
    parts.wait_until_idle(SOON).await;
    assert!(manager.is_running(), "{}", manager.report());
}
