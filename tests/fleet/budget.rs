//! The budget is a limit: for whoever asks for processes, and for the processes themselves.
//!
//! Proves it with a real manager: what is not there is not given, many who ask at once get no more, a process that used its
//! tokens up takes nothing, and what was not used comes back.

use printery_testkit::{Ended, HttpService, Process, eventually, free_port, get, post};
use serde_json::{Value, json};

use crate::site::{SOON, Site, fleet_file};

/// Types a command; gives how it ended and the JSON that it printed.
async fn typed(site: &Site, words: &[&str]) -> (Ended, Value) {
    let process = site.launch("printery-workers").args(words).args(["--json"]).start();
    let ended = process.wait(SOON + SOON).await;
    let printed = process.stdout().join("\n");
    let shown = serde_json::from_str(&printed).unwrap_or_else(|_| json!(process.report()));
    (ended, shown)
}

fn manager(site: &Site) -> (Process, String) {
    let addr = format!("127.0.0.1:{}", free_port());
    let manager = site.manager(&addr).args(["--worker", "validator", "--supervised"]).start();
    (manager, addr)
}

async fn available(site: &Site) -> Value {
    typed(site, &["budget", "show"]).await.1["available"].clone()
}

#[tokio::test]
async fn a_process_is_not_started_without_its_tokens_and_gives_back_what_it_did_not_use() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let (manager, addr) = manager(&site);
    let (ended, told) = typed(&site, &["budget", "set", "100"]).await;
    assert_eq!((ended, &told["available"]), (Ended::Code(0), &json!(100)), "{told}");
    let (ended, told) = typed(&site, &["worker", "spawn", "validator", "--budget", "200"]).await;
    assert_eq!(ended, Ended::Code(1), "{told}");
    assert!(told.to_string().contains("Insufficient budget: 100 < 200"), "{told}");
    let (ended, told) = typed(&site, &["worker", "spawn", "validator", "--budget", "60"]).await;
    assert_eq!(ended, Ended::Code(0), "{told}\n{}", manager.report());
    assert_eq!(available(&site).await, 40);
    let id = told["id"].as_str().expect("an id").to_owned();
    let (ended, told) = typed(&site, &["worker", "stop", &id]).await;
    assert_eq!(ended, Ended::Code(0), "{told}");
    eventually("what was not used is back", SOON, async || {
        let left = available(&site).await;
        if left == 100 { Ok(()) } else { Err(left) }
    })
    .await;
    let shown = get(&addr, "/api/budget").await.expect("it answers").json();
    assert_eq!([&shown["total"], &shown["available"]], [100, 100], "{shown}");
    let changed = post(&addr, "/api/budget/set", &json!({ "total": 7 })).await.expect("an answer");
    assert_eq!((changed.status, available(&site).await), (200, json!(7)), "{changed:?}");
}

#[tokio::test]
async fn a_process_that_used_its_tokens_up_takes_nothing_and_says_so() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let (manager, _) = manager(&site);
    typed(&site, &["budget", "set", "100"]).await;
    let (_, told) = typed(&site, &["worker", "spawn", "validator", "--budget", "1"]).await;
    let id = told["id"].as_str().expect("an id").to_owned();
    // Nobody else is there to take them.
    let others = eventually("both beat", SOON, async || {
        let (_, listed) = typed(&site, &["worker", "list"]).await;
        let all = listed["workers"].as_array().cloned().unwrap_or_default();
        if all.len() == 2 { Ok(all) } else { Err(listed) }
    })
    .await;
    let other = others.iter().find(|one| one["spawn"].is_null()).expect("the manager's own");
    let (ended, told) =
        typed(&site, &["worker", "stop", other["instance"].as_str().expect("a name")]).await;
    assert_eq!(ended, Ended::Code(0), "{told}");
    site.start_deployment(1).await;
    site.wait_for_results("validation:completed", 1, SOON).await;
    eventually("it is held", SOON, async || {
        let (_, shown) = typed(&site, &["worker", "show", &id]).await;
        let held = shown["hold"]["guard"] == "budget" && shown["state"] == "held";
        if held { Ok(()) } else { Err(format!("{shown} {}", manager.report())) }
    })
    .await;
    site.start_deployment(2).await;
    let (ended, told) = typed(&site, &["budget", "grant", &id, "5"]).await;
    assert_eq!(ended, Ended::Code(0), "{told}");
    site.wait_for_results("validation:completed", 2, SOON).await;
}

#[tokio::test]
async fn a_life_is_told_from_the_wish_to_the_end() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let (_manager, _) = manager(&site);
    let (_, told) = typed(&site, &["worker", "spawn", "validator", "--task-id", "t-1"]).await;
    let id = told["id"].as_str().expect("an id").to_owned();
    let (ended, told) = typed(&site, &["worker", "stop", &id]).await;
    assert_eq!(ended, Ended::Code(0), "{told}");
    let moves = eventually("it has ended", SOON, async || {
        let feed = site.conn.entries("materi:printery:activity").await;
        let of_it = feed.iter().filter(|entry| entry.text("subject") == id);
        let kinds: Vec<String> = of_it.map(|entry| entry.text("kind")).collect();
        if kinds.last().is_some_and(|kind| kind == "worker:completed") {
            Ok(kinds)
        } else {
            Err(kinds.join(", "))
        }
    })
    .await;
    let expected = ["pending", "idle", "shutting_down", "completed"];
    assert_eq!(moves, expected.map(|state| format!("worker:{state}")));
}
