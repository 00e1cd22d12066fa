#![doc = include_str!("README.md")]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a set-up that fails is a failed test, and a panic is how a test fails"
)]

#[path = "../fleet/binaries.rs"]
mod binaries;
#[path = "../fleet/site.rs"]
#[allow(dead_code, reason = "shared with the fleet's tests, which use all of it")]
mod site;

mod run;
mod stage;

mod clocks;
mod crash_points;
mod disk;
mod load;
mod mutants;
mod network;
mod owners;
mod replies;
mod restarts;
mod rights;
mod server;
mod surgery;
mod waiting;
