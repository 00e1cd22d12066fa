//! Wrong configuration is refused whole, before anything is started or written.
//!
//! Proves the contract's section 8: exit codes, every problem named, nothing written, no secret shown.

use printery_testkit::{Ended, HttpService, Launch, Process, free_port};
use serde_json::json;

use crate::site::{SOON, Site, fleet_file};

const PROGRAMS: [&str; 5] = [
    "printery-workers",
    "printery-validator",
    "printery-dependency-checker",
    "printery-health-monitor",
    "printery-notifier",
];

/// Runs to the end and returns how it ended and all it said.
async fn run(launch: Launch) -> (Ended, String) {
    let process = launch.start();
    let ended = process.wait(SOON).await;
    (ended, process.report())
}

/// Asserts a refusal that names all of this and has written nothing.
async fn assert_refused(site: &Site, launch: Launch, named: &[&str]) {
    let (ended, said) = run(launch).await;
    assert_eq!(ended, Ended::Code(2), "{said}");
    for name in named {
        assert!(said.contains(name), "{name} is not named: {said}");
    }
    assert_eq!(site.conn.int(&["DBSIZE"]).await, 0, "{said}");
}

#[tokio::test]
async fn every_wrong_flag_and_variable_is_named_at_once() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    for program in PROGRAMS {
        let wrong = site
            .launch(program)
            .args(["--lease", "soon", "--log-level", "loud", "--shutdown-timeout", "forever"])
            .env("PRINTERY_MAX_ATTEMPTS", "many")
            .env("ENVIRONMENT", "moon")
            .env("PRINTERY_HTTP_ADDR", "nowhere");
        let named = [
            "--lease",
            "soon",
            "--log-level",
            "loud",
            "--shutdown-timeout",
            "many",
            "moon",
            "nowhere",
        ];
        assert_refused(&site, wrong, &named).await;
    }
}

#[tokio::test]
async fn each_wrong_value_is_refused_with_its_name() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let flags: [(&[&str], &str); 9] = [
        (&["--redis-url", "http://localhost"], "--redis-url"),
        (&["--worker", "valdator"], "valdator"),
        (&["--max-restarts", "few"], "--max-restarts"),
        (&["--backoff", "later"], "--backoff"),
        (&["--health-check-interval", "never"], "--health-check-interval"),
        (&["--concurrency", "0"], "--concurrency"),
        (&["--max-attempts", "0"], "--max-attempts"),
        (&["--log-format", "xml"], "--log-format"),
        (&["--no-such-flag"], "--no-such-flag"),
    ];
    for (arguments, named) in flags {
        let wrong = site.manager("off").args(arguments);
        assert_refused(&site, wrong, &[named]).await;
    }
    let variables = [
        ("SUPERVISED_MODE", "perhaps"),
        ("MAX_RESTART_ATTEMPTS", "few"),
        ("RESTART_BACKOFF_MS", "later"),
        ("HEALTH_CHECK_INTERVAL_MS", "never"),
        ("WORKER_MODE", "some"),
        ("VALIDATOR_CONCURRENCY", "0"),
    ];
    for (name, value) in variables {
        let wrong = site.manager("off").env(name, value);
        assert_refused(&site, wrong, &[name, value]).await;
    }
}

#[tokio::test]
async fn every_problem_of_the_fleet_file_is_named_with_its_line() {
    let file = json!({});
    let site = Site::new(&file).await;
    let path = tempfile::NamedTempFile::new().expect("a temporary file");
    let text = "version: 1\n\
                fleet: test\n\
                egres: {}\n\
                services:\n\
                \x20 api: { url: \"http://127.0.0.1:1\", requires: [paymnt] }\n\
                \x20 payment: { url: \"http://127.0.0.1:1\" }\n\
                checks:\n\
                \x20 probe: { kind: htttp, url: \"http://127.0.0.1:1\" }\n\
                \x20 slow: { kind: tcp, address: \"127.0.0.1:1\", timeout: 10 }\n";
    std::fs::write(path.path(), text).expect("a writable file");
    for program in PROGRAMS {
        let wrong = site.launch(program).env("PRINTERY_CONFIG", path.path());
        let named = ["egres", ":3:", "paymnt", ":5:", "htttp", ":8:", "timeout", ":9:"];
        assert_refused(&site, wrong, &named).await;
    }
    let missing = site.launch("printery-workers").env("PRINTERY_CONFIG", "/nowhere/fleet.yaml");
    assert_refused(&site, missing, &["/nowhere/fleet.yaml"]).await;
}

