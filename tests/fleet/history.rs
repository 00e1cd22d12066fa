//! Jobs are known for longer than Redis keeps them.
//!
//! Proves what is said of the store process: begun by the first question, once, ended last, and nothing that an event waits for.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use printery_testkit::{
    Ended, HttpService, Launch, PostgresServer, Process, eventually, free_port, get,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::site::{PREFIX, SOON, Site, fleet_file, parsed};

/// A fleet with a history of its own.
struct Remembered {
    site: Site,
    folder: TempDir,
    _service: HttpService,
}

impl Remembered {
    async fn new() -> Self {
        let service = HttpService::start().await;
        let site = Site::new(&fleet_file(&service.url())).await;
        let folder = TempDir::with_prefix("printery-history-").expect("a temporary folder");
        Self { site, folder, _service: service }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("data/jobs.db")
    }

    fn told(&self, launch: Launch, url: &str) -> Launch {
        launch.env("PRINTERY_RUNTIME_DIR", self.folder.path()).env("STORE_URL", url)
    }

    /// A manager with its workers, all ready.
    async fn fleet(&self, url: &str) -> (Process, String) {
        let addr = format!("127.0.0.1:{}", free_port());
        let manager = self.told(self.site.manager(&addr), url).start();
        eventually("the fleet is ready", SOON, async || match get(&addr, "/ready").await {
            Ok(response) if response.status == 200 => Ok(()),
            other => Err(format!("{other:?}\n{}", manager.report())),
        })
        .await;
        (manager, addr)
    }

    /// Lets the fleet do three deployments.
    async fn work(&self) {
        for n in 1..=3 {
            self.site.start_deployment(n).await;
        }
        self.site.wait_for_results("validation:completed", 3, SOON).await;
        self.site.wait_until_idle(SOON).await;
    }

    /// Takes everything away that Redis knows of jobs.
    async fn forget(&self) {
        for key in self.site.conn.keys(&format!("{PREFIX}:events:*")).await {
            self.site.conn.cmd(&["DEL", &key]).await;
        }
        for key in self.site.conn.keys(&format!("{PREFIX}:printery:log:*")).await {
            self.site.conn.cmd(&["DEL", &key]).await;
        }
    }
}

/// The store processes that a manager started and that live.
fn stores(manager: &Process) -> Vec<i32> {
    // The manager learns of its death when it asks it next; until then the system lists it as a zombie.
    let is_store = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.contains("(printery-store)") && !stat.contains(") Z ")
    };
    manager.children().into_iter().filter(is_store).collect()
}

