//! `dlq` looks: lists, sums up, shows and exports, with every filter, over all partitions.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::shell::{STARTED, Shell};

pub(crate) const DEAD: &str = "materi:events:deployment:dlq:validator";
pub(crate) const INBOX: &str = "materi:events:deployment:inbox:validator";

/// A dead letter as the fleet writes it.
pub(crate) struct Letter {
    pub(crate) event_id: String,
    pub(crate) reason: &'static str,
    pub(crate) fingerprint: &'static str,
    pub(crate) deployment: &'static str,
}

impl Letter {
    pub(crate) fn of(n: usize) -> Self {
        Self {
            event_id: format!("e-{n}"),
            reason: "max_attempts",
            fingerprint: "f1",
            deployment: "d-1",
        }
    }

    /// Buries it under `key`, as an entry of two fields.
    pub(crate) async fn bury(&self, shell: &Shell, key: &str) -> String {
        let origin = format!("{}-1", self.event_id.trim_start_matches("e-"));
        let fields = [
            ("id", self.event_id.as_str()),
            ("data", STARTED),
            ("id", "letter"),
            ("event_id", &self.event_id),
            ("event_type", "deployment:started"),
            ("deployment_id", self.deployment),
            ("original_stream", "materi:events:deployment:deployment:started"),
            ("original_entry", &origin),
            ("worker", key.rsplit(':').next().unwrap_or_default()),
            ("failure_reason", self.reason),
            ("failure_detail", "no answer"),
            ("attempt_count", "3"),
            ("status", "pending"),
            ("fingerprint", self.fingerprint),
            ("original_fields", "2"),
        ];
        shell.conn.add(key, &fields).await
    }
}

/// The key of a worker's dead letters.
pub(crate) fn dead(worker: &str) -> String {
    format!("materi:events:deployment:dlq:{worker}")
}

/// What a list of letters says under one name.
pub(crate) fn each(list: &Value, name: &str) -> Vec<String> {
    let of = |letter: &Value| letter[name].as_str().unwrap_or_default().to_owned();
    list.as_array().expect("a list").iter().map(of).collect()
}

#[tokio::test]
async fn a_dead_letter_is_listed_and_shown_with_its_fields() {
    let shell = Shell::open().await;
    let id = Letter::of(5).bury(&shell, DEAD).await;
    let listed = shell.json(&["dlq", "list", "validator"]);
    assert_eq!((&listed[0]["entry"], &listed[0]["attempt_count"]), (&json!(id), &json!(3)));
    assert_eq!(shell.json(&["dlq", "list", "notifier"]), json!([]));
    let shown = shell.json(&["dlq", "show", "validator", &id]);
    let fields = json!([{"name": "id", "value": "e-5"}, {"name": "data", "value": STARTED}]);
    assert_eq!(shown["fields"], fields);
    assert_eq!(shell.json(&["dlq", "show", "e-5"])["entry"], json!(id), "its event is a name too");
    let said = shell.typed(&["dlq", "show", "validator", &id]);
    assert!(said.out.contains("max_attempts") && said.out.contains("XRANGE"), "{said:?}");
}

#[tokio::test]
async fn filters_choose_and_a_cursor_goes_on_without_repeating_or_leaving_out() {
    let shell = Shell::open().await;
    for n in 0..30 {
        let worker = ["validator", "notifier", "health-monitor"][n % 3];
        let letter = Letter {
            reason: if n % 2 == 0 { "invalid_event: data: missing" } else { "poison" },
            fingerprint: if n % 2 == 0 { "f2" } else { "f1" },
            deployment: if n < 3 { "d-9" } else { "d-1" },
            ..Letter::of(n)
        };
        letter.bury(&shell, &dead(worker)).await;
    }
    let count = |words: &[&str]| {
        shell.json(&[&["dlq", "list"], words].concat()).as_array().map_or(0, Vec::len)
    };
    assert_eq!(count(&[]), 30);
    assert_eq!(count(&["--worker", "validator"]), 10);
    assert_eq!(count(&["health", "--reason", "poison"]), 5);
    assert_eq!(count(&["--reason", "invalid_event"]), 15);
    assert_eq!(count(&["--fingerprint", "f1", "--deployment", "d-9"]), 1);
    assert_eq!(count(&["--event-type", "deployment:failed"]), 0);
    assert_eq!((count(&["--since", "1h"]), count(&["--until", "1h"])), (30, 0));
    let table = shell.typed(&["dlq", "list", "--limit", "7"]);
    assert!(table.out.contains("7 of 30; more with --before"), "{table:?}");

    let (mut seen, mut before) = (Vec::new(), None::<String>);
    loop {
        let mut words = vec!["dlq", "list", "--limit", "7"];
        words.extend(before.as_deref().map(|cursor| ["--before", cursor]).into_iter().flatten());
        let page = shell.json(&words);
        seen.extend(each(&page, "event_id"));
        let Some(cursor) = each(&page, "cursor").pop() else { break };
        before = Some(cursor);
    }
    let expected: Vec<String> = (0..30).rev().map(|n| format!("e-{n}")).collect();
    let mut sorted = seen.clone();
    sorted.sort_by_key(|id| std::cmp::Reverse(id[2..].parse::<usize>().unwrap_or(0)));
    assert_eq!(sorted, expected, "each once");
}

