//! The commands do what they say.
//!
//! Proves the one-shot verbs of the contract's section 8 as a person types them: what they print, what they change, how they end.

use std::path::Path;
use std::time::Duration;

use printery_events::{EventType, Family};
use printery_testkit::{Ended, HttpService, Process, eventually};
use serde_json::{Value, json};

use crate::binaries::program;
use crate::happy_path::fleet;
use crate::site::{SECRET, SOON, Site, fleet_file, parsed, stream};

/// How long the demo may take on a loaded machine; it shows something all the time.
const A_SHOW: Duration = Duration::from_secs(90);

/// Types a command and returns how it ended and the lines it printed.
async fn typed(site: &Site, words: &[&str]) -> (Ended, Vec<String>) {
    let process = site.launch("printery-workers").args(words).start();
    let ended = process.wait(SOON).await;
    (ended, process.stdout())
}

/// Types a command that must succeed and print one JSON value.
async fn asked(site: &Site, words: &[&str]) -> Value {
    let process = site.launch("printery-workers").args(words).start();
    assert_eq!(process.wait(SOON).await, Ended::Code(0), "{}", process.report());
    parsed(&process.stdout().join("\n"))
}

async fn demo(words: &[&str]) -> Vec<String> {
    let show = Process::of(&program("printery-workers")).args(words).start();
    assert_eq!(show.wait(A_SHOW).await, Ended::Code(0), "{}", show.report());
    let lines = show.stdout();
    let look = lines.iter().find_map(|line| line.trim().strip_prefix("redis-cli -s "));
    let socket = look.and_then(|look| look.split(' ').next()).expect("it tells how to look");
    eventually("its Redis is gone", SOON, async || !Path::new(socket).exists()).await;
    lines
}

fn assert_shown(lines: &[String], expected: &[&str]) {
    for text in expected {
        assert!(
            lines.iter().any(|line| line.contains(text)),
            "{text} is not in\n{}",
            lines.join("\n")
        );
    }
}

#[tokio::test]
async fn the_demo_shows_a_deployment_from_start_to_end() {
    let lines = demo(&["demo"]).await;
    assert_shown(&lines, &["PASSED", "ALL_HEALTHY", "HEALTHY", "deployment:completed", "XLEN"]);
}

#[tokio::test]
async fn the_demo_finds_the_service_that_breaks() {
    let lines = demo(&["demo", "--break"]).await;
    assert_shown(&lines, &["root cause: api", "UNHEALTHY", "deployment:failed"]);
}

#[tokio::test]
async fn a_deployment_is_told_from_start_to_end() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let (_manager, _) = fleet(&site).await;
    let words = "deploy --deployment-id d-1 --version 1.2.0 --environment staging --services api --pace 10ms";
    let (ended, lines) = typed(&site, &words.split(' ').collect::<Vec<_>>()).await;
    assert_eq!(ended, Ended::Code(0), "{lines:#?}");
    for stage in ["vercel", "railway", "folio"] {
        for end in ["started", "completed"] {
            let data = site.data(&format!("deployment:stage:{stage}:{end}")).await;
            assert_eq!((data.len(), &data[0]["stage"]), (1, &json!(stage)), "{end}: {data:#?}");
        }
    }
    let completed = &site.data("deployment:completed").await[0];
    assert_eq!(
        (&completed["deployment_id"], &completed["status"]),
        (&json!("d-1"), &json!("success"))
    );
    let world = site.wait_until_idle(SOON).await;
    // Before the deployment, and after each of its three stages.
    assert_eq!((world.events("health:check:completed"), world.dead_letters()), (4, 0), "{world}");
}

#[tokio::test]
async fn a_stage_that_fails_fails_the_deployment() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let (_manager, _) = fleet(&site).await;
    let words = "deploy --version 1.2.0 --environment staging --services api --pace 10ms --fail-stage railway";
    let (ended, lines) = typed(&site, &words.split(' ').collect::<Vec<_>>()).await;
    assert_eq!(ended, Ended::Code(1), "{lines:#?}");
    let failed = &site.data("deployment:failed").await[0];
    assert_eq!(failed["failed_stage"], "railway", "{failed:#}");
    let world = site.wait_until_idle(SOON).await;
    assert_eq!(world.events("deployment:stage:folio:started"), 0, "{world}");
}

#[tokio::test]
async fn a_published_event_is_worked_on_and_can_be_listed() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let _validator = site.worker("validator").start();
    let data =
        r#"{"deployment_id":"d-1","version":"1","environment":"staging","services":["api"]}"#;
    let (ended, lines) = typed(&site, &["publish", "deployment:started", "--data", data]).await;
    assert_eq!(ended, Ended::Code(0), "{lines:#?}");
    site.wait_for_results("validation:completed", 1, SOON).await;
    let published = &site.conn.entries(&stream("deployment:started")).await[0];
    let (ended, lines) = typed(&site, &["events", "list", "--json"]).await;
    assert_eq!(ended, Ended::Code(0), "{lines:#?}");
    let types: Vec<Value> = lines.iter().map(|line| parsed(line)["type"].clone()).collect();
    assert_eq!(types, ["deployment:started", "validation:started", "validation:completed"]);
    assert_eq!(parsed(&lines[0])["id"], published.text("id"));
}

