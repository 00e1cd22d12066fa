//! The dependency checker: asks what the services of a deployment stand on.
//!
//! It reads `validation:completed` and the completed stages, and publishes
//! `dependency:check:completed`. The manager starts it, or an operator with
//! `printery-workers --worker=dependency-checker`. It never deploys, restarts or repairs anything.

mod asker;
mod blast_radius;
mod handler;
mod judge;
mod request;
mod standing;
mod summary;
mod watcher;

use std::process::ExitCode;

use printery_events::topology::DEPENDENCY_CHECKER;
use printery_harness::{Problems, run};

use crate::handler::DependencyChecker;

fn main() -> ExitCode {
    run(&DEPENDENCY_CHECKER, |boot| {
        DependencyChecker::try_new(&boot.fleet).map_err(|error| Problems::from(error.to_string()))
    })
}
