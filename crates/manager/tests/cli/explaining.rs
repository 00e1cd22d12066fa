//! `explain`: what it finds, and what it makes of what people and accidents leave behind.

use printery_streams::{EntryId, Keys};
use printery_testkit::World;
use serde_json::Value;

use crate::explain_scene::Scene;
use crate::shell::{STARTED, Shell, stream};

const GROUP: &str = "printery-validator";
const INBOX: &str = "materi:events:deployment:inbox:validator";

/// Publishes one deployment for a validator whose groups exist.
async fn publish(shell: &Shell) -> String {
    let started = stream("deployment:started");
    for key in [started.as_str(), INBOX] {
        shell.conn.cmd(&["XGROUP", "CREATE", key, GROUP, "0", "MKSTREAM"]).await;
    }
    shell.conn.add(&started, &[("id", "e-1"), ("data", STARTED)]).await
}

/// Gives the oldest waiting entry to a consumer.
async fn deliver(shell: &Shell, key: &str) {
    let words =
        ["XREADGROUP", "GROUP", GROUP, "validator-h-1-x", "COUNT", "1", "STREAMS", key, ">"];
    shell.conn.cmd(&words).await;
}

/// What the validator has made of it.
fn of_validator(shell: &Shell, id: &str) -> Value {
    let explained = shell.json(&["explain", id]);
    let readers = explained["events"][0]["readers"].as_array().cloned().unwrap_or_default();
    let validator = readers.into_iter().find(|reader| reader["worker"] == "validator");
    validator.unwrap_or_else(|| panic!("no validator: {explained}"))
}

fn assert_place(shell: &Shell, id: &str, place: &str) -> Value {
    let found = of_validator(shell, id);
    assert_eq!(found["place"], place, "{found}");
    found
}

/// Takes an entry away from its group, as a settlement does.
async fn acknowledge(shell: &Shell, key: &str, entry: &str) {
    shell.conn.cmd(&["XACK", key, GROUP, entry]).await;
}

#[tokio::test]
async fn an_event_is_found_by_each_of_its_ids() {
    let shell = Shell::open().await;
    let entry = publish(&shell).await;
    for id in [entry.as_str(), "e-1", "d-1"] {
        let found = assert_place(&shell, id, "undelivered");
        assert_eq!(found["command"], "printery-workers --worker=validator", "nobody reads");
    }
    let said = shell.typed(&["explain", "nothing"]);
    assert!(said.code == 1 && said.out.contains("unknown"), "{said:?}");
}

#[tokio::test]
async fn a_pending_entry_is_running_until_its_lease_ends() {
    let shell = Shell::open().await;
    let entry = publish(&shell).await;
    let started = stream("deployment:started");
    deliver(&shell, &started).await;
    let running = assert_place(&shell, "e-1", "running");
    assert!(
        running["why"].as_str().is_some_and(|why| why.contains("validator-h-1-x")),
        "{running}"
    );
    let silent = ["XCLAIM", &started, GROUP, "validator-h-1-x", "0", &entry, "IDLE", "20000"];
    shell.conn.cmd(&silent).await;
    let expired = assert_place(&shell, "e-1", "lease_expired");
    assert_eq!(expired["redis_cli"][0], "XPENDING");
}

#[tokio::test]
async fn a_retry_is_followed_from_the_delay_to_the_inbox() {
    let shell = Shell::open().await;
    let entry = publish(&shell).await;
    let started = stream("deployment:started");
    deliver(&shell, &started).await;
    acknowledge(&shell, &started, &entry).await;
    let token = format!("{started}|{entry}|1");
    let delay = "materi:printery:delay:validator";
    shell.conn.cmd(&["ZADD", delay, "99999999999999", &token]).await;
    let delayed = assert_place(&shell, "e-1", "delayed");
    assert!(delayed["state"].as_str().is_some_and(|state| state.contains("due in")), "{delayed}");

    shell.conn.cmd(&["ZREM", delay, &token]).await;
    let fields = [
        ("printery-inbox", "1"),
        ("origin_stream", &started),
        ("origin_entry", &entry),
        ("event_id", "e-1"),
        ("failures", "1"),
        ("deaths", "0"),
        ("first_failure_at", "1"),
        ("last_error", "HTTP 503"),
        ("replays", "0"),
        ("id", "e-1"),
        ("data", STARTED),
    ];
    let again = shell.conn.add(INBOX, &fields).await;
    let inbox = assert_place(&shell, "e-1", "inbox");
    assert!(inbox["why"].as_str().is_some_and(|why| why.contains("HTTP 503")), "{inbox}");
    assert_eq!(inbox["entry"], again);
    assert_place(&shell, &again, "inbox");

    deliver(&shell, INBOX).await;
    assert_place(&shell, "e-1", "running");
    acknowledge(&shell, INBOX, &again).await;
    let second = format!("{INBOX}|{again}|1");
    shell.conn.cmd(&["ZADD", delay, "99999999999999", &second]).await;
    assert_place(&shell, "e-1", "delayed");
}

