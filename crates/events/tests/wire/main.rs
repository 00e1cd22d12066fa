//! Owns the proof that the wire form is the contract's: golden entries, refusals, accepted forms, round trips.
//! Runs with `cargo test -p printery-events`.
//! It never looks inside the crate: only at what other services see.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod accepted;
mod cloudevents;
mod fuzz;
mod golden;
mod refused;
mod round_trip;
mod samples;
mod topology;
