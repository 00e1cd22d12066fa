//! What the shipped users may and may not do, asked of the server itself.
//!
//! A command is granted where somebody needs it; what empties, moves, stops or shows more than a role needs is refused, and so
//! is every key that is another role's.

use std::collections::BTreeSet;

use printery_testkit::HttpService;
use printery_testkit::acl::{USERS, refusals};

use crate::acl::Guarded;
use crate::site::{SOON, fleet_file};

/// Commands that nobody has, whatever the keys.
const NOBODY: &[&str] = &[
    "FLUSHALL",
    "FLUSHDB",
    "KEYS *",
    "SCAN 0",
    "RANDOMKEY",
    "CONFIG GET *",
    "CONFIG SET maxmemory 1",
    "CONFIG REWRITE",
    "DEBUG SLEEP 0",
    "SHUTDOWN NOSAVE",
    "SAVE",
    "BGSAVE",
    "REPLICAOF NO ONE",
    "FAILOVER",
    "MONITOR",
    "SYNC",
    "MODULE LIST",
    "ACL LIST",
    "ACL SETUSER materi-worker on",
    "CLIENT LIST",
    "CLIENT KILL TYPE normal",
    "CLIENT PAUSE 10",
    "CLIENT UNBLOCK 1",
    "SCRIPT FLUSH",
    "SCRIPT KILL",
    "EVAL return 0",
    "FUNCTION FLUSH",
    "SELECT 1",
    "SWAPDB 0 1",
    "SUBSCRIBE a",
    "PUBLISH a b",
    "CLUSTER RESET",
    "CLUSTER FAILOVER",
    "LATENCY RESET",
    "SLOWLOG GET",
    "DEL materi:events:deployment:deployment:started",
    "UNLINK materi:events:deployment:deployment:started",
    "RENAME materi:printery:instances materi:other",
    "COPY materi:printery:instances materi:other",
    "EXPIRE materi:events:deployment:deployment:started 1",
    "DUMP materi:printery:instances",
    "RESTORE materi:other 0 x",
    "MIGRATE h 1 materi:other 0 1",
    "XSETID materi:events:deployment:deployment:started 9-9",
    "XGROUP DESTROY materi:events:deployment:deployment:started printery-validator",
    "XGROUP CREATECONSUMER materi:events:deployment:deployment:started printery-validator c",
    "XAUTOCLAIM materi:events:deployment:deployment:started printery-validator c 0 0",
];

/// A user and a command that it may not run, while another may or with another key it might.
const NOT_THEIRS: &[(&str, &str)] = &[
    // Only repair moves a group; only the manager trims.
    ("worker", "XGROUP SETID materi:events:deployment:deployment:started printery-validator 0"),
    ("manager", "XGROUP SETID materi:events:deployment:deployment:started printery-validator 0"),
    ("fleet", "XGROUP SETID materi:events:deployment:deployment:started printery-validator 0"),
    ("worker", "XTRIM materi:events:deployment:deployment:started MAXLEN 0"),
    ("producer", "XTRIM materi:events:deployment:deployment:started MAXLEN 0"),
    // The manager handles no events.
    (
        "manager",
        "XREADGROUP GROUP printery-validator c STREAMS materi:events:deployment:deployment:started >",
    ),
    // A worker is told, and tells nobody.
    ("worker", "HSET materi:printery:controls pause:validator x"),
    ("worker", "XADD materi:printery:operator-log * actor me"),
    ("worker", "HGET materi:printery:published:deployment:started:e-1 x"),
    // A producer reads nothing and writes no results.
    ("producer", "XRANGE materi:events:deployment:deployment:started - +"),
    ("producer", "XREAD STREAMS materi:events:deployment:deployment:started 0"),
    ("producer", "XREADGROUP GROUP g c STREAMS materi:events:deployment:deployment:started >"),
    ("producer", "XACK materi:events:deployment:deployment:started printery-validator 1-0"),
    ("producer", "XDEL materi:events:deployment:deployment:started 1-0"),
    ("producer", "XADD materi:events:deployment:validation:completed * data x"),
    ("producer", "XADD materi:events:deployment:inbox:validator * data x"),
    ("producer", "XADD materi:events:deployment:dlq:validator * data x"),
    ("producer", "GET materi:printery:controls"),
    ("producer", "SET materi:printery:ledger:validator x"),
    ("producer", "INFO"),
];

