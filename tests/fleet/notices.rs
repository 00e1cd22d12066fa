//! Many are told, whatever one of them does: the notifier as a process.
//!
//! Receivers that never answer, notices that are one message, escalations, and owners that die in between.

use std::collections::BTreeMap;

use printery_testkit::{Answer, Ended, HttpService, eventually};
use serde_json::{Value, json};

use crate::site::{PREFIX, SECRET, SOON, Site, fleet_file};

fn ok() -> Answer {
    Answer::Full(200, Vec::new(), "ok".to_owned())
}

/// A fleet file with a chat and a webhook, both told everything about starts.
fn telling(chat: &HttpService, bus: &HttpService, notifier: Value) -> Value {
    let mut file = fleet_file("http://127.0.0.1:1");
    file["notifier"] = notifier;
    file["receivers"] = json!({
        "chat": { "slack": { "url": chat.url() }, "pace": "0s" },
        "bus": { "webhook": { "url": bus.url(), "secret": SECRET } },
    });
    file["routes"] =
        json!([{ "match": { "event": ["deployment:started"] }, "to": ["chat", "bus"] }]);
    file
}

/// How many notices each receiver had, as events say.
async fn sent(site: &Site) -> BTreeMap<String, usize> {
    let mut sent = BTreeMap::new();
    for notice in site.data("notification:sent").await {
        *sent.entry(notice["receiver"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    sent
}

#[tokio::test]
async fn a_receiver_that_never_answers_holds_up_nobody_else() {
    const DEPLOYMENTS: usize = 60;
    let (chat, bus) = (HttpService::start().await, HttpService::start().await);
    chat.answer(Answer::Hold);
    let site = Site::new(&telling(&chat, &bus, json!({ "timeout": "10m" }))).await;
    let _notifier = site.worker("notifier").start();
    for n in 0..DEPLOYMENTS {
        site.start_deployment(n).await;
    }
    eventually("everybody else is told", SOON, async || {
        let told = bus.requests().len();
        if told == DEPLOYMENTS { Ok(()) } else { Err(format!("{told}; {}", site.world().await)) }
    })
    .await;
    // All of that while the first requests to the silent one are still open.
    assert_eq!((chat.in_flight(), sent(&site).await.get("chat")), (2, None));
    chat.answer(ok());
    eventually("it answers, and is told everything", SOON, async || {
        let sent = sent(&site).await;
        let all = [("bus", DEPLOYMENTS), ("chat", DEPLOYMENTS)];
        if all.iter().all(|(name, n)| sent.get(*name) == Some(n)) {
            Ok(())
        } else {
            Err(format!("{sent:?}"))
        }
    })
    .await;
    site.wait_until_idle(SOON).await;
}

#[tokio::test]
async fn a_group_whose_owner_is_killed_is_told_by_another_and_nothing_of_it_is_lost() {
    let (chat, bus) = (HttpService::start().await, HttpService::start().await);
    chat.answer(Answer::Hold);
    let group = json!({ "group": { "by": ["environment"], "wait": "500ms", "interval": "0s" } });
    let site = Site::new(&telling(&chat, &bus, group)).await;
    let first = site.worker("notifier").start();
    for n in 0..3 {
        site.start_deployment(n).await;
    }
    eventually("a message is under way", SOON, async || chat.in_flight() == 1).await;
    first.kill9();
    chat.answer(ok());
    let _second = site.worker("notifier").start();
    eventually("all are told", SOON, async || {
        let sent = sent(&site).await;
        let all = sent.get("chat") == Some(&3) && sent.get("bus") == Some(&3);
        if all { Ok(()) } else { Err(format!("{sent:?}; {}", site.world().await)) }
    })
    .await;
    site.wait_until_idle(SOON).await;
    // The one that nobody heard the answer of, and the one that was heard.
    let said: Vec<String> =
        chat.requests().iter().map(|request| request.json().to_string()).collect();
    for n in 0..3 {
        let times = said.iter().filter(|said| said.contains(&format!("d-{n}:"))).count();
        assert!((1..=2).contains(&times), "d-{n} {times} times: {said:?}");
    }
    assert!(said.len() <= 4, "messages, not notices: {said:?}");
    assert_eq!(site.world().await.dead_letters(), 0);
}

#[tokio::test]
async fn what_nobody_acknowledges_is_told_to_others() {
    let (chat, bus) = (HttpService::start().await, HttpService::start().await);
    chat.answer(ok());
    let mut file = telling(&chat, &bus, json!({}));
    file["routes"] = json!([{
        "match": { "event": ["deployment:failed"] }, "to": ["chat"],
        "escalate": { "after": "1h", "to": ["bus"] },
    }]);
    let site = Site::new(&file).await;
    let _notifier = site.worker("notifier").start();
    let failed = |id: &str| json!({ "deployment_id": id, "reason": "r", "failed_stage": "s" });
    let words = |id: &str| ["notify".to_owned(), "acknowledge".to_owned(), id.to_owned()];
    site.publish("deployment:failed", "e-1", &failed("d-1")).await;
    site.publish("deployment:failed", "e-2", &failed("d-2")).await;
    site.wait_for_results("notification:sent", 2, SOON).await;
    let process = site.launch("printery-workers").args(words("d-2")).start();
    assert_eq!(process.wait(SOON).await, Ended::Code(0), "{}", process.report());
    // An hour later.
    let delay = format!("{PREFIX}:printery:delay:notifier");
    let tokens = site.conn.texts(&["ZRANGE", &delay, "0", "-1"]).await;
    assert_eq!(tokens.len(), 2, "{tokens:?}");
    for token in tokens {
        site.conn.cmd(&["ZADD", &delay, "1", &token]).await;
    }
    eventually("one is escalated", SOON, async || bus.requests().len() == 1).await;
    site.wait_until_idle(SOON).await;
    assert_eq!(bus.requests()[0].json()["deployment_id"], "d-1");
}
