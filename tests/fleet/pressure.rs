//! Redis is full, forgets its scripts, or keeps what nobody needs any more.
//!
//! Proves that results are committed when Redis refuses new data, and the contract's G9 about trimming.

use std::collections::BTreeSet;
use std::time::Duration;

use printery_testkit::{Answer, HttpService, eventually};
use serde_json::json;

use crate::site::{SECRET, SOON, Site, fleet_file, started, stream};

const RESULT: &str = "validation:completed";

/// The manager trims once a minute, 20 % later at the most.
const A_ROUND: Duration = Duration::from_secs(72).saturating_add(SOON);

#[tokio::test]
async fn results_are_committed_while_redis_is_full() {
    let service = HttpService::start().await;
    service.answer(Answer::Hold);
    let site = Site::new(&fleet_file(&service.url())).await;
    let _validator = site.worker("validator").args(["--concurrency", "2"]).start();
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(site.start_deployment(n).await);
    }
    eventually("handlers run", SOON, async || service.in_flight() == 2).await;
    site.conn.cmd(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let [(id, _), (data, value)] = started(9, "refused");
    let refused = site
        .conn
        .try_cmd(&["XADD", &stream("deployment:started"), "*", id, "refused", data, &value])
        .await;
    assert_eq!(
        refused.err().and_then(|error| error.code().map(ToOwned::to_owned)).as_deref(),
        Some("OOM")
    );
    service.answer(Answer::Healthy);
    site.wait_for_results(RESULT, ids.len(), SOON).await;
    site.conn.cmd(&["CONFIG", "SET", "maxmemory", "0"]).await;
    ids.push(site.start_deployment(10).await);
    site.wait_for_results(RESULT, ids.len(), SOON).await;
    site.wait_until_idle(SOON).await;
    site.assert_exactly_once(RESULT, &ids).await;
}

#[tokio::test]
async fn forgotten_scripts_are_loaded_again() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let _validator = site.worker("validator").start();
    let mut ids = Vec::new();
    for n in 0..10 {
        site.conn.cmd(&["SCRIPT", "FLUSH"]).await;
        ids.push(site.start_deployment(n).await);
        site.wait_for_results(RESULT, n + 1, SOON).await;
    }
    site.wait_until_idle(SOON).await;
    site.assert_exactly_once(RESULT, &ids).await;
}

#[tokio::test]
async fn what_every_group_has_settled_is_trimmed_and_nothing_else() {
    const SETTLED: usize = 150;
    const EVENTS: usize = 400;
    let (service, hook) = (HttpService::start().await, HttpService::start().await);
    let mut file = fleet_file(&service.url());
    file["engine"] = json!({ "retention": { "age": "0s", "entries": 10 } });
    file["receivers"] = json!({ "hook": { "webhook": { "url": hook.url(), "secret": SECRET } } });
    // What the notifier has in its hands stays there: a receiver that is left alone would put entries off instead.
    file["notifier"] =
        json!({ "timeout": "120s", "circuit": { "failures": 1_000_000, "open": "1s" } });
    file["routes"] = json!([{ "match": { "event": ["deployment:started"] }, "to": ["hook"] }]);
    let site = Site::new(&file).await;
    let _manager = site.manager("off").args(["--worker", "none"]).start();
    let _validator = site.worker("validator").args(["--concurrency", "8"]).start();
    let _notifier = site.worker("notifier").start();
    let told = || {
        let requests = hook.requests().into_iter();
        requests.map(|request| request.headers["webhook-id"].clone()).collect::<BTreeSet<_>>().len()
    };
    for n in 0..SETTLED {
        site.start_deployment(n).await;
    }
    site.wait_for_results("notification:sent", SETTLED, SOON).await;
    // From here on the notifier settles nothing: some entries are in its hands, the rest waits for it.
    hook.answer(Answer::Hold);
    for n in SETTLED..EVENTS {
        site.start_deployment(n).await;
    }
    site.wait_for_results(RESULT, EVENTS, SOON).await;
    let kept = eventually("what is settled is trimmed", A_ROUND, async || {
        let kept = site.conn.len(&stream("deployment:started")).await;
        if kept < 400 { Ok(kept) } else { Err(site.world().await) }
    })
    .await;
    assert!(kept >= 250, "{kept} are left of the 250 that the notifier has not settled");
    hook.answer(Answer::Healthy);
    eventually("everybody is told of everything", SOON, async || {
        let told = told();
        if told == EVENTS { Ok(()) } else { Err(told) }
    })
    .await;
}
