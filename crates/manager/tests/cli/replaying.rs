//! `replay` and `events export`: what happened to a deployment, once more, and in writing.

use serde_json::{Value, json};

use crate::shell::{STARTED, Shell, stream};

const FAILED: &str = "deployment:stage:folio:completed";

/// A deployment that a producer began and lost at its last stage, and what a worker derived.
async fn with_failure(shell: &Shell) {
    let add = async |event_type: &str, fields: &[(&str, &str)]| {
        shell.conn.add(&stream(event_type), fields).await;
    };
    add("deployment:started", &[("id", "e-1"), ("correlationid", "c-1"), ("data", STARTED)]).await;
    let derived = r#"{"deployment_id":"d-1","reason":"folio | down","failed_stage":"folio"}"#;
    add("deployment:failed", &[("id", "e-2"), ("causationid", "e-1"), ("data", derived)]).await;
    let lost = r#"{"deployment_id":"d-1","stage":"folio","status":"failure"}"#;
    add(FAILED, &[("id", "e-3"), ("data", lost)]).await;
    let letter = [("event_id", "e-3"), ("deployment_id", "d-1"), ("failure_reason", "poison")];
    shell.conn.add(&stream("dlq:notifier"), &letter).await;
}

fn replayed(shown: &Value) -> Vec<&Value> {
    shown["events"].as_array().expect("events").iter().map(|event| &event["replay_of"]).collect()
}

#[tokio::test]
async fn a_dry_run_lists_what_producers_said_and_writes_nothing() {
    let shell = Shell::open().await;
    with_failure(&shell).await;
    let before = shell.conn.int(&["DBSIZE"]).await;
    let shown = shell.json(&["replay", "--deployment", "d-1"]);
    assert_eq!(replayed(&shown), ["e-1", "e-3"], "what was derived follows by itself");
    let stage = shell.json(&["replay", "--deployment", "d-1", "--stage", "folio"]);
    assert_eq!(replayed(&stage), ["e-3"]);
    assert_eq!(shell.conn.int(&["DBSIZE"]).await, before);
    assert_eq!(shell.conn.len(&stream("deployment:started")).await, 1);
    let said = shell.typed(&["replay", "--deployment", "d-9"]);
    assert!(said.code == 1 && said.err.contains("d-9"), "{said:?}");
}

#[tokio::test]
async fn a_replay_is_published_once_under_ids_of_its_own() {
    let shell = Shell::open().await;
    with_failure(&shell).await;
    let words = ["replay", "--deployment", "d-1", "--execute", "--replay-id", "r-1"];
    let words = [&words[..], &["--actor", "ada"]].concat();
    let first = shell.json(&words);
    assert_eq!(replayed(&first), ["e-1", "e-3"]);
    // The first replay's own events are not replayed by the second one under the same id again.
    let entries = shell.conn.entries(&stream(FAILED)).await;
    assert_eq!(entries.len(), 2);
    let [of, by] = ["replay_of", "replay_id"].map(|name| entries[1].text(name));
    assert_eq!((of.as_str(), by.as_str()), ("e-3", "r-1"));
    assert_ne!(entries[1].text("id"), "e-3");
    let again = shell.json(&words);
    assert!(
        again["events"]
            .as_array()
            .expect("events")
            .iter()
            .all(|it| it["deduplicated"] == json!(true)),
        "{again}"
    );
    assert_eq!(shell.conn.len(&stream(FAILED)).await, 2, "the same replay does nothing again");
    let log = shell.conn.entries("materi:printery:operator-log").await;
    assert_eq!([log[0].text("actor"), log[0].text("action")], ["ada", "replay"]);
}

#[tokio::test]
async fn an_export_names_the_failing_stage_and_the_dead_letters() {
    let shell = Shell::open().await;
    with_failure(&shell).await;
    let shown = shell.json(&["events", "export", "--deployment", "d-1"]);
    assert_eq!(
        (&shown["record"]["status"], &shown["analysis"]["failing_stage"]),
        (&json!("FAILURE"), &json!("folio"))
    );
    assert_eq!(shown["dead_letters"][0]["event_id"], "e-3");
    let said = shell.typed(&["events", "export", "--deployment", "d-1", "--md"]);
    assert!(said.out.starts_with("# Deployment d-1\n"), "{said:?}");
    assert!(
        said.out.contains("it failed at folio") && said.out.contains("folio \\| down"),
        "{said:?}"
    );
    assert_eq!(shell.typed(&["events", "export", "--deployment", "d-9"]).code, 1);
    let story = shell.typed(&["events", "list", "--correlation", "c-1", "--json"]);
    assert_eq!(story.out.lines().count(), 1, "{story:?}");
}
