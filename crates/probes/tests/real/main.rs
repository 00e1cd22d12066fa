//! Probes against real servers on loopback, one file for each protocol.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a set-up that fails is a failed test"
)]

mod auth;
mod grpc;
mod haproxy;
mod http_content;
mod https;
mod instances;
mod nginx;
mod oracle;
mod oracle_names;
mod support;
mod targets;
mod tls;