#[tokio::test]
async fn stats_sum_up_by_worker_and_fingerprint() {
    let shell = Shell::open().await;
    for n in 0..150 {
        let letter = Letter { fingerprint: if n < 20 { "rare" } else { "often" }, ..Letter::of(n) };
        letter.bury(&shell, DEAD).await;
    }
    let last = Letter { fingerprint: "often", ..Letter::of(150) };
    let last = last.bury(&shell, &dead("notifier")).await;
    let stats = shell.json(&["dlq", "stats"]);
    assert_eq!((&stats["letters"], &stats["group_count"]), (&json!(151), &json!(3)));
    let counts: Vec<u64> = (0..3).filter_map(|n| stats["groups"][n]["count"].as_u64()).collect();
    assert_eq!(counts, [130, 20, 1]);
    assert_eq!(stats["groups"][2]["sample"], json!(last));
    assert_eq!(stats["groups"][0]["sample_event_id"], json!("e-149"), "the latest");
    let of_one = shell.json(&["dlq", "stats", "validator", "--limit", "1"]);
    let shown = of_one["groups"].as_array().map(Vec::len);
    assert_eq!((shown, &of_one["group_count"]), (Some(1), &json!(2)));
    let said = shell.typed(&["dlq", "stats"]);
    assert!(said.out.contains("151 dead letters in 3 groups"), "{said:?}");
}