#[tokio::test]
async fn a_public_address_without_a_token_is_refused() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let public = format!("0.0.0.0:{}", free_port());
    assert_refused(&site, site.manager(&public), &["PRINTERY_API_TOKEN"]).await;
}

#[tokio::test]
async fn a_password_is_never_shown() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let hidden = "hunter2";
    let wrong = format!("redis://user:{hidden}@127.0.0.1:{}/0", free_port());
    let unreachable = site.launch("printery-workers").args(["status"]).env("REDIS_URL", &wrong);
    let (ended, said) = run(unreachable).await;
    assert_eq!(ended, Ended::Code(69), "{said}");
    assert!(!said.contains(hidden), "{said}");
    let malformed = format!("ftp://user:{hidden}@127.0.0.1/0");
    let refused = site.launch("printery-workers").env("REDIS_URL", malformed);
    let (ended, said) = run(refused).await;
    assert_eq!(ended, Ended::Code(2), "{said}");
    assert!(!said.contains(hidden), "{said}");
}

#[tokio::test]
async fn a_one_shot_verb_says_at_once_that_redis_is_away() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let away = format!("redis://127.0.0.1:{}", free_port());
    let verbs: [&[&str]; 7] = [
        &["status"],
        &["events", "list"],
        &["explain", "e-1"],
        &["dlq", "list"],
        &["group", "list"],
        &[
            "publish",
            "deployment:started",
            "--data",
            r#"{"deployment_id":"d","version":"1","environment":"e","services":[]}"#,
        ],
        &["deploy", "--version", "1", "--environment", "staging", "--services", "api"],
    ];
    for verb in verbs {
        let asked = site.launch("printery-workers").args(verb).env("REDIS_URL", &away);
        let (ended, said) = run(asked).await;
        assert_eq!(ended, Ended::Code(69), "{said}");
        assert!(said.contains("127.0.0.1"), "the address is named: {said}");
    }
}

#[tokio::test]
async fn a_long_running_program_waits_for_redis_and_then_gives_up() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let away = format!("redis://127.0.0.1:{}", free_port());
    let started: Vec<Process> = PROGRAMS
        .map(|program| {
            let launch = site.launch(program).args(["--redis-wait", "300ms"]);
            launch.env("REDIS_URL", &away).env("PRINTERY_HTTP_ADDR", "off").start()
        })
        .into();
    for process in started {
        assert_eq!(process.wait(SOON).await, Ended::Code(69), "{}", process.report());
    }
}

#[tokio::test]
async fn a_flag_beats_the_environment_and_the_environment_beats_the_file() {
    let service = HttpService::start().await;
    let mut file = fleet_file(&service.url());
    file["bus"] = json!({ "prefix": "of-the-file" });
    let site = Site::new(&file).await;
    let used = async |launch: Launch, prefix: &str| {
        let worker = launch.start();
        printery_testkit::eventually(&format!("{prefix} is used"), SOON, async || {
            let keys = site.conn.keys(&format!("{prefix}:*")).await;
            if keys.is_empty() { Err(worker.report()) } else { Ok(()) }
        })
        .await;
    };
    used(site.worker("validator"), "of-the-file").await;
    used(site.worker("validator").env("PRINTERY_PREFIX", "of-the-env"), "of-the-env").await;
    let both = site.worker("validator").env("PRINTERY_PREFIX", "of-the-env");
    used(both.args(["--prefix", "of-the-flag"]), "of-the-flag").await;
}