#[tokio::test]
async fn what_was_given_up_names_the_command_that_brings_it_back() {
    let shell = Shell::open().await;
    let entry = publish(&shell).await;
    let started = stream("deployment:started");
    deliver(&shell, &started).await;
    acknowledge(&shell, &started, &entry).await;
    let fields = [
        ("original_stream", started.as_str()),
        ("original_entry", &entry),
        ("event_id", "e-1"),
        ("worker", "validator"),
        ("failure_reason", "poison"),
        ("failure_detail", "its owner died 3 times"),
        ("attempt_count", "3"),
    ];
    let letter = shell.conn.add("materi:events:deployment:dlq:validator", &fields).await;
    let dead = assert_place(&shell, "e-1", "dead");
    assert_eq!(dead["command"], format!("printery-workers dlq redrive validator {letter}"));
    assert_place(&shell, &letter, "dead");
    // Its body is not needed to know where it is.
    shell.conn.cmd(&["XDEL", &started, &entry]).await;
    assert_place(&shell, "e-1", "dead");
}

#[tokio::test]
async fn what_is_settled_is_told_by_the_log() {
    let shell = Shell::open().await;
    let entry = publish(&shell).await;
    let started = stream("deployment:started");
    deliver(&shell, &started).await;
    acknowledge(&shell, &started, &entry).await;
    assert_place(&shell, "e-1", "settled");
    let line = [
        ("stream", started.as_str()),
        ("entry", &entry),
        ("event_id", "e-1"),
        ("outcome", "done"),
        ("attempts", "1"),
        ("instance", "validator-h-1-x"),
        ("started", "1000"),
        ("finished", "1500"),
        ("results", "5-1 5-2"),
    ];
    shell.conn.add("materi:printery:log:validator", &line).await;
    let done = assert_place(&shell, "e-1", "done");
    let why = done["why"].as_str().unwrap_or_default();
    assert!(why.contains("500 ms") && why.contains("2 results"), "{done}");
    // The same event again, acknowledged as a duplicate.
    let twin = shell.conn.add(&started, &[("id", "e-1"), ("data", STARTED)]).await;
    deliver(&shell, &started).await;
    acknowledge(&shell, &started, &twin).await;
    assert_place(&shell, &twin, "duplicate");
    let said = shell.typed(&["explain", "d-1"]);
    assert!(said.code == 0 && said.out.contains("duplicate"), "{said:?}");
}

/// What the validator has made of it, in a scene.
fn found(scene: &Scene, id: &str) -> Value {
    of_validator(&scene.shell, id)
}

/// Words of a redis-cli line, typed as they stand.
async fn type_by_hand(scene: &Scene, words: &Value) {
    let words: Vec<&str> =
        words.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert!(!words.is_empty(), "a line is told");
    scene.shell.conn.cmd(&words).await;
}

#[tokio::test]
async fn the_lines_by_hand_do_what_the_command_does() {
    let mut scene = Scene::set().await;
    scene.publish("e-1", "d-1").await;
    for (hold, reason) in [
        (&["group", "pause", "validator"][..], "paused"),
        (&["owner", "set", "validator", "legacy"], "owned_elsewhere"),
    ] {
        assert_eq!(scene.shell.typed(hold).code, 0);
        let held = found(&scene, "e-1");
        assert_eq!(held["reason"], reason, "{held}");
        type_by_hand(&scene, &held["redis_cli"]).await;
        type_by_hand(&scene, &held["redis_cli_change"]).await;
        assert_eq!(found(&scene, "e-1")["reason"], "undelivered");
        // The command does the same.
        assert_eq!(scene.shell.typed(hold).code, 0);
        let command = found(&scene, "e-1")["command"].as_str().unwrap_or_default().to_owned();
        let words: Vec<&str> = command.split(' ').skip(1).collect();
        assert_eq!(scene.shell.typed(&words).code, 0, "{command}");
        assert_eq!(found(&scene, "e-1")["reason"], "undelivered");
    }
    let delivery = scene.take().await.remove(0);
    type_by_hand(&scene, &found(&scene, "e-1")["redis_cli"]).await;
    scene.defer(&delivery, 1, "timeout: slow").await;
    let delayed = found(&scene, "e-1");
    assert_eq!(
        (&delayed["details"]["attempt"], &delayed["details"]["max_attempts"]),
        (&2.into(), &3.into())
    );
    type_by_hand(&scene, &delayed["redis_cli"]).await;
    type_by_hand(&scene, &delayed["redis_cli_change"]).await;
    let due = found(&scene, "e-1");
    assert_eq!((&due["state"], &due["details"]["due_ms"]), (&"delayed, due now".into(), &0.into()));
}

