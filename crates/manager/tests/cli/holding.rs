//! `group pause`, `group resume` and `owner`: written for every process, and on record.

use printery_testkit::World;
use serde_json::{Value, json};

use crate::shell::{Said, Shell};

const CONTROLS: &str = "materi:printery:controls";

fn assert_done(said: &Said, words: &str) {
    assert!(said.code == 0 && said.out.contains(words), "{words}: {said:?}");
}

#[tokio::test]
async fn a_worker_is_paused_and_goes_on() {
    let shell = Shell::open().await;
    let words = ["group", "pause", "health", "--reason", "a \"migration\"", "--actor", "ann"];
    assert_done(&shell.typed(&words), "health-monitor is paused");
    let groups = shell.json(&["group", "list"]);
    let of = |worker: &str| {
        let mut groups = groups.as_array().into_iter().flatten();
        groups.find(|group| group["worker"] == worker).map(|group| group["hold"].clone())
    };
    let hold = of("health-monitor").expect("its groups are listed");
    assert_eq!(
        (&hold["state"], &hold["actor"], &hold["reason"]),
        (&json!("paused"), &json!("ann"), &json!("a \"migration\""))
    );
    assert_eq!(of("validator"), Some(Value::Null));
    let listed = shell.typed(&["group", "list"]);
    assert_done(&listed, "printery-workers group resume health-monitor");
    assert_done(&listed, "health-monitor is paused by ann: a \"migration\"");

    assert_done(&shell.typed(&["group", "resume", "health-monitor"]), "takes entries again");
    assert_eq!(shell.conn.int(&["EXISTS", CONTROLS]).await, 0);
    assert_done(&shell.typed(&["group", "resume", "health-monitor"]), "was not paused");
    let shown = shell.json(&["group", "resume", "health-monitor"]);
    assert_eq!(shown["paused"], false);
}

#[tokio::test]
async fn a_rehearsal_changes_nothing() {
    let shell = Shell::open().await;
    shell.typed(&["group", "pause", "validator"]);
    let before = World::snapshot(&shell.conn, "materi").await;
    let held = shell.conn.texts(&["HGETALL", CONTROLS]).await;
    for (words, said) in [
        (&["group", "pause", "notifier"][..], "would be paused"),
        (&["group", "pause", "validator", "--reason", "x"], "would be replaced"),
        (&["group", "resume", "validator"], "would go on"),
        (&["owner", "set", "notifier", "legacy"], "would be run by legacy"),
    ] {
        assert_done(&shell.typed(&[words, &["--dry-run"]].concat()), said);
    }
    assert_eq!(shell.conn.texts(&["HGETALL", CONTROLS]).await, held);
    let after = World::snapshot(&shell.conn, "materi").await;
    assert_eq!(format!("{before}"), format!("{after}"), "and nothing is on record");
}

#[tokio::test]
async fn a_worker_kind_is_given_away_and_taken_back() {
    let shell = Shell::open().await;
    let owner = |shell: &Shell| {
        let listed = shell.json(&["owner", "list"]);
        let mut workers = listed.as_array().cloned().unwrap_or_default().into_iter();
        workers.find(|one| one["worker"] == "notifier").map(|one| one["owner"].clone())
    };
    assert_eq!(owner(&shell), Some(json!("printery")));
    assert_done(
        &shell.typed(&["owner", "set", "notifier", "legacy"]),
        "run by legacy instead of printery",
    );
    assert_eq!(owner(&shell), Some(json!("legacy")));
    assert_done(&shell.typed(&["owner", "list"]), "notifier            legacy");
    assert_done(&shell.typed(&["group", "list"]), "printery-workers owner set notifier printery");
    assert_done(&shell.typed(&["owner", "set", "notifier", "legacy"]), "already");
    assert_done(&shell.typed(&["owner", "set", "notifier", "printery"]), "run by printery");
    assert_eq!(shell.conn.int(&["EXISTS", CONTROLS]).await, 0);
}

#[tokio::test]
async fn who_held_a_worker_is_on_record() {
    let shell = Shell::open().await;
    for words in [
        &["group", "pause", "validator", "--reason", "why not", "--actor", "ann"][..],
        &["group", "resume", "validator", "--actor", "bob"],
        &["owner", "set", "validator", "legacy", "--actor", "eve"],
    ] {
        assert_eq!(shell.typed(words).code, 0, "{words:?}");
    }
    let log = shell.conn.entries("materi:printery:operator-log").await;
    let said: Vec<_> = log
        .iter()
        .map(|one| ["actor", "action", "subject", "detail"].map(|name| one.text(name)).join("|"))
        .collect();
    let expected = [
        "ann|group pause|validator|why not",
        "bob|group resume|validator|",
        "eve|owner set|validator|legacy",
    ];
    assert_eq!(said, expected);
}

#[tokio::test]
async fn what_is_mistyped_is_told_and_nothing_is_done() {
    let shell = Shell::open().await;
    for words in [
        &["group", "pause", "valdator"][..],
        &["group", "pause"],
        &["group", "resume", "all"],
        &["owner", "set", "validator", "two words"],
        &["owner", "set", "validator", ""],
        &["owner", "set", "nobody", "legacy"],
    ] {
        let said = shell.typed(words);
        assert_eq!(said.code, 2, "{words:?}: {said:?}");
    }
    assert_eq!(shell.conn.keys("*").await, Vec::<String>::new());
}

#[tokio::test]
async fn missing_groups_are_made_and_others_left_as_they_are() {
    let shell = Shell::open().await;
    let first = shell.json(&["group", "create"]);
    assert_eq!(first["made"], first["groups"], "{first}");
    let started = "materi:events:deployment:deployment:started";
    shell.conn.cmd(&["XGROUP", "DESTROY", started, "printery-validator"]).await;
    let second = shell.json(&["group", "create"]);
    assert_eq!((&second["made"], &second["groups"]), (&json!(1), &first["groups"]));
    assert_done(&shell.typed(&["group", "create"]), "0 of");
}
