//! `dlq` changes: each is agreed to, on record, and leaves every letter in exactly one place.

use printery_testkit::{Ended, Process, World, eventually};
use serde_json::{Value, json};

use crate::dlq::{DEAD, INBOX, Letter, dead, each};
use crate::shell::Shell;

const PROCESSED: &str = "materi:events:deployment:dlq:processed";
const LOG: &str = "materi:printery:operator-log";

/// The operator log, oldest first: who, what, how many, outcome.
async fn log(shell: &Shell) -> Vec<[String; 4]> {
    let names = ["actor", "action", "count", "outcome"];
    let entries = shell.conn.entries(LOG).await;
    entries.iter().map(|entry| names.map(|name| entry.text(name))).collect()
}

#[tokio::test]
async fn a_redrive_moves_it_to_the_inbox_once() {
    let shell = Shell::open().await;
    let id = Letter::of(5).bury(&shell, DEAD).await;
    let words = ["dlq", "redrive", "validator", &id, "--yes", "--actor", "ann"];
    let done = shell.json(&words);
    let told = (&done["changed"], &done["letters"][0]["entry"], &done["outcome"]);
    assert_eq!(told, (&json!(1), &json!(id), &json!("done")));
    let entry = &shell.conn.entries(INBOX).await[0];
    assert_eq!((entry.text("event_id"), entry.text("replays")), ("e-5".into(), "1".into()));
    assert_eq!(entry.text("failures"), "0");
    assert_eq!(shell.conn.len(DEAD).await, 0);
    let again = shell.typed(&words);
    assert_eq!(again.code, 1, "{again:?}");
    assert_eq!(shell.conn.len(INBOX).await, 1);
    let expected = [["ann", "dlq redrive", "1", "begun"], ["ann", "dlq redrive", "1", "done"]];
    assert_eq!(log(&shell).await, expected.map(|row| row.map(str::to_owned)));
    let told = shell.typed(&["dlq", "log"]);
    assert!(told.out.contains("validator ") && told.out.contains("ann"), "{told:?}");
    assert_eq!(shell.json(&["dlq", "log"])[0]["outcome"], json!("done"), "the latest first");
}

#[tokio::test]
async fn nothing_is_changed_without_a_yes_or_with_dry_run() {
    let shell = Shell::open().await;
    for n in 1..=120 {
        Letter::of(n).bury(&shell, DEAD).await;
    }
    let before = World::snapshot(&shell.conn, "materi").await;
    for verb in ["redrive", "resolve", "abandon", "purge"] {
        let asked = shell.typed(&["dlq", verb, "validator", "--all"]);
        let told = asked.err.contains("120 dead letters") && asked.err.contains("--yes");
        assert!(asked.code == 2 && told, "{asked:?}");
        assert_eq!(shell.typed(&["dlq", verb, "e-7"]).code, 2, "one asks as well");
        let dry = shell.json(&["dlq", verb, "--fingerprint", "f1", "--dry-run"]);
        assert_eq!((&dry["matched"], &dry["dry_run"]), (&json!(120), &json!(true)), "{verb}");
        assert_eq!(each(&dry["letters"], "event_id")[..2], ["e-1", "e-2"], "the oldest first");
        let none = shell.typed(&["dlq", verb, "--fingerprint", "other", "--yes"]);
        assert!(none.code == 0 && none.out.contains("nothing was changed"), "{none:?}");
    }
    let after = World::snapshot(&shell.conn, "materi").await;
    assert_eq!(format!("{before}"), format!("{after}"));
    assert_eq!(shell.conn.len(LOG).await, 0);
}

#[tokio::test]
async fn all_of_a_kind_are_put_back_the_oldest_first_and_the_others_stay() {
    let shell = Shell::open().await;
    for n in 1..=150 {
        let fingerprint = if n % 3 == 0 { "other" } else { "f1" };
        Letter { fingerprint, ..Letter::of(n) }.bury(&shell, DEAD).await;
    }
    Letter::of(999).bury(&shell, &dead("notifier")).await;
    let said = shell.typed(&["dlq", "redrive", "validator", "--fingerprint", "f1", "--yes"]);
    assert!(said.code == 0 && said.out.contains("100 of 100 put back"), "{said:?}");
    assert!(said.err.contains("no validator runs"), "{said:?}");
    let entries = shell.conn.entries(INBOX).await;
    let origins: Vec<String> = entries.iter().map(|entry| entry.text("origin_entry")).collect();
    let expected: Vec<String> =
        (1..=150).filter(|n| n % 3 != 0).map(|n| format!("{n}-1")).collect();
    assert_eq!(origins, expected);
    assert_eq!(shell.conn.len(DEAD).await, 50);
    assert_eq!(shell.conn.len(&dead("notifier")).await, 1);
}