async fn asked(addr: &str, path: &str) -> Value {
    let answer = get(addr, path).await.expect("the manager answers");
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

/// What a person with a shell finds in the file.
fn sqlite(file: &Path, sql: &str) -> Vec<String> {
    let output = Command::new("sqlite3").arg(file).arg(sql).output();
    let output = output.expect("sqlite3 is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

const JOBS: &str = "/api/pipelines/validator/jobs";

#[tokio::test]
async fn the_first_question_starts_one_store_which_knows_what_redis_has_forgotten() {
    let fleet = Remembered::new().await;
    let file = fleet.file();
    let (manager, addr) = fleet.fleet(&file.display().to_string()).await;
    fleet.work().await;
    assert_eq!(stores(&manager), Vec::<i32>::new(), "nobody has asked");
    assert_eq!(asked(&addr, "/health").await["parts"]["store"]["status"], "ok");

    let (one, other) = tokio::join!(asked(&addr, JOBS), asked(&addr, JOBS));
    assert_eq!((&one["total"], &other["total"]), (&json!(3), &json!(3)));
    assert_eq!(stores(&manager).len(), 1, "{}", manager.report());
    let counts = asked(&addr, "/api/pipelines/validator/stats").await;
    assert_eq!((&counts["counts"]["completed"], &counts["of"]), (&json!(3), &json!("history")));
    let kept = sqlite(
        &file,
        "SELECT status, COUNT(*) FROM jobs WHERE pipeline_id = 'validator' GROUP BY 1",
    );
    assert_eq!(kept, ["completed|3"]);

    fleet.forget().await;
    let older = asked(&addr, &format!("{JOBS}?limit=2")).await;
    assert_eq!((&older["total"], &older["hasMore"]), (&json!(3), &json!(true)), "{older:#}");
    let ids = |list: &Value| -> Vec<Value> {
        list["jobs"].as_array().expect("a list").iter().map(|job| job["id"].clone()).collect()
    };
    let rest = asked(&addr, &format!("{JOBS}?limit=2&offset=2")).await;
    let (mut before, mut after) = (ids(&one), ids(&older));
    after.extend(ids(&rest));
    before.sort_by_key(Value::to_string);
    after.sort_by_key(Value::to_string);
    assert_eq!(before, after, "the same jobs, each once");
    let was = &one["jobs"][0];
    let job = asked(&addr, &format!("/api/jobs/{}", was["id"].as_str().expect("a name"))).await;
    for name in ["id", "status", "createdAt", "completedAt", "data", "workerId", "deploymentId"] {
        assert_eq!(job[name], was[name], "{name}");
    }
    assert_eq!(asked(&addr, &format!("{JOBS}?status=failed")).await["total"], json!(0));

    let words = ["job", "list", "validator", "--json"];
    let url = file.display().to_string();
    let typed = fleet.told(fleet.site.launch("printery-workers"), &url).args(words).start();
    assert_eq!(typed.wait(SOON).await, Ended::Code(0), "{}", typed.report());
    assert_eq!(parsed(&typed.stdout().join("\n"))["total"], json!(3));

    let killed = stores(&manager);
    manager.kill9_descendant(killed[0]);
    eventually("the store is dead", SOON, async || !stores(&manager).contains(&killed[0])).await;
    assert_eq!(asked(&addr, JOBS).await["total"], json!(3), "a new one answers");
    let started = stores(&manager);
    assert!(started.len() == 1 && started != killed, "{started:?}");

    manager.sigterm();
    assert_eq!(manager.wait(SOON).await, Ended::Code(0), "{}", manager.report());
    assert!(!Path::new(&format!("/proc/{}", started[0])).exists(), "it ended with the fleet");
}

#[tokio::test]
async fn a_store_ends_with_a_manager_that_is_killed() {
    let fleet = Remembered::new().await;
    let (manager, addr) = fleet.fleet(&fleet.file().display().to_string()).await;
    asked(&addr, JOBS).await;
    let store = stores(&manager)[0];
    manager.kill9();
    eventually("the store is gone", SOON, async || {
        let stat = std::fs::read_to_string(format!("/proc/{store}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    })
    .await;
}

#[tokio::test]
async fn a_store_that_cannot_write_costs_history_and_nothing_else() {
    let fleet = Remembered::new().await;
    let nowhere = fleet.folder.path().join("file");
    std::fs::write(&nowhere, "no folder").expect("a writable folder");
    let url = nowhere.join("jobs.db").display().to_string();
    let (manager, addr) = fleet.fleet(&url).await;
    fleet.work().await;
    assert_eq!(asked(&addr, JOBS).await["total"], json!(3), "Redis knows them");
    let health = asked(&addr, "/health").await;
    assert_eq!(
        (&health["status"], &health["parts"]["store"]["status"]),
        (&json!("degraded"), &json!("degraded")),
        "{health:#}"
    );
    fleet.site.start_deployment(4).await;
    fleet.site.wait_for_results("validation:completed", 4, SOON).await;
    let said = manager.lines().join("\n");
    assert!(said.contains("cannot be locked"), "{said}");
}

#[tokio::test]
async fn a_server_of_postgresql_keeps_them_as_well() {
    let server = PostgresServer::start().await;
    let fleet = Remembered::new().await;
    let (manager, addr) = fleet.fleet(&server.url()).await;
    fleet.work().await;
    assert_eq!(asked(&addr, JOBS).await["total"], json!(3), "{}", manager.report());
    fleet.forget().await;
    let older = asked(&addr, &format!("{JOBS}?status=completed")).await;
    assert_eq!(older["total"], json!(3), "{older:#}\n{}", manager.report());
    let kept = server.sql("SELECT COUNT(*) FROM jobs WHERE pipeline_id = 'validator'");
    assert_eq!(kept, ["3"]);
    assert_eq!(asked(&addr, "/health").await["parts"]["store"]["status"], "ok");
}

#[tokio::test]
async fn a_fleet_that_keeps_nothing_starts_no_store_and_an_unknown_driver_starts_nothing() {
    let fleet = Remembered::new().await;
    let addr = format!("127.0.0.1:{}", free_port());
    let manager = fleet.site.manager(&addr).env("STORE_DRIVER", "memory").start();
    eventually("it answers", SOON, async || get(&addr, JOBS).await.map_err(|e| e.to_string()))
        .await;
    assert_eq!(stores(&manager), Vec::<i32>::new());
    assert_eq!(asked(&addr, "/health").await["parts"]["store"], Value::Null);

    let bogus = fleet.site.manager("off").env("STORE_DRIVER", "bogus").start();
    assert_eq!(bogus.wait(Duration::from_secs(20)).await, Ended::Code(2));
    let said = bogus.stderr().join("\n");
    assert!(said.contains("redis, sqlite, postgres, memory"), "{said}");
}
