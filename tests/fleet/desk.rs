//! What somebody at a desk does: reads one log of all processes, judges a file, is asked by the wizard, calls the doctor.
//!
//! Proves those commands with a real manager and its workers, and that a second manager is refused where that was asked for.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use printery_testkit::{Ended, HttpService, Process, eventually, free_port, get};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binaries::program;
use crate::site::{SOON, Site, fleet_file, parsed};

/// Types a command; gives how it ended and everything it said.
async fn typed(site: &Site, words: &[&str]) -> (Ended, String) {
    let process = site.launch("printery-workers").args(words).start();
    let ended = process.wait(SOON).await;
    (ended, process.lines().join("\n"))
}

async fn ready(manager: &Process, addr: &str) {
    eventually("it is ready", SOON, async || match get(addr, "/ready").await {
        Ok(response) if response.status == 200 => Ok(()),
        other => Err(format!("{other:?} {}", manager.report())),
    })
    .await;
}

#[tokio::test]
async fn one_file_has_the_lines_of_all_processes_and_goes_on_after_it_was_moved_aside() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let folder = TempDir::with_prefix("printery-log-").expect("a temporary folder");
    let path = folder.path().join("fleet.log");
    let file = path.to_str().expect("a plain name");
    let addr = format!("127.0.0.1:{}", free_port());
    let manager = site.manager(&addr).args(["--worker", "validator", "--supervised"]);
    let manager = manager.args(["--log-file", file]).start();
    ready(&manager, &addr).await;
    let (ended, said) = typed(&site, &["worker", "logs", "validator", "--log-file", file]).await;
    assert_eq!(ended, Ended::Code(0), "{said}");
    let of_it = said.lines().all(|line| parsed(line)["program"] == "printery-validator");
    assert!(of_it && said.contains("ready"), "{said}");
    let (_, said) = typed(&site, &["worker", "logs", "--level", "warn", "--log-file", file]).await;
    assert!(said.contains("appendonly is off") && !said.contains("INFO"), "{said}");
    let (ended, said) = typed(&site, &["worker", "logs", "--rotate", "--log-file", file]).await;
    assert_eq!(ended, Ended::Code(0), "{said}");
    manager.sigterm();
    assert_eq!(manager.wait(SOON).await, Ended::Code(0), "{}", manager.report());
    let (old, new) = (fs::read_to_string(format!("{file}.1")), fs::read_to_string(&path));
    let (old, new) = (old.expect("the old file"), new.expect("the new file"));
    assert!(old.contains("worker started") && !old.contains("worker stopped"), "{old}");
    assert!(new.contains("worker stopped") && new.contains("printery-validator"), "{new}");
    let (ended, said) = typed(&site, &["worker", "logs"]).await;
    assert_eq!(ended, Ended::Code(2), "{said}");
}

#[tokio::test]
async fn a_second_manager_is_refused_where_one_was_asked_for_and_the_dead_hold_nothing() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let folder = TempDir::with_prefix("printery-pid-").expect("a temporary folder");
    let path = folder.path().join("printery-workers.pid");
    let start = || {
        let addr = format!("127.0.0.1:{}", free_port());
        let launch = site.manager(&addr).args(["--worker", "none"]);
        (launch.env("PRINTERY_PID_FILE", &path).start(), addr)
    };
    let (first, addr) = start();
    ready(&first, &addr).await;
    let (second, _) = start();
    assert_eq!(second.wait(SOON).await, Ended::Code(1), "{}", second.report());
    let said = second.lines().join("\n");
    assert!(said.contains(&format!("already running: pid {}", first.pid())), "{said}");
    first.kill9();
    first.wait(SOON).await;
    let (third, addr) = start();
    ready(&third, &addr).await;
}

