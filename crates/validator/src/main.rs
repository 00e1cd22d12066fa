//! The validator's process: checks a deployment before anything is changed.

use std::process::ExitCode;

use printery_events::topology::VALIDATOR;

mod checks;
mod environment;
mod fields;
#[cfg(test)]
mod fixtures;
mod gate;
mod handler;
mod images;
mod kept;
mod manifest;
mod perform;
mod policy;
mod run;
mod together;
mod verdict;

fn main() -> ExitCode {
    printery_harness::run(&VALIDATOR, |boot| handler::Validator::try_new(boot.fleet))
}