#[tokio::test]
async fn data_that_breaks_its_schema_is_not_published() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    for (event_type, data) in [
        ("deployment:started", r#"{"deployment_id":"d-1"}"#),
        ("deployment:started", "{"),
        ("deployment:begun", r#"{"deployment_id":"d-1"}"#),
    ] {
        let (ended, _) = typed(&site, &["publish", event_type, "--data", data]).await;
        assert_eq!(ended, Ended::Code(2), "{event_type} {data}");
    }
    assert_eq!(site.conn.int(&["DBSIZE"]).await, 0);
}

#[tokio::test]
async fn every_event_type_has_a_schema() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let all = asked(&site, &["events", "schema"]).await;
    for family in Family::ALL {
        let schema = &all[family.pattern()];
        let required = schema["required"].as_array().into_iter().flatten();
        assert!(
            required.clone().any(|key| key == "deployment_id"),
            "{}: {schema:#}",
            family.pattern()
        );
    }
    let one =
        asked(&site, &["events", "schema", EventType::of(Family::ValidationCompleted).as_str()])
            .await;
    assert_eq!(one, all["validation:completed"]);
}

#[tokio::test]
async fn a_dead_letter_is_listed_shown_and_put_back() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let _validator = site.worker("validator").start();
    let data = r#"{"deployment_id":"d-9"}"#;
    site.conn.add(&stream("deployment:started"), &[("id", "g-1"), ("data", data)]).await;
    let dead = eventually("it is dead-lettered", SOON, async || {
        site.dead_letters("validator").await.into_iter().next()
    })
    .await;
    let listed = asked(&site, &["dlq", "list", "--json"]).await;
    let known = (&listed[0]["worker"], &listed[0]["entry"], &listed[0]["event_id"]);
    assert_eq!(known, (&json!("validator"), &json!(dead.id), &json!("g-1")), "{listed:#}");
    let shown = asked(&site, &["dlq", "show", "validator", &dead.id, "--json"]).await;
    let fields = json!([{ "name": "id", "value": "g-1" }, { "name": "data", "value": data }]);
    assert_eq!(shown["fields"], fields, "{shown:#}");
    // Only told, then done; the same bytes fail the same way.
    let (ended, _) = typed(&site, &["dlq", "redrive", "validator", "--all", "--dry-run"]).await;
    assert_eq!((ended, site.dead_letters("validator").await), (Ended::Code(0), vec![dead.clone()]));
    let (ended, _) = typed(&site, &["dlq", "redrive", "validator", "--all"]).await;
    assert_eq!(
        (ended, site.dead_letters("validator").await.len()),
        (Ended::Code(2), 1),
        "needs --yes"
    );
    let (ended, _) = typed(&site, &["dlq", "redrive", "validator", "--all", "--yes"]).await;
    assert_eq!(ended, Ended::Code(0));
    let again = eventually("it is dead-lettered again", SOON, async || {
        let letters = site.dead_letters("validator").await;
        letters.into_iter().find(|letter| letter.id != dead.id)
    })
    .await;
    let told = ["event_id", "original_entry", "replay_count"].map(|name| again.text(name));
    assert_eq!(told, ["g-1".to_owned(), dead.text("original_entry"), "1".to_owned()]);
    assert_eq!(site.dead_letters("validator").await.len(), 1);
}

#[tokio::test]
async fn looking_changes_nothing() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    site.start_deployment(1).await;
    let before = site.world().await;
    let looks: [&[&str]; 8] = [
        &["status"],
        &["status", "--json"],
        &["group", "list"],
        &["dlq", "list"],
        &["events", "list"],
        &["explain", "d-1"],
        &["config", "check"],
        &["config", "show"],
    ];
    for words in looks {
        let (ended, lines) = typed(&site, words).await;
        assert_eq!(ended, Ended::Code(0), "{words:?}: {lines:#?}");
        assert!(!lines.is_empty(), "{words:?} says nothing");
    }
    assert_eq!(site.world().await, before);
}

#[tokio::test]
async fn config_show_hides_what_is_secret() {
    let service = HttpService::start().await;
    let mut file = fleet_file(&service.url());
    file["receivers"] = json!({ "hook": { "webhook": { "url": "https://example.org/in/hunter2", "secret": SECRET } } });
    file["routes"] = json!([{ "to": ["hook"] }]);
    let site = Site::new(&file).await;
    for words in
        [["config", "show"].as_slice(), &["config", "show", "--json"], &["config", "check"]]
    {
        let process = site.launch("printery-workers").args(words).start();
        process.wait(SOON).await;
        let said = process.lines().join("\n");
        assert!(!said.contains("hunter2") && !said.contains(&SECRET[6..]), "{words:?}: {said}");
    }
}
