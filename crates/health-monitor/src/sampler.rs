//! Takes the samples of a window.
//!
//! Owns the waiting and the asking, at a fixed rate and never past the attempt's deadline. The
//! handler calls it once per service; it never judges.

use std::time::Duration;

use futures_util::future::join_all;
use printery_probes::{Class, Egress, Outcome, ReasonCode, Report};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::sample::{Finding, Sample};
use crate::watch::{Address, Watch};
use crate::window::Window;

/// Looks at every address of a service at every moment of the window, until `until`.
///
/// Moments that would come later are left out, and a look that is still under way then is dropped:
/// our own shortness of time says nothing about the service.
/// # Cancel safety
/// Cancel safe: everything runs inside this future and ends with it.
pub(crate) async fn samples(
    egress: &Egress,
    watch: &Watch,
    window: &Window,
    began: Instant,
    until: Instant,
) -> Vec<Sample> {
    let moments = window.moments().map_while(|moment| began.checked_add(moment));
    let moments = moments.take_while(|moment| *moment < until);
    let looks = moments.flat_map(|moment| watch.addresses.iter().map(move |to| (moment, to)));
    let looks = looks.map(|(moment, address)| async move {
        sleep_until(moment).await;
        let report = timeout_at(until, address.probe.run(egress, &address.limits)).await.ok()?;
        Some(sample(address, moment.duration_since(began), report))
    });
    join_all(looks).await.into_iter().flatten().collect()
}

fn sample(address: &Address, at: Duration, report: Report) -> Sample {
    Sample { probe: address.name, at, took: report.duration, finding: finding(report) }
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
