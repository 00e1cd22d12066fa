//! `audit`: each thing that can be wrong is found in a real Redis, and repaired once.

use serde_json::json;

use crate::audit_scene::{BODIES, DEAD, DELAY, Fleet, GROUP, INBOX, LEDGER, LINE, ORDER};
use crate::shell::{Shell, stream};

#[tokio::test]
async fn a_fleet_that_is_well_balances() {
    let fleet = Fleet::new().await;
    fleet.defer(6).await;
    let (code, report) = fleet.audit(&[]);
    assert_eq!((code, &report["ok"]), (0, &json!(true)), "{report:#}");
    let rows = report["partitions"][0]["streams"].as_array().cloned().unwrap_or_default();
    let row = |worker: &str, stream: &str| {
        let found = rows.iter().find(|row| row["worker"] == worker && row["stream"] == stream);
        found.cloned().unwrap_or_else(|| panic!("{rows:#?}"))
    };
    let seen = row("validator", "deployment:started");
    for (name, count) in [("added", 6), ("settled", 5), ("delayed", 1), ("balance", 0)] {
        assert_eq!(seen[name], json!(count), "{name}: {seen}");
    }
    assert_eq!(row("notifier", "validation:completed")["settled"], json!(5));
    let said = fleet.shell.typed(&["audit", "--worker", "validator"]);
    assert!(said.out.contains("deployment:started") && !said.out.contains("notifier"), "{said:?}");
    assert!(said.out.contains("every one of 6 entries in 2 groups is accounted for"), "{said:?}");
    assert_eq!(fleet.shell.typed(&["audit", "--worker", "nobody"]).code, 2);
}

#[tokio::test]
async fn missing_groups_are_made() {
    let shell = Shell::open().await;
    let fleet = Fleet { shell, started: String::new(), completed: String::new() };
    let found = fleet.wrong();
    assert!(found.len() == 21 && found.iter().all(|it| it.starts_with("no_group")), "{found:?}");
    let asked = fleet.shell.typed(&["audit", "--repair"]);
    assert!(asked.code == 2 && asked.err.contains("21 no_group"), "{asked:?}");
    let dry = fleet.shell.typed(&["audit", "--repair", "--dry-run"]);
    assert!(dry.code == 1 && dry.out.contains("nothing was changed"), "{dry:?}");
    assert!(fleet.shell.conn.keys("*").await.is_empty());
    let (report, left) = fleet.repair();
    assert_eq!((report["changes"].as_array().map(Vec::len), left.len()), (Some(21), 0));
    let records = fleet.shell.conn.entries("materi:printery:operator-log").await;
    let said: Vec<_> = records.iter().map(|it| (it.text("action"), it.text("outcome"))).collect();
    let record = |outcome: &str| ("audit --repair".to_owned(), outcome.to_owned());
    assert_eq!(said, [record("begun"), record("done")], "once: the second run changed nothing");
}

#[tokio::test]
async fn an_entry_that_its_group_passed_over_is_named_and_comes_back() {
    let surgeries: [&[&str]; 4] = [
        &["XACK", "STARTED", GROUP, "6-0"],
        &["XGROUP", "DELCONSUMER", "STARTED", GROUP, "gone"],
        &["XGROUP", "DESTROY", "STARTED", GROUP],
        &["XGROUP", "SETID", "STARTED", GROUP, "99999-0"],
    ];
    for surgery in surgeries {
        let fleet = Fleet::new().await;
        fleet.add(6).await;
        if !surgery.contains(&"SETID") {
            fleet.read().await;
        }
        let words: Vec<&str> = surgery
            .iter()
            .map(|word| if *word == "STARTED" { fleet.started.as_str() } else { *word })
            .collect();
        fleet.cmd(&words).await;
        if surgery.contains(&"DESTROY") {
            fleet.cmd(&["XGROUP", "CREATE", &fleet.started, GROUP, "$"]).await;
        }
        assert!(fleet.wrong().contains(&"passed_over 6-0".to_owned()), "{surgery:?}");
        let (report, left) = fleet.repair();
        assert!(left.is_empty(), "{surgery:?}: {report:#}");
        let entries = fleet.shell.conn.entries(INBOX).await;
        assert_eq!(entries.len(), 1, "{surgery:?}");
        assert_eq!(
            (entries[0].text("origin_entry"), entries[0].text("id")),
            ("6-0".into(), "e-6".into())
        );
    }
}

