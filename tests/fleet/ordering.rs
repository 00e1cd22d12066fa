//! Processes are ordered about through Redis, whoever started them and wherever it is typed.
//!
//! Proves stop, drain, restart, spawn, wait and kill-all with real processes: children obey by their manager, replicas
//! by themselves, and nobody else is touched.

use printery_testkit::{Answer, Ended, HttpService, Process, eventually, free_port, get};
use serde_json::{Value, json};

use crate::site::{SOON, Site, fleet_file, parsed};

/// Types a command; gives how it ended and the JSON that it printed.
async fn typed(site: &Site, words: &[&str]) -> (Ended, Value) {
    let process = site.launch("printery-workers").args(words).args(["--json"]).start();
    let ended = process.wait(SOON + SOON).await;
    let printed = process.stdout().join("\n");
    let shown = serde_json::from_str(&printed).unwrap_or_else(|_| json!(process.report()));
    (ended, shown)
}

/// The records of living processes of a kind.
async fn recorded(site: &Site, worker: &str) -> Vec<Value> {
    let records = site.conn.texts(&["HVALS", "materi:printery:instances"]).await;
    let all = records.iter().map(|record| parsed(record));
    all.filter(|record| record["worker"] == worker).collect()
}

async fn wait_for_processes(site: &Site, worker: &str, count: usize) -> Vec<Value> {
    eventually(&format!("{count} processes of {worker} beat"), SOON, async || {
        let records = recorded(site, worker).await;
        if records.len() == count { Ok(records) } else { Err(format!("{records:?}")) }
    })
    .await
}

/// A supervised manager of the validator alone, and where it listens.
async fn managed(site: &Site) -> (Process, String) {
    let addr = format!("127.0.0.1:{}", free_port());
    let words = ["--worker", "validator", "--supervised", "--backoff", "50"];
    let manager = site.manager(&addr).args(words).start();
    wait_for_processes(site, "validator", 1).await;
    (manager, addr)
}

#[tokio::test]
async fn a_replica_that_nobody_manages_obeys_a_stop() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let validator = site.worker("validator").start();
    let record = wait_for_processes(&site, "validator", 1).await.remove(0);
    let name = record["instance"].as_str().expect("a name").to_owned();
    let (ended, told) = typed(&site, &["worker", "stop", &name, "--timeout", "15s"]).await;
    assert_eq!(ended, Ended::Code(0), "{told}");
    assert_eq!([&told["stopped"], &told["failed"], &told["killed"]], [1, 0, 0], "{told}");
    assert_eq!(validator.wait(SOON).await, Ended::Code(0), "{}", validator.report());
    // Whoever starts later is not meant.
    let _later = site.worker("validator").start();
    site.start_deployment(1).await;
    site.wait_for_results("validation:completed", 1, SOON).await;
    let (ended, told) = typed(&site, &["worker", "stop", "nobody"]).await;
    assert_eq!(ended, Ended::Code(1), "{told}");
}

#[tokio::test]
async fn what_runs_is_finished_before_a_process_leaves() {
    let service = HttpService::start().await;
    service.answer(Answer::Hold);
    let site = Site::new(&fleet_file(&service.url())).await;
    let validator = site.worker("validator").start();
    let id = site.start_deployment(1).await;
    eventually("a handler runs", SOON, async || service.in_flight() == 1).await;
    let drain = site.launch("printery-workers").args(["worker", "drain", "validator"]).start();
    eventually("it drains", SOON, async || {
        let records = recorded(&site, "validator").await;
        let phase = records.first().map(|record| record["phase"].clone());
        if phase == Some(json!("draining")) { Ok(()) } else { Err(format!("{records:?}")) }
    })
    .await;
    service.answer(Answer::Healthy);
    assert_eq!(drain.wait(SOON).await, Ended::Code(0), "{}", drain.report());
    assert_eq!(validator.wait(SOON).await, Ended::Code(0), "{}", validator.report());
    site.assert_exactly_once("validation:completed", &[id]).await;
}

