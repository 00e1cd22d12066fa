//! Replies that never arrive, and requests that arrive too late.
//!
//! Cases 3, 4 and 13 of the protocol, and the output buffer of its trap 22.

use std::time::Duration;

use printery_testkit::{FaultProxy, RedisServer, eventually};
use serde_json::json;

use crate::run::Run;
use crate::site::{SOON, started, stream};

#[tokio::test]
async fn fifty_lost_replies_in_a_row_dead_letter_nothing() {
    let mut run = Run::new().await;
    let proxy = FaultProxy::start(&run.site.redis).await;
    let validator = run.validator_behind(&proxy);
    run.publish(1).await;
    run.results(1).await;
    for n in 0..50 {
        // Whatever is asked next: a read, a sweep, an adoption, an announcement, a commit.
        let swallowed = proxy.traffic().swallowed;
        proxy.swallow_reply_to(&["deployment:started"]);
        if n % 10 == 0 {
            run.publish(1).await;
        }
        eventually("a reply is lost", SOON, async || proxy.traffic().swallowed > swallowed).await;
    }
    run.fault("fifty replies were lost");
    run.recovers(&[validator]).await;
    let attempts: Vec<_> = run
        .site
        .data("validation:started")
        .await
        .iter()
        .map(|data| data["attempt"].clone())
        .collect();
    assert!(attempts.iter().all(|attempt| *attempt == 1), "{attempts:?}");
}

#[tokio::test]
async fn a_request_that_arrives_after_its_sender_gave_up_changes_nothing() {
    let mut run = Run::new().await;
    let proxy = FaultProxy::start(&run.site.redis).await;
    let validator = run.validator_behind(&proxy);
    for _ in 0..3 {
        proxy.hold_request(&["EVALSHA", crate::run::RESULT]);
        run.publish(1).await;
        eventually("a commit is held back", SOON, async || proxy.traffic().held == 1).await;
        // It is sent again on another connection, and what is held arrives afterwards.
        run.site.wait_until_idle(SOON).await;
        proxy.let_go();
        eventually("nothing is held back", SOON, async || proxy.traffic().held == 0).await;
    }
    run.recovers(&[validator]).await;
}

#[tokio::test]
async fn a_reply_beyond_the_output_limit_is_asked_for_in_smaller_pieces() {
    let limit = ["normal", "1mb", "1mb", "0"].join(" ");
    let options = RedisServer::options().arg("--client-output-buffer-limit", &limit);
    let mut run = Run::on(options).await;
    // Each fits alone; as many as there are slots do not.
    let padding = "x".repeat(200_000);
    for n in 0..8 {
        let id = format!("large-{n}");
        run.history.attempted(&id, &id);
        let [_, (_, data)] = started(1000 + n, &id);
        let mut data: serde_json::Value = serde_json::from_str(&data).expect("our own JSON");
        data["git"] = json!({ "one": padding, "two": padding });
        let entry = run
            .site
            .conn
            .add(&stream("deployment:started"), &[("id", id.as_str()), ("data", &data.to_string())])
            .await;
        run.history.acknowledged(&id, &entry);
    }
    let validator = run.site.worker("validator").args(["--concurrency", "16"]).start();
    run.fault("replies of more than 1 MiB close the connection");
    eventually("the large ones have results", Duration::from_secs(40), async || {
        let results = run.site.results(crate::run::RESULT).await.len();
        if results == 8 { Ok(()) } else { Err(format!("{results}; {}", validator.report())) }
    })
    .await;
    run.recovers(&[validator]).await;
}
