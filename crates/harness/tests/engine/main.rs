//! The harness against a real Redis, as real processes: every ending, played and checked.

#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]

mod endings;
mod owners;
mod stage;
mod troubles;
