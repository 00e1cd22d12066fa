//! Takes the samples of a window, for one service.
//!
//! Owns the waiting and the asking, at a fixed rate and never past the attempt's deadline. The
//! handler runs one per service; it judges only whether it may stop.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use printery_probes::{Class, Egress, Outcome, ReasonCode, Report};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use crate::board::Board;
use crate::journal::Pen;
use crate::sample::{Finding, Sample};
use crate::time::Time;
use crate::watch::{Address, Watch};
use crate::window::{Due, Window};

/// What every service's watcher of one attempt shares.
#[derive(Debug)]
pub(crate) struct Watcher<'a> {
    pub egress: &'a Egress,
    /// Looks that this process has under way at most.
    pub looks: &'a Semaphore,
    pub board: &'a Board,
    pub pen: Pen,
    pub time: Time,
    /// When the attempt has to end.
    pub until: Instant,
}

/// How far a watcher came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// The window is over, or enough was seen.
    ToTheEnd,
    /// The attempt's time was over first.
    ToItsDeadline,
}

/// One look that is still to be taken.
#[derive(Debug)]
struct Look<'a> {
    n: u32,
    due: Duration,
    address: &'a Address,
}

impl Watcher<'_> {
    /// Looks at every address of a service at every moment of the window that is still to come.
    ///
    /// Looks whose time has passed are noted as missed on the board. `enough` is asked whenever
    /// nothing is under way.
    /// # Cancel safety
    /// Cancel safe: everything runs inside this future and ends with it.
    pub(crate) async fn watch(
        &self,
        service: &str,
        watch: &Watch,
        window: &Window,
        enough: impl Fn() -> bool,
    ) -> Came {
        let mut to_come = self.to_come(service, watch, window).into_iter().peekable();
        let mut under_way = FuturesUnordered::new();
        loop {
            if under_way.is_empty() && (to_come.peek().is_none() || enough()) {
                return Came::ToTheEnd;
            }
            let next = to_come.peek().map(|look| self.time.instant(look.due));
            tokio::select! {
                biased;
                () = sleep_until(self.until) => return Came::ToItsDeadline,
                Some(sample) = under_way.next(), if !under_way.is_empty() => {
                    self.note(service, sample);
                }
                () = sleep_until(next.unwrap_or(self.until)), if next.is_some() => {
                    let Some(look) = to_come.next() else { continue };
                    if window.is_late(look.n, self.time.now()) {
                        self.board.missed(service, 1);
                    } else {
                        under_way.push(self.look(look));
                    }
                }
            }
        }
    }

    /// Lists what is still to be looked at, in the order of time.
    fn to_come<'w>(&self, service: &str, watch: &'w Watch, window: &Window) -> Vec<Look<'w>> {
        let now = self.time.now();
        let known = self.board.taken(service);
        let mut looks = Vec::new();
        let mut missed = 0;
        for n in 0..window.samples() {
            for address in &watch.addresses {
                if known.contains(&(address.name.to_owned(), n)) {
                    continue;
                }
                match window.found_at(n, &format!("{service}/{}", address.name), now) {
                    Due::At(due) => looks.push(Look { n, due, address }),
                    Due::Missed => missed += 1,
                }
            }
        }
        self.board.missed(service, missed);
        looks.sort_by_key(|look| look.due);
        looks
    }

    async fn look(&self, look: Look<'_>) -> Sample {
        // Nobody closes it; were it closed, looking without a permit would be right.
        let _permit = self.looks.acquire().await.ok();
        // As exact as what is kept, so that a verdict given again is the same verdict.
        let at = Duration::from_millis(whole(self.time.now().as_millis()));
        let address = look.address;
        let report = address.probe.run(self.egress, &address.limits).await;
        let took = Duration::from_micros(whole(report.duration.as_micros()));
        Sample { probe: address.name.to_owned(), n: look.n, at, took, finding: finding(report) }
    }

    fn note(&self, service: &str, sample: Sample) {
        self.pen.keep(sample.sight(service));
        self.board.note(service, sample);
    }
}

fn whole(count: u128) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Tells what a report says about the service; our own mistakes and policies say nothing.
fn finding(report: Report) -> Finding {
    match (report.outcome, report.class) {
        (Outcome::Pass | Outcome::Warn, _) => Finding::Passed,
        (Outcome::Skipped, _) | (_, Some(Class::Guard | Class::Internal)) => {
            Finding::Unasked(report.observed)
        }
        (Outcome::Inconclusive | Outcome::Error | Outcome::Fail, _) => {
            Finding::Failed(cause(&report))
        }
    }
}

/// Names a failure in words that are the same every time it happens, so that they can be counted.
fn cause(report: &Report) -> String {
    match report.status {
        Some(status) if report.reason_code == ReasonCode::HttpStatus => format!("HTTP {status}"),
        Some(_) | None => report.reason_code.as_str().replace('_', " "),
    }
}
