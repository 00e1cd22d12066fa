//! The fleet as its users meet it: real programs, a real Redis of each test's own, real signals.
//!
//! Every file is one subject and every test one guarantee of the contract. Nothing here knows how the fleet is built:
//! it sees keys, entries, groups, flags, exit codes and HTTP answers.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a set-up that fails is a failed test, and a panic is how a test fails"
)]

mod binaries;
mod crew;
mod site;

mod acl;
mod acl_rights;
mod acl_rotation;
mod acl_scripts;
mod audit;
mod budget;
mod census;
mod chaos;
mod cluster;
mod commands;
mod configuration;
mod controls;
mod crash_matrix;
mod dead_letters;
mod desk;
mod docs;
mod durability;
mod explain;
mod garbage;
mod gate;
mod guards;
mod happy_path;
mod history;
mod lazy;
mod leading;
mod network;
mod notices;
mod observability;
mod order;
mod ordering;
mod outage;
mod partitions;
mod poison;
mod pressure;
mod reloading;
mod repetition;
mod retry;
mod sentinel;
mod server_errors;
mod shield;
mod supervision;
mod tls;
mod windows;
