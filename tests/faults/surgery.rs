//! Somebody operates on keys and groups while events flow.
//!
//! Cases 34, 38, 42 and 44 of the protocol; the others are the fleet's own tests. What somebody removes is gone; nothing else may be.

use printery_testkit::{Answer, Ended, History, Process, eventually};

use crate::run::{GROUP, RESULT, Run, STARTED};
use crate::site::{PREFIX, SOON, stream};

/// Operates under load, and judges what is published afterwards.
async fn works_on_after(operation: &[&str]) {
    let mut run = Run::new().await;
    let workers = [run.validator(), run.validator()];
    run.publish(40).await;
    run.results(5).await;
    run.site.conn.cmd(operation).await;
    // A key that expires is there for a moment, and would take along what comes in it.
    eventually("what was there is gone", SOON, async || run.site.conn.len(operation[1]).await == 0)
        .await;
    let before: Vec<String> = (1..=40).map(|n| format!("e-{n}")).collect();
    run.history = History::default();
    run.fault(&operation.join(" "));
    run.publish(40).await;
    eventually("what came later has its results", 2 * SOON, async || {
        let results = run.site.results(RESULT).await;
        let done = (41..=80).filter(|n| results.contains_key(&format!("e-{n}"))).count();
        if done == 40 { Ok(()) } else { Err(run.site.world().await) }
    })
    .await;
    // Those of before may have been taken along; if not, they have one result like all others.
    for id in &before {
        run.history.attempted(id, id);
    }
    run.recovers(&workers).await;
}

#[tokio::test]
async fn a_renamed_stream_gets_its_group_back() {
    works_on_after(&["RENAME", &stream(STARTED), "elsewhere"]).await;
}

#[tokio::test]
async fn an_expired_stream_gets_its_group_back() {
    works_on_after(&["PEXPIRE", &stream(STARTED), "1"]).await;
}

#[tokio::test]
async fn a_deleted_inbox_gets_its_group_back() {
    works_on_after(&["DEL", &stream("inbox:validator")]).await;
}

#[tokio::test]
async fn a_group_set_ahead_is_found_and_set_back() {
    let mut run = Run::new().await;
    let workers = [run.validator()];
    run.publish(5).await;
    run.results(5).await;
    run.site.wait_until_idle(SOON).await;
    let ahead = "99999999999999-0";
    run.site.conn.cmd(&["XGROUP", "SETID", &stream(STARTED), GROUP, ahead]).await;
    run.fault("XGROUP SETID ahead");
    // Redis hands these to nobody, and never would.
    run.publish(3).await;
    let audit = |arguments: &[&str]| run.site.launch("printery-workers").args(arguments).start();
    let found = audit(&["audit"]);
    assert_eq!(found.wait(SOON).await, Ended::Code(1), "{}", found.report());
    assert!(found.lines().iter().any(|line| line.contains(GROUP)), "{}", found.report());
    let repaired = audit(&["audit", "--repair", "--yes"]);
    assert_eq!(repaired.wait(SOON).await, Ended::Code(0), "{}", repaired.report());
    run.results(8).await;
    let clean = audit(&["audit"]);
    assert_eq!(clean.wait(SOON).await, Ended::Code(0), "{}", clean.report());
    run.recovers(&workers).await;
}

#[tokio::test]
async fn every_connection_killed_again_and_again_costs_nothing() {
    let mut run = Run::new().await;
    let workers = [run.validator(), run.validator()];
    for round in 1..=10 {
        run.publish(10).await;
        run.results(round * 10 - 9).await;
        run.site.conn.cmd(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
        run.fault("CLIENT KILL");
    }
    run.recovers(&workers).await;
}

#[tokio::test]
async fn readers_that_somebody_unblocks_read_on() {
    let mut run = Run::new().await;
    let workers = [run.validator(), run.validator()];
    for round in 0..10 {
        let clients = run.site.conn.text(&["CLIENT", "LIST"]).await.unwrap_or_default();
        for id in clients.lines().filter_map(|line| line.strip_prefix("id=")?.split(' ').next()) {
            let how = if round % 2 == 0 { "ERROR" } else { "TIMEOUT" };
            run.site.conn.cmd(&["CLIENT", "UNBLOCK", id, how]).await;
        }
        run.fault("CLIENT UNBLOCK");
        run.publish(2).await;
    }
    run.recovers(&workers).await;
}

#[tokio::test]
async fn a_trimmed_stream_loses_what_was_pending_by_name() {
    let mut run = Run::new().await;
    run.service.answer(Answer::Hold);
    let doomed = run.validator();
    run.publish(3).await;
    run.handlers(3).await;
    let lost: Vec<String> =
        run.site.conn.entries(&stream(STARTED)).await.into_iter().map(|entry| entry.id).collect();
    doomed.kill9();
    run.site.conn.cmd(&["XTRIM", &stream(STARTED), "MAXLEN", "0"]).await;
    run.service.answer(Answer::Healthy);
    let heir: [Process; 1] = [run.validator()];
    eventually("each loss has its dead letter", SOON, async || {
        let mut letters: Vec<String> = run
            .site
            .dead_letters("validator")
            .await
            .iter()
            .filter(|letter| letter.text("failure_reason") == "lost_body")
            .map(|letter| letter.text("original_entry"))
            .collect();
        letters.sort();
        if letters == lost {
            Ok(())
        } else {
            Err(format!("{letters:?}; {}", run.site.world().await))
        }
    })
    .await;
    run.publish(3).await;
    run.results(3).await;
    assert_eq!(run.site.conn.pending(&stream(STARTED), GROUP).await, 0);
    assert!(heir[0].is_running(), "{}", heir[0].report());
    let lines = heir[0].lines();
    let told = lost.iter().all(|id| lines.iter().any(|line| line.contains(id)));
    assert!(told, "each is named in the log: {}", heir[0].report());
    assert_eq!(run.site.conn.keys(&format!("{PREFIX}:*lost*")).await, Vec::<String>::new());
}
