//! The fleet with the users that `deploy/acl` ships.
//!
//! Every program has the rights of its role and no other; whatever a server refuses is in its log and fails the test.

use std::collections::BTreeMap;

use printery_testkit::acl::{User, refusals, shipped_users};
use printery_testkit::{Answer, Ended, HttpService, Launch, Process, eventually, free_port, get};
use serde_json::Value;

use crate::retry::telling;
use crate::site::{PREFIX, SOON, Site, fleet_file, stream};

/// The workers, each a process of its own.
const KINDS: [&str; 4] = ["validator", "dependency-checker", "health-monitor", "notifier"];

/// A site whose Redis knows the shipped users.
pub(crate) struct Guarded {
    pub(crate) site: Site,
    pub(crate) users: BTreeMap<&'static str, User>,
}

impl Guarded {
    pub(crate) async fn new(fleet_file: &Value) -> Self {
        let site = Site::new(fleet_file).await;
        let users = shipped_users(&site.redis, PREFIX).await;
        for user in users.values() {
            user.install(&site.conn).await;
        }
        Self { site, users }
    }

    /// Lets a program be one of the users.
    pub(crate) fn is(&self, launch: Launch, user: &str) -> Launch {
        launch.env("REDIS_URL", self.users[user].at(&self.site.redis.url()))
    }

    pub(crate) fn worker(&self, kind: &str) -> Process {
        self.is(self.site.worker(kind), "worker").start()
    }

    /// Starts the manager and waits until it is ready.
    async fn manager(&self, user: &str, arguments: &[&str]) -> Process {
        let addr = format!("127.0.0.1:{}", free_port());
        let manager = self.is(self.site.manager(&addr), user).args(arguments).start();
        eventually("the manager is ready", SOON, async || match get(&addr, "/ready").await {
            Ok(response) if response.status == 200 => Ok(()),
            other => Err(format!("{other:?}\n{}", manager.report())),
        })
        .await;
        manager
    }

    /// Types a command that must come to an end of its own: what it found may be good or bad.
    async fn typed(&self, user: &str, line: &str) {
        let launch = self.is(self.site.launch("printery-workers"), user);
        let process = launch.args(line.split(' ')).start();
        let ended = process.wait(SOON).await;
        assert!(matches!(ended, Ended::Code(0 | 1)), "{}", process.report());
    }

    async fn publish(&self, n: usize) {
        let data = format!(
            r#"{{"deployment_id":"d-{n}","version":"1.2.0","environment":"staging","services":["api"]}}"#
        );
        let launch = self.is(self.site.launch("printery-workers"), "producer");
        let words = ["publish", "deployment:started", "--data", &data];
        let process = launch.args(words).start();
        assert_eq!(process.wait(SOON).await, Ended::Code(0), "{}", process.report());
    }

    pub(crate) async fn assert_nothing_refused(&self) {
        let refused = refusals(&self.site.conn).await;
        assert!(refused.is_empty(), "deploy/acl lacks rights: {refused:#?}");
    }
}

#[tokio::test]
async fn a_deployment_flows_through_processes_that_have_a_user_each() {
    let service = HttpService::start().await;
    let guarded = Guarded::new(&fleet_file(&service.url())).await;
    let site = &guarded.site;
    let manager = guarded.manager("manager", &["--worker=none"]).await;
    let workers = KINDS.map(|kind| guarded.worker(kind));
    guarded.publish(1).await;
    site.wait_for_results("health:check:completed", 1, SOON).await;
    let world = site.wait_until_idle(SOON).await;
    assert_eq!((world.dead_letters(), world.events("deployment:failed")), (0, 0), "{world}");
    for process in workers.iter().chain([&manager]) {
        process.sigterm();
    }
    for process in workers.iter().chain([&manager]) {
        assert_eq!(process.wait(SOON).await, Ended::Code(0), "{}", process.report());
    }
    let world = site.world().await;
    let groups = world.streams.values().flat_map(|stream| stream.groups.values());
    assert_eq!(groups.map(|group| group.consumers).sum::<i64>(), 0, "consumers retire: {world}");
    guarded.assert_nothing_refused().await;
}

#[tokio::test]
async fn a_manager_that_starts_its_workers_is_one_user_with_both_rights() {
    let service = HttpService::start().await;
    let guarded = Guarded::new(&fleet_file(&service.url())).await;
    let manager = guarded.manager("fleet", &[]).await;
    guarded.publish(1).await;
    guarded.site.wait_for_results("health:check:completed", 1, SOON).await;
    guarded.site.wait_until_idle(SOON).await;
    manager.sigterm();
    assert_eq!(manager.wait(SOON).await, Ended::Code(0), "{}", manager.report());
    guarded.assert_nothing_refused().await;
}

#[tokio::test]
async fn failures_crashes_and_people_need_no_further_right() {
    let hook = HttpService::start().await;
    hook.answer(Answer::Status(503));
    let guarded = Guarded::new(&telling(&hook)).await;
    let site = &guarded.site;
    let _manager = guarded.manager("manager", &["--worker=none"]).await;
    let notifier = guarded.worker("notifier");
    guarded.publish(1).await;
    eventually("it is dead-lettered", SOON, async || {
        let dead = site.dead_letters("notifier").await.len();
        if dead == 1 { Ok(()) } else { Err(site.world().await) }
    })
    .await;
    // Somebody dies with entries; another takes them over.
    hook.answer(Answer::Hang);
    guarded.publish(2).await;
    let group = "printery-notifier";
    eventually("it is worked on", SOON, async || {
        site.conn.pending(&stream("deployment:started"), group).await == 1
    })
    .await;
    notifier.kill9();
    hook.answer(Answer::Healthy);
    let _other = guarded.worker("notifier");
    site.wait_for_results("notification:sent", 1, SOON).await;
    let letter = site.dead_letters("notifier").await[0].id.clone();
    let started = site.conn.entries(&stream("deployment:started")).await[0].text("id");
    for line in [
        "status".to_owned(),
        "doctor".to_owned(),
        "group list".to_owned(),
        "events list".to_owned(),
        "audit".to_owned(),
        "dlq list".to_owned(),
        "dlq stats".to_owned(),
        format!("dlq show notifier {letter}"),
        format!("explain {started}"),
        "explain d-1".to_owned(),
        "group pause validator --reason rights".to_owned(),
        "group resume validator".to_owned(),
        format!("dlq redrive notifier {letter} --yes"),
    ] {
        guarded.typed("manager", &line).await;
    }
    site.wait_for_results("notification:sent", 2, SOON).await;
    guarded.typed("operator", "audit --repair --yes").await;
    guarded.assert_nothing_refused().await;
}