#[tokio::test]
async fn a_decided_letter_tells_who_decided_what() {
    for (decision, words) in [("resolved", "resolve"), ("abandoned", "abandon")] {
        let mut scene = Scene::set().await;
        let entry = scene.publish("e-1", "d-1").await;
        let delivery = scene.take().await.remove(0);
        scene.bury(&delivery).await;
        let letter =
            found(&scene, "e-1")["details"]["dead_letter"].as_str().unwrap_or_default().to_owned();
        assert_eq!(found(&scene, &letter)["place"], "dead", "found by its own id");
        let decide =
            ["dlq", words, "validator", &letter, "--notes", "by hand", "--actor", "ann", "--yes"];
        let said = scene.shell.typed(&decide);
        assert_eq!(said.code, 0, "{said:?}");
        for id in [&entry, "e-1", "d-1"] {
            let dead = found(&scene, id);
            assert_eq!(
                (&dead["reason"], &dead["place"], &dead["open"]),
                (&"dead".into(), &"put_away".into(), &false.into())
            );
            let details = &dead["details"];
            assert_eq!(
                (&details["status"], &details["actor"], &details["notes"]),
                (&decision.into(), &"ann".into(), &"by hand".into())
            );
        }
    }
}

#[tokio::test]
async fn a_redriven_letter_is_followed_to_its_end() {
    let mut scene = Scene::set().await;
    scene.publish("e-1", "d-1").await;
    let delivery = scene.take().await.remove(0);
    scene.bury(&delivery).await;
    let letter =
        found(&scene, "e-1")["details"]["dead_letter"].as_str().unwrap_or_default().to_owned();
    let said = scene.shell.typed(&["dlq", "redrive", "validator", &letter, "--yes"]);
    assert_eq!(said.code, 0, "{said:?}");
    let waiting = found(&scene, "e-1");
    assert_eq!(waiting["reason"], "in_the_inbox");
    assert!(waiting["why"].as_str().is_some_and(|why| why.contains("redriven")), "{waiting}");
    let again = scene.take().await.remove(0);
    assert_eq!(found(&scene, "e-1")["reason"], "running");
    scene.commit(&again).await;
    assert_eq!(found(&scene, "e-1")["reason"], "done");
    // Its way through the inbox may be trimmed; the log knows whose it was.
    scene.shell.conn.cmd(&["XTRIM", &scene.keys.inbox("validator"), "MAXLEN", "0"]).await;
    assert_eq!(found(&scene, "e-1")["reason"], "done");
}

#[tokio::test]
async fn what_somebody_deleted_is_told_as_it_is() {
    let mut scene = Scene::set().await;
    let pending = scene.publish("e-1", "d-1").await;
    scene.take().await;
    let unread = scene.publish("e-2", "d-2").await;
    let kept = scene.publish("e-3", "d-3").await;
    let started = scene.started();
    scene.shell.conn.cmd(&["XDEL", &started, &pending, &unread]).await;
    let lost = found(&scene, &pending);
    assert_eq!(lost["reason"], "running");
    assert!(lost["why"].as_str().is_some_and(|why| why.contains("deleted its body")), "{lost}");
    let said = scene.shell.json(&["explain", &unread]);
    assert_eq!(said["reason"], "trimmed", "{said}");
    assert_eq!(found(&scene, &kept)["reason"], "undelivered");
}

#[tokio::test]
async fn every_partition_is_looked_at_and_a_deployment_has_one() {
    // d-1 lives in the second of three.
    let mut scene = Scene::at("{materi.1}").await;
    let entry = scene.publish("e-1", "d-1").await;
    let explain = |id: &str| scene.shell.json(&["explain", id, "--partitions", "3"]);
    for id in ["d-1", "e-1", &entry] {
        let shown = explain(id);
        let readers = &shown["events"][0]["readers"];
        assert_eq!(readers[0]["reason"], "undelivered", "{id}: {shown}");
        assert_eq!(readers[0]["stream"], scene.started());
    }
    let home = Keys::new("{materi.0}").controls();
    scene.shell.conn.cmd(&["HSET", &home, "pause:validator", "why not"]).await;
    let held = explain("e-1");
    assert_eq!(held["events"][0]["readers"][0]["redis_cli_change"][1], home, "{held}");
}

#[tokio::test]
async fn an_explanation_changes_nothing() {
    let mut scene = Scene::set().await;
    for (id, deployment) in [("e-1", "d-1"), ("e-2", "d-1"), ("e-3", "d-2")] {
        scene.publish(id, deployment).await;
    }
    let taken = scene.take().await;
    scene.defer(&taken[0], 1, "timeout: slow").await;
    let before = World::snapshot(&scene.shell.conn, "materi").await;
    for id in ["e-1", "e-2", "e-3", "d-1", "nothing", "1-1"] {
        scene.explain(id);
    }
    let nowhere = EntryId::at(u64::MAX).to_string();
    assert_eq!(scene.explain(&nowhere).code, 1);
    let after = World::snapshot(&scene.shell.conn, "materi").await;
    assert_eq!(format!("{before}"), format!("{after}"));
}
