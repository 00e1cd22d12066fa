//! A worker that waits until somebody needs it is started once, however many need it, and says why where it cannot be.
//!
//! Proves it with real processes: triggers in parallel, a program that is missing, its cooldown, and managers that share.

use std::path::Path;

use printery_testkit::{Ended, HttpService, Process, Response, eventually, free_port, get, post};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::binaries::program;
use crate::site::{SOON, Site, fleet_file, parsed};

const LAZY: &str = "notifier=lazy";

fn manager(site: &Site) -> (Process, String) {
    let addr = format!("127.0.0.1:{}", free_port());
    let words = ["--start-services", "validator", "--override-services", LAZY];
    (site.manager(&addr).args(words).start(), addr)
}

async fn trigger(addr: &str) -> Response {
    post(addr, "/api/pipelines/notifier/trigger", &json!({})).await.expect("it answers")
}

async fn wait_until_ready(manager: &Process, addr: &str) {
    eventually("it is ready", SOON, async || match get(addr, "/ready").await {
        Ok(response) if response.status == 200 => Ok(()),
        other => Err(format!("{other:?} {}", manager.report())),
    })
    .await;
}

/// The programs that run below these managers.
fn notifiers(managers: &[&Process]) -> usize {
    let programs = managers.iter().flat_map(|manager| manager.children());
    let is_notifier = |pid: &i32| {
        std::fs::read_link(format!("/proc/{pid}/exe"))
            .is_ok_and(|path| path.ends_with("printery-notifier"))
    };
    programs.filter(is_notifier).count()
}

async fn state(addr: &str) -> Value {
    let status = get(addr, "/api/status").await.expect("it answers").json();
    let workers = status["workers"].as_array().cloned().unwrap_or_default();
    workers.into_iter().find(|one| one["worker"] == "notifier").unwrap_or_default()
}

#[tokio::test]
async fn twenty_who_need_it_at_once_start_one_process_of_two_managers() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let (first, addr) = manager(&site);
    let (second, other) = manager(&site);
    wait_until_ready(&first, &addr).await;
    wait_until_ready(&second, &other).await;
    assert_eq!(state(&addr).await["state"], "lazy");
    assert_eq!(notifiers(&[&first, &second]), 0);
    let mut asking = JoinSet::new();
    for n in 0..20 {
        let addr = if n % 2 == 0 { addr.clone() } else { other.clone() };
        asking.spawn(async move { trigger(&addr).await });
    }
    let answers = asking.join_all().await;
    // The eleventh that waits is one too many: nobody is to take what a person did not look after.
    let taken = answers.iter().filter(|answer| answer.status == 201).count();
    let full = answers.iter().filter(|answer| answer.status == 429).count();
    assert_eq!(taken + full, 20, "{answers:?}");
    assert!(taken >= 10, "{answers:?}");
    assert_eq!(notifiers(&[&first, &second]), 1, "{}\n{}", first.report(), second.report());
    let records = site.conn.texts(&["HVALS", "materi:printery:instances"]).await;
    let of_it = records.iter().filter(|record| parsed(record)["worker"] == "notifier").count();
    assert_eq!(of_it, 1, "{records:?}");
}

#[tokio::test]
async fn a_start_that_fails_says_why_and_cools_down_after_three() {
    let folder =
        TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder beside the programs");
    for name in ["printery-workers", "printery-validator"] {
        link(&program(name), &folder.path().join(name));
    }
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let addr = format!("127.0.0.1:{}", free_port());
    let words = ["--start-services", "validator", "--override-services", LAZY];
    let manager = site
        .prepare(&folder.path().join("printery-workers"))
        .env("PRINTERY_HTTP_ADDR", &addr)
        .args(words)
        .start();
    wait_until_ready(&manager, &addr).await;
    for _ in 0..3 {
        let answer = trigger(&addr).await;
        let message = answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert_eq!(answer.status, 503, "{answer:?}");
        let expected = "Failed to initialize notifier worker: cannot start ";
        assert!(message.starts_with(expected), "{message}");
    }
    let answer = trigger(&addr).await;
    let message = answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
    assert_eq!(answer.status, 503);
    let expected = "notifier is in cooldown after 3 failures. Retry in ";
    assert!(message.starts_with(expected), "{message}");
    let typed = async |words: &[&str]| {
        let process = site.launch("printery-workers").args(words).start();
        assert_eq!(process.wait(SOON).await, Ended::Code(0), "{}", process.report());
        process.stdout()
    };
    let listed = parsed(&typed(&["breaker", "list", "--json"]).await.join("\n"));
    assert_eq!(listed["breakers"][0]["target"], "start:notifier", "{listed}");
    assert_eq!(listed["breakers"][0]["state"], "open", "{listed}");
    let restarts = typed(&["restarts", "--json"]).await;
    assert_eq!(restarts.len(), 3, "{restarts:?}");
    assert!(restarts.iter().all(|line| parsed(line)["worker"] == "notifier"), "{restarts:?}");
    // Somebody puts the program there.
    link(&program("printery-notifier"), &folder.path().join("printery-notifier"));
    typed(&["breaker", "reset", "start:notifier"]).await;
    let answer = trigger(&addr).await;
    assert_eq!(answer.status, 201, "{answer:?} {}", manager.report());
}

fn link(from: &Path, to: &Path) {
    // A copy where the file system has no second names for a file.
    std::fs::hard_link(from, to)
        .or_else(|_| std::fs::copy(from, to).map(drop))
        .expect("a program to link");
}
