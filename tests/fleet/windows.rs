//! A health window outlives the process that began it.
//!
//! Proves with `kill -9` of the real program that another replica goes on with the same window, and that what nobody saw
//! is told and counts as nothing.

use std::time::Duration;

use printery_testkit::{HttpService, eventually};
use serde_json::json;

use crate::site::{SOON, Site, fleet_file};

const RESULT: &str = "health:check:completed";

#[tokio::test]
async fn a_killed_monitor_s_window_is_finished_by_another() {
    let service = HttpService::start().await;
    let mut file = fleet_file(&service.url());
    // Six seconds: long enough for the lease of the dead one to end within it.
    file["health_monitor"]["defaults"] = json!({
        "warmup": "0s", "window": "6s", "interval": "100ms", "timeout": "5s", "min_samples": 1, "jitter": "0%",
        "latency": { "warn": "4s", "fail": "5s" },
    });
    let site = Site::new(&file).await;
    let first = site.worker("health-monitor").start();
    let check = json!({
        "deployment_id": "d-1", "phase": "post-stage", "stage": "railway", "services": ["api"],
        "result": "ALL_HEALTHY", "statuses": [], "root_causes": [], "impaired": [], "duration_ms": 1, "summary": "well",
    });
    site.publish("dependency:check:completed", "c-1", &check).await;
    eventually("it looks a few times", SOON, async || {
        (service.requests().len() > 10).then_some(())
    })
    .await;
    first.kill9();
    let before = service.requests().len();

    let _second = site.worker("health-monitor").start();
    site.wait_for_results(RESULT, 1, 3 * SOON).await;
    site.wait_until_idle(SOON).await;
    site.assert_exactly_once(RESULT, &["c-1".to_owned()]).await;
    let told = site.data(RESULT).await;
    let row = &told[0]["services"][0];
    let (samples, reason) = (row["samples"].as_u64().unwrap(), row["reason"].as_str().unwrap());
    assert_eq!(
        (row["status"].as_str(), told[0]["status"].as_str()),
        (Some("healthy"), Some("HEALTHY"))
    );
    assert!(reason.contains("missed while nobody watched"), "{reason}");
    // Two addresses, sixty looks at each: some before the death, some missed, and no window of its own for the second.
    assert!(
        samples + 4 >= u64::try_from(before).unwrap() && samples < 120,
        "{reason}; {before} before"
    );
    let took = Duration::from_millis(told[0]["duration_ms"].as_u64().unwrap());
    assert!(took >= Duration::from_secs(5), "{took:?}");
}
