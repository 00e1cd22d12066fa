//! `publish`: events that workers will understand, each once.

use std::io::Write;
use std::process::Stdio;

use serde_json::json;

use crate::shell::{STARTED, Shell, stream};

const PUBLISH: [&str; 4] = ["publish", "deployment:started", "--data", STARTED];

#[tokio::test]
async fn the_same_id_is_published_once() {
    let shell = Shell::open().await;
    let words = [&PUBLISH[..], &["--id", "e-1"]].concat();
    let first = shell.json(&words);
    let again = shell.json(&words);
    assert_eq!((&first["deduplicated"], &again["deduplicated"]), (&json!(false), &json!(true)));
    assert_eq!((&first["entry"], &first["id"]), (&again["entry"], &json!("e-1")));
    assert_eq!(shell.conn.len(&stream("deployment:started")).await, 1);
    let said = shell.typed(&words);
    assert!(said.out.contains("had been published before"), "{said:?}");
}

#[tokio::test]
async fn the_entry_carries_what_was_typed() {
    let shell = Shell::open().await;
    let more =
        ["--encoding", "json", "--correlation-id", "c-1", "--mark-dryrun", "--subject", "d-1"];
    let said = shell.typed(&[&PUBLISH[..], &more[..]].concat());
    assert_eq!(said.code, 0, "{said:?}");
    let entry = &shell.conn.entries(&stream("deployment:started")).await[0];
    assert_eq!(entry.text("type"), "deployment:started");
    assert_eq!((entry.text("correlationid"), entry.text("dryrun")), ("c-1".into(), "true".into()));
    assert_eq!(entry.text("data"), STARTED);
}

#[tokio::test]
async fn wrong_data_is_refused_with_its_field_and_nothing_is_written() {
    let shell = Shell::open().await;
    let table = [
        ("deployment:started", r#"{"deployment_id":"d"}"#, "data."),
        ("deployment:started", "not json", "data"),
        ("deployment:begun", STARTED, "deployment:begun"),
        ("deployment:started", "@/nowhere/data.json", "/nowhere/data.json"),
    ];
    for (event_type, data, named) in table {
        let said = shell.typed(&["publish", event_type, "--data", data]);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.err.contains(named), "{named}: {said:?}");
    }
    let said = shell.typed(&[&PUBLISH[..], &["--subject", "another"]].concat());
    assert!(said.code == 2 && said.err.contains("subject"), "{said:?}");
    assert_eq!(shell.conn.int(&["DBSIZE"]).await, 0);
}

#[tokio::test]
async fn a_dry_run_prints_the_entry_and_writes_nothing() {
    let shell = Shell::open().await;
    let shown = shell.json(&[&PUBLISH[..], &["--id", "e-1", "--dry-run"]].concat());
    assert_eq!(shown["stream"], stream("deployment:started"));
    assert_eq!(
        (&shown["fields"]["id"], &shown["fields"]["data"]),
        (&json!("e-1"), &json!(STARTED))
    );
    assert_eq!(shell.conn.int(&["DBSIZE"]).await, 0);
}

#[tokio::test]
async fn data_may_come_from_standard_input_and_slips_of_the_pen_are_told() {
    let shell = Shell::open().await;
    let mut command = shell.command(&["publish", "deployment:started", "--data", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let slipped = STARTED.replace('{', r#"{"servces":[],"#);
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(slipped.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("data.servces"), "{output:?}");
    assert_eq!(shell.conn.len(&stream("deployment:started")).await, 1);
}
