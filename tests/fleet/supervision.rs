//! The manager starts, watches, restarts and stops its workers.
//!
//! Proves the manager's part of the contract's sections 8 and 9, seen from the process table, the log and HTTP.

use std::path::Path;
use std::time::Duration;

use printery_testkit::{Answer, Ended, HttpService, Launch, Process, eventually, free_port, get};
use tempfile::TempDir;

use crate::binaries::program;
use crate::site::{SOON, Site, fleet_file};

const WORKERS: [&str; 4] = ["validator", "dependency-checker", "health-monitor", "notifier"];

/// A manager, where it listens, and what its workers ask.
struct Managed {
    manager: Process,
    addr: String,
    service: HttpService,
    site: Site,
}

/// Starts the manager after `change`, without waiting for anything.
async fn managed(change: impl FnOnce(Launch) -> Launch) -> Managed {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let addr = format!("127.0.0.1:{}", free_port());
    let manager = change(site.manager(&addr)).start();
    Managed { manager, addr, service, site }
}

impl Managed {
    async fn wait_for(&self, path: &str, status: u16) {
        eventually(&format!("{path} answers {status}"), SOON, async || {
            match get(&self.addr, path).await {
                Ok(response) if response.status == status => Ok(()),
                other => Err(format!("{other:?}\n{}", self.manager.report())),
            }
        })
        .await;
    }

    /// Returns the running workers and their process ids.
    fn workers(&self) -> Vec<(String, i32)> {
        let name = |pid: i32| {
            let program = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
            let name = program.file_name()?.to_str()?.strip_prefix("printery-")?.to_owned();
            Some((name, pid))
        };
        self.manager.children().into_iter().filter_map(name).collect()
    }

    fn pid_of(&self, worker: &str) -> Option<i32> {
        self.workers().into_iter().find(|(name, _)| name == worker).map(|(_, pid)| pid)
    }

    /// Waits for a process of that worker that is none of `before`.
    async fn another(&self, worker: &str, before: &[i32]) -> i32 {
        eventually(&format!("another {worker} runs"), SOON, async || {
            let found = self.pid_of(worker).filter(|pid| !before.contains(pid));
            found.ok_or_else(|| self.manager.report())
        })
        .await
    }

    /// Returns the workers in the order in which the log first says `what` about them.
    fn order_of(&self, what: &str) -> Vec<String> {
        let lines = self.manager.lines();
        let about = lines.iter().filter(|line| line.contains(what));
        let named = about.filter_map(|line| {
            WORKERS.iter().find(|worker| line.contains(&format!("\"worker\":\"{worker}\"")))
        });
        let mut order: Vec<String> = Vec::new();
        for worker in named {
            if !order.iter().any(|known| known == worker) {
                order.push((*worker).to_owned());
            }
        }
        order
    }
}

/// Clock ticks since boot at which a process began.
fn began(pid: i32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    let (_, after_name) = stat.rsplit_once(')').expect("a name in parentheses");
    after_name.split_whitespace().nth(19).and_then(|ticks| ticks.parse().ok()).expect("field 22")
}

#[tokio::test]
async fn the_validator_is_ready_before_anybody_else_starts() {
    let fleet = managed(|launch| launch).await;
    fleet.wait_for("/ready", 200).await;
    let mut workers = fleet.workers();
    workers.sort_by_key(|(_, pid)| began(*pid));
    let names: Vec<&str> = workers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert_eq!(names[0], "validator", "{names:?}");
    let validator = began(workers[0].1);
    assert!(workers[1..].iter().all(|(_, pid)| began(*pid) > validator), "{workers:?}");
}

#[tokio::test]
async fn sigterm_stops_the_workers_in_reverse_order() {
    let fleet = managed(|launch| launch).await;
    fleet.wait_for("/ready", 200).await;
    fleet.manager.sigterm();
    assert_eq!(fleet.manager.wait(SOON).await, Ended::Code(0), "{}", fleet.manager.report());
    let reversed: Vec<&str> = WORKERS.into_iter().rev().collect();
    assert_eq!(fleet.order_of("stopping worker"), reversed, "{}", fleet.manager.report());
}