#[tokio::test]
async fn what_nothing_brings_back_is_counted_and_written_off_once() {
    let fleet = Fleet::new().await;
    for n in 6..=8 {
        fleet.add(n).await;
    }
    fleet.cmd(&["XDEL", &fleet.started, "6-0", "8-0"]).await;
    assert_eq!(fleet.wrong(), ["missing_entries "]);
    let (report, left) = fleet.repair();
    assert!(left.is_empty(), "{report:#}");
    let written = format!("{}|written-off", fleet.started);
    let counter = fleet.shell.conn.text(&["HGET", LEDGER, &written]).await;
    assert_eq!(counter.as_deref(), Some("2"));
    // The next loss is seen again.
    fleet.cmd(&["XDEL", &fleet.started, "7-0"]).await;
    assert_eq!(fleet.wrong(), ["missing_entries "]);
    // A stream that was deleted has settled more than it has.
    fleet.cmd(&["DEL", &fleet.started]).await;
    let found = fleet.wrong();
    assert!(found.contains(&"surplus ".to_owned()) && found.contains(&"no_group ".to_owned()));
    let (report, left) = fleet.repair();
    assert!(left.is_empty(), "{report:#}");
}

#[tokio::test]
async fn pending_entries_without_body_or_owner_are_named_and_handed_over() {
    let fleet = Fleet::new().await;
    for n in 6..=7 {
        fleet.add(n).await;
    }
    fleet.read().await;
    fleet.cmd(&["XDEL", &fleet.started, "6-0"]).await;
    assert_eq!(fleet.wrong(), ["lost_body 6-0"], "the other one is within its lease");
    let age = ["XCLAIM", &fleet.started, GROUP, "gone", "0", "7-0", "IDLE", "90000", "JUSTID"];
    fleet.cmd(&age).await;
    let mut found = fleet.wrong();
    found.sort_unstable();
    assert_eq!(found, ["lost_body 6-0", "orphaned_pending 7-0"]);
    let (report, left) = fleet.repair();
    assert!(left.is_empty(), "{report:#}");
    assert_eq!(fleet.shell.conn.pending(&fleet.started, GROUP).await, 0);
    assert_eq!(fleet.shell.conn.entries(DEAD).await[0].text("failure_reason"), "lost_body");
    assert_eq!(fleet.shell.conn.entries(INBOX).await[0].text("deaths"), "1");
    let (code, report) = fleet.audit(&[]);
    let notes = report["findings"].as_array().cloned().unwrap_or_default();
    assert!(code == 0 && notes.iter().any(|note| note["kind"] == "loss_reported"), "{report:#}");
}

#[tokio::test]
async fn what_waits_has_a_body_and_every_body_is_led_to() {
    let fleet = Fleet::new().await;
    let mut tokens = Vec::new();
    for n in 6..=8 {
        tokens.push(fleet.defer(n).await);
    }
    fleet.cmd(&["ZREM", DELAY, &tokens[0]]).await;
    fleet.cmd(&["HDEL", BODIES, &tokens[1]]).await;
    let mut found = fleet.wrong();
    found.sort_unstable();
    // The orphan's index is what the flow lacks as well.
    let (orphan, bodiless) =
        (format!("orphaned_body {}", tokens[0]), format!("bodiless_wait {}", tokens[1]));
    assert!(found.contains(&orphan) && found.contains(&bodiless), "{found:?}");
    let (report, left) = fleet.repair();
    assert!(left.is_empty(), "{report:#}");
    assert_eq!(fleet.shell.conn.entries(INBOX).await[0].text("origin_entry"), "6-0");
    assert_eq!(fleet.shell.conn.entries(DEAD).await[0].text("original_entry"), tokens[1]);
    // Both keys deleted: nothing is left to name.
    fleet.cmd(&["DEL", DELAY, BODIES]).await;
    assert_eq!(fleet.wrong(), ["vanished "]);
    let (report, left) = fleet.repair();
    assert!(left.is_empty(), "{report:#}");
}

#[tokio::test]
async fn an_entry_in_two_places_is_found_and_its_copy_removed() {
    let fleet = Fleet::new().await;
    fleet.defer(6).await;
    // Somebody "brings it back" by hand.
    fleet.cmd(&["XGROUP", "SETID", &fleet.started, GROUP, "5-0"]).await;
    fleet.read().await;
    let found = fleet.wrong();
    assert!(found.iter().any(|it| it.starts_with("doubled_entry")), "{found:?}");
    let (report, left) = fleet.repair();
    assert!(left.is_empty(), "{report:#}");
    assert_eq!(fleet.shell.conn.int(&["ZCARD", DELAY]).await, 0);
    assert_eq!(fleet.shell.conn.pending(&fleet.started, GROUP).await, 1);
}

