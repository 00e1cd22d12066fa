//! The notifier: tells people about deployments by Slack, signed webhooks and the log.
//!
//! It reads what happens to deployments and publishes `notification:sent` and
//! `notification:failed`. The manager starts it, or an operator with
//! `printery-workers --worker=notifier`. It never decides what is true, only who hears of it.

use std::process::ExitCode;

use printery_events::topology::NOTIFIER;

mod conclusion;
mod crowd;
mod errand;
mod handler;
mod known;
mod news;
#[cfg(test)]
mod sample;
mod schedule;
mod teller;

fn main() -> ExitCode {
    printery_harness::run(&NOTIFIER, |boot| handler::Notifier::try_new(&boot.fleet))
}
