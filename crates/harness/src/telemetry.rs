//! Every metric a worker process reports; the only file here that spells their names.
//!
//! Names and labels are those of contract §10. Labels never come from a payload.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metrics::{
    Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use printery_streams::ErrorKind;

/// Upper bounds of the duration histograms, seconds: from one Redis round trip to a long window.
const BUCKETS: [f64; 14] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0, 120.0, 600.0];

/// Starts collecting; the handle renders what was collected.
///
/// # Errors
/// A recorder is installed already.
pub(crate) fn install() -> Result<PrometheusHandle, String> {
    let builder = PrometheusBuilder::new().set_buckets(&BUCKETS).map_err(|e| e.to_string())?;
    let handle = builder.install_recorder().map_err(|e| e.to_string())?;
    describe();
    Ok(handle)
}

fn describe() {
    describe_counter!("printery_events_processed_total", "Deliveries settled, by outcome");
    describe_counter!("printery_events_failed_total", "Attempts that failed, by reason");
    describe_histogram!(
        "printery_event_processing_duration_seconds",
        "Handler started to handler ended"
    );
    describe_histogram!("printery_event_wait_seconds", "Entry written to handler started");
    describe_counter!("printery_events_reclaimed_total", "Entries taken over from silent owners");
    describe_counter!("printery_events_lost_total", "Entries whose body somebody deleted");
    describe_counter!("printery_commits_fenced_total", "Settlements refused to a stale owner");
    describe_counter!("printery_worker_panics_total", "Handlers that panicked");
    describe_gauge!("printery_worker_uptime_seconds", "Since the process was ready");
    describe_counter!("printery_redis_errors_total", "Failed Redis operations, by reaction");
    describe_counter!("printery_redis_reconnects_total", "Times Redis came back");
    describe_counter!(
        "printery_redis_unconfirmed_total",
        "Batches of settlements that did not come as far in time as the durability asks"
    );
    describe_gauge!("printery_build_info", "Version of the running program");
}

/// Says what [`reloaded`] reports, to whichever recorder the program has.
pub(crate) fn describe_reload() {
    describe_gauge!(
        "printery_config_last_reload_successful",
        "1 when what stands in the fleet file is what applies, 0 when it was not taken"
    );
}

/// Reports whether what stands in the fleet file is what applies.
///
/// # Source
/// Prometheus' own family of programs, for the name's end.
pub(crate) fn reloaded(applies: bool) {
    gauge!("printery_config_last_reload_successful").set(if applies { 1.0 } else { 0.0 });
}

/// What became of one delivery.
pub(crate) struct DeliverySettled<'a> {
    pub(crate) worker: &'static str,
    pub(crate) event_type: &'a str,
    /// `done`, `duplicate`, `deferred`, `released`, `dead`, `fenced`, `gone`, `lost` or `abandoned`.
    pub(crate) outcome: &'static str,
}

/// Counts settlements of one kind.
pub(crate) fn deliveries_settled(settled: &DeliverySettled<'_>, deliveries: u64) {
    counter!(
        "printery_events_processed_total",
        "worker" => settled.worker,
        "event_type" => settled.event_type.to_owned(),
        "outcome" => settled.outcome
    )
    .increment(deliveries);
    match settled.outcome {
        "fenced" => {
            counter!("printery_commits_fenced_total", "worker" => settled.worker)
                .increment(deliveries);
        }
        "lost" => lost(settled.worker, "deleted", deliveries),
        _ => {}
    }
}

/// The metrics of every single execution, each looked up once.
pub(crate) struct Meter {
    worker: &'static str,
    wait: Histogram,
    /// By event type; written when one is met for the first time.
    took: Mutex<BTreeMap<String, Histogram>>,
}

impl Meter {
    /// Measures for one worker; the collecting must have been started.
    pub(crate) fn new(worker: &'static str) -> Self {
        let wait = histogram!("printery_event_wait_seconds", "worker" => worker);
        Self { worker, wait, took: Mutex::default() }
    }

    /// Notes that a handler starts, so long after its entry was written.
    pub(crate) fn handler_started(&self, wait: Duration) {
        self.wait.record(wait);
    }

    /// Notes that a handler ended.
    pub(crate) fn handler_ended(&self, event_type: &str, took: Duration) {
        let mut known = self.took.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(histogram) = known.get(event_type) {
            return histogram.record(took);
        }
        let histogram = histogram!(
            "printery_event_processing_duration_seconds",
            "worker" => self.worker,
            "event_type" => event_type.to_owned()
        );
        histogram.record(took);
        known.insert(event_type.to_owned(), histogram);
    }
}

/// Counts a failed attempt; `reason` is a code of ours, never a text from outside.
pub(crate) fn attempt_failed(worker: &'static str, event_type: &str, reason: &str) {
    counter!(
        "printery_events_failed_total",
        "worker" => worker,
        "event_type" => event_type.to_owned(),
        "reason" => reason.to_owned()
    )
    .increment(1);
    if reason == "panic" {
        counter!("printery_worker_panics_total", "worker" => worker).increment(1);
    }
}

/// Counts entries taken over.
pub(crate) fn reclaimed(worker: &'static str, entries: usize) {
    counter!("printery_events_reclaimed_total", "worker" => worker)
        .increment(u64::try_from(entries).unwrap_or(u64::MAX));
}

/// Counts entries whose body is gone.
pub(crate) fn lost(worker: &'static str, cause: &'static str, entries: u64) {
    counter!("printery_events_lost_total", "worker" => worker, "cause" => cause).increment(entries);
}

/// Counts a failed Redis operation.
pub(crate) fn redis_error(worker: &'static str, kind: ErrorKind) {
    counter!("printery_redis_errors_total", "worker" => worker, "kind" => kind.as_str())
        .increment(1);
}

/// Counts a return of Redis.
pub(crate) fn reconnected(worker: &'static str) {
    counter!("printery_redis_reconnects_total", "worker" => worker).increment(1);
}

/// Counts a batch of settlements that stands in Redis without being confirmed.
pub(crate) fn unconfirmed(worker: &'static str) {
    counter!("printery_redis_unconfirmed_total", "worker" => worker).increment(1);
}

/// Registers what should be there from the first scrape on, at zero.
pub(crate) fn begin(worker: &'static str) {
    counter!("printery_events_reclaimed_total", "worker" => worker).absolute(0);
    counter!("printery_commits_fenced_total", "worker" => worker).absolute(0);
    counter!("printery_worker_panics_total", "worker" => worker).absolute(0);
    counter!("printery_redis_reconnects_total", "worker" => worker).absolute(0);
    counter!("printery_redis_unconfirmed_total", "worker" => worker).absolute(0);
    counter!("printery_events_lost_total", "worker" => worker, "cause" => "lost_body").absolute(0);
    gauge!("printery_build_info", "worker" => worker, "version" => env!("CARGO_PKG_VERSION"))
        .set(1.0);
}

/// Sets how long the process has been ready.
pub(crate) fn uptime(worker: &'static str, since_ready: Duration) {
    gauge!("printery_worker_uptime_seconds", "worker" => worker).set(since_ready.as_secs_f64());
}