#[tokio::test]
async fn doubled_and_missing_results_are_named_and_cannot_be_repaired() {
    let fleet = Fleet::new().await;
    fleet.result("r-3", "e-3", "9-0").await;
    fleet.result("another id", "e-4", "10-0").await;
    let found = fleet.wrong();
    assert_eq!(found, ["doubled_result 9-0", "doubled_result 10-0"]);
    fleet.cmd(&["XDEL", &fleet.completed, "9-0", "10-0", "2-0"]).await;
    assert_eq!(fleet.wrong(), ["missing_result 2-0"]);
    let (_, left) = fleet.repair();
    assert_eq!(left, ["missing_result 2-0"], "results cannot be invented");
    // Trimmed past it: nobody can say any more that it is missing.
    fleet.cmd(&["XTRIM", &fleet.completed, "MINID", "4-0"]).await;
    assert!(fleet.wrong().is_empty());
}

#[tokio::test]
async fn groups_and_keys_that_were_tampered_with_are_put_right() {
    let fleet = Fleet::new().await;
    let started = fleet.started.as_str();
    fleet.cmd(&["EXPIRE", started, "1000"]).await;
    assert_eq!(fleet.wrong(), ["expires "]);
    assert!(fleet.repair().1.is_empty());
    assert_eq!(fleet.shell.conn.int(&["TTL", started]).await, -1);

    fleet.cmd(&["XGROUP", "SETID", started, GROUP, "777-0"]).await;
    assert_eq!(fleet.wrong(), ["set_ahead 5-0"]);
    assert!(fleet.repair().1.is_empty());

    fleet.add(6).await;
    fleet.read().await;
    fleet.cmd(&["XGROUP", "SETID", started, GROUP, "3-0"]).await;
    let found = fleet.wrong();
    assert!(found.contains(&"set_back 6-0".to_owned()), "{found:?}");
    let (report, left) = fleet.repair();
    assert!(left.is_empty(), "{report:#}");
    assert_eq!(fleet.shell.conn.pending(started, GROUP).await, 1, "what was pending stays so");

    fleet.cmd(&["SET", LINE, "text"]).await;
    assert_eq!(fleet.wrong(), ["wrong_type "]);
    assert_eq!(fleet.repair().1, ["wrong_type "]);
    fleet.cmd(&["DEL", LINE]).await;

    let future = stream("rollback:initiated");
    fleet.cmd(&["XADD", &future, "99999999999999-0", "id", "x"]).await;
    let found = fleet.wrong();
    assert_eq!(found, ["exhausted_id 99999999999999-0"]);
}

#[tokio::test]
async fn a_line_behind_what_is_gone_moves_on() {
    let fleet = Fleet::new().await;
    // Entry 6 waits in line as `take` leaves it there.
    let token = format!("{}|6-0", fleet.started);
    let delayed = fleet.defer(6).await;
    let member = format!("d-1\0age\0{token}");
    let script = "redis.call('ZREM', KEYS[1], ARGV[1])
        redis.call('HSET', KEYS[2], ARGV[3], redis.call('HGET', KEYS[2], ARGV[1]))
        redis.call('HDEL', KEYS[2], ARGV[1])
        redis.call('ZADD', KEYS[3], 0, ARGV[2])";
    fleet.cmd(&["EVAL", script, "3", DELAY, BODIES, LINE, &delayed, &member, &token]).await;
    assert_eq!(fleet.wrong(), ["blocked_line d-1"], "nothing has the turn");
    fleet.add(7).await;
    fleet.read().await;
    let turn = |n: u64| format!("{}|{n}-0", fleet.started);
    let place = format!("e{}", turn(7));
    fleet.cmd(&["HSET", ORDER, "sd-1", &turn(7), &place, "d-1"]).await;
    assert!(fleet.wrong().is_empty(), "7 is worked on");
    fleet.settle(7).await;
    assert_eq!(fleet.wrong(), ["blocked_line d-1"], "7 is settled and its turn was not passed on");
    let (report, left) = fleet.repair();
    assert!(left.is_empty(), "{report:#}");
    assert_eq!(fleet.shell.conn.entries(INBOX).await[0].text("origin_entry"), "6-0");
    // A turn behind which nobody waits is in nobody's way.
    fleet.cmd(&["HSET", ORDER, "sd-9", &turn(2)]).await;
    assert!(fleet.wrong().is_empty());
}

#[tokio::test]
async fn nonsense_in_the_server_s_own_numbers_moves_nothing() {
    let fleet = Fleet::new().await;
    for n in 6..=9 {
        fleet.add(n).await;
    }
    for reads in ["50", "1", "7"] {
        let set = ["XGROUP", "SETID", &fleet.started, GROUP, "5-0", "ENTRIESREAD", reads];
        fleet.cmd(&set).await;
        assert!(fleet.wrong().is_empty(), "{reads}");
    }
    fleet.cmd(&["XGROUP", "SETID", &fleet.started, GROUP, "5-0"]).await;
    assert!(fleet.wrong().is_empty());
}
