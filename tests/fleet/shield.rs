//! The shield listener among the others: not there unless it is asked for, and nothing the worse when it is.
//!
//! Proves contract §2's last row and §7 with real processes; the record itself is judged in the listener's own tests.

use printery_testkit::{Ended, HttpService, eventually, free_port, get};
use serde_json::{Value, json};

use crate::acl::Guarded;
use crate::happy_path::fleet;
use crate::site::{SOON, Site, fleet_file, parsed, stream};

const GROUP: &str = "shield-deployment-listener";

/// The groups on the stream of what begins deployments.
async fn groups(site: &Site) -> Vec<String> {
    let world = site.world().await;
    let started = world.streams.get(&stream("deployment:started"));
    started.map(|stream| stream.groups.keys().cloned().collect()).unwrap_or_default()
}

/// The record of a deployment, as dashboards read it.
async fn record(site: &Site, deployment: &str) -> Option<Value> {
    let key = format!("materi:deployment:unified:{deployment}");
    Some(parsed(&site.conn.text(&["GET", &key]).await?))
}

#[tokio::test]
async fn nobody_starts_it_unless_it_is_asked_for() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let (_manager, _) = fleet(&site).await;
    site.start_deployment(1).await;
    site.wait_for_results("health:check:completed", 1, SOON).await;
    assert!(!groups(&site).await.contains(&GROUP.to_owned()), "nothing may wait for it");
    assert_eq!(record(&site, "d-1").await, None);
}

#[tokio::test]
async fn asked_for_it_keeps_the_record_and_stops_with_the_others() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let addr = format!("127.0.0.1:{}", free_port());
    let asked = ("PRINTERY_OVERRIDE_SERVICES", "shield-listener=true");
    let manager = site.manager(&addr).env(asked.0, asked.1).start();
    site.start_deployment(1).await;
    eventually("its record tells what was found", SOON, async || {
        let record = record(&site, "d-1").await.unwrap_or_default();
        let heard =
            record["validation"]["result"] == "PASSED" && record["health"]["baseline"].is_object();
        if heard { Ok(()) } else { Err(format!("{record:#}\n{}", manager.report())) }
    })
    .await;
    let record = record(&site, "d-1").await.unwrap_or_default();
    assert_eq!(
        (&record["status"], &record["progress"]),
        (&json!("RUNNING"), &json!(10)),
        "{record:#}"
    );
    let workers = get(&addr, "/api/workers").await.expect("an answer");
    assert!(workers.body.contains("shield-listener"), "{}", workers.body);
    manager.sigterm();
    assert_eq!(manager.wait(SOON).await, Ended::Code(0), "{}", manager.report());
    let world = site.world().await;
    assert_eq!(world.dead_letters(), 0, "{world}");
}

#[tokio::test]
async fn a_listener_that_is_killed_leaves_its_event_to_another() {
    let service = HttpService::start().await;
    let guarded = Guarded::new(&fleet_file(&service.url())).await;
    let site = &guarded.site;
    let first = guarded.worker("shield-listener");
    site.start_deployment(1).await;
    eventually("the first one keeps records", SOON, async || {
        record(site, "d-1").await.is_some().then_some(())
    })
    .await;
    first.kill9();
    let _second = guarded.worker("shield-listener");
    site.start_deployment(2).await;
    eventually("so does the second", SOON, async || {
        record(site, "d-2").await.is_some().then_some(())
    })
    .await;
    guarded.assert_nothing_refused().await;
}