#[tokio::test]
async fn an_export_has_every_byte() {
    let shell = Shell::open().await;
    let awkward: Vec<(Vec<u8>, Vec<u8>)> = vec![
        (b"\xff\xfe".to_vec(), b"\x00\xff\x80".to_vec()),
        (b"data".to_vec(), "é\n\u{1}\"".as_bytes().to_vec()),
        (b"data".to_vec(), b"{\"base64\":1}".to_vec()),
        (Vec::new(), Vec::new()),
    ];
    let mut words: Vec<&[u8]> = vec![b"XADD", DEAD.as_bytes(), b"*"];
    words.extend(awkward.iter().flat_map(|(name, value)| [name.as_slice(), value.as_slice()]));
    shell.conn.cmd(&words).await;
    for n in 0..100 {
        Letter::of(n).bury(&shell, DEAD).await;
    }
    let said = shell.typed(&["dlq", "export"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let bytes = |value: &Value| match value.as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => STANDARD.decode(value["base64"].as_str().unwrap_or_default()).expect("base64"),
    };
    let lines: Vec<Value> =
        said.out.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let entries = shell.conn.entries(DEAD).await;
    assert_eq!((lines.len(), entries.len()), (101, 101));
    for (line, entry) in lines.iter().zip(&entries) {
        let fields: Vec<_> = line["fields"].as_array().into_iter().flatten().collect();
        let back: Vec<(Vec<u8>, Vec<u8>)> =
            fields.iter().map(|field| (bytes(&field["name"]), bytes(&field["value"]))).collect();
        assert_eq!((line["entry"].as_str(), &back), (Some(entry.id.as_str()), &entry.fields));
        assert_eq!(line["stream"], json!(DEAD));
    }
    let one = shell.typed(&["dlq", "export", "validator", "e-7"]);
    assert_eq!(one.out.lines().count(), 1, "{one:?}");
    // Written back by hand under another key, it is the same entry.
    let fields = lines[0]["fields"].as_array().expect("fields");
    let pairs: Vec<Vec<u8>> =
        fields.iter().flat_map(|field| [bytes(&field["name"]), bytes(&field["value"])]).collect();
    let mut words: Vec<&[u8]> = vec![b"XADD", b"copy", b"*"];
    words.extend(pairs.iter().map(Vec::as_slice));
    shell.conn.cmd(&words).await;
    assert_eq!(shell.conn.entries("copy").await[0].fields, awkward);
}

#[tokio::test]
async fn every_partition_is_looked_at_and_two_letters_of_one_name_are_told_apart() {
    let shell = Shell::open().await;
    let partitioned = |words: &[&str]| {
        let mut command = shell.command(words);
        command.env("PRINTERY_PARTITIONS", "3");
        crate::shell::run(command)
    };
    let key = |n: usize| format!("{{materi.{n}}}:events:deployment:dlq:validator");
    for n in 0..3 {
        let fields = [("event_id", "same"), ("failure_reason", "poison"), ("fingerprint", "f")];
        let mut words = vec!["XADD".to_owned(), key(n), "5-1".to_owned()];
        words.extend(fields.iter().flat_map(|(name, value)| [(*name).into(), (*value).into()]));
        shell.conn.cmd(&words).await;
    }
    let listed = partitioned(&["dlq", "list", "--json"]).json();
    let places: Vec<&Value> = (0..3).map(|n| &listed[n]["partition"]).collect();
    assert_eq!(places, [&json!(0), &json!(1), &json!(2)]);
    let second = partitioned(&["dlq", "list", "--limit", "2", "--json"]).json();
    let cursor = second[1]["cursor"].as_str().unwrap_or_default().to_owned();
    let rest = partitioned(&["dlq", "list", "--before", &cursor, "--json"]).json();
    assert_eq!((&rest[0]["partition"], rest[1].is_null()), (&json!(2), true));
    assert_eq!(partitioned(&["dlq", "stats", "--json"]).json()["groups"][0]["count"], json!(3));
    for name in ["5-1", "same"] {
        let said = partitioned(&["dlq", "purge", name, "--yes"]);
        assert!(said.code == 1 && said.err.contains("validator (partition 2) 5-1"), "{said:?}");
    }
    let said = partitioned(&["dlq", "purge", "5-1", "--partition", "1", "--yes"]);
    assert_eq!(said.code, 0, "{said:?}");
    let lengths = [shell.conn.len(&key(0)).await, shell.conn.len(&key(1)).await];
    assert_eq!((lengths, shell.conn.len(&key(2)).await), ([1, 0], 1));
    let said = partitioned(&["dlq", "resolve", "--all", "--yes", "--notes", "seen"]);
    assert_eq!(said.code, 0, "{said:?}");
    for n in [0, 2] {
        let processed = format!("{{materi.{n}}}:events:deployment:dlq:processed");
        assert_eq!(shell.conn.entries(&processed).await[0].text("resolution_notes"), "seen");
    }
    let home = shell.conn.entries("{materi.0}:printery:operator-log").await;
    assert_eq!(home.len(), 4, "two changes, each with a beginning and an end");
}

#[tokio::test]
async fn what_does_not_exist_is_told_apart_from_what_is_mistyped() {
    let shell = Shell::open().await;
    Letter::of(1).bury(&shell, DEAD).await;
    for words in [
        &["dlq", "show", "validator", "5-1"][..],
        &["dlq", "show", "never-seen"],
        &["dlq", "redrive", "notifier", "e-1", "--yes"],
    ] {
        let said = shell.typed(words);
        assert!(said.code == 1 && said.err.contains("dlq list"), "{said:?}");
    }
    for words in [
        &["dlq", "list", "valdator"][..],
        &["dlq", "list", "--worker", "valdator"],
        &["dlq", "list", "--since", "yesterday"],
        &["dlq", "list", "--since", "1h", "--until", "2h"],
        &["dlq", "list", "--partition", "1"],
        &["dlq", "list", "--before", "five"],
        &["dlq", "show", "validator"],
        &["dlq", "redrive", "validator"],
        &["dlq", "redrive", "validator", "e-1", "--all"],
        &["dlq", "redrive", "validator", "e-1", "--worker", "notifier"],
        &["dlq", "redrive", "--all", "--rate", "fast"],
        &["dlq", "redrive", "--all", "--canary", "1,x"],
        &["dlq", "redrive", "--all", "--max-failures", "120%"],
        &["dlq", "purge"],
    ] {
        let said = shell.typed(words);
        assert_eq!(said.code, 2, "{said:?}");
    }
    assert_eq!(shell.conn.len(DEAD).await, 1);
}
