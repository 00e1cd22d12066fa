//! Every metric that the manager itself measures; the only file of it that names one.
//!
//! Called where things happen (supervisor) and where they are counted (collector). It reads
//! nothing and decides nothing.
//!
//! Source: contract §10.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use metrics::{counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use printery_fleet::destinations::CircuitState;

use crate::restart::Reason;
use crate::roll::{ChildView, State};
use crate::snapshot::{Observation, Snapshot};

const CONSUMER_LAG: &str = "printery_consumer_lag";
const PENDING: &str = "printery_pending";
const PENDING_OLDEST: &str = "printery_pending_oldest_seconds";
const WAITING_OLDEST: &str = "printery_waiting_oldest_seconds";
const RETRYING: &str = "printery_retrying";
const BLOCKED: &str = "printery_blocked";
const DLQ_SIZE: &str = "printery_dlq_size";
const WORKER_UP: &str = "printery_worker_up";
const WORKER_UPTIME: &str = "printery_worker_uptime_seconds";
const WORKER_RESTARTS: &str = "printery_worker_restarts_total";
const HEALTH_CHECK_FAILURES: &str = "printery_worker_health_check_failures_total";
const INSTANCES: &str = "printery_instances";
const BREAKER: &str = "printery_circuit_breaker_state";
const OWNER: &str = "printery_owner";
const REDIS_ERRORS: &str = "printery_redis_errors_total";
const LEADS: &str = "printery_manager_leads";
const BUILD_INFO: &str = "printery_build_info";

/// Installs the recorder of this process.
///
/// # Errors
/// Another recorder is installed already.
pub(crate) fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new().install_recorder()?;
    describe();
    gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}

fn describe() {
    describe_gauge!(CONSUMER_LAG, "Entries that a group has not been given yet.");
    describe_gauge!(PENDING, "Entries given to a consumer of a group and not settled.");
    describe_gauge!(PENDING_OLDEST, "Age of a group's oldest unsettled entry, by its id.");
    describe_gauge!(WAITING_OLDEST, "Age of the oldest entry not given to a group yet, by its id.");
    describe_gauge!(RETRYING, "Entries of a worker that wait for another attempt.");
    describe_gauge!(BLOCKED, "Entries of a worker that wait for an older one of their deployment.");
    describe_gauge!(DLQ_SIZE, "Dead letters of a worker that wait for a decision.");
    describe_gauge!(WORKER_UP, "1 while a worker of this kind is ready, else 0.");
    describe_gauge!(WORKER_UPTIME, "Age of this manager's process of the worker.");
    describe_counter!(WORKER_RESTARTS, "Restarts of a worker by this manager.");
    describe_counter!(HEALTH_CHECK_FAILURES, "Failed health checks and missed watchdogs.");
    describe_gauge!(INSTANCES, "Worker processes known to Redis, by state.");
    describe_gauge!(BREAKER, "A receiver's circuit: 0 closed, 1 open, 2 half-open.");
    describe_gauge!(OWNER, "1 for who runs a worker kind, 0 for who did.");
    describe_counter!(REDIS_ERRORS, "Failed operations on Redis.");
    describe_gauge!(LEADS, "1 for the manager that does what one does for all, else 0.");
    describe_gauge!(BUILD_INFO, "Always 1; the labels say what runs.");
}

/// Shows which children are ready.
pub(crate) fn children(children: &[ChildView]) {
    for child in children.iter().filter(|child| child.spawn.is_none()) {
        let up = if child.state == State::Running { 1.0 } else { 0.0 };
        gauge!(WORKER_UP, "worker" => child.worker.clone()).set(up);
    }
}

/// Counts a restart.
pub(crate) fn restarted(worker: &'static str, reason: Reason) {
    counter!(WORKER_RESTARTS, "worker" => worker, "reason" => reason.as_str()).increment(1);
}

