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
use crate::instruments::Instruments;
use crate::journal::Pen;
use crate::reading::{INSTRUMENTS, Reading};
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
    at: At<'a>,
}

/// What is looked at.
#[derive(Debug, Clone, Copy)]
enum At<'a> {
    Address(&'a Address),
    Instruments(&'a Instruments),
}

impl At<'_> {
    /// Returns how many samples the look would have been: what a service measures is none.
    fn counts(&self) -> u32 {
        match self {
            Self::Address(_) => 1,
            Self::Instruments(_) => 0,
        }
    }

    /// Returns the name under which the look is known.
    fn name(&self) -> &str {
        match self {
            Self::Address(address) => address.name,
            Self::Instruments(_) => INSTRUMENTS,
        }
    }
}

/// What a look brought.
#[derive(Debug)]
enum Taken {
    Sample(Sample),
    Reading(u32, Reading),
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
        // A window that was ended early is not missed by whoever finds it so.
        if enough() {
            return Came::ToTheEnd;
        }
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
                Some(taken) = under_way.next(), if !under_way.is_empty() => {
                    self.note(service, taken);
                }
                () = sleep_until(next.unwrap_or(self.until)), if next.is_some() => {
                    let Some(look) = to_come.next() else { continue };
                    if window.is_late(look.n, self.time.now()) {
                        self.board.missed(service, look.at.counts());
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
        let first = known.is_empty();
        let mut looks = Vec::new();
        let mut missed = 0;
        for n in 0..window.samples() {
            let addresses = watch.addresses.iter().map(At::Address);
            for at in addresses.chain(watch.instruments.as_ref().map(At::Instruments)) {
                if known.contains(&(at.name().to_owned(), n)) {
                    continue;
                }
                match window.found_at(n, &format!("{service}/{}", at.name()), now, first) {
                    Due::At(due) => looks.push(Look { n, due, at }),
                    Due::Missed => missed += at.counts(),
                }
            }
        }
        self.board.missed(service, missed);
        looks.sort_by_key(|look| look.due);
        looks
    }

    async fn look(&self, look: Look<'_>) -> Taken {
        // Nobody closes it; were it closed, looking without a permit would be right.
        let _permit = self.looks.acquire().await.ok();
        // As exact as what is kept, so that a verdict given again is the same verdict.
        let at = Duration::from_millis(whole(self.time.now().as_millis()));
        let address = match look.at {
            At::Address(address) => address,
            At::Instruments(instruments) => {
                return Taken::Reading(look.n, instruments.read(self.egress, at).await);
            }
        };
        let limits = &address.target.limits;
        let report = address.target.ask(self.egress, limits.check).await;
        let took = Duration::from_micros(whole(report.duration.as_micros()));
        let (probe, finding) = (address.name.to_owned(), finding(report));
        Taken::Sample(Sample { probe, n: look.n, at, took, finding })
    }

    fn note(&self, service: &str, taken: Taken) {
        match taken {
            Taken::Sample(sample) => {
                self.pen.keep(sample.sight(service));
                self.board.note(service, sample);
            }
            Taken::Reading(n, reading) => {
                self.pen.keep(reading.sight(service, n));
                self.board.read_off(service, n, reading);
            }
        }
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