#[tokio::test]
async fn a_killed_worker_is_restarted_when_supervised() {
    let fleet = managed(|launch| launch.args(["--supervised", "--backoff", "50"])).await;
    fleet.wait_for("/ready", 200).await;
    let killed = fleet.pid_of("validator").expect("the validator runs");
    fleet.manager.kill9_descendant(killed);
    fleet.another("validator", &[killed]).await;
    fleet.wait_for("/ready", 200).await;
    let metrics = get(&fleet.addr, "/metrics").await.expect("the manager answers").body;
    let restarts = metrics.lines().find(|line| {
        line.starts_with("printery_worker_restarts_total{") && line.contains("\"validator\"")
    });
    assert!(restarts.is_some_and(|line| line.ends_with(" 1")), "{restarts:?} in {metrics}");
    fleet.site.start_deployment(1).await;
    fleet.site.wait_for_results("validation:completed", 1, SOON).await;
}

#[tokio::test]
async fn a_worker_that_hangs_is_replaced_when_supervised() {
    let fleet = managed(|launch| launch.args(["--supervised", "--backoff", "50"])).await;
    fleet.wait_for("/ready", 200).await;
    let hung = fleet.pid_of("validator").expect("the validator runs");
    fleet.manager.sigstop_descendant(hung);
    // It is believed to live until it has been silent for 15 s.
    eventually("another validator runs", Duration::from_secs(15) + SOON, async || {
        let found = fleet.pid_of("validator").filter(|pid| *pid != hung);
        found.ok_or_else(|| fleet.manager.report())
    })
    .await;
    fleet.wait_for("/ready", 200).await;
    fleet.site.start_deployment(1).await;
    fleet.site.wait_for_results("validation:completed", 1, SOON).await;
}

#[tokio::test]
async fn a_worker_that_keeps_crashing_is_given_up_and_the_others_go_on() {
    let arguments = ["--supervised", "--backoff", "10ms", "--max-restarts", "2"];
    let fleet = managed(|launch| launch.args(arguments)).await;
    fleet.wait_for("/ready", 200).await;
    let mut killed = Vec::new();
    for _ in 0..3 {
        let pid = fleet.another("notifier", &killed).await;
        fleet.manager.kill9_descendant(pid);
        killed.push(pid);
    }
    fleet.wait_for("/health", 503).await;
    eventually("it is given up", SOON, async || {
        let given_up = fleet.manager.lines().iter().any(|line| line.contains("given up"));
        if given_up { Ok(()) } else { Err(fleet.manager.report()) }
    })
    .await;
    assert_eq!(fleet.pid_of("notifier"), None);
    assert_eq!(fleet.workers().len(), 3);
    fleet.site.start_deployment(1).await;
    fleet.site.wait_for_results("health:check:completed", 1, SOON).await;
}

#[tokio::test]
async fn a_killed_worker_stays_down_when_nobody_supervises() {
    let fleet = managed(|launch| launch.args(["--backoff", "10ms"])).await;
    fleet.wait_for("/ready", 200).await;
    let killed = fleet.pid_of("validator").expect("the validator runs");
    fleet.manager.kill9_descendant(killed);
    fleet.wait_for("/health", 503).await;
    fleet.wait_for("/ready", 503).await;
    assert_eq!(fleet.pid_of("validator"), None);
    assert_eq!(fleet.workers().len(), 3);
    assert!(fleet.manager.is_running());
}

#[tokio::test]
async fn a_missing_program_does_not_keep_the_others_from_running() {
    let folder =
        TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder beside the programs");
    for name in ["workers", "validator", "dependency-checker", "health-monitor"] {
        let name = format!("printery-{name}");
        link(&program(&name), &folder.path().join(&name));
    }
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let addr = format!("127.0.0.1:{}", free_port());
    let manager = Process::of(&folder.path().join("printery-workers"))
        .env("REDIS_URL", site.redis.url())
        .env("PRINTERY_HTTP_ADDR", &addr)
        .env("PRINTERY_ENCODING", "json")
        .start();
    let fleet = Managed { manager, addr, service, site };
    fleet.wait_for("/health", 503).await;
    fleet.site.start_deployment(1).await;
    fleet.site.wait_for_results("validation:completed", 1, SOON).await;
    let said = fleet.manager.lines().join("\n");
    assert!(said.contains("printery-notifier"), "the missing program is named: {said}");
    drop(fleet.service);
}