/// A key of somebody else, which nobody may read or write.
const FOREIGN: &[&str] = &[
    "HSET other:printery:instances a b",
    "HGETALL sessions",
    "XADD materi2:events:deployment:deployment:started * a b",
    "XADD xmateri:events:deployment:deployment:started * a b",
];

/// Asks the server whether a user could run a command.
async fn may(guarded: &Guarded, user: &str, command: &str) -> bool {
    let words: Vec<&str> = command.split(' ').collect();
    let question = [&["ACL", "DRYRUN", &guarded.users[user].name], words.as_slice()].concat();
    let answer = guarded.site.conn.text(&question).await.unwrap_or_default();
    assert!(answer == "OK" || answer.contains("has no permissions"), "{command}: {answer}");
    answer == "OK"
}

#[tokio::test]
async fn nobody_can_empty_stop_or_spy_on_redis() {
    let guarded = Guarded::new(&fleet_file("http://127.0.0.1:1")).await;
    for user in USERS {
        for command in NOBODY.iter().chain(FOREIGN) {
            assert!(!may(&guarded, user, command).await, "{user} may {command}");
        }
    }
}

#[tokio::test]
async fn each_keeps_to_its_own() {
    let guarded = Guarded::new(&fleet_file("http://127.0.0.1:1")).await;
    for (user, command) in NOT_THEIRS {
        assert!(!may(&guarded, user, command).await, "{user} may {command}");
    }
    let set_id = "XGROUP SETID materi:events:deployment:deployment:started printery-validator 0";
    assert!(may(&guarded, "operator", set_id).await, "repair moves a group");
    for user in USERS {
        assert!(may(&guarded, user, "PING").await, "{user}");
    }
}

#[tokio::test]
async fn a_fleet_s_user_may_what_its_manager_and_its_workers_may() {
    let guarded = Guarded::new(&fleet_file("http://127.0.0.1:1")).await;
    let rights = |user: &str| -> BTreeSet<String> {
        guarded.users[user].commands().map(str::to_owned).collect()
    };
    let both: BTreeSet<String> = rights("manager").union(&rights("worker")).cloned().collect();
    assert_eq!(rights("fleet"), both);
    let more: Vec<String> = rights("operator").difference(&rights("manager")).cloned().collect();
    assert_eq!(more, ["xgroup|setid"]);
}

#[tokio::test]
async fn a_worker_without_the_right_to_its_streams_says_so_and_waits() {
    let service = HttpService::start().await;
    let guarded = Guarded::new(&fleet_file(&service.url())).await;
    let (site, whole) = (&guarded.site, &guarded.users["worker"]);
    let mut less = whole.clone();
    less.rules.retain(|rule| rule != "~materi:events:deployment:*");
    less.install(&site.conn).await;
    let worker = guarded.worker("validator");
    eventually_says(&worker, "NOPERM").await;
    let told = worker.lines().into_iter().find(|line| line.contains("NOPERM")).unwrap_or_default();
    assert!(told.contains("materi:events:deployment:"), "it names the key: {told}");
    // As soon as it has the right it works, without a restart.
    site.start_deployment(1).await;
    whole.install(&site.conn).await;
    site.wait_for_results("validation:completed", 1, SOON).await;
    // It asked again once in a while, not all the time: a refusal costs Redis as much as an answer.
    let refused = refusals(&site.conn).await;
    let times: u64 = refused.iter().map(|line| times(line)).sum();
    let lines = worker.lines().iter().filter(|line| line.contains("NOPERM")).count();
    assert!(times < 200 && lines < 100, "{times} refusals, {lines} lines");
}

fn times(refusal: &str) -> u64 {
    let count = refusal.rsplit(", ").next().and_then(|count| count.split(' ').next());
    count.and_then(|count| count.parse().ok()).expect("a count")
}

async fn eventually_says(worker: &printery_testkit::Process, word: &str) {
    printery_testkit::eventually("it says so", SOON, async || {
        if worker.lines().iter().any(|line| line.contains(word)) {
            Ok(())
        } else {
            Err(worker.report())
        }
    })
    .await;
}
