//! The fleet file is written anew while the fleet runs.
//!
//! Proves with real processes that what is right applies to the next event, that what is wrong is told and never taken,
//! and that SIGHUP reaches every worker of a manager.

use printery_testkit::{Answer, HttpService, Process, eventually, free_port, get};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::site::{SOON, Site, fleet_file};

/// A fleet whose one check is this expression.
fn by_rule(expression: &str) -> String {
    json!({
        "version": 1,
        "fleet": "test",
        "checks": { "rule": { "kind": "policy", "expr": expression, "message": "closed" } },
        "validator": { "checks": ["rule"] },
        "services": { "api": {} },
    })
    .to_string()
}

/// Waits until a process has said this, so often.
async fn said(process: &Process, text: &str, times: usize) {
    eventually(text, SOON, async || {
        let found = process.lines().iter().filter(|line| line.contains(text)).count();
        if found >= times { Ok(()) } else { Err(process.report()) }
    })
    .await;
}

/// What became of deployment number `n`: its result, and the digest of what it was checked by.
async fn validated(site: &Site, n: usize) -> (String, String) {
    site.start_deployment(n).await;
    site.wait_for_results("validation:completed", n, SOON).await;
    let id = format!("d-{n}");
    let all = site.data("validation:completed").await;
    let one = all.iter().find(|data| data["deployment_id"] == json!(id)).expect("its result");
    let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
    (text("result"), text("config_digest"))
}

/// The metric that says whether the fleet file applies.
async fn applies(address: &str) -> Option<bool> {
    let page = get(address, "/metrics").await.ok()?.body;
    let value = page.lines().find_map(|line| {
        line.strip_prefix("printery_config_last_reload_successful")?.split_whitespace().last()
    })?;
    Some(value == "1")
}

#[tokio::test]
async fn a_new_file_applies_to_the_next_event_and_a_bad_one_never() {
    let site = Site::new(&Value::Null).await;
    site.rewrite(&by_rule("true"));
    let address = format!("127.0.0.1:{}", free_port());
    let validator = site.worker("validator").env("PRINTERY_HTTP_ADDR", &address).start();
    let before = validated(&site, 1).await;
    assert_eq!((&*before.0, applies(&address).await), ("PASSED", Some(true)));

    site.rewrite(&by_rule("false"));
    said(&validator, "the new fleet file applies", 1).await;
    let after = validated(&site, 2).await;
    assert_eq!(after.0, "FAILED", "{}", validator.report());
    assert_ne!(before.1, after.1, "the result says what it was checked by");

    // Of each of these a part is right.
    for (times, bad) in ["version: 1\nchecks: [", "version: 1\nchekcs: {}"].iter().enumerate() {
        site.rewrite(bad);
        said(&validator, "is not taken", times + 1).await;
        assert_eq!(applies(&address).await, Some(false), "{bad}");
    }
    assert_eq!(validated(&site, 3).await, after, "what applied goes on");
    let named = validator.lines().iter().any(|line| line.contains("chekcs"));
    assert!(named, "{}", validator.report());

    site.rewrite(&by_rule("false"));
    said(&validator, "says nothing new", 1).await;
    assert_eq!((applies(&address).await, validator.ended()), (Some(true), None));
}

#[tokio::test]
async fn what_runs_is_finished_by_the_file_it_began_with() {
    let service = HttpService::start().await;
    service.answer(Answer::Hold);
    let site = Site::new(&fleet_file(&service.url())).await;
    let validator = site.worker("validator").start();
    site.start_deployment(1).await;
    eventually("the check is asked for", SOON, async || !service.requests().is_empty()).await;
    site.rewrite(&by_rule("false"));
    said(&validator, "the new fleet file applies", 1).await;
    service.answer(Answer::Healthy);
    site.wait_for_results("validation:completed", 1, SOON).await;
    assert_eq!(site.data("validation:completed").await[0]["result"], "PASSED");
    assert_eq!(service.requests().len(), 1, "it was not begun again");
    assert_eq!(validated(&site, 2).await.0, "FAILED");
}

#[tokio::test]
async fn sighup_reaches_every_worker_and_reads_what_the_file_names() {
    let (first, second) = (HttpService::start().await, HttpService::start().await);
    let folder = TempDir::with_prefix("printery-named-").expect("a temporary folder");
    let named = folder.path().join("url");
    std::fs::write(&named, first.url()).expect("a writable folder");
    let site = Site::new(&fleet_file(&format!("${{file:{}}}", named.display()))).await;
    let address = format!("127.0.0.1:{}", free_port());
    let manager = site.manager(&address).start();
    eventually("it is ready", SOON, async || match get(&address, "/ready").await {
        Ok(answer) if answer.status == 200 => Ok(()),
        other => Err(format!("{other:?} {}", manager.report())),
    })
    .await;
    std::fs::write(&named, second.url()).expect("a writable folder");
    manager.sighup();
    // The manager itself and its four workers.
    said(&manager, "the new fleet file applies", 5).await;
    let asked = first.requests().len();
    validated(&site, 1).await;
    assert_eq!((first.requests().len(), second.requests().is_empty()), (asked, false));
    assert_eq!((applies(&address).await, manager.ended()), (Some(true), None));
}