#[tokio::test]
async fn a_file_is_judged_before_anything_is_asked_for() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let folder = TempDir::with_prefix("printery-spec-").expect("a temporary folder");
    let path = folder.path().join("spec.json");
    let file = path.to_str().expect("a plain name");
    let wrong = json!({ "type": 7, "status": "running" });
    fs::write(&path, wrong.to_string()).expect("a writable folder");
    for (words, code) in [(["spec", "validate", file], 1), (["worker", "spawn", "--spec"], 2)] {
        let words = if code == 2 { [&words[..], &[file]].concat() } else { words.to_vec() };
        let (ended, said) = typed(&site, &words).await;
        assert_eq!(ended, Ended::Code(code), "{said}");
        for problem in ["type: 7 must be text", "task_id: is missing", "status: \"running\""] {
            assert!(said.contains(problem), "{problem} is not in {said}");
        }
    }
    assert_eq!(site.conn.int(&["DBSIZE"]).await, 0);
    let addr = format!("127.0.0.1:{}", free_port());
    let manager = site.manager(&addr).args(["--worker", "validator", "--supervised"]).start();
    ready(&manager, &addr).await;
    fs::write(&path, json!({ "type": "validator", "task_id": "t-1" }).to_string())
        .expect("a writable folder");
    let (ended, said) = typed(&site, &["worker", "spawn", "--spec", file, "--json"]).await;
    assert_eq!(ended, Ended::Code(0), "{said} {}", manager.report());
}

/// Answers the wizard; gives its exit code and what it printed.
fn wizard(site: &Site, answers: &str) -> (Option<i32>, String) {
    let mut wizard = Command::new(program("printery-workers"))
        .args(["wizard"])
        .env("REDIS_URL", site.redis.url())
        .env("PRINTERY_HTTP_ADDR", "off")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let stdin = wizard.stdin.as_mut().expect("a pipe");
    stdin.write_all(answers.as_bytes()).expect("it reads");
    let output = wizard.wait_with_output().expect("it ends");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test]
async fn the_wizard_spawns_what_was_agreed_to_and_otherwise_says_how() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let (code, said) = wizard(&site, "1\n1\ntask-1\n2\n\nn\n");
    let command = "printery-workers worker spawn --type validator --task-id task-1";
    assert_eq!((code, said.starts_with(command)), (Some(0), true), "{said}");
    let addr = format!("127.0.0.1:{}", free_port());
    let manager = site.manager(&addr).args(["--worker", "validator", "--supervised"]).start();
    ready(&manager, &addr).await;
    let (code, said) = wizard(&site, "1\n1\ntask-1\n2\n\ny\n");
    assert_eq!((code, said.contains(" runs as ")), (Some(0), true), "{said} {}", manager.report());
}

#[tokio::test]
async fn the_doctor_names_what_holds_the_fleet_and_the_command_that_ends_it() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let _held = site.worker("health-monitor").env("FEATURE_HEALTH_MONITOR", "false").start();
    typed(&site, &["owner", "set", "notifier", "legacy", "--yes"]).await;
    typed(&site, &["group", "pause", "validator", "--reason", "a migration", "--yes"]).await;
    typed(&site, &["budget", "set", "100"]).await;
    site.conn.cmd(&["HSET", "materi:printery:budget", "given:gone", "99"]).await;
    let key = "materi:printery:destination:start:notifier";
    site.conn.cmd(&["HSET", key, "failures", "3", "open_until", "9999999999999"]).await;
    site.conn.cmd(&["SET", "materi:printery:lock:MANAGER", "maintenance"]).await;
    let findings = eventually("the held process beats", SOON, async || {
        let (_, said) = typed(&site, &["doctor", "--json"]).await;
        let findings = parsed(&said)["findings"].as_array().cloned().unwrap_or_default();
        let guards = findings.iter().any(|one| one["text"].to_string().contains("feature:health"));
        if guards { Ok(findings) } else { Err(said) }
    })
    .await;
    for (about, text, hint) in [
        ("owners", "notifier is run by legacy", "owner set notifier printery"),
        ("owners", "a migration", "group resume validator"),
        ("guards", "feature:health-monitor", "FEATURE_HEALTH_MONITOR=false"),
        ("breakers", "start:notifier", "breaker reset start:notifier"),
        ("budget", "1 of 100", "budget recalc"),
        ("leader", "maintenance", "deleting the lock"),
    ] {
        let is_it = |one: &&Value| {
            one["about"] == about && one["text"].as_str().is_some_and(|it| it.contains(text))
        };
        let found = findings.iter().find(is_it);
        let found = found.unwrap_or_else(|| panic!("{about}: {text} is not in {findings:#?}"));
        let told = found["hint"].as_str().unwrap_or_default();
        assert!(told.contains(hint), "{found}");
    }
}