#[tokio::test]
async fn a_child_that_was_stopped_stays_away_and_one_that_was_restarted_comes_back() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let (manager, addr) = managed(&site).await;
    let before = wait_for_processes(&site, "validator", 1).await[0]["pid"].clone();
    let (ended, told) = typed(&site, &["worker", "restart", "validator"]).await;
    assert_eq!((ended, &told["success"]), (Ended::Code(0), &json!(true)), "{told}");
    eventually("another process beats", SOON, async || {
        let records = recorded(&site, "validator").await;
        let pids: Vec<&Value> = records.iter().map(|record| &record["pid"]).collect();
        if pids.len() == 1 && *pids[0] != before { Ok(()) } else { Err(format!("{pids:?}")) }
    })
    .await;
    let (ended, told) = typed(&site, &["worker", "stop", "validator"]).await;
    assert_eq!((ended, &told["stopped"]), (Ended::Code(0), &json!(1)), "{told}");
    let status = get(&addr, "/api/status").await.expect("it answers").json();
    assert_eq!(status["workers"][0]["state"], "stopped", "{status:#}");
    assert_eq!(get(&addr, "/ready").await.expect("it answers").status, 200, "nobody wants it");
    assert_eq!(manager.children(), Vec::<i32>::new(), "{}", manager.report());
    let (ended, told) = typed(&site, &["worker", "stop", "validator"]).await;
    assert_eq!((ended, &told["stopped"]), (Ended::Code(0), &json!(0)), "none runs: {told}");
    // A person wants it again.
    typed(&site, &["worker", "restart", "validator"]).await;
    wait_for_processes(&site, "validator", 1).await;
}

#[tokio::test]
async fn a_child_that_does_not_leave_is_killed_and_not_started_again() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let (manager, _) = managed(&site).await;
    let pid = manager.children()[0];
    manager.sigstop_descendant(pid);
    let (ended, told) = typed(&site, &["worker", "stop", "validator", "--timeout", "1s"]).await;
    assert_eq!((ended, &told["killed"]), (Ended::Code(0), &json!(1)), "{told}");
    eventually("no child is left", SOON, async || {
        if manager.children().is_empty() { Ok(()) } else { Err(manager.report()) }
    })
    .await;
    assert_eq!(manager.ended(), None);
}

#[tokio::test]
async fn a_child_that_waits_to_be_started_again_is_stopped_as_well() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let addr = format!("127.0.0.1:{}", free_port());
    let words = ["--worker", "validator", "--supervised", "--backoff", "10m"];
    let manager = site.manager(&addr).args(words).start();
    wait_for_processes(&site, "validator", 1).await;
    manager.kill9_descendant(manager.children()[0]);
    let wait_for_state = async |wanted: &str| {
        eventually(&format!("the validator is {wanted}"), SOON, async || {
            let status = get(&addr, "/api/status").await.map_err(|error| error.to_string())?.json();
            let state = &status["workers"][0]["state"];
            if state == wanted { Ok(()) } else { Err(state.to_string()) }
        })
        .await;
    };
    wait_for_state("restarting").await;
    // Nobody is recorded any more.
    site.conn.cmd(&["DEL", "materi:printery:instances"]).await;
    for whom in ["validator", "--all"] {
        let (ended, told) = typed(&site, &["worker", "stop", whom]).await;
        assert_eq!((ended, &told["stopped"]), (Ended::Code(0), &json!(0)), "{told}");
        wait_for_state("stopped").await;
        // A start that is due at once crashes again, and waits again.
        if whom == "validator" {
            typed(&site, &["worker", "restart", "validator"]).await;
            wait_for_processes(&site, "validator", 1).await;
            manager.kill9_descendant(manager.children()[0]);
            wait_for_state("restarting").await;
            site.conn.cmd(&["DEL", "materi:printery:instances"]).await;
        }
    }
}

