//! The command line as a person or a script types it: the real program against a private Redis.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a set-up that fails is a failed test, and a panic is how a test fails"
)]

mod approving;
mod audit;
mod audit_scene;
mod bench;
mod configuration;
mod demo;
mod deploying;
mod dlq;
mod dlq_changes;
mod explain_golden;
mod explain_scene;
mod explaining;
mod holding;
mod importing;
mod notifying;
mod partitions;
mod probing;
mod programs;
mod publishing;
mod replaying;
mod seeing;
mod shell;
