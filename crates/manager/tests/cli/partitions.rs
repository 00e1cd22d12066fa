//! `--partitions`: a deployment stays in one partition, and every command sees all of them.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use printery_testkit::World;
use serde_json::{Value, json};

use crate::shell::{STARTED, Shell};

const PARTITIONS: [&str; 3] = ["{materi.0}", "{materi.1}", "{materi.2}"];

/// The key of an event stream in a partition.
fn stream(partition: &str, event_type: &str) -> String {
    format!("{partition}:events:deployment:{event_type}")
}

/// The words with the partitions of these tests.
fn in_three<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [words, &["--partitions", "3"]].concat()
}

fn started(deployment: &str) -> String {
    STARTED.replace("d-1", deployment)
}

/// Publishes the start of deployments d-0, d-1, … and returns where each went.
fn publish(shell: &Shell, count: usize) -> Vec<String> {
    let one = |n: usize| {
        let data = started(&format!("d-{n}"));
        let id = format!("e-{n}");
        let words = ["publish", "deployment:started", "--data", &data, "--id", &id];
        shell.json(&in_three(&words))["stream"].as_str().expect("a stream").to_owned()
    };
    (0..count).map(one).collect()
}

fn ids(out: &str) -> Vec<String> {
    let parse = |line: &str| serde_json::from_str::<Value>(line).expect("a line of JSON");
    out.lines().map(|line| parse(line)["id"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn a_deployment_is_published_to_its_own_partition_and_only_once() {
    let shell = Shell::open().await;
    let data = started("d-1");
    let words = in_three(&["publish", "deployment:started", "--data", &data, "--id", "e-1"]);
    // As everybody's crc32 says: zlib.crc32(b"d-1") % 3 == 1.
    let expected = stream("{materi.1}", "deployment:started");
    let shown = shell.json(&[&words[..], &["--dry-run"]].concat());
    assert_eq!(shown["stream"], expected);
    assert_eq!(shell.conn.int(&["DBSIZE"]).await, 0);
    let (first, again) = (shell.json(&words), shell.json(&words));
    assert_eq!((&first["stream"], &again["deduplicated"]), (&json!(expected), &json!(true)));
    assert_eq!(shell.conn.len(&expected).await, 1);
    for other in ["{materi.0}", "{materi.2}", "materi"] {
        assert_eq!(shell.conn.len(&stream(other, "deployment:started")).await, 0, "{other}");
    }
}

#[tokio::test]
async fn events_of_all_partitions_are_listed_in_one_order() {
    let shell = Shell::open().await;
    let streams = publish(&shell, 8);
    let used: std::collections::BTreeSet<_> = streams.iter().collect();
    assert_eq!(used.len(), 3, "{streams:?}");
    let listed = |words: &[&str]| {
        ids(&shell.typed(&[&in_three(&["events", "list", "--json"])[..], words].concat()).out)
    };
    let all: Vec<_> = (0..8).map(|n| format!("e-{n}")).collect();
    assert_eq!(listed(&[]), all);
    assert_eq!(listed(&["--limit", "2"]), all[6..]);
    assert_eq!(listed(&["--deployment", "d-4"]), ["e-4"]);
    let said = shell.typed(&in_three(&["events", "list", "--deployment", "nobody"]));
    assert!(said.out.contains("materi in 3 partitions, {materi.0} to {materi.2}"), "{said:?}");
}

#[tokio::test]
async fn a_tail_follows_all_partitions() {
    let shell = Shell::open().await;
    publish(&shell, 6);
    let words = in_three(&["events", "tail", "deployment", "--from", "start", "--json"]);
    let mut child = shell.command(&words).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let mut next = || ids(&lines.next().expect("a line").expect("text")).remove(0);
    let mut seen: Vec<_> = (0..6).map(|_| next()).collect();
    seen.sort();
    assert_eq!(seen, (0..6).map(|n| format!("e-{n}")).collect::<Vec<_>>());
    for (n, partition) in PARTITIONS.iter().enumerate() {
        let (data, id) = (started("late"), format!("late-{n}"));
        let stream = stream(partition, "deployment:started");
        shell.conn.add(&stream, &[("id", id.as_str()), ("data", &data)]).await;
        assert_eq!(next(), id);
    }
    child.kill().expect("our own child");
    child.wait().expect("our own child");
}

#[tokio::test]
async fn the_status_is_the_sum_of_the_partitions_and_shows_each() {
    let shell = Shell::open().await;
    publish(&shell, 8);
    let lines = [("{materi.0}", "a"), ("{materi.1}", "b"), ("{materi.1}", "c")];
    for (partition, subject) in lines {
        let line = format!("{partition}:printery:line:validator");
        shell.conn.cmd(&["ZADD", &line, "0", subject]).await;
    }
    let letters = format!("{}:events:deployment:dlq:notifier", PARTITIONS[2]);
    shell.conn.add(&letters, &[("id", "1")]).await;
    let before = format!("{}{}", world(&shell, 0).await, world(&shell, 2).await);
    let status = shell.json(&in_three(&["status"]));
    let of = |list: &Value, worker: &str| {
        let rows = list.as_array().expect("a list").iter();
        rows.filter(|row| row["worker"] == worker).cloned().collect::<Vec<_>>()
    };
    let started = |list: &Value| of(list, "validator")[0]["length"].as_u64().expect("a number");
    assert_eq!(started(&status["streams"]), 8);
    let partitions = status["partitions"].as_array().expect("a list");
    assert_eq!(partitions.iter().map(|one| started(&one["streams"])).sum::<u64>(), 8);
    let prefixes: Vec<_> = partitions.iter().map(|one| one["prefix"].clone()).collect();
    assert_eq!(prefixes, PARTITIONS);
    assert_eq!(of(&status["queues"], "validator")[0]["in_line"], 3);
    assert_eq!(of(&status["queues"], "notifier")[0]["dead_letters"], 1);
    let said = shell.typed(&in_three(&["status"]));
    for word in ["IN LINE", "PARTITION", "{materi.2}"] {
        assert!(said.out.contains(word), "{word}: {said:?}");
    }
    let after = format!("{}{}", world(&shell, 0).await, world(&shell, 2).await);
    assert_eq!(before, after, "looking changes nothing");
    assert!(shell.json(&["status"])["partitions"].is_null(), "one partition is the fleet");
}

async fn world(shell: &Shell, partition: usize) -> World {
    World::snapshot(&shell.conn, PARTITIONS[partition]).await
}

#[tokio::test]
async fn the_doctor_finds_what_other_settings_left_behind() {
    let shell = Shell::open().await;
    let left = stream("{materi.5}", "deployment:started");
    let id = shell.conn.add(&left, &[("id", "e-1"), ("data", STARTED)]).await;
    shell.conn.add(&stream("materi", "deployment:started"), &[("id", "e-2")]).await;
    let said = shell.typed(&in_three(&["doctor"]));
    assert_eq!(said.code, 1, "{said:?}");
    for words in [
        "{materi.5} has what nobody with these settings reads: entries 2",
        "--partitions=6",
        " materi has what nobody with these settings reads: entries 2",
    ] {
        assert!(said.out.contains(words), "{words}: {said:?}");
    }
    // Both workers that read the stream have settled it: nothing waits there any more.
    for group in ["printery-validator", "printery-notifier"] {
        shell.conn.cmd(&["XGROUP", "CREATE", &left, group, "0"]).await;
        shell.conn.cmd(&["XREADGROUP", "GROUP", group, "c", "STREAMS", &left, ">"]).await;
        shell.conn.cmd(&["XACK", &left, group, &id]).await;
    }
    let said = shell.typed(&in_three(&["doctor"]));
    assert!(said.out.contains("{materi.5} has streams of other settings"), "{said:?}");
    let own = shell.typed(&["doctor"]);
    assert!(own.out.contains("{materi.5}") && !own.out.contains("materi has"), "{own:?}");
}

#[tokio::test]
async fn the_doctor_finds_processes_that_disagree() {
    let shell = Shell::open().await;
    let now = shell.conn.texts(&["TIME"]).await[0].parse::<u64>().expect("seconds") * 1000;
    let record = |name: &str, partitions: Value| {
        json!({
            "instance": name, "worker": "notifier", "host": "h", "pid": 1, "version": "1",
            "phase": "running", "started_ms": now, "beat_ms": now, "concurrency": 1,
            "in_flight": 0, "settled": 0, "failed": 0, "http": null, "partitions": partitions,
        })
        .to_string()
    };
    let instances = |partition: &str| format!("{partition}:printery:instances");
    for (name, count) in [("three", 3), ("five", 5)] {
        let record = record(name, json!(count));
        shell.conn.cmd(&["HSET", &instances("{materi.0}"), name, &record]).await;
    }
    let plain = record("plain", Value::Null);
    shell.conn.cmd(&["HSET", &instances("materi"), "plain", &plain]).await;
    shell.conn.add(&stream("materi", "deployment:started"), &[("id", "e-1")]).await;
    let said = shell.typed(&in_three(&["doctor"]));
    assert_eq!(said.code, 1, "{said:?}");
    for words in
        ["five was told of 5", "processes alive under another prefix, materi: 1, such as plain"]
    {
        assert!(said.out.contains(words), "{words}: {said:?}");
    }
    assert!(!said.out.contains("three was told"), "{said:?}");
}