fn link(from: &Path, to: &Path) {
    // A copy where the file system has no second names for a file.
    std::fs::hard_link(from, to)
        .or_else(|_| std::fs::copy(from, to).map(drop))
        .expect("a program to link");
}

#[tokio::test]
async fn a_worker_that_does_not_leave_is_killed_after_the_deadline() {
    let fleet = managed(|launch| launch.args(["--shutdown-timeout", "200ms"])).await;
    fleet.wait_for("/ready", 200).await;
    fleet.service.answer(Answer::Hold);
    fleet.site.start_deployment(1).await;
    eventually("a handler runs", SOON, async || fleet.service.in_flight() == 1).await;
    fleet.manager.sigterm();
    assert_eq!(fleet.manager.wait(SOON).await, Ended::Code(75), "{}", fleet.manager.report());
    assert_eq!(fleet.workers(), []);
}

#[tokio::test]
async fn a_second_signal_stops_the_whole_fleet_at_once() {
    let fleet = managed(|launch| launch.args(["--shutdown-timeout", "10m"])).await;
    fleet.wait_for("/ready", 200).await;
    fleet.service.answer(Answer::Hold);
    fleet.site.start_deployment(1).await;
    eventually("a handler runs", SOON, async || fleet.service.in_flight() == 1).await;
    let workers = fleet.workers();
    fleet.manager.sigterm();
    eventually("it drains", SOON, async || fleet.workers().len() < workers.len()).await;
    assert!(fleet.manager.is_running());
    fleet.manager.sigterm();
    fleet.manager.wait(Duration::from_secs(5)).await;
    for (worker, pid) in workers {
        let gone = !Path::new(&format!("/proc/{pid}/exe")).exists();
        assert!(gone, "{worker} is still there");
    }
}

#[tokio::test]
async fn one_worker_in_the_foreground_replaces_the_manager() {
    for (asked, program) in [
        ("validator", "printery-validator"),
        ("dependency", "printery-dependency-checker"),
        ("health", "printery-health-monitor"),
        ("notifier", "printery-notifier"),
    ] {
        let worker = managed(|launch| launch.env("WORKER_MODE", asked)).await;
        worker.wait_for("/ready", 200).await;
        let path = format!("/proc/{}/exe", worker.manager.pid());
        let running = std::fs::read_link(path).expect("the process runs");
        assert!(running.ends_with(program), "{asked}: {}", running.display());
        worker.manager.sigterm();
        let ended = worker.manager.wait(SOON).await;
        assert_eq!(ended, Ended::Code(0), "{}", worker.manager.report());
    }
}

#[tokio::test]
async fn the_control_plane_alone_starts_no_worker_and_makes_the_groups() {
    let fleet = managed(|launch| launch.args(["--worker", "none"])).await;
    fleet.wait_for("/ready", 200).await;
    assert_eq!(fleet.workers(), []);
    let world = fleet.site.world().await;
    let started = world.streams.get("events:deployment:deployment:started");
    let groups: Vec<&String> =
        started.into_iter().flat_map(|stream| stream.groups.keys()).collect();
    assert_eq!(groups, ["printery-notifier", "printery-validator"], "{world}");
    fleet.manager.sigterm();
    assert_eq!(fleet.manager.wait(SOON).await, Ended::Code(0), "{}", fleet.manager.report());
}

#[tokio::test]
async fn the_managers_metrics_cover_its_workers() {
    let fleet = managed(|launch| launch).await;
    fleet.wait_for("/ready", 200).await;
    fleet.site.start_deployment(1).await;
    fleet.site.wait_for_results("health:check:completed", 1, SOON).await;
    eventually("every worker has counted its event", SOON, async || {
        let metrics = get(&fleet.addr, "/metrics").await.map_or_else(|e| e.to_string(), |m| m.body);
        let counted = |worker: &str| {
            metrics.lines().any(|line| {
                line.starts_with("printery_events_processed_total{")
                    && line.contains(&format!("\"{worker}\""))
            })
        };
        if WORKERS.into_iter().all(counted) { Ok(()) } else { Err(metrics) }
    })
    .await;
}
