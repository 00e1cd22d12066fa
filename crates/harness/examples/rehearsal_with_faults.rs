//! The rehearsal with faults built in: `PRINTERY_FAULT` chooses one, `PRINTERY_CRASH_AT` a moment to crash at.
//!
//! Started by the tests that prove that the checker sees each of them, and, without a variable, nothing.

use std::process::ExitCode;

#[path = "rehearsal.rs"]
mod rehearsal;

fn main() -> ExitCode {
    rehearsal::main()
}