#[tokio::test]
async fn resolved_and_abandoned_letters_say_who_decided_and_purged_ones_are_gone() {
    let shell = Shell::open().await;
    for n in 1..=4 {
        Letter::of(n).bury(&shell, DEAD).await;
    }
    let resolve = ["dlq", "resolve", "e-1", "--notes", "fixed by hand", "--actor", "ann", "--yes"];
    assert_eq!(shell.json(&resolve)["changed"], json!(1));
    let abandoned = shell.typed(&["dlq", "abandon", "validator", "e-2", "--actor", "bob", "--yes"]);
    assert_eq!(abandoned.code, 0, "{abandoned:?}");
    let processed = shell.conn.entries(PROCESSED).await;
    let names = ["event_id", "status", "resolution_notes", "actor"];
    let told: Vec<_> = processed.iter().map(|entry| names.map(|name| entry.text(name))).collect();
    let expected = [["e-1", "resolved", "fixed by hand", "ann"], ["e-2", "abandoned", "", "bob"]];
    assert_eq!(told, expected.map(|row| row.map(str::to_owned)));
    assert!(processed[0].text("resolved_at").parse::<u64>().is_ok());
    let purged = shell.json(&["dlq", "purge", "--all", "--yes", "--actor", "eve"]);
    assert_eq!((&purged["changed"], &purged["left"]), (&json!(2), &json!(0)));
    assert_eq!((shell.conn.len(DEAD).await, shell.conn.len(PROCESSED).await), (0, 2));
    let log = log(&shell).await;
    let ends: Vec<_> = log.iter().filter(|row| row[3] == "done").map(|row| row.join(" ")).collect();
    assert_eq!(ends, ["ann dlq resolve 1 done", "bob dlq abandon 1 done", "eve dlq purge 2 done"]);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_done() {
    let shell = Shell::open().await;
    Letter::of(1).bury(&shell, DEAD).await;
    shell.conn.cmd(&["SET", LOG, "in the way"]).await;
    for verb in ["redrive", "resolve", "abandon", "purge"] {
        let said = shell.typed(&["dlq", verb, "e-1", "--yes"]);
        assert!(said.code == 1 && said.err.contains("nothing was changed"), "{said:?}");
    }
    assert_eq!((shell.conn.len(DEAD).await, shell.conn.len(INBOX).await), (1, 0));
}

#[tokio::test]
async fn a_letter_without_a_body_stays_and_says_why_and_the_others_go() {
    let shell = Shell::open().await;
    shell.conn.add(DEAD, &[("event_id", "lost"), ("failure_reason", "lost_body")]).await;
    Letter::of(1).bury(&shell, DEAD).await;
    let said = shell.typed(&["dlq", "redrive", "--all", "--yes"]);
    assert!(said.code == 1 && said.out.contains("its body was gone"), "{said:?}");
    assert_eq!((shell.conn.len(DEAD).await, shell.conn.len(INBOX).await), (1, 1));
}

/// Starts a command that is interrupted later.
fn start(shell: &Shell, words: &[&str]) -> Process {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_printery-workers"));
    let launch = Process::of(program).args(words).env("REDIS_URL", shell.redis.url());
    launch.env("PRINTERY_HTTP_ADDR", "off").start()
}

#[tokio::test]
async fn an_interrupted_redrive_tells_what_it_did_and_leaves_each_letter_in_one_place() {
    const LETTERS: i64 = 60;
    let shell = Shell::open().await;
    for n in 1..=60 {
        Letter::of(n).bury(&shell, DEAD).await;
    }
    let words = ["dlq", "redrive", "--all", "--yes", "--rate", "20/s", "--json"];
    let redrive = start(&shell, &words);
    let soon = std::time::Duration::from_secs(20);
    eventually("some are back", soon, async || shell.conn.len(INBOX).await >= 3).await;
    redrive.sigint();
    let ended = eventually("it ends", soon, async || redrive.ended()).await;
    assert_eq!(ended, Ended::Code(1), "{}", redrive.report());
    let report: Value = eventually("it has said everything", soon, async || {
        serde_json::from_str(&redrive.stdout().join("\n")).ok()
    })
    .await;
    let (back, left) = (shell.conn.len(INBOX).await, shell.conn.len(DEAD).await);
    assert!(back < LETTERS, "it was in the middle");
    assert_eq!(back + left, LETTERS);
    let told = (&report["outcome"], &report["changed"], &report["left"]);
    assert_eq!(told, (&json!("cancelled"), &json!(back), &json!(left)));
    let origins: Vec<String> =
        shell.conn.entries(INBOX).await.iter().map(|entry| entry.text("event_id")).collect();
    let expected: Vec<String> = (1..=back).map(|n| format!("e-{n}")).collect();
    assert_eq!(origins, expected);
    let log = log(&shell).await;
    assert_eq!((log[1][2].as_str(), log[1][3].as_str()), (back.to_string().as_str(), "cancelled"));
}

#[tokio::test]
async fn two_redrives_at_once_put_each_letter_back_once() {
    let shell = Shell::open().await;
    for n in 1..=200 {
        Letter::of(n).bury(&shell, DEAD).await;
    }
    let words = ["dlq", "redrive", "--all", "--yes", "--json"];
    let both = [start(&shell, &words), start(&shell, &words)];
    let mut sum = 0;
    for redrive in &both {
        let soon = std::time::Duration::from_secs(20);
        eventually("it ends", soon, async || redrive.ended()).await;
        let report: Value = eventually("it has said everything", soon, async || {
            serde_json::from_str(&redrive.stdout().join("\n")).ok()
        })
        .await;
        sum += report["changed"].as_i64().unwrap_or(0);
    }
    assert_eq!((sum, shell.conn.len(INBOX).await, shell.conn.len(DEAD).await), (200, 200, 0));
    let entries = shell.conn.entries(INBOX).await;
    let origins: std::collections::BTreeSet<String> =
        entries.iter().map(|entry| entry.text("origin_entry")).collect();
    assert_eq!(origins.len(), 200);
}