/// Counts a health check that failed or a watchdog that was missed.
pub(crate) fn health_check_failed(worker: &str) {
    counter!(HEALTH_CHECK_FAILURES, "worker" => worker.to_owned()).increment(1);
}

/// Who ran each worker kind when it was last asked: their series end at 0.
static OWNERS: Mutex<BTreeMap<&'static str, String>> = Mutex::new(BTreeMap::new());

/// Shows where a receiver's circuit stands, in the numbers of the contract.
pub(crate) fn circuit(receiver: &str, state: CircuitState) {
    let state = match state {
        CircuitState::Closed => 0.0,
        CircuitState::Open => 1.0,
        CircuitState::HalfOpen => 2.0,
    };
    gauge!(BREAKER, "target" => receiver.to_owned()).set(state);
}

/// Shows who runs a worker kind.
pub(crate) fn owner(worker: &'static str, owner: &str) {
    gauge!(OWNER, "worker" => worker, "owner" => owner.to_owned()).set(1.0);
    // Poisoned by a panic elsewhere, the map is still a map.
    let mut owners = OWNERS.lock().unwrap_or_else(PoisonError::into_inner);
    match owners.insert(worker, owner.to_owned()) {
        Some(before) if before != owner => {
            gauge!(OWNER, "worker" => worker, "owner" => before).set(0.0);
        }
        Some(_) | None => {}
    }
}

/// Shows whether this manager leads.
pub(crate) fn leads(leads: bool) {
    gauge!(LEADS).set(if leads { 1.0 } else { 0.0 });
}

/// Counts a failed operation on Redis.
pub(crate) fn redis_failed(kind: &'static str) {
    counter!(REDIS_ERRORS, "kind" => kind).increment(1);
}

/// Shows what was found in Redis, summed over partitions: one partition more or less changes no
/// series, and nobody who adds them up counts twice.
#[expect(clippy::cast_precision_loss, reason = "Prometheus has floating point numbers only")]
pub(crate) fn observed(observation: &Observation) {
    for group in &observation.groups {
        let labels = [("worker", group.worker.clone()), ("stream", group.stream.clone())];
        // What is unknown is left out of the scrape: nobody may scale on a number that Redis does
        // not know, nor on the last one that it knew.
        let known = |number: Option<u64>| number.map_or(f64::NAN, |number| number as f64);
        let seconds = |age: Option<u64>, none: bool| if none { 0.0 } else { known(age) / 1000.0 };
        gauge!(CONSUMER_LAG, &labels).set(known(group.lag));
        gauge!(PENDING, &labels).set(group.pending as f64);
        let oldest = seconds(group.oldest_pending_ms, group.pending == 0);
        gauge!(PENDING_OLDEST, &labels).set(oldest);
        let oldest = seconds(group.oldest_waiting_ms, group.lag == Some(0));
        gauge!(WAITING_OLDEST, &labels).set(oldest);
    }
    for queue in &observation.queues {
        let worker = queue.worker.clone();
        gauge!(RETRYING, "worker" => worker.clone()).set(queue.delayed as f64);
        gauge!(BLOCKED, "worker" => worker.clone()).set(queue.in_line as f64);
        gauge!(DLQ_SIZE, "worker" => worker).set(queue.dead_letters as f64);
    }
}

/// Shows what is true at the moment of a scrape.
#[expect(clippy::cast_precision_loss, reason = "Prometheus has floating point numbers only")]
pub(crate) fn scraped(snapshot: &Snapshot) {
    for worker in &snapshot.workers {
        let name = || worker.worker.clone();
        if worker.state.is_elsewhere() {
            let up = if worker.ready { 1.0 } else { 0.0 };
            gauge!(WORKER_UP, "worker" => name()).set(up);
        } else {
            let uptime = worker.uptime_seconds.unwrap_or_default();
            gauge!(WORKER_UPTIME, "worker" => name()).set(uptime as f64);
        }
    }
    for (state, count) in snapshot.instances_by_state() {
        gauge!(INSTANCES, "state" => state).set(count as f64);
    }
}