#[tokio::test]
async fn one_more_process_is_started_by_a_manager_and_shares_the_work() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let (ended, told) = typed(&site, &["worker", "spawn", "validator", "--timeout", "500ms"]).await;
    assert_eq!(ended, Ended::Code(1), "nobody takes it: {told}");
    let (manager, addr) = managed(&site).await;
    let words = ["worker", "spawn", "validator", "--task-id", "t-1", "--priority", "high"];
    let (ended, told) = typed(&site, &words).await;
    assert_eq!(ended, Ended::Code(0), "{told}");
    let records = wait_for_processes(&site, "validator", 2).await;
    let extra = records.iter().find(|record| record["spawn"]["id"] == told["id"]);
    let extra = extra.unwrap_or_else(|| panic!("{records:?}"));
    assert_eq!(
        (&extra["spawn"]["task"], &extra["spawn"]["priority"]),
        (&json!("t-1"), &json!("high"))
    );
    assert_eq!(manager.children().len(), 2, "{}", manager.report());
    let (_, listed) = typed(&site, &["worker", "list"]).await;
    assert_eq!(listed["workers"].as_array().map(Vec::len), Some(2), "{listed}");
    let id = told["id"].as_str().expect("an id").to_owned();
    let (ended, shown) = typed(&site, &["worker", "show", &id]).await;
    assert_eq!((ended, &shown["instance"]), (Ended::Code(0), &extra["instance"]), "{shown}");
    let (ended, told) = typed(&site, &["worker", "stop", &id]).await;
    assert_eq!((ended, &told["stopped"]), (Ended::Code(0), &json!(1)), "{told}");
    assert_eq!(get(&addr, "/ready").await.expect("it answers").status, 200);
    wait_for_processes(&site, "validator", 1).await;
}

#[tokio::test]
async fn the_emergency_brake_touches_nobody_but_recorded_processes() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let (manager, _) = managed(&site).await;
    let replica = site.worker("notifier").start();
    wait_for_processes(&site, "notifier", 1).await;
    // Something else whose name says worker, and a record of a process that is not ours any more.
    let bystander = Process::of(std::path::Path::new("/bin/sleep")).args(["120"]).start();
    let mut forged = wait_for_processes(&site, "notifier", 1).await.remove(0);
    forged["instance"] = json!("notifier-forged");
    forged["pid"] = json!(bystander.pid());
    let record = forged.to_string();
    site.conn.cmd(&["HSET", "materi:printery:instances", "notifier-forged", &record]).await;
    let (ended, told) = typed(&site, &["kill-all"]).await;
    assert_eq!(ended, Ended::Code(2), "it wants to be meant: {told}");
    let (ended, told) = typed(&site, &["kill-all", "--yes"]).await;
    assert_eq!(ended, Ended::Code(0), "{told}");
    assert_eq!(replica.wait(SOON).await, Ended::Signal(9), "{}", replica.report());
    eventually("the manager has no child", SOON, async || {
        if manager.children().is_empty() { Ok(()) } else { Err(manager.report()) }
    })
    .await;
    assert_eq!((bystander.ended(), manager.ended()), (None, None));
}

#[tokio::test]
async fn a_script_waits_for_the_fleet_and_for_a_deployment() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let (ended, told) = typed(&site, &["wait", "--healthy", "--timeout", "600ms"]).await;
    assert_eq!(ended, Ended::Code(1), "{told}");
    assert_eq!(told["missing"].as_array().map(Vec::len), Some(4), "{told}");
    let addr = format!("127.0.0.1:{}", free_port());
    let _manager = site.manager(&addr).start();
    let (ended, told) = typed(&site, &["wait", "--healthy", "--timeout", "20s"]).await;
    assert_eq!(ended, Ended::Code(0), "{told}");
    site.start_deployment(1).await;
    let (ended, told) = typed(&site, &["wait", "--deployment", "d-1", "--timeout", "20s"]).await;
    assert_eq!(ended, Ended::Code(0), "{told}");
    let (ended, told) =
        typed(&site, &["wait", "--deployment", "nobody", "--timeout", "600ms"]).await;
    assert_eq!(ended, Ended::Code(1), "{told}");
    service.answer(Answer::Status(503));
    site.start_deployment(2).await;
    let (ended, told) = typed(&site, &["wait", "--deployment", "d-2", "--timeout", "20s"]).await;
    assert_eq!(ended, Ended::Code(1), "it was refused: {told}");
}

