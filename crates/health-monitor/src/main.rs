//! The health monitor: watches the services of a deployment over a window.
//!
//! It reads `dependency:check:completed` and publishes `health:check:completed`, and
//! `rollback:initiated` where the fleet file says so. The manager starts it, or an operator with
//! `printery-workers --worker=health-monitor`. It never rolls anything back itself.

mod appeal;
mod baseline;
mod board;
mod comparison;
mod handler;
mod history;
mod instruments;
mod journal;
mod measured;
mod metrics;
mod percentile;
mod progress;
mod reading;
mod report;
mod request;
mod rollback;
mod sample;
mod sentence;
mod statistics;
mod tally;
mod time;
mod verdict;
mod watch;
mod watcher;
mod window;

use std::process::ExitCode;

use printery_events::topology::HEALTH_MONITOR;
use printery_harness::{Problems, run};

use crate::handler::HealthMonitor;

fn main() -> ExitCode {
    run(&HEALTH_MONITOR, |boot| {
        HealthMonitor::try_new(&boot.fleet).map_err(|error| Problems::from(error.to_string()))
    })
}
