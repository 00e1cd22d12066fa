//! Moves delayed entries to the inbox when they fall due.
//!
//! One loop per process; replicas that do it at the same time do it once. It sleeps until the next
//! entry is due, and at most a second, because other processes delay entries too.

use std::time::Duration;

use printery_streams::delay::promote;
use printery_streams::{Keys, Session};

use crate::telemetry;

/// How late an entry may be that another process delayed meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// How soon a full page is followed by the next, and the least pause between looks.
const SHORTEST_SLEEP: Duration = Duration::from_millis(5);

/// Promotes for one worker, for ever; ended by being dropped.
pub(crate) async fn run(worker: &'static str, keys: Keys, mut session: Session) {
    loop {
        let sleep = match promote(&mut session, &keys, worker).await {
            Ok(promoted) => {
                if !promoted.bodiless.is_empty() {
                    tracing::error!(entries = ?promoted.bodiless, "delayed entries without a body");
                    telemetry::lost(worker, "delay_body", promoted.bodiless.len() as u64);
                }
                promoted.next.unwrap_or(LONGEST_SLEEP).clamp(SHORTEST_SLEEP, LONGEST_SLEEP)
            }
            Err(error) => {
                telemetry::redis_error(worker, error.kind);
                LONGEST_SLEEP
            }
        };
        tokio::time::sleep(sleep).await;
    }
}
