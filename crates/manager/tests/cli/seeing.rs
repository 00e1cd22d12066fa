//! `events`, `group`, `status`, `doctor`: looking changes nothing.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use printery_testkit::World;
use serde_json::Value;

use crate::shell::{STARTED, Shell, stream, typed};

/// Four entries, a millisecond apart.
async fn with_events(shell: &Shell) {
    let add = async |event_type: &str, n: usize, data: &str| {
        let (stream, entry, id) = (stream(event_type), format!("{n}-0"), format!("e-{n}"));
        shell.conn.cmd(&["XADD", &stream, &entry, "id", &id, "data", data]).await;
    };
    add("deployment:started", 1, STARTED).await;
    add("deployment:started", 2, &STARTED.replace("d-1", "d-2")).await;
    let completed = r#"{"deployment_id":"d-1","status":"success","version":"1.2.0"}"#;
    add("deployment:completed", 3, completed).await;
    add("deployment:completed", 4, "{\x1b[2J").await;
}

fn ids(out: &str) -> Vec<String> {
    let parse = |line: &str| serde_json::from_str::<Value>(line).expect("a line of JSON");
    out.lines().map(|line| parse(line)["id"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn events_are_listed_in_the_order_they_were_published() {
    let shell = Shell::open().await;
    with_events(&shell).await;
    let listed =
        |words: &[&str]| ids(&shell.typed(&[&["events", "list", "--json"], words].concat()).out);
    assert_eq!(listed(&[]), ["e-1", "e-2", "e-3", "e-4"]);
    assert_eq!(listed(&["--limit", "2"]), ["e-3", "e-4"]);
    assert_eq!(listed(&["--deployment", "d-1"]), ["e-1", "e-3"]);
    assert_eq!(listed(&["--type", "deployment:started"]), ["e-1", "e-2"]);
    let said = shell.typed(&["events", "list"]);
    assert!(said.out.contains("1.2.0 is in place") && said.out.contains("invalid"), "{said:?}");
    assert!(!said.out.contains('\x1b'), "foreign text cannot move the cursor: {said:?}");
    let said = shell.typed(&["events", "list", "--type", "deploy"]);
    assert_eq!(said.code, 2, "{said:?}");
}

#[tokio::test]
async fn a_tail_shows_what_was_and_what_comes() {
    let shell = Shell::open().await;
    with_events(&shell).await;
    let words = ["events", "tail", "deployment", "--from", "start", "--json"];
    let mut child = shell.command(&words).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let mut next = || ids(&lines.next().expect("a line").expect("text")).remove(0);
    assert_eq!([next(), next(), next(), next()], ["e-1", "e-2", "e-3", "e-4"]);
    shell.conn.add(&stream("deployment:started"), &[("id", "e-5"), ("data", STARTED)]).await;
    assert_eq!(next(), "e-5");
    child.kill().expect("our own child");
    child.wait().expect("our own child");
}

#[test]
fn schemas_are_printed_for_one_type_and_for_all() {
    let one = typed(&["events", "schema", "deployment:stage:folio:completed"]).json();
    assert!(one["properties"]["stage"].is_object(), "{one}");
    let all = typed(&["events", "schema"]).json();
    assert_eq!(all.as_object().map(serde_json::Map::len), Some(15));
    assert_eq!(typed(&["events", "schema", "nothing"]).code, 2);
}

#[tokio::test]
async fn looking_changes_nothing() {
    let shell = Shell::open().await;
    with_events(&shell).await;
    let before = World::snapshot(&shell.conn, "materi").await;
    let status = shell.json(&["status"]);
    assert!(status["manager"].is_null(), "{status}");
    assert_eq!(status["workers"].as_array().map(Vec::len), Some(4));
    let groups = shell.json(&["group", "list"]);
    assert!(groups[0]["exists"] == false && groups[0]["length"] == 2, "{groups}");
    assert_eq!(shell.typed(&["status"]).code, 0);
    assert_eq!(shell.typed(&["explain", "d-1"]).code, 0);
    assert_eq!(shell.json(&["dlq", "list"]), serde_json::json!([]));
    let doctor = shell.typed(&["doctor"]);
    assert_eq!(doctor.code, 1, "{doctor:?}");
    for word in ["no validator runs", "do not exist", "printery-workers --worker=validator"] {
        assert!(doctor.out.contains(word), "{word}: {doctor:?}");
    }
    let after = World::snapshot(&shell.conn, "materi").await;
    assert_eq!(format!("{before}"), format!("{after}"));
}

#[test]
fn a_redis_that_is_away_is_told_at_once() {
    let address = format!("redis://user:hunter2@127.0.0.1:{}", printery_testkit::free_port());
    for words in [
        &["status"][..],
        &["group", "list"],
        &["events", "list"],
        &["events", "tail"],
        &["explain", "e-1"],
        &["dlq", "list"],
        &["dlq", "redrive", "validator", "1-0"],
        &["doctor"],
    ] {
        let said = typed(&[&["--redis-url", &address], words].concat());
        assert_eq!(said.code, 69, "{words:?}: {said:?}");
        assert!(said.err.contains("127.0.0.1") || said.out.contains("127.0.0.1"), "{said:?}");
        assert!(!said.err.contains("hunter2") && !said.out.contains("hunter2"), "{said:?}");
    }
}
