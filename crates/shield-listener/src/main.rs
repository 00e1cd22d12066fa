//! The shield listener: keeps the status record of every deployment that dashboards read.
//!
//! It reads whatever says how a deployment stands and publishes nothing. It runs where somebody
//! asks for it: `printery-workers --worker=shield-listener`. It never decides how a deployment
//! stands; the record is what its events say.

use std::process::ExitCode;

use printery_events::topology::SHIELD_LISTENER;

mod handler;

fn main() -> ExitCode {
    printery_harness::run(&SHIELD_LISTENER, |boot| Ok(handler::Listener::new(&boot.fleet)))
}