#[tokio::test]
async fn what_the_dead_leave_behind_is_cleaned_up_and_the_living_are_left_alone() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let living = site.worker("validator").start();
    let record = wait_for_processes(&site, "validator", 1).await.remove(0);
    let name = record["instance"].as_str().expect("a name").to_owned();
    let (ended, told) = typed(&site, &["cleanup", &name]).await;
    assert_eq!(ended, Ended::Code(1), "it lives: {told}");
    for n in 0..7 {
        let mut dead = record.clone();
        dead["instance"] = json!(format!("validator-dead-{n}"));
        dead["beat_ms"] = json!(1);
        let field = format!("validator-dead-{n}");
        let words = ["HSET", "materi:printery:instances", &field, &dead.to_string()];
        site.conn.cmd(&words).await;
    }
    let (_, told) = typed(&site, &["cleanup", "--zombies", "--dry-run"]).await;
    assert_eq!(told["cleaned"].as_array().map(Vec::len), Some(5), "{told}");
    let (ended, told) = typed(&site, &["cleanup", "--zombies", "--yes"]).await;
    assert_eq!((ended, &told["left"]), (Ended::Code(0), &json!(2)), "{told}");
    let fed = site.conn.entries("materi:printery:activity").await;
    let count = |kind: &str| fed.iter().filter(|one| one.text("kind") == kind).count();
    let told = ["worker:mass_zombification_alert", "worker:zombie", "worker:cleaned_up"].map(count);
    assert_eq!(told, [1, 5, 5]);
    assert_eq!(recorded(&site, "validator").await.len(), 3);
    assert_eq!(living.ended(), None);
}

#[tokio::test]
async fn a_circuit_is_listed_and_closed_by_hand() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let key = "materi:printery:destination:log";
    site.conn.cmd(&["HSET", key, "failures", "5", "open_until", "9999999999999"]).await;
    let (_, listed) = typed(&site, &["breaker", "list"]).await;
    assert_eq!(listed["breakers"][0]["state"], "open", "{listed}");
    typed(&site, &["owner", "set", "notifier", "legacy"]).await;
    let addr = format!("127.0.0.1:{}", free_port());
    let _manager = site.manager(&addr).args(["--worker", "none"]).start();
    let expected = [
        "printery_circuit_breaker_state{target=\"log\"} 1",
        "printery_owner{worker=\"notifier\",owner=\"legacy\"} 1",
        "printery_owner{worker=\"validator\",owner=\"printery\"} 1",
    ];
    eventually("the metrics tell circuits and owners", SOON, async || {
        let metrics = get(&addr, "/metrics").await.map_or_else(|e| e.to_string(), |m| m.body);
        if expected.iter().all(|line| metrics.contains(line)) { Ok(()) } else { Err(metrics) }
    })
    .await;
    let (ended, told) = typed(&site, &["breaker", "reset", "log"]).await;
    assert_eq!((ended, &told["reset"]), (Ended::Code(0), &json!(true)), "{told}");
    let (_, listed) = typed(&site, &["breaker", "list"]).await;
    assert_eq!(listed["breakers"][0]["state"], "closed", "{listed}");
    let (ended, told) = typed(&site, &["breaker", "reset", "lgo"]).await;
    assert_eq!(ended, Ended::Code(2), "{told}");
    let top = site.launch("printery-workers").args(["top", "--type", "validator"]).start();
    assert_eq!(top.wait(SOON).await, Ended::Code(0), "{}", top.report());
    let shown = top.stdout().join("\n");
    assert!(shown.contains("validator") && !shown.contains("notifier"), "{shown}");
}
