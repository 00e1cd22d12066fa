//! The fleet's records in a real Redis: dead letters come back whole, and instances are listed.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a set-up that fails is a failed test, and a panic is how a test fails"
)]

mod activity;
mod controls;
mod dead_letters;
mod destinations;
mod instances;
mod lives;
mod locks;
mod moving;
mod operator_log;
mod rollbacks;
mod scene;
mod windows;
