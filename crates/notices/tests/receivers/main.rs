//! Receivers against real servers on loopback, and their messages against other people's judges.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a set-up that fails is a failed test, and a panic is how a test fails"
)]

mod alertmanager;
mod lines;
mod mail;
mod messages;
mod scene;
mod slack;
mod slack_types;
mod templates;
mod webhook;
