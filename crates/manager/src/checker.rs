//! Asks every ready child for its own `/health`, every `--health-check-interval`.
//!
//! What it finds is shown and counted; it restarts nobody: a child that is hung is the watchdog's
//! case, and one that cannot reach Redis is not helped by a restart.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;

use crate::local_http;
use crate::roll::{ChildView, Roll, State};
use crate::telemetry;

/// How long a child may take to answer. 2 s: it asks nobody for it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why the last check of a worker failed, by worker; those that passed are not in it.
pub(crate) type Unwell = BTreeMap<String, String>;

/// The task that asks.
#[derive(Debug)]
pub(crate) struct Checker {
    every: Duration,
    roll: watch::Receiver<Roll>,
    unwell: watch::Sender<Unwell>,
}

impl Checker {
    /// Prepares to ask the children of a roll.
    pub(crate) fn new(every: Duration, roll: watch::Receiver<Roll>) -> Self {
        Self { every, roll, unwell: watch::Sender::default() }
    }

    /// Where the failures are published.
    pub(crate) fn watch(&self) -> watch::Receiver<Unwell> {
        self.unwell.subscribe()
    }

    /// Asks until it is dropped.
    pub(crate) async fn run(self) {
        loop {
            tokio::time::sleep(self.every).await;
            self.check_once().await;
        }
    }

    async fn check_once(&self) {
        let children = self.roll.borrow().children.clone();
        let failed: Unwell =
            join_all(children.iter().map(check)).await.into_iter().flatten().collect();
        for (worker, why) in &failed {
            telemetry::health_check_failed(worker);
            tracing::warn!(worker, why, "health check failed");
        }
        self.unwell.send_if_modified(|unwell| {
            let changed = *unwell != failed;
            *unwell = failed;
            changed
        });
    }
}

/// Gives the worker and why its check failed; none where it passed or none is due.
async fn check(child: &ChildView) -> Option<(String, String)> {
    let address = child.http.filter(|_| child.state == State::Running)?;
    let why = match local_http::get(address, "/health", PATIENCE).await {
        Ok(answer) if answer.status == 200 => return None,
        Ok(answer) => format!("/health answers {}", answer.status),
        Err(error) => format!("/health: {error}"),
    };
    Some((child.worker.clone(), why))
}

#[cfg(test)]
mod tests {
    use printery_testkit::{Answer, HttpService};

    use super::*;
    use crate::snapshot::tests::child;

    #[tokio::test]
    async fn a_failing_check_is_shown_until_it_passes_again() {
        let service = HttpService::start().await;
        let http = Some(service.addr());
        let validator = ChildView { http, ..child("validator", State::Running) };
        let starting = ChildView { http, ..child("notifier", State::Starting) };
        let roll =
            watch::Sender::new(Roll { children: vec![validator, starting], draining: false });
        let checker = Checker::new(Duration::from_secs(1), roll.subscribe());
        let unwell = checker.watch();
        service.answer(Answer::Status(503));
        checker.check_once().await;
        let expected = [("validator".to_owned(), "/health answers 503".to_owned())];
        assert_eq!(*unwell.borrow(), Unwell::from(expected));
        service.answer(Answer::Status(200));
        checker.check_once().await;
        assert!(unwell.borrow().is_empty());
        assert!(service.requests().iter().all(|request| request.path == "/health"));
    }
}
