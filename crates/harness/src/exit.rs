//! Exit codes of contract §8, for the manager and the workers.
//!
//! They are returned from `main`; nothing calls `process::exit`.

use std::process::ExitCode;

/// Done, or cleanly stopped.
pub const DONE: u8 = 0;
/// The operation failed.
pub const FAILED: u8 = 1;
/// Usage or configuration; nothing was started or written.
pub const USAGE: u8 = 2;
/// Redis cannot be reached.
pub const UNAVAILABLE: u8 = 69;
/// A bug in this program.
pub const BUG: u8 = 70;
/// Stopped, but the shutdown deadline passed and work was handed back.
pub const DEADLINE: u8 = 75;

/// Turns a code of this module into what `main` returns.
pub fn code(code: u8) -> ExitCode {
    ExitCode::from(code)
}

/// Prints each line of a problem report to standard error, with the program's name before it.
pub fn report(program: &str, problems: &impl std::fmt::Display) {
    for line in problems.to_string().lines() {
        eprintln!("{program}: {line}");
    }
}
